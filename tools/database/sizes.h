/*
 * sizes.h - how large a database is: bytes on disk of each table, rows that are dead, room that no row uses; and who is connected.
 *
 * For people, who compare before and after; nothing is decided by it. Apart from the inventory, since sizes differ where the rows are
 * the same. Where the database has the extension pgstattuple it measures dead rows and bloat; else both come of the server's statistics.
 */
#ifndef CAISSON_DATABASE_SIZES_H
#define CAISSON_DATABASE_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "database/query.h"
#include "lib/error.h"
#include "lib/progress.h"

#define SIZES_TABLES 10000 /* the largest; totals are of all */

struct sizes_table {
    char *oid;
    char *name; /* schema-qualified, quoted where SQL would */
    uint64_t table_bytes, index_bytes, toast_bytes;
    int64_t dead_rows;   /* -1: not known */
    int64_t bloat_bytes; /* of the table without indexes and TOAST: what its rows do not need; -1: not known */
    bool measured;       /* by pgstattuple */
};

/* Sessions that are alike. */
struct sizes_connection {
    char *state; /* "" : the server does not tell this role */
    char *application;
    char *client; /* address, or "local"; "": as of state */
    uint64_t count;
};

struct sizes {
    char *database;
    struct error unknown; /* why nothing of it is known; CSN_NONE: it is */
    uint64_t database_bytes, table_count, table_bytes, index_bytes, toast_bytes;
    struct sizes_table *tables; /* the largest first */
    size_t count;
    size_t measured; /* how many of them */
    bool live;       /* connections were asked for */
    struct sizes_connection *connections;
    size_t connection_count;
};

struct sizes_options {
    bool live;       /* a server that people are connected to; else there are no connections by nature */
    int timeout_sec; /* of each of three parts: sizes, pgstattuple, connections; 0: 60 */
    const struct progress *progress; /* or NULL */
};

/* Of target's database. Nothing is written. What fails is in sizes->unknown; -1 only with CSN_MEMORY. Call sizes_free in each case. */
int sizes_take(const struct query_target *target, const struct sizes_options *options, struct sizes *sizes,
               struct error *error) MUST_CHECK;
void sizes_free(struct sizes *sizes);

/* Adds all to the object: README.md has the members. */
void sizes_to_json(const struct sizes *sizes, yyjson_mut_doc *document, yyjson_mut_val *object);

#endif
