/*
 * path.h - relative byte paths inside a tree: their order, patterns on them, and opening one of any length.
 *
 * Order is that of a walk: part by part, bytes unsigned ("a" < "a/b" < "a.b"). A pattern is of fnmatch(3), always for the
 * whole path from the start of the tree, '*' never matches '/'; it also covers everything below what it matches. A pattern
 * that starts with two stars and a slash matches at any depth. A leading or trailing '/' does not count.
 */
#ifndef CAISSON_TREE_PATH_H
#define CAISSON_TREE_PATH_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/strings.h"

/* <0, 0, >0 in walk order. */
int tree_path_compare(const char *a, const char *b);

/* True if a pattern of the list (NULL: none) matches path or a folder above it. "" never matches. */
bool tree_path_matches(const struct strings *patterns, const char *path);

/* True if path is a well-formed tree path: relative, no empty part, no "." or "..", no part over 255 bytes. "" is. */
bool tree_path_is_sound(const char *path);

/* Opens path below start_fd with open(2)'s flags (O_CLOEXEC and O_NOFOLLOW are added); no link on the way is followed,
 * any length. "" opens the start itself. The descriptor, or -1 with errno. */
int tree_path_open(int start_fd, const char *path, int flags);

/* Opens the folder that holds path, as above, and points *name at its last part (inside path; "." for ""). */
int tree_path_open_parent(int start_fd, const char *path, const char **name);

#endif
