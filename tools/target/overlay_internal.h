/*
 * overlay_internal.h - reading the kernel's list of mounts, for overlay*.c and view*.c only.
 */
#ifndef CAISSON_TARGET_OVERLAY_INTERNAL_H
#define CAISSON_TARGET_OVERLAY_INTERNAL_H

#include "lib/error.h"
#include "lib/strings.h"

/* The mount point in a line of mountinfo (which is changed), decoded, and its type; NULL where it is no such line. */
char *overlay_mount_point(char *line, char **type);

/* Adds mounts to *sorted without slashes around, each once, parents before what lies in them. */
int overlay_sort_mounts(const struct strings *mounts, struct strings *sorted, struct error *error) MUST_CHECK;

#endif
