/*
 * overlay.h - a writable copy of a whole server root that costs nothing: overlayfs over its every file system.
 *
 * Overlayfs does not cross mounts, so the root and each file system mounted below it get an overlay of their own, all
 * with their upper folders in one scratch place. The rehearsal runs on such a root; a view (view.h) makes one for itself
 * and can stand on another (overlay over overlay, the kernel's limit of two). Folders of the server can be renamed and
 * exchanged (redirect_dir), which a user namespace cannot have: see overlay_can_rename.
 */
#ifndef CAISSON_TARGET_OVERLAY_H
#define CAISSON_TARGET_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/strings.h"

struct overlay_layout {
    const char *root_path; /* the server's root, mounted in our namespace, read-only or not; absolute */
    /* Mount points below it, relative ("boot", "var/lib"), any order; NULL: found in /proc/self/mountinfo. One whose file
     * system cannot lie under an overlay (FAT) is shown read-only instead. */
    const struct strings *mounts;
    const char
        *scratch_path;   /* an existing folder on ext4, XFS, btrfs or tmpfs for what is written; NULL: a fresh tmpfs */
    const char *at_path; /* an existing folder where the result is mounted */
    bool stable_inodes;  /* inode numbers stay the same while it is mounted, where the kernel can (xino=on) */
    bool keep_upper;     /* overlay_close leaves what was written in scratch_path */
};

struct overlay;

/* Mounts it. On failure nothing stays mounted and no folder stays in scratch_path. CSN_TARGET_NAMESPACE; CSN_NO_SPACE. */
int overlay_open(const struct overlay_layout *layout, struct overlay **overlay, struct error *error) MUST_CHECK;

/* Unmounts all of it, removes what was written (unless keep_upper) and frees it, whatever fails; the error is the first
 * one. A program that still uses it: CSN_TARGET_NAMESPACE, and the mount is detached. NULL is fine. */
int overlay_close(struct overlay *overlay, struct error *error) MUST_CHECK;

/* Layers: the root is 0 (relative path ""), then the mounts, parents first. */
size_t overlay_count(const struct overlay *overlay);
const char *overlay_mount(const struct overlay *overlay, size_t index); /* relative path of the layer's mount point */
int overlay_upper_fd(const struct overlay *overlay, size_t index); /* its upper folder; -1: shown read-only. Owned. */

/* The folders that overlay_open made for the uppers, below scratch_path, or NULL for a tmpfs. Owned by overlay. */
const char *overlay_scratch(const struct overlay *overlay);

/* False in a user namespace: renaming a folder of the server then fails with EXDEV. */
bool overlay_can_rename(void);

/* Adds the mount points below path, relative to it, parents first. */
int overlay_find_mounts(const char *path, struct strings *mounts, struct error *error) MUST_CHECK;

#endif
