/*
 * process.h - running a program of this machine and collecting what it says. Programs of the server are started by
 * target/view.h, in a closed room.
 */
#ifndef CAISSON_LIB_PROCESS_H
#define CAISSON_LIB_PROCESS_H

#include "lib/buffer.h"
#include "lib/error.h"

/* Runs argv (argv[0] is looked up in PATH), stdin from input (NULL: /dev/null), stdout and stderr appended to *output
 * (NULL: thrown away; kept to the last 1 MiB). Kills it after timeout_sec (CSN_TIMEOUT; 0: no limit).
 * *status is its exit code, or 128 + signal. -1 only if it could not be run to its end. */
int process_run(const char *const argv[], const char *input, int timeout_sec, struct buffer *output, int *status,
                struct error *error) MUST_CHECK;

/* Waits for pid while collecting output_fd (closed at the end; -1: none) as above. For those who fork themselves. */
int process_collect(int pid, int output_fd, const char *name, int timeout_sec, struct buffer *output, int *status,
                    struct error *error) MUST_CHECK;

#endif
