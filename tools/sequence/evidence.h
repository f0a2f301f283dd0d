/*
 * evidence.h - the folder of each run, on the stick and on the server: journal, report, what else an auditor reads.
 *
 *   <base>/caisson-runs/RUN/journal.jsonl   base: the job's folder (the stick), or the backup disk for a job by network
 *   /var/lib/caisson/runs/RUN/...           on the server
 */
#ifndef CAISSON_SEQUENCE_EVIDENCE_H
#define CAISSON_SEQUENCE_EVIDENCE_H

#include <stdbool.h>

#include "journal/journal.h"
#include "lib/error.h"
#include "lib/strings.h"
#include "target/protect.h"

#define EVIDENCE_STICK "caisson-runs"
#define EVIDENCE_SERVER "/var/lib/caisson/runs"
#define EVIDENCE_RUN_SIZE 40

struct evidence {
    char run[EVIDENCE_RUN_SIZE]; /* "20261123T033655.042Z-1a2b": names sort as runs began */
    char *path;                  /* of the run's folder on the stick */
    int dir_fd;
};

/* True if what lies at folder would be gone after power-off. */
bool evidence_is_volatile(const char *folder);

/* Makes the file system that holds folder writable if it is not (*changed): in the image the stick is mounted read-only but for
 * a run. protect: NULL outside the image, where whoever mounted it read-only meant it: CSN_JOURNAL_WRITE. */
int evidence_make_writable(const char *folder, struct protect *protect, bool *changed, struct error *error) MUST_CHECK;

/* Writes it out and makes it read-only again; its disk's protection is the caller's. Nothing on it may be open for writing. */
int evidence_make_read_only(const char *folder, struct error *error) MUST_CHECK;

/* A new run's folder below base, with a name of its own. Then its journal is attached by the caller. CSN_JOURNAL_WRITE. */
int evidence_create(struct evidence *evidence, const char *base, struct error *error) MUST_CHECK;

/* The folder of run below base, made if it is not there (a run that was begun with another stick). */
int evidence_open(struct evidence *evidence, const char *base, const char *run, struct error *error) MUST_CHECK;
void evidence_close(struct evidence *evidence);

/* The folder of run on a server, made if make is set; its descriptor or -1. */
int evidence_open_server(int root_fd, const char *run, bool make, struct error *error) MUST_CHECK;
bool evidence_on_server(int root_fd, const char *run);

/* How a run stands; a set of them is their sum. */
enum run_state {
    RUN_NONE = 0,       /* no such run */
    RUN_UNFINISHED = 1, /* cut off, or waiting for a person */
    RUN_ENDED = 2,      /* nothing left to do or undo */
    RUN_RELEASED = 4,   /* upgraded; the old version is kept: it can be rolled back */
};

/* What the journal says of it. */
enum run_state evidence_state(const struct journal *journal);

/* True if the upgrade was released and no rollback was begun since: people may work with the new version, whether or not the run
 * has ended. Such a run is never undone without keeping their work. */
bool evidence_is_released(const struct journal *journal);

/* Less than, equal to or more than 0: run a is older than b, the same, newer. What the server counted decides (`number` in the record
 * "server"): the clock, of which the names are made, may have been wrong. */
int evidence_compare(const struct journal *a, const struct journal *b);

/* The newest run in one of these states among the folders of runs_fd (of the stick or of a server; -1: none), but not one of those named
 * in skipped (NULL: none), nor in a folder of another name than the run's. Its journal is read into *journal (journal_init'ed). *found says whether there is one. */
int evidence_find(int runs_fd, unsigned states, const struct strings *skipped, struct journal *journal, bool *found,
                  struct error *error) MUST_CHECK;

#endif
