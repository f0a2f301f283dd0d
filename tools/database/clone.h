/*
 * clone.h - a copy of a cold cluster beside the old one: its data folder and every folder of it that lies elsewhere.
 *
 * Links inside stay as they are: a clone is used by binding each copy over its original in a view, and becomes real when
 * each pair is exchanged (RENAME_EXCHANGE). Copies share blocks where the file system can (tree_copy).
 */
#ifndef CAISSON_DATABASE_CLONE_H
#define CAISSON_DATABASE_CLONE_H

#include <stdbool.h>
#include <stdint.h>

#include "database/cluster.h"
#include "lib/error.h"
#include "lib/progress.h"

struct clone_pair {
    char *original;      /* absolute, on the server */
    char *copy;          /* in a folder beside it (path_beside) */
    uint64_t size_bytes; /* of the original now, in whole blocks */
    uint64_t item_count; /* files, folders and all else in it */
};

struct clone_plan {
    struct clone_pair *pairs; /* the data folder first */
    size_t pair_count;
};

/* What making it took. */
struct clone_report {
    uint64_t files;
    uint64_t copied_bytes; /* read and written */
    uint64_t shared_bytes; /* of files whose blocks the copy shares */
};

/* Reads sizes; folder: where beside each original its copy goes. Writes nothing. CSN_TARGET_PROFILE where a folder is itself a mount point or has
 * one inside: such a folder cannot be exchanged. */
int clone_plan(int root_fd, const struct cluster *cluster, const char *folder, struct clone_plan *plan,
               struct error *error) MUST_CHECK;
void clone_plan_free(struct clone_plan *plan);

/* Copies every pair, durable when it returns. The cluster must be clean (CSN_DATABASE_UNCLEAN), or with recover one that recovers by
 * itself: then the copy does when it is started. The
 * folders beside must be there. A copy that exists already is an error (CSN_TREE_WRITE); after a failure what was copied stays, for clone_remove. A stale postmaster.pid is not
 * taken along. */
int clone_make(int root_fd, const struct cluster *cluster, const struct clone_plan *plan, bool recover,
               const struct progress *progress, struct clone_report *report, struct error *error) MUST_CHECK;

/* Removes the copies that are there. */
int clone_remove(int root_fd, const struct clone_plan *plan, struct error *error) MUST_CHECK;

#endif
