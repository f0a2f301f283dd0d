/*
 * cold.h - a made-up server with a real PostgreSQL cluster of this machine's newest version, for the database tests.
 */
#ifndef CAISSON_TESTS_COLD_H
#define CAISSON_TESTS_COLD_H

#include <stdbool.h>

#include "database/cluster.h"
#include "database/server.h"
#include "target/view.h"

#define COLD_DATA "/var/lib/postgresql/data"

struct cold {
    char *server;           /* the server's root */
    struct cluster cluster; /* examined */
    struct view *view;      /* while open */
};

/* Makes the server and a cluster in it, which a database "wiki" with some tables is put into; all is shut down. */
void cold_make(struct cold *cold);
void cold_remove(struct cold *cold);

/* Another one with the same content. */
void cold_copy(const struct cold *cold, struct cold *copy);

/* Opens a view; writes reach the cluster's folder only if writable. Examines the cluster anew. */
void cold_open(struct cold *cold, bool writable);
void cold_close(struct cold *cold);

/* Starts and stops a private server in the open view. */
struct database_server *cold_start(struct cold *cold, enum database_mode mode);
void cold_stop(struct database_server *server);

/* Runs statements one by one, or fails the test. */
void cold_run(struct database_server *server, const char *database, const char *const *statements);

/* One value as text; free it. */
char *cold_value(struct database_server *server, const char *database, const char *sql);

/* Opens writable, starts, runs one statement in wiki, stops, closes. */
void cold_change(struct cold *cold, const char *sql);

/* The root's descriptor, for root.h; close it. */
int cold_root(const struct cold *cold);

#endif
