#include "database/query_copy.h"

#include <string.h>

#include "database/query_internal.h"
#include "lib/clock.h"

#define IDLE_MS 500
#define ASK_SEC 120

int query_copy_send(struct query_session *session, const char *command, struct error *error)
{
    return PQsendQuery(session->connection, command) == 0
               ? query_connection_error(session->connection, "sending a command", error)
               : 0;
}

/* One wait; then whoever waits is told. */
static int wait_on(struct query_session *session, query_idle_function *idle, void *idle_context, struct error *error)
{
    return query_wait_input(session, clock_monotonic_ms() + IDLE_MS, error) != 0 ? -1
           : idle == NULL                                                        ? 0
                                                                                 : idle(idle_context, error);
}

int query_copy_next(struct query_session *session, enum query_part *part, query_row_function *take, void *context,
                    query_idle_function *idle, void *idle_context, struct error *error)
{
    while (PQisBusy(session->connection) != 0) {
        if (wait_on(session, idle, idle_context, error) != 0) {
            return -1;
        }
    }
    PGresult *answer = PQgetResult(session->connection);
    int result = 0;
    if (answer == NULL) {
        *part = QUERY_PART_END;
        return 0;
    }
    switch (PQresultStatus(answer)) {
    case PGRES_COPY_OUT: *part = QUERY_PART_STREAM; break;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
        *part = QUERY_PART_ROWS;
        for (int i = 0; result == 0 && i < PQntuples(answer); i++) {
            result = query_give_row(session, answer, i, (uint64_t)64 << 20, take, context, error);
        }
        break;
    default:
        result = PQstatus(session->connection) == CONNECTION_BAD
                     ? query_connection_error(session->connection, "the connection broke", error)
                     : query_result_error(answer, error);
        break;
    }
    PQclear(answer);
    return result;
}

struct asking {
    const char *command;
    int64_t end_ms;
};

static int still_in_time(void *context, struct error *error)
{
    const struct asking *asking = context;
    return clock_monotonic_ms() < asking->end_ms
               ? 0
               : error_set(error, CSN_TIMEOUT, "the server does not answer %s within %d seconds", asking->command,
                           ASK_SEC);
}

int query_copy_ask(struct query_session *session, const char *command, query_row_function *take, void *context,
                   struct error *error)
{
    enum query_part part = QUERY_PART_ROWS;
    struct asking asking = {.command = command, .end_ms = clock_monotonic_ms() + (int64_t)ASK_SEC * 1000};
    int result = query_copy_send(session, command, error);
    while (result == 0 && part != QUERY_PART_END) {
        result = query_copy_next(session, &part, take, context, still_in_time, &asking, error);
        if (result == 0 && part == QUERY_PART_STREAM) {
            result = error_set(error, CSN_DATABASE_QUERY, "the server answers %s with a stream", command);
        }
    }
    return result;
}

int query_copy_read(struct query_session *session, const uint8_t **data, size_t *size_bytes, query_idle_function *idle,
                    void *idle_context, struct error *error)
{
    PQfreemem(session->copied);
    session->copied = NULL;
    for (;;) {
        int got = PQgetCopyData(session->connection, &session->copied, 1);
        if (got > 0) {
            *data = (const uint8_t *)session->copied;
            *size_bytes = (size_t)got;
            return 1;
        }
        if (got == -1) {
            return 0;
        }
        if (got < -1) {
            return query_connection_error(session->connection, "reading a stream", error);
        }
        if (wait_on(session, idle, idle_context, error) != 0) {
            return -1;
        }
    }
}
