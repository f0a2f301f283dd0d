/*
 * selected.h - the entries of a snapshot that a selection means, in order, and where each lies on the root. For restore.c,
 * export.c and compare.c.
 */
#ifndef CAISSON_REPOSITORY_SELECTED_H
#define CAISSON_REPOSITORY_SELECTED_H

#include "repository/internal.h"
#include "repository/snapshot.h"

struct selected {
    struct repository *repository;
    struct snapshot_reader *reader;
    struct snapshot_reader *firsts; /* a second one, of selected_first; NULL until needed */
    struct strings
        paths;    /* of the selection, without the leading '/', sorted, none inside another; empty: everything */
    size_t path;  /* the one at hand */
    bool inside;  /* the reader stands at or behind it */
    char *strip;  /* without slashes at its ends; "" for none */
    int start_fd; /* where "" lies: the place on the root; -1 where the selection has no root */
};

/* Opens the snapshot. Every path of the selection is looked up at once: CSN_NOT_FOUND for one that is not in the snapshot or
 * not below strip. */
int selected_open(struct selected *selected, struct repository *repository, const char *id,
                  const struct repository_selection *selection, struct error *error) MUST_CHECK;
void selected_close(struct selected *selected);

/* As snapshot_reader_next, for the entries meant. */
int selected_next(struct selected *selected, const struct snapshot_entry **entry, struct error *error) MUST_CHECK;

/* Of a file with several names whose first name, path, the selection does not mean: that name's entry, which holds the content. Valid until
 * the next call. CSN_REPOSITORY_DAMAGED: the snapshot has none of this type. */
int selected_first(struct selected *selected, const char *path, enum tree_type type,
                   const struct snapshot_entry **first, struct error *error) MUST_CHECK;

/* True if the selection means path (without the leading '/'). */
bool selected_has(const struct selected *selected, const char *path);

/* Where path lies, relative to start_fd (inside path; "" for the start itself); NULL if it is not below strip. */
const char *selected_place(const struct selected *selected, const char *path);

#endif
