/* A copy that nothing tells from the first, and what happens when it cannot be made. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/compare.h"
#include "tree/copy.h"
#include "tree/fixture.h"

static int print_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    char text[128];
    (void)context;
    (void)error;
    tree_aspects_text(difference->aspects, text, sizeof text);
    print_error("%s: %s\n", difference->path, text);
    return 0;
}

static void assert_same(const struct fixture *fixture, const char *a, const char *b)
{
    struct tree_compare_counts counts;
    struct error error = {0};
    const struct tree_compare_options options = {0};
    if (tree_compare(fixture->fd, a, fixture->fd, b, &options, print_difference, NULL, NULL, &counts, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_true(counts.both > 0);
    assert_true(tree_compare_is_equal(&counts));
}

static struct stat status_of(int fd, const char *path)
{
    struct stat status;
    assert_int_equal(fstatat(fd, path, &status, AT_SYMLINK_NOFOLLOW), 0);
    return status;
}

/* The judge of the other tests is compare.c, so here the system's own calls look. */
static void everything_survives(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct tree_copy_report report;
    const struct tree_copy_options options = {0};
    char value[64];
    fixture_rich(fixture->fd);
    if (tree_copy(fixture->fd, "tree", fixture->fd, "copy", &options, NULL, &report, &error) != 0) {
        fail_msg("%s", error.message);
    }
    int fd = openat(fixture->fd, "copy", O_RDONLY | O_DIRECTORY);
    struct stat plain = status_of(fd, "plain");
    assert_int_equal(plain.st_nlink, 3);
    assert_true(plain.st_ino == status_of(fd, "closed/plain-again").st_ino);
    assert_true(plain.st_ino == status_of(fd, "zz-plain-again").st_ino);
    assert_true(plain.st_ino != status_of(fixture->fd, "tree/plain").st_ino);
    assert_true(plain.st_mtim.tv_sec == 1234567890 && plain.st_mtim.tv_nsec == 987654321);
    assert_true(status_of(fd, "hard-symlink").st_ino == status_of(fd, "dangling").st_ino);
    struct stat sparse = status_of(fd, "sparse");
    assert_int_equal(sparse.st_size, 24 << 20);
    assert_true(sparse.st_blocks * 512 < 1 << 20);
    assert_true(sparse.st_mtim.tv_sec == -5);
    assert_int_equal(status_of(fd, "hollow").st_mode & 07777, 01777);
    struct stat closed = status_of(fd, "closed");
    assert_true((closed.st_mode & 07777) == 0555 && closed.st_mtim.tv_sec == 1700000000 && closed.st_mtim.tv_nsec == 5);
    struct stat top = status_of(fixture->fd, "copy");
    assert_true(top.st_mtim.tv_sec == 1600000000 && top.st_mtim.tv_nsec == 123456789);
    assert_true(fixture_exists(fd, "names/\xff\xfe\x80") && fixture_exists(fd, "names/new\nline"));
    snprintf(value, sizeof value, "/proc/self/fd/%d/with-acl", fd);
    assert_int_equal(lgetxattr(value, "system.posix_acl_access", NULL, 0), 44);
    if (fixture_is_root()) {
        struct stat setuid_file = status_of(fd, "setuid");
        assert_true((setuid_file.st_mode & 07777) == 06755 && setuid_file.st_uid == 1234 && setuid_file.st_gid == 5678);
        assert_true(status_of(fd, "block").st_rdev == status_of(fixture->fd, "tree/block").st_rdev);
        snprintf(value, sizeof value, "/proc/self/fd/%d/with-capability", fd);
        assert_int_equal(lgetxattr(value, "security.capability", NULL, 0), 20);
    }
    assert_same(fixture, "tree", "copy");
    assert_int_equal(report.hardlinks, 3);
    assert_true(report.copied_bytes + report.shared_bytes > 0 && report.copied_bytes < 1 << 20);
    assert_int_equal(report.tolerated.owners + report.tolerated.xattrs + report.tolerated.devices, 0);
    close(fd);
}

static void the_destination_may_be_an_empty_root(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct tree_copy_options options = {.into_existing = true};
    unsigned char acl[44];
    fixture_rich(fixture->fd);
    fixture_folder(fixture->fd, "scratch", 0700);
    fixture_xattr(fixture->fd, "scratch", "system.posix_acl_default", acl, fixture_acl(acl, 4712, 7));
    int scratch = openat(fixture->fd, "scratch", O_RDONLY | O_DIRECTORY);
    assert_int_equal(tree_copy(fixture->fd, "tree", scratch, "/", &options, NULL, NULL, &error), 0);
    assert_same(fixture, "tree", "scratch");
    /* A second time everything is there already. */
    assert_int_equal(tree_copy(fixture->fd, "tree", scratch, "", &options, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_WRITE);
    assert_non_null(strstr(error.message, "it is not empty"));
    assert_same(fixture, "tree", "scratch");
    close(scratch);
    options.into_existing = false;
    assert_int_equal(tree_copy(fixture->fd, "tree", fixture->fd, "scratch", &options, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_WRITE);
    assert_non_null(strstr(error.message, "File exists"));
    assert_same(fixture, "tree", "scratch");
}

static void an_inherited_acl_does_not_spread(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    const struct tree_copy_options options = {0};
    unsigned char acl[44];
    fixture_rich(fixture->fd);
    fixture_folder(fixture->fd, "holder", 0755);
    fixture_xattr(fixture->fd, "holder", "system.posix_acl_default", acl, fixture_acl(acl, 4712, 7));
    assert_int_equal(tree_copy(fixture->fd, "tree", fixture->fd, "holder/copy", &options, NULL, NULL, &error), 0);
    assert_same(fixture, "tree", "holder/copy");
    /* A single file, too. */
    assert_int_equal(tree_copy(fixture->fd, "tree/plain", fixture->fd, "holder/plain", &options, NULL, NULL, &error),
                     0);
    assert_same(fixture, "tree/plain", "holder/plain");
    assert_int_equal(tree_copy(fixture->fd, "tree/link", fixture->fd, "holder/link", &options, NULL, NULL, &error), 0);
    assert_same(fixture, "tree/link", "holder/link");
}

static void holes_stay_holes(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    const struct tree_copy_options options = {0};
    fixture_folder(fixture->fd, "t", 0755);
    fixture_file(fixture->fd, "t/all-hole", "", 0644);
    fixture_file(fixture->fd, "t/end-hole", "data", 0644);
    fixture_file(fixture->fd, "t/zeroes", "", 0644);
    int fd = openat(fixture->fd, "t/all-hole", O_WRONLY);
    assert_int_equal(ftruncate(fd, 10 << 20), 0);
    close(fd);
    fd = openat(fixture->fd, "t/end-hole", O_WRONLY);
    assert_int_equal(ftruncate(fd, (10 << 20) + 1), 0);
    close(fd);
    char *zeroes = calloc(1, 3 << 20); /* written zeroes are no hole */
    fd = openat(fixture->fd, "t/zeroes", O_WRONLY);
    assert_int_equal(write(fd, zeroes, 3 << 20), 3 << 20);
    assert_int_equal(fsync(fd), 0);
    close(fd);
    free(zeroes);
    assert_int_equal(tree_copy(fixture->fd, "t", fixture->fd, "c", &options, NULL, NULL, &error), 0);
    assert_int_equal(status_of(fixture->fd, "c/all-hole").st_blocks, 0);
    assert_true(status_of(fixture->fd, "c/end-hole").st_blocks * 512 <= 65536);
    assert_true(status_of(fixture->fd, "c/zeroes").st_blocks * 512 >= 3 << 20);
    assert_same(fixture, "t", "c");
}

static void any_depth(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    const struct tree_copy_options options = {0};
    struct tree_copy_report report;
    fixture_folder(fixture->fd, "t", 0755);
    int fd = openat(fixture->fd, "t", O_RDONLY | O_DIRECTORY);
    size_t folders = fixture_deep(fd, 12000);
    fixture_file(fd, "a-first", "linked from below\n", 0600);
    /* A hard link from far below PATH_MAX's reach. */
    int at = dup(fd);
    char name[201];
    memset(name, 'd', 200);
    name[200] = '\0';
    for (size_t i = 0; i < folders; i++) {
        int next = openat(at, name, O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(at);
        at = next;
    }
    assert_int_equal(linkat(at, "end", fd, "z-last", 0), 0);
    assert_int_equal(linkat(fd, "a-first", at, "first-again", 0), 0);
    close(at);
    close(fd);
    assert_int_equal(tree_copy(fixture->fd, "t", fixture->fd, "c", &options, NULL, &report, &error), 0);
    assert_int_equal(report.items, folders + 5);
    assert_int_equal(report.hardlinks, 2);
    assert_same(fixture, "t", "c");
}

static void excludes_are_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct strings excludes = {0};
    assert_int_equal(strings_split(&excludes, "names/*, **/plain-again, sparse", ",", &error), 0);
    const struct tree_copy_options options = {.excludes = &excludes};
    fixture_rich(fixture->fd);
    assert_int_equal(tree_copy(fixture->fd, "tree", fixture->fd, "copy", &options, NULL, NULL, &error), 0);
    assert_true(fixture_exists(fixture->fd, "copy/names"));
    assert_false(fixture_exists(fixture->fd, "copy/names/-rf"));
    assert_false(fixture_exists(fixture->fd, "copy/closed/plain-again"));
    assert_false(fixture_exists(fixture->fd, "copy/sparse"));
    assert_true(fixture_exists(fixture->fd, "copy/closed/inside"));
    strings_free(&excludes);
}

static void missing_things(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    const struct tree_copy_options options = {0};
    fixture_folder(fixture->fd, "t", 0755);
    assert_int_equal(tree_copy(fixture->fd, "none", fixture->fd, "c", &options, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_false(fixture_exists(fixture->fd, "c"));
    assert_int_equal(tree_copy(fixture->fd, "t", fixture->fd, "none/c", &options, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
}

static void a_full_disk_is_said(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    const struct tree_copy_options options = {0};
    if (!fixture_is_root() || !fixture_tmpfs(fixture, "small", 256 << 10)) {
        skip();
    }
    fixture_folder(fixture->fd, "t", 0755);
    fixture_file(fixture->fd, "t/a", "fits\n", 0644);
    char *large = malloc(1 << 20);
    memset(large, 'x', 1 << 20);
    fixture_bytes(fixture->fd, "t/large", large, 1 << 20, 0644);
    free(large);
    assert_int_equal(tree_copy(fixture->fd, "t", fixture->fd, "small/c", &options, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_NO_SPACE);
    assert_non_null(strstr(error.message, "large"));
    fixture_unmount(fixture, "small");
}

static void across_file_systems(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    const struct tree_copy_options options = {.one_file_system = true};
    if (!fixture_is_root() || !fixture_tmpfs(fixture, "other", 64 << 20)) {
        skip();
    }
    fixture_rich(fixture->fd);
    assert_int_equal(tree_copy(fixture->fd, "tree", fixture->fd, "other/copy", &options, NULL, NULL, &error), 0);
    assert_same(fixture, "tree", "other/copy");
    /* A mount inside the source becomes an empty folder. */
    fixture_folder(fixture->fd, "holder", 0755);
    assert_true(fixture_tmpfs(fixture, "holder/mounted", 1 << 20));
    fixture_file(fixture->fd, "holder/mounted/not-mine", "", 0644);
    assert_int_equal(tree_copy(fixture->fd, "holder", fixture->fd, "holder-copy", &options, NULL, NULL, &error), 0);
    assert_true(fixture_exists(fixture->fd, "holder-copy/mounted"));
    assert_false(fixture_exists(fixture->fd, "holder-copy/mounted/not-mine"));
    fixture_unmount(fixture, "holder/mounted");
    fixture_unmount(fixture, "other");
}

/* The visitor of the walk inside tree_copy is ours to disturb through the progress: it is told after each file. */
struct disturbance {
    const struct fixture *fixture;
    uint64_t told;
};

static void disturb(void *context, const struct progress_state *progress)
{
    struct disturbance *disturbance = context;
    if (strcmp(progress->doing, TREE_COPY_DOING) != 0) {
        return;
    }
    if (disturbance->told++ == 0) {
        assert_int_equal(renameat(disturbance->fixture->fd, "t/b", disturbance->fixture->fd, "aside"), 0);
        fixture_link(disturbance->fixture->fd, "t/b", "../secret");
    }
}

static void a_folder_swapped_for_a_link_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    struct disturbance disturbance = {.fixture = fixture};
    const struct progress progress = {.tell = disturb, .context = &disturbance};
    struct error error = {0};
    const struct tree_copy_options options = {0};
    fixture_folder(fixture->fd, "t", 0755);
    fixture_file(fixture->fd, "t/a", "first\n", 0644);
    fixture_folder(fixture->fd, "t/b", 0755);
    fixture_folder(fixture->fd, "secret", 0755);
    fixture_file(fixture->fd, "secret/secret", "secret\n", 0644);
    /* It was swapped before it was looked at: the copy has the link, not what it points to. */
    assert_int_equal(tree_copy(fixture->fd, "t", fixture->fd, "c", &options, &progress, NULL, &error), 0);
    assert_true(S_ISLNK(status_of(fixture->fd, "c/b").st_mode));
    assert_int_equal(disturbance.told, 2);
}

static int copy_as_nobody(const struct fixture *fixture)
{
    struct error error = {0};
    struct tree_copy_report report;
    struct tree_copy_options options = {0};
    if (tree_copy(fixture->fd, "t", fixture->fd, "strict", &options, NULL, NULL, &error) != -1 ||
        error.code != CSN_PRIVILEGE || strstr(error.message, "device") == NULL) {
        return 1;
    }
    options.tolerate_refusals = true;
    if (tree_copy(fixture->fd, "t", fixture->fd, "lax", &options, NULL, &report, &error) != 0) {
        return 2;
    }
    struct stat status;
    if (fstatat(fixture->fd, "lax/setuid", &status, 0) != 0 || (status.st_mode & 07777) != 0755) {
        return 3;
    }
    if (fixture_exists(fixture->fd, "lax/device") || fixture_exists(fixture->fd, "lax/device-again")) {
        return 4;
    }
    /* Five names have an owner: the top, the folder, two files, and none for what could not be made. */
    bool is_counted = report.tolerated.owners == 4 && report.tolerated.modes == 1 && report.tolerated.devices == 2;
    return is_counted && fixture_exists(fixture->fd, "lax/folder/file") ? 0 : 5;
}

static void without_root_refusals_are_counted(void **state)
{
    struct fixture *fixture = *state;
    if (!fixture_is_root()) {
        skip();
    }
    assert_int_equal(fchmod(fixture->fd, 0777), 0);
    fixture_folder(fixture->fd, "t", 0755);
    fixture_file(fixture->fd, "t/setuid", "x", 04755);
    fixture_folder(fixture->fd, "t/folder", 0755);
    fixture_file(fixture->fd, "t/folder/file", "x", 0644);
    assert_int_equal(mknodat(fixture->fd, "t/device", S_IFCHR | 0600, 0x103), 0);
    fixture_hardlink(fixture->fd, "t/device", "t/device-again");
    fixture_as_nobody(copy_as_nobody, fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_survives, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_destination_may_be_an_empty_root, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_inherited_acl_does_not_spread, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(holes_stay_holes, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(any_depth, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(excludes_are_left_out, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(missing_things, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_said, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(across_file_systems, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_folder_swapped_for_a_link_is_not_followed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(without_root_refusals_are_counted, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/copy", tests, NULL, NULL);
}
