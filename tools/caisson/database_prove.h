/*
 * database_prove.h - `caisson database prove`: the backup of a running cluster restored, started and read, for cmd_database.c.
 */
#ifndef CAISSON_CAISSON_DATABASE_PROVE_H
#define CAISSON_CAISSON_DATABASE_PROVE_H

#include "lib/error.h"
#include "lib/options.h"

#define DATABASE_PROVE_RULES                                                                                           \
    {"snapshot", OPTION_TEXT, false, "ID", "prove: which one (the latest base backup)"},                               \
        {"programs", OPTION_TEXT, false, "DIR",                                                                        \
         "prove: the root of a system with the PostgreSQL of its version, only read (/)"},                             \
    {                                                                                                                  \
        "scratch", OPTION_TEXT, false, "DIR", "prove: a folder with room for the whole cluster (/var/tmp)"             \
    }

int database_prove(const struct options *options, struct error *error) MUST_CHECK;

#endif
