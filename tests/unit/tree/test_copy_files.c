/* Large files are copied by several threads: whole, counted, and nothing is left open where one of them fails. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/compare.h"
#include "tree/copy.h"
#include "tree/fixture.h"

#define MIB ((size_t)1 << 20)
#define FILES 40

/* Files of 1 to 3 MiB, each with bytes of its own, in folders that nobody may write to; one has two names. Returns their bytes. */
static uint64_t make_large(int dir_fd)
{
    unsigned char *bytes = malloc(3 * MIB);
    uint32_t random = 1;
    uint64_t sum = 0;
    char path[40];
    for (size_t i = 0; i < 3 * MIB; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(random >> 24);
    }
    fixture_folder(dir_fd, "t", 0755);
    for (size_t i = 0; i < FILES; i++) {
        if (i % 8 == 0) {
            snprintf(path, sizeof path, "t/%zu", i / 8);
            fixture_folder(dir_fd, path, 0755);
        }
        size_t size_bytes = MIB + i * (2 * MIB / FILES);
        bytes[i] = (unsigned char)i;
        snprintf(path, sizeof path, "t/%zu/%zu", i / 8, i);
        fixture_bytes(dir_fd, path, bytes, size_bytes, i % 2 == 0 ? 0444 : 0640);
        fixture_time(dir_fd, path, 1500000000 + (int64_t)i, (long)i);
        sum += size_bytes;
    }
    fixture_xattr(dir_fd, "t/1/9", "user.colour", "red", 3);
    fixture_hardlink(dir_fd, "t/1/9", "t/4/again");
    for (size_t i = 0; i < FILES / 8; i++) {
        snprintf(path, sizeof path, "t/%zu", i);
        assert_int_equal(fchmodat(dir_fd, path, 0555, 0), 0);
        fixture_time(dir_fd, path, 1400000000, 7);
    }
    free(bytes);
    return sum;
}

static size_t open_files(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void all_of_them(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct tree_copy_report report;
    struct tree_compare_counts counts;
    const struct tree_copy_options options = {0};
    const struct tree_compare_options comparison = {0};
    uint64_t bytes = make_large(fixture->fd);
    size_t before = open_files();
    if (tree_copy(fixture->fd, "t", fixture->fd, "c", &options, NULL, &report, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(open_files(), before);
    assert_int_equal(report.files, FILES);
    assert_int_equal(report.hardlinks, 1);
    assert_int_equal(report.copied_bytes + report.shared_bytes, bytes);
    assert_int_equal(tree_compare(fixture->fd, "t", fixture->fd, "c", &comparison, NULL, NULL, NULL, &counts, &error),
                     0);
    assert_true(tree_compare_is_equal(&counts));
    assert_int_equal(counts.both, 1 + FILES / 8 + FILES + 1);
}

static void a_full_disk_leaves_nothing_open(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct tree_copy_report report;
    const struct tree_copy_options options = {0};
    fixture_folder(fixture->fd, "small", 0755);
    if (!fixture_tmpfs(fixture, "small", 20 * MIB)) {
        skip();
    }
    uint64_t bytes = make_large(fixture->fd);
    size_t before = open_files();
    assert_int_equal(tree_copy(fixture->fd, "t", fixture->fd, "small/c", &options, NULL, &report, &error), -1);
    assert_int_equal(error.code, CSN_NO_SPACE);
    assert_non_null(strstr(error.message, "writing the copy of "));
    assert_int_equal(open_files(), before);
    assert_true(report.files < FILES && report.copied_bytes < bytes);
    fixture_unmount(fixture, "small");
}

static int copy_as_nobody(const struct fixture *fixture)
{
    struct error error = {0};
    struct tree_copy_report report;
    struct tree_copy_options options = {0};
    if (tree_copy(fixture->fd, "t", fixture->fd, "strict", &options, NULL, NULL, &error) != -1 ||
        error.code != CSN_TREE_ATTRIBUTE) {
        return 1;
    }
    options.tolerate_refusals = true;
    if (tree_copy(fixture->fd, "t", fixture->fd, "lax", &options, NULL, &report, &error) != 0) {
        return 2;
    }
    return report.files == FILES && report.tolerated.owners == FILES + FILES / 8 + 1 ? 0 : 3;
}

static void refusals_are_counted_in_each_thread(void **state)
{
    struct fixture *fixture = *state;
    if (!fixture_is_root()) {
        skip();
    }
    assert_int_equal(fchmod(fixture->fd, 0777), 0);
    make_large(fixture->fd);
    for (size_t i = 1; i < FILES; i += 2) {
        char path[40];
        snprintf(path, sizeof path, "t/%zu/%zu", i / 8, i);
        assert_int_equal(fchmodat(fixture->fd, path, 0644, 0), 0);
    }
    fixture_as_nobody(copy_as_nobody, fixture);
}

struct watcher {
    uint64_t last;
    uint64_t told;
};

static void watch(void *context, const struct progress_state *progress)
{
    struct watcher *watcher = context;
    if (strcmp(progress->doing, TREE_COPY_DOING) == 0) {
        assert_true(progress->done_bytes >= watcher->last && progress->done_bytes <= progress->total_bytes);
        watcher->last = progress->done_bytes;
        watcher->told++;
    }
}

static void progress_never_goes_back(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct watcher watcher = {0};
    const struct progress progress = {.tell = watch, .context = &watcher};
    const struct tree_copy_options options = {.total_bytes = make_large(fixture->fd)};
    assert_int_equal(tree_copy(fixture->fd, "t", fixture->fd, "c", &options, &progress, NULL, &error), 0);
    assert_true(watcher.told >= FILES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_of_them, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_nothing_open, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refusals_are_counted_in_each_thread, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(progress_never_goes_back, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/copy_files", tests, NULL, NULL);
}
