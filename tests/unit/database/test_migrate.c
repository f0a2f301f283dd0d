#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/cold.h"
#include "database/inventory.h"
#include "database/migrate.h"
#include "lib/clock.h"
#include "target/room.h"

static struct error error;
static struct cold cold;
static struct database_server *server;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static int migrate(const char *text, bool no_transaction, struct buffer *output)
{
    struct query_target target = database_server_target(server, "wiki");
    struct migration_sql migration = {.name = "002-titles.sql",
                                      .text = text,
                                      .size_bytes = strlen(text),
                                      .no_transaction = no_transaction,
                                      .timeout_sec = 60};
    return migrate_sql(&target, &migration, output, &error);
}

static void assert_value(const char *sql, const char *expected)
{
    char *value = cold_value(server, "wiki", sql);
    assert_string_equal(value, expected);
    free(value);
}

/* A migration that must fail: with these words, and with the database as it was. */
static void assert_fails(const char *text, bool no_transaction, const char *words)
{
    struct query_target target = database_server_target(server, "wiki");
    struct inventory_options options = {.database = "wiki"};
    struct inventory before;
    struct inventory after;
    ASSERT_DONE(inventory_take(&target, &options, &before, &error));
    assert_int_equal(migrate(text, no_transaction, NULL), -1);
    if (error.code != CSN_DATABASE_MIGRATION || strstr(error.message, words) == NULL) {
        fail_msg("%s: code %d, %s", text, (int)error.code, error.message);
    }
    struct error failure = error;
    ASSERT_DONE(inventory_take(&target, &options, &after, &error));
    ASSERT_DONE(inventory_compare(&before, &after, NULL, NULL, &error));
    inventory_free(&before);
    inventory_free(&after);
    error = failure;
}

static void test_runs(void **state)
{
    (void)state;
    struct buffer output = {0};
    ASSERT_DONE(migrate("-- adds a column\nALTER TABLE mediawiki.page ADD length int;\n"
                        "UPDATE mediawiki.page SET length = length(body);\n"
                        "DO $$ BEGIN RAISE NOTICE 'halfway; there'; END $$;",
                        false, &output));
    assert_value("SELECT sum(length) FROM mediawiki.page", "3200000");
    assert_non_null(strstr(buffer_text(&output), "halfway; there"));
    buffer_free(&output);
    if (cold.cluster.version >= 14) { /* a body that is no text came with it */
        ASSERT_DONE(
            migrate("CREATE FUNCTION mediawiki.one() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT 2", false, NULL));
        assert_value("SELECT mediawiki.one()", "1");
    }
    ASSERT_DONE(migrate("", false, NULL));
    ASSERT_DONE(
        migrate("CREATE INDEX CONCURRENTLY other ON mediawiki.page (weight); VACUUM mediawiki.page;", true, NULL));
    assert_value("SELECT count(*) FROM pg_indexes WHERE indexname = 'other'", "1");
    assert_true(migrate_wants_no_transaction("-- caisson: no-transaction\nVACUUM", 33));
    assert_true(migrate_wants_no_transaction("-- caisson: no-transaction", 26));
    assert_false(migrate_wants_no_transaction("-- caisson: no-transactions\n", 28));
    assert_false(migrate_wants_no_transaction("VACUUM", 6));
}

static void test_role(void **state)
{
    (void)state;
    struct query_target target = database_server_target(server, "wiki");
    static const char text[] = "CREATE TABLE mediawiki.owned (a int)";
    struct migration_sql migration = {.name = "x", .text = text, .size_bytes = sizeof text - 1, .role = "wikiuser"};
    ASSERT_DONE(migrate_sql(&target, &migration, NULL, &error));
    assert_value("SELECT tableowner FROM pg_tables WHERE tablename = 'owned'", "wikiuser");
    migration.role = "nobody here";
    assert_int_equal(migrate_sql(&target, &migration, NULL, &error), -1);
    assert_non_null(strstr(error.message, "nobody here"));
}

static void test_fails_half_way(void **state)
{
    (void)state;
    assert_fails("DELETE FROM mediawiki.page;\nDROP TABLE mediawiki.\"user\";\n\n-- é\nSELECT 'é',\n  no_such_column\n "
                 " FROM mediawiki.page;",
                 false, "no_such_column");
    assert_non_null(strstr(error.message, "002-titles.sql, line 6, statement 3"));
    assert_non_null(strstr(error.message, "42703"));
    assert_fails("DELETE FROM mediawiki.page;\nINSERT INTO mediawiki.page (id, title) VALUES (1, 'a'), (1, 'b');",
                 false, "Key (id)=(1) already exists");
    assert_non_null(strstr(error.message, "line 2, statement 2"));
}

/* What would break the one transaction, or cannot be read, is found before or at it. */
static void test_refuses(void **state)
{
    (void)state;
    assert_fails("DELETE FROM mediawiki.page; SELECT 'never closed", false, "a quote that is never closed");
    assert_fails("DELETE FROM mediawiki.page;\n\\i more.sql", false, "line 2: a command of psql");
    assert_fails("DELETE FROM mediawiki.page; COPY mediawiki.page FROM STDIN", false, "copy data");
    assert_fails("DELETE FROM mediawiki.page; VACUUM", false, "cannot run inside a transaction block");
    assert_fails("BEGIN; DELETE FROM mediawiki.page; COMMIT", true, "begins a transaction");
    struct query_target target = database_server_target(server, "no such database");
    struct migration_sql migration = {.name = "x", .text = "SELECT 1", .size_bytes = 8};
    assert_int_equal(migrate_sql(&target, &migration, NULL, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_LOGIN); /* it does not let us in: there is no such database */
}

static void test_commit_in_file(void **state)
{
    (void)state;
    /* A COMMIT inside is found right after it, but what came before it stays: the file was told to be one transaction. */
    assert_int_equal(migrate("CREATE TABLE public.half (); COMMIT; CREATE TABLE public.rest ()", false, NULL), -1);
    assert_int_equal(error.code, CSN_DATABASE_MIGRATION);
    assert_non_null(strstr(error.message, "ends the transaction"));
    assert_value("SELECT count(*) FROM pg_tables WHERE tablename = 'rest'", "0");
}

static void test_deferred_constraint(void **state)
{
    (void)state;
    assert_fails(
        "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO b VALUES (7)",
        false, "at its end");
}

static void test_timeout(void **state)
{
    (void)state;
    struct query_target target = database_server_target(server, "wiki");
    static const char text[] = "CREATE TABLE public.late (); SELECT pg_sleep(100)";
    struct migration_sql migration = {
        .name = "slow.sql", .text = text, .size_bytes = sizeof text - 1, .timeout_sec = 1};
    int64_t begin_ms = clock_monotonic_ms();
    assert_int_equal(migrate_sql(&target, &migration, NULL, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_MIGRATION);
    assert_non_null(strstr(error.message, "did not end within"));
    assert_true(clock_monotonic_ms() - begin_ms < 20000);
    assert_value("SELECT count(*) FROM pg_tables WHERE tablename = 'late'", "0");
}

static void test_query(void **state)
{
    (void)state;
    struct query_target target = database_server_target(server, "wiki");
    struct query_session *session = NULL;
    struct buffer value = {0};
    ASSERT_DONE(query_open(&target, 0, &session, &error));
    assert_true(query_server_version(session) >= 100000);
    struct query_limits limits = {.rows = 10};
    assert_int_equal(query_run(session, "SELECT * FROM mediawiki.page", NULL, 0, &limits, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_QUERY);
    assert_non_null(strstr(error.message, "more than 10 rows"));
    limits = (struct query_limits){.row_bytes = 1000};
    assert_int_equal(query_run(session, "SELECT repeat('x', 1001)", NULL, 0, &limits, NULL, NULL, &error), -1);
    assert_non_null(strstr(error.message, "1001 bytes"));
    limits = (struct query_limits){.timeout_sec = 1};
    assert_int_equal(query_run(session, "SELECT pg_sleep(60)", NULL, 0, &limits, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TIMEOUT);
    /* The session is still good. */
    ASSERT_DONE(query_value(session, "SELECT 'a'||1", NULL, &value, &error));
    assert_string_equal(buffer_text(&value), "a1");
    assert_int_equal(query_value(session, "SELECT 1 WHERE false", NULL, &value, &error), -1);
    assert_non_null(strstr(error.message, "no row"));
    assert_int_equal(query_value(session, "SELECT NULL", NULL, &value, &error), -1);
    assert_non_null(strstr(error.message, "NULL"));
    assert_int_equal(query_value(session, "SELECT generate_series(1, 2)", NULL, &value, &error), -1);
    assert_non_null(strstr(error.message, "more than 1 rows"));
    assert_int_equal(query_value(session, "SELEKT 1", NULL, &value, &error), -1);
    assert_non_null(strstr(error.message, "syntax error at or near \"SELEKT\""));
    assert_int_equal(query_run(session, "COPY mediawiki.page TO STDOUT", NULL, 0, NULL, NULL, NULL, &error), -1);
    /* One that never ends is stopped. */
    int64_t begun_ms = clock_monotonic_ms();
    assert_int_equal(
        query_run(session, "COPY (SELECT generate_series(1, 1e15)) TO STDOUT", NULL, 0, NULL, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_QUERY);
    assert_non_null(strstr(error.message, "copy data"));
    assert_true(clock_monotonic_ms() - begun_ms < 30000);
    assert_non_null(strstr(error.message, "copy data"));
    const char *const parameters[] = {"it's", NULL};
    ASSERT_DONE(query_run(session, "SELECT $1::text, $2::text", parameters, 2, NULL, NULL, NULL, &error));
    /* Our quoting survives the server's. */
    static const char *const odd[] = {"plain", "it's", "back\\slash'", "do\"uble", "语言"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct buffer sql = {0};
        buffer_clear(&value);
        buffer_string(&sql, "SELECT ");
        query_append_literal(&sql, odd[i]);
        buffer_string(&sql, " AS ");
        query_append_identifier(&sql, odd[i]);
        ASSERT_DONE(query_value(session, buffer_text(&sql), NULL, &value, &error));
        assert_string_equal(buffer_text(&value), odd[i]);
        buffer_free(&sql);
    }
    buffer_free(&value);
    query_close(session);
    query_close(NULL);
}

static void test_programs(void **state)
{
    (void)state;
    struct buffer output = {0};
    const char *const good[] = {"sh", "-c", "echo done as $(id -un)", NULL};
    struct view_command command = {.argv = good, .user = "nobody", .timeout_sec = 30};
    ASSERT_DONE(migrate_program(cold.view, "update", &command, &output, &error));
    assert_string_equal(buffer_text(&output), "done as nobody\n");
    buffer_clear(&output);
    const char *const bad[] = {"sh", "-c", "seq 1 1000; echo the table is missing; exit 3", NULL};
    command.argv = bad;
    assert_int_equal(migrate_program(cold.view, "update", &command, &output, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_MIGRATION);
    assert_non_null(strstr(error.message, "update: it ended with 3"));
    assert_non_null(strstr(error.message, "the table is missing"));
    assert_non_null(strstr(buffer_text(&output), "1\n2\n3\n"));
    buffer_clear(&output);
    char script[100];
    snprintf(script, sizeof script, "echo begun; setsid sleep %s & sleep %s", room_marker(), room_marker());
    const char *const slow[] = {"sh", "-c", script, NULL};
    command = (struct view_command){.argv = slow, .timeout_sec = 1};
    assert_int_equal(migrate_program(cold.view, "update", &command, &output, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_MIGRATION);
    assert_non_null(strstr(error.message, "did not end within 1 seconds"));
    assert_non_null(strstr(error.message, "begun"));
    assert_int_equal(room_count_processes(room_marker()), 0);
    buffer_free(&output);
    assert_value("SELECT 1", "1"); /* the database beside it runs on */
}

static int set_up(void **state)
{
    (void)state;
    cold_make(&cold);
    cold_open(&cold, false);
    server = cold_start(&cold, DATABASE_PRIVATE);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cold_stop(server);
    cold_close(&cold);
    cold_remove(&cold);
    return room_count_named("caisson-room", NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    room_need_root(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fails_half_way),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_deferred_constraint),
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_role),
        cmocka_unit_test(test_commit_in_file),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_programs),
    };
    return cmocka_run_group_tests_name("migrate", tests, set_up, tear_down);
}
