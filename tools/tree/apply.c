#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tree/internal.h"

static bool is_tolerable(const struct tree_tolerated *tolerated)
{
    return tolerated != NULL && (errno == EPERM || errno == EOPNOTSUPP);
}

static int change_owner(const struct tree_place *place, const struct tree_entry *entry)
{
    if (place->fd >= 0) {
        return fchown(place->fd, entry->uid, entry->gid);
    }
    return fchownat(place->dir_fd, place->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW);
}

static int change_mode(const struct tree_place *place, mode_t mode)
{
    return place->fd >= 0 ? fchmod(place->fd, mode) : fchmodat(place->dir_fd, place->name, mode, AT_SYMLINK_NOFOLLOW);
}

static int change_time(const struct tree_place *place, const struct tree_entry *entry)
{
    const struct timespec moment = {.tv_sec = entry->mtime_sec, .tv_nsec = entry->mtime_nsec};
    const struct timespec times[2] = {moment, moment};
    return place->fd >= 0 ? futimens(place->fd, times)
                          : utimensat(place->dir_fd, place->name, times, AT_SYMLINK_NOFOLLOW);
}

static int apply(const struct tree_place *place, const struct tree_entry *entry, struct tree_tolerated *tolerated,
                 struct error *error)
{
    mode_t mode = entry->mode;
    /* The owner first: a change of it takes setuid, setgid and capabilities away. */
    if ((entry->known & TREE_ASPECT_OWNER) != 0 && change_owner(place, entry) != 0) {
        if (!is_tolerable(tolerated)) {
            return error_system(error, tree_error_code(CSN_TREE_ATTRIBUTE), "giving %s to its owner %u:%u", entry->path,
                                entry->uid, entry->gid);
        }
        tolerated->owners++;
        /* Running with somebody else's rights is not what the mode meant. */
        if ((mode & (S_ISUID | S_ISGID)) != 0) {
            tolerated->modes++;
            mode &= ~(mode_t)(S_ISUID | S_ISGID);
        }
    }
    /* xattrs while the mode still lets the owner write; an ACL changes the mode's group bits, so the mode is last. */
    if ((entry->known & TREE_ASPECT_XATTRS) != 0 && tree_xattrs_apply(place, entry, tolerated, error) != 0) {
        return -1;
    }
    if ((entry->known & TREE_ASPECT_MODE) != 0 && entry->type != TREE_LINK && change_mode(place, mode) != 0) {
        return error_system(error, tree_error_code(CSN_TREE_ATTRIBUTE), "setting the mode of %s to %04o", entry->path,
                            (unsigned)mode);
    }
    if ((entry->known & TREE_ASPECT_MTIME) != 0 && change_time(place, entry) != 0) {
        return error_system(error, tree_error_code(CSN_TREE_ATTRIBUTE), "setting the time of %s", entry->path);
    }
    return 0;
}

int tree_entry_apply(int dir_fd, const char *name, const struct tree_entry *entry, struct tree_tolerated *tolerated,
                     struct error *error)
{
    struct tree_place place;
    tree_place_name(&place, dir_fd, name);
    return apply(&place, entry, tolerated, error);
}

int tree_entry_apply_fd(int fd, const struct tree_entry *entry, struct tree_tolerated *tolerated, struct error *error)
{
    struct tree_place place;
    tree_place_fd(&place, fd);
    return apply(&place, entry, tolerated, error);
}

static int make(int dir_fd, const char *name, const struct tree_entry *entry)
{
    static const mode_t kinds[] = {
        [TREE_FIFO] = S_IFIFO, [TREE_SOCKET] = S_IFSOCK, [TREE_CHARACTER] = S_IFCHR, [TREE_BLOCK] = S_IFBLK};
    int fd;
    switch (entry->type) {
    case TREE_FILE:
        fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return fd < 0 ? -1 : close(fd);
    case TREE_FOLDER: return mkdirat(dir_fd, name, 0700);
    case TREE_LINK: return symlinkat(entry->link_target, dir_fd, name);
    case TREE_FIFO:
    case TREE_SOCKET:
    case TREE_CHARACTER:
    case TREE_BLOCK:
        return mknodat(dir_fd, name, kinds[entry->type] | 0600, makedev(entry->device_major, entry->device_minor));
    }
    errno = EINVAL;
    return -1;
}

int tree_entry_make(int dir_fd, const char *name, const struct tree_entry *entry, struct error *error)
{
    if (make(dir_fd, name, entry) == 0) {
        return 0;
    }
    bool is_device = entry->type == TREE_CHARACTER || entry->type == TREE_BLOCK;
    enum error_code code = is_device && errno == EPERM ? CSN_PRIVILEGE : tree_error_code(CSN_TREE_WRITE);
    return error_system(error, code, "making the %s %s", tree_type_name(entry->type), entry->path);
}
