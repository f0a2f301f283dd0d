#include "repository/backup_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A smaller hole is stored as zeros: it is worth less than the cuts it makes. Restoring leaves it a hole again. */
#define HOLE_BYTES (64u * 1024)

bool backup_file_init(struct backup_file *file, const struct repository_config *config)
{
    file->read_bytes = 0;
    file->buffer = malloc(2 * (size_t)config->sizes.maximum_bytes);
    return file->buffer != NULL && chunker_init(&file->chunker, &config->sizes, config->seed);
}

void backup_file_free(struct backup_file *file)
{
    free(file->buffer);
    file->buffer = NULL;
}

/* Reads up to size_bytes; fewer only at the end of the file. -1 on error. */
static ssize_t read_full(int fd, uint8_t *into, size_t size_bytes, uint64_t offset)
{
    size_t have = 0;
    while (have < size_bytes) {
        ssize_t got = pread(fd, into + have, size_bytes - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* The bytes from..to. *ended: the file ended before. */
static int read_run(struct backup_file *file, struct store *store, int fd, const char *path, uint64_t from, uint64_t to,
                    struct snapshot_entry *entry, bool *ended, struct error *error)
{
    size_t maximum = file->chunker.sizes.maximum_bytes;
    size_t start = 0; /* of what is not yet put into the store */
    size_t end = 0;
    uint64_t offset = from;
    while (offset < to || start < end) {
        if (offset < to && end - start < maximum) {
            memmove(file->buffer, file->buffer + start, end - start);
            end -= start;
            start = 0;
            size_t wanted = 2 * maximum - end;
            wanted = to - offset < wanted ? (size_t)(to - offset) : wanted;
            ssize_t got = read_full(fd, file->buffer + end, wanted, offset);
            if (got < 0) {
                return error_system(error, CSN_TREE_READ, "reading /%s", path);
            }
            if ((size_t)got < wanted) {
                *ended = true;
                to = offset + (uint64_t)got;
            }
            end += (size_t)got;
            offset += (uint64_t)got;
            file->read_bytes += (uint64_t)got;
            continue;
        }
        uint8_t id[SHA256_SIZE];
        size_t length = chunker_cut(&file->chunker, file->buffer + start, end - start);
        if (store_put(store, file->buffer + start, length, id, error) != 0 ||
            snapshot_entry_add(entry, id, length, error) != 0) {
            return -1;
        }
        start += length;
    }
    return 0;
}

/* Where the data after `from` begins and ends, small holes taken in. A file system that knows no holes says all is data. */
static void find_data(int fd, uint64_t from, uint64_t size_bytes, uint64_t *begin, uint64_t *end)
{
    off_t data = lseek(fd, (off_t)from, SEEK_DATA);
    *begin = from;
    *end = size_bytes;
    if (data < 0) {
        *begin = errno == ENXIO ? size_bytes : from;
        return;
    }
    if ((uint64_t)data - from >= HOLE_BYTES) {
        *begin = (uint64_t)data < size_bytes ? (uint64_t)data : size_bytes;
    }
    while (data >= 0 && (uint64_t)data < size_bytes) {
        off_t hole = lseek(fd, data, SEEK_HOLE);
        if (hole < 0 || (uint64_t)hole >= size_bytes) {
            return;
        }
        data = lseek(fd, hole, SEEK_DATA);
        if ((data < 0 && errno == ENXIO && size_bytes - (uint64_t)hole >= HOLE_BYTES) ||
            (data >= 0 && (uint64_t)data - (uint64_t)hole >= HOLE_BYTES)) {
            *end = (uint64_t)hole;
            return;
        }
    }
}

int backup_file_read(struct backup_file *file, struct store *store, int fd, const char *path, uint64_t size_bytes,
                     bool sparse, struct snapshot_entry *entry, struct error *error)
{
    bool ended = false;
    uint64_t at = 0;
    while (at < size_bytes && !ended) {
        uint64_t begin = at;
        uint64_t end = size_bytes;
        if (sparse) {
            find_data(fd, at, size_bytes, &begin, &end);
        }
        if (begin > at && snapshot_entry_add(entry, NULL, begin - at, error) != 0) {
            return -1;
        }
        if (begin < end && read_run(file, store, fd, path, begin, end, entry, &ended, error) != 0) {
            return -1;
        }
        at = end;
    }
    return 0;
}
