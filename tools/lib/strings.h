/*
 * strings.h - a list of owned strings, and small questions about text.
 */
#ifndef CAISSON_LIB_STRINGS_H
#define CAISSON_LIB_STRINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct strings {
    char **items; /* count of them, then a NULL: usable as argv */
    size_t count;
    size_t allocated; /* private */
};

int strings_add(struct strings *list, const char *text, struct error *error) MUST_CHECK;

/* Adds the parts of text between the separators, trimmed of blanks, empty ones left out. */
int strings_split(struct strings *list, const char *text, const char *separators, struct error *error) MUST_CHECK;

/* By bytes. */
void strings_sort(struct strings *list);

bool strings_has(const struct strings *list, const char *text);
void strings_free(struct strings *list);

/* Of a list that ends with NULL. */
bool text_is_one_of(const char *text, const char *const list[]);

/* True if path is folder or lies below it ("/a/b" in "/a", not "/ab" in "/a"); both absolute, no trailing slash. */
bool path_is_inside(const char *path, const char *folder);

/* "/a/b" and "new" -> "/a/new/b": the same name in a folder beside it. The caller's; NULL with CSN_MEMORY. */
char *path_beside(const char *path, const char *folder, struct error *error) MUST_CHECK;

/* Adds an absolute path to a list of such, unless one that is there holds it; those that lie in it go. */
int path_add_outer(struct strings *paths, const char *path, struct error *error) MUST_CHECK;

#endif
