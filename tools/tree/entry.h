/*
 * entry.h - one name in a file tree with everything Linux keeps about it: type, mode, owner, times, extended
 * attributes (ACLs and capabilities are among them), link target, device.
 *
 * A path is bytes relative to the start of a walk ("" is the start itself), parts separated by one '/', never "." or
 * "..". Files are always reached as (descriptor of the folder, name), so that a path may be of any length. Content is
 * copy.h's, compare.h's and manifest.h's. Extended attributes need /proc.
 */
#ifndef CAISSON_TREE_ENTRY_H
#define CAISSON_TREE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/sha256.h"

enum tree_type {
    TREE_FILE,
    TREE_FOLDER,
    TREE_LINK, /* symbolic */
    TREE_FIFO,
    TREE_SOCKET,
    TREE_CHARACTER,
    TREE_BLOCK,
};

/* What there is to know about an entry; a set of these says what is known, or what differs. */
enum tree_aspect {
    TREE_ASPECT_TYPE = 1 << 0,
    TREE_ASPECT_CONTENT = 1 << 1, /* bytes of a file (its size, its digest) */
    TREE_ASPECT_TARGET = 1 << 2,  /* of a symbolic link */
    TREE_ASPECT_DEVICE = 1 << 3,  /* device numbers */
    TREE_ASPECT_MODE = 1 << 4,    /* the 07777 bits; not of symbolic links */
    TREE_ASPECT_OWNER = 1 << 5,
    TREE_ASPECT_MTIME = 1 << 6,     /* to the nanosecond */
    TREE_ASPECT_XATTRS = 1 << 7,    /* with ACLs and capabilities */
    TREE_ASPECT_HARDLINKS = 1 << 8, /* which names are one file (compare.h) */
    TREE_ASPECT_ONLY_A = 1 << 9,    /* the path is in the first tree only (compare.h) */
    TREE_ASPECT_ONLY_B = 1 << 10,
};

struct tree_xattr {
    char *name;  /* "user.x", "trusted.x", "security.capability", "system.posix_acl_access", ... */
    void *value; /* size_bytes bytes, as the kernel gives them; never NULL */
    size_t size_bytes;
};

struct tree_entry {
    char *path;
    enum tree_type type;
    unsigned known; /* set of tree_aspect; after reading from a disk all that the type has (XATTRS if asked for) */
    unsigned mode;  /* 07777 bits */
    uint32_t uid;
    uint32_t gid;
    int64_t mtime_sec;
    uint32_t mtime_nsec;
    int64_t ctime_sec;
    uint32_t ctime_nsec;
    int64_t born_sec; /* when the inode was made; 0 and 0 where the file system does not tell */
    uint32_t born_nsec;
    uint64_t size_bytes; /* of a file; length of a link's target; 0 for others */
    uint64_t dev;        /* makedev() form; with ino it identifies a file while its file system stays mounted */
    uint64_t ino;
    uint64_t nlink;
    uint64_t mount_id;     /* 0 where the kernel does not tell */
    uint32_t device_major; /* of TREE_CHARACTER and TREE_BLOCK */
    uint32_t device_minor;
    char *link_target;         /* of TREE_LINK, else NULL */
    struct tree_xattr *xattrs; /* sorted by name; NULL if none */
    size_t xattr_count;
    bool has_digest; /* of a file's content; size_bytes alone counts as known CONTENT too */
    uint8_t digest[SHA256_SIZE];
};

/* Fills *entry in from name in dir_fd (never following it; "." is the folder itself). entry->path becomes a copy of
 * path. What *entry held before is not freed. want_xattrs reads all of user.*, trusted.*, security.* and POSIX ACLs that this
 * process may see. Error: CSN_NOT_FOUND where there is no such name, else CSN_TREE_READ; *entry is zeroed then. */
int tree_entry_read(struct tree_entry *entry, int dir_fd, const char *name, const char *path, bool want_xattrs,
                    struct error *error) MUST_CHECK;

/* Opens the file that *entry describes for reading, without touching its atime where that is allowed: name in dir_fd, if it
 * is still the same file. The descriptor, or -1 with CSN_TREE_READ. */
int tree_entry_open(int dir_fd, const char *name, const struct tree_entry *entry, struct error *error) MUST_CHECK;

/* After reading: 0 if the open file still has the size and times of *entry, else CSN_TREE_READ "changed while it was
 * read". */
int tree_entry_still(int fd, const struct tree_entry *entry, struct error *error) MUST_CHECK;

/* Copies everything that *from owns. */
int tree_entry_copy(struct tree_entry *entry, const struct tree_entry *from, struct error *error) MUST_CHECK;

/* Frees what the entry owns and zeroes it; not the struct. */
void tree_entry_free(struct tree_entry *entry);

/* The set of tree_aspect (of those known in both) in which the two differ. Paths are not compared. Content differs by
 * size, or by digest where both have one; a folder's size, ctime, inode and link count never count. */
unsigned tree_entry_compare(const struct tree_entry *a, const struct tree_entry *b);

/* What could not be kept and was tolerated. */
struct tree_tolerated {
    uint64_t owners;
    uint64_t modes; /* setuid and setgid left out, because the owner could not be kept */
    uint64_t xattrs;
    uint64_t devices; /* not made at all */
};

/* Gives name in dir_fd the owner, xattrs, mode and mtime of entry, so far as they are known, in the order in which none
 * undoes another (owner; xattrs; mode; time). Attributes that name has and entry has not (an inherited ACL) are removed.
 * atime becomes mtime. A folder's content has to be complete before, or its time is lost. Nothing is synced.
 * tolerated: NULL, and the first refusal is an error (CSN_TREE_ATTRIBUTE); or counters, and refusals for want of
 * privilege (EPERM) or support (EOPNOTSUPP) are counted there. The name may be left half done on an error. */
int tree_entry_apply(int dir_fd, const char *name, const struct tree_entry *entry, struct tree_tolerated *tolerated,
                     struct error *error) MUST_CHECK;

/* The same on an open descriptor of a file or folder (not O_PATH), which is faster; the entry's path is for messages. */
int tree_entry_apply_fd(int fd, const struct tree_entry *entry, struct tree_tolerated *tolerated, struct error *error)
    MUST_CHECK;

/* Makes name in dir_fd, which must not exist, as the entry's type with its link target or device numbers; a file is
 * made empty. Mode 0600 or 0700, nothing else is set: tree_entry_apply does. CSN_TREE_WRITE, CSN_NO_SPACE or
 * CSN_PRIVILEGE (a device without root); nothing is left if it fails. */
int tree_entry_make(int dir_fd, const char *name, const struct tree_entry *entry, struct error *error) MUST_CHECK;

/* "file", "folder", "link", ... for messages and JSON; never NULL. */
const char *tree_type_name(enum tree_type type);

/* "content, mode, owner" into text, cut off if it does not fit; "nothing" for 0. */
void tree_aspects_text(unsigned aspects, char *text, size_t size_bytes);

#endif
