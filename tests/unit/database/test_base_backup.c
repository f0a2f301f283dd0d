/* A base backup of a real server that works meanwhile: every file comes, the manifest holds, and what came starts. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/backup_manifest.h"
#include "database/base_backup.h"
#include "database/live.h"
#include "lib/file.h"

static struct live live;
static struct error error;

static int set_up(void **state)
{
    (void)state;
    live_make(&live);
    const char *const own[] = {"sh", "-c",
                               "mkdir -m 700 space copy && { [ $(id -u) != 0 ] || chown postgres space copy; }", NULL};
    free(live_run(&live, 0, own));
    char sql[4200];
    snprintf(sql, sizeof sql, "CREATE TABLESPACE beside LOCATION '%s'", live_file(&live, "space"));
    live_sql(&live, "postgres", sql);
    live_sql(&live, "wiki",
             "CREATE TABLE page AS SELECT n AS id, repeat(md5(n::text), 20) AS body FROM generate_series(1, 20000) n");
    live_sql(&live, "wiki",
             "CREATE TABLE elsewhere TABLESPACE beside AS SELECT n AS id, md5(n::text) AS body FROM generate_series(1, "
             "5000) n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_remove(&live);
    return 0;
}

/* Writes what comes into copy/ (the data folder) and copy/ts-OID. */
struct receiver {
    size_t entries;
    uint32_t oid;        /* of the tablespace */
    const char *stop_at; /* fails at this path */
};

static int receive(void *context, uint32_t oid, const struct tree_entry *entry, base_backup_read *read,
                   void *read_context, struct error *why)
{
    struct receiver *receiver = context;
    char path[8192];
    receiver->entries++;
    receiver->oid = oid == 0 ? receiver->oid : oid;
    snprintf(path, sizeof path, oid == 0 ? "%s/copy/data/%s" : "%s/copy/space/%s", live.folder, entry->path);
    if (receiver->stop_at != NULL && strcmp(entry->path, receiver->stop_at) == 0) {
        return error_set(why, CSN_NO_SPACE, "the test stops here");
    }
    if (entry->type == TREE_FOLDER) {
        assert_int_equal(mkdir(path, 0700), 0);
    } else if (entry->type == TREE_LINK) {
        assert_int_equal(symlink(entry->link_target, path), 0);
    } else {
        static uint8_t bytes[100000];
        uint64_t left = entry->size_bytes;
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        while (left > 0) {
            size_t size = left < sizeof bytes ? (size_t)left : sizeof bytes;
            ssize_t got = read(read_context, bytes, size, why);
            if (got != (ssize_t)size) {
                close(fd);
                return got < 0 ? -1 : error_set(why, CSN_TREE_READ, "%s ended early", entry->path);
            }
            assert_int_equal(file_write_fd(fd, path, bytes, size, why), 0);
            left -= size;
        }
        close(fd);
    }
    return 0;
}

static void empty_copy(void)
{
    const char *const argv[] = {"sh", "-c", "rm -rf copy/*", NULL};
    free(live_run(&live, 0, argv));
}

static atomic_bool writing;

static void *write_on(void *context)
{
    struct query_target target = {.host = context, .port = live.port, .user = "owner", .database = "wiki"};
    struct query_session *session = NULL;
    struct error why;
    if (query_open(&target, 0, &session, &why) == 0) {
        while (atomic_load(&writing)) {
            (void)!query_execute(session,
                                 "INSERT INTO page SELECT n, md5(random()::text) FROM generate_series(1, 200) n", 30,
                                 NULL, &why);
            (void)!query_execute(session, "UPDATE page SET body = md5(body) WHERE id % 100 = 1", 30, NULL, &why);
        }
        query_close(session);
    }
    return NULL;
}

static void test_comes_whole_while_people_work(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    struct base_backup_summary summary;
    struct receiver receiver = {0};
    pthread_t thread;
    char socket[4096];
    snprintf(socket, sizeof socket, "%s", live_file(&live, "sock"));
    atomic_store(&writing, true);
    assert_int_equal(pthread_create(&thread, NULL, write_on, socket), 0);
    int result = base_backup(&target, "a test's \\ backup", receive, &receiver, NULL, &summary, &error);
    atomic_store(&writing, false);
    pthread_join(thread, NULL);
    if (result != 0) {
        fail_msg("%s", error.message);
    }
    assert_true(summary.version >= 10 && summary.has_slot && summary.has_manifest == (summary.version >= 13));
    assert_true(summary.files > 900 && summary.bytes > 20000000);
    assert_int_equal(summary.tablespace_count, 1);
    assert_int_equal(summary.tablespaces[0].oid, receiver.oid);
    assert_string_equal(summary.tablespaces[0].location, live_file(&live, "space"));
    assert_non_null(strchr(summary.start_lsn, '/'));
    assert_non_null(strchr(summary.end_lsn, '/'));
    assert_int_equal(summary.control.checksums != 0, 1);
    base_backup_summary_free(&summary);
    /* the makers' own tool agrees, and it starts with the tablespace at another place */
    char script[8192];
    static const char preparing[] = "set -e; cd copy; sed -i \"s, .*, $PWD/space,\" data/tablespace_map; "
                                    "[ $(id -u) != 0 ] || chown -R postgres .";
    const char *const prepare[] = {"sh", "-c", preparing, NULL};
    free(live_run(&live, 0, prepare));
    snprintf(script, sizeof script,
             "set -e; cd copy; if [ -x %s/pg_verifybackup ]; then %s/pg_verifybackup -n -s -i pg_tblspc -i "
             "tablespace_map data >/dev/null; fi; "
             "%s/pg_ctl -D data -w -t 60 -l log -o '-p %d -c listen_addresses= -c ssl=off -c "
             "unix_socket_directories=/tmp' start >/dev/null || { tail -n 8 log; exit 1; }; "
             "%s/psql -XAtq -h /tmp -p %d -U owner -c 'SELECT count(*) >= 20000, count(DISTINCT id) = 20000 FROM page' "
             "-c 'SELECT count(*) FROM elsewhere' wiki; "
             "%s/pg_ctl -D data -w -m immediate stop >/dev/null",
             live.binaries, live.binaries, live.binaries, live.port, live.binaries, live.port, live.binaries);
    const char *const start[] = {"sh", "-c", script, NULL};
    char *said = live_run(&live, 1, start);
    assert_non_null(strstr(said, "t|t\n5000\n"));
    free(said);
    empty_copy();
}

static void test_says_what_it_may_not(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    struct base_backup_summary summary;
    struct receiver receiver = {0};
    target.user = "plain"; /* no line for replication */
    assert_int_equal(base_backup(&target, "x", receive, &receiver, NULL, &summary, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_REPLICATION);
    base_backup_summary_free(&summary);
    const char *const allow[] = {"sh", "-c", "echo 'hostssl replication plain all scram-sha-256' >>data/pg_hba.conf",
                                 NULL};
    free(live_run(&live, 1, allow));
    live_sql(&live, "postgres", "SELECT pg_reload_conf(), pg_sleep(0.5)");
    assert_int_equal(base_backup(&target, "x", receive, &receiver, NULL, &summary, &error),
                     -1); /* a line, and no right */
    assert_int_equal(error.code, CSN_DATABASE_REPLICATION);
    base_backup_summary_free(&summary);
    live_sql(&live, "postgres", "ALTER ROLE plain REPLICATION");
    if (base_backup(&target, "x", receive, &receiver, NULL, &summary, &error) != 0) { /* no superuser is needed */
        fail_msg("%s", error.message);
    }
    base_backup_summary_free(&summary);
    empty_copy();
}

static void test_stops_where_the_taker_does(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    struct base_backup_summary summary;
    struct receiver receiver = {.stop_at = "global/pg_control"};
    assert_int_equal(base_backup(&target, "x", receive, &receiver, NULL, &summary, &error), -1);
    assert_int_equal(error.code, CSN_NO_SPACE);
    base_backup_summary_free(&summary);
    empty_copy();
    /* and the server has not kept our slot */
    live_sql(&live, "postgres",
             "DO $$ BEGIN FOR i IN 1..100 LOOP EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots); PERFORM "
             "pg_sleep(0.1); END LOOP; "
             "IF EXISTS (SELECT FROM pg_replication_slots) THEN RAISE 'a slot is left'; END IF; END $$");
}

static void test_without_a_slot(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    struct base_backup_summary summary;
    struct receiver receiver = {0};
    live_sql(&live, "postgres", "ALTER SYSTEM SET max_replication_slots = 0");
    live_stop(&live);
    live_start(&live);
    if (base_backup(&target, "x", receive, &receiver, NULL, &summary, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_false(summary.has_slot);
    base_backup_summary_free(&summary);
    empty_copy();
    live_sql(&live, "postgres", "ALTER SYSTEM RESET max_replication_slots");
    live_stop(&live);
    live_start(&live);
}

static void *kill_server(void *context)
{
    pid_t pid = *(const pid_t *)context;
    usleep(300000);
    if (pid > 1) { /* never a group, never all */
        kill(pid, SIGKILL);
    }
    return NULL;
}

static void test_a_server_that_dies(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    struct base_backup_summary summary;
    struct receiver receiver = {0};
    pthread_t thread;
    live_sql(
        &live, "wiki",
        "CREATE TABLE large AS SELECT n AS id, repeat(md5(n::text), 60) AS body FROM generate_series(1, 100000) n");
    assert_true(live.pid > 1);
    assert_int_equal(pthread_create(&thread, NULL, kill_server, &live.pid), 0);
    int result = base_backup(&target, "x", receive, &receiver, NULL, &summary, &error);
    pthread_join(thread, NULL);
    base_backup_summary_free(&summary);
    empty_copy();
    if (result == 0) { /* it was quicker */
        print_message("the backup was done before the server died\n");
    } else {
        assert_true(error.code == CSN_DATABASE_UNREACHABLE || error.code == CSN_DATABASE_QUERY);
    }
    live.pid = -1; /* its children see that it is gone, and end */
    sleep(1);
}

/* --- the manifest --- */

static const char manifest_head[] = "{ \"PostgreSQL-Backup-Manifest-Version\": 1,\n\"Files\": [\n";

static char *manifest_of(const char *files, bool good)
{
    struct buffer text = {0};
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    buffer_format(&text, "%s%s\n],\n\"WAL-Ranges\": [],\n", manifest_head, files);
    sha256_of(text.data, text.size, digest);
    hex_encode(digest, SHA256_SIZE, hex);
    hex[0] = good ? hex[0] : hex[0] == '0' ? '1' : '0';
    buffer_format(&text, "\"Manifest-Checksum\": \"%s\"}\n", hex);
    return buffer_take(&text);
}

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define LINE(path, size, hash)                                                                                         \
    "{ \"Path\": \"" path "\", \"Size\": " size ", \"Checksum-Algorithm\": \"SHA256\", \"Checksum\": \"" hash "\" }"

static void assert_manifest(const char *lines, bool good, const char *const *came, enum error_code code,
                            const char *words)
{
    struct manifest_files files = {0};
    uint8_t empty[SHA256_SIZE];
    uint64_t identifier = 0;
    char *text = manifest_of(lines, good);
    error = (struct error){0};
    assert_true(hex_decode(EMPTY_SHA256, empty, sizeof empty));
    for (; *came != NULL; came++) {
        assert_int_equal(manifest_files_add(&files, *came, 0, empty, &error), 0);
    }
    int result = backup_manifest_check(text, strlen(text), &files, &identifier, &error);
    if (error.code != code || (result == 0) != (code == CSN_NONE) ||
        (words != NULL && strstr(error.message, words) == NULL)) {
        fail_msg("expected %s: %s", words == NULL ? "nothing" : words, error.message);
    }
    manifest_files_free(&files);
    free(text);
}

static void test_a_manifest_is_taken_at_its_word(void **state)
{
    (void)state;
    static const char *const both[] = {"global/1", "base/x", "pg_wal/000000010000000000000001", NULL};
    static const char *const one[] = {"base/x", NULL};
    static const char *const more[] = {"base/x", "global/1", "base/more", NULL};
    static const char *const none[] = {NULL};
    static const char lines[] = LINE("base/x", "0", EMPTY_SHA256) ",\n" LINE("global/1", "0", EMPTY_SHA256);
    assert_manifest(lines, true, both, CSN_NONE, NULL);
    assert_manifest(lines, false, both, CSN_DATABASE_DIFFERS, "was changed on its way");
    assert_manifest(lines, true, one, CSN_DATABASE_DIFFERS, "global/1 did not come");
    assert_manifest(lines, true, more, CSN_DATABASE_DIFFERS,
                    "base/more came, and the server's manifest does not name it");
    assert_manifest(lines, true, none, CSN_DATABASE_DIFFERS, "did not come");
    assert_manifest(LINE("base/x", "1", EMPTY_SHA256), true, one, CSN_DATABASE_DIFFERS, "base/x came otherwise");
    assert_manifest(LINE("base/x", "0", "a3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), true, one,
                    CSN_DATABASE_DIFFERS, "base/x came otherwise");
    assert_manifest("{ \"Encoded-Path\": \"626173652f78\", \"Size\": 0, \"Checksum-Algorithm\": \"SHA256\", "
                    "\"Checksum\": \"" EMPTY_SHA256 "\" }",
                    true, one, CSN_NONE, NULL);
    assert_manifest("{ \"Path\": \"base/x\", \"Size\": 0 }", true, one, CSN_DATABASE_QUERY, "without size and SHA-256");
    assert_manifest("{ \"Size\": 0 }", true, one, CSN_DATABASE_QUERY, "without a path");
    assert_manifest("", true, none, CSN_DATABASE_QUERY, "names no file");
    struct manifest_files files = {0};
    uint64_t identifier;
    static const char *const garbage[] = {"", "{}", "[", "null",
                                          "{\"PostgreSQL-Backup-Manifest-Version\":1,\"Files\":[]}"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        assert_int_equal(backup_manifest_check(garbage[i], strlen(garbage[i]), &files, &identifier, &error), -1);
        assert_int_equal(error.code, CSN_DATABASE_QUERY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_manifest_is_taken_at_its_word),
        cmocka_unit_test(test_comes_whole_while_people_work),
        cmocka_unit_test(test_says_what_it_may_not),
        cmocka_unit_test(test_stops_where_the_taker_does),
        cmocka_unit_test(test_without_a_slot),
        cmocka_unit_test(test_a_server_that_dies),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
