/*
 * restore_files.h - the content of files that a restore has made, and then their attributes: by several threads. For restore.c.
 *
 * One thread hands files over, open and empty. Nothing of a file but its content and attributes is touched here: names and folders
 * are the caller's.
 */
#ifndef CAISSON_REPOSITORY_RESTORE_FILES_H
#define CAISSON_REPOSITORY_RESTORE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/strings.h"
#include "repository/internal.h"
#include "repository/snapshot.h"

struct restore_files;

struct restore_files_options {
    bool tolerate_refusals; /* what may not be kept is counted, not an error */
    bool skip_damaged;      /* what cannot be had of a file stays a hole, and the file's place is noted */
    void (*went_on)(void *context, const char *path); /* within a large file; in the thread that hands over */
    void *context;
};

struct restore_files *restore_files_new(struct repository *repository, const struct restore_files_options *options,
                                        struct error *error) MUST_CHECK;

/* Takes over the descriptor and the entry (which is empty afterwards), whatever comes of it. place: for what is noted. -1 with the
 * error of any file handed over so far: CSN_REPOSITORY_DAMAGED, CSN_TREE_WRITE, CSN_NO_SPACE, CSN_TREE_ATTRIBUTE, ... */
int restore_files_add(struct restore_files *files, int fd, const char *place, struct snapshot_entry *entry,
                      struct error *error) MUST_CHECK;

/* Waits for all of them. */
int restore_files_finish(struct restore_files *files, struct error *error) MUST_CHECK;

/* Ends the threads where they are, after an error: what is not done stays undone. */
void restore_files_stop(struct restore_files *files);

/* After that: places of files that are not whole, or without their attributes. */
const struct strings *restore_files_undone(const struct restore_files *files);

/* Bytes written so far, holes included. */
uint64_t restore_files_bytes(const struct restore_files *files);

/* After the end: adds what was tolerated. */
void restore_files_tolerated(const struct restore_files *files, struct tree_tolerated *tolerated);

/* After the end: places of files that are not whole, and by the same index, what is wrong with each. */
const struct strings *restore_files_damaged(const struct restore_files *files);
const struct strings *restore_files_damages(const struct restore_files *files);

void restore_files_free(struct restore_files *files); /* NULL is fine; stops it */

#endif
