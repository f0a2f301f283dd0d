/* Removing: everything below, nothing beside, never through a link or a mount. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/fixture.h"
#include "tree/remove.h"

struct told {
    const struct fixture *fixture;
    uint64_t calls;
    uint64_t done;
    uint64_t total;
};

static void count(void *context, const struct progress_state *progress)
{
    struct told *told = context;
    told->calls++;
    told->done = progress->done_items;
    told->total = progress->total_items;
}

static void all_of_it_goes_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct told told = {0};
    const struct progress progress = {.tell = count, .context = &told};
    fixture_rich(fixture->fd);
    fixture_folder(fixture->fd, "beside", 0755);
    fixture_file(fixture->fd, "beside/kept", "kept", 0644);
    fixture_link(fixture->fd, "tree/to-folder", "../beside");
    fixture_hardlink(fixture->fd, "beside/kept", "tree/hard");
    assert_int_equal(tree_remove(fixture->fd, "/tree", &progress, &error), 0);
    assert_false(fixture_exists(fixture->fd, "tree"));
    assert_true(fixture_exists(fixture->fd, "beside/kept"));
    assert_true(told.calls > 20 && told.done == told.total && told.calls == told.total);
    /* What is not there is removed. */
    assert_int_equal(tree_remove(fixture->fd, "tree", NULL, &error), 0);
    assert_int_equal(tree_remove(fixture->fd, "none/tree", NULL, &error), 0);
}

static void single_names(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    fixture_folder(fixture->fd, "beside", 0755);
    fixture_file(fixture->fd, "beside/kept", "kept", 0644);
    fixture_link(fixture->fd, "link", "beside");
    fixture_file(fixture->fd, "file", "", 0644);
    assert_int_equal(tree_remove(fixture->fd, "link", NULL, &error), 0);
    assert_int_equal(tree_remove(fixture->fd, "file", NULL, &error), 0);
    assert_false(fixture_exists(fixture->fd, "link"));
    assert_false(fixture_exists(fixture->fd, "file"));
    assert_true(fixture_exists(fixture->fd, "beside/kept"));
}

static void a_whole_root_is_refused(void **state)
{
    static const char *const paths[] = {"", "/", ".", "./", "//", "..", "/.."};
    struct fixture *fixture = *state;
    fixture_file(fixture->fd, "kept", "", 0644);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct error error = {0};
        assert_int_equal(tree_remove(fixture->fd, paths[i], NULL, &error), -1);
        assert_int_equal(error.code, CSN_INTERNAL);
    }
    assert_true(fixture_exists(fixture->fd, "kept"));
}

static void any_depth(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    fixture_folder(fixture->fd, "t", 0755);
    int fd = openat(fixture->fd, "t", O_RDONLY | O_DIRECTORY);
    fixture_deep(fd, 20000);
    close(fd);
    assert_int_equal(tree_remove(fixture->fd, "t", NULL, &error), 0);
    assert_false(fixture_exists(fixture->fd, "t"));
}

static void mounts_stop_it_before_anything_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    if (!fixture_is_root()) {
        skip();
    }
    fixture_folder(fixture->fd, "t", 0755);
    fixture_file(fixture->fd, "t/a", "", 0644);
    if (!fixture_tmpfs(fixture, "t/m", 1 << 20)) {
        skip();
    }
    fixture_file(fixture->fd, "t/m/data", "", 0644);
    assert_int_equal(tree_remove(fixture->fd, "t", NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_WRITE);
    assert_string_equal(error.message, "removing t: something is mounted at m in it; nothing was removed");
    assert_true(fixture_exists(fixture->fd, "t/a") && fixture_exists(fixture->fd, "t/m/data"));
    assert_int_equal(tree_remove(fixture->fd, "t/m", NULL, &error), -1);
    assert_string_equal(error.message, "removing t/m: it is a mount point; nothing was removed");
    assert_true(fixture_exists(fixture->fd, "t/m/data"));
    fixture_unmount(fixture, "t/m");
    assert_int_equal(tree_remove(fixture->fd, "t", NULL, &error), 0);
}

static void swap(void *context, const struct progress_state *progress)
{
    struct told *told = context;
    (void)progress;
    if (told->calls++ == 0) {
        assert_int_equal(renameat(told->fixture->fd, "t/b", told->fixture->fd, "aside"), 0);
        fixture_link(told->fixture->fd, "t/b", "../beside");
    }
}

static void a_folder_swapped_for_a_link_is_not_followed(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct told told = {.fixture = fixture};
    const struct progress progress = {.tell = swap, .context = &told};
    fixture_folder(fixture->fd, "t", 0755);
    fixture_file(fixture->fd, "t/a", "", 0644);
    fixture_folder(fixture->fd, "t/b", 0755);
    fixture_file(fixture->fd, "t/b/inside", "", 0644);
    fixture_folder(fixture->fd, "beside", 0755);
    fixture_file(fixture->fd, "beside/kept", "", 0644);
    assert_int_equal(tree_remove(fixture->fd, "t", &progress, &error), 0);
    assert_false(fixture_exists(fixture->fd, "t"));
    assert_true(fixture_exists(fixture->fd, "beside/kept"));
    assert_true(fixture_exists(fixture->fd, "aside/inside"));
}

static int as_nobody(const struct fixture *fixture)
{
    struct error error = {0};
    if (mkdirat(fixture->fd, "mine", 0700) != 0 || mkdirat(fixture->fd, "mine/shut", 0500) != 0) {
        return 1;
    }
    int fd = openat(fixture->fd, "mine/shut", O_RDONLY | O_DIRECTORY);
    if (fd < 0 || fchmod(fd, 0700) != 0 || mkdirat(fd, "inner", 0700) != 0 || fchmod(fd, 0500) != 0) {
        return 2;
    }
    close(fd);
    if (tree_remove(fixture->fd, "mine", NULL, &error) != 0 || fixture_exists(fixture->fd, "mine")) {
        return 3;
    }
    /* Somebody else's is not ours to remove, and that is said. */
    if (tree_remove(fixture->fd, "theirs", NULL, &error) != -1 || error.code != CSN_TREE_WRITE ||
        strstr(error.message, "theirs/file") == NULL) {
        return 4;
    }
    return 0;
}

static void without_root(void **state)
{
    struct fixture *fixture = *state;
    if (!fixture_is_root()) {
        skip();
    }
    assert_int_equal(fchmod(fixture->fd, 0777), 0);
    fixture_folder(fixture->fd, "theirs", 0755);
    fixture_file(fixture->fd, "theirs/file", "", 0644);
    fixture_as_nobody(as_nobody, fixture);
    assert_true(fixture_exists(fixture->fd, "theirs/file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_of_it_goes_and_nothing_else, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(single_names, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_whole_root_is_refused, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(any_depth, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(mounts_stop_it_before_anything_is_gone, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_folder_swapped_for_a_link_is_not_followed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(without_root, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/remove", tests, NULL, NULL);
}
