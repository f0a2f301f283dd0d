/*
 * integrity.h - is what the database's files hold sound: every B-tree index and, from PostgreSQL 14 on, every table, by the server's own
 * extension amcheck.
 *
 * The extension is made in a transaction that is rolled back, so nothing stays. Meant for a copy: it reads everything.
 */
#ifndef CAISSON_DATABASE_INTEGRITY_H
#define CAISSON_DATABASE_INTEGRITY_H

#include <stdint.h>

#include "database/query.h"
#include "lib/error.h"
#include "lib/progress.h"

struct integrity_counts {
    uint64_t databases;
    uint64_t without;        /* of these, how many the server has no amcheck for */
    uint64_t without_tables; /* of these, how many it can check the indexes of only (before 14) */
    uint64_t indexes;        /* looked at */
    uint64_t tables;
    uint64_t damaged; /* indexes and tables */
};

/* One that is damaged: "wiki", "index public.page_pkey", and the server's words. */
typedef int integrity_found(void *context, const char *database, const char *object, const char *what,
                            struct error *error);

/* Every database that accepts connections; target's own field is where it starts. object_timeout_sec: for one index or table, 0: none.
 * 0 also where something is damaged; found may end it with -1. CSN_DATABASE_QUERY and the like: it could not be looked at. */
int integrity_check(const struct query_target *target, int object_timeout_sec, integrity_found *found, void *context,
                    const struct progress *progress, struct integrity_counts *counts, struct error *error) MUST_CHECK;

#endif
