/*
 * query_connect.h - the way to a server: libpq's parameters, TLS, and what a refusal means, for query.c.
 *
 * A libpq without an environment: each of its PG* variables would take part in a connection that a job describes.
 */
#ifndef CAISSON_DATABASE_QUERY_CONNECT_H
#define CAISSON_DATABASE_QUERY_CONNECT_H

#include <libpq-fe.h>

#include "database/query.h"

/* Connected, or NULL with one of query_open's codes. The caller's, for PQfinish. */
PGconn *query_connect(const struct query_target *target, int timeout_sec, struct error *error) MUST_CHECK;

/* Appends libpq's connection string for it, with the password: for a program that sets what a session needs by itself. */
void query_conninfo(const struct query_target *target, struct buffer *text);
/* Appends a value of such a string, quoted. */
void query_conninfo_value(const char *value, struct buffer *text);

/* Asks the server, over a connection of its own and as secured, to stop what runs; waits timeout_sec at most. */
void query_cancel(PGconn *connection, int timeout_sec);

/* The server's or libpq's words on one line. */
void query_words(const char *words, char *text, size_t size);

/* The code for an SQLSTATE of a refused connection, and what it means in plain words; CSN_DATABASE_LOGIN where it is none that is known. */
enum error_code query_refusal(const char *state, const char **plain);

#endif
