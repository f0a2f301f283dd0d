#include "lib/workers.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MEANWHILE_NS 200000000L

struct worker {
    struct workers *workers;
    unsigned number;
    pthread_t thread;
};

struct workers {
    int (*work)(void *context, unsigned worker, void *job, struct error *error);
    void *context;
    void (*meanwhile)(void *context); /* or NULL; in the giver's thread alone */
    struct worker threads[WORKERS_LIMIT];
    unsigned started;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t given;
    pthread_cond_t done;
    void **jobs; /* a ring */
    size_t room;
    size_t first;
    size_t waiting;
    unsigned at_work;
    bool stop;
    struct error failure;
};

unsigned workers_usual(void)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online < 1 ? 1 : online > (long)WORKERS_LIMIT ? WORKERS_LIMIT : (unsigned)online;
}

static void *run(void *argument)
{
    struct worker *worker = argument;
    struct workers *workers = worker->workers;
    pthread_mutex_lock(&workers->lock);
    while (!workers->stop) {
        if (workers->waiting == 0) {
            pthread_cond_wait(&workers->given, &workers->lock);
            continue;
        }
        struct error error = {.code = CSN_NONE};
        void *job = workers->jobs[workers->first];
        workers->first = (workers->first + 1) % workers->room;
        workers->waiting--;
        workers->at_work++;
        pthread_cond_broadcast(&workers->done); /* there is room for a job */
        pthread_mutex_unlock(&workers->lock);
        int result = workers->work(workers->context, worker->number, job, &error);
        pthread_mutex_lock(&workers->lock);
        workers->at_work--;
        if (result != 0 && workers->failure.code == CSN_NONE) {
            workers->failure = error;
        }
        workers->stop = workers->stop || result != 0;
        pthread_cond_broadcast(&workers->done);
    }
    pthread_cond_broadcast(&workers->given);
    pthread_cond_broadcast(&workers->done);
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

struct workers *workers_start(unsigned count, size_t queue,
                              int (*work)(void *context, unsigned worker, void *job, struct error *error),
                              void *context, struct error *error)
{
    struct workers *workers = calloc(1, sizeof *workers);
    void **jobs = calloc(queue, sizeof *jobs);
    if (workers == NULL || jobs == NULL) {
        free(workers);
        free(jobs);
        error_set(error, CSN_MEMORY, "no memory for threads");
        return NULL;
    }
    workers->work = work;
    workers->context = context;
    workers->jobs = jobs;
    workers->room = queue;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->given, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&workers->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
    while (workers->started < count) {
        struct worker *worker = &workers->threads[workers->started];
        *worker = (struct worker){.workers = workers, .number = workers->started};
        if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
            workers_end(workers);
            error_set(error, CSN_MEMORY, "no thread can be started");
            return NULL;
        }
        workers->started++;
    }
    return workers;
}

void workers_meanwhile(struct workers *workers, void (*meanwhile)(void *context))
{
    workers->meanwhile = meanwhile;
}

/* The giver waits until a thread has begun or ended a job, or for a moment. The lock is held. */
static void wait_a_while(struct workers *workers)
{
    struct timespec until;
    if (workers->meanwhile == NULL) {
        pthread_cond_wait(&workers->done, &workers->lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (until.tv_nsec + MEANWHILE_NS) / 1000000000L;
    until.tv_nsec = (until.tv_nsec + MEANWHILE_NS) % 1000000000L;
    pthread_cond_timedwait(&workers->done, &workers->lock, &until);
    pthread_mutex_unlock(&workers->lock);
    workers->meanwhile(workers->context);
    pthread_mutex_lock(&workers->lock);
}

static int failed(const struct workers *workers, struct error *error)
{
    return workers->failure.code == CSN_NONE ? 0
                                             : error_set(error, workers->failure.code, "%s", workers->failure.message);
}

int workers_give(struct workers *workers, void *job, struct error *error)
{
    pthread_mutex_lock(&workers->lock);
    while (workers->waiting == workers->room && !workers->stop) {
        wait_a_while(workers);
    }
    int result = failed(workers, error);
    if (result == 0) {
        workers->jobs[(workers->first + workers->waiting) % workers->room] = job;
        workers->waiting++;
        pthread_cond_signal(&workers->given);
    }
    pthread_mutex_unlock(&workers->lock);
    return result;
}

int workers_wait(struct workers *workers, struct error *error)
{
    pthread_mutex_lock(&workers->lock);
    while (workers->at_work > 0 || (workers->waiting > 0 && !workers->stop)) {
        wait_a_while(workers);
    }
    int result = failed(workers, error);
    pthread_mutex_unlock(&workers->lock);
    return result;
}

void workers_take_back(struct workers *workers, void (*take)(void *job))
{
    pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    for (; workers->waiting > 0; workers->waiting--) {
        take(workers->jobs[workers->first]);
        workers->first = (workers->first + 1) % workers->room;
    }
    pthread_mutex_unlock(&workers->lock);
}

void workers_end(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    pthread_mutex_lock(&workers->lock);
    workers->stop = true;
    pthread_cond_broadcast(&workers->given);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++) {
        pthread_join(workers->threads[i].thread, NULL);
    }
    pthread_cond_destroy(&workers->done);
    pthread_cond_destroy(&workers->given);
    pthread_mutex_destroy(&workers->lock);
    free(workers->jobs);
    free(workers);
}
