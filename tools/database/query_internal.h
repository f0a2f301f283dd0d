/*
 * query_internal.h - a session, for query.c and query_copy.c.
 */
#ifndef CAISSON_DATABASE_QUERY_INTERNAL_H
#define CAISSON_DATABASE_QUERY_INTERNAL_H

#include <libpq-fe.h>

#include "database/query.h"

struct query_session {
    PGconn *connection;
    struct buffer *notices;
    const char **values; /* of the row at hand */
    size_t *sizes;
    int column_count; /* room in both */
    char *copied;     /* by query_copy_read; libpq's */
};

/* The server's words of a failed statement, with its SQLSTATE. */
int query_result_error(const PGresult *answer, struct error *error);

/* The connection's own, with what was being done: CSN_DATABASE_UNREACHABLE where it broke, else CSN_DATABASE_QUERY. */
int query_connection_error(const PGconn *connection, const char *doing, struct error *error);

/* Waits until something comes, at most until end_ms. 0: something came, or the time is over; -1: the connection broke. */
int query_wait_input(struct query_session *session, int64_t end_ms, struct error *error) MUST_CHECK;

/* Hands one row of an answer over. */
int query_give_row(struct query_session *session, const PGresult *answer, int row_number, uint64_t limit_bytes,
                   query_row_function *take, void *context, struct error *error) MUST_CHECK;

#endif
