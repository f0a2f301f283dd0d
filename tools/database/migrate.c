#include "database/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database/split.h"
#include "lib/clock.h"
#include "lib/text.h"

static const char mark[] = "-- caisson: no-transaction";

bool migrate_wants_no_transaction(const char *text, size_t size_bytes)
{
    if (size_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size_bytes -= 3;
    }
    size_t length = sizeof mark - 1;
    return size_bytes >= length && memcmp(text, mark, length) == 0 &&
           (size_bytes == length || strchr("\r\n \t", text[length]) != NULL);
}

/* The line in which the character at position (from 1, as the server counts) of a statement lies. */
static int line_of(const struct split_statement *statement, int position)
{
    int line = statement->line;
    int at = 1;
    for (size_t i = 0; i < statement->size_bytes && at < position; i++) {
        line += statement->text[i] == '\n';
        at += (statement->text[i] & 0xc0) != 0x80; /* a character begins at every byte but the following ones */
    }
    return line;
}

static int tell_failure(const struct migration_sql *migration, const struct split_statement *statement, int position,
                        struct error *error)
{
    char words[sizeof error->message];
    char start[100];
    if (error == NULL) {
        return -1;
    }
    size_t length = statement->size_bytes < sizeof start - 1 ? statement->size_bytes : sizeof start - 1;
    for (size_t i = 0; i < length; i++) {
        char c = statement->text[i];
        start[i] = c == '\n' || c == '\r' || c == '\t' ? ' ' : c;
    }
    start[length] = '\0';
    snprintf(words, sizeof words, "%s", error->message);
    return error_set(error, CSN_DATABASE_MIGRATION, "%s, line %d, statement %d (%s%s): %.750s", migration->name,
                     position > 0 ? line_of(statement, position) : statement->line, statement->number, start,
                     length < statement->size_bytes ? " …" : "", words);
}

/* What is left of the time, at least a second, so that 0 never means "no limit". */
static int time_left(const struct migration_sql *migration, int64_t end_ms)
{
    int64_t left_ms = end_ms - clock_monotonic_ms();
    return migration->timeout_sec <= 0 ? 0 : left_ms < 1000 ? 1 : (int)(left_ms / 1000);
}

static int run_statement(struct query_session *session, const struct migration_sql *migration,
                         const struct split_statement *statement, struct buffer *sql, int64_t end_ms,
                         struct error *error)
{
    int position = 0;
    buffer_clear(sql);
    buffer_append(sql, statement->text, statement->size_bytes);
    if (buffer_check(sql, error) != 0) {
        return -1;
    }
    if (memchr(sql->data, '\0', sql->size) != NULL) {
        error_set(error, CSN_DATABASE_MIGRATION, "there is a NUL byte in it");
        return tell_failure(migration, statement, 0, error);
    }
    if (query_execute(session, sql->data, time_left(migration, end_ms), &position, error) != 0) {
        return tell_failure(migration, statement, position, error);
    }
    if (query_in_transaction(session) == migration->no_transaction) {
        error_set(error, CSN_DATABASE_MIGRATION, "%s",
                  migration->no_transaction ? "it begins a transaction in a file that says it needs none"
                                            : "it ends the transaction that the whole file runs in");
        return tell_failure(migration, statement, 0, error);
    }
    return 0;
}

static int run_statements(struct query_session *session, const struct migration_sql *migration, struct error *error)
{
    int64_t end_ms = clock_monotonic_ms() + (int64_t)migration->timeout_sec * 1000;
    struct split split;
    struct split_statement statement;
    struct buffer sql = {0};
    int line = 0;
    int result = 0;
    split_begin(&split, migration->text, migration->size_bytes);
    while (result == 0 && split_next(&split, &statement)) {
        result = run_statement(session, migration, &statement, &sql, end_ms, error);
    }
    if (result == 0 && split_problem(&split, &line) != NULL) {
        result = error_set(error, CSN_DATABASE_MIGRATION, "%s, line %d: %s", migration->name, line,
                           split_problem(&split, NULL));
    }
    buffer_free(&sql);
    return result;
}

/* A file that cannot be cut into statements is refused before any of it runs. */
static int check_text(const struct migration_sql *migration, struct error *error)
{
    struct split split;
    struct split_statement statement;
    int line = 0;
    split_begin(&split, migration->text, migration->size_bytes);
    while (split_next(&split, &statement)) {
    }
    if (split_problem(&split, &line) != NULL) {
        return error_set(error, CSN_DATABASE_MIGRATION, "%s, line %d: %s", migration->name, line,
                         split_problem(&split, NULL));
    }
    return 0;
}

static int set_role(struct query_session *session, const char *role, struct error *error)
{
    struct buffer sql = {0};
    buffer_string(&sql, "SET ROLE ");
    query_append_identifier(&sql, role);
    int result = buffer_check(&sql, error) != 0 ? -1 : query_execute(session, sql.data, 60, NULL, error);
    buffer_free(&sql);
    return result;
}

int migrate_sql(const struct query_target *target, const struct migration_sql *migration, struct buffer *output,
                struct error *error)
{
    struct query_session *session = NULL;
    int result = -1;
    if (check_text(migration, error) != 0 || query_open(target, 0, &session, error) != 0) {
        return -1;
    }
    query_collect_notices(session, output);
    if ((migration->role != NULL && set_role(session, migration->role, error) != 0) ||
        (!migration->no_transaction && query_execute(session, "BEGIN", 60, NULL, error) != 0)) {
        goto out;
    }
    result = run_statements(session, migration, error);
    if (result == 0 && !migration->no_transaction) {
        /* Deferred constraints speak up now. A COMMIT of a failed transaction answers ROLLBACK and no error: that cannot
         * be, since every statement before has succeeded. */
        result = query_execute(session, "COMMIT", migration->timeout_sec, NULL, error);
        if (result != 0) {
            error_wrap(error, "%s, at its end", migration->name);
            if (error != NULL) {
                error->code = CSN_DATABASE_MIGRATION;
            }
        }
    }
out:
    query_close(session); /* what is not committed is rolled back */
    return result;
}

int migrate_asks(const struct query_target *target, const char *name, const char *query, int timeout_sec, bool *wanted,
                 struct error *error)
{
    struct query_limits limits = {.timeout_sec = timeout_sec};
    struct query_session *session = NULL;
    struct buffer value = {0};
    struct error why = {0};
    *wanted = true;
    if (query == NULL) {
        return 0;
    }
    if (target->host == NULL) {
        return error_set(error, CSN_DATABASE_MIGRATION, "%s asks the database, and the application has none", name);
    }
    int result = query_open(target, 0, &session, &why) != 0 ? -1 : query_value(session, query, &limits, &value, &why);
    *wanted = result == 0 && strcmp(buffer_text(&value), "t") == 0;
    query_close(session);
    buffer_free(&value);
    return result == 0 ? 0 : error_set(error, CSN_DATABASE_MIGRATION, "%s, its only-if: %.800s", name, why.message);
}

int migrate_program(struct view *view, const char *name, const struct view_command *command, struct buffer *output,
                    struct error *error)
{
    struct buffer own = {0};
    struct error why = {0};
    int status = -1;
    int result = view_run(view, command, &own, &status, &why);
    if (output != NULL) {
        buffer_append(output, buffer_text(&own), own.size);
    }
    if (result != 0 || status != 0) {
        char ended[40];
        char said[600];
        snprintf(ended, sizeof ended, "it ended with %d", status);
        text_one_line(buffer_text(&own), own.size, said, sizeof said);
        result = error_set(error, CSN_DATABASE_MIGRATION, "%s: %.300s%s%s", name, result != 0 ? why.message : ended,
                           said[0] != '\0' ? "; it said: " : "", said);
    }
    buffer_free(&own);
    return result;
}
