#include "database/live_copy.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/strings.h"

#define STATEMENT_SEC 300

int live_copy_name(struct live_copy *names, const char *database, const char *run, struct error *error)
{
    int making = snprintf(names->making, sizeof names->making, "%s-making-%s", database, run);
    int copy = snprintf(names->copy, sizeof names->copy, "%s-new-%s", database, run);
    int old = snprintf(names->old, sizeof names->old, "%s-old-%s", database, run);
    int plain = snprintf(names->database, sizeof names->database, "%s", database);
    return making > 0 && making < LIVE_COPY_NAME_SIZE && copy < LIVE_COPY_NAME_SIZE && old < LIVE_COPY_NAME_SIZE &&
                   plain < LIVE_COPY_NAME_SIZE
               ? 0
               : error_set(error, CSN_DATABASE_QUERY,
                           "no room for a name beside the database \"%s\": 63 bytes are the most", database);
}

/* --- asking and telling --- */

/* format has one %s for each name, which becomes an identifier. */
static int tell(struct query_session *session, const char *format, const char *one, const char *other, int timeout_sec,
                struct error *error)
{
    struct buffer sql = {0};
    const char *names[] = {one, other};
    size_t next = 0;
    for (const char *at = format; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's' && next < 2) {
            query_append_identifier(&sql, names[next++]);
            at++;
        } else {
            buffer_append(&sql, at, 1);
        }
    }
    int result = buffer_check(&sql, error) != 0 ? -1 : query_execute(session, sql.data, timeout_sec, NULL, error);
    buffer_free(&sql);
    return result;
}

struct there {
    const struct live_copy *names;
    bool database, open, making, copy, old;
};

static int take_name(void *context, const struct query_row *row, struct error *error)
{
    struct there *there = context;
    (void)error;
    if (strcmp(row->values[0], there->names->database) == 0) {
        there->database = true;
        there->open = row->values[1][0] == 't';
    }
    there->making = there->making || strcmp(row->values[0], there->names->making) == 0;
    there->copy = there->copy || strcmp(row->values[0], there->names->copy) == 0;
    there->old = there->old || strcmp(row->values[0], there->names->old) == 0;
    return 0;
}

static int look(struct query_session *session, const struct live_copy *names, struct there *there, struct error *error)
{
    *there = (struct there){.names = names};
    return query_run(session, "SELECT datname, datallowconn FROM pg_database", NULL, 0, NULL, take_name, there, error);
}

int live_copy_examine(const struct query_target *target, const struct live_copy *names, enum live_copy_state *state,
                      struct error *error)
{
    struct query_session *session = NULL;
    struct there there;
    *state = LIVE_COPY_OTHER;
    int result = query_open(target, 0, &session, error) != 0 ? -1 : look(session, names, &there, error);
    query_close(session);
    if (result == 0 && there.database && !(there.copy && there.old)) {
        *state = there.copy                    ? LIVE_COPY_STAGED
                 : there.old                   ? LIVE_COPY_SWITCHED
                 : there.making || !there.open ? LIVE_COPY_BEGUN
                                               : LIVE_COPY_NONE;
    }
    return result;
}

/* --- who is in it --- */

struct sessions {
    size_t count;
    struct buffer list; /* the first few, for people */
};

static int take_session(void *context, const struct query_row *row, struct error *error)
{
    struct sessions *sessions = context;
    (void)error;
    if (sessions->count++ < 5) {
        buffer_format(&sessions->list, "%sprocess %s, %s, %s from %s", sessions->count == 1 ? "" : "; ", row->values[0],
                      row->values[1] == NULL ? "(no role)" : row->values[1],
                      row->values[2] == NULL || row->values[2][0] == '\0' ? "(no name)" : row->values[2],
                      row->values[3] == NULL ? "the server itself" : row->values[3]);
    }
    return 0;
}

/* Autovacuum gives way by itself and is none of them. */
static int find_sessions(struct query_session *session, const char *database, struct sessions *sessions,
                         struct error *error)
{
    const char *const parameters[] = {database};
    sessions->count = 0;
    buffer_clear(&sessions->list);
    return query_run(
        session,
        "SELECT pid, usename, application_name, client_addr::text FROM pg_stat_activity "
        "WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type NOT LIKE 'autovacuum%' ORDER BY pid",
        parameters, 1, NULL, take_session, sessions, error);
}

static int end_sessions_of(struct query_session *session, const char *database, struct error *error)
{
    const char *const parameters[] = {database};
    return query_run(
        session,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
        parameters, 1, NULL, NULL, NULL, error);
}

static int wait_empty(struct query_session *session, const char *database, int wait_sec,
                      const struct progress *progress, struct sessions *sessions, struct error *error)
{
    int64_t end_ms = clock_monotonic_ms() + (int64_t)wait_sec * 1000;
    int result;
    while ((result = find_sessions(session, database, sessions, error)) == 0 && sessions->count > 0 &&
           clock_monotonic_ms() < end_ms) {
        struct progress_state state = {
            .doing = "waiting for sessions of the database to end", .item = database, .total_items = sessions->count};
        progress_tell(progress, &state);
        (void)poll(NULL, 0, 200);
    }
    return result;
}

/* After a failure: the error stays the one that there was, with a word more where the database stays closed. */
void live_copy_open_again(const struct query_target *target, const char *database, struct error *error)
{
    struct error why = {.code = CSN_NONE};
    if (live_copy_open(target, database, &why) != 0) {
        (void)error_wrap(error, "the database %s stays CLOSED (`caisson database drop` opens it): %.200s", database,
                         why.message);
    }
}

int live_copy_close(const struct query_target *target, const char *database, int wait_sec, bool end_sessions,
                    const struct progress *progress, struct error *error)
{
    struct query_session *session = NULL;
    struct sessions sessions = {.count = 0};
    if (query_open(target, 0, &session, error) != 0) {
        return -1;
    }
    int result =
        tell(session, "ALTER DATABASE %s WITH ALLOW_CONNECTIONS false", database, NULL, STATEMENT_SEC, error) != 0
            ? -1
            : wait_empty(session, database, wait_sec, progress, &sessions, error);
    if (result == 0 && sessions.count > 0 && end_sessions) {
        result = end_sessions_of(session, database, error) != 0
                     ? -1
                     : wait_empty(session, database, 30, progress, &sessions, error);
    }
    if (result == 0 && sessions.count > 0) {
        result = error_set(error, CSN_DATABASE_SESSIONS, "%zu sessions use the database %s: %.500s", sessions.count,
                           database, buffer_text(&sessions.list));
    }
    if (result != 0) {
        live_copy_open_again(target, database, error);
    }
    buffer_free(&sessions.list);
    query_close(session);
    return result;
}

int live_copy_open(const struct query_target *target, const char *database, struct error *error)
{
    struct query_session *session = NULL;
    int result =
        query_open(target, 0, &session, error) != 0
            ? -1
            : tell(session, "ALTER DATABASE %s WITH ALLOW_CONNECTIONS true", database, NULL, STATEMENT_SEC, error);
    query_close(session);
    return result;
}

/* --- the copy --- */

static int take_statement(void *context, const struct query_row *row, struct error *error)
{
    return row->values[0] == NULL ? 0 : strings_add(context, row->values[0], error);
}

/* What CREATE DATABASE does not take along: whose it is, who may do what, limits, settings. $1: the original, $2: the copy. */
static const char grants_sql[] =
    "SELECT format('ALTER DATABASE %I OWNER TO %I', $2::text, pg_get_userbyid(datdba)) FROM pg_database WHERE datname "
    "= $1 "
    "UNION ALL SELECT format('ALTER DATABASE %I CONNECTION LIMIT %s', $2::text, datconnlimit) FROM pg_database WHERE "
    "datname = $1 "
    "UNION ALL SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $2::text) FROM pg_database "
    "WHERE datname = $1 AND datacl IS NOT NULL "
    "UNION ALL SELECT format('GRANT %s ON DATABASE %I TO %s%s', a.privilege_type, $2::text, "
    "CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, "
    "CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) "
    "FROM pg_database d, aclexplode(d.datacl) a WHERE d.datname = $1 "
    "UNION ALL SELECT format('COMMENT ON DATABASE %I IS %L', $2::text, shobj_description(oid, 'pg_database')) FROM "
    "pg_database "
    "WHERE datname = $1 AND shobj_description(oid, 'pg_database') IS NOT NULL";

/* Settings of a database, and of roles in it, as they are stored: their texts need no parsing so. */
static const char settings_sql[] =
    "INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig) "
    "SELECT (SELECT oid FROM pg_database WHERE datname = $2), s.setrole, s.setconfig FROM pg_db_role_setting s "
    "WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = $1)";

static int take_along(struct query_session *session, const struct live_copy *names, struct error *error)
{
    struct strings statements = {0};
    const char *const parameters[] = {names->database, names->making};
    int result = query_run(session, grants_sql, parameters, 2, NULL, take_statement, &statements, error);
    for (size_t i = 0; result == 0 && i < statements.count; i++) {
        result = query_execute(session, statements.items[i], STATEMENT_SEC, NULL, error);
    }
    if (result == 0) {
        result = query_run(session, settings_sql, parameters, 2, NULL, NULL, NULL, error);
    }
    strings_free(&statements);
    return result;
}

/* In one transaction: what has the copy's name has all of it. */
static int finish_copy(struct query_session *session, const struct live_copy *names, struct error *error)
{
    return query_execute(session, "BEGIN", STATEMENT_SEC, NULL, error) != 0 || take_along(session, names, error) != 0 ||
                   tell(session, "ALTER DATABASE %s RENAME TO %s", names->making, names->copy, STATEMENT_SEC, error) !=
                       0
               ? -1
               : query_execute(session, "COMMIT", STATEMENT_SEC, NULL, error);
}

int live_copy_make(const struct query_target *target, const struct live_copy *names, const struct progress *progress,
                   struct error *error)
{
    struct query_session *session = NULL;
    struct progress_state state = {.doing = "copying the database on its server", .item = names->database};
    struct error unused;
    if (query_open(target, 0, &session, error) != 0) {
        return -1;
    }
    progress_tell(progress, &state);
    /* Blocks of files, where the server gives the choice: not each page through its WAL. */
    bool strategy = query_server_version(session) >= 150000;
    int result =
        tell(session, "DROP DATABASE IF EXISTS %s", names->making, NULL, STATEMENT_SEC, error) != 0
            ? -1
            : tell(session,
                   strategy ? "CREATE DATABASE %s TEMPLATE %s STRATEGY file_copy" : "CREATE DATABASE %s TEMPLATE %s",
                   names->making, names->database, 0, error);
    if (result == 0 && finish_copy(session, names, error) != 0) {
        (void)!query_execute(session, "ROLLBACK", STATEMENT_SEC, NULL, &unused);
        result = -1;
    }
    if (result != 0) { /* what cannot be removed now is removed before the next copy */
        (void)!tell(session, "DROP DATABASE IF EXISTS %s", names->making, NULL, STATEMENT_SEC, &unused);
    }
    query_close(session);
    return result;
}

/* --- over, and back --- */

/* Who has opened it since the copy was made may have written in it. */
static int check_closed(struct query_session *session, const char *database, struct error *error)
{
    struct buffer sql = {0};
    struct buffer value = {0};
    buffer_string(&sql, "SELECT datallowconn FROM pg_database WHERE datname = ");
    query_append_literal(&sql, database);
    int result = buffer_check(&sql, error) != 0 ? -1 : query_value(session, sql.data, NULL, &value, error);
    if (result == 0 && strcmp(buffer_text(&value), "f") != 0) {
        result =
            error_set(error, CSN_DATABASE_SESSIONS,
                      "the database %s was opened since its copy was made: what was written in it is not in the copy; "
                      "drop the copy and copy again",
                      database);
    }
    buffer_free(&sql);
    buffer_free(&value);
    return result;
}

/* In one transaction: of a cut there is before, or after. first gives its name up to second. */
static int exchange(const struct query_target *target, const char *first, const char *first_new, const char *second,
                    bool must_be_closed, struct error *error)
{
    struct query_session *session = NULL;
    struct sessions sessions = {.count = 0};
    if (query_open(target, 0, &session, error) != 0) {
        return -1;
    }
    int result = 0;
    const char *const both[] = {first, second};
    for (size_t i = 0; result == 0 && i < 2; i++) {
        result = find_sessions(session, both[i], &sessions, error);
        if (result == 0 && sessions.count > 0) {
            result = error_set(error, CSN_DATABASE_SESSIONS, "%zu sessions use the database %s: %.500s", sessions.count,
                               both[i], buffer_text(&sessions.list));
        }
    }
    if (result == 0 && must_be_closed) {
        result = check_closed(session, first, error);
    }
    if (result == 0 &&
        (query_execute(session, "BEGIN", STATEMENT_SEC, NULL, error) != 0 ||
         tell(session, "ALTER DATABASE %s RENAME TO %s", first, first_new, STATEMENT_SEC, error) != 0 ||
         tell(session, "ALTER DATABASE %s RENAME TO %s", second, first, STATEMENT_SEC, error) != 0 ||
         tell(session, "ALTER DATABASE %s WITH ALLOW_CONNECTIONS false", first_new, NULL, STATEMENT_SEC, error) != 0 ||
         tell(session, "ALTER DATABASE %s WITH ALLOW_CONNECTIONS true", first, NULL, STATEMENT_SEC, error) != 0 ||
         query_execute(session, "COMMIT", STATEMENT_SEC, NULL, error) != 0)) {
        result = -1;
    }
    buffer_free(&sessions.list);
    query_close(session);
    return result;
}

int live_copy_switch(const struct query_target *target, const struct live_copy *names, struct error *error)
{
    return exchange(target, names->database, names->old, names->copy, true, error);
}

int live_copy_back(const struct query_target *target, const struct live_copy *names, struct error *error)
{
    return exchange(target, names->database, names->copy, names->old, false, error);
}

int live_copy_drop(const struct query_target *target, const struct live_copy *names, bool old, struct error *error)
{
    struct query_session *session = NULL;
    int result = query_open(target, 0, &session, error);
    if (result == 0 && old) {
        result = tell(session, "DROP DATABASE IF EXISTS %s", names->old, NULL, STATEMENT_SEC, error);
    } else if (result == 0) {
        result = tell(session, "DROP DATABASE IF EXISTS %s", names->copy, NULL, STATEMENT_SEC, error) != 0 ||
                         tell(session, "DROP DATABASE IF EXISTS %s", names->making, NULL, STATEMENT_SEC, error) != 0
                     ? -1
                     : tell(session, "ALTER DATABASE %s WITH ALLOW_CONNECTIONS true", names->database, NULL,
                            STATEMENT_SEC, error);
    }
    query_close(session);
    return result;
}
