/*
 * internal.h - what the files of tree/ share with one another and with nobody else: reading an entry without a copy of its
 * path, xattrs through one handle, and the ladder of open folders.
 */
#ifndef CAISSON_TREE_INTERNAL_H
#define CAISSON_TREE_INTERNAL_H

#include <stdatomic.h>

#include "lib/buffer.h"
#include "lib/workers.h"
#include "tree/entry.h"

/* tree_entry_read, but entry->path stays NULL and path is only for messages. */
int tree_entry_fill(struct tree_entry *entry, int dir_fd, const char *name, const char *path, bool want_xattrs,
                    struct error *error) MUST_CHECK;

/* CSN_NO_SPACE for a full disk, CSN_MEMORY for ENOMEM, else code; for error_system. */
enum error_code tree_error_code(enum error_code code);

/* Opens for reading; O_NOFOLLOW | O_CLOEXEC are added, and O_NOATIME where it is allowed. -1 and errno. */
int tree_open_quietly(int dir_fd, const char *name, int flags);

#define TREE_READ_BYTES 262144 /* large enough that the calls cost nothing, small enough for the cache */

/* tree_digest_fd with the caller's buffer. */
int tree_digest_with(int fd, const char *name, void *buffer, size_t buffer_bytes, uint8_t digest[SHA256_SIZE],
                     uint64_t *read_bytes, struct error *error) MUST_CHECK;

/* Where attributes are put: an open descriptor, or a name in a folder. */
struct tree_place {
    int fd; /* -1: by name */
    int dir_fd;
    const char *name;
    char text[32 + 256]; /* the name as a path through /proc, for the xattr calls, which have no *at form */
};
void tree_place_name(struct tree_place *place, int dir_fd, const char *name);
void tree_place_fd(struct tree_place *place, int fd);

/* All readable xattrs, sorted. path is for messages. */
int tree_xattrs_read(struct tree_entry *entry, const struct tree_place *place, const char *path, struct error *error)
    MUST_CHECK;

/* Makes the place's xattrs exactly those of entry. */
int tree_xattrs_apply(const struct tree_place *place, const struct tree_entry *entry, struct tree_tolerated *tolerated,
                      struct error *error) MUST_CHECK;

/* Removes ACLs inherited from the folder above. */
int tree_xattrs_remove_acls(const struct tree_place *place, const char *path, struct error *error) MUST_CHECK;

/* The names in one folder, in order. Start with {0}; the memory is used again for the next folder. */
struct tree_names {
    struct buffer text; /* one after another, each with its NUL */
    size_t *offsets;    /* into text, sorted */
    size_t allocated;
    size_t count;
    size_t next;
};
int tree_names_list(struct tree_names *names, int folder_fd, const char *path, struct error *error) MUST_CHECK;
const char *tree_names_next(struct tree_names *names); /* NULL at the end */
void tree_names_free(struct tree_names *names);

/* The open folders along a path that goes down and up. Only the lowest few are kept open; one above is opened again through
 * ".." when it is needed and has to be the same folder then. Rung 0 always stays open. */
struct tree_rung {
    int fd; /* -1: closed to save descriptors */
    uint64_t dev;
    uint64_t ino;
};
struct tree_ladder {
    struct tree_rung *rungs;
    size_t count;
    size_t allocated;
};

/* Takes start_fd over, also on an error. */
int tree_ladder_start(struct tree_ladder *ladder, int start_fd, struct error *error) MUST_CHECK;

/* Goes into name, which is not followed. 0; 1 if it is gone, no folder, or (expected not NULL) another one than expected; -1. path is
 * for messages. */
int tree_ladder_enter(struct tree_ladder *ladder, const char *name, const char *path, const struct tree_entry *expected,
                      struct error *error) MUST_CHECK;

/* Goes up to the folder above. */
int tree_ladder_leave(struct tree_ladder *ladder, const char *path, struct error *error) MUST_CHECK;

/* The lowest folder. */
int tree_ladder_fd(const struct tree_ladder *ladder);

void tree_ladder_free(struct tree_ladder *ladder);

/* How far the copying of contents is; added to as it goes, by any thread. */
struct tree_copied {
    atomic_uint_least64_t files;
    atomic_uint_least64_t copied_bytes; /* read and written (holes not counted) */
    atomic_uint_least64_t shared_bytes; /* of files cloned without copying */
};

/* Copies the content of one open file into another, which is empty, keeping holes; sharing blocks where possible.
 * name is for messages. */
int tree_copy_content(int from_fd, int to_fd, const char *name, struct tree_copied *copied, struct error *error)
    MUST_CHECK;

/* Copies files, the larger ones in threads of their own. Start with {0} and what is the caller's. */
struct tree_file_copies {
    bool tolerate; /* count refusals of attributes instead of failing */
    void (*meanwhile)(
        void *self); /* the caller waits for the threads: it may say how far they are; in its own thread */
    struct tree_copied copied;
    struct tree_tolerated tolerated; /* whole after tree_file_copies_finish */
    struct workers *workers;         /* private, as is all below; NULL until there is a larger file */
    struct tree_tolerated tolerated_by[WORKERS_LIMIT];
};

/* Copies content and attributes of the file *entry, open as from_fd, to the new file to_fd; both are closed, now or when it is done.
 * -1 with the error of this or of an earlier file. */
int tree_file_copies_add(struct tree_file_copies *copies, int from_fd, int to_fd, const struct tree_entry *entry,
                         struct error *error) MUST_CHECK;

/* Waits for all of them. */
int tree_file_copies_finish(struct tree_file_copies *copies, struct error *error) MUST_CHECK;

/* Ends the threads; in any case, at the end. */
void tree_file_copies_end(struct tree_file_copies *copies);

#endif
