/*
 * database_dump.h - `caisson database backup --logical`: the databases of a running server, dumped; for cmd_database.c.
 */
#ifndef CAISSON_CAISSON_DATABASE_DUMP_H
#define CAISSON_CAISSON_DATABASE_DUMP_H

#include "console/console.h"
#include "database/query.h"
#include "lib/options.h"
#include "repository/repository.h"

/* Prints what has become of it on stdout. Errors are live_dump's. */
int database_dump(const struct options *options, struct repository *repository, const struct query_target *target,
                  const struct repository_backup_options *backup, struct console *console, struct error *error)
    MUST_CHECK;

#endif
