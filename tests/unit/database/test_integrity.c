/* Damage inside of a real cluster's files is named; a sound one has none, and nothing stays behind. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/cold.h"
#include "database/integrity.h"
#include "lib/buffer.h"

/* The first PostgreSQL whose amcheck looks at tables. */
enum { TABLES_FROM = 14 };

static struct error error;
static struct cold cold;

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
    return 0;
}

static int note(void *context, const char *database, const char *object, const char *what, struct error *why)
{
    (void)why;
    buffer_format(context, "%s %s: %s\n", database, object, what);
    return 0;
}

/* All that is found, a line each. */
static char *found(struct integrity_counts *counts)
{
    struct buffer lines = {0};
    cold_open(&cold, false);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    struct query_target target = database_server_target(server, "postgres");
    if (integrity_check(&target, 60, note, &lines, NULL, counts, &error) != 0) {
        fail_msg("%s", error.message);
    }
    char *left = cold_value(server, "wiki", "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'caisson%'");
    assert_string_equal(left, "0");
    free(left);
    cold_stop(server);
    cold_close(&cold);
    return buffer_take(&lines);
}

static void test_a_sound_cluster(void **state)
{
    (void)state;
    struct integrity_counts counts;
    char *lines = found(&counts);
    assert_string_equal(lines, "");
    assert_true(counts.databases >= 2 && counts.without == 0);
    assert_true(counts.indexes > 200);
    if (cold.cluster.version >= TABLES_FROM) {
        assert_true(counts.tables > 100 && counts.without_tables == 0);
    } else {
        assert_true(counts.tables == 0 && counts.without_tables == counts.databases);
    }
    assert_int_equal(counts.damaged, 0);
    free(lines);
}

/* An index whose order is not that of its operator class any more, as after the system's collation has changed. */
static void test_an_index_out_of_order(void **state)
{
    (void)state;
    struct integrity_counts counts;
    static const char *const statements[] = {
        "CREATE TABLE numbers AS SELECT n FROM generate_series(1, 1000) n",
        "CREATE FUNCTION forward(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2'",
        "CREATE FUNCTION backward(int, int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $2 - $1'",
        "CREATE OPERATOR CLASS odd FOR TYPE int USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 "
        ">=, "
        "OPERATOR 5 >, FUNCTION 1 forward(int, int)",
        "CREATE INDEX numbers_odd ON numbers (n odd)",
        "UPDATE pg_amproc SET amproc = 'backward'::regproc WHERE amproc = 'forward'::regproc",
        NULL,
    };
    cold_open(&cold, true);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    cold_run(server, "wiki", statements);
    cold_stop(server);
    cold_close(&cold);
    char *lines = found(&counts);
    assert_int_equal(counts.damaged, 1);
    assert_non_null(strstr(lines, "wiki index public.numbers_odd: "));
    assert_non_null(strstr(lines, "numbers_odd"));
    free(lines);
    cold_change(&cold, "DROP TABLE numbers CASCADE");
}

/* A byte of a table's file. */
static void test_a_damaged_page(void **state)
{
    (void)state;
    struct integrity_counts counts;
    char path[4096];
    cold_open(&cold, true);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    char *file = cold_value(server, "wiki", "SELECT pg_relation_filepath('mediawiki.page')");
    cold_stop(server);
    cold_close(&cold);
    snprintf(path, sizeof path, "%s" COLD_DATA "/%s", cold.server, file);
    free(file);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char byte = 0;
    if (fd < 0) {
        assert_int_equal(errno, EACCES);
        skip(); /* as a user: it belongs to somebody else */
    }
    assert_int_equal(pread(fd, &byte, 1, 5000), 1);
    byte = (char)(byte ^ 1);
    assert_int_equal(pwrite(fd, &byte, 1, 5000), 1);
    close(fd);
    char *lines = found(&counts);
    if (cold.cluster.version >= TABLES_FROM) {
        assert_true(counts.damaged >= 1);
        assert_non_null(strstr(lines, "wiki table mediawiki.page: "));
    } else {
        assert_true(counts.damaged == 0 && counts.without_tables == counts.databases);
    }
    free(lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sound_cluster),
        cmocka_unit_test(test_an_index_out_of_order),
        cmocka_unit_test(test_a_damaged_page),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
