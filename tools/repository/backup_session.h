/*
 * backup_session.h - what a snapshot in the making consists of, wherever its entries come from: the store's threads, the queue before
 * them, the snapshot's file. For backup.c and intake.c.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_SESSION_H
#define CAISSON_REPOSITORY_BACKUP_SESSION_H

#include "repository/backup_file.h"
#include "repository/backup_queue.h"
#include "repository/internal.h"

struct backup_session {
    struct repository *repository;
    struct store *store;
    struct snapshot_writer *snapshot;
    struct backup_queue queue; /* its deliver is the caller's to set */
    struct backup_file file;
    char host[256]; /* what is recorded */
};

/* Checks the options and makes it; the repository must be open for writing (CSN_INTERNAL). names: the recorded ones of the sources. Call
 * backup_session_close in each case. */
int backup_session_open(struct backup_session *session, struct repository *repository,
                        const struct repository_backup_options *options, const struct strings *names,
                        struct error *error) MUST_CHECK;

/* Entries begin to go in: from here the repository is spent unless backup_session_commit succeeds. */
void backup_session_begin(struct backup_session *session);

/* All entries are in: the snapshot appears, after all that it names is durable, and the summary is filled in but for what the caller counts. */
int backup_session_commit(struct backup_session *session, struct repository_backup_summary *summary,
                          struct error *error) MUST_CHECK;

/* What was not committed is gone. A zeroed one is fine. */
void backup_session_close(struct backup_session *session);

#endif
