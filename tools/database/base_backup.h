/*
 * base_backup.h - the files of a cluster that runs on another host, over the replication protocol, with the WAL that makes them whole.
 *
 * What comes is checked against the server's own manifest (PostgreSQL 13 and newer: size and SHA-256 of each file) while it
 * comes; pages are checked by the server where it has checksums (11 and newer). Where the files go is the caller's. Sources: PostgreSQL's documentation,
 * "Streaming Replication Protocol" (BASE_BACKUP) and "Backup Manifest Format".
 */
#ifndef CAISSON_DATABASE_BASE_BACKUP_H
#define CAISSON_DATABASE_BASE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "database/cluster.h"
#include "database/query.h"
#include "lib/error.h"
#include "lib/progress.h"
#include "tree/entry.h"

struct base_backup_tablespace {
    uint32_t oid;
    char *location; /* the server's own path */
};

struct base_backup_summary {
    int version;        /* major: 15 */
    uint32_t timeline;  /* of both ends */
    char start_lsn[24]; /* "0/2000028" */
    char end_lsn[24];
    struct cluster_control control; /* as its pg_control came */
    uint64_t files;
    uint64_t bytes;
    bool has_manifest; /* and everything was as it says */
    bool has_slot;     /* WAL was held for us; without one the server may have been short of it, which it says */
    struct base_backup_tablespace *tablespaces;
    size_t tablespace_count;
};

/* Gives the next bytes of a file; fewer only at its end. */
typedef ssize_t base_backup_read(void *context, uint8_t *into, size_t size_bytes, struct error *error);

/* Takes an entry: path is relative to the data folder (oid 0) or to the tablespace's, "" that folder itself. Files are read whole. */
typedef int base_backup_take(void *context, uint32_t oid, const struct tree_entry *entry, base_backup_read *read,
                             void *read_context, struct error *error);

/* The target's replication and database fields do not matter. Whatever fails, the server has noticed nothing but a checkpoint.
 * CSN_DATABASE_LOGIN (no right of replication), CSN_DATABASE_DIFFERS (something came otherwise than the manifest says), _QUERY with
 * the server's words, _UNREACHABLE, take's own. Free the summary in each case. */
int base_backup(const struct query_target *target, const char *label, base_backup_take *take, void *context,
                const struct progress *progress, struct base_backup_summary *summary, struct error *error) MUST_CHECK;
void base_backup_summary_free(struct base_backup_summary *summary);

#endif
