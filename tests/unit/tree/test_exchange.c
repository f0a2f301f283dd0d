/* The renames of the switch: what has happened can be told afterwards, and a refusal changes nothing. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/exchange.h"
#include "tree/fixture.h"

static uint64_t inode(const struct fixture *fixture, const char *path)
{
    uint64_t dev = 0;
    uint64_t ino = 0;
    struct error error = {0};
    if (tree_identity(fixture->fd, path, &dev, &ino, &error) != 0) {
        fail_msg("%s", error.message);
    }
    struct stat status;
    assert_int_equal(fstatat(fixture->fd, path, &status, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(dev == status.st_dev && ino == status.st_ino);
    return ino;
}

static void make_pair(const struct fixture *fixture)
{
    fixture_folder(fixture->fd, "srv", 0755);
    fixture_folder(fixture->fd, "srv/app", 0755);
    fixture_file(fixture->fd, "srv/app/old", "", 0644);
    fixture_folder(fixture->fd, "beside", 0755);
    fixture_folder(fixture->fd, "beside/new-app", 0755);
    fixture_file(fixture->fd, "beside/new-app/new", "", 0644);
}

static void names_are_exchanged_and_back(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    make_pair(fixture);
    uint64_t before = inode(fixture, "srv/app");
    uint64_t after = inode(fixture, "beside/new-app");
    assert_true(before != after);
    assert_int_equal(tree_exchange(fixture->fd, "/srv/app", "beside/new-app", &error), 0);
    assert_true(fixture_exists(fixture->fd, "srv/app/new") && fixture_exists(fixture->fd, "beside/new-app/old"));
    assert_true(inode(fixture, "srv/app") == after && inode(fixture, "beside/new-app") == before);
    assert_int_equal(tree_exchange(fixture->fd, "srv/app", "beside/new-app", &error), 0);
    assert_true(inode(fixture, "srv/app") == before);
    /* A folder and a link, as a switch by links would need. */
    fixture_link(fixture->fd, "srv/link", "nowhere");
    assert_int_equal(tree_exchange(fixture->fd, "srv/link", "srv/app", &error), 0);
    assert_true(inode(fixture, "srv/link") == before);
}

static void a_move_never_replaces(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    make_pair(fixture);
    uint64_t before = inode(fixture, "srv/app");
    assert_int_equal(tree_move(fixture->fd, "srv/app", "beside/new-app", &error), -1);
    assert_int_equal(error.code, CSN_TREE_RENAME);
    assert_non_null(strstr(error.message, "moving srv/app and beside/new-app: the second is there already"));
    assert_true(fixture_exists(fixture->fd, "srv/app/old") && fixture_exists(fixture->fd, "beside/new-app/new"));
    assert_int_equal(tree_move(fixture->fd, "srv/app", "beside/kept", &error), 0);
    assert_false(fixture_exists(fixture->fd, "srv/app"));
    assert_true(inode(fixture, "beside/kept") == before);
}

static void refusals_change_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    uint64_t dev;
    uint64_t ino;
    make_pair(fixture);
    assert_int_equal(tree_exchange(fixture->fd, "srv/app", "beside/none", &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_int_equal(tree_exchange(fixture->fd, "none/app", "beside/new-app", &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_int_equal(tree_move(fixture->fd, "srv/none", "srv/free", &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_int_equal(tree_exchange(fixture->fd, "srv", "srv/app", &error), -1);
    assert_int_equal(error.code, CSN_TREE_RENAME);
    assert_non_null(strstr(error.message, "one lies inside the other"));
    assert_int_equal(tree_exchange(fixture->fd, "srv/app", "/", &error), -1);
    assert_int_equal(tree_identity(fixture->fd, "srv/none", &dev, &ino, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_true(fixture_exists(fixture->fd, "srv/app/old") && fixture_exists(fixture->fd, "beside/new-app/new"));
}

static void links_stay_inside_the_root(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    make_pair(fixture);
    fixture_link(fixture->fd, "absolute", "/srv");
    assert_int_equal(tree_exchange(fixture->fd, "absolute/app", "beside/new-app", &error), 0);
    assert_true(fixture_exists(fixture->fd, "srv/app/new"));
}

static void another_file_system_is_said(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    if (!fixture_is_root() || !fixture_tmpfs(fixture, "other", 1 << 20)) {
        skip();
    }
    make_pair(fixture);
    fixture_folder(fixture->fd, "other/app", 0755);
    assert_int_equal(tree_exchange(fixture->fd, "srv/app", "other/app", &error), -1);
    assert_int_equal(error.code, CSN_TREE_RENAME);
    assert_non_null(strstr(error.message, "different file systems"));
    assert_int_equal(tree_exchange(fixture->fd, "srv", "other", &error), -1);
    assert_int_equal(error.code, CSN_TREE_RENAME);
    assert_int_equal(tree_move(fixture->fd, "srv/app", "other/free", &error), -1);
    assert_int_equal(error.code, CSN_TREE_RENAME);
    assert_true(fixture_exists(fixture->fd, "srv/app/old"));
    fixture_unmount(fixture, "other");
}

/* The rehearsal runs on an overlay: what it needs to be mounted with is tested here. */
static void on_an_overlay(void **state)
{
    struct fixture *fixture = *state;
    char options[512];
    char target[128];
    if (!fixture_is_root() || !fixture_tmpfs(fixture, "scratch", 1 << 20)) {
        skip();
    }
    fixture_folder(fixture->fd, "lower", 0755);
    fixture_folder(fixture->fd, "lower/app", 0755);
    fixture_file(fixture->fd, "lower/app/old", "", 0644);
    fixture_folder(fixture->fd, "scratch/upper", 0755);
    fixture_folder(fixture->fd, "scratch/work", 0755);
    fixture_folder(fixture->fd, "merged", 0755);
    snprintf(target, sizeof target, "%s/merged", fixture->path);
    for (int redirect = 0; redirect <= 1; redirect++) {
        struct error error = {0};
        snprintf(options, sizeof options,
                 "lowerdir=%s/lower,upperdir=%s/scratch/upper,workdir=%s/scratch/work,redirect_dir=%s", fixture->path,
                 fixture->path, fixture->path, redirect == 1 ? "on" : "off");
        if (mount("overlay", target, "overlay", 0, options) != 0) {
            print_message("overlayfs is not to be had here: not tested\n");
            fixture_unmount(fixture, "scratch");
            skip();
        }
        if (redirect == 0) {
            fixture_folder(fixture->fd, "merged/new-app", 0755);
        }
        int result = tree_exchange(fixture->fd, "merged/app", "merged/new-app", &error);
        if (redirect == 0) {
            assert_int_equal(result, -1);
            assert_int_equal(error.code, CSN_TREE_RENAME);
            assert_non_null(strstr(error.message, "redirect_dir=on"));
            assert_true(fixture_exists(fixture->fd, "merged/app/old"));
        } else {
            assert_string_equal(error.message, "");
            assert_true(fixture_exists(fixture->fd, "merged/new-app/old"));
            assert_false(fixture_exists(fixture->fd, "merged/app/old"));
        }
        fixture_unmount(fixture, "merged");
    }
    assert_true(fixture_exists(fixture->fd, "lower/app/old"));
    fixture_unmount(fixture, "scratch");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_are_exchanged_and_back, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_move_never_replaces, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refusals_change_nothing, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(links_stay_inside_the_root, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(another_file_system_is_said, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(on_an_overlay, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/exchange", tests, NULL, NULL);
}
