#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/clone.h"
#include "database/cold.h"
#include "database/inventory.h"
#include "lib/root.h"
#include "target/room.h"
#include "tree/exchange.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

static struct error error;
static struct cold cold;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static char *count_pages(struct database_server *server)
{
    return cold_value(server, "wiki", "SELECT count(*) FROM mediawiki.page");
}

static void assert_pages(struct cold *from, const char *expected)
{
    cold_open(from, false);
    struct database_server *server = cold_start(from, DATABASE_PRIVATE);
    char *count = count_pages(server);
    assert_string_equal(count, expected);
    free(count);
    cold_stop(server);
    cold_close(from);
}

/* A tablespace elsewhere, with a table in it. */
static void add_tablespace(struct cold *into)
{
    char path[4096];
    struct stat status;
    room_make(into->server, "srv/space");
    snprintf(path, sizeof path, "%s" COLD_DATA, into->server);
    assert_int_equal(stat(path, &status), 0);
    snprintf(path, sizeof path, "%s/srv/space", into->server);
    assert_int_equal(chown(path, status.st_uid, status.st_gid), 0);
    assert_int_equal(chmod(path, 0700), 0);
    char data[4096];
    snprintf(data, sizeof data, "%s/var/lib/postgresql", into->server);
    const struct view_bind binds[] = {room_usr,
                                      {.source = data, .target = "/var/lib/postgresql", .writable = true},
                                      {.source = path, .target = "/srv/space", .writable = true}};
    struct view_layout layout = {.root_path = into->server, .binds = binds, .bind_count = 3};
    static const char *const statements[] = {
        "CREATE TABLESPACE fast LOCATION '/srv/space'",
        "CREATE TABLE apart TABLESPACE fast AS SELECT n FROM generate_series(1, 5000) n", NULL};
    ASSERT_DONE(view_open(&layout, &into->view, &error));
    ASSERT_DONE(cluster_examine(view_root_fd(into->view), COLD_DATA, NULL, &into->cluster, &error));
    struct database_server *server = cold_start(into, DATABASE_PRIVATE);
    cold_run(server, "wiki", statements);
    cold_stop(server);
    cold_close(into);
}

#define CLONED_DATA "/var/lib/postgresql/new/data"

/* Cloned, changed in the clone (bound over the original in a view), exchanged, and exchanged back. */
static void test_clone_and_exchange(void **state)
{
    (void)state;
    struct cold server;
    struct clone_plan plan;
    char copies[2][4096];
    char originals[2][4096];
    cold_copy(&cold, &server);
    add_tablespace(&server);
    int fd = cold_root(&server);
    cluster_free(&server.cluster);
    ASSERT_DONE(cluster_examine(fd, COLD_DATA, NULL, &server.cluster, &error));
    assert_int_equal(server.cluster.folder_count, 1);
    ASSERT_DONE(root_make_dirs(fd, "/var/lib/postgresql/new", 0700, &error));
    ASSERT_DONE(root_make_dirs(fd, "/srv/new", 0700, &error));
    ASSERT_DONE(clone_plan(fd, &server.cluster, "new", &plan, &error));
    assert_int_equal(plan.pair_count, 2);
    assert_string_equal(plan.pairs[0].original, COLD_DATA);
    assert_string_equal(plan.pairs[0].copy, CLONED_DATA);
    assert_string_equal(plan.pairs[1].copy, "/srv/new/space");
    assert_true(plan.pairs[0].size_bytes > 20u << 20);
    assert_true(plan.pairs[1].size_bytes > 100u << 10);
    assert_true(plan.pairs[0].item_count > 500);
    struct clone_report report;
    ASSERT_DONE(clone_make(fd, &server.cluster, &plan, false, NULL, &report, &error));
    assert_true(report.files > 500 && report.copied_bytes + report.shared_bytes > 10 << 20);

    /* A second time: there is one already, and it stays as it is. */
    assert_int_equal(clone_make(fd, &server.cluster, &plan, false, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_WRITE);

    for (size_t i = 0; i < 2; i++) {
        snprintf(originals[i], sizeof originals[i], "%s%s", server.server, plan.pairs[i].original);
        snprintf(copies[i], sizeof copies[i], "%s%s", server.server, plan.pairs[i].copy);
    }
    const struct view_bind binds[] = {room_usr,
                                      {.source = copies[0], .target = COLD_DATA, .writable = true},
                                      {.source = copies[1], .target = "/srv/space", .writable = true}};
    struct view_layout layout = {.root_path = server.server, .binds = binds, .bind_count = 3};
    static const char *const change[] = {"DELETE FROM mediawiki.page WHERE id > 900", "DELETE FROM apart WHERE n > 10",
                                         NULL};
    ASSERT_DONE(view_open(&layout, &server.view, &error));
    cluster_free(&server.cluster);
    ASSERT_DONE(cluster_examine(view_root_fd(server.view), COLD_DATA, NULL, &server.cluster, &error));
    struct database_server *clone = cold_start(&server, DATABASE_PRIVATE);
    cold_run(clone, "wiki", change);
    cold_stop(clone);
    cold_close(&server);
    assert_pages(&server, "1000");

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(renameat2(AT_FDCWD, originals[i], AT_FDCWD, copies[i], RENAME_EXCHANGE), 0);
    }
    assert_pages(&server, "900");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(renameat2(AT_FDCWD, originals[i], AT_FDCWD, copies[i], RENAME_EXCHANGE), 0);
    }
    assert_pages(&server, "1000");
    ASSERT_DONE(clone_remove(fd, &plan, &error));
    assert_false(root_exists(fd, CLONED_DATA));
    assert_false(root_exists(fd, "/srv/new/space"));
    ASSERT_DONE(clone_remove(fd, &plan, &error)); /* nothing there: fine */
    clone_plan_free(&plan);
    close(fd);
    cold_remove(&server);
}

static void test_only_a_clean_one(void **state)
{
    (void)state;
    struct clone_plan plan;
    struct cluster cluster;
    int fd = cold_root(&cold);
    ASSERT_DONE(cluster_examine(fd, COLD_DATA, NULL, &cluster, &error));
    cluster.control.state = CLUSTER_IN_PRODUCTION;
    ASSERT_DONE(clone_plan(fd, &cluster, "new", &plan, &error));
    assert_int_equal(clone_make(fd, &cluster, &plan, false, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_UNCLEAN);
    assert_false(root_exists(fd, CLONED_DATA));
    clone_plan_free(&plan);
    cluster_free(&cluster);
    close(fd);
}

/* One that is being brought back where it lies is still known, and is nobody's to start or to copy. */
static void test_one_that_is_held(void **state)
{
    (void)state;
    struct cold server;
    struct clone_plan plan;
    cold_copy(&cold, &server);
    int fd = cold_root(&server);
    cluster_free(&server.cluster);
    ASSERT_DONE(tree_move(fd, COLD_DATA "/" CLUSTER_CONTROL, COLD_DATA "/" CLUSTER_CONTROL_HELD, &error));
    ASSERT_DONE(cluster_examine(fd, COLD_DATA, NULL, &server.cluster, &error));
    assert_true(server.cluster.is_held);
    assert_int_equal(server.cluster.control.state, CLUSTER_SHUT_DOWN);
    assert_false(cluster_is_recoverable(&server.cluster));
    ASSERT_DONE(clone_plan(fd, &server.cluster, "new", &plan, &error));
    assert_int_equal(clone_make(fd, &server.cluster, &plan, true, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_UNCLEAN);
    assert_non_null(strstr(error.message, "half brought back"));
    assert_int_equal(cluster_read_control(fd, COLD_DATA, &server.cluster.control, &error), -1);
    clone_plan_free(&plan);
    close(fd);
    cold_remove(&server);
}

/* Folders that cannot be exchanged by name are found before anything is copied. */
static void test_mount_points(void **state)
{
    (void)state;
    struct cold server;
    struct clone_plan plan;
    struct cluster cluster;
    char path[4096];
    cold_copy(&cold, &server);
    int fd = cold_root(&server);
    ASSERT_DONE(cluster_examine(fd, COLD_DATA, NULL, &cluster, &error));
    snprintf(path, sizeof path, "%s" COLD_DATA "/pg_wal/archive_status", server.server);
    assert_int_equal(mount("caisson-test", path, "tmpfs", 0, NULL), 0);
    assert_int_equal(clone_plan(fd, &cluster, "new", &plan, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROFILE);
    assert_non_null(strstr(error.message, "pg_wal/archive_status"));
    assert_int_equal(umount(path), 0);
    snprintf(path, sizeof path, "%s" COLD_DATA, server.server);
    assert_int_equal(mount("caisson-test", path, "tmpfs", 0, NULL), 0);
    assert_int_equal(clone_plan(fd, &cluster, "new", &plan, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROFILE);
    assert_non_null(strstr(error.message, COLD_DATA));
    assert_int_equal(umount(path), 0);
    cluster_free(&cluster);
    close(fd);
    cold_remove(&server);
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
        cmocka_unit_test(test_clone_and_exchange),
        cmocka_unit_test(test_only_a_clean_one),
        cmocka_unit_test(test_one_that_is_held),
        cmocka_unit_test(test_mount_points),
    };
    return cmocka_run_group_tests_name("clone", tests, set_up, tear_down);
}
