/* A database of a running server is copied, migrated, exchanged by name and brought back: equal to the row, and in no time. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/inventory.h"
#include "database/live.h"
#include "database/live_copy.h"
#include "database/migrate.h"
#include "lib/clock.h"

static struct live live;
static struct live_copy names;
static struct error error;
static char sock[4096];

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static struct query_target admin(const char *database)
{
    return (struct query_target){.host = sock, .port = live.port, .user = "owner", .database = database};
}

static int set_up(void **state)
{
    (void)state;
    live_make(&live);
    snprintf(sock, sizeof sock, "%s", live_file(&live, "sock"));
    live_sql(&live, "postgres", "CREATE ROLE keeper");
    live_sql(&live, "postgres", "ALTER DATABASE wiki OWNER TO keeper");
    live_sql(&live, "postgres", "REVOKE ALL ON DATABASE wiki FROM PUBLIC");
    live_sql(&live, "postgres", "GRANT CONNECT ON DATABASE wiki TO plain WITH GRANT OPTION");
    live_sql(&live, "postgres", "ALTER DATABASE wiki SET search_path = \"$user\", public, \"odd one\"");
    live_sql(&live, "postgres", "ALTER ROLE plain IN DATABASE wiki SET work_mem = '7MB'");
    live_sql(&live, "postgres", "ALTER DATABASE wiki CONNECTION LIMIT 17");
    live_sql(&live, "postgres", "COMMENT ON DATABASE wiki IS 'it''s ours'");
    live_sql(&live, "wiki",
             "CREATE TABLE page AS SELECT n AS id, repeat(md5(n::text), 20) AS body FROM generate_series(1, 50000) n");
    live_sql(&live, "wiki", "CREATE SEQUENCE counter START 12");
    ASSERT_DONE(live_copy_name(&names, "wiki", "r1", &error));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_remove(&live);
    return 0;
}

static void assert_state(enum live_copy_state wanted)
{
    enum live_copy_state is;
    struct query_target target = admin("postgres");
    ASSERT_DONE(live_copy_examine(&target, &names, &is, &error));
    assert_int_equal(is, wanted);
}

static void take(struct inventory *inventory, const char *database)
{
    struct query_target target = admin(database);
    struct inventory_options options = {.database = database};
    ASSERT_DONE(inventory_take(&target, &options, inventory, &error));
}

/* What the server says of a database beside its content; its own name left out. */
static char *described(const char *database)
{
    static const char sql[] = "SELECT pg_get_userbyid(datdba) || '|' || coalesce(datacl::text, '') || '|' || "
                              "datconnlimit || '|' || datcollate || '|' || "
                              "encoding || '|' || coalesce(shobj_description(oid, 'pg_database'), '') || '|' || "
                              "coalesce((SELECT string_agg(setrole || ':' || "
                              "setconfig::text, ';' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = "
                              "d.oid), '') FROM pg_database d WHERE datname = ";
    struct query_target target = admin("postgres");
    struct query_session *session = NULL;
    struct buffer text = {0};
    struct buffer value = {0};
    buffer_string(&text, sql);
    query_append_literal(&text, database);
    ASSERT_DONE(query_open(&target, 0, &session, &error));
    ASSERT_DONE(query_value(session, text.data, NULL, &value, &error));
    query_close(session);
    buffer_free(&text);
    return buffer_take(&value);
}

static void migrate(const char *database, const char *sql, bool good)
{
    struct query_target target = admin(database);
    struct migration_sql migration = {.name = "10-test", .text = sql, .size_bytes = strlen(sql), .timeout_sec = 60};
    int result = migrate_sql(&target, &migration, NULL, &error);
    if ((result == 0) != good) {
        fail_msg("%s", error.message);
    }
}

static void test_over_and_back(void **state)
{
    (void)state;
    struct query_target target = admin("postgres");
    struct inventory before;
    struct inventory after;
    take(&before, "wiki");
    char *said = described("wiki");
    assert_state(LIVE_COPY_NONE);
    ASSERT_DONE(live_copy_close(&target, "wiki", 5, false, NULL, &error));
    ASSERT_DONE(live_copy_close(&target, "wiki", 5, false, NULL, &error)); /* twice is fine */
    assert_state(LIVE_COPY_BEGUN);
    ASSERT_DONE(live_copy_make(&target, &names, NULL, &error));
    assert_state(LIVE_COPY_STAGED);
    char *copied = described(names.copy);
    assert_string_equal(said, copied);
    free(copied);
    migrate(names.copy, "ALTER TABLE page ADD COLUMN lang text DEFAULT 'en'; DELETE FROM page WHERE id % 2 = 0;", true);
    int64_t begun_ms = clock_monotonic_ms();
    ASSERT_DONE(live_copy_switch(&target, &names, &error));
    int64_t over_ms = clock_monotonic_ms() - begun_ms;
    assert_state(LIVE_COPY_SWITCHED);
    live_sql(&live, "wiki", "INSERT INTO page (id, body, lang) VALUES (-1, 'written with the new one', 'zh')");
    char *now = described("wiki");
    assert_string_equal(said, now);
    free(now);
    struct query_target old = admin(names.old); /* nobody gets into the old one */
    struct query_session *session = NULL;
    assert_int_equal(query_open(&old, 5, &session, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_LOGIN);
    begun_ms = clock_monotonic_ms();
    ASSERT_DONE(live_copy_back(&target, &names, &error));
    int64_t back_ms = clock_monotonic_ms() - begun_ms;
    assert_state(LIVE_COPY_STAGED);
    now = described("wiki");
    assert_string_equal(said, now);
    free(now);
    assert_int_equal(live_copy_switch(&target, &names, &error), -1); /* people may have written since it is open */
    assert_int_equal(error.code, CSN_DATABASE_SESSIONS);
    assert_state(LIVE_COPY_STAGED);
    print_message("over in %d ms, back in %d ms\n", (int)over_ms, (int)back_ms);
    ASSERT_DONE(live_copy_drop(&target, &names, false, &error));
    ASSERT_DONE(live_copy_drop(&target, &names, false, &error));
    assert_state(LIVE_COPY_NONE);
    take(&after, "wiki");
    ASSERT_DONE(inventory_compare(&before, &after, NULL, NULL, &error));
    inventory_free(&before);
    inventory_free(&after);
    free(said);
}

static void test_sessions_are_named_and_not_ended(void **state)
{
    (void)state;
    struct query_target target = admin("postgres");
    struct query_target user = admin("wiki");
    struct query_session *session = NULL;
    struct buffer value = {0};
    ASSERT_DONE(query_open(&user, 0, &session, &error));
    assert_int_equal(live_copy_close(&target, "wiki", 1, false, NULL, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_SESSIONS);
    assert_non_null(strstr(error.message, "1 sessions use the database wiki: process "));
    assert_non_null(strstr(error.message, "owner, caisson from "));
    ASSERT_DONE(query_value(session, "SELECT 1", NULL, &value, &error));  /* it lives */
    live_sql(&live, "wiki", "SELECT 1");                                  /* and others get in again */
    ASSERT_DONE(live_copy_close(&target, "wiki", 1, true, NULL, &error)); /* with the caller's word */
    assert_int_equal(query_value(session, "SELECT 1", NULL, &value, &error), -1);
    query_close(session);
    buffer_free(&value);
    ASSERT_DONE(live_copy_open(&target, "wiki", &error));
    live_sql(&live, "wiki", "SELECT 1");
}

static void test_nobody_may_be_in_either(void **state)
{
    (void)state;
    struct query_target target = admin("postgres");
    struct query_session *session = NULL;
    ASSERT_DONE(live_copy_close(&target, "wiki", 5, false, NULL, &error));
    ASSERT_DONE(live_copy_make(&target, &names, NULL, &error));
    struct query_target inside = admin(names.copy);
    ASSERT_DONE(query_open(&inside, 0, &session, &error));
    assert_int_equal(live_copy_switch(&target, &names, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_SESSIONS);
    assert_state(LIVE_COPY_STAGED);
    query_close(session);
    live_sql(&live, "postgres", "SELECT pg_sleep(0.3)");
    ASSERT_DONE(live_copy_drop(&target, &names, false, &error));
}

/* A failed migration leaves the copy to be dropped, and the original as it was. */
static void test_a_failed_migration(void **state)
{
    (void)state;
    struct query_target target = admin("postgres");
    struct inventory before;
    struct inventory after;
    take(&before, "wiki");
    ASSERT_DONE(live_copy_close(&target, "wiki", 5, false, NULL, &error));
    ASSERT_DONE(live_copy_make(&target, &names, NULL, &error));
    migrate(names.copy, "DELETE FROM page; SELECT 1 / 0;", false);
    assert_int_equal(error.code, CSN_DATABASE_MIGRATION);
    ASSERT_DONE(live_copy_drop(&target, &names, false, &error));
    take(&after, "wiki");
    ASSERT_DONE(inventory_compare(&before, &after, NULL, NULL, &error));
    inventory_free(&before);
    inventory_free(&after);
}

/* We, or the server, die at any moment of copy and exchange: the names tell how far it came, and it goes on or back from there. */
static void test_killed_at_any_moment(void **state)
{
    (void)state;
    struct query_target target = admin("postgres");
    struct inventory before;
    take(&before, "wiki");
    for (unsigned delay_ms = 1; delay_ms <= 256; delay_ms *= 2) {
        bool server_dies = delay_ms % 3 == 1; /* every other one */
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            int done = live_copy_close(&target, "wiki", 5, false, NULL, &error) == 0 &&
                       live_copy_make(&target, &names, NULL, &error) == 0 &&
                       live_copy_switch(&target, &names, &error) == 0;
            _exit(done ? 0 : 1);
        }
        usleep(delay_ms * 1000);
        if (server_dies) {
            live_stop(&live); /* immediately, as a power cut */
        }
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        if (server_dies) {
            live_start(&live);
        }
        /* what a killed client has asked for the server may still be doing */
        live_sql(&live, "postgres",
                 "DO $$ BEGIN FOR i IN 1..200 LOOP EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE "
                 "pid <> pg_backend_pid() AND application_name = 'caisson'); PERFORM pg_sleep(0.1); END LOOP; END $$");
        enum live_copy_state is;
        ASSERT_DONE(live_copy_examine(&target, &names, &is, &error));
        assert_int_not_equal(is, LIVE_COPY_OTHER);
        if (is == LIVE_COPY_SWITCHED) {
            ASSERT_DONE(live_copy_back(&target, &names, &error));
        }
        ASSERT_DONE(live_copy_drop(&target, &names, false, &error));
        assert_state(LIVE_COPY_NONE);
    }
    struct inventory after;
    take(&after, "wiki");
    ASSERT_DONE(inventory_compare(&before, &after, NULL, NULL, &error));
    inventory_free(&before);
    inventory_free(&after);
}

/* A copy that was cut off before it had its rights is none. */
static void test_an_unfinished_copy(void **state)
{
    (void)state;
    struct query_target target = admin("postgres");
    ASSERT_DONE(live_copy_close(&target, "wiki", 5, false, NULL, &error));
    live_sql(&live, "postgres", "CREATE DATABASE \"wiki-making-r1\" TEMPLATE wiki");
    assert_state(LIVE_COPY_BEGUN);
    assert_int_equal(live_copy_switch(&target, &names, &error), -1);
    ASSERT_DONE(live_copy_make(&target, &names, NULL, &error)); /* it is made anew */
    assert_state(LIVE_COPY_STAGED);
    char *said = described("wiki");
    char *copied = described(names.copy);
    assert_string_equal(said, copied);
    free(said);
    free(copied);
    ASSERT_DONE(live_copy_drop(&target, &names, false, &error));
    assert_state(LIVE_COPY_NONE);
}

static void test_names(void **state)
{
    (void)state;
    struct live_copy made;
    ASSERT_DONE(live_copy_name(&made, "wiki", "20261129-1", &error));
    assert_string_equal(made.copy, "wiki-new-20261129-1");
    assert_int_equal(
        live_copy_name(&made, "a-database-with-a-name-that-is-nearly-as-long-as-it-may-be", "20261129-1", &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_QUERY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_over_and_back),
        cmocka_unit_test(test_sessions_are_named_and_not_ended),
        cmocka_unit_test(test_nobody_may_be_in_either),
        cmocka_unit_test(test_a_failed_migration),
        cmocka_unit_test(test_an_unfinished_copy),
        cmocka_unit_test(test_killed_at_any_moment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
