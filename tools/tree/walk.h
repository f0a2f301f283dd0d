/*
 * walk.h - going through a file tree: every name once, a folder before its content, in the order of path.h, the same on
 * every run.
 *
 * Works on descriptors only: no link is followed, a folder that is swapped for a link meanwhile is not entered, depth and
 * names have no limit but the kernel's 255 bytes a name. Memory: the names of the folders along one path.
 * Needs no more than 64 descriptors at any depth. What to do with a file is the visitor's.
 */
#ifndef CAISSON_TREE_WALK_H
#define CAISSON_TREE_WALK_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/strings.h"
#include "tree/entry.h"

struct tree_walk_options {
    bool one_file_system;           /* show a mount point, do not enter it (a btrfs subvolume is no mount point) */
    bool want_xattrs;               /* read extended attributes into the entries */
    bool want_leave;                /* visit each folder once more after its content: TREE_LEAVE */
    bool tolerate_vanished;         /* TREE_VANISHED for what disappears during the walk; else it is CSN_TREE_READ */
    const struct strings *excludes; /* patterns of path.h; neither shown nor entered; NULL: none */
};

enum tree_event {
    TREE_ENTER,    /* an entry; a folder's content follows */
    TREE_LEAVE,    /* a folder whose content is done; the entry as it was read before */
    TREE_VANISHED, /* a name that was listed and is gone, or a folder (perhaps shown before) that is no longer the same */
};

struct tree_visit {
    enum tree_event event;
    const struct tree_entry *entry; /* valid until the visitor returns or tree_walker_next; only path if VANISHED */
    int dir_fd;                     /* the folder that holds it: openat(dir_fd, name, ... | O_NOFOLLOW) */
    const char *name;               /* "." for a start that has no folder above it inside the root */
    bool is_mount;                  /* a mount point that will not be entered */
};

/* What a visitor returns: 0 to go on, TREE_SKIP not to enter this folder (it gets no TREE_LEAVE), -1 with *error set to
 * stop. */
#define TREE_SKIP 1

/* Visits path below root_fd (resolved as lib/root.h does; its last part is not followed) and all below. A start that is
 * not a folder is the only visit. 0, or -1 with CSN_NOT_FOUND (no start), CSN_TREE_READ, CSN_MEMORY or the visitor's error. */
int tree_walk(int root_fd, const char *path, const struct tree_walk_options *options,
              int (*visitor)(void *context, const struct tree_visit *visit, struct error *error), void *context,
              struct error *error) MUST_CHECK;

/* The same as an iterator, for going through two trees side by side. */
struct tree_walker;

/* NULL on error. root_fd may be closed after. The options' excludes must stay. */
struct tree_walker *tree_walker_open(int root_fd, const char *path, const struct tree_walk_options *options,
                                     struct error *error) MUST_CHECK;

/* 1 and *visit; 0 at the end; -1. */
int tree_walker_next(struct tree_walker *walker, struct tree_visit *visit, struct error *error) MUST_CHECK;

/* The folder just entered is not gone into. */
void tree_walker_skip(struct tree_walker *walker);

void tree_walker_close(struct tree_walker *walker);

#endif
