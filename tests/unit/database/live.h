/*
 * live.h - a real PostgreSQL server of this machine that runs: TLS and passwords on loopback, certificates of its own authority.
 *
 * Roles (password "secret"): "owner", superuser, and "plain". Databases: "wiki", and "closed", which wants a certificate of ours.
 */
#ifndef CAISSON_TESTS_LIVE_H
#define CAISSON_TESTS_LIVE_H

#include <sys/types.h>

#include "database/query.h"

struct live {
    char *folder;   /* data/ sock/ and the certificates: ca.pem other-ca.pem client.pem client.key ... */
    char *binaries; /* of its PostgreSQL */
    int port;
    pid_t pid; /* of the postmaster */
};

void live_make(struct live *live);
void live_start(struct live *live);
void live_stop(struct live *live);
void live_remove(struct live *live); /* stops it, too */

/* A file of its folder; valid until the eighth call from now. */
const char *live_file(const struct live *live, const char *name);

/* Runs a program in its folder, as the server's user if server_side; its output, to be freed. Fails the test unless it exits 0. */
char *live_run(const struct live *live, int server_side, const char *const *argv);

/* Statements as the superuser, by the socket. */
void live_sql(const struct live *live, const char *database, const char *sql);

/* Over TLS, verify-full, as owner; the parts may be changed. */
struct query_target live_target(const struct live *live, struct query_tls *tls, const char *database);

#endif
