#include "tree/entry.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tree/internal.h"

/* Where the kernel puts the mount's id in struct statx since Linux 5.8; musl's struct has no name for it. */
#define MOUNT_ID_MASK 0x1000U
#define MOUNT_ID_OFFSET 0x90

enum error_code tree_error_code(enum error_code code)
{
    if (errno == ENOSPC || errno == EDQUOT) {
        return CSN_NO_SPACE;
    }
    return errno == ENOMEM ? CSN_MEMORY : code;
}

static bool type_of(unsigned mode, enum tree_type *type)
{
    switch (mode & S_IFMT) {
    case S_IFREG: *type = TREE_FILE; return true;
    case S_IFDIR: *type = TREE_FOLDER; return true;
    case S_IFLNK: *type = TREE_LINK; return true;
    case S_IFIFO: *type = TREE_FIFO; return true;
    case S_IFSOCK: *type = TREE_SOCKET; return true;
    case S_IFCHR: *type = TREE_CHARACTER; return true;
    case S_IFBLK: *type = TREE_BLOCK; return true;
    default: return false;
    }
}

static void take_status(struct tree_entry *entry, const struct statx *status)
{
    entry->known = TREE_ASPECT_TYPE | TREE_ASPECT_OWNER | TREE_ASPECT_MTIME;
    entry->mode = status->stx_mode & 07777U;
    entry->uid = status->stx_uid;
    entry->gid = status->stx_gid;
    entry->mtime_sec = status->stx_mtime.tv_sec;
    entry->mtime_nsec = status->stx_mtime.tv_nsec;
    entry->ctime_sec = status->stx_ctime.tv_sec;
    entry->ctime_nsec = status->stx_ctime.tv_nsec;
    entry->dev = makedev(status->stx_dev_major, status->stx_dev_minor);
    entry->ino = status->stx_ino;
    entry->nlink = status->stx_nlink;
    if ((status->stx_mask & STATX_BTIME) != 0) {
        entry->born_sec = status->stx_btime.tv_sec;
        entry->born_nsec = status->stx_btime.tv_nsec;
    }
    if ((status->stx_mask & MOUNT_ID_MASK) != 0) {
        memcpy(&entry->mount_id, (const char *)status + MOUNT_ID_OFFSET, sizeof entry->mount_id);
    }
    if (entry->type == TREE_FILE) {
        entry->size_bytes = status->stx_size;
        entry->known |= TREE_ASPECT_CONTENT;
    }
    if (entry->type != TREE_LINK) {
        entry->known |= TREE_ASPECT_MODE;
    }
    if (entry->type == TREE_CHARACTER || entry->type == TREE_BLOCK) {
        entry->device_major = status->stx_rdev_major;
        entry->device_minor = status->stx_rdev_minor;
        entry->known |= TREE_ASPECT_DEVICE;
    }
}

static int read_target(struct tree_entry *entry, int dir_fd, const char *name, const char *path, struct error *error)
{
    char target[PATH_MAX + 1];
    ssize_t length = readlinkat(dir_fd, name, target, sizeof target);
    if (length < 0) {
        return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_TREE_READ, "reading the link %s", path);
    }
    if ((size_t)length >= sizeof target) {
        return error_set(error, CSN_TREE_READ, "reading the link %s: its target is longer than %d bytes", path,
                         PATH_MAX);
    }
    entry->link_target = strndup(target, (size_t)length);
    if (entry->link_target == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the link %s", path);
    }
    entry->size_bytes = (uint64_t)length;
    entry->known |= TREE_ASPECT_TARGET;
    return 0;
}

int tree_entry_fill(struct tree_entry *entry, int dir_fd, const char *name, const char *path, bool want_xattrs,
                    struct error *error)
{
    *entry = (struct tree_entry){0};
    struct statx status;
    if (statx(dir_fd, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_BTIME | MOUNT_ID_MASK,
              &status) != 0) {
        return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_TREE_READ, "reading %s", path);
    }
    if (!type_of(status.stx_mode, &entry->type)) {
        return error_set(error, CSN_TREE_READ, "%s is of a kind that is not known (mode %o)", path, status.stx_mode);
    }
    take_status(entry, &status);
    if (entry->type == TREE_LINK && read_target(entry, dir_fd, name, path, error) != 0) {
        tree_entry_free(entry);
        return -1;
    }
    if (want_xattrs) {
        struct tree_place place;
        tree_place_name(&place, dir_fd, name);
        if (tree_xattrs_read(entry, &place, path, error) != 0) {
            tree_entry_free(entry);
            return -1;
        }
        entry->known |= TREE_ASPECT_XATTRS;
    }
    return 0;
}

int tree_entry_read(struct tree_entry *entry, int dir_fd, const char *name, const char *path, bool want_xattrs,
                    struct error *error)
{
    if (tree_entry_fill(entry, dir_fd, name, path, want_xattrs, error) != 0) {
        return -1;
    }
    entry->path = strdup(path);
    if (entry->path == NULL) {
        tree_entry_free(entry);
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    return 0;
}

int tree_entry_open(int dir_fd, const char *name, const struct tree_entry *entry, struct error *error)
{
    struct stat status;
    /* O_NONBLOCK: should a fifo lie there by now, opening it must not wait for a writer. */
    int fd = tree_open_quietly(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_system(error, CSN_TREE_READ, "opening %s", entry->path);
    } else if (!S_ISREG(status.st_mode) || status.st_ino != entry->ino || status.st_dev != entry->dev) {
        error_set(error, CSN_TREE_READ, "%s was replaced while its tree was being read", entry->path);
    } else {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

int tree_entry_still(int fd, const struct tree_entry *entry, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_system(error, CSN_TREE_READ, "reading %s", entry->path);
    }
    if ((uint64_t)status.st_size != entry->size_bytes || status.st_mtim.tv_sec != entry->mtime_sec ||
        (uint32_t)status.st_mtim.tv_nsec != entry->mtime_nsec || status.st_ctim.tv_sec != entry->ctime_sec ||
        (uint32_t)status.st_ctim.tv_nsec != entry->ctime_nsec) {
        return error_set(error, CSN_TREE_READ, "%s changed while it was being read", entry->path);
    }
    return 0;
}

static bool copy_xattrs(struct tree_entry *entry, const struct tree_entry *from)
{
    entry->xattrs = from->xattr_count == 0 ? NULL : calloc(from->xattr_count, sizeof *entry->xattrs);
    entry->xattr_count = 0;
    if (from->xattr_count > 0 && entry->xattrs == NULL) {
        return false;
    }
    for (size_t i = 0; i < from->xattr_count; i++) {
        struct tree_xattr *xattr = &entry->xattrs[entry->xattr_count++];
        xattr->size_bytes = from->xattrs[i].size_bytes;
        xattr->name = strdup(from->xattrs[i].name);
        xattr->value = malloc(xattr->size_bytes + 1);
        if (xattr->name == NULL || xattr->value == NULL) {
            return false;
        }
        memcpy(xattr->value, from->xattrs[i].value, xattr->size_bytes);
    }
    return true;
}

int tree_entry_copy(struct tree_entry *entry, const struct tree_entry *from, struct error *error)
{
    *entry = *from;
    entry->path = from->path == NULL ? NULL : strdup(from->path);
    entry->link_target = from->link_target == NULL ? NULL : strdup(from->link_target);
    bool is_whole = copy_xattrs(entry, from) && (entry->path == NULL) == (from->path == NULL) &&
                    (entry->link_target == NULL) == (from->link_target == NULL);
    if (!is_whole) {
        tree_entry_free(entry);
        return error_set(error, CSN_MEMORY, "no memory for the entry %s", from->path == NULL ? "" : from->path);
    }
    return 0;
}

void tree_entry_free(struct tree_entry *entry)
{
    free(entry->path);
    free(entry->link_target);
    for (size_t i = 0; i < entry->xattr_count; i++) {
        free(entry->xattrs[i].name);
        free(entry->xattrs[i].value);
    }
    free(entry->xattrs);
    *entry = (struct tree_entry){0};
}

static bool xattrs_equal(const struct tree_entry *a, const struct tree_entry *b)
{
    if (a->xattr_count != b->xattr_count) {
        return false;
    }
    for (size_t i = 0; i < a->xattr_count; i++) {
        const struct tree_xattr *one = &a->xattrs[i];
        const struct tree_xattr *other = &b->xattrs[i];
        if (strcmp(one->name, other->name) != 0 || one->size_bytes != other->size_bytes ||
            memcmp(one->value, other->value, one->size_bytes) != 0) {
            return false;
        }
    }
    return true;
}

/* What the entry is, its attributes apart; both are of one type. */
static unsigned compare_substance(const struct tree_entry *a, const struct tree_entry *b, unsigned known)
{
    unsigned differs = 0;
    if (a->type == TREE_FILE) {
        bool is_other_size = (known & TREE_ASPECT_CONTENT) != 0 && a->size_bytes != b->size_bytes;
        bool is_other_digest = a->has_digest && b->has_digest && memcmp(a->digest, b->digest, sizeof a->digest) != 0;
        differs |= is_other_size || is_other_digest ? TREE_ASPECT_CONTENT : 0;
    }
    if (a->type == TREE_LINK && (known & TREE_ASPECT_TARGET) != 0 && strcmp(a->link_target, b->link_target) != 0) {
        differs |= TREE_ASPECT_TARGET;
    }
    if ((a->type == TREE_CHARACTER || a->type == TREE_BLOCK) && (known & TREE_ASPECT_DEVICE) != 0 &&
        (a->device_major != b->device_major || a->device_minor != b->device_minor)) {
        differs |= TREE_ASPECT_DEVICE;
    }
    return differs;
}

unsigned tree_entry_compare(const struct tree_entry *a, const struct tree_entry *b)
{
    unsigned known = a->known & b->known;
    unsigned differs = a->type != b->type ? TREE_ASPECT_TYPE : compare_substance(a, b, known);
    if ((known & TREE_ASPECT_MODE) != 0 && a->mode != b->mode) {
        differs |= TREE_ASPECT_MODE;
    }
    if ((known & TREE_ASPECT_OWNER) != 0 && (a->uid != b->uid || a->gid != b->gid)) {
        differs |= TREE_ASPECT_OWNER;
    }
    if ((known & TREE_ASPECT_MTIME) != 0 && (a->mtime_sec != b->mtime_sec || a->mtime_nsec != b->mtime_nsec)) {
        differs |= TREE_ASPECT_MTIME;
    }
    if ((known & TREE_ASPECT_XATTRS) != 0 && !xattrs_equal(a, b)) {
        differs |= TREE_ASPECT_XATTRS;
    }
    return differs;
}

const char *tree_type_name(enum tree_type type)
{
    static const char *const names[] = {
        [TREE_FILE] = "file",          [TREE_FOLDER] = "folder", [TREE_LINK] = "link",
        [TREE_FIFO] = "fifo",          [TREE_SOCKET] = "socket", [TREE_CHARACTER] = "character device",
        [TREE_BLOCK] = "block device",
    };
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

void tree_aspects_text(unsigned aspects, char *text, size_t size_bytes)
{
    static const char *const names[] = {"type",  "content", "target",     "device",        "mode",          "owner",
                                        "mtime", "xattrs",  "hard links", "only in first", "only in second"};
    size_t used = (size_t)snprintf(text, size_bytes, "%s", aspects == 0 ? "nothing" : "");
    for (size_t i = 0; i < sizeof names / sizeof names[0] && used < size_bytes; i++) {
        if ((aspects & 1U << i) != 0) {
            used += (size_t)snprintf(text + used, size_bytes - used, "%s%s", used == 0 ? "" : ", ", names[i]);
        }
    }
}
