/*
 * database_sizes.h - `caisson database sizes`: how large a database of a running server is, and who is connected to it, for cmd_database.c.
 */
#ifndef CAISSON_CAISSON_DATABASE_SIZES_H
#define CAISSON_CAISSON_DATABASE_SIZES_H

#include "lib/error.h"
#include "lib/options.h"

int database_sizes(const struct options *options, struct error *error) MUST_CHECK;

#endif
