#include "repository/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/sha256.h"

/* The kernel starts writing this often, so that the fsync at the end waits for little. */
#define FLUSH_BYTES (8u * 1024 * 1024)

static int write_error(struct error *error, const char *doing, const char *name)
{
    enum error_code code = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? CSN_REPOSITORY_FULL : CSN_IO;
    return error_system(error, code, "%s %s in the repository", doing, name);
}

int stored_create(struct stored_writer *writer, int folder_fd, struct error *error)
{
    uint8_t random[12];
    char hex[2 * sizeof random + 1];
    writer->fd = -1;
    writer->folder_fd = folder_fd;
    writer->size_bytes = 0;
    writer->flushed_bytes = 0;
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return error_system(error, CSN_IO, "getting random bytes for a file name");
    }
    hex_encode(random, sizeof random, hex);
    snprintf(writer->temporary, sizeof writer->temporary, "%s" STORED_TEMPORARY_SUFFIX, hex);
    writer->fd = openat(folder_fd, writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return writer->fd < 0 ? write_error(error, "making", writer->temporary) : 0;
}

int stored_append(struct stored_writer *writer, const void *data, size_t size_bytes, struct error *error)
{
    if (file_write_fd(writer->fd, writer->temporary, data, size_bytes, error) != 0) {
        if (error != NULL && (error->code == CSN_NO_SPACE || errno == EFBIG)) {
            error->code = CSN_REPOSITORY_FULL;
        }
        return -1;
    }
    writer->size_bytes += size_bytes;
    if (writer->size_bytes - writer->flushed_bytes >= FLUSH_BYTES) {
        /* A hint: a file system that cannot do it loses nothing. */
        (void)sync_file_range(writer->fd, (off_t)writer->flushed_bytes,
                              (off_t)(writer->size_bytes - writer->flushed_bytes), SYNC_FILE_RANGE_WRITE);
        writer->flushed_bytes = writer->size_bytes;
    }
    return 0;
}

static int make_part(int folder_fd, const char *name, struct error *error)
{
    const char *slash = strchr(name, '/');
    if (slash == NULL) {
        return 0;
    }
    char part[16];
    if (snprintf(part, sizeof part, "%.*s", (int)(slash - name), name) >= (int)sizeof part) {
        return error_set(error, CSN_INTERNAL, "the name %s in the repository has too long a folder", name);
    }
    if (mkdirat(folder_fd, part, 0700) == 0) {
        return file_sync_parent(folder_fd, part, error);
    }
    return errno == EEXIST ? 0 : write_error(error, "making the folder", part);
}

int stored_commit(struct stored_writer *writer, const char *name, struct error *error)
{
    if (fsync(writer->fd) != 0) {
        return write_error(error, "making durable", name);
    }
    int closing = writer->fd;
    writer->fd = -2; /* the temporary file is there, no descriptor is */
    if (close(closing) != 0 && errno != EINTR) {
        return write_error(error, "closing", name);
    }
    if (make_part(writer->folder_fd, name, error) != 0) {
        return -1;
    }
    if (renameat(writer->folder_fd, writer->temporary, writer->folder_fd, name) != 0) {
        return write_error(error, "renaming into place", name);
    }
    writer->fd = -1;
    return file_sync_parent(writer->folder_fd, name, error);
}

void stored_abandon(struct stored_writer *writer)
{
    if (writer->fd == -1) {
        return;
    }
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    writer->fd = -1;
    unlinkat(writer->folder_fd, writer->temporary, 0);
}

int stored_open(struct stored_reader *reader, int folder_fd, const char *name, struct error *error)
{
    struct stat status;
    reader->size_bytes = 0;
    reader->fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (reader->fd < 0) {
        bool gone = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
        return error_system(error, gone ? CSN_REPOSITORY_DAMAGED : CSN_IO, "opening %s in the repository", name);
    }
    if (fstat(reader->fd, &status) != 0) {
        error_system(error, CSN_IO, "looking at %s in the repository", name);
        stored_close(reader);
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        stored_close(reader);
        return error_set(error, CSN_REPOSITORY_DAMAGED, "%s in the repository is not a file", name);
    }
    reader->size_bytes = (uint64_t)status.st_size;
    return 0;
}

int stored_read(const struct stored_reader *reader, const char *name, uint64_t offset, void *data, size_t size_bytes,
                struct error *error)
{
    if (offset > reader->size_bytes || size_bytes > reader->size_bytes - offset) {
        return error_set(error, CSN_REPOSITORY_DAMAGED, "%s in the repository is cut short", name);
    }
    char *at = data;
    while (size_bytes > 0) {
        ssize_t got = pread(reader->fd, at, size_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_system(error, CSN_IO, "reading %s in the repository", name);
        }
        if (got == 0) {
            return error_set(error, CSN_REPOSITORY_DAMAGED, "%s in the repository is cut short", name);
        }
        at += got;
        offset += (uint64_t)got;
        size_bytes -= (size_t)got;
    }
    return 0;
}

void stored_close(struct stored_reader *reader)
{
    file_drop(&reader->fd);
}
