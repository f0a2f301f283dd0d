/*
 * inventory.h - what is in a database server, so that two can be compared row for row without holding either in memory.
 *
 * For each table the exact number of rows and a checksum that does not depend on their order: the sums of both halves of
 * the MD5 of each row's text, under fixed output settings. For each sequence its value; for each object of the schema a
 * hash of its definition; roles, databases, settings. Equal for a physical copy and for a dump restored.
 */
#ifndef CAISSON_DATABASE_INVENTORY_H
#define CAISSON_DATABASE_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "database/query.h"
#include "lib/error.h"
#include "lib/progress.h"

#define INVENTORY_NOT_COUNTED "not counted"

enum inventory_kind {
    INVENTORY_ROLE,     /* of the whole server: database is "" */
    INVENTORY_SETTING,  /* per role and database */
    INVENTORY_DATABASE, /* owner, encoding, locale, rights */
    INVENTORY_OBJECT,   /* of the schema: "index public.a_pkey" */
    INVENTORY_TABLE,
    INVENTORY_SEQUENCE,
};

struct inventory_item {
    enum inventory_kind kind;
    char *database;
    char *name;     /* schema-qualified, quoted where SQL would; for objects and roles with their kind before */
    uint64_t rows;  /* tables */
    char *checksum; /* tables: "sum,sum"; sequences: "value,called"; else SHA-256 in hex */
};

struct inventory {
    struct inventory_item *items; /* sorted by kind, database, name */
    size_t count;
    size_t allocated; /* private */
};

struct inventory_options {
    const char *database;  /* only this one and the server-wide items; NULL: all that accept connections */
    int table_timeout_sec; /* for one table; 0: none */
    /* Tables alone, and of them only the number of rows: checksum is "", or INVENTORY_NOT_COUNTED where the time was over. */
    bool rows_only;
    const struct progress *progress; /* or NULL */
};

/* Reads all; target's database field is where it starts ("postgres"). Nothing is written. */
int inventory_take(const struct query_target *target, const struct inventory_options *options,
                   struct inventory *inventory, struct error *error) MUST_CHECK;
void inventory_free(struct inventory *inventory);

/* One difference: an item of only one side has the other NULL. */
typedef void inventory_difference(void *context, const struct inventory_item *before,
                                  const struct inventory_item *after);

/* 0 if equal. Else tell (may be NULL) is called for each item that differs, and CSN_DATABASE_DIFFERS names the first and
 * the number. */
int inventory_compare(const struct inventory *before, const struct inventory *after, inventory_difference *tell,
                      void *context, struct error *error) MUST_CHECK;

/* "table", "sequence" … */
const char *inventory_kind_text(enum inventory_kind kind);

/* The item of that kind and name, or NULL. */
const struct inventory_item *inventory_find(const struct inventory *inventory, enum inventory_kind kind,
                                            const char *database, const char *name);

/* SHA-256 in hex over all items: equal inventories, equal digests. */
void inventory_digest(const struct inventory *inventory, char hex[65]);

/* An array of {kind, database, name, rows?, checksum}; NULL when memory is used up. Owned by document. */
yyjson_mut_val *inventory_to_json(const struct inventory *inventory, yyjson_mut_doc *document);
int inventory_from_json(yyjson_val *array, struct inventory *inventory, struct error *error) MUST_CHECK;

#endif
