/*
 * workers.h - several threads that work off a queue of jobs. The first job that fails ends the work.
 *
 * One thread gives the jobs; they are begun in that order. What a job is, and whose, is the giver's: a job that was never begun,
 * as another one failed, is still the giver's to free.
 */
#ifndef CAISSON_LIB_WORKERS_H
#define CAISSON_LIB_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

#define WORKERS_LIMIT 8u

struct workers;

/* One a processor, WORKERS_LIMIT at most. */
unsigned workers_usual(void);

/* Starts count threads (1 .. WORKERS_LIMIT). work gets each job with the number of its thread, 0 .. count-1; it returns 0, or -1
 * with *error set. At most `queue` jobs wait. CSN_MEMORY. */
struct workers *workers_start(unsigned count, size_t queue,
                              int (*work)(void *context, unsigned worker, void *job, struct error *error),
                              void *context, struct error *error) MUST_CHECK;

/* While the giver waits for the threads, below, it calls meanwhile at least every 0.2 s: to say how far they are. */
void workers_meanwhile(struct workers *workers, void (*meanwhile)(void *context));

/* Gives a job, when there is room for it. -1 with the error of the job that failed: this one was not taken. */
int workers_give(struct workers *workers, void *job, struct error *error) MUST_CHECK;

/* Waits until all that was given is done. 0, or -1 with the error of the job that failed. More may be given afterwards. */
int workers_wait(struct workers *workers, struct error *error) MUST_CHECK;

/* Begins no more jobs; take gets each that never was. To be called before workers_end by a giver who has no list of his own. */
void workers_take_back(struct workers *workers, void (*take)(void *job));

/* Ends the threads when they have done the job at hand; jobs that wait are not begun. NULL is fine. */
void workers_end(struct workers *workers);

#endif
