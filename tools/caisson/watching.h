/*
 * watching.h - the option by which a program, not a person, watches a command's progress.
 */
#ifndef CAISSON_CAISSON_WATCHING_H
#define CAISSON_CAISSON_WATCHING_H

#include "console/console.h"
#include "lib/options.h"

#define WATCHING_RULE                                                                                                  \
    {                                                                                                                  \
        "progress-json", OPTION_FLAG, false, NULL, "progress on stderr as lines of JSON"                               \
    }

/* Progress and sentences go to stderr. */
static inline void watching_open(struct console *console, const struct options *options)
{
    if (options_flag(options, "progress-json")) {
        console_open_json(console, stderr);
    } else {
        console_open(console, stderr);
    }
}

#endif
