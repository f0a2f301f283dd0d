/*
 * cluster.h - what a cold PostgreSQL cluster's files say, read without any program: version, state, owner, tablespaces.
 *
 * global/pg_control is parsed by us for versions 10 to 18 (its CRC-32C checked). Nothing is written. Starting it is
 * server.h; copying it is clone.h.
 */
#ifndef CAISSON_DATABASE_CLUSTER_H
#define CAISSON_DATABASE_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

/* The numbers are PostgreSQL's own. */
enum cluster_state {
    CLUSTER_STARTING = 0,
    CLUSTER_SHUT_DOWN = 1,
    CLUSTER_SHUT_DOWN_IN_RECOVERY = 2,
    CLUSTER_SHUTTING_DOWN = 3,
    CLUSTER_IN_CRASH_RECOVERY = 4,
    CLUSTER_IN_ARCHIVE_RECOVERY = 5,
    CLUSTER_IN_PRODUCTION = 6,
};

/* Below the data folder. While a cluster is brought back where it lies, its control file has the second name: no PostgreSQL starts
 * without the first, and what the cluster is can still be read. */
#define CLUSTER_CONTROL "global/pg_control"
#define CLUSTER_CONTROL_HELD "global/pg_control.caisson"

struct cluster_control {
    uint64_t system_identifier;
    uint32_t control_version; /* 1300 */
    uint32_t catalog_version; /* 202209061 */
    enum cluster_state state;
    int64_t time_sec;    /* last written, since 1970 */
    uint64_t checkpoint; /* LSN of the last checkpoint record */
    uint64_t redo;       /* LSN where recovery would start */
    uint32_t timeline;
    uint32_t block_bytes;
    uint32_t segment_bytes; /* of WAL */
    uint32_t checksums;     /* data page checksum version; 0: none */
};

struct cluster_folder { /* one that belongs to the cluster but lies elsewhere */
    char *link;         /* relative to the data folder: "pg_tblspc/16385", "pg_wal" */
    char *target;       /* absolute path on the server, links resolved as PostgreSQL would */
};

struct cluster {
    char *data_path;   /* absolute, on the server */
    int version;       /* 15 */
    char *binaries;    /* folder with postgres of that version on the server; NULL: none found */
    char *config_file; /* postgresql.conf: in the data folder, or Debian's /etc/postgresql/N/NAME; NULL: none found */
    uid_t uid;         /* owner of the data folder */
    gid_t gid;
    struct cluster_control control;
    bool is_held;                   /* its control file is CLUSTER_CONTROL_HELD: it is not whole */
    bool has_pid_file;              /* postmaster.pid is there */
    long pid;                       /* its first line; 0 where unreadable */
    bool is_standby;                /* standby.signal or recovery.signal (or recovery.conf) is there */
    struct cluster_folder *folders; /* tablespaces and the WAL folder that lie outside data_path */
    size_t folder_count;
};

/* Reads it. data_path: absolute on the server; binaries: a folder that the profile names, or NULL to search.
 * CSN_DATABASE_NOT_CLUSTER (no cluster, damaged pg_control, unknown version), CSN_IO. An unclean cluster is no error here. */
int cluster_examine(int root_fd, const char *data_path, const char *binaries, struct cluster *cluster,
                    struct error *error) MUST_CHECK;
void cluster_free(struct cluster *cluster);

/* 0 if its files can be copied and started as they are: shut down in order, no standby, not held. Else CSN_DATABASE_UNCLEAN. */
int cluster_require_clean(const struct cluster *cluster, struct error *error) MUST_CHECK;

/* True if it was not shut down in order, as after a power cut, and PostgreSQL recovers it by itself when it is started. A standby, or
 * one that is held, is neither clean nor that. */
bool cluster_is_recoverable(const struct cluster *cluster);

/* 0 if postgres of its version was found, else CSN_DATABASE_VERSION. */
int cluster_require_binaries(const struct cluster *cluster, struct error *error) MUST_CHECK;

/* "shut down", "in production", … as pg_controldata says. */
const char *cluster_state_text(enum cluster_state state);

/* Only CLUSTER_CONTROL below data_path. */
int cluster_read_control(int root_fd, const char *data_path, struct cluster_control *control, struct error *error)
    MUST_CHECK;
int cluster_read_held_control(int root_fd, const char *data_path, struct cluster_control *control, struct error *error)
    MUST_CHECK;

/* From the bytes of the file; separately for tests and the fuzzer. */
int cluster_parse_control(const void *data, size_t size_bytes, struct cluster_control *control, struct error *error)
    MUST_CHECK;

#endif
