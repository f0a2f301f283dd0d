/*
 * protect.h - write protection in the kernel (BLKROSET): from boot on no disk can be opened for writing but those that a
 * step was given. Only the image's sequence calls this: protect_is_image says whether this machine is one.
 *
 * What it does not stop: a file system that was mounted for writing before, and raw SCSI or NVMe commands by root. So it
 * comes first of all, and nothing in the image sends such commands.
 */
#ifndef CAISSON_TARGET_PROTECT_H
#define CAISSON_TARGET_PROTECT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/strings.h"
#include "target/disk.h"

/* True inside the image (/etc/caisson/image is there). Outside, protection is never touched. */
bool protect_is_image(void);

/* One disk seen before; private to protect.c, here for its size. */
struct protect_entry {
    char *name;
    uint64_t sequence;
    bool writable; /* lifted by protect_lift */
};

struct protect {
    struct disk_places places;
    struct protect_entry *entries;
    size_t count;
};

/* Protects every disk there is, partitions included. places as in disk.h. CSN_TARGET_PROTECT names the first disk that
 * cannot be; the others are protected all the same. */
int protect_start(struct protect *protect, const struct disk_places *places, struct error *error) MUST_CHECK;
void protect_free(struct protect *protect); /* leaves the disks as they are */

/* Makes one disk and its partitions writable, and puts it back. Idempotent. A disk that was exchanged under the same
 * name since protect_start is refused. */
int protect_lift(struct protect *protect, const struct disk *disk, struct error *error) MUST_CHECK;
int protect_restore(struct protect *protect, const struct disk *disk, struct error *error) MUST_CHECK;

/* Puts every disk back that was lifted and is still there. All are tried; the first error counts. */
int protect_restore_all(struct protect *protect, struct error *error) MUST_CHECK;

/*
 * At the start of each step: a disk that appeared since is protected and its name added to *appeared (NULL: not asked);
 * a known one that is writable though it was not lifted is protected again and is an error, CSN_TARGET_PROTECT: somebody
 * else changed it, and what was written is unknown.
 */
int protect_check(struct protect *protect, struct strings *appeared, struct error *error) MUST_CHECK;

/* One device node: sets or clears its flag, or reads it. */
int protect_set(const char *path, bool read_only, struct error *error) MUST_CHECK;
int protect_get(const char *path, bool *read_only, struct error *error) MUST_CHECK;

#endif
