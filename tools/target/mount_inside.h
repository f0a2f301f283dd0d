/*
 * mount_inside.h - what mount.c and mount_root.c share; nobody else includes it.
 */
#ifndef CAISSON_TARGET_MOUNT_INSIDE_H
#define CAISSON_TARGET_MOUNT_INSIDE_H

#include "lib/error.h"
#include "target/mount.h"

/* Mounts one more file system for reading; in the list only if that worked. */
int mount_add(struct target_mounts *mounts, const struct disk *disk, const struct disk_volume *volume,
              const char *place, const char *options, struct error *error) MUST_CHECK;

int mount_finding(struct target_mounts *mounts, struct error *error, const char *format, ...) PRINTF_LIKE(3, 4)
    MUST_CHECK;

#endif
