#include "lib/flush.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NSEC 250000000

struct flush {
    int fd;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool done;
    int failed; /* errno */
};

static void *run(void *argument)
{
    struct flush *flush = argument;
    int failed = syncfs(flush->fd) == 0 ? 0 : errno;
    pthread_mutex_lock(&flush->lock);
    flush->done = true;
    flush->failed = failed;
    pthread_cond_signal(&flush->changed);
    pthread_mutex_unlock(&flush->lock);
    return NULL;
}

/* Bytes in memory that no disk has yet; 0 where the kernel does not say. */
static uint64_t unwritten(void)
{
    char text[4096];
    uint64_t kibibytes = 0;
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[got < 0 ? 0 : got] = '\0';
    static const char *const names[] = {"\nDirty:", "\nWriteback:"};
    for (size_t i = 0; i < 2; i++) {
        const char *line = strstr(text, names[i]);
        uint64_t number = 0;
        if (line != NULL && sscanf(line + strlen(names[i]), "%" SCNu64, &number) == 1) {
            kibibytes += number;
        }
    }
    return kibibytes * 1024;
}

static void tell(const struct progress *progress, uint64_t least, uint64_t most)
{
    struct progress_state state = {.doing = "writing to the disk", .done_bytes = most - least, .total_bytes = most};
    progress_tell(progress, &state);
}

/* Until the thread is through. With the lock. */
static void watch(struct flush *flush, const struct progress *progress)
{
    uint64_t most = unwritten();
    uint64_t least = most; /* others write, too: it never goes back */
    while (!flush->done) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_NSEC;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&flush->changed, &flush->lock, &until);
        uint64_t now = unwritten();
        least = now < least ? now : least;
        tell(progress, least, most);
    }
}

int flush_file_system(int fd, const struct progress *progress)
{
    struct flush flush = {.fd = fd};
    pthread_condattr_t attributes;
    pthread_t thread;
    if (progress == NULL) {
        return syncfs(fd);
    }
    pthread_mutex_init(&flush.lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&flush.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_lock(&flush.lock);
    bool started = pthread_create(&thread, NULL, run, &flush) == 0;
    if (started) {
        watch(&flush, progress);
    }
    pthread_mutex_unlock(&flush.lock);
    if (started) {
        pthread_join(thread, NULL);
    } else {
        flush.failed = syncfs(fd) == 0 ? 0 : errno;
    }
    pthread_cond_destroy(&flush.changed);
    pthread_mutex_destroy(&flush.lock);
    errno = flush.failed;
    return flush.failed == 0 ? 0 : -1;
}
