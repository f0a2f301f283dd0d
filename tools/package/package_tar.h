/*
 * package_tar.h - the two tars of a package, to the bit: a header is made from what must be there, never interpreted.
 *
 * A reader makes the header that has to come next and compares: so a header cannot say anything that the signed index, or the
 * signed manifest, does not say. Layout: README.md; POSIX.1-2017, pax, "ustar Interchange Format".
 */
#ifndef CAISSON_PACKAGE_PACKAGE_TAR_H
#define CAISSON_PACKAGE_PACKAGE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"

#define TAR_BLOCK 512
#define TAR_END ((size_t)2 * TAR_BLOCK) /* zeros at the end of a tar */

struct tar_entry {
    const char *name; /* a folder's ends with '/' */
    char type;        /* '0' file, '2' symbolic link, '5' folder */
    unsigned mode;
    uint64_t size_bytes; /* of a file, else 0 */
    uint64_t mtime_sec;
    const char *link; /* target of a link, else NULL */
};

/* Appends the entry's header: a block, and before it a pax header where name or link are over 100 bytes or the size is
 * 8 GiB and more. Owner and group are 0 without names. */
void tar_header(struct buffer *header, const struct tar_entry *entry);

/* The header of a member of the package: a file, 0644, time 0. */
void tar_member_header(struct buffer *header, const char *name, uint64_t size_bytes);

/* Zeros behind content of this size. */
size_t tar_padding(uint64_t size_bytes);

/* The size out of a block that should be the header of the member name; false unless the whole block is exactly what
 * tar_member_header makes of both. For the members before the index is known, which are small. */
bool tar_member_read(const char block[TAR_BLOCK], const char *name, uint64_t *size_bytes);

/* For messages about what was refused: what a block that is no trusted header calls itself. Copies at most room - 1
 * bytes of its name and of its link; the type or '\0' if the block is not ustar at all. */
char tar_peek(const char block[TAR_BLOCK], char *name, char *link, size_t room, unsigned *mode, uint64_t *size_bytes);

#endif
