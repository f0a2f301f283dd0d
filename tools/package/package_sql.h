/*
 * package_sql.h - what can be said of an SQL migration without a database, so that it is said on the vendor's machine. Private to
 * tools/package.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_SQL_H
#define CAISSON_PACKAGE_PACKAGE_SQL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

enum package_sql_transaction {
    PACKAGE_SQL_IN_ONE, /* all statements run in one */
    PACKAGE_SQL_NONE,   /* each by itself */
    PACKAGE_SQL_EITHER, /* as the statements want it, if they agree */
};

/* Refuses text that a server would refuse or that would not do there what it says: what cannot be cut into statements, commands
 * of psql, COPY FROM STDIN, statements that begin or end the transaction, or that cannot run in one. CSN_PACKAGE_INPUT with
 * name and line. *transaction (may be NULL): whether it runs in one. */
int package_sql_check(const char *name, const char *text, size_t size_bytes, enum package_sql_transaction wanted,
                      bool *transaction, struct error *error) MUST_CHECK;

#endif
