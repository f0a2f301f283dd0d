/*
 * database_copy.h - `caisson database copy`, `switch`, `back` and `drop`: a database of a running server beside itself, for cmd_database.c.
 */
#ifndef CAISSON_CAISSON_DATABASE_COPY_H
#define CAISSON_CAISSON_DATABASE_COPY_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/options.h"

#define DATABASE_COPY_RULES                                                                                            \
    {"name", OPTION_TEXT, false, "NAME",                                                                               \
     "copy, switch, back, drop, sizes: the database; backup --logical: only this one"},                                \
        {"run", OPTION_TEXT, false, "TEXT", "with these: part of the names of copy and old one (caisson)"},            \
        {"old", OPTION_FLAG, false, NULL, "drop: the old one, after a switch; there is no way back then"},             \
        {"wait-sec", OPTION_NUMBER, false, "N", "copy: how long its sessions have to end (60)"},                       \
    {                                                                                                                  \
        "end-sessions", OPTION_FLAG, false, NULL, "copy: then they are ended; otherwise nothing is done"               \
    }

bool database_copy_knows(const char *what);
int database_copy(const char *what, const struct options *options, struct error *error) MUST_CHECK;

#endif
