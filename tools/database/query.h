/*
 * query.h - the one door to libpq: connect, run, take rows one by one, within limits of time and size.
 *
 * Rows are never collected here, so a large table costs no memory. Errors carry the server's own words
 * (CSN_DATABASE_QUERY). One session is used by one thread at a time.
 */
#ifndef CAISSON_DATABASE_QUERY_H
#define CAISSON_DATABASE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"

/* How the way to a server on another host is secured. Files are PEM; a private key may be DER. */
struct query_tls {
    const char *mode; /* as libpq's sslmode: "verify-full", "verify-ca", "require" (nobody is asked who he is) */
    const char *root_certificate; /* what the server's certificate must lead to; NULL only with "require" */
    const char *certificate;      /* ours, and what leads to its root; NULL: none */
    const char *key;              /* of ours; its mode must be 0600 */
    const char *key_password;     /* NULL: it has none */
    const char *revocation_list;  /* NULL: none */
};

struct query_target {
    const char *host; /* a folder with the socket, or a name or address */
    int port;
    const char *user;
    const char *password; /* or NULL */
    const char *database;
    const struct query_tls *tls; /* NULL: in the clear, as a local socket is */
    bool replication;            /* a session of the replication protocol: commands of replication only */
};

struct query_session;

/* Connects within timeout_sec (0: 30). search_path is left as it is; client_encoding is UTF8, but of a database in SQL_ASCII,
 * whose bytes come as they are. CSN_DATABASE_UNREACHABLE (nobody
 * answers, or not yet), _TLS (no secure way, or not to whom it should), _LOGIN (it does not let us in), _RELATIVE (it speaks
 * PostgreSQL's protocol and is something else); the message has the server's own words. Nothing of the environment is used. */
int query_open(const struct query_target *target, int timeout_sec, struct query_session **session, struct error *error)
    MUST_CHECK;
void query_close(struct query_session *session); /* NULL is fine */

/* 0: accepts connections; 1: starting up or no answer yet. */
int query_ping(const struct query_target *target);

struct query_row {
    int column_count;
    const char *const *values; /* NUL-terminated text; NULL for SQL NULL; valid during the call only */
    const size_t *sizes;       /* bytes */
};

/* Takes a row; -1 with *error set stops the query, and query_run returns that error. */
typedef int query_row_function(void *context, const struct query_row *row, struct error *error);

struct query_limits {
    int timeout_sec;    /* 0: none. After it the statement is cancelled: CSN_TIMEOUT */
    uint64_t rows;      /* 0: none. More is CSN_DATABASE_QUERY */
    uint64_t row_bytes; /* 0: 64 MiB. One larger is CSN_DATABASE_QUERY */
};

/* Runs one statement with parameters $1, $2 … (count 0: none, as text; NULL is SQL NULL). take NULL: rows are dropped;
 * limits NULL: none. */
int query_run(struct query_session *session, const char *sql, const char *const *parameters, int parameter_count,
              const struct query_limits *limits, query_row_function *take, void *context, struct error *error)
    MUST_CHECK;

/* The first column of the only row, appended to *value. No row, several, or NULL: CSN_DATABASE_QUERY. */
int query_value(struct query_session *session, const char *sql, const struct query_limits *limits, struct buffer *value,
                struct error *error) MUST_CHECK;

/* Runs one statement of a script by the simple protocol (so that it may be of any kind). position_chars (may be NULL) is
 * the character in sql that the server's error points at, from 1, or 0. */
int query_execute(struct query_session *session, const char *sql, int timeout_sec, int *position_chars,
                  struct error *error) MUST_CHECK;

/* Notices and warnings of the session are appended to *notices from now on, a line each; NULL: dropped. */
void query_collect_notices(struct query_session *session, struct buffer *notices);

/* True while a transaction is open (failed or not). */
bool query_in_transaction(const struct query_session *session);

/* 150018 */
int query_server_version(const struct query_session *session);

/* Appends text as an SQL identifier ("a""b") or literal ('a''b'; E'' where it has backslashes). */
void query_append_identifier(struct buffer *sql, const char *text);
void query_append_literal(struct buffer *sql, const char *text);

#endif
