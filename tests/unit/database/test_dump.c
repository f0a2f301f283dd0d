/* All of a real server, dumped by pg_dump and pg_dumpall, is in another one after pg_restore and psql: by our inventory. */
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

#include "database/dump.h"
#include "database/dump_program.h"
#include "database/inventory.h"
#include "database/live.h"

static struct live live;
static struct error error;
static char self[4096];
static int is_program; /* this process is a pg_dump: it leaves its memory to the kernel */

int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return is_program;
}

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static int set_up(void **state)
{
    static const char *const wiki[] = {
        "CREATE TABLE page AS SELECT n AS id, repeat(md5(n::text), 20) AS body FROM generate_series(1, 20000) n",
        "ALTER TABLE page ADD PRIMARY KEY (id); ALTER TABLE page OWNER TO plain; GRANT SELECT ON page TO PUBLIC",
        "CREATE TABLE part (at date, word text) PARTITION BY RANGE (at)",
        "CREATE TABLE part_old PARTITION OF part FOR VALUES FROM ('2000-01-01') TO ('2020-01-01')",
        "CREATE TABLE \"part \"\"new\" PARTITION OF part FOR VALUES FROM ('2020-01-01') TO ('2040-01-01')",
        "INSERT INTO part SELECT '2000-01-01'::date + n * 10, E'\\t\\n\\\\' || n FROM generate_series(1, 1400) n",
        "CREATE TABLE many (f float8, n numeric, b bytea, t timestamptz, a int[], j jsonb)",
        "INSERT INTO many VALUES ('NaN', '1e-40', '\\x00ff', '1999-12-31 23:59:59.5+09', '{1,NULL}', '{\"a\":[1.0]}'), "
        "(1e-300, NULL, NULL, 'infinity', NULL, NULL)",
        "CREATE SEQUENCE counter INCREMENT 3; SELECT nextval('counter')",
        "CREATE VIEW titles AS SELECT id FROM page; CREATE INDEX ON page (md5(body))",
        "SELECT lo_from_bytea(77, decode(repeat('00ff', 10000), 'hex'))",
        "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT n * 2'",
        "ALTER DATABASE wiki SET work_mem = '7MB'; ALTER ROLE plain IN DATABASE wiki SET work_mem = '8MB'",
    };
    (void)state;
    live_make(&live);
    live_sql(&live, "postgres", "CREATE ROLE \"a 'role'\"; GRANT \"a 'role'\" TO plain");
    live_sql(&live, "postgres", "ALTER ROLE plain SET search_path = 'x'");
    for (size_t i = 0; i < sizeof wiki / sizeof wiki[0]; i++) {
        live_sql(&live, "wiki", wiki[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_remove(&live);
    return 0;
}

/* Into the file NAME of the server's folder. */
static void dump_into(const struct query_target *target, const char *database, const char *name)
{
    static uint8_t bytes[100000];
    struct dump *dump = NULL;
    ssize_t got = (ssize_t)sizeof bytes;
    int fd = open(live_file(&live, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    ASSERT_DONE(dump_open(target, database, true, &dump, &error));
    while (got == (ssize_t)sizeof bytes) {
        got = dump_read(dump, bytes, sizeof bytes, &error);
        if (got < 0) {
            fail_msg("%s", error.message);
            return;
        }
        assert_int_equal(write(fd, bytes, (size_t)got), got);
    }
    assert_string_equal(dump_remarks(dump), "");
    assert_int_equal(dump_bytes(dump), lseek(fd, 0, SEEK_END));
    dump_close(dump);
    close(fd);
}

static void shell(int server_side, const char *script)
{
    const char *const argv[] = {"sh", "-ec", script, NULL};
    free(live_run(&live, server_side, argv));
}

static void test_all_of_it_comes_back(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "postgres");
    struct dump_server server;
    struct inventory before = {0};
    struct inventory after = {0};
    struct inventory_options options = {0};
    char script[16384];
    ASSERT_DONE(dump_examine(&target, NULL, &server, &error));
    assert_true(server.has_passwords);
    assert_true(strings_has(&server.databases, "wiki"));
    assert_true(strings_has(&server.databases, "template1"));
    assert_true(strings_has(&server.closed, "template0"));
    for (size_t i = 0; i < server.databases.count; i++) {
        char name[100];
        snprintf(name, sizeof name, "%s.dump", server.databases.items[i]);
        const char *wanted = strcmp(server.databases.items[i], "closed") == 0 ? NULL : server.databases.items[i];
        if (wanted != NULL) { /* that one wants a certificate */
            dump_into(&target, wanted, name);
        }
    }
    tls.certificate = live_file(&live, "client.pem");
    tls.key = live_file(&live, "client-locked.key");
    tls.key_password = "hunter9";
    dump_into(&target, "closed", "closed.dump");
    dump_into(&target, NULL, "globals.sql");
    dump_server_free(&server);

    target = (struct query_target){
        .host = live_file(&live, "sock"), .port = live.port, .user = "owner", .database = "postgres"};
    ASSERT_DONE(inventory_take(&target, &options, &before, &error));
    live_stop(&live);
    snprintf(script, sizeof script,
             "mv data first; %s/initdb -D data --no-sync --encoding=UTF8 --locale=C -U owner --auth=trust >/dev/null; "
             "cp first/postgresql.conf first/pg_hba.conf data/",
             live.binaries);
    shell(0, "chmod a+rwx .");
    shell(1, script);
    live_start(&live);
    snprintf(script, sizeof script,
             "%s/psql -X -h \"$PWD/sock\" -p %d -U owner -f globals.sql postgres 2>said; " /* our superuser is there */
             "! grep ERROR said | grep -v 'role \"owner\" already exists'; "
             "r() { '%s' pg_restore --exit-on-error -h \"$PWD/sock\" -p %d -U owner \"$@\"; }; "
             "r --create -d postgres wiki.dump; r --create -d postgres closed.dump; r -d postgres postgres.dump",
             live.binaries, live.port, self, live.port);
    shell(0, script);
    ASSERT_DONE(inventory_take(&target, &options, &after, &error));
    ASSERT_DONE(inventory_compare(&before, &after, NULL, NULL, &error));
    const struct inventory_item *item = inventory_find(&after, INVENTORY_TABLE, "wiki", "public.page");
    assert_non_null(item);
    assert_int_equal(item->rows, 20000);
    inventory_free(&before);
    inventory_free(&after);
}

static void assert_fails(const struct query_target *target, const char *database, const char *words)
{
    static uint8_t bytes[4096];
    struct dump *dump = NULL;
    ssize_t got = 1;
    ASSERT_DONE(dump_open(target, database, true, &dump, &error));
    while (got > 0) {
        got = dump_read(dump, bytes, sizeof bytes, &error);
    }
    assert_int_equal(got, -1);
    assert_int_equal(error.code, CSN_DATABASE_DUMP);
    if (strstr(error.message, words) == NULL || strstr(error.message, "secret") != NULL) {
        fail_msg("%s", error.message);
    }
    dump_close(dump);
}

/* What is found before mostly, is found by the program as well. */
static void test_it_is_as_strict_as_we_are(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "postgres");
    tls.root_certificate = live_file(&live, "other-ca.pem");
    assert_fails(&target, "wiki", "does not lead to one of the given roots");
    target = live_target(&live, &tls, "postgres");
    tls.revocation_list = live_file(&live, "server-revoked.crl");
    assert_fails(&target, "wiki", "revoked");
    assert_fails(&target, NULL, "the connection to the server is lost"); /* pg_dumpall does not say why */
    target = live_target(&live, &tls, "postgres");
    target.password = "secret?";
    assert_fails(&target, "wiki", "password authentication failed");
    target = live_target(&live, &tls, "postgres");
    target.tls = NULL;
    assert_fails(&target, "wiki", "no encryption");
    target = live_target(&live, &tls, "postgres");
    assert_fails(&target, "closed", "client certificate");
    assert_fails(&target, "x' sslmode='disable", "database \"x' sslmode='disable\" does not exist");
    target.user = "plain";
    assert_fails(&target, "wiki", "the role may not read all of it; pg_dump ended with code 1: query failed");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "pg_", 3) == 0) {
        is_program = 1;
        return dump_program(argc - 1, argv + 1);
    }
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    self[length > 0 ? length : 0] = '\0';
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_as_strict_as_we_are),
        cmocka_unit_test(test_all_of_it_comes_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
