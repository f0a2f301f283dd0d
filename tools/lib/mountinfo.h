/*
 * mountinfo.h - what is mounted where, as this process sees it: /proc/self/mountinfo (proc(5)), read once.
 *
 * What to make of a type or an option is the caller's.
 */
#ifndef CAISSON_LIB_MOUNTINFO_H
#define CAISSON_LIB_MOUNTINFO_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/buffer.h"
#include "lib/error.h"

struct mountinfo_line {
    long id;
    dev_t device;        /* of the file system; of btrfs not that of its files, nor of its disk */
    const char *point;   /* absolute, with blanks and their like as they are */
    const char *type;    /* "ext4", "fuse.sshfs" */
    const char *source;  /* a device, a server's folder, or any word */
    const char *options; /* the file system's own: "rw,vers=4.2" */
};

struct mountinfo {
    struct mountinfo_line *lines; /* in the order of mounting: of two at one point the later covers the earlier */
    size_t count;
    struct buffer text; /* private */
};

/* Lines of another form are passed over. CSN_NOT_FOUND where there is no /proc. */
int mountinfo_read(struct mountinfo *mounts, struct error *error) MUST_CHECK;
void mountinfo_free(struct mountinfo *mounts); /* of a zeroed one is fine */

/* From the content of such a file, which is taken over. */
int mountinfo_parse(struct mountinfo *mounts, struct buffer *text, struct error *error) MUST_CHECK;

/* The one that what is open lies on; NULL: not known. */
const struct mountinfo_line *mountinfo_of(const struct mountinfo *mounts, int fd);

#endif
