/*
 * migrate.h - one step of bringing a database from one version of the application to the next.
 *
 * Either SQL (all of it in one transaction, unless it says that it cannot) or a program run in the view. Which ones and in
 * which order is the package's; writing each into the journal is the caller's.
 */
#ifndef CAISSON_DATABASE_MIGRATE_H
#define CAISSON_DATABASE_MIGRATE_H

#include <stdbool.h>
#include <stddef.h>

#include "database/query.h"
#include "lib/buffer.h"
#include "lib/error.h"
#include "target/view.h"

struct migration_sql {
    const char *name; /* for messages */
    const char *text; /* statements separated by ";" */
    size_t size_bytes;
    bool no_transaction; /* each statement by itself (CREATE INDEX CONCURRENTLY, VACUUM) */
    const char *role;    /* SET ROLE before, so that new objects belong to the application; NULL: not */
    int timeout_sec;     /* for all of it; 0: none */
};

/* A file whose first line is `-- caisson: no-transaction` wants none. */
bool migrate_wants_no_transaction(const char *text, size_t size_bytes);

/* Runs it on a new session. CSN_DATABASE_MIGRATION names line and statement and has the server's words; then a transaction
 * is rolled back and nothing of it is there. Notices are appended to *output (or NULL). */
int migrate_sql(const struct query_target *target, const struct migration_sql *migration, struct buffer *output,
                struct error *error) MUST_CHECK;

/* Whether the migration is to run at all: query's value is "t". NULL: it is. CSN_DATABASE_MIGRATION. */
int migrate_asks(const struct query_target *target, const char *name, const char *query, int timeout_sec, bool *wanted,
                 struct error *error) MUST_CHECK;

/* Runs a program in the view; an exit code other than 0 or too long a time is CSN_DATABASE_MIGRATION with its last lines.
 * Everything it started is dead when this returns. */
int migrate_program(struct view *view, const char *name, const struct view_command *command, struct buffer *output,
                    struct error *error) MUST_CHECK;

#endif
