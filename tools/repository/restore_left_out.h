/*
 * restore_left_out.h - the paths that a restore leaves out because the file system it goes to cannot hold them. For restore.c.
 */
#ifndef CAISSON_REPOSITORY_RESTORE_LEFT_OUT_H
#define CAISSON_REPOSITORY_RESTORE_LEFT_OUT_H

#include "repository/internal.h"

/* Looks through the snapshot before anything is written, where the file system may refuse something: adds such paths to left_out, in
 * the snapshot's order, and tells the selection's left_out; without that CSN_REPOSITORY_NAME with the first and their number. */
int restore_left_out_find(struct strings *left_out, struct repository *repository, const char *id,
                          const struct repository_selection *selection, struct error *error) MUST_CHECK;

bool restore_left_out_has(const struct strings *left_out, const char *path);

#endif
