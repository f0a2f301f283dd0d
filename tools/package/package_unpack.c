#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/flush.h"
#include "lib/root.h"
#include "package/package_payload.h"
#include "tree/remove.h"

static int write_error(struct error *error, const char *doing, const char *path)
{
    return error_system(error, errno == ENOSPC || errno == EDQUOT ? CSN_NO_SPACE : CSN_TREE_WRITE, "%s %s", doing,
                        path);
}

/* An empty folder for the tree's top. It keeps nothing of a default ACL of the folder it is in: the manifest's modes are all there is. */
static int make_top(int parent_fd, const char *name, struct error *error)
{
    if (mkdirat(parent_fd, name, 0700) != 0) {
        return write_error(error, "making the folder", name);
    }
    int top_fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (top_fd < 0) {
        return write_error(error, "opening the folder", name);
    }
    static const char *const inherited[] = {"system.posix_acl_default", "system.posix_acl_access"};
    for (size_t i = 0; i < sizeof inherited / sizeof inherited[0]; i++) {
        if (fremovexattr(top_fd, inherited[i]) != 0 && errno != ENODATA && errno != EOPNOTSUPP) {
            write_error(error, "removing the ACL of", name);
            file_drop(&top_fd);
            return -1;
        }
    }
    return top_fd;
}

/* The tree, whole and on disk, below parent_fd/name. */
static int unpack_into(const struct package *package, const struct tree_manifest *manifest, int parent_fd,
                       const char *name, uid_t owner, gid_t group, const struct progress *progress, struct error *error)
{
    struct payload_target target = {make_top(parent_fd, name, error), owner, group};
    if (target.top_fd < 0) {
        return -1;
    }
    int result = payload_read(package, manifest, &target, progress, error);
    if (result == 0 && flush_file_system(target.top_fd, progress) != 0) {
        result = write_error(error, "making durable", name);
    }
    file_drop(&target.top_fd);
    return result;
}

static int make_real(int parent_fd, const char *from, const char *to, struct error *error)
{
    /* By number: older C libraries lack the function. RENAME_NOREPLACE is 1 (linux/fs.h). */
    if (syscall(SYS_renameat2, parent_fd, from, parent_fd, to, 1U) != 0) {
        return write_error(error, "renaming into place", to);
    }
    return fsync(parent_fd) != 0 ? write_error(error, "making durable", to) : 0;
}

int package_unpack_tree(const struct package *package, int root_fd, const char *dest, uid_t owner, gid_t group,
                        const struct progress *progress, struct error *error)
{
    if (!package->verified) {
        return error_set(error, CSN_INTERNAL, "%s was to be unpacked before all of it was verified", package->path);
    }
    struct tree_manifest manifest = {0};
    struct buffer temporary = {0};
    struct stat status;
    const char *name = NULL;
    int result = -1;
    int parent_fd = root_open_parent(root_fd, dest, &name, error);
    if (parent_fd < 0) {
        return -1;
    }
    if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        error_set(error, CSN_TREE_WRITE, "%s is there already; nothing was unpacked", dest);
        goto out;
    }
    buffer_format(&temporary, "%s.unpacking", dest);
    if (buffer_check(&temporary, error) != 0 || tree_remove(root_fd, temporary.data, NULL, error) != 0 ||
        package_manifest_read(package, NULL, &manifest, error) != 0) {
        goto out;
    }
    const char *temporary_name = temporary.data + (name - dest);
    result = unpack_into(package, &manifest, parent_fd, temporary_name, owner, group, progress, error);
    if (result == 0) {
        result = make_real(parent_fd, temporary_name, name, error);
    }
    if (result != 0) {
        struct error removing;
        /* The first error is the one to tell; what stays is removed by the next call. */
        if (tree_remove(root_fd, temporary.data, NULL, &removing) != 0) {
            error_wrap(error, "%s is left behind", temporary.data);
        }
    }
out:
    tree_manifest_free(&manifest);
    buffer_free(&temporary);
    file_drop(&parent_fd);
    return result;
}
