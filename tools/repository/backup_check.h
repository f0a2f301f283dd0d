/*
 * backup_check.h - what a backup is asked for: is it sound? For backup.c.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_CHECK_H
#define CAISSON_REPOSITORY_BACKUP_CHECK_H

#include "repository/repository.h"

/* Sorts them into sorted (room for count), so that the whole snapshot is in order, and their names into names. CSN_USAGE: a name is not
 * absolute, or they would bring a path twice. */
int backup_sort_sources(const struct repository_source **sorted, const struct repository_source *sources, size_t count,
                        struct strings *names, struct error *error) MUST_CHECK;

/* CSN_USAGE: the text is not UTF-8. what: as "label". */
int backup_check_text(const char *what, const char *text, struct error *error) MUST_CHECK;

/* CSN_USAGE: a label or tag that is no text, an exclude that fits nothing. */
int backup_check_options(const struct repository_backup_options *options, struct error *error) MUST_CHECK;

#endif
