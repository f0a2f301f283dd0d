#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_error(struct error *error, const char *doing, const char *path)
{
    enum error_code code = CSN_IO;
    if (errno == ENOSPC || errno == EDQUOT) {
        code = CSN_NO_SPACE;
    } else if (errno == ENOENT || errno == ENOTDIR) {
        code = CSN_NOT_FOUND;
    } else if (errno == EACCES || errno == EPERM || errno == EROFS) {
        code = CSN_PRIVILEGE;
    }
    return error_system(error, code, "%s %s", doing, path);
}

void file_drop(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

int file_close(int *fd, const char *name, struct error *error)
{
    int closing = *fd;
    *fd = -1;
    if (closing >= 0 && close(closing) != 0 && errno != EINTR) {
        return file_error(error, "closing", name);
    }
    return 0;
}

int file_read_fd(int fd, const char *name, size_t limit_bytes, struct buffer *content, struct error *error)
{
    size_t taken = 0;
    for (;;) {
        char *room = buffer_reserve(content, 65536);
        if (room == NULL) {
            return buffer_check(content, error);
        }
        ssize_t got = read(fd, room, 65536);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return file_error(error, "reading", name);
        }
        if (got == 0) {
            buffer_append(content, "", 0);
            return buffer_check(content, error);
        }
        taken += (size_t)got;
        if (taken > limit_bytes) {
            return error_set(error, CSN_IO, "reading %s: larger than the %zu bytes allowed", name, limit_bytes);
        }
        content->size += (size_t)got;
    }
}

int file_read(int dir_fd, const char *path, size_t limit_bytes, struct buffer *content, struct error *error)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return file_error(error, "opening", path);
    }
    int result = file_read_fd(fd, path, limit_bytes, content, error);
    file_drop(&fd);
    return result;
}

int file_write_fd(int fd, const char *name, const void *data, size_t size_bytes, struct error *error)
{
    const char *next = data;
    while (size_bytes > 0) {
        ssize_t put = write(fd, next, size_bytes);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return file_error(error, "writing", name);
        }
        next += put;
        size_bytes -= (size_t)put;
    }
    return 0;
}

int file_sync_parent(int dir_fd, const char *path, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (parent == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    int result = 0;
    int fd = openat(dir_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* FAT and some network file systems answer EINVAL for a folder: they have nothing to sync there. */
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)) {
        result = file_error(error, "making durable", parent);
    }
    file_drop(&fd);
    free(parent);
    return result;
}

int file_replace(int dir_fd, const char *path, const void *data, size_t size_bytes, mode_t mode, struct error *error)
{
    struct buffer temporary = {0};
    buffer_format(&temporary, "%s.%ld.tmp", path, (long)getpid());
    if (buffer_check(&temporary, error) != 0) {
        buffer_free(&temporary);
        return -1;
    }
    int result = -1;
    int fd = openat(dir_fd, temporary.data, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        file_error(error, "making", temporary.data);
        goto out;
    }
    if (file_write_fd(fd, temporary.data, data, size_bytes, error) != 0) {
        goto out;
    }
    /* FAT has no owner or mode to change: that is not a failure of the write. */
    if ((fchmod(fd, mode) != 0 && errno != EPERM && errno != EOPNOTSUPP) || fsync(fd) != 0) {
        file_error(error, "making durable", temporary.data);
        goto out;
    }
    if (file_close(&fd, temporary.data, error) != 0) {
        goto out;
    }
    if (renameat(dir_fd, temporary.data, dir_fd, path) != 0) {
        file_error(error, "renaming into place", path);
        goto out;
    }
    result = file_sync_parent(dir_fd, path, error);
out:
    if (result != 0) {
        unlinkat(dir_fd, temporary.data, 0);
    }
    file_drop(&fd);
    buffer_free(&temporary);
    return result;
}

int file_make_dirs(int dir_fd, const char *path, mode_t mode, struct error *error)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    int result = 0;
    for (char *at = copy + 1; result == 0; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char ended_by = *at;
        *at = '\0';
        if (mkdirat(dir_fd, copy, mode) == 0) {
            result = file_sync_parent(dir_fd, copy, error);
        } else if (errno != EEXIST) {
            result = file_error(error, "making the folder", copy);
        }
        *at = ended_by;
        if (ended_by == '\0') {
            break;
        }
    }
    free(copy);
    return result;
}
