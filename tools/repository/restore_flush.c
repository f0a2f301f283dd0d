#include "repository/restore_flush.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_BYTES (256u * 1024 * 1024)
#define LOOK_NSEC 100000000 /* how often it is looked how much there is */

struct restore_flush {
    const struct restore_files *files;
    int fd;
    pthread_t thread;
    pthread_mutex_t lock; /* guards stop */
    pthread_cond_t changed;
    bool stop;
    int failed; /* the thread's */
};

/* Waits a moment. With the lock. */
static void wait_a_moment(struct restore_flush *flush)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_NSEC;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&flush->changed, &flush->lock, &until);
}

static void *run(void *argument)
{
    struct restore_flush *flush = argument;
    uint64_t flushed = 0;
    pthread_mutex_lock(&flush->lock);
    while (!flush->stop) {
        uint64_t written = restore_files_bytes(flush->files);
        if (written - flushed < FLUSH_BYTES) {
            wait_a_moment(flush);
            continue;
        }
        pthread_mutex_unlock(&flush->lock);
        if (syncfs(flush->fd) != 0 && flush->failed == 0) {
            flush->failed = errno;
        }
        flushed = written;
        pthread_mutex_lock(&flush->lock);
    }
    pthread_mutex_unlock(&flush->lock);
    return NULL;
}

struct restore_flush *restore_flush_start(const struct restore_files *files, int fd)
{
    struct restore_flush *flush = calloc(1, sizeof *flush);
    if (flush == NULL) {
        return NULL;
    }
    flush->files = files;
    flush->fd = fd;
    pthread_mutex_init(&flush->lock, NULL);
    pthread_cond_init(&flush->changed, NULL);
    if (pthread_create(&flush->thread, NULL, run, flush) != 0) {
        pthread_cond_destroy(&flush->changed);
        pthread_mutex_destroy(&flush->lock);
        free(flush);
        return NULL;
    }
    return flush;
}

int restore_flush_end(struct restore_flush *flush)
{
    if (flush == NULL) {
        return 0;
    }
    pthread_mutex_lock(&flush->lock);
    flush->stop = true;
    pthread_cond_signal(&flush->changed);
    pthread_mutex_unlock(&flush->lock);
    pthread_join(flush->thread, NULL);
    pthread_cond_destroy(&flush->changed);
    pthread_mutex_destroy(&flush->lock);
    int failed = flush->failed;
    free(flush);
    return failed;
}
