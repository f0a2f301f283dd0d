#include "lib/behind.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)2 * 1024 * 1024)
#define ALIGNMENT ((size_t)4096) /* of memory, place and length: enough for every disk */

struct behind {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint8_t *blocks[2]; /* one is filled while the other one is written */
    unsigned filling;
    size_t used;     /* of the one that is filled */
    int fd;          /* -1: no file */
    bool direct;     /* O_DIRECT is on; the thread's while it writes */
    uint64_t offset; /* where the next block goes */
    bool writing;    /* guarded by the lock, as all below */
    const uint8_t *data;
    size_t size_bytes;
    uint64_t place;
    int failed; /* errno of the first failure; 0: none */
    bool stop;
};

/* --- the thread's --- */

static bool set_direct(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

static void leave_direct(struct behind *behind)
{
    (void)set_direct(behind->fd, false);
    behind->direct = false;
}

/* 0 or errno. */
static int put_all(struct behind *behind, const uint8_t *data, size_t size_bytes, uint64_t place)
{
    while (size_bytes > 0) {
        size_t whole = size_bytes - size_bytes % ALIGNMENT;
        if (behind->direct && (whole == 0 || place % ALIGNMENT != 0)) {
            leave_direct(behind); /* the end of the file, or a write that fell short */
        }
        ssize_t put = pwrite(behind->fd, data, behind->direct ? whole : size_bytes, (off_t)place);
        if (put < 0 && errno == EINVAL && behind->direct) {
            leave_direct(behind);
            continue;
        }
        if (put == 0 || (put < 0 && errno != EINTR)) {
            return put == 0 ? EIO : errno;
        }
        if (put > 0) {
            data += put;
            place += (uint64_t)put;
            size_bytes -= (size_t)put;
        }
    }
    return 0;
}

static void *run(void *argument)
{
    struct behind *behind = argument;
    pthread_mutex_lock(&behind->lock);
    while (!behind->stop) {
        if (!behind->writing) {
            pthread_cond_wait(&behind->changed, &behind->lock);
            continue;
        }
        pthread_mutex_unlock(&behind->lock);
        int failed = put_all(behind, behind->data, behind->size_bytes, behind->place);
        pthread_mutex_lock(&behind->lock);
        behind->failed = behind->failed != 0 ? behind->failed : failed;
        behind->writing = false;
        pthread_cond_broadcast(&behind->changed);
    }
    pthread_mutex_unlock(&behind->lock);
    return NULL;
}

/* --- the caller's --- */

/* Waits until the other block is written. 0, or -1 with errno. */
static int settle(struct behind *behind)
{
    pthread_mutex_lock(&behind->lock);
    while (behind->writing) {
        pthread_cond_wait(&behind->changed, &behind->lock);
    }
    int failed = behind->failed;
    pthread_mutex_unlock(&behind->lock);
    errno = failed;
    return failed == 0 ? 0 : -1;
}

/* Gives the block at hand to the thread, and takes the other one. */
static int give(struct behind *behind)
{
    if (settle(behind) != 0) {
        return -1;
    }
    pthread_mutex_lock(&behind->lock);
    behind->data = behind->blocks[behind->filling];
    behind->size_bytes = behind->used;
    behind->place = behind->offset;
    behind->writing = true;
    pthread_cond_broadcast(&behind->changed);
    pthread_mutex_unlock(&behind->lock);
    behind->offset += behind->used;
    behind->filling = 1 - behind->filling;
    behind->used = 0;
    return 0;
}

struct behind *behind_new(void)
{
    struct behind *behind = calloc(1, sizeof *behind);
    if (behind == NULL) {
        return NULL;
    }
    behind->fd = -1;
    behind->blocks[0] = aligned_alloc(ALIGNMENT, BLOCK_BYTES);
    behind->blocks[1] = aligned_alloc(ALIGNMENT, BLOCK_BYTES);
    pthread_mutex_init(&behind->lock, NULL);
    pthread_cond_init(&behind->changed, NULL);
    if (behind->blocks[0] == NULL || behind->blocks[1] == NULL ||
        pthread_create(&behind->thread, NULL, run, behind) != 0) {
        pthread_cond_destroy(&behind->changed);
        pthread_mutex_destroy(&behind->lock);
        free(behind->blocks[0]);
        free(behind->blocks[1]);
        free(behind);
        return NULL;
    }
    return behind;
}

void behind_begin(struct behind *behind, int fd)
{
    behind_cancel(behind);
    behind->fd = fd;
    behind->direct = set_direct(fd, true);
    behind->offset = 0;
    behind->failed = 0;
}

int behind_add(struct behind *behind, const void *data, size_t size_bytes)
{
    const uint8_t *at = data;
    while (size_bytes > 0) {
        size_t taken = BLOCK_BYTES - behind->used;
        taken = taken < size_bytes ? taken : size_bytes;
        memcpy(behind->blocks[behind->filling] + behind->used, at, taken);
        behind->used += taken;
        at += taken;
        size_bytes -= taken;
        if (behind->used == BLOCK_BYTES && give(behind) != 0) {
            return -1;
        }
    }
    return 0;
}

int behind_end(struct behind *behind)
{
    int result = behind->used > 0 && give(behind) != 0 ? -1 : settle(behind);
    int failed = errno;
    behind_cancel(behind);
    errno = failed;
    return result;
}

void behind_cancel(struct behind *behind)
{
    (void)settle(behind);
    if (behind->direct) {
        leave_direct(behind);
    }
    behind->fd = -1;
    behind->used = 0;
}

void behind_free(struct behind *behind)
{
    if (behind == NULL) {
        return;
    }
    behind_cancel(behind);
    pthread_mutex_lock(&behind->lock);
    behind->stop = true;
    pthread_cond_broadcast(&behind->changed);
    pthread_mutex_unlock(&behind->lock);
    pthread_join(behind->thread, NULL);
    pthread_cond_destroy(&behind->changed);
    pthread_mutex_destroy(&behind->lock);
    free(behind->blocks[0]);
    free(behind->blocks[1]);
    free(behind);
}
