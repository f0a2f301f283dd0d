#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"
#include "target/overlay.h"
#include "target/room.h"
#include "target/view.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1 << 1)
#endif

static struct error error;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static void join(char path[4096], const char *folder, const char *name)
{
    assert_true(snprintf(path, 4096, "%s/%s", folder, name) < 4096);
}

static void assert_file(const char *folder, const char *name, const char *expected)
{
    char *text = room_read(folder, name);
    if (expected == NULL) {
        assert_null(text);
    } else {
        assert_non_null(text);
        assert_string_equal(text, expected);
    }
    free(text);
}

struct server {
    char *folder;
    char root[4096];
    char scratch[4096];
    char at[4096];
};

/* A server with a root and, where /var has to be a file system of its own, a tmpfs there. */
static struct server make_server(bool var_mounted)
{
    struct server server = {.folder = room_folder()};
    static const char *const folders[] = {"root",     "scratch",       "at",          "root/app", "root/app/lib",
                                          "root/var", "root/var/data", "root/var/tmp"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (i == 6 && var_mounted) {
            char var[4096];
            join(var, server.folder, "root/var");
            assert_int_equal(mount("caisson-test", var, "tmpfs", 0, "mode=0711"), 0);
        }
        room_make(server.folder, folders[i]);
    }
    room_write(server.folder, "root/app/version", "1\n");
    room_write(server.folder, "root/app/lib/code", "old code\n");
    room_write(server.folder, "root/var/data/rows", "old rows\n");
    join(server.root, server.folder, "root");
    join(server.scratch, server.folder, "scratch");
    join(server.at, server.folder, "at");
    return server;
}

static void remove_server(struct server *server, bool var_mounted)
{
    if (var_mounted) {
        char var[4096];
        join(var, server->folder, "root/var");
        assert_int_equal(umount(var), 0);
    }
    room_remove(server->folder);
}

static void exchange(const char *folder, const char *a, const char *b)
{
    char from[4096];
    char to[4096];
    join(from, folder, a);
    join(to, folder, b);
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) != 0) {
        fail_msg("exchanging %s and %s: %s", a, b, strerror(errno));
    }
}

/* The sequence's own steps on an overlay: stage beside, exchange, look, exchange back; twice the folders, and a view on
 * top in each state. The server underneath never changes. */
static void exchange_on_overlay(bool var_mounted, bool on_tmpfs)
{
    struct server server = make_server(var_mounted);
    struct overlay *overlay = NULL;
    struct overlay_layout layout = {
        .root_path = server.root, .scratch_path = on_tmpfs ? NULL : server.scratch, .at_path = server.at};
    ASSERT_DONE(overlay_open(&layout, &overlay, &error));
    assert_int_equal(overlay_count(overlay), var_mounted ? 2 : 1);
    assert_file(server.at, "var/data/rows", "old rows\n");

    room_make(server.at, "app.new");
    room_write(server.at, "app.new/version", "2\n");
    room_make(server.at, "var/data.new");
    room_write(server.at, "var/data.new/rows", "new rows\n");
    exchange(server.at, "app", "app.new");           /* lower with upper */
    exchange(server.at, "var/data", "var/data.new"); /* on the other file system */
    assert_file(server.at, "app/version", "2\n");
    assert_file(server.at, "app.new/lib/code", "old code\n");
    assert_file(server.at, "var/data/rows", "new rows\n");

    struct view_layout inner = {.root_path = server.at};
    struct view *view = NULL;
    ASSERT_DONE(view_open(&inner, &view, &error));
    assert_file(view_root_path(view), "app/version", "2\n");
    assert_file(view_root_path(view), "app.new/lib/code", "old code\n");
    assert_file(view_root_path(view), "var/data/rows", "new rows\n");
    char path[4096];
    join(path, view_root_path(view), "app/version");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("3\n", file);
    assert_int_equal(fclose(file), 0);
    exchange(view_root_path(view), "app", "app.new"); /* two renamed folders, one floor up */
    assert_file(view_root_path(view), "app/lib/code", "old code\n");
    ASSERT_DONE(view_close(view, &error));
    assert_file(server.at, "app/version", "2\n");

    exchange(server.at, "app", "app.new");
    exchange(server.at, "var/data", "var/data.new");
    assert_file(server.at, "app/lib/code", "old code\n");
    assert_file(server.at, "var/data/rows", "old rows\n");
    ASSERT_DONE(overlay_close(overlay, &error));

    assert_file(server.root, "app/version", "1\n");
    assert_file(server.root, "var/data/rows", "old rows\n");
    assert_file(server.root, "app.new/version", NULL);
    assert_int_equal(rmdir(server.at), 0); /* nothing is mounted there any more */
    assert_int_equal(rmdir(server.scratch), 0);
    remove_server(&server, var_mounted);
}

static void test_exchange(void **state)
{
    (void)state;
    exchange_on_overlay(false, true);
    exchange_on_overlay(true, true);
    exchange_on_overlay(false, false);
    exchange_on_overlay(true, false);
}

static void test_without_renames(void **state)
{
    (void)state;
    struct server server = make_server(true);
    struct overlay *overlay = NULL;
    struct overlay_layout layout = {.root_path = server.root, .at_path = server.at};
    ASSERT_DONE(overlay_open(&layout, &overlay, &error));
    room_write(server.at, "app/version", "2\n");
    char from[4096];
    char to[4096];
    join(from, server.at, "app");
    join(to, server.at, "app.old");
    assert_int_equal(rename(from, to), -1);
    assert_int_equal(errno, EXDEV);
    ASSERT_DONE(overlay_close(overlay, &error));
    assert_file(server.root, "app/version", "1\n");
    remove_server(&server, true);
}

static void test_keeps_attributes(void **state)
{
    (void)state;
    struct server server = make_server(true);
    struct overlay *overlay = NULL;
    struct stat before;
    struct stat after;
    char path[4096];
    struct timespec times[2] = {{1000000000, 123}, {1000000000, 456}};
    assert_int_equal(chown(server.root, 3, 4), 0);
    assert_int_equal(chmod(server.root, 01751), 0);
    assert_int_equal(utimensat(AT_FDCWD, server.root, times, 0), 0);
    struct overlay_layout layout = {.root_path = server.root, .scratch_path = server.scratch, .at_path = server.at};
    assert_int_equal(stat(server.root, &before), 0);
    ASSERT_DONE(overlay_open(&layout, &overlay, &error));
    assert_int_equal(stat(server.at, &after), 0);
    assert_int_equal(after.st_uid, 3);
    assert_int_equal(after.st_gid, 4);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
    assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
    join(path, server.at, "var");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode & 07777, 0711);
    ASSERT_DONE(overlay_close(overlay, &error));
    remove_server(&server, true);
}

static void test_finds_mounts(void **state)
{
    (void)state;
    struct server server = make_server(true);
    struct strings mounts = {0};
    char odd[4096];
    room_make(server.folder, "root/var/odd name");
    join(odd, server.folder, "root/var/odd name");
    assert_int_equal(mount("caisson-test", odd, "tmpfs", 0, NULL), 0);
    ASSERT_DONE(overlay_find_mounts(server.root, &mounts, &error));
    assert_int_equal(mounts.count, 2);
    assert_string_equal(mounts.items[0], "var");
    assert_string_equal(mounts.items[1], "var/odd name");
    strings_free(&mounts);

    struct overlay *overlay = NULL;
    struct overlay_layout layout = {.root_path = server.root, .at_path = server.at};
    room_write(odd, "file", "odd\n");
    ASSERT_DONE(overlay_open(&layout, &overlay, &error));
    assert_int_equal(overlay_count(overlay), 3);
    assert_string_equal(overlay_mount(overlay, 0), "");
    assert_string_equal(overlay_mount(overlay, 2), "var/odd name");
    assert_true(overlay_upper_fd(overlay, 2) >= 0);
    assert_file(server.at, "var/odd name/file", "odd\n");
    room_write(server.at, "var/odd name/file", "changed\n");
    assert_file(odd, "file", "odd\n");
    ASSERT_DONE(overlay_close(overlay, &error));

    /* Given by hand, with slashes, twice and in the wrong order. */
    ASSERT_DONE(strings_add(&mounts, "/var/odd name/", &error));
    ASSERT_DONE(strings_add(&mounts, "var", &error));
    ASSERT_DONE(strings_add(&mounts, "/var", &error));
    layout.mounts = &mounts;
    ASSERT_DONE(overlay_open(&layout, &overlay, &error));
    assert_int_equal(overlay_count(overlay), 3);
    assert_file(server.at, "var/odd name/file", "odd\n");
    ASSERT_DONE(overlay_close(overlay, &error));
    strings_free(&mounts);
    assert_int_equal(umount(odd), 0);
    remove_server(&server, true);
}

static void test_fails_whole(void **state)
{
    (void)state;
    struct server server = make_server(false);
    struct strings mounts = {0};
    struct overlay *overlay = NULL;
    ASSERT_DONE(strings_add(&mounts, "app", &error));
    ASSERT_DONE(strings_add(&mounts, "no/such/mount", &error));
    struct overlay_layout layout = {
        .root_path = server.root, .mounts = &mounts, .scratch_path = server.scratch, .at_path = server.at};
    assert_int_equal(overlay_open(&layout, &overlay, &error), -1);
    assert_null(overlay);
    assert_int_equal(error.code, CSN_TARGET_NAMESPACE);
    assert_non_null(strstr(error.message, "no/such/mount"));
    assert_int_equal(rmdir(server.at), 0);
    assert_int_equal(rmdir(server.scratch), 0);
    strings_free(&mounts);
    remove_server(&server, false);
}

static void test_busy_is_told(void **state)
{
    (void)state;
    struct server server = make_server(false);
    struct overlay *overlay = NULL;
    struct overlay_layout layout = {.root_path = server.root, .scratch_path = server.scratch, .at_path = server.at};
    ASSERT_DONE(overlay_open(&layout, &overlay, &error));
    int fd = open(server.at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(overlay_close(overlay, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_NAMESPACE);
    assert_non_null(strstr(error.message, "busy"));
    close(fd);
    assert_int_equal(rmdir(server.at), 0);
    remove_server(&server, false);
}

static void test_fat_is_shown_read_only(void **state)
{
    (void)state;
    struct server server = make_server(false);
    char script[8192];
    room_make(server.folder, "root/efi");
    snprintf(script, sizeof script,
             "cd %s && truncate -s 2M efi.img && mkfs.vfat efi.img >/dev/null && mount -o loop efi.img root/efi && "
             "echo boot >root/efi/loader",
             server.folder);
    assert_int_equal(system(script), 0);
    struct overlay *overlay = NULL;
    struct overlay_layout layout = {.root_path = server.root, .at_path = server.at};
    ASSERT_DONE(overlay_open(&layout, &overlay, &error));
    assert_int_equal(overlay_upper_fd(overlay, 1), -1);
    assert_file(server.at, "efi/loader", "boot\n");
    char path[4096];
    join(path, server.at, "efi/more");
    assert_int_equal(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644), -1);
    assert_int_equal(errno, EROFS);
    struct view_layout inner = {.root_path = server.at};
    struct view *view = NULL;
    ASSERT_DONE(view_open(&inner, &view, &error));
    assert_file(view_root_path(view), "efi/loader", "boot\n");
    assert_int_equal(view_layer_upper_fd(view, 1), -1);
    ASSERT_DONE(view_close(view, &error));
    ASSERT_DONE(overlay_close(overlay, &error));
    snprintf(script, sizeof script, "umount %s/root/efi", server.folder);
    assert_int_equal(system(script), 0);
    remove_server(&server, false);
}

static bool mounted_with(const char *at, const char *option)
{
    char line[8192];
    bool found = false;
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    assert_non_null(mounts);
    while (fgets(line, sizeof line, mounts) != NULL) {
        const char *place = strstr(line, at);
        if (place != NULL && place[strlen(at)] == ' ') {
            found = strstr(line, option) != NULL;
        }
    }
    fclose(mounts);
    return found;
}

/* What the journal of a rehearsal recognises folders by. */
static void test_stable_inodes(void **state)
{
    (void)state;
    for (int stable = 0; stable < 2; stable++) {
        struct server server = make_server(false);
        struct overlay *overlay = NULL;
        struct overlay_layout layout = {.root_path = server.root, .at_path = server.at, .stable_inodes = stable != 0};
        ASSERT_DONE(overlay_open(&layout, &overlay, &error));
        assert_int_equal(mounted_with(server.at, "xino=on"), stable);
        assert_file(server.at, "app/version", "1\n");
        ASSERT_DONE(overlay_close(overlay, &error));
        remove_server(&server, false);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    room_need_root(argv);
    const struct CMUnitTest everywhere[] = {
        cmocka_unit_test(test_keeps_attributes), cmocka_unit_test(test_finds_mounts),
        cmocka_unit_test(test_fails_whole),      cmocka_unit_test(test_busy_is_told),
        cmocka_unit_test(test_stable_inodes),
    };
    const struct CMUnitTest as_root[] = {cmocka_unit_test(test_exchange)};
    const struct CMUnitTest as_user[] = {cmocka_unit_test(test_without_renames)};
    const struct CMUnitTest with_fat[] = {cmocka_unit_test(test_fat_is_shown_read_only)};
    int failed = cmocka_run_group_tests_name("overlay", everywhere, NULL, NULL);
    failed += overlay_can_rename() ? cmocka_run_group_tests_name("overlay as root", as_root, NULL, NULL)
                                   : cmocka_run_group_tests_name("overlay as a user", as_user, NULL, NULL);
    if (room_is_real_root() && system("grep -qw vfat /proc/filesystems") == 0) {
        failed += cmocka_run_group_tests_name("overlay over FAT", with_fat, NULL, NULL);
    }
    return failed;
}
