/*
 * restore_remains.h - what a restore leaves that is not as it was in the snapshot: files with lost content, files that were not
 * finished when it stopped, a folder that is not complete. For restore.c.
 */
#ifndef CAISSON_REPOSITORY_RESTORE_REMAINS_H
#define CAISSON_REPOSITORY_RESTORE_REMAINS_H

#include "repository/internal.h"
#include "repository/restore_files.h"
#include "repository/restore_folders.h"
#include "repository/selected.h"

struct restore {
    struct repository *repository;
    struct selected selected;
    struct restore_folders folders;
    struct restore_files *files;
    const struct progress *progress;
    struct repository_restore_summary *summary;
    uint64_t total_bytes;
    uint64_t total_items;
    struct strings left_out;
    struct strings first_paths;  /* first names that are not selected, and by the same index, */
    struct strings first_places; /* where the file was restored instead */
};

/* Gives files that are not whole, under all their names, other ones, and tells the selection's damaged of them. */
int restore_set_damaged_aside(struct restore *restore, const char *id, const struct repository_selection *selection,
                              struct error *error) MUST_CHECK;

/* After restore_files_stop: removes the files that were begun and not finished, and those with lost content that still have their
 * names, under all of them. */
void restore_remove_undone(const struct restore *restore, const char *id, const struct repository_selection *selection);

/* The selection's marker: there, if it wants one, from before the first entry until all is durable. */
int restore_mark_incomplete(const struct restore *restore, const char *id, const struct repository_selection *selection,
                            struct error *error) MUST_CHECK;
int restore_unmark_incomplete(const struct restore *restore, const struct repository_selection *selection,
                              struct error *error) MUST_CHECK;

#endif
