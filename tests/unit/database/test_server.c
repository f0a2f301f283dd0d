#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/cold.h"
#include "lib/process.h"
#include "lib/root.h"
#include "target/room.h"

static struct error error;
static struct cold cold;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static void assert_value(struct database_server *server, const char *sql, const char *expected)
{
    char *value = cold_value(server, "wiki", sql);
    assert_string_equal(value, expected);
    free(value);
}

/* A field of pg_controldata's output. */
static char *control_field(const char *name)
{
    char program[300];
    struct buffer output = {0};
    int status = -1;
    snprintf(program, sizeof program, "%s/pg_controldata", cold.cluster.binaries);
    const char *const argv[] = {"env", "LC_ALL=C", program, COLD_DATA, NULL};
    struct view_command command = {.argv = argv, .folder = "/", .user = "postgres", .timeout_sec = 60};
    ASSERT_DONE(view_run(cold.view, &command, &output, &status, &error));
    assert_int_equal(status, 0);
    char *line = strstr(buffer_text(&output), name);
    assert_non_null(line);
    line += strlen(name);
    line += strspn(line, ": ");
    char *value = strndup(line, strcspn(line, "\n"));
    buffer_free(&output);
    assert_non_null(value);
    return value;
}

static void assert_field(const char *name, const char *expected)
{
    char *value = control_field(name);
    assert_string_equal(value, expected);
    free(value);
}

static void assert_lsn(const char *name, uint64_t lsn)
{
    char text[40];
    snprintf(text, sizeof text, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
    assert_field(name, text);
}

static void assert_number(const char *name, uint64_t number)
{
    char text[40];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    assert_field(name, text);
}

static void test_examines(void **state)
{
    (void)state;
    cold_open(&cold, false);
    const struct cluster *cluster = &cold.cluster;
    ASSERT_DONE(cluster_require_clean(cluster, &error));
    ASSERT_DONE(cluster_require_binaries(cluster, &error));
    assert_string_equal(cluster->data_path, COLD_DATA);
    assert_string_equal(cluster->config_file, COLD_DATA "/postgresql.conf");
    assert_non_null(strstr(cluster->binaries, "/usr/lib/postgresql/"));
    assert_int_equal(cluster->folder_count, 0);
    assert_false(cluster->has_pid_file);
    assert_number("pg_control version number", cluster->control.control_version);
    assert_number("Catalog version number", cluster->control.catalog_version);
    assert_number("Database system identifier", cluster->control.system_identifier);
    assert_field("Database cluster state", cluster_state_text(cluster->control.state));
    assert_lsn("Latest checkpoint location", cluster->control.checkpoint);
    assert_lsn("Latest checkpoint's REDO location", cluster->control.redo);
    assert_number("Latest checkpoint's TimeLineID", cluster->control.timeline);
    assert_number("Database block size", cluster->control.block_bytes);
    assert_number("Bytes per WAL segment", cluster->control.segment_bytes);
    assert_number("Data page checksum version", cluster->control.checksums);
    assert_int_equal(cluster->control.checksums, 1);
    assert_true(cluster->control.time_sec > 1500000000);
    cold_close(&cold);
}

static void test_private(void **state)
{
    (void)state;
    struct stat before;
    struct stat after;
    char control[4096];
    snprintf(control, sizeof control, "%s" COLD_DATA "/global/pg_control", cold.server);
    assert_int_equal(stat(control, &before), 0);
    cold_open(&cold, false);
    struct database_server *server = cold_start(&cold, DATABASE_PRIVATE);
    assert_value(server, "SELECT count(*) FROM mediawiki.page", "1000");
    assert_value(server, "SHOW listen_addresses", "");
    assert_value(server, "SHOW max_worker_processes", "0");
    assert_value(server, "SHOW fsync", "on");
    assert_value(server, "SELECT current_user", "postgres");
    static const char *const change[] = {"DELETE FROM mediawiki.page", NULL};
    cold_run(server, "wiki", change);
    assert_value(server, "SELECT count(*) FROM mediawiki.page", "0");
    struct buffer log = {0};
    ASSERT_DONE(database_server_log(server, &log, &error));
    assert_non_null(strstr(buffer_text(&log), "ready to accept connections"));
    buffer_free(&log);
    cold_stop(server);
    /* It lived in the overlay only. */
    assert_int_equal(stat(control, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    server = cold_start(&cold, DATABASE_PRIVATE);
    assert_value(server, "SELECT count(*) FROM mediawiki.page", "0");
    cold_stop(server);
    cold_close(&cold);
    cold_open(&cold, false);
    server = cold_start(&cold, DATABASE_PRIVATE);
    assert_value(server, "SELECT count(*) FROM mediawiki.page", "1000");
    cold_stop(server);
    cold_close(&cold);
    assert_int_equal(room_count_mine(COLD_DATA), 0);
}

/* The server's own configuration holds: its port, socket folder and hba file; we come in beside. */
static void test_application(void **state)
{
    (void)state;
    struct cold other;
    cold_copy(&cold, &other);
    char path[4096];
    snprintf(path, sizeof path, "%s" COLD_DATA, other.server);
    FILE *file = fopen(strcat(path, "/postgresql.conf"), "a");
    assert_non_null(file);
    fputs("port = 5433\nunix_socket_directories = '/run/own place'\nlisten_addresses = '192.0.2.9'\narchive_mode = on\n"
          "synchronous_standby_names = 'far'\nautovacuum = on\n"
          "fsync = off\nfull_page_writes = off\nsynchronous_commit = off\n",
          file);
    assert_int_equal(fclose(file), 0);
    snprintf(path, sizeof path, "%s" COLD_DATA "/pg_hba.conf", other.server);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("local all all peer # @nobody\nhost \"@no file\",@dbs\t@\"users.txt\" 127.0.0.1/32 scram-sha-256", file);
    assert_int_equal(fclose(file), 0);
    snprintf(path, sizeof path, "%s" COLD_DATA, other.server);
    room_write(path, "dbs", "wiki\n");
    room_write(path, "users.txt", "wikiuser\n");

    cold_open(&other, false);
    struct database_server *server = cold_start(&other, DATABASE_APPLICATION);
    assert_value(server, "SHOW port", "5433");
    assert_value(server, "SHOW archive_mode", "off");
    assert_value(server, "SHOW autovacuum", "on");
    assert_value(server, "SHOW fsync", "on");
    assert_value(server, "SHOW full_page_writes", "on");
    assert_value(server, "SHOW synchronous_commit", "on");
    static const char *const change[] = {"CREATE TABLE does_not_wait ()", NULL};
    cold_run(server, "wiki", change);
    char psql[300];
    snprintf(psql, sizeof psql, "%s/psql", other.cluster.binaries);
    const char *const by_password[] = {psql, "-Atc", "select 999 + 1", NULL};
    const char *const environment[] = {"PGHOST=127.0.0.1",  "PGPORT=5433",     "PGUSER=wikiuser",
                                       "PGPASSWORD=secret", "PGDATABASE=wiki", NULL};
    struct view_command command = {.argv = by_password, .user = "nobody", .environment = environment, .folder = "/"};
    struct buffer output = {0};
    int status = -1;
    ASSERT_DONE(view_run(other.view, &command, &output, &status, &error));
    assert_string_equal(buffer_text(&output), "1000\n");
    assert_int_equal(status, 0);
    buffer_clear(&output);
    /* Its own hba lines still refuse: another user by the socket, a wrong password. */
    const char *const by_socket[] = {"PGHOST=/run/own place", "PGPORT=5433", "PGUSER=wikiuser", "PGDATABASE=wiki",
                                     NULL};
    command.environment = by_socket;
    ASSERT_DONE(view_run(other.view, &command, &output, &status, &error));
    assert_int_not_equal(status, 0);
    assert_non_null(strstr(buffer_text(&output), "Peer authentication failed"));
    buffer_free(&output);
    cold_stop(server);
    cold_close(&other);
    cold_remove(&other);
}

static void test_says_why_it_does_not_start(void **state)
{
    (void)state;
    struct cold other;
    cold_copy(&cold, &other);
    cold_open(&other, false);
    struct cluster broken = other.cluster;
    broken.config_file = (char *)(uintptr_t) "/etc/hostname"; /* "old-server" is no setting */
    struct database_settings settings = {.cluster = &broken, .mode = DATABASE_PRIVATE};
    struct database_server *server = NULL;
    assert_int_equal(database_server_start(other.view, &settings, &server, &error), -1);
    assert_null(server);
    assert_int_equal(error.code, CSN_DATABASE_START);
    assert_non_null(strstr(error.message, "syntax error"));
    settings.mode = DATABASE_APPLICATION;
    assert_int_equal(database_server_start(other.view, &settings, &server, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_START);
    broken = other.cluster;
    broken.binaries = NULL;
    assert_int_equal(database_server_start(other.view, &settings, &server, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_VERSION);
    assert_int_equal(room_count_mine(COLD_DATA), 0);
    cold_close(&other);
    cold_remove(&other);
}

/* Killed while it runs: unclean, and said so; recovered on an overlay; the disk stays as it is. */
static void test_unclean(void **state)
{
    (void)state;
    struct cold other;
    static const char *const change[] = {"INSERT INTO mediawiki.page (title) VALUES ('last words')", NULL};
    cold_copy(&cold, &other);
    cold_open(&other, true);
    struct database_server *server = cold_start(&other, DATABASE_PRIVATE);
    cold_run(server, "wiki", change);
    assert_true(room_kill(COLD_DATA) > 0);
    assert_int_equal(database_server_stop(server, 60, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_UNCLEAN);
    assert_non_null(strstr(error.message, "in production"));
    cold_close(&other);
    int fd = cold_root(&other);
    cluster_free(&other.cluster);
    ASSERT_DONE(cluster_examine(fd, COLD_DATA "/", NULL, &other.cluster, &error));
    assert_string_equal(other.cluster.data_path, COLD_DATA);
    assert_int_equal(other.cluster.control.state, CLUSTER_IN_PRODUCTION);
    assert_true(other.cluster.has_pid_file);
    assert_true(other.cluster.pid > 0);
    assert_null(other.cluster.binaries); /* its /usr is ours, bound in the view only */
    assert_int_equal(cluster_require_binaries(&other.cluster, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_VERSION);
    assert_int_equal(cluster_require_clean(&other.cluster, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_UNCLEAN);
    assert_non_null(strstr(error.message, "in production"));
    assert_non_null(strstr(error.message, "postmaster.pid"));

    cold_open(&other, false);
    struct database_server *again = cold_start(&other, DATABASE_PRIVATE);
    char *count = cold_value(again, "wiki", "SELECT count(*) FROM mediawiki.page WHERE title = 'last words'");
    assert_string_equal(count, "1");
    free(count);
    cold_stop(again);
    struct cluster_control control;
    ASSERT_DONE(cluster_read_control(view_root_fd(other.view), COLD_DATA, &control, &error));
    assert_int_equal(control.state, CLUSTER_SHUT_DOWN);
    cold_close(&other);
    ASSERT_DONE(cluster_read_control(fd, COLD_DATA, &control, &error));
    assert_int_equal(control.state, CLUSTER_IN_PRODUCTION);
    close(fd);
    assert_int_equal(room_count_mine(COLD_DATA), 0);
    cold_remove(&other);
}

static void test_not_a_cluster(void **state)
{
    (void)state;
    struct cluster cluster;
    char *folder = room_folder();
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(cluster_examine(fd, "/data", NULL, &cluster, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_NOT_CLUSTER);
    room_make(folder, "data");
    assert_int_equal(cluster_examine(fd, "/data", NULL, &cluster, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_NOT_CLUSTER);
    assert_non_null(strstr(error.message, "PG_VERSION"));
    room_write(folder, "data/PG_VERSION", "9.6\n");
    assert_int_equal(cluster_examine(fd, "/data", NULL, &cluster, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_NOT_CLUSTER);
    assert_non_null(strstr(error.message, "9.6"));
    room_write(folder, "data/PG_VERSION", "15\n");
    assert_int_equal(cluster_examine(fd, "/data", NULL, &cluster, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_NOT_CLUSTER);
    assert_non_null(strstr(error.message, "pg_control"));
    close(fd);
    room_remove(folder);
}

static void test_damaged_control(void **state)
{
    (void)state;
    struct buffer content = {0};
    struct cluster_control control;
    int fd = cold_root(&cold);
    ASSERT_DONE(root_read(fd, COLD_DATA "/global/pg_control", 8192, &content, &error));
    assert_int_equal(content.size, 8192);
    ASSERT_DONE(cluster_parse_control(content.data, content.size, &control, &error));
    for (size_t i = 0; i < 284; i += 7) { /* any byte of it; that of 11 is the shortest */
        content.data[i] = (char)(content.data[i] ^ 1);
        assert_int_equal(cluster_parse_control(content.data, content.size, &control, &error), -1);
        assert_int_equal(error.code, CSN_DATABASE_NOT_CLUSTER);
        content.data[i] = (char)(content.data[i] ^ 1);
    }
    assert_int_equal(cluster_parse_control(content.data, 100, &control, &error), -1);
    ASSERT_DONE(cluster_parse_control(content.data, 296, &control, &error));
    buffer_free(&content);
    close(fd);
}

/* Tablespaces, a WAL folder elsewhere, Debian's configuration folder, a standby. */
static void test_lies_in_parts(void **state)
{
    (void)state;
    struct cold other;
    char path[4096];
    char target[4096];
    struct cluster cluster;
    cold_copy(&cold, &other);
    int fd = cold_root(&other);
    room_make(other.server, "srv/space");
    room_make(other.server, "srv/wal");
    room_make(other.server, "etc/postgresql");
    snprintf(path, sizeof path, "%s" COLD_DATA "/pg_tblspc/16999", other.server);
    assert_int_equal(symlink("/srv/space/", path), 0);
    snprintf(path, sizeof path, "%s" COLD_DATA "/pg_wal", other.server);
    snprintf(target, sizeof target, "%s/srv/wal/pg_wal", other.server);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink("/srv/wal/pg_wal", path), 0);
    char name[64];
    snprintf(name, sizeof name, "etc/postgresql/%d", cold.cluster.version);
    room_make(other.server, name);
    static const char *const names[] = {"another", "main"};
    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "etc/postgresql/%d/%s", cold.cluster.version, names[i]);
        room_make(other.server, name);
        snprintf(name, sizeof name, "etc/postgresql/%d/%s/postgresql.conf", cold.cluster.version, names[i]);
        room_write(other.server, name,
                   i == 0 ? "data_directory = '/elsewhere'\n"
                          : "#data_directory = 'x'\ndata_directory = '/linked" COLD_DATA
                            "'\t# use data in another directory\n");
    }
    snprintf(name, sizeof name, "%s/linked", other.server);
    assert_int_equal(symlink("/", name), 0);
    ASSERT_DONE(cluster_examine(fd, COLD_DATA, "/no/such/folder", &cluster, &error));
    assert_null(cluster.binaries);
    assert_int_equal(cluster.folder_count, 2);
    assert_string_equal(cluster.folders[0].link, "pg_tblspc/16999");
    assert_string_equal(cluster.folders[0].target, "/srv/space");
    assert_string_equal(cluster.folders[1].link, "pg_wal");
    assert_string_equal(cluster.folders[1].target, "/srv/wal/pg_wal");
    snprintf(name, sizeof name, "/etc/postgresql/%d/main/postgresql.conf", cold.cluster.version);
    assert_string_equal(cluster.config_file, name);
    cluster_free(&cluster);
    snprintf(path, sizeof path, "%s" COLD_DATA, other.server);
    room_write(path, "standby.signal", "");
    ASSERT_DONE(cluster_examine(fd, COLD_DATA, NULL, &cluster, &error));
    assert_int_equal(cluster_require_clean(&cluster, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_UNCLEAN);
    assert_non_null(strstr(error.message, "standby"));
    cluster_free(&cluster);
    snprintf(path, sizeof path, "%s/srv/space", other.server);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(cluster_examine(fd, COLD_DATA, NULL, &cluster, &error), -1);
    assert_non_null(strstr(error.message, "/srv/space"));
    close(fd);
    cold_remove(&other);
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

int main(int argc, char **argv)
{
    (void)argc;
    room_need_root(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examines),        cmocka_unit_test(test_private),
        cmocka_unit_test(test_application),     cmocka_unit_test(test_says_why_it_does_not_start),
        cmocka_unit_test(test_unclean),         cmocka_unit_test(test_not_a_cluster),
        cmocka_unit_test(test_damaged_control), cmocka_unit_test(test_lies_in_parts),
    };
    return cmocka_run_group_tests_name("server", tests, set_up, tear_down);
}
