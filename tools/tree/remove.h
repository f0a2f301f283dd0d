/*
 * remove.h - taking a tree away, as rm -rf does, but never through a link and never across a mount.
 */
#ifndef CAISSON_TREE_REMOVE_H
#define CAISSON_TREE_REMOVE_H

#include "lib/error.h"
#include "lib/progress.h"

/* Removes path below root_fd (resolved as lib/root.h does; a last part that is a link is removed itself) and all below
 * it, then makes the removal of the top name durable. What is not there is no error: the call can be repeated after a
 * cut. Before anything is removed the tree is searched for mount points; one inside is CSN_TREE_WRITE and nothing is
 * removed. The root itself ("", "/") is refused with CSN_INTERNAL. On another error (CSN_TREE_WRITE) part is gone. */
int tree_remove(int root_fd, const char *path, const struct progress *progress, struct error *error) MUST_CHECK;

#endif
