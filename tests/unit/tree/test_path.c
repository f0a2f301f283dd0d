/* The order of paths, patterns, soundness, and opening a path that is longer than PATH_MAX. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/fixture.h"
#include "tree/path.h"

static void order_is_that_of_a_walk(void **state)
{
    static const char *const sorted[] = {"", "a", "a/b", "a/b/c", "a/c", "a\001", "a b", "a.b", "aa", "b", "\xff"};
    (void)state;
    for (size_t i = 0; i < sizeof sorted / sizeof sorted[0]; i++) {
        for (size_t j = 0; j < sizeof sorted / sizeof sorted[0]; j++) {
            int order = tree_path_compare(sorted[i], sorted[j]);
            assert_int_equal(order < 0, i < j);
            assert_int_equal(order > 0, i > j);
        }
    }
}

static void patterns_match(void **state)
{
    static const struct {
        const char *pattern;
        const char *path;
        bool is_match;
    } cases[] = {
        {"cache", "cache", true},
        {"cache", "cache/a/b", true},
        {"cache", "cached", false},
        {"cache", "a/cache", false},
        {"/cache/", "cache/x", true},
        {"cache/*", "cache", false},
        {"cache/*", "cache/x", true},
        {"cache/*", "cache/x/y", true},
        {"*.log", "a.log", true},
        {"*.log", "a/b.log", false},
        {"**/*.log", "b.log", true},
        {"**/*.log", "a/c/b.log", true},
        {"**/node", "a/node/b", true},
        {"**/node", "a/nodes/b", false},
        {"a/[bc]", "a/c", true},
        {"a/[bc]", "a/d", false},
        {"a?c", "a/c", false},
        {"", "a", false},
        {"/", "a", false},
        {"*", "", false},
        {"*", "any/thing", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct strings list = {0};
        struct error error = {0};
        assert_int_equal(strings_add(&list, "never-this", &error), 0);
        assert_int_equal(strings_add(&list, cases[i].pattern, &error), 0);
        if (tree_path_matches(&list, cases[i].path) != cases[i].is_match) {
            fail_msg("\"%s\" on \"%s\" should%s match", cases[i].pattern, cases[i].path,
                     cases[i].is_match ? "" : " not");
        }
        strings_free(&list);
    }
    assert_false(tree_path_matches(NULL, "a"));
}

static void soundness(void **state)
{
    static const char *const bad[] = {"/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "/"};
    static const char *const good[] = {"", "a", "a/b", "...", "a/..b", ".a", "a\n/\xff"};
    char longest[300];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(tree_path_is_sound(bad[i]));
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(tree_path_is_sound(good[i]));
    }
    memset(longest, 'x', sizeof longest);
    longest[255] = '\0';
    assert_true(tree_path_is_sound(longest));
    longest[255] = 'x';
    longest[256] = '\0';
    assert_false(tree_path_is_sound(longest));
}

static void opens_paths_of_any_length(void **state)
{
    struct fixture *fixture = *state;
    size_t count = fixture_deep(fixture->fd, 9000);
    char *path = calloc(count, 201 + 1);
    for (size_t i = 0; i < count; i++) {
        memset(path + i * 201, 'd', 200);
        path[i * 201 + 200] = '/';
    }
    memcpy(path + count * 201, "end", 4);
    assert_true(strlen(path) > 4096);
    char content[9] = {0};
    int fd = tree_path_open(fixture->fd, path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, content, 8), 8);
    assert_string_equal(content, "the end\n");
    close(fd);
    const char *name = NULL;
    fd = tree_path_open_parent(fixture->fd, path, &name);
    assert_true(fd >= 0);
    assert_string_equal(name, "end");
    assert_true(fixture_exists(fd, "end"));
    close(fd);
    free(path);
}

static void never_through_a_link(void **state)
{
    struct fixture *fixture = *state;
    fixture_folder(fixture->fd, "real", 0755);
    fixture_file(fixture->fd, "real/file", "x", 0644);
    fixture_link(fixture->fd, "linked", "real");
    assert_int_equal(tree_path_open(fixture->fd, "linked/file", O_RDONLY), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(tree_path_open(fixture->fd, "../etc/passwd", O_RDONLY), -1);
    assert_int_equal(tree_path_open(fixture->fd, "/etc/passwd", O_RDONLY), -1);
    assert_int_equal(tree_path_open(fixture->fd, "linked", O_RDONLY), -1);
    int fd = tree_path_open(fixture->fd, "", O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_that_of_a_walk),
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(soundness),
        cmocka_unit_test_setup_teardown(opens_paths_of_any_length, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(never_through_a_link, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/path", tests, NULL, NULL);
}
