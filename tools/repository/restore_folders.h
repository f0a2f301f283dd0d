/*
 * restore_folders.h - the folders a restore is in at the moment: made on the way down, given their attributes on the way up,
 * when their content is complete. For restore.c.
 *
 * Never follows a link: what is there under a folder's name and is no folder stops the restore.
 */
#ifndef CAISSON_REPOSITORY_RESTORE_FOLDERS_H
#define CAISSON_REPOSITORY_RESTORE_FOLDERS_H

#include "lib/buffer.h"
#include "tree/entry.h"

struct restore_folder;

struct restore_folders {
    int start_fd; /* borrowed */
    struct restore_folder *folders;
    size_t count;
    size_t allocated;
    struct buffer path; /* of the lowest, relative to the start */
    bool has_start;     /* the start itself is to get attributes */
    struct tree_entry start;
    struct tree_tolerated *tolerated; /* NULL: a refusal is an error */
};

/* What errno means of something that was to be written at path: CSN_NO_SPACE, CSN_REPOSITORY_NAME, CSN_TREE_WRITE. -1. */
int restore_refused(struct error *error, const char *doing, const char *path);

/* Goes to the folder that holds path (relative to the start), making those on the way that are not there. *name is the last
 * part. Its descriptor, or -1 with CSN_REPOSITORY_TARGET, CSN_TREE_WRITE, CSN_NO_SPACE, ... */
int restore_folders_hold(struct restore_folders *folders, const char *path, const char **name, struct error *error)
    MUST_CHECK;

/* Makes or takes the folder of this entry, which lies at path, and goes into it. */
int restore_folders_enter(struct restore_folders *folders, const char *path, const struct tree_entry *entry,
                          struct error *error) MUST_CHECK;

/* Goes up out of all of them. */
int restore_folders_leave_all(struct restore_folders *folders, struct error *error) MUST_CHECK;

/* After an error: closes without touching anything. */
void restore_folders_free(struct restore_folders *folders);

#endif
