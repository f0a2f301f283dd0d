/*
 * console.h - what a person sees while something runs: steps, sentences, and how far it is; on a screen, a serial line or
 * in a file. The image's menu is a script (rootfs/usr/lib/caisson/menu).
 *
 * On a terminal the progress line is written over itself; elsewhere (no terminal; TERM unset or "dumb") a new line comes every few
 * seconds, so that a serial log stays readable. Nothing is printed for what ends within two seconds. For a program that watches,
 * progress is lines of JSON, one a second: {"doing", "bytes", "total_bytes", "items", "total_items", "bytes_per_second",
 * "seconds_left", "item"}; what is not known is not there.
 */
#ifndef CAISSON_CONSOLE_CONSOLE_H
#define CAISSON_CONSOLE_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/error.h"
#include "lib/progress.h"
#include "lib/traffic.h"

#define CONSOLE_MARKS 16

/* How far it was then. */
struct console_mark {
    int64_t at_ms;
    uint64_t done;
};

struct console {
    FILE *out;
    bool json;                                /* progress as JSON; sentences stay sentences */
    bool overwrites;                          /* a terminal that is no serial log */
    bool line_open;                           /* a progress line stands there unfinished */
    struct progress progress;                 /* give &console.progress to the modules */
    char doing[64];                           /* what the present progress is about */
    int64_t begun_ms;                         /* when it began */
    int64_t shown_ms;                         /* when it was last shown */
    struct console_mark marks[CONSOLE_MARKS]; /* a ring of the last seconds: the time left is told from them */
    unsigned mark_count;                      /* so many were made */
};

/* out is stderr or stdout; stays the caller's. */
void console_open(struct console *console, FILE *out);

/* The same with progress as lines of JSON. */
void console_open_json(struct console *console, FILE *out);

/* A sentence on a line of its own; of more than 4 kB the beginning. Control characters and bytes that are not UTF-8 are shown as
 * \xNN, here and in all that is shown: texts from a server's disk cannot pretend to be a line of ours. */
void console_say(struct console *console, const char *format, ...) PRINTF_LIKE(2, 3);

/* "[4/11] backup: reads, changes nothing" and "[4/11] backup: done in 12.3 s, read 1.2 GB, wrote 410.0 MB; detail". */
void console_step_begin(struct console *console, int number, int count, const char *name, const char *summary);
void console_step_end(struct console *console, int number, int count, const char *name, bool good, int64_t milliseconds,
                      const struct traffic *traffic, const char *detail);

/* Ends an unfinished progress line. Call before anything else is printed to the same place. */
void console_finish_line(struct console *console);

/* "1.2 GB", "3 min 20 s" into text; for people. */
#define CONSOLE_TEXT_SIZE 32
void console_bytes(char text[CONSOLE_TEXT_SIZE], uint64_t bytes);
void console_duration(char text[CONSOLE_TEXT_SIZE], int64_t milliseconds);

#endif
