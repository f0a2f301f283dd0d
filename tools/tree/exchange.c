#include "tree/exchange.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"

/* Why the kernel refused, for those errors whose own text would send a person the wrong way. */
static int rename_error(const char *doing, const char *a, const char *b, struct error *error)
{
    switch (errno) {
    case ENOENT: return error_set(error, CSN_NOT_FOUND, "%s %s and %s: one of the two is not there", doing, a, b);
    case EXDEV:
        return error_set(
            error, CSN_TREE_RENAME,
            "%s %s and %s: they lie on different file systems or mounts (or a folder of an overlay's lower "
            "layer, without redirect_dir=on)",
            doing, a, b);
    case EINVAL:
        return error_set(error, CSN_TREE_RENAME,
                         "%s %s and %s: this file system cannot do it in one step, or one lies inside the other", doing,
                         a, b);
    case EEXIST: return error_set(error, CSN_TREE_RENAME, "%s %s and %s: the second is there already", doing, a, b);
    case EBUSY: return error_set(error, CSN_TREE_RENAME, "%s %s and %s: one of the two is a mount point", doing, a, b);
    default: return error_system(error, CSN_TREE_RENAME, "%s %s and %s", doing, a, b);
    }
}

static int rename_both(int root_fd, const char *a, const char *b, unsigned flags, const char *doing,
                       struct error *error)
{
    const char *name_a = NULL;
    const char *name_b = NULL;
    int result = -1;
    int dir_b = -1;
    int dir_a = root_open_parent(root_fd, a, &name_a, error);
    if (dir_a < 0) {
        return -1;
    }
    dir_b = root_open_parent(root_fd, b, &name_b, error);
    if (dir_b < 0) {
        goto out;
    }
    if (syscall(SYS_renameat2, dir_a, name_a, dir_b, name_b, flags) != 0) {
        rename_error(doing, a, b, error);
        goto out;
    }
    if (fsync(dir_a) != 0 || fsync(dir_b) != 0) {
        error_system(error, CSN_TREE_RENAME, "%s %s and %s: done, but it may not survive a power cut", doing, a, b);
        goto out;
    }
    result = 0;
out:
    file_drop(&dir_a);
    file_drop(&dir_b);
    return result;
}

int tree_exchange(int root_fd, const char *path_a, const char *path_b, struct error *error)
{
    return rename_both(root_fd, path_a, path_b, RENAME_EXCHANGE, "exchanging", error);
}

int tree_move(int root_fd, const char *from, const char *to, struct error *error)
{
    return rename_both(root_fd, from, to, RENAME_NOREPLACE, "moving", error);
}

int tree_identity(int root_fd, const char *path, uint64_t *dev, uint64_t *ino, struct error *error)
{
    struct stat status;
    if (root_lstat(root_fd, path, &status) != 0) {
        bool is_missing = errno == ENOENT || errno == ENOTDIR;
        return error_system(error, is_missing ? CSN_NOT_FOUND : CSN_TREE_READ, "looking at %s", path);
    }
    *dev = status.st_dev;
    *ino = status.st_ino;
    return 0;
}
