/*
 * media.h - the backup disk and the scratch folder of a run: found, mounted, and given back.
 */
#ifndef CAISSON_SEQUENCE_MEDIA_H
#define CAISSON_SEQUENCE_MEDIA_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/progress.h"
#include "target/mount.h"
#include "target/protect.h"

/* Mounts the disk or partition that name means (as in disks_find) at path, for writing; its protection is lifted (protect
 * NULL: not in the image). A disk with several file systems must be named by partition. CSN_TARGET_DISK_MISSING,
 * CSN_TARGET_AMBIGUOUS_DISK, CSN_TARGET_MOUNT. */
int media_mount(const char *name, const char *path, struct protect *protect, struct error *error) MUST_CHECK;
/* CSN_JOB_VALUE if the disk that name means is one of the server's (kernel names), or shares one with them below LVM or RAID: writing
 * the backup would lift the server's protection, and a failing disk would take both. What is not there is fine here. */
int media_check_apart(const char *name, const struct disks *disks, const struct strings *server_disks,
                      struct error *error) MUST_CHECK;

int media_unmount(const char *path, struct error *error) MUST_CHECK;

/* True if overlays can be written to the file system of this folder. */
bool media_carries_overlays(const char *folder);

/* Removes a folder of this machine with all in it (a scratch folder); what is not there is fine. */
int media_remove(const char *path, const struct progress *progress, struct error *error) MUST_CHECK;

/* Removes everything in folder whose name begins with prefix (scratch folders that runs left which were cut off), and adds the
 * names to *removed. A folder that is not there is fine. */
int media_sweep(const char *folder, const char *prefix, const struct progress *progress, struct strings *removed,
                struct error *error) MUST_CHECK;

#endif
