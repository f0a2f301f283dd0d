/*
 * live_dump.h - the databases of a running server, dumped by PostgreSQL's own pg_dump, as a snapshot of a repository: for a server that
 * gives no base backup (live_backup.h).
 *
 * In the snapshot it is the folder /postgresql-dump: NAME.dump for each database, globals.sql for the roles, their settings and
 * memberships, and the tablespaces. In NAME the bytes / % \ : * ? " < > | and control characters are %XX; the dump itself has the name as it is.
 * Each database is of one moment, but not all of the same.
 */
#ifndef CAISSON_SEQUENCE_LIVE_DUMP_H
#define CAISSON_SEQUENCE_LIVE_DUMP_H

#include "database/dump.h"
#include "repository/repository.h"

#define LIVE_DUMP_NAME "/postgresql-dump"
#define LIVE_DUMP_TAG "logical-dump" /* of live_backup.h's LIVE_BACKUP_TAG */

/* Begins as {0}. */
struct live_dump_summary {
    struct dump_server server;
    struct strings remarks; /* of the programs: "wiki: pg_dump: warning: ..." */
};

/* database: this one only; NULL: all that accept connections. Of the options host, label, tags and workers count; tags of its own are added:
 * database (logical-dump), pg_dump (17.11), postgresql (15), and system-identifier where the server tells it. After a failure there is no snapshot. Free both
 * summaries in each case. Errors are dump.h's and the repository's. */
int live_dump(const struct query_target *target, const char *database, struct repository *repository,
              const struct repository_backup_options *options, const struct progress *progress,
              struct live_dump_summary *dumped, struct repository_backup_summary *summary, struct error *error)
    MUST_CHECK;
void live_dump_summary_free(struct live_dump_summary *dumped);

#endif
