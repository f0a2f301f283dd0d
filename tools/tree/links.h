/*
 * links.h - remembering the files that have several names: (device, inode) to the first path seen.
 *
 * Only for entries that are no folders and have nlink > 1; start with `struct tree_links links = {0}`.
 */
#ifndef CAISSON_TREE_LINKS_H
#define CAISSON_TREE_LINKS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

struct tree_links_slot;

struct tree_links {
    struct tree_links_slot *slots; /* private */
    size_t count;
    size_t allocated; /* private */
};

/* *first becomes the path under which this file was seen first (owned by links, valid until tree_links_free), or NULL if
 * now is the first time; then path is remembered. CSN_MEMORY. */
int tree_links_seen(struct tree_links *links, uint64_t dev, uint64_t ino, const char *path, const char **first,
                    struct error *error) MUST_CHECK;

/* The path under which this file was remembered, or NULL; nothing is remembered. Owned as above. */
const char *tree_links_find(const struct tree_links *links, uint64_t dev, uint64_t ino);

/* Remembers a number about a file that was seen, and asks for it (0 for one that has none). What it means is the caller's. */
void tree_links_mark(struct tree_links *links, uint64_t dev, uint64_t ino, uint64_t mark);
uint64_t tree_links_marked(const struct tree_links *links, uint64_t dev, uint64_t ino);

void tree_links_free(struct tree_links *links);

#endif
