/*
 * live_backup.h - the cluster of a running server, by its own replication protocol, as a snapshot of a repository.
 *
 * In the snapshot it is the folder /postgresql: data/ is the data folder with the WAL that makes it whole and the server's
 * backup_manifest, tablespaces/OID/ the content of each tablespace. A PostgreSQL of its version
 * starts on data/ once the paths in data/tablespace_map, "OID PATH" a line, lead to where the tablespaces lie then.
 */
#ifndef CAISSON_SEQUENCE_LIVE_BACKUP_H
#define CAISSON_SEQUENCE_LIVE_BACKUP_H

#include "database/base_backup.h"
#include "repository/repository.h"

#define LIVE_BACKUP_NAME "/postgresql"
#define LIVE_BACKUP_TAG "database"
#define LIVE_BACKUP_TAG_BASE "base-backup"

/* Of the options host, label, tags and workers count; tags of its own are added: database (base-backup), postgresql (15), system-identifier, timeline. After
 * a failure there is no snapshot. Free both summaries in each case. Errors are base_backup's and the repository's. */
int live_backup(const struct query_target *target, struct repository *repository,
                const struct repository_backup_options *options, const struct progress *progress,
                struct base_backup_summary *database, struct repository_backup_summary *summary, struct error *error)
    MUST_CHECK;

#endif
