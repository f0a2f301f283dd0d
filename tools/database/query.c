#include "database/query.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database/query_connect.h"
#include "database/query_internal.h"
#include "lib/clock.h"

#define ROW_LIMIT_BYTES ((uint64_t)64 << 20)
#define ABANDON_MS 30000

static void take_notice(void *context, const char *message)
{
    struct query_session *session = context;
    if (session->notices != NULL) {
        buffer_string(session->notices, message); /* ends in a newline */
    }
}

int query_connection_error(const PGconn *connection, const char *doing, struct error *error)
{
    char words[800];
    query_words(PQerrorMessage(connection), words, sizeof words);
    return error_set(error, PQstatus(connection) == CONNECTION_BAD ? CSN_DATABASE_UNREACHABLE : CSN_DATABASE_QUERY,
                     "%s: %s", doing, words);
}

int query_result_error(const PGresult *answer, struct error *error)
{
    char primary[600];
    char detail[300];
    const char *state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    const char *primary_field = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail_field = PQresultErrorField(answer, PG_DIAG_MESSAGE_DETAIL);
    enum error_code code = state == NULL                 ? CSN_DATABASE_QUERY
                           : strcmp(state, "53100") == 0 ? CSN_NO_SPACE
                           : strcmp(state, "55006") == 0 ? CSN_DATABASE_SESSIONS
                                                         : CSN_DATABASE_QUERY;
    query_words(primary_field == NULL ? PQresultErrorMessage(answer) : primary_field, primary, sizeof primary);
    query_words(detail_field == NULL ? "" : detail_field, detail, sizeof detail);
    return error_set(error, code, "the database says: %s%s%s%s%s%s", primary, detail[0] == '\0' ? "" : " - ", detail,
                     state == NULL ? "" : " (SQLSTATE ", state == NULL ? "" : state, state == NULL ? "" : ")");
}

int query_open(const struct query_target *target, int timeout_sec, struct query_session **session, struct error *error)
{
    *session = NULL;
    struct query_session *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a database session");
    }
    made->connection = query_connect(target, timeout_sec, error);
    if (made->connection == NULL) {
        free(made);
        return -1;
    }
    PQsetNoticeProcessor(made->connection, take_notice, made);
    *session = made;
    return 0;
}

void query_close(struct query_session *session)
{
    if (session != NULL) {
        PQfreemem(session->copied);
        PQfinish(session->connection);
        free(session->values);
        free(session->sizes);
        free(session);
    }
}

void query_collect_notices(struct query_session *session, struct buffer *notices)
{
    session->notices = notices;
}

bool query_in_transaction(const struct query_session *session)
{
    PGTransactionStatusType status = PQtransactionStatus(session->connection);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
}

int query_server_version(const struct query_session *session)
{
    return PQserverVersion(session->connection);
}

int query_wait_input(struct query_session *session, int64_t end_ms, struct error *error)
{
    struct pollfd poll_fd = {.fd = PQsocket(session->connection), .events = POLLIN};
    int64_t left_ms = end_ms - clock_monotonic_ms();
    int wait_ms = left_ms <= 0 ? 0 : left_ms > 60000 ? 60000 : (int)left_ms;
    return poll(&poll_fd, 1, wait_ms) > 0 && PQconsumeInput(session->connection) == 0
               ? query_connection_error(session->connection, "the connection broke", error)
               : 0;
}

/* Stops what runs and throws away what still comes, so that the session can be used again; a server that does not even answer to
 * that within half a minute gets no more than that. */
static void abandon(struct query_session *session)
{
    int64_t end_ms = clock_monotonic_ms() + ABANDON_MS;
    struct error unused;
    query_cancel(session->connection, 10);
    for (;;) {
        while (PQisBusy(session->connection) != 0) {
            if (clock_monotonic_ms() >= end_ms || query_wait_input(session, end_ms, &unused) != 0) {
                return;
            }
        }
        PGresult *answer = PQgetResult(session->connection);
        if (answer == NULL) {
            return;
        }
        PQclear(answer);
    }
}

/* The next result, or NULL at the end. -1: timed out or disconnected; the session is abandoned then. */
static int next_result(struct query_session *session, int64_t end_ms, int timeout_sec, PGresult **answer,
                       struct error *error)
{
    while (PQisBusy(session->connection) != 0) {
        if (clock_monotonic_ms() >= end_ms) {
            abandon(session);
            return error_set(error, CSN_TIMEOUT, "a statement did not end within %d seconds", timeout_sec);
        }
        if (query_wait_input(session, end_ms, error) != 0) {
            return -1;
        }
    }
    *answer = PQgetResult(session->connection);
    return 0;
}

static int64_t deadline(int timeout_sec)
{
    return timeout_sec > 0 ? clock_monotonic_ms() + (int64_t)timeout_sec * 1000 : INT64_MAX;
}

static int make_room(struct query_session *session, int column_count, struct error *error)
{
    if (column_count > session->column_count) {
        size_t count = (size_t)column_count;
        free(session->values);
        free(session->sizes);
        session->values = calloc(count, sizeof *session->values);
        session->sizes = calloc(count, sizeof *session->sizes);
        session->column_count = session->values == NULL || session->sizes == NULL ? 0 : column_count;
        if (session->column_count == 0) {
            return error_set(error, CSN_MEMORY, "no memory for a row of %d columns", column_count);
        }
    }
    return 0;
}

int query_give_row(struct query_session *session, const PGresult *answer, int row_number, uint64_t limit_bytes,
                   query_row_function *take, void *context, struct error *error)
{
    int column_count = PQnfields(answer);
    uint64_t bytes = 0;
    if (make_room(session, column_count, error) != 0) {
        return -1;
    }
    for (int i = 0; i < column_count; i++) {
        bool null = PQgetisnull(answer, row_number, i) != 0;
        session->values[i] = null ? NULL : PQgetvalue(answer, row_number, i);
        session->sizes[i] = null ? 0 : (size_t)PQgetlength(answer, row_number, i);
        bytes += session->sizes[i];
    }
    if (bytes > limit_bytes) {
        return error_set(error, CSN_DATABASE_QUERY, "a row of %llu bytes is larger than the %llu allowed",
                         (unsigned long long)bytes, (unsigned long long)limit_bytes);
    }
    struct query_row row = {.column_count = column_count, .values = session->values, .sizes = session->sizes};
    return take == NULL ? 0 : take(context, &row, error);
}

/* What a COPY TO STDOUT sends, thrown away until it stops; half a minute at the most. */
static void throw_away_copy(struct query_session *session)
{
    int64_t end_ms = clock_monotonic_ms() + ABANDON_MS;
    struct error unused;
    query_cancel(session->connection, 10);
    while (clock_monotonic_ms() < end_ms) {
        char *line = NULL;
        int got = PQgetCopyData(session->connection, &line, 1);
        PQfreemem(line);
        if (got < 0 || (got == 0 && query_wait_input(session, end_ms, &unused) != 0)) {
            return;
        }
    }
}

/* A statement that wants to copy data to or from us: that is no query. */
static int refuse_copy(struct query_session *session, ExecStatusType status, struct error *error)
{
    if (status == PGRES_COPY_IN && PQputCopyEnd(session->connection, "COPY FROM STDIN is not possible here") < 0) {
        return query_connection_error(session->connection, "refusing a COPY", error);
    }
    if (status == PGRES_COPY_OUT) {
        throw_away_copy(session);
    }
    return error_set(error, CSN_DATABASE_QUERY,
                     "a statement wants to copy data to or from us, which is not possible here");
}

int query_run(struct query_session *session, const char *sql, const char *const *parameters, int parameter_count,
              const struct query_limits *limits, query_row_function *take, void *context, struct error *error)
{
    static const struct query_limits none = {0};
    const struct query_limits *bounds = limits == NULL ? &none : limits;
    uint64_t row_bytes = bounds->row_bytes == 0 ? ROW_LIMIT_BYTES : bounds->row_bytes;
    int64_t end_ms = deadline(bounds->timeout_sec);
    uint64_t rows = 0;
    int result = 0;
    if (PQsendQueryParams(session->connection, sql, parameter_count, NULL, parameters, NULL, NULL, 0) == 0 ||
        PQsetSingleRowMode(session->connection) == 0) {
        return query_connection_error(session->connection, "sending a query", error);
    }
    for (;;) {
        PGresult *answer = NULL;
        struct error later;
        if (next_result(session, end_ms, bounds->timeout_sec, &answer, result == 0 ? error : &later) != 0) {
            return -1;
        }
        if (answer == NULL) {
            return result;
        }
        ExecStatusType status = PQresultStatus(answer);
        bool stop = false;
        if (result != 0) {
            /* the end of a failed one */
        } else if (status == PGRES_SINGLE_TUPLE && bounds->rows > 0 && ++rows > bounds->rows) {
            result = error_set(error, CSN_DATABASE_QUERY, "a query gave more than %llu rows",
                               (unsigned long long)bounds->rows);
            stop = true;
        } else if (status == PGRES_SINGLE_TUPLE) {
            result = query_give_row(session, answer, 0, row_bytes, take, context, error);
            stop = result != 0;
        } else if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT) {
            result = refuse_copy(session, status, error);
        } else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
            result = query_result_error(answer, error);
        }
        PQclear(answer);
        if (stop) {
            abandon(session);
            return result;
        }
    }
}

struct single {
    struct buffer *value;
    uint64_t rows;
    bool is_null;
};

static int take_single(void *context, const struct query_row *row, struct error *error)
{
    struct single *single = context;
    (void)error;
    single->rows++;
    single->is_null = row->column_count < 1 || row->values[0] == NULL;
    if (!single->is_null) {
        buffer_append(single->value, row->values[0], row->sizes[0]);
    }
    return 0;
}

int query_value(struct query_session *session, const char *sql, const struct query_limits *limits, struct buffer *value,
                struct error *error)
{
    struct query_limits bounds = {0};
    struct single single = {.value = value};
    if (limits != NULL) {
        bounds = *limits;
    }
    bounds.rows = 1;
    if (query_run(session, sql, NULL, 0, &bounds, take_single, &single, error) != 0) {
        return -1;
    }
    if (single.rows == 0 || single.is_null) {
        return error_set(error, CSN_DATABASE_QUERY, "a query that must give one value gave %s",
                         single.rows == 0 ? "no row" : "NULL");
    }
    return buffer_check(value, error);
}

int query_execute(struct query_session *session, const char *sql, int timeout_sec, int *position_chars,
                  struct error *error)
{
    int64_t end_ms = deadline(timeout_sec);
    int result = 0;
    if (position_chars != NULL) {
        *position_chars = 0;
    }
    if (PQsendQuery(session->connection, sql) == 0) {
        return query_connection_error(session->connection, "sending a statement", error);
    }
    for (;;) {
        PGresult *answer = NULL;
        struct error later;
        if (next_result(session, end_ms, timeout_sec, &answer, result == 0 ? error : &later) != 0) {
            return -1;
        }
        if (answer == NULL) {
            return result;
        }
        ExecStatusType status = PQresultStatus(answer);
        bool done = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
        if (!done && result == 0) {
            const char *position = PQresultErrorField(answer, PG_DIAG_STATEMENT_POSITION);
            if (position_chars != NULL && position != NULL) {
                *position_chars = (int)strtol(position, NULL, 10);
            }
            result = status == PGRES_COPY_IN || status == PGRES_COPY_OUT ? refuse_copy(session, status, error)
                                                                         : query_result_error(answer, error);
        }
        PQclear(answer);
    }
}

void query_append_identifier(struct buffer *sql, const char *text)
{
    buffer_string(sql, "\"");
    for (const char *at = text; *at != '\0'; at++) {
        buffer_append(sql, *at == '"' ? "\"\"" : at, *at == '"' ? 2 : 1);
    }
    buffer_string(sql, "\"");
}

void query_append_literal(struct buffer *sql, const char *text)
{
    buffer_string(sql, strchr(text, '\\') != NULL ? " E'" : "'");
    for (const char *at = text; *at != '\0'; at++) {
        bool doubled = *at == '\'' || *at == '\\';
        buffer_append(sql, at, 1);
        if (doubled) {
            buffer_append(sql, at, 1);
        }
    }
    buffer_string(sql, "'");
}
