/*
 * overlay_internal.h - lists of mount points, for overlay*.c and view*.c only.
 */
#ifndef CAISSON_TARGET_OVERLAY_INTERNAL_H
#define CAISSON_TARGET_OVERLAY_INTERNAL_H

#include "lib/error.h"
#include "lib/strings.h"

/* Adds mounts to *sorted without slashes around, each once, parents before what lies in them. */
int overlay_sort_mounts(const struct strings *mounts, struct strings *sorted, struct error *error) MUST_CHECK;

#endif
