/*
 * snapshot_about.h - the first and the last line of a snapshot, read; for snapshot_read.c.
 */
#ifndef CAISSON_REPOSITORY_SNAPSHOT_ABOUT_H
#define CAISSON_REPOSITORY_SNAPSHOT_ABOUT_H

#include "repository/snapshot.h"

/* Starts as {0}. */
struct snapshot_about {
    struct repository_snapshot snapshot;
    struct strings excludes;
    int64_t began_sec;
    char *reader; /* NULL: none */
    struct snapshot_totals totals;
    uint8_t lines_hash[SHA256_SIZE]; /* over all lines but the last */
};

/* CSN_REPOSITORY_DAMAGED, _VERSION, CSN_MEMORY. */
int snapshot_about_read_header(struct snapshot_about *about, const uint8_t id[SHA256_SIZE], yyjson_val *line,
                               struct error *error) MUST_CHECK;
int snapshot_about_read_end(struct snapshot_about *about, yyjson_val *line, struct error *error) MUST_CHECK;
void snapshot_about_free(struct snapshot_about *about);

/* repository_is_incomplete asks for it; its value says what is lost. */
#define SNAPSHOT_INCOMPLETE_TAG "incomplete"

/* Frees what one snapshot of a list owns. */
void snapshot_free(struct repository_snapshot *snapshot);

/* Hands *about's snapshot over. */
void snapshot_about_take(struct snapshot_about *about, struct repository_snapshot *snapshot);

#endif
