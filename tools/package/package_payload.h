/*
 * package_payload.h - payload.tar.zst: the new tree as a tar that follows from its manifest to the bit. Private to tools/package.
 *
 * Writing makes each header from the manifest; reading makes the same header and compares. Nothing in the payload is
 * interpreted, so nothing in it can lead anywhere: what differs is looked at only to say what it is (package_refuse.h).
 */
#ifndef CAISSON_PACKAGE_PACKAGE_PAYLOAD_H
#define CAISSON_PACKAGE_PACKAGE_PAYLOAD_H

#include <sys/types.h>

#include "lib/progress.h"
#include "package/package.h"
#include "package/package_tar.h"
#include "tree/manifest.h"

/* Fills *entry in with what the tar says of a manifest's entry; *name is a buffer for its name, reused. */
int payload_entry(struct tar_entry *entry, struct buffer *name, const struct tree_entry *from, struct error *error)
    MUST_CHECK;

/* Writes the files of tree_fd, as manifest has them, as a zstd-compressed tar to output_fd. A file that is no longer what the manifest
 * says is CSN_PACKAGE_INPUT. */
int payload_write(int output_fd, int tree_fd, const struct tree_manifest *manifest, const struct progress *progress,
                  struct error *error) MUST_CHECK;

/* Where a payload is unpacked to. */
struct payload_target {
    int top_fd;  /* an empty folder that becomes the tree's top */
    uid_t owner; /* (uid_t)-1, (gid_t)-1: as this process makes them */
    gid_t group;
};

/* Reads the whole payload, compares it with the manifest (which payload_check_manifest has let pass) and its bytes with their hash.
 * target NULL: nothing is written; else what is there after a failure is the caller's to remove. Nothing is synced.
 * CSN_PACKAGE_DAMAGED, _UNSAFE, _CONTENT, CSN_TREE_WRITE, CSN_NO_SPACE. */
int payload_read(const struct package *package, const struct tree_manifest *manifest,
                 const struct payload_target *target, const struct progress *progress, struct error *error) MUST_CHECK;

#endif
