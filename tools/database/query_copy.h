/*
 * query_copy.h - commands that answer with a stream: those of the replication protocol (PostgreSQL's documentation, "Streaming
 * Replication Protocol"), and COPY TO STDOUT.
 *
 * A command's answer is a row of parts: each is rows, or a stream, and all must be taken.
 */
#ifndef CAISSON_DATABASE_QUERY_COPY_H
#define CAISSON_DATABASE_QUERY_COPY_H

#include "database/query.h"

enum query_part {
    QUERY_PART_END,    /* nothing more comes */
    QUERY_PART_ROWS,   /* were given to take */
    QUERY_PART_STREAM, /* to be read with query_copy_read, to its end */
};

/* Asked every half second while nothing comes; -1 with an error ends the waiting. NULL: nobody is asked. */
typedef int query_idle_function(void *context, struct error *error);

int query_copy_send(struct query_session *session, const char *command, struct error *error) MUST_CHECK;

/* The next part. CSN_DATABASE_QUERY with the server's words, CSN_DATABASE_UNREACHABLE where the connection broke. */
int query_copy_next(struct query_session *session, enum query_part *part, query_row_function *take, void *context,
                    query_idle_function *idle, void *idle_context, struct error *error) MUST_CHECK;

/* A command that answers with rows only, and soon: sent, and all of it taken. CSN_TIMEOUT after two minutes. */
int query_copy_ask(struct query_session *session, const char *command, query_row_function *take, void *context,
                   struct error *error) MUST_CHECK;

/* The next message of the stream, valid until the next call: 1; 0: its end; -1. */
int query_copy_read(struct query_session *session, const uint8_t **data, size_t *size_bytes, query_idle_function *idle,
                    void *idle_context, struct error *error) MUST_CHECK;

#endif
