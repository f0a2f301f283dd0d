/*
 * inventory_internal.h - what the inventory_*.c files share.
 */
#ifndef CAISSON_DATABASE_INVENTORY_INTERNAL_H
#define CAISSON_DATABASE_INVENTORY_INTERNAL_H

#include "database/inventory.h"

/* Adds an item; all is copied. */
int inventory_add(struct inventory *inventory, enum inventory_kind kind, const char *database, const char *name,
                  uint64_t rows, const char *checksum, struct error *error) MUST_CHECK;

/* The same with the SHA-256 of definition as checksum. */
int inventory_add_definition(struct inventory *inventory, enum inventory_kind kind, const char *database,
                             const char *name, const char *definition, struct error *error) MUST_CHECK;

void inventory_sort(struct inventory *inventory);

/* Roles, settings, databases: what belongs to the whole server. */
int inventory_take_server(struct query_session *session, struct inventory *inventory, struct error *error) MUST_CHECK;

/* The objects of the schema of the session's database. */
int inventory_take_schema(struct query_session *session, const char *database, struct inventory *inventory,
                          struct error *error) MUST_CHECK;

#endif
