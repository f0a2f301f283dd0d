#include "repository/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/behind.h"
#include "lib/file.h"
#include "lib/sha256.h"

static int write_error(struct error *error, const char *doing, const char *name)
{
    enum error_code code = errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? CSN_REPOSITORY_FULL : CSN_IO;
    return error_system(error, code, "%s %s in the repository", doing, name);
}

/* What goes to the disk. */
static int write_out(void *context, const void *data, size_t size_bytes, struct error *error)
{
    struct stored_writer *writer = context;
    if (behind_add(writer->disk, data, size_bytes) != 0) {
        return write_error(error, "writing", writer->temporary);
    }
    writer->size_bytes += size_bytes;
    return 0;
}

static int begin_cipher(struct stored_writer *writer, struct error *error)
{
    const struct stored_seal *seal = writer->folder->seal;
    if (seal != NULL && writer->cipher == NULL) {
        writer->cipher = age_writer_new(seal->recipients, seal->recipient_count, error);
    }
    return seal == NULL ? 0 : writer->cipher == NULL ? -1 : age_writer_begin(writer->cipher, write_out, writer, error);
}

int stored_create(struct stored_writer *writer, const struct stored_folder *folder, struct error *error)
{
    uint8_t random[12];
    char hex[2 * sizeof random + 1];
    writer->fd = -1;
    writer->folder = folder;
    writer->size_bytes = 0;
    if (writer->disk == NULL && (writer->disk = behind_new()) == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for writing into the repository");
    }
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        return error_system(error, CSN_IO, "getting random bytes for a file name");
    }
    hex_encode(random, sizeof random, hex);
    snprintf(writer->temporary, sizeof writer->temporary, "%s" STORED_TEMPORARY_SUFFIX, hex);
    writer->fd = openat(folder->fd, writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (writer->fd < 0) {
        return write_error(error, "making", writer->temporary);
    }
    behind_begin(writer->disk, writer->fd);
    return begin_cipher(writer, error);
}

int stored_append(struct stored_writer *writer, const void *data, size_t size_bytes, struct error *error)
{
    if (writer->folder->seal == NULL) {
        return write_out(writer, data, size_bytes, error);
    }
    return writer->cipher == NULL ? error_set(error, CSN_INTERNAL, "%s is not being encrypted", writer->temporary)
                                  : age_writer_write(writer->cipher, data, size_bytes, error);
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
    /* Another writer may have made it just now, and not yet have made it durable. */
    return mkdirat(folder_fd, part, 0700) != 0 && errno != EEXIST ? write_error(error, "making the folder", part)
                                                                  : file_sync_parent(folder_fd, part, error);
}

int stored_commit(struct stored_writer *writer, const char *name, struct error *error)
{
    int folder_fd = writer->folder->fd;
    if (writer->cipher != NULL && age_writer_finish(writer->cipher, error) != 0) {
        return -1;
    }
    if (behind_end(writer->disk) != 0) {
        return write_error(error, "writing", name);
    }
    if (fsync(writer->fd) != 0) {
        return write_error(error, "making durable", name);
    }
    int closing = writer->fd;
    writer->fd = -2; /* the temporary file is there, no descriptor is */
    if (close(closing) != 0 && errno != EINTR) {
        return write_error(error, "closing", name);
    }
    if (make_part(folder_fd, name, error) != 0) {
        return -1;
    }
    if (renameat(folder_fd, writer->temporary, folder_fd, name) != 0) {
        return write_error(error, "renaming into place", name);
    }
    writer->fd = -1;
    return file_sync_parent(folder_fd, name, error);
}

void stored_abandon(struct stored_writer *writer)
{
    if (writer->fd == -1) {
        return;
    }
    behind_cancel(writer->disk);
    if (writer->fd >= 0) {
        close(writer->fd);
    }
    writer->fd = -1;
    unlinkat(writer->folder->fd, writer->temporary, 0);
}

void stored_end(struct stored_writer *writer)
{
    stored_abandon(writer);
    age_writer_free(writer->cipher);
    writer->cipher = NULL;
    behind_free(writer->disk);
    writer->disk = NULL;
}

/* Bytes as they lie on the disk. */
static int read_in(int fd, uint64_t offset, void *data, size_t size_bytes, struct error *error)
{
    char *at = data;
    bool again = true; /* a bus or a server that stumbled is not yet a bad block */
    while (size_bytes > 0) {
        ssize_t got = pread(fd, at, size_bytes, (off_t)offset);
        if (got < 0 && (errno == EINTR || (errno == EIO && again))) {
            again = again && errno == EINTR;
            continue;
        }
        if (got < 0) {
            return error_system(error, CSN_IO, "reading");
        }
        if (got == 0) {
            return error_set(error, CSN_REPOSITORY_DAMAGED, "it is cut short");
        }
        at += got;
        offset += (uint64_t)got;
        size_bytes -= (size_t)got;
    }
    return 0;
}

/* The descriptor itself is the context: a reader may be copied. */
static int read_sealed(void *context, uint64_t offset, void *data, size_t size_bytes, struct error *error)
{
    return read_in((int)(intptr_t)context, offset, data, size_bytes, error);
}

/* Where it happened; and a file that is not what it should be is damage. */
static int explain(struct error *error, const char *name)
{
    if (error != NULL && (error->code == CSN_AGE_NOT || error->code == CSN_AGE_DAMAGED)) {
        error->code = CSN_REPOSITORY_DAMAGED;
    }
    return error_wrap(error, "%s in the repository", name);
}

static int open_sealed(struct stored_reader *reader, const struct stored_seal *seal, const char *name, bool damaged,
                       struct error *error)
{
    void *context = (void *)(intptr_t)reader->fd;
    reader->cipher = damaged ? age_reader_open_damaged(read_sealed, context, reader->size_bytes, &seal->keys, error)
                             : age_reader_open(read_sealed, context, reader->size_bytes, &seal->keys, error);
    if (reader->cipher == NULL) {
        stored_close(reader);
        return explain(error, name);
    }
    reader->size_bytes = age_reader_size(reader->cipher);
    return 0;
}

static int open_file(struct stored_reader *reader, const struct stored_folder *folder, const char *name, bool damaged,
                     struct error *error)
{
    struct stat status;
    reader->size_bytes = 0;
    reader->cipher = NULL;
    reader->fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
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
    return folder->seal == NULL ? 0 : open_sealed(reader, folder->seal, name, damaged, error);
}

int stored_open(struct stored_reader *reader, const struct stored_folder *folder, const char *name, struct error *error)
{
    return open_file(reader, folder, name, false, error);
}

int stored_open_damaged(struct stored_reader *reader, const struct stored_folder *folder, const char *name,
                        struct error *error)
{
    return open_file(reader, folder, name, true, error);
}

bool stored_is_lost(const struct error *error)
{
    return error->code == CSN_REPOSITORY_DAMAGED || error->code == CSN_AGE_NO_IDENTITY || error->code == CSN_IO;
}

void stored_expect(const struct stored_folder *folder, const char *name)
{
    int fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0) {
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED);
        close(fd);
    }
}

int stored_read(const struct stored_reader *reader, const char *name, uint64_t offset, void *data, size_t size_bytes,
                struct error *error)
{
    if (offset > reader->size_bytes || size_bytes > reader->size_bytes - offset) {
        return error_set(error, CSN_REPOSITORY_DAMAGED, "%s in the repository: it is cut short", name);
    }
    int result = reader->cipher != NULL ? age_reader_read(reader->cipher, offset, data, size_bytes, error)
                                        : read_in(reader->fd, offset, data, size_bytes, error);
    return result == 0 ? 0 : explain(error, name);
}

void stored_close(struct stored_reader *reader)
{
    age_reader_free(reader->cipher);
    reader->cipher = NULL;
    file_drop(&reader->fd);
}
