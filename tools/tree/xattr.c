#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree/internal.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define SMALL_BYTES 2048

void tree_place_name(struct tree_place *place, int dir_fd, const char *name)
{
    place->fd = -1;
    place->dir_fd = dir_fd;
    place->name = name;
    /* A name has at most 255 bytes; a longer one cannot exist and gives ENOENT later. */
    snprintf(place->text, sizeof place->text, "/proc/self/fd/%d/%s", dir_fd, name);
}

void tree_place_fd(struct tree_place *place, int fd)
{
    place->fd = fd;
    place->dir_fd = -1;
    place->name = NULL;
    place->text[0] = '\0';
}

static ssize_t list_at(const struct tree_place *place, char *list, size_t size_bytes)
{
    return place->fd >= 0 ? flistxattr(place->fd, list, size_bytes) : llistxattr(place->text, list, size_bytes);
}

static ssize_t get_at(const struct tree_place *place, const char *name, void *value, size_t size_bytes)
{
    return place->fd >= 0 ? fgetxattr(place->fd, name, value, size_bytes)
                          : lgetxattr(place->text, name, value, size_bytes);
}

static int set_at(const struct tree_place *place, const struct tree_xattr *xattr)
{
    return place->fd >= 0 ? fsetxattr(place->fd, xattr->name, xattr->value, xattr->size_bytes, 0)
                          : lsetxattr(place->text, xattr->name, xattr->value, xattr->size_bytes, 0);
}

static int remove_at(const struct tree_place *place, const char *name)
{
    return place->fd >= 0 ? fremovexattr(place->fd, name) : lremovexattr(place->text, name);
}

static bool is_acl(const char *name)
{
    return strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0;
}

/* File systems list some more that belong to the place and not to the file ("btrfs.", "system.nfs4_acl"). */
static bool is_ours(const char *name)
{
    return strncmp(name, "user.", 5) == 0 || strncmp(name, "trusted.", 8) == 0 || strncmp(name, "security.", 9) == 0 ||
           is_acl(name);
}

/* Names one after another, each with its NUL, into *list (small, if they fit, else allocated). The bytes or -1. */
static ssize_t read_list(const struct tree_place *place, char *small, char **list, const char *path,
                         struct error *error)
{
    *list = small;
    ssize_t size = list_at(place, small, SMALL_BYTES);
    if (size < 0 && errno == ERANGE) {
        char *large = malloc(XATTR_LIST_MAX);
        if (large == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the attributes of %s", path);
        }
        *list = large;
        size = list_at(place, large, XATTR_LIST_MAX);
    }
    if (size >= 0) {
        return size;
    }
    int saved = errno;
    if (*list != small) {
        free(*list);
        *list = small;
    }
    if (saved == ENOTSUP) {
        return 0;
    }
    if (saved == ENOENT && place->fd < 0 && access("/proc/self/fd", F_OK) != 0) {
        return error_set(error, CSN_TREE_READ, "extended attributes cannot be reached: /proc is not mounted");
    }
    errno = saved;
    return error_system(error, saved == ENOENT ? CSN_NOT_FOUND : CSN_TREE_READ, "listing the attributes of %s", path);
}

static int read_value(struct tree_xattr *xattr, const struct tree_place *place, const char *path, struct error *error)
{
    for (;;) {
        ssize_t size = get_at(place, xattr->name, NULL, 0);
        if (size >= 0) {
            void *grown = realloc(xattr->value, (size_t)size + 1);
            if (grown == NULL) {
                return error_set(error, CSN_MEMORY, "no memory for the attributes of %s", path);
            }
            xattr->value = grown;
            ssize_t got = size == 0 ? 0 : get_at(place, xattr->name, xattr->value, (size_t)size);
            xattr->size_bytes = got < 0 ? 0 : (size_t)got;
            if (got >= 0) {
                return 0;
            }
        }
        if (errno != ERANGE) { /* ERANGE: it grew in between */
            return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_TREE_READ,
                                "reading the attribute %s of %s", xattr->name, path);
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tree_xattr *)a)->name, ((const struct tree_xattr *)b)->name);
}

int tree_xattrs_read(struct tree_entry *entry, const struct tree_place *place, const char *path, struct error *error)
{
    char small[SMALL_BYTES];
    char *list = NULL;
    int result = -1;
    ssize_t size = read_list(place, small, &list, path, error);
    if (size < 0) {
        return -1;
    }
    size_t count = 0;
    for (const char *name = list; name < list + size; name += strlen(name) + 1) {
        count += is_ours(name) ? 1 : 0;
    }
    if (count > 0) {
        entry->xattrs = calloc(count, sizeof *entry->xattrs);
        if (entry->xattrs == NULL) {
            error_set(error, CSN_MEMORY, "no memory for the attributes of %s", path);
            goto out;
        }
    }
    for (const char *name = list; name < list + size; name += strlen(name) + 1) {
        if (!is_ours(name)) {
            continue;
        }
        struct tree_xattr *xattr = &entry->xattrs[entry->xattr_count++];
        xattr->name = strdup(name);
        if (xattr->name == NULL) {
            error_set(error, CSN_MEMORY, "no memory for the attributes of %s", path);
            goto out;
        }
        if (read_value(xattr, place, path, error) != 0) {
            goto out;
        }
    }
    if (count > 1) {
        qsort(entry->xattrs, count, sizeof *entry->xattrs, by_name);
    }
    result = 0;
out:
    if (list != small) {
        free(list);
    }
    return result;
}

static const struct tree_xattr *find(const struct tree_entry *entry, const char *name)
{
    for (size_t i = 0; i < entry->xattr_count; i++) {
        if (strcmp(entry->xattrs[i].name, name) == 0) {
            return &entry->xattrs[i];
        }
    }
    return NULL;
}

/* Only those that a folder above or an earlier life can have left; labels of a security module come and go by themselves. */
static int remove_others(const struct tree_place *place, const struct tree_entry *entry,
                         struct tree_tolerated *tolerated, struct error *error)
{
    char small[SMALL_BYTES];
    char *list = NULL;
    ssize_t size = read_list(place, small, &list, entry->path, error);
    if (size < 0) {
        return -1;
    }
    int result = 0;
    for (const char *name = list; name < list + size && result == 0; name += strlen(name) + 1) {
        bool is_removable =
            is_ours(name) && (strncmp(name, "security.", 9) != 0 || strcmp(name, "security.capability") == 0);
        if (!is_removable || find(entry, name) != NULL || remove_at(place, name) == 0 || errno == ENODATA) {
            continue;
        }
        if (tolerated != NULL && (errno == EPERM || errno == EOPNOTSUPP)) {
            tolerated->xattrs++;
        } else {
            result = error_system(error, tree_error_code(CSN_TREE_ATTRIBUTE), "removing the attribute %s of %s", name,
                                  entry->path);
        }
    }
    if (list != small) {
        free(list);
    }
    return result;
}

static int set_one(const struct tree_place *place, const struct tree_entry *entry, const struct tree_xattr *xattr,
                   struct tree_tolerated *tolerated, struct error *error)
{
    if (set_at(place, xattr) == 0) {
        return 0;
    }
    if (tolerated != NULL && (errno == EPERM || errno == EOPNOTSUPP)) {
        tolerated->xattrs++;
        return 0;
    }
    return error_system(error, tree_error_code(CSN_TREE_ATTRIBUTE), "setting the attribute %s of %s", xattr->name,
                        entry->path);
}

int tree_xattrs_apply(const struct tree_place *place, const struct tree_entry *entry, struct tree_tolerated *tolerated,
                      struct error *error)
{
    if (remove_others(place, entry, tolerated, error) != 0) {
        return -1;
    }
    /* ACLs last: they may take from us the right to set the others. */
    for (int acls = 0; acls <= 1; acls++) {
        for (size_t i = 0; i < entry->xattr_count; i++) {
            if (is_acl(entry->xattrs[i].name) == (acls == 1) &&
                set_one(place, entry, &entry->xattrs[i], tolerated, error) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int tree_xattrs_remove_acls(const struct tree_place *place, const char *path, struct error *error)
{
    static const char *const names[] = {ACL_DEFAULT, ACL_ACCESS};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (remove_at(place, names[i]) != 0 && errno != ENODATA && errno != EOPNOTSUPP) {
            return error_system(error, tree_error_code(CSN_TREE_ATTRIBUTE), "removing the inherited ACL of %s", path);
        }
    }
    return 0;
}
