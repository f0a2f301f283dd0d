#include "repository/backup_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A smaller hole is stored as zeros: it is worth less than the cuts it makes. Restoring leaves it a hole again. */
#define HOLE_BYTES (64u * 1024)

/* A run of bytes on its way into chunks. */
struct run {
    backup_read_function *read;
    void *context;
    uint64_t left;
};

/* Fills the batch up. */
static int read_on(struct backup_file *file, struct backup_queue *queue, struct run *run, struct error *error)
{
    struct store_batch *batch = queue->batch;
    size_t wanted = STORE_BATCH_BYTES - batch->used;
    wanted = run->left < wanted ? (size_t)run->left : wanted;
    ssize_t got = run->read(run->context, batch->bytes + batch->used, wanted, error);
    if (got < 0) {
        return -1;
    }
    run->left = (size_t)got < wanted ? 0 : run->left - wanted;
    batch->used += (size_t)got;
    file->read_bytes += (uint64_t)got;
    if (file->watch != NULL) {
        file->watch(file->context);
    }
    return 0;
}

static int read_run(struct backup_file *file, struct backup_queue *queue, struct run *run, struct error *error)
{
    size_t maximum = file->chunker.sizes.maximum_bytes;
    if (queue->batch == NULL && backup_queue_renew(queue, error) != 0) {
        return -1;
    }
    for (;;) {
        size_t uncut = queue->batch->used - queue->uncut;
        bool more = run->left > 0;
        if (uncut == 0 && !more) {
            return 0;
        }
        int result;
        if (more && uncut < maximum && queue->batch->used < STORE_BATCH_BYTES) {
            result = read_on(file, queue, run, error);
        } else {
            size_t length = uncut == 0 ? 0 : chunker_cut(&file->chunker, queue->batch->bytes + queue->uncut, uncut);
            bool open = more && length == uncut && length < maximum; /* with more bytes the cut may lie elsewhere */
            result = open ? backup_queue_renew(queue, error) : backup_queue_cut(queue, length, error);
        }
        if (result != 0) {
            return -1;
        }
    }
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

int backup_file_take(struct backup_file *file, struct backup_queue *queue, uint64_t size_bytes,
                     backup_read_function *read, void *context, struct error *error)
{
    struct run run = {.read = read, .context = context, .left = size_bytes};
    return size_bytes == 0 ? 0 : read_run(file, queue, &run, error);
}

struct open_file {
    int fd;
    const char *path;
    uint64_t at;
    bool ended;
};

static ssize_t read_open(void *context, uint8_t *into, size_t size_bytes, struct error *error)
{
    struct open_file *open = context;
    size_t have = 0;
    while (have < size_bytes && !open->ended) {
        ssize_t got = pread(open->fd, into + have, size_bytes - have, (off_t)(open->at + have));
        if (got < 0 && errno != EINTR) {
            return error_system(error, CSN_TREE_READ, "reading /%s", open->path);
        }
        open->ended = got == 0;
        have += got > 0 ? (size_t)got : 0;
    }
    open->at += have;
    return (ssize_t)have;
}

int backup_file_read(struct backup_file *file, struct backup_queue *queue, int fd, const char *path,
                     uint64_t size_bytes, bool sparse, struct error *error)
{
    struct open_file open = {.fd = fd, .path = path};
    uint64_t at = 0;
    while (at < size_bytes && !open.ended) {
        uint64_t begin = at;
        uint64_t end = size_bytes;
        if (sparse) {
            find_data(fd, at, size_bytes, &begin, &end);
        }
        if (begin > at && snapshot_entry_add(backup_queue_entry(queue), NULL, begin - at, error) != 0) {
            return -1;
        }
        open.at = begin;
        if (backup_file_take(file, queue, end - begin, read_open, &open, error) != 0) {
            return -1;
        }
        at = end;
    }
    return 0;
}
