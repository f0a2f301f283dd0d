/* The judge: every kind of difference is found, and nothing else. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buffer.h"
#include "lib/process.h"
#include "tree/compare.h"
#include "tree/fixture.h"

static int write_down(void *context, const struct tree_difference *difference, struct error *error)
{
    char text[128];
    (void)error;
    tree_aspects_text(difference->aspects, text, sizeof text);
    buffer_format(context, "%s: %s\n", difference->path, text);
    assert_int_equal(difference->a == NULL, difference->aspects == TREE_ASPECT_ONLY_B);
    assert_int_equal(difference->b == NULL, difference->aspects == TREE_ASPECT_ONLY_A);
    return 0;
}

static void check(const struct fixture *fixture, const struct tree_compare_options *options, const char *wanted)
{
    struct tree_compare_counts counts;
    struct error error = {0};
    struct buffer text = {0};
    if (tree_compare(fixture->fd, "a", fixture->fd, "b", options, write_down, &text, NULL, &counts, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(buffer_text(&text), wanted);
    assert_int_equal(tree_compare_is_equal(&counts), wanted[0] == '\0');
    struct tree_compare_counts silent;
    assert_int_equal(tree_compare(fixture->fd, "a", fixture->fd, "b", options, NULL, NULL, NULL, &silent, &error), 0);
    assert_memory_equal(&counts, &silent, sizeof counts);
    buffer_free(&text);
}

/* Two equal trees, made by cp and not by the code under test. */
static void make_pair(const struct fixture *fixture)
{
    char a[128];
    char b[128];
    int status = -1;
    struct error error = {0};
    fixture_rich(fixture->fd);
    assert_int_equal(renameat(fixture->fd, "tree", fixture->fd, "a"), 0);
    snprintf(a, sizeof a, "%s/a", fixture->path);
    snprintf(b, sizeof b, "%s/b", fixture->path);
    const char *const command[] = {"cp", "-a", a, b, NULL};
    assert_int_equal(process_run(command, NULL, 60, NULL, &status, &error), 0);
    assert_int_equal(status, 0);
}

static void change(const struct fixture *fixture, const char *path, const char *content)
{
    struct stat status;
    assert_int_equal(fstatat(fixture->fd, path, &status, 0), 0);
    int fd = openat(fixture->fd, path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, content, strlen(content), 0), (ssize_t)strlen(content));
    close(fd);
    fixture_time(fixture->fd, path, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

static const struct tree_compare_options everything;
static const struct tree_compare_options lax = {.ignore_folder_mtime = true};

static void equal_trees_are_equal(void **state)
{
    make_pair(*state);
    check(*state, &everything, "");
}

static void single_differences(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture);
    change(fixture, "b/plain", "Plain\n"); /* the same size, the same time */
    check(fixture, &everything, "closed/plain-again: content\nplain: content\nzz-plain-again: content\n");
    change(fixture, "b/plain", "plain\n");
    check(fixture, &everything, "");
    fixture_time(fixture->fd, "b/fifo", 5, 0);
    fixture_time(fixture->fd, "a/fifo", 5, 1);
    check(fixture, &everything, "fifo: mtime\n");
    fixture_time(fixture->fd, "a/fifo", 5, 0);
    assert_int_equal(fchmodat(fixture->fd, "b/hollow", 0777, 0), 0);
    check(fixture, &everything, "hollow: mode\n");
    assert_int_equal(fchmodat(fixture->fd, "b/hollow", 01777, 0), 0);
    fixture_xattr(fixture->fd, "b/names", "user.on-folder", "yet", 3);
    check(fixture, &everything, "names: xattrs\n");
    fixture_xattr(fixture->fd, "b/names", "user.on-folder", "yes", 3);
    unsigned char acl[44];
    fixture_xattr(fixture->fd, "b/with-acl", "system.posix_acl_access", acl, fixture_acl(acl, 4711, 7));
    check(fixture, &everything, "with-acl: xattrs\n");
    fixture_xattr(fixture->fd, "b/with-acl", "system.posix_acl_access", acl, fixture_acl(acl, 4711, 6));
    fixture_time(fixture->fd, "b/hollow", 1, 1);
    check(fixture, &everything, "hollow: mtime\n");
    check(fixture, &lax, "");
    if (fixture_is_root()) {
        assert_int_equal(fchownat(fixture->fd, "b/dangling", 1, 2, AT_SYMLINK_NOFOLLOW), 0);
        check(fixture, &lax, "dangling: owner\nhard-symlink: owner\n");
        const struct tree_compare_options no_owner = {.ignore_folder_mtime = true, .ignored = TREE_ASPECT_OWNER};
        check(fixture, &no_owner, "");
    }
}

static void types_targets_and_devices(void **state)
{
    struct fixture *fixture = *state;
    make_pair(fixture);
    fixture_unlink(fixture->fd, "b/socket");
    fixture_file(fixture->fd, "b/socket", "", 0600);
    fixture_unlink(fixture->fd, "b/link");
    fixture_link(fixture->fd, "b/link", "empty");
    const struct tree_compare_options options = {.ignored = TREE_ASPECT_MTIME | TREE_ASPECT_OWNER,
                                                 .ignore_folder_mtime = true};
    check(fixture, &options, "link: target\nsocket: type\n");
    if (fixture_is_root()) {
        fixture_unlink(fixture->fd, "b/block");
        assert_int_equal(mknodat(fixture->fd, "b/block", S_IFBLK | 0660, 0x801), 0);
        assert_int_equal(fchmodat(fixture->fd, "b/block", 0660, 0), 0);
        check(fixture, &options, "block: device\nlink: target\nsocket: type\n");
    }
}

static void one_sided_trees(void **state)
{
    struct fixture *fixture = *state;
    fixture_folder(fixture->fd, "a", 0755);
    fixture_folder(fixture->fd, "b", 0755);
    fixture_folder(fixture->fd, "a/x", 0755);
    fixture_file(fixture->fd, "a/x/1", "1", 0644);
    fixture_file(fixture->fd, "a/x.y", "", 0644);
    fixture_file(fixture->fd, "b/x", "a file here", 0755);
    fixture_file(fixture->fd, "b/last", "", 0644);
    const struct tree_compare_options options = {.ignored = TREE_ASPECT_MTIME};
    check(fixture, &options, "last: only in second\nx: type\nx/1: only in first\nx.y: only in first\n");
    struct strings excludes = {0};
    struct error error = {0};
    assert_int_equal(strings_split(&excludes, "x*, last", ",", &error), 0);
    const struct tree_compare_options none = {.ignored = TREE_ASPECT_MTIME, .excludes = &excludes};
    check(fixture, &none, "");
    strings_free(&excludes);
}

static void large_files_to_their_last_byte(void **state)
{
    struct fixture *fixture = *state;
    size_t size_bytes = (1 << 20) + 17;
    char *bytes = calloc(1, size_bytes);
    fixture_folder(fixture->fd, "a", 0755);
    fixture_folder(fixture->fd, "b", 0755);
    fixture_bytes(fixture->fd, "a/large", bytes, size_bytes, 0644);
    fixture_bytes(fixture->fd, "b/large", bytes, size_bytes, 0644);
    const struct tree_compare_options options = {.ignored = TREE_ASPECT_MTIME};
    check(fixture, &options, "");
    bytes[size_bytes - 1] = 1;
    fixture_bytes(fixture->fd, "b/large", bytes, size_bytes, 0644);
    check(fixture, &options, "large: content\n");
    free(bytes);
}

static void hard_links_count(void **state)
{
    struct fixture *fixture = *state;
    fixture_folder(fixture->fd, "a", 0755);
    fixture_folder(fixture->fd, "b", 0755);
    for (int i = 0; i < 2; i++) {
        const char *tree = i == 0 ? "a" : "b";
        char name[32];
        char again[32];
        for (int j = 1; j <= 4; j++) {
            snprintf(name, sizeof name, "%s/%d", tree, j);
            if (j == 1 || j == 3) {
                fixture_file(fixture->fd, name, "same", 0644);
            } else {
                snprintf(again, sizeof again, "%s/%d", tree, j - 1);
                fixture_hardlink(fixture->fd, again, name);
            }
        }
    }
    const struct tree_compare_options options = {.ignored = TREE_ASPECT_MTIME};
    check(fixture, &options, "");
    /* One more link, to the other group: content, size and link counts alone would not tell. */
    fixture_hardlink(fixture->fd, "a/1", "a/5");
    fixture_hardlink(fixture->fd, "b/3", "b/5");
    check(fixture, &options, "5: hard links\n");
    fixture_unlink(fixture->fd, "b/5");
    fixture_file(fixture->fd, "b/5", "same", 0644);
    check(fixture, &options, "5: hard links\n");
}

static void what_cannot_be_compared_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct tree_compare_counts counts;
    struct error error = {0};
    fixture_folder(fixture->fd, "a", 0755);
    assert_int_equal(tree_compare(fixture->fd, "a", fixture->fd, "b", &everything, NULL, NULL, NULL, &counts, &error),
                     -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_int_equal(tree_compare(fixture->fd, "b", fixture->fd, "a", &everything, NULL, NULL, NULL, &counts, &error),
                     -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
}

static int stop(void *context, const struct tree_difference *difference, struct error *error)
{
    (void)difference;
    ++*(int *)context;
    return error_set(error, CSN_BUSY, "enough");
}

static void the_caller_can_stop(void **state)
{
    struct fixture *fixture = *state;
    struct tree_compare_counts counts;
    struct error error = {0};
    int calls = 0;
    fixture_folder(fixture->fd, "a", 0755);
    fixture_folder(fixture->fd, "b", 0755);
    fixture_file(fixture->fd, "a/1", "", 0644);
    fixture_file(fixture->fd, "a/2", "", 0644);
    assert_int_equal(tree_compare(fixture->fd, "a", fixture->fd, "b", &lax, stop, &calls, NULL, &counts, &error), -1);
    assert_int_equal(error.code, CSN_BUSY);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_trees_are_equal, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(single_differences, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(types_targets_and_devices, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(one_sided_trees, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(large_files_to_their_last_byte, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(hard_links_count, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_compared_is_an_error, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_caller_can_stop, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/compare", tests, NULL, NULL);
}
