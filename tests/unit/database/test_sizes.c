/* Sizes, dead rows and bloat of real tables, by statistics and by pgstattuple; connections of a server that runs; what cannot be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "database/cold.h"
#include "database/inventory.h"
#include "database/live.h"
#include "database/sizes.h"
#include "lib/clock.h"

static struct error error;
static struct cold cold;
static struct live live;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    cold_make(&cold);
    live_make(&live);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_remove(&live);
    cold_remove(&cold);
    return 0;
}

static const struct sizes_table *table_of(const struct sizes *sizes, const char *name)
{
    for (size_t i = 0; i < sizes->count; i++) {
        if (strcmp(sizes->tables[i].name, name) == 0) {
            return &sizes->tables[i];
        }
    }
    fail_msg("there is no table %s", name);
    return NULL;
}

/* Sizes and digest of the inventory of a cluster that was shut down before. */
static void take(struct sizes *sizes, char digest[65])
{
    const struct sizes_options options = {.live = false};
    struct inventory inventory;
    const struct inventory_options of = {.database = "wiki"};
    cold_open(&cold, false);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    struct query_target target = database_server_target(server, "wiki");
    ASSERT_DONE(sizes_take(&target, &options, sizes, &error));
    ASSERT_DONE(inventory_take(&target, &of, &inventory, &error));
    inventory_digest(&inventory, digest);
    inventory_free(&inventory);
    cold_stop(server);
    cold_close(&cold);
    if (sizes->unknown.code != CSN_NONE) {
        fail_msg("%s", sizes->unknown.message);
    }
}

static void change(const char *const *statements)
{
    cold_open(&cold, true);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    cold_run(server, "wiki", statements);
    cold_stop(server);
    cold_close(&cold);
}

static const char *const half[] = {
    "CREATE TABLE half (n integer PRIMARY KEY, t text, more text)",
    "ALTER TABLE half SET (autovacuum_enabled = off)",
    "INSERT INTO half SELECT n, repeat('x', 100), NULL FROM generate_series(1, 20000) n",
    "CREATE TABLE full_one AS SELECT * FROM half",
    "CREATE TABLE long_values AS SELECT 1 AS n, string_agg(md5(n::text), '') AS t FROM generate_series(1, 5000) n",
    "CREATE TABLE never_looked_at AS SELECT n FROM generate_series(1, 1000) n",
    "CREATE TABLE no_rows (n integer)",
    "DELETE FROM half WHERE n % 2 = 0",
    NULL,
};
/* In a session of its own: what the first has counted is known to the server when it ends. */
static const char *const analyze[] = {"ANALYZE half", "ANALYZE full_one", NULL};

static void assert_half_is_bloat(const struct sizes *sizes)
{
    const struct sizes_table *table = table_of(sizes, "public.half");
    assert_int_equal(table->dead_rows, 10000);
    assert_in_range(table->bloat_bytes, table->table_bytes * 2 / 5, table->table_bytes * 3 / 5);
}

static void test_by_statistics(void **state)
{
    (void)state;
    struct sizes sizes;
    char digest[65];
    change(half);
    change(analyze);
    take(&sizes, digest);
    assert_string_equal(sizes.database, "wiki");
    assert_true(sizes.count == sizes.table_count && sizes.count > 5);
    assert_int_equal(sizes.measured, 0);
    assert_false(sizes.live);
    assert_int_equal(sizes.connection_count, 0);
    assert_half_is_bloat(&sizes);
    const struct sizes_table *whole = table_of(&sizes, "public.full_one");
    assert_int_equal(whole->dead_rows, 0);
    assert_in_range(whole->bloat_bytes, 0, whole->table_bytes / 20);
    assert_int_equal(whole->index_bytes, 0);
    assert_true(table_of(&sizes, "public.half")->index_bytes > 400000);
    const struct sizes_table *long_values = table_of(&sizes, "public.long_values");
    assert_true(long_values->toast_bytes > 100000 && long_values->table_bytes < 100000);
    assert_int_equal(long_values->bloat_bytes, -1); /* without statistics nothing is said */
    assert_int_equal(table_of(&sizes, "public.never_looked_at")->bloat_bytes, -1);
    assert_int_equal(table_of(&sizes, "public.no_rows")->bloat_bytes, 0);
    assert_true(sizes.tables[0].table_bytes >= sizes.tables[sizes.count - 1].table_bytes);
    assert_true(sizes.database_bytes > sizes.table_bytes + sizes.index_bytes + sizes.toast_bytes);
    uint64_t sum = 0;
    for (size_t i = 0; i < sizes.count; i++) {
        sum += sizes.tables[i].table_bytes;
    }
    assert_int_equal(sum, sizes.table_bytes);
    sizes_free(&sizes);
}

/* And the room that VACUUM FULL gives back changes no inventory. */
static void test_by_pgstattuple(void **state)
{
    (void)state;
    struct sizes sizes;
    char digest[65];
    char other_digest[65];
    static const char *const extend[] = {"CREATE SCHEMA \"Odd one\"", "CREATE EXTENSION pgstattuple SCHEMA \"Odd one\"",
                                         NULL};
    static const char *const vacuum[] = {"VACUUM FULL half", NULL};
    change(extend);
    take(&sizes, digest);
    assert_int_equal(sizes.measured, sizes.count);
    assert_half_is_bloat(&sizes);
    assert_true(table_of(&sizes, "public.half")->measured);
    assert_in_range(table_of(&sizes, "public.never_looked_at")->bloat_bytes, 0, 8192);
    uint64_t before = table_of(&sizes, "public.half")->table_bytes;
    sizes_free(&sizes);
    change(vacuum);
    take(&sizes, other_digest);
    assert_true(table_of(&sizes, "public.half")->table_bytes < before * 3 / 5);
    assert_string_equal(digest, other_digest);
    sizes_free(&sizes);
}

static void test_as_json(void **state)
{
    (void)state;
    struct sizes_table tables[] = {
        {.name = (char *)"public.a", .table_bytes = 8192, .dead_rows = 3, .bloat_bytes = 100, .measured = true},
        {.name = (char *)"public.b", .index_bytes = 1, .toast_bytes = 2, .dead_rows = -1, .bloat_bytes = -1}};
    struct sizes sizes = {.database = (char *)"wiki",
                          .database_bytes = 9,
                          .table_count = 3,
                          .table_bytes = 8193,
                          .tables = tables,
                          .count = 2,
                          .measured = 1};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(document, yyjson_mut_obj(document));
    sizes_to_json(&sizes, document, yyjson_mut_doc_get_root(document));
    char *text = yyjson_mut_write(document, 0, NULL);
    assert_string_equal(
        text, "{\"database\":\"wiki\",\"server\":\"cold\",\"items\":[{\"name\":\"public.a\",\"table_bytes\":8192,"
              "\"index_bytes\":0,\"toast_bytes\":0,\"dead_rows\":3,\"bloat_bytes\":100,\"bloat_by\":\"pgstattuple\"},"
              "{\"name\":\"public.b\",\"table_bytes\":0,\"index_bytes\":1,\"toast_bytes\":2}],\"database_bytes\":9,"
              "\"tables\":3,\"table_bytes\":8193,\"index_bytes\":0,\"toast_bytes\":0,\"dead_rows\":3,"
              "\"bloat_bytes\":100,\"bloat_unknown\":2,\"bloat_measured\":1}");
    free(text);
    yyjson_mut_doc_free(document);
}

/* --- a server that runs --- */

static struct query_session *connect_as(struct query_target *target, const char *application)
{
    struct query_session *session = NULL;
    char sql[100];
    ASSERT_DONE(query_open(target, 0, &session, &error));
    snprintf(sql, sizeof sql, "SET application_name = '%s'", application);
    ASSERT_DONE(query_execute(session, sql, 10, NULL, &error));
    return session;
}

static void test_connections(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    const struct sizes_options options = {.live = true};
    struct query_session *first = connect_as(&target, "worker");
    struct query_session *second = connect_as(&target, "worker");
    struct query_session *third = connect_as(&target, "idler");
    struct sizes sizes;
    ASSERT_DONE(query_execute(third, "BEGIN", 10, NULL, &error));
    ASSERT_DONE(sizes_take(&target, &options, &sizes, &error));
    assert_int_equal(sizes.unknown.code, CSN_NONE);
    assert_true(sizes.live);
    assert_int_equal(sizes.connection_count, 2); /* our own is none */
    assert_string_equal(sizes.connections[0].application, "worker");
    assert_int_equal(sizes.connections[0].count, 2);
    assert_string_equal(sizes.connections[0].state, "idle");
    assert_string_equal(sizes.connections[0].client, "127.0.0.1");
    assert_string_equal(sizes.connections[1].state, "idle in transaction");
    sizes_free(&sizes);
    query_close(first);
    query_close(second);
    query_close(third);
}

static void test_a_role_that_may_see_little(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    struct query_session *other = connect_as(&target, "worker");
    const struct sizes_options options = {.live = true};
    struct sizes sizes;
    live_sql(&live, "wiki", "CREATE EXTENSION pgstattuple; CREATE TABLE seen AS SELECT 1 AS n; ANALYZE seen");
    target.user = "plain";
    ASSERT_DONE(sizes_take(&target, &options, &sizes, &error));
    assert_int_equal(sizes.unknown.code, CSN_NONE);
    assert_int_equal(sizes.measured, 0); /* by a function that it may not call; nor read that table's statistics */
    assert_int_equal(table_of(&sizes, "public.seen")->bloat_bytes, -1);
    assert_int_equal(sizes.connection_count, 1);
    assert_int_equal(sizes.connections[0].count, 1);
    assert_string_equal(sizes.connections[0].state, "");
    assert_string_equal(sizes.connections[0].client, "");
    sizes_free(&sizes);
    query_close(other);
}

/* Somebody holds a table: it is not waited for longer than was said, and nothing fails. */
static void test_what_takes_too_long(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    const struct sizes_options options = {.timeout_sec = 1};
    struct query_session *holder = connect_as(&target, "holder");
    struct sizes sizes;
    live_sql(&live, "wiki", "CREATE TABLE held (n integer)");
    ASSERT_DONE(query_execute(holder, "BEGIN", 10, NULL, &error));
    ASSERT_DONE(query_execute(holder, "LOCK TABLE held IN ACCESS EXCLUSIVE MODE", 10, NULL, &error));
    int64_t begun_ms = clock_monotonic_ms();
    ASSERT_DONE(sizes_take(&target, &options, &sizes, &error));
    assert_in_range(clock_monotonic_ms() - begun_ms, 900, 30000);
    assert_int_equal(sizes.unknown.code, CSN_TIMEOUT);
    sizes_free(&sizes);
    query_close(holder);
}

static void test_nobody_answers(void **state)
{
    (void)state;
    const struct query_target target = {.host = "/nowhere", .port = 1, .user = "nobody", .database = "none"};
    const struct sizes_options options = {.live = false};
    struct sizes sizes;
    ASSERT_DONE(sizes_take(&target, &options, &sizes, &error));
    assert_int_equal(sizes.unknown.code, CSN_DATABASE_UNREACHABLE);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    sizes_to_json(&sizes, document, object);
    assert_non_null(yyjson_mut_obj_get(object, "unknown"));
    assert_null(yyjson_mut_obj_get(object, "database_bytes"));
    yyjson_mut_doc_free(document);
    sizes_free(&sizes);
    sizes_free(&sizes); /* once more is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_statistics),
        cmocka_unit_test(test_by_pgstattuple),
        cmocka_unit_test(test_as_json),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_a_role_that_may_see_little),
        cmocka_unit_test(test_what_takes_too_long),
        cmocka_unit_test(test_nobody_answers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
