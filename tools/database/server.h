/*
 * server.h - the server's own PostgreSQL, started in a view as the cluster's owner, on a socket that only we reach.
 *
 * Private: no network, our socket and our hba file only; for looking, proving and SQL migrations. Application: the
 * server's own configuration, plus our socket and a line in front of its hba file; for the application itself and for
 * migrations that are programs. Neither archives WAL, waits for a standby or writes a log file. PostgreSQL opens every file
 * it touches for writing: on an overlay each table read is copied to the scratch place, which needs the room.
 */
#ifndef CAISSON_DATABASE_SERVER_H
#define CAISSON_DATABASE_SERVER_H

#include "database/cluster.h"
#include "database/query.h"
#include "lib/buffer.h"
#include "lib/error.h"
#include "target/view.h"

enum database_mode {
    DATABASE_PRIVATE,
    DATABASE_APPLICATION,
};

struct database_settings {
    const struct cluster *cluster; /* examined; its paths are taken as paths inside the view */
    enum database_mode mode;
    const char *superuser;   /* a role that may do all; tried first, then postgres, then the owner's name; or NULL */
    const char *config_file; /* postgresql.conf inside; NULL: the cluster's */
    const char *hba_file;    /* application: the server's own, inside; NULL: as the server is configured */
    int start_timeout_sec;   /* until it answers, recovery included; 0: 300 */
};

struct database_server;

/* Starts it and waits until it accepts connections. CSN_DATABASE_START carries the last lines of its log; after a failure
 * nothing runs. The cluster need not be clean: what recovery writes goes where the view lets it. */
int database_server_start(struct view *view, const struct database_settings *settings, struct database_server **server,
                          struct error *error) MUST_CHECK;

/* Fast shutdown; waits (timeout_sec, 0: 300) for pg_control to say "shut down". Frees server in any case. If it must be
 * killed: CSN_DATABASE_UNCLEAN. NULL is fine. */
int database_server_stop(struct database_server *server, int timeout_sec, struct error *error) MUST_CHECK;

/* How query_open reaches it; database is filled in by the caller. Valid until stopped. */
struct query_target database_server_target(const struct database_server *server, const char *database);

/* Its log so far (the last MiB). */
int database_server_log(const struct database_server *server, struct buffer *log, struct error *error) MUST_CHECK;

#endif
