/*
 * mount_fstab.h - the lines of a server's /etc/fstab (fstab(5)), sorted so that parents come before children.
 */
#ifndef CAISSON_TARGET_MOUNT_FSTAB_H
#define CAISSON_TARGET_MOUNT_FSTAB_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct fstab_line {
    char *field;   /* the device: "UUID=...", "/dev/sda2" */
    char *place;   /* absolute, without a slash at the end */
    char *type;    /* "ext4", "auto" */
    char *options; /* apart by commas */
};

struct fstab {
    struct fstab_line *items;
    size_t count;
};

/* Reads root_fd's /etc/fstab; none is an empty list. Lines that are not understood are left out, as mount(8) does. */
int fstab_read(struct fstab *fstab, int root_fd, struct error *error) MUST_CHECK;
void fstab_free(struct fstab *fstab);

/* True if the options hold this word; with a word that ends in '=', *value (owned by the caller) is what follows. */
bool fstab_has_option(const struct fstab_line *line, const char *word);
char *fstab_option_value(const struct fstab_line *line, const char *word);

/* True if this is a real file system of a disk that is mounted at boot: not swap, network, memory, bind or noauto. */
bool fstab_is_real(const struct fstab_line *line);

#endif
