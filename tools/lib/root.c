#include "lib/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/file.h"

int root_check_kernel(struct error *error)
{
    int fd = root_try_open(AT_FDCWD, ".", O_PATH, 0);
    bool lacking = fd < 0 && errno == ENOSYS;
    file_drop(&fd);
    return lacking ? error_set(error, CSN_KERNEL, "it has no openat2(2), without which no path stays inside its root")
                   : 0;
}

int root_try_open(int root_fd, const char *path, int flags, mode_t mode)
{
    struct open_how how = {
        .flags = (unsigned)flags | O_CLOEXEC,
        .mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? mode : 0,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
    };
    const char *asked = path[0] == '\0' ? "." : path;
    long fd;
    do {
        fd = syscall(SYS_openat2, root_fd, asked, &how, sizeof how);
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return (int)fd;
}

int root_open(int root_fd, const char *path, int flags, mode_t mode, struct error *error)
{
    int fd = root_try_open(root_fd, path, flags, mode);
    if (fd < 0) {
        int saved = errno;
        enum error_code code = CSN_IO;
        if (errno == ENOENT || errno == ENOTDIR) {
            code = CSN_NOT_FOUND;
        } else if (errno == ENOSPC || errno == EDQUOT) {
            code = CSN_NO_SPACE;
        } else if (errno == EACCES || errno == EPERM) {
            code = CSN_PRIVILEGE;
        }
        error_system(error, code, "opening %s on the server", path);
        errno = saved;
    }
    return fd;
}

int root_open_parent(int root_fd, const char *path, const char **name, struct error *error)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    if (last[0] == '\0' || strcmp(last, ".") == 0 || strcmp(last, "..") == 0) {
        return error_set(error, CSN_NOT_FOUND, "the path %s has no last part", path);
    }
    *name = last;
    if (slash == NULL || slash == path) {
        return root_open(root_fd, "/", O_RDONLY | O_DIRECTORY, 0, error);
    }
    char *parent = strndup(path, (size_t)(slash - path));
    if (parent == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    int fd = root_open(root_fd, parent, O_RDONLY | O_DIRECTORY, 0, error);
    free(parent);
    return fd;
}

int root_lstat(int root_fd, const char *path, struct stat *status)
{
    int fd = root_try_open(root_fd, path, O_PATH | O_NOFOLLOW, 0);
    if (fd < 0) {
        return -1;
    }
    int result = fstat(fd, status);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

bool root_exists(int root_fd, const char *path)
{
    struct stat status;
    return root_lstat(root_fd, path, &status) == 0;
}

int root_read(int root_fd, const char *path, size_t limit_bytes, struct buffer *content, struct error *error)
{
    int fd = root_open(root_fd, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, error);
    if (fd < 0) {
        return -1;
    }
    int result = file_read_fd(fd, path, limit_bytes, content, error);
    file_drop(&fd);
    return result;
}

int root_replace(int root_fd, const char *path, const void *data, size_t size_bytes, mode_t mode, struct error *error)
{
    const char *name = NULL;
    int parent_fd = root_open_parent(root_fd, path, &name, error);
    if (parent_fd < 0) {
        return -1;
    }
    int result = file_replace(parent_fd, name, data, size_bytes, mode, error);
    file_drop(&parent_fd);
    return result;
}

int root_make_dirs(int root_fd, const char *path, mode_t mode, struct error *error)
{
    int folder_fd = root_open(root_fd, "/", O_RDONLY | O_DIRECTORY, 0, error);
    char *copy = strdup(path);
    if (copy == NULL || folder_fd < 0) {
        file_drop(&folder_fd);
        free(copy);
        return copy == NULL ? error_set(error, CSN_MEMORY, "no memory for the path %s", path) : -1;
    }
    int result = 0;
    for (char *at = copy; result == 0 && *at != '\0';) {
        at += strspn(at, "/");
        size_t length = strcspn(at, "/");
        if (length == 0) {
            break;
        }
        char ended_by = at[length];
        at[length] = '\0';
        /* `copy` up to here is the whole path so far: resolved from the root anew, so that links stay inside. */
        int next_fd = root_try_open(root_fd, copy, O_RDONLY | O_DIRECTORY, 0);
        if (next_fd < 0 && errno == ENOENT) {
            if (mkdirat(folder_fd, at, mode) != 0 || fsync(folder_fd) != 0) {
                result = error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_IO, "making the folder %s", copy);
            } else {
                next_fd = root_open(root_fd, copy, O_RDONLY | O_DIRECTORY, 0, error);
                result = next_fd < 0 ? -1 : 0;
            }
        } else if (next_fd < 0) {
            result = error_system(error, CSN_IO, "opening the folder %s", copy);
        }
        file_drop(&folder_fd);
        folder_fd = next_fd;
        at[length] = ended_by;
        at += length;
    }
    file_drop(&folder_fd);
    free(copy);
    return result;
}
