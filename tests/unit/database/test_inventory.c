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
#include "target/room.h"

static struct error error;
static struct cold cold;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static void take(struct cold *from, struct inventory *inventory, const char *database)
{
    cold_open(from, false);
    struct database_server *server = cold_start(from, DATABASE_PRIVATE);
    struct query_target target = database_server_target(server, "postgres");
    struct inventory_options options = {.database = database};
    ASSERT_DONE(inventory_take(&target, &options, inventory, &error));
    cold_stop(server);
    cold_close(from);
}

struct seen {
    int count;
    char text[4096];
};

static void tell(void *context, const struct inventory_item *before, const struct inventory_item *after)
{
    struct seen *seen = context;
    const struct inventory_item *item = before != NULL ? before : after;
    size_t used = strlen(seen->text);
    seen->count++;
    snprintf(seen->text + used, sizeof seen->text - used, "%s%s %s\n",
             before == NULL  ? "+"
             : after == NULL ? "-"
                             : "!",
             inventory_kind_text(item->kind), item->name);
}

/* What a statement changes: run on an overlay of the cluster, and compared with the first. */
static void assert_change(const struct inventory *first, const char *sql, const char *expected)
{
    const char *const statements[] = {sql, NULL};
    struct inventory inventory;
    struct inventory_options options = {.database = "wiki"};
    struct seen seen = {0};
    char digest[65];
    char other_digest[65];
    cold_open(&cold, false);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    cold_run(server, "wiki", statements);
    struct query_target target = database_server_target(server, "postgres");
    ASSERT_DONE(inventory_take(&target, &options, &inventory, &error));
    int result = inventory_compare(first, &inventory, tell, &seen, &error);
    if (strcmp(seen.text, expected) != 0) {
        fail_msg("%s: expected\n%sgot\n%s", sql == NULL ? "nothing" : sql, expected, seen.text);
    }
    struct error difference = error;
    inventory_digest(first, digest);
    inventory_digest(&inventory, other_digest);
    if (expected[0] == '\0') {
        assert_int_equal(result, 0);
        assert_string_equal(digest, other_digest);
    } else {
        assert_int_equal(result, -1);
        assert_int_equal(error.code, CSN_DATABASE_DIFFERS);
        assert_string_not_equal(digest, other_digest);
    }
    inventory_free(&inventory);
    cold_stop(server);
    cold_close(&cold);
    error = difference;
}

static void test_copy_is_equal(void **state)
{
    (void)state;
    struct cold copy;
    struct inventory first;
    struct inventory second;
    cold_copy(&cold, &copy);
    take(&cold, &first, NULL);
    take(&copy, &second, NULL);
    ASSERT_DONE(inventory_compare(&first, &second, NULL, NULL, &error));
    inventory_free(&first);
    inventory_free(&second);
    cold_remove(&copy);
}

static void test_inventory(void **state)
{
    (void)state;
    struct inventory first;
    struct inventory same;
    take(&cold, &first, NULL);
    const struct inventory_item *item = inventory_find(&first, INVENTORY_TABLE, "wiki", "mediawiki.page");
    assert_non_null(item);
    assert_int_equal(item->rows, 1000);
    item = inventory_find(&first, INVENTORY_TABLE, "wiki", "mediawiki.\"user\"");
    assert_non_null(item);
    assert_int_equal(item->rows, 3);
    item = inventory_find(&first, INVENTORY_TABLE, "wiki", "public.empty");
    assert_non_null(item);
    assert_int_equal(item->rows, 0);
    assert_string_equal(item->checksum, "0,0");
    item = inventory_find(&first, INVENTORY_SEQUENCE, "wiki", "mediawiki.counter");
    assert_non_null(item);
    assert_string_equal(item->checksum, "7,false");
    assert_non_null(inventory_find(&first, INVENTORY_SEQUENCE, "wiki", "mediawiki.page_id_seq"));
    assert_non_null(inventory_find(&first, INVENTORY_ROLE, "", "wikiuser"));
    assert_non_null(inventory_find(&first, INVENTORY_DATABASE, "", "wiki"));
    assert_non_null(inventory_find(&first, INVENTORY_OBJECT, "wiki", "view mediawiki.titles"));
    assert_non_null(inventory_find(&first, INVENTORY_OBJECT, "wiki", "column mediawiki.page.weight"));
    assert_non_null(inventory_find(&first, INVENTORY_OBJECT, "wiki", "constraint page_pkey on mediawiki.page"));
    assert_null(inventory_find(&first, INVENTORY_TABLE, "wiki", "pg_catalog.pg_class"));

    /* One database alone: the others' items are not there. */
    take(&cold, &same, "wiki");
    assert_non_null(inventory_find(&same, INVENTORY_TABLE, "wiki", "mediawiki.page"));
    for (size_t i = 0; i < same.count; i++) {
        assert_true(same.items[i].database[0] == '\0' || strcmp(same.items[i].database, "wiki") == 0);
    }
    inventory_free(&same);

    /* To JSON and back. */
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *array = inventory_to_json(&first, document);
    assert_non_null(array);
    yyjson_mut_doc_set_root(document, array);
    size_t size = 0;
    char *json = yyjson_mut_write(document, 0, &size);
    assert_non_null(json);
    assert_null(strstr(json, "SCRAM")); /* no password, not even hashed by the server */
    yyjson_doc *parsed = yyjson_read(json, size, 0);
    ASSERT_DONE(inventory_from_json(yyjson_doc_get_root(parsed), &same, &error));
    ASSERT_DONE(inventory_compare(&first, &same, NULL, NULL, &error));
    assert_int_equal(first.count, same.count);
    inventory_free(&same);
    yyjson_doc_free(parsed);
    parsed = yyjson_read("[{\"kind\":\"nonsense\"}]", 21, 0);
    assert_int_equal(inventory_from_json(yyjson_doc_get_root(parsed), &same, &error), -1);
    yyjson_doc_free(parsed);
    free(json);
    yyjson_mut_doc_free(document);
    inventory_free(&first);
}

static void test_differences(void **state)
{
    (void)state;
    struct inventory first;
    take(&cold, &first, "wiki");
    assert_change(&first, NULL, "");
    /* The same rows in another order, and vacuumed: no difference. */
    assert_change(&first,
                  "CREATE TEMP TABLE t AS SELECT * FROM mediawiki.page; TRUNCATE mediawiki.page; INSERT INTO "
                  "mediawiki.page SELECT * FROM t ORDER BY id DESC",
                  "");
    assert_change(&first, "UPDATE mediawiki.page SET title = title || '!' WHERE id = 500", "!table mediawiki.page\n");
    assert_non_null(strstr(error.message, "mediawiki.page"));
    assert_non_null(strstr(error.message, "other content in its 1000 rows"));
    assert_change(&first, "DELETE FROM mediawiki.\"user\" WHERE ctid = (SELECT max(ctid) FROM mediawiki.\"user\")",
                  "!table mediawiki.\"user\"\n");
    assert_non_null(strstr(error.message, "has 3 rows and 2"));
    /* Two rows exchange a value: sums of columns would not see it. */
    assert_change(&first,
                  "UPDATE mediawiki.page SET weight = (SELECT weight FROM mediawiki.page p WHERE p.id = 1001 - "
                  "mediawiki.page.id) WHERE id IN (1, 1000)",
                  "!table mediawiki.page\n");
    assert_change(&first, "UPDATE mediawiki.page SET weight = weight + 1e-13 WHERE id = 1", "!table mediawiki.page\n");
    assert_change(&first, "SELECT nextval('mediawiki.counter')", "!sequence mediawiki.counter\n");
    assert_change(&first, "ALTER ROLE wikiuser PASSWORD 'other'", "!role wikiuser\n");
    assert_change(&first, "DROP INDEX mediawiki.page_title", "-object index mediawiki.page_title\n");
    assert_change(&first, "CREATE TABLE public.more (a int)",
                  "+object column public.more.a\n+object table public.more\n+table public.more\n");
    assert_non_null(strstr(error.message, "and there are 2 more differences"));
    assert_change(
        &first, "ALTER TABLE mediawiki.page ALTER title DROP NOT NULL",
        cold.cluster.version < 18
            ? "!object column mediawiki.page.title\n"
            : "!object column mediawiki.page.title\n-object constraint page_title_not_null on mediawiki.page\n");
    assert_change(&first, "ALTER DATABASE wiki SET work_mem = '5MB'", "+setting @wiki\n");
    assert_change(&first, "SELECT lo_from_bytea(4711, 'attachment')", "!table pg_catalog.pg_largeobject\n");
    assert_change(&first, "GRANT SELECT ON mediawiki.page TO PUBLIC", "!object table mediawiki.page\n");
    assert_change(&first, "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                  "+object function public.f()\n");
    inventory_free(&first);
}

/* Dumped, dropped, restored by the server's own tools: nothing tells the two apart. */
static void assert_dump_is_equal(struct cold *from, const struct inventory *first)
{
    static const char script[] =
        "set -e; export PGHOST=/run/caisson-database; pg_dump -Fc -f /tmp/dump wiki; dropdb wiki; "
        "pg_restore -C -d postgres /tmp/dump";
    char path[400];
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct inventory restored;
    struct buffer output = {0};
    struct seen seen = {0};
    int status = -1;
    cold_open(from, false);
    struct database_server *server = cold_start(from, DATABASE_PRIVATE);
    snprintf(path, sizeof path, "PATH=%s:/usr/bin", from->cluster.binaries);
    const char *const environment[] = {path, NULL};
    struct view_command command = {.argv = argv, .user = "postgres", .environment = environment, .folder = "/"};
    ASSERT_DONE(view_run(from->view, &command, &output, &status, &error));
    if (status != 0) {
        fail_msg("dump and restore: %s", buffer_text(&output));
    }
    struct query_target target = database_server_target(server, "postgres");
    ASSERT_DONE(inventory_take(&target, NULL, &restored, &error));
    int result = inventory_compare(first, &restored, tell, &seen, &error);
    if (result != 0) {
        fail_msg("%s\n%s", error.message, seen.text);
    }
    inventory_free(&restored);
    buffer_free(&output);
    cold_stop(server);
    cold_close(from);
}

/* Every catalogue query has to run on things of every sort. */
static void test_all_sorts(void **state)
{
    (void)state;
    struct cold copy;
    struct inventory inventory;
    cold_copy(&cold, &copy);
    cold_change(
        &copy,
        "CREATE TYPE mood AS ENUM ('sad', 'happy'); CREATE DOMAIN positive AS int CHECK (VALUE > 0);"
        "CREATE TYPE pair AS (a int, b text); CREATE TYPE span AS RANGE (subtype = float8);"
        "CREATE TABLE part (id int GENERATED ALWAYS AS IDENTITY, k int, m mood) PARTITION BY LIST (k);"
        "CREATE TABLE part_one PARTITION OF part FOR VALUES IN (1); INSERT INTO part (k, m) VALUES (1, 'sad'), (1, "
        "'happy');"
        "CREATE TABLE base (a int); CREATE TABLE child (b int) INHERITS (base); INSERT INTO child VALUES (1, 2);"
        "INSERT INTO base VALUES (3); CREATE MATERIALIZED VIEW m AS SELECT * FROM base;"
        "CREATE MATERIALIZED VIEW unfilled AS SELECT 1 WITH NO DATA; CREATE UNLOGGED TABLE quick (x xml, i interval, c "
        "money);"
        "INSERT INTO quick VALUES (NULL, '1 month', '3.5'); COMMENT ON TABLE base IS 'old'; COMMENT ON COLUMN base.a "
        "IS 'a';"
        "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER tr BEFORE INSERT ON base FOR EACH ROW EXECUTE PROCEDURE t(); CREATE RULE ru AS ON DELETE TO "
        "base DO "
        "INSTEAD NOTHING; CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int); CREATE POLICY po ON base USING "
        "(a > 0);"
        "CREATE STATISTICS st ON a, b FROM child; CREATE PUBLICATION pu FOR TABLE base; CREATE TABLE \"odd.na\"\"me\" "
        "(r int, t text);"
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w OPTIONS (host 'x');"
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO wikiuser; CREATE ROLE readers; GRANT "
        "readers TO "
        "wikiuser; ALTER ROLE wikiuser SET search_path = mediawiki; INSERT INTO \"odd.na\"\"me\" VALUES (1, 'r')");
    take(&copy, &inventory, NULL);
    static const struct {
        enum inventory_kind kind;
        const char *name;
        uint64_t rows;
    } expected[] = {
        {INVENTORY_TABLE, "public.part_one", 2},
        {INVENTORY_TABLE, "public.base", 1},
        {INVENTORY_TABLE, "public.child", 1},
        {INVENTORY_TABLE, "public.m", 2},
        {INVENTORY_TABLE, "public.quick", 1},
        {INVENTORY_TABLE, "public.\"odd.na\"\"me\"", 1},
        {INVENTORY_OBJECT, "type public.mood", 0},
        {INVENTORY_OBJECT, "type public.positive", 0},
        {INVENTORY_OBJECT, "constraint positive_check on public.positive", 0},
        {INVENTORY_OBJECT, "composite type public.pair", 0},
        {INVENTORY_OBJECT, "trigger tr on public.base", 0},
        {INVENTORY_OBJECT, "rule ru on public.base", 0},
        {INVENTORY_OBJECT, "function public.total(integer)", 0},
        {INVENTORY_OBJECT, "policy po on public.base", 0},
        {INVENTORY_OBJECT, "statistics public.st", 0},
        {INVENTORY_OBJECT, "publication pu", 0},
        {INVENTORY_OBJECT, "foreign server far", 0},
        {INVENTORY_OBJECT, "default rights of postgres in public for r", 0},
        {INVENTORY_OBJECT, "comment on public.base (table)", 0},
        {INVENTORY_OBJECT, "comment on public.base.a (table column)", 0},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const struct inventory_item *item = inventory_find(&inventory, expected[i].kind, "wiki", expected[i].name);
        if (item == NULL || item->rows != expected[i].rows) {
            fail_msg("%s: %s", expected[i].name, item == NULL ? "not there" : "other rows");
        }
    }
    assert_null(inventory_find(&inventory, INVENTORY_TABLE, "wiki", "public.unfilled"));
    assert_null(inventory_find(&inventory, INVENTORY_TABLE, "wiki", "public.part"));
    assert_non_null(inventory_find(&inventory, INVENTORY_ROLE, "", "wikiuser in readers"));
    assert_non_null(inventory_find(&inventory, INVENTORY_SETTING, "", "wikiuser@"));
    for (size_t i = 1; i < inventory.count; i++) { /* every name once */
        const struct inventory_item *a = &inventory.items[i - 1];
        const struct inventory_item *b = &inventory.items[i];
        if (a->kind == b->kind && strcmp(a->database, b->database) == 0 && strcmp(a->name, b->name) == 0) {
            fail_msg("twice: %s", a->name);
        }
    }
    assert_dump_is_equal(&copy, &inventory);
    inventory_free(&inventory);
    cold_remove(&copy);
}

static int set_up(void **state)
{
    (void)state;
    cold_make(&cold);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cold_remove(&cold);
    return room_count_named("caisson-room", NULL);
}

struct holding {
    const struct query_target *wiki;
    struct query_session *session;
};

/* Locks the table when it is about to be counted. */
static void hold_page(void *context, const struct progress_state *progress)
{
    struct holding *holding = context;
    if (holding->session == NULL && progress->item != NULL && strcmp(progress->item, "mediawiki.page") == 0) {
        ASSERT_DONE(query_open(holding->wiki, 0, &holding->session, &error));
        ASSERT_DONE(query_execute(holding->session, "BEGIN; LOCK TABLE mediawiki.page", 0, NULL, &error));
    }
}

/* Rows alone; a table that somebody holds is not waited for, and the next are counted all the same. */
static void test_rows_only(void **state)
{
    (void)state;
    struct inventory rows;
    struct inventory whole;
    struct holding holding = {.session = NULL};
    const struct progress progress = {.tell = hold_page, .context = &holding};
    struct inventory_options options = {
        .database = "wiki", .table_timeout_sec = 1, .rows_only = true, .progress = &progress};
    cold_open(&cold, false);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    struct query_target target = database_server_target(server, "postgres");
    struct query_target wiki = database_server_target(server, "wiki");
    holding.wiki = &wiki;
    ASSERT_DONE(inventory_take(&target, &options, &rows, &error));
    assert_non_null(holding.session);
    query_close(holding.session);
    options = (struct inventory_options){.database = "wiki"};
    ASSERT_DONE(inventory_take(&target, &options, &whole, &error));
    size_t tables = 0;
    for (size_t i = 0; i < whole.count; i++) {
        const struct inventory_item *item = &whole.items[i];
        if (item->kind != INVENTORY_TABLE) {
            continue;
        }
        const struct inventory_item *counted = inventory_find(&rows, INVENTORY_TABLE, "wiki", item->name);
        bool held = strcmp(item->name, "mediawiki.page") == 0;
        assert_non_null(counted);
        assert_string_equal(counted->checksum, held ? INVENTORY_NOT_COUNTED : "");
        assert_int_equal(counted->rows, held ? 0 : item->rows);
        tables++;
    }
    assert_int_equal(rows.count, tables);
    assert_true(tables > 2);
    inventory_free(&rows);
    inventory_free(&whole);
    cold_stop(server);
    cold_close(&cold);
}

int main(int argc, char **argv)
{
    (void)argc;
    room_need_root(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inventory),   cmocka_unit_test(test_rows_only), cmocka_unit_test(test_copy_is_equal),
        cmocka_unit_test(test_differences), cmocka_unit_test(test_all_sorts),
    };
    return cmocka_run_group_tests_name("inventory", tests, set_up, tear_down);
}
