#include "repository/backup_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A smaller hole is stored as zeros: it is worth less than the cuts it makes. Restoring leaves it a hole again. */
#define HOLE_BYTES (64u * 1024)

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

/* A run of bytes on its way into chunks. */
struct run {
    int fd;
    const char *path;
    uint64_t at; /* what is read next */
    uint64_t end;
    bool ended; /* the file did, before the run */
};

/* Fills the batch up. */
static int read_on(struct backup_file *file, struct backup_queue *queue, struct run *run, struct error *error)
{
    struct store_batch *batch = queue->batch;
    size_t wanted = STORE_BATCH_BYTES - batch->used;
    wanted = run->end - run->at < wanted ? (size_t)(run->end - run->at) : wanted;
    ssize_t got = read_full(run->fd, batch->bytes + batch->used, wanted, run->at);
    if (got < 0) {
        return error_system(error, CSN_TREE_READ, "reading /%s", run->path);
    }
    if ((size_t)got < wanted) {
        run->ended = true;
        run->end = run->at + (uint64_t)got;
    }
    batch->used += (size_t)got;
    run->at += (uint64_t)got;
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
        bool more = run->at < run->end;
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

int backup_file_read(struct backup_file *file, struct backup_queue *queue, int fd, const char *path,
                     uint64_t size_bytes, bool sparse, struct error *error)
{
    struct run run = {.fd = fd, .path = path};
    uint64_t at = 0;
    while (at < size_bytes && !run.ended) {
        uint64_t begin = at;
        uint64_t end = size_bytes;
        if (sparse) {
            find_data(fd, at, size_bytes, &begin, &end);
        }
        if (begin > at && snapshot_entry_add(backup_queue_entry(queue), NULL, begin - at, error) != 0) {
            return -1;
        }
        run.at = begin;
        run.end = end;
        if (begin < end && read_run(file, queue, &run, error) != 0) {
            return -1;
        }
        at = end;
    }
    return 0;
}
