/*
 * mount.h - a server's file systems, mounted for reading without a write (no journal is replayed), later for writing and
 * back, at places of their own below /run/caisson/mnt.
 *
 * Mounts live in a mount namespace of this process, so that they are gone with it whatever happens. All of a server's
 * file systems change between reading and writing together, by unmounting and mounting anew: a journal that was ignored
 * must be replayed then, and the kernel does that at mount time only. So no descriptor below the root may be open then.
 */
#ifndef CAISSON_TARGET_MOUNT_H
#define CAISSON_TARGET_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/strings.h"
#include "target/disk.h"

struct target_mount {
    char *disk;          /* kernel name of the disk: "sda" */
    char *device;        /* "/dev/sda2" */
    char *place;         /* below the root: "/", "/var" */
    char *type;          /* "ext4" */
    char *options;       /* of the file system's own, for both ways of mounting: "subvol=@", or "" */
    char *path;          /* where it is on this machine: "/run/caisson/mnt/17-0/var" */
    bool needs_recovery; /* its journal was not played back when it was first looked at */
    bool has_errors;     /* its own kernel marked it so, and no fsck has taken the mark away */
    bool mounted;
    bool aside; /* nothing of the application lies on it: it stays for reading (target_need) */
};

/* Parents before children. */
struct target_mounts {
    char *path; /* of the root on this machine */
    struct target_mount *items;
    size_t count;
    bool writable;           /* all but those aside, or none */
    struct strings findings; /* plain sentences: what fstab names and is not there or not supported, unclean journals */
    struct error failure;    /* the first of fstab's that is there and could not be mounted, or code 0 */
    bool incomplete;         /* one of fstab's is not mounted: it could not be, is not here, or is not supported */
};

/* Gives this process a mount namespace of its own; once, further calls do nothing. Mounts made here are not seen outside;
 * (un)mounts made outside are seen here. CSN_PRIVILEGE without the right. To be called before the first thread, and before
 * anything else is mounted by this process: that would stay mounted outside. */
int mount_namespace(struct error *error) MUST_CHECK;

/* True for the types that are mounted: ext2, ext3, ext4, xfs, btrfs. */
bool mount_type_known(const char *type);

/* What a file system says of itself. */
struct mount_state {
    bool needs_recovery; /* its journal or log waits to be played back */
    bool known;          /* false where that cannot be told (an XFS with its log on another device) */
    bool has_errors;     /* ext: marked by the kernel that met them; the others refuse to be mounted then */
};

/* Read from the device itself. */
int mount_examine(const char *device, const char *type, struct mount_state *state, struct error *error) MUST_CHECK;

/*
 * Mounts volume (with options, "" or "subvol=@") as the root, read-only, and by its /etc/fstab the further real file
 * systems at their places. Swap, network, memory, bind and noauto lines are left out; what cannot be found, is not supported,
 * has no place or cannot be mounted becomes a finding: whether that matters depends on what lies there (mount_places.h).
 * Nothing stays mounted after an error.
 */
int mount_root(struct target_mounts *mounts, const struct disks *disks, const struct disk *disk,
               const struct disk_volume *volume, const char *options, struct error *error) MUST_CHECK;

/* The root alone: to look what is on it. */
int mount_root_only(struct target_mounts *mounts, const struct disk *disk, const struct disk_volume *volume,
                    const char *options, struct error *error) MUST_CHECK;

/*
 * Everything anew for writing (journals are replayed now); or back for reading, with all that was written on the disk.
 * Protection must have been lifted before the one, and is put back after the other. CSN_TARGET_MOUNT, naming the file
 * system, if one is in use or refuses: then all are as before where that can be had; mounts->items[].mounted tells.
 */
int mount_make_writable(struct target_mounts *mounts, struct error *error) MUST_CHECK;
int mount_make_read_only(struct target_mounts *mounts, struct error *error) MUST_CHECK;

/* Unmounts one of them with all that is mounted below it: from now on it is none of the server's. A finding says why. */
int mount_leave(struct target_mounts *mounts, size_t index, const char *why, struct error *error) MUST_CHECK;

/* Unmounts in reverse and removes the folders. The first error is reported, the others still unmounted; frees all. */
int mount_close(struct target_mounts *mounts, struct error *error) MUST_CHECK;

/* The mount that holds path (absolute, below the root): the one whose place is its longest prefix. NULL: a plain folder. */
const struct target_mount *mount_of(const struct target_mounts *mounts, const char *path);

#endif
