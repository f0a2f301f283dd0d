/*
 * mount_places.h - where the server itself mounts what lasts: the lines of its fstab and its .mount units, and whether something is
 * mounted there now. mount.h mounts what it can of them; what lies on the others is not seen.
 */
#ifndef CAISSON_TARGET_MOUNT_PLACES_H
#define CAISSON_TARGET_MOUNT_PLACES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct mount_place {
    char *path;      /* without links, as far as it is there */
    char *what;      /* "/etc/fstab mounts nas:/files", "the unit srv.mount mounts /dev/sdb1" */
    bool mounted;    /* here and now; in a folder that stands for a server, also: filled */
    char *needed_by; /* a path of the application's that lies on it or below and is not seen (target_need), or NULL */
};

struct mount_places {
    struct mount_place *items;
    size_t count;
};

/* Looks below root_fd; copied: that is a folder, and what its places hold is what the server has there. Swap, memory and the kernel's own file systems hold nothing that lasts and are left out, and so is the root. */
int mount_places_read(struct mount_places *places, int root_fd, bool copied, struct error *error) MUST_CHECK;
void mount_places_free(struct mount_places *places);

/* True if path lies on this place, and nothing is mounted there: what is seen at path is not what the server has there. */
bool mount_places_hide(const struct mount_places *places, const struct mount_place *place, const char *path);

/* A place below path, of the server's own or further down; NULL: path is of one piece. */
const struct mount_place *mount_places_below(const struct mount_places *places, const char *path);

#endif
