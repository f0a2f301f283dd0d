/*
 * live_prove.h - the backup of a running cluster counts when it has been restored and started: into a scratch folder, by a PostgreSQL of its
 * version, with the WAL it brings; then every table is read, and what amcheck finds is said.
 */
#ifndef CAISSON_SEQUENCE_LIVE_PROVE_H
#define CAISSON_SEQUENCE_LIVE_PROVE_H

#include "database/integrity.h"
#include "repository/repository.h"

struct live_prove_options {
    const char
        *programs; /* the root of a system that has the PostgreSQL: "/", or a server's mounted one; it is only read */
    const char *scratch;   /* a folder with room for the whole cluster */
    const char *superuser; /* a role of the cluster that may do all; NULL: postgres */
    integrity_found *found;
    void *context;
    const struct progress *progress;
};

struct live_proof {
    int version;    /* 15 */
    uint64_t files; /* restored */
    uint64_t bytes;
    int64_t start_ms; /* until it answered: its recovery */
    uint64_t databases;
    uint64_t tables;
    uint64_t rows;
    struct integrity_counts integrity;
};

/* The snapshot is one that live_backup made. What is damaged is told to found and counted; 0 also then. CSN_DATABASE_VERSION: programs has no
 * PostgreSQL of that version; CSN_DATABASE_START with its last words: it does not recover; the repository's. The scratch folder is empty
 * again in each case. Needs root. */
int live_prove(struct repository *repository, const char *id, const struct live_prove_options *options,
               struct live_proof *proof, struct error *error) MUST_CHECK;

#endif
