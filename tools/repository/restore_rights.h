/*
 * restore_rights.h - which attributes of a snapshot a restore could not give back: for want of rights, or of a file system that has
 * them. For restore_plan.c; asks, and writes nothing.
 */
#ifndef CAISSON_REPOSITORY_RESTORE_RIGHTS_H
#define CAISSON_REPOSITORY_RESTORE_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tree/entry.h"

enum right {
    RIGHT_OWNER,
    RIGHT_XATTR,
    RIGHT_DEVICE,
};

#define RIGHT_COUNT 3

struct restore_rights {
    int fd; /* borrowed: the folder to restore into */
    bool is_root;
    bool has_owners; /* the file system; otherwise all belongs to these */
    uid_t uid;
    gid_t gid;
    char *first[RIGHT_COUNT];    /* path of the first entry of which it is refused, or NULL */
    uint64_t count[RIGHT_COUNT]; /* of such entries */
};

/* is_root, uid, gid: of this process. */
int restore_rights_open(struct restore_rights *rights, int fd, bool has_owners, struct error *error) MUST_CHECK;
void restore_rights_close(struct restore_rights *rights);

int restore_rights_add(struct restore_rights *rights, const struct tree_entry *entry, struct error *error) MUST_CHECK;

/* A short phrase. */
const char *restore_rights_name(enum right right);

#endif
