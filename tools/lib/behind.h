/*
 * behind.h - writing a large new file from front to end, in a thread of its own and past the page cache.
 *
 * Who makes the content does not wait for the disk, and the memory of a server that is at work is not filled with what nobody
 * reads again. Where the file system knows no O_DIRECT it is written like any other file.
 */
#ifndef CAISSON_LIB_BEHIND_H
#define CAISSON_LIB_BEHIND_H

#include <stddef.h>

struct behind;

/* Starts the thread; takes 4 MiB. For one file after another. NULL: no memory. */
struct behind *behind_new(void);

/* What follows goes into this file, which is empty and stays the caller's, open for writing until behind_end or
 * behind_cancel. */
void behind_begin(struct behind *behind, int fd);

/* -1 with errno set: writing failed, now or since the last call; the file is lost. */
int behind_add(struct behind *behind, const void *data, size_t size_bytes);

/* All that was added is written (fsync is the caller's). As behind_add. */
int behind_end(struct behind *behind);

/* What is not written yet will not be. Before a begin, after an end: nothing. */
void behind_cancel(struct behind *behind);

/* Cancels. NULL is fine. */
void behind_free(struct behind *behind);

#endif
