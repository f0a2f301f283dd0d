/* The walk: order, depth, odd names, and what happens when the tree changes under it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buffer.h"
#include "tree/fixture.h"
#include "tree/path.h"
#include "tree/walk.h"

/* What a visitor writes down, and what it does to the tree at the path `at`. */
struct record {
    const struct fixture *fixture;
    struct buffer text;
    const char *at;
    void (*act)(const struct record *record);
    int answer; /* at `at` */
    size_t visits;
    size_t deepest;
};

static int write_down(void *context, const struct tree_visit *visit, struct error *error)
{
    static const char marks[] = {[TREE_ENTER] = '+', [TREE_LEAVE] = '-', [TREE_VANISHED] = '?'};
    struct record *record = context;
    buffer_format(&record->text, "%c%s%s\n", marks[visit->event], visit->entry->path, visit->is_mount ? " mount" : "");
    record->visits++;
    if (strlen(visit->entry->path) > record->deepest) {
        record->deepest = strlen(visit->entry->path);
    }
    if (visit->event != TREE_VANISHED) {
        struct stat status;
        assert_int_equal(fstatat(visit->dir_fd, visit->name, &status, AT_SYMLINK_NOFOLLOW), 0);
        assert_true(status.st_ino == visit->entry->ino);
    }
    if (record->at != NULL && visit->event == TREE_ENTER && strcmp(visit->entry->path, record->at) == 0) {
        if (record->act != NULL) {
            record->act(record);
        }
        if (record->answer < 0) {
            return error_set(error, CSN_BUSY, "enough");
        }
        return record->answer;
    }
    return 0;
}

static int walk(struct record *record, const char *path, const struct tree_walk_options *options, struct error *error)
{
    buffer_clear(&record->text);
    record->visits = 0;
    return tree_walk(record->fixture->fd, path, options, write_down, record, error);
}

static void make_small(const struct fixture *fixture)
{
    fixture_folder(fixture->fd, "t", 0755);
    fixture_folder(fixture->fd, "t/a", 0755);
    fixture_file(fixture->fd, "t/a/2", "", 0644);
    fixture_file(fixture->fd, "t/a/1", "", 0644);
    fixture_file(fixture->fd, "t/a.b", "", 0644);
    fixture_file(fixture->fd, "t/\xff", "", 0644);
    fixture_file(fixture->fd, "t/B", "", 0644);
    fixture_link(fixture->fd, "t/link", "a");
    fixture_link(fixture->fd, "t/up", "..");
}

static void order_and_leaves(void **state)
{
    struct record record = {.fixture = *state};
    struct error error = {0};
    make_small(record.fixture);
    struct tree_walk_options options = {.want_leave = true};
    assert_int_equal(walk(&record, "t", &options, &error), 0);
    assert_string_equal(record.text.data, "+\n+B\n+a\n+a/1\n+a/2\n-a\n+a.b\n+link\n+up\n+\xff\n-\n");
    options.want_leave = false;
    assert_int_equal(walk(&record, "/t/", &options, &error), 0);
    assert_string_equal(record.text.data, "+\n+B\n+a\n+a/1\n+a/2\n+a.b\n+link\n+up\n+\xff\n");
    buffer_free(&record.text);
}

static void starts_of_every_kind(void **state)
{
    struct record record = {.fixture = *state};
    struct error error = {0};
    const struct tree_walk_options options = {.want_leave = true};
    make_small(record.fixture);
    fixture_link(record.fixture->fd, "way", "t");
    assert_int_equal(walk(&record, "t/a/1", &options, &error), 0); /* a file */
    assert_string_equal(record.text.data, "+\n");
    assert_int_equal(walk(&record, "way", &options, &error), 0); /* a link is not followed */
    assert_string_equal(record.text.data, "+\n");
    assert_int_equal(walk(&record, "way/a", &options, &error), 0); /* on the way to the start it is */
    assert_string_equal(record.text.data, "+\n+1\n+2\n-\n");
    assert_int_equal(walk(&record, "", &options, &error), 0); /* the root itself */
    assert_non_null(strstr(record.text.data, "+t/a/1\n"));
    assert_int_equal(walk(&record, "/", &options, &error), 0);
    assert_non_null(strstr(record.text.data, "+t/a/1\n"));
    assert_int_equal(walk(&record, "t/none", &options, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_non_null(strstr(error.message, "none"));
    assert_int_equal(walk(&record, "none/t", &options, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    buffer_free(&record.text);
}

static void excludes_and_skips(void **state)
{
    struct record record = {.fixture = *state};
    struct error error = {0};
    struct strings excludes = {0};
    make_small(record.fixture);
    assert_int_equal(strings_split(&excludes, "a/1, up, [B]", ",", &error), 0);
    const struct tree_walk_options options = {.want_leave = true, .excludes = &excludes};
    assert_int_equal(walk(&record, "t", &options, &error), 0);
    assert_string_equal(record.text.data, "+\n+a\n+a/2\n-a\n+a.b\n+link\n+\xff\n-\n");
    record.at = "a";
    record.answer = TREE_SKIP;
    assert_int_equal(walk(&record, "t", &options, &error), 0);
    assert_string_equal(record.text.data, "+\n+a\n+a.b\n+link\n+\xff\n-\n");
    record.answer = -1;
    assert_int_equal(walk(&record, "t", &options, &error), -1);
    assert_int_equal(error.code, CSN_BUSY);
    assert_string_equal(record.text.data, "+\n+a\n");
    strings_free(&excludes);
    buffer_free(&record.text);
}

static void odd_names_all_come(void **state)
{
    struct record record = {.fixture = *state};
    struct error error = {0};
    const struct tree_walk_options options = {.want_xattrs = true};
    fixture_rich(record.fixture->fd);
    assert_int_equal(walk(&record, "tree/names", &options, &error), 0);
    assert_int_equal(record.visits, 9);
    assert_non_null(strstr(record.text.data, "+new\nline\n"));
    assert_non_null(strstr(record.text.data, "+\xff\xfe\x80\n"));
    assert_non_null(strstr(record.text.data, "+...\n"));
    buffer_free(&record.text);
}

/* Far below PATH_MAX's reach, with hardly any descriptors. */
static void any_depth(void **state)
{
    struct record record = {.fixture = *state};
    struct error error = {0};
    const struct tree_walk_options options = {.want_leave = true};
    struct rlimit before;
    size_t folders = fixture_deep(record.fixture->fd, 60000);
    assert_true(folders > 200);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit few = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int result = walk(&record, "", &options, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_string_equal(error.message, "");
    assert_int_equal(result, 0);
    assert_int_equal(record.visits, 2 * (folders + 1) + 1);
    assert_true(record.deepest > 60000);
    buffer_free(&record.text);
}

static void move_top(const struct record *record)
{
    /* The top of the chain goes elsewhere; what was ".." of it is no longer what it was. */
    fixture_folder(record->fixture->fd, "elsewhere", 0755);
    assert_int_equal(renameat(record->fixture->fd, "chain/x/x", record->fixture->fd, "elsewhere/x"), 0);
}

static void a_folder_moved_away_under_the_walk_is_an_error(void **state)
{
    struct record record = {.fixture = *state, .act = move_top};
    struct error error = {0};
    const struct tree_walk_options options = {.tolerate_vanished = true};
    struct buffer path = {0};
    struct buffer deepest = {0};
    buffer_string(&path, "chain");
    fixture_folder(record.fixture->fd, path.data, 0755);
    for (int i = 0; i < 100; i++) {
        buffer_string(&path, "/x");
        buffer_format(&deepest, "%sx", i == 0 ? "" : "/");
        fixture_folder(record.fixture->fd, path.data, 0755);
    }
    record.at = deepest.data;
    assert_int_equal(walk(&record, "chain", &options, &error), -1);
    assert_int_equal(error.code, CSN_TREE_READ);
    assert_non_null(strstr(error.message, "was moved while its tree was being read"));
    buffer_free(&path);
    buffer_free(&deepest);
    buffer_free(&record.text);
}

static void swap_for_link(const struct record *record)
{
    assert_int_equal(renameat(record->fixture->fd, "t/a", record->fixture->fd, "aside"), 0);
    fixture_link(record->fixture->fd, "t/a", "../secret");
}

static void swap_for_folder(const struct record *record)
{
    assert_int_equal(renameat(record->fixture->fd, "t/a", record->fixture->fd, "aside"), 0);
    assert_int_equal(renameat(record->fixture->fd, "secret", record->fixture->fd, "t/a"), 0);
}

static void remove_names(const struct record *record)
{
    fixture_unlink(record->fixture->fd, "t/a.b");
    fixture_unlink(record->fixture->fd, "t/up");
}

static void check_changes(struct fixture *fixture, const char *at, void (*act)(const struct record *),
                          const char *wanted, const char *gone)
{
    for (int tolerate = 0; tolerate <= 1; tolerate++) {
        struct record record = {.fixture = fixture, .at = at, .act = act};
        struct error error = {0};
        const struct tree_walk_options options = {.want_leave = true, .tolerate_vanished = tolerate == 1};
        make_small(fixture);
        fixture_folder(fixture->fd, "secret", 0755);
        fixture_file(fixture->fd, "secret/secret", "", 0644);
        int result = walk(&record, "t", &options, &error);
        assert_null(strstr(record.text.data, "secret"));
        if (tolerate == 1) {
            assert_int_equal(result, 0);
            assert_string_equal(record.text.data, wanted);
        } else {
            assert_int_equal(result, -1);
            assert_int_equal(error.code, CSN_TREE_READ);
            assert_non_null(strstr(error.message, "disappeared"));
            assert_true(strncmp(error.message, gone, strlen(gone)) == 0);
        }
        buffer_free(&record.text);
        fixture_empty(fixture);
    }
}

static void a_folder_swapped_for_a_link_is_not_entered(void **state)
{
    check_changes(*state, "a", swap_for_link, "+\n+B\n+a\n?a\n+a.b\n+link\n+up\n+\xff\n-\n", "a ");
}

static void a_folder_swapped_for_another_is_not_entered(void **state)
{
    check_changes(*state, "a", swap_for_folder, "+\n+B\n+a\n?a\n+a.b\n+link\n+up\n+\xff\n-\n", "a ");
}

static void vanished_names_are_told(void **state)
{
    check_changes(*state, "B", remove_names, "+\n+B\n+a\n+a/1\n+a/2\n-a\n?a.b\n+link\n?up\n+\xff\n-\n", "a.b ");
}

static void mounts_are_shown_and_not_entered(void **state)
{
    struct record record = {.fixture = *state};
    struct error error = {0};
    if (!fixture_is_root()) {
        skip();
    }
    fixture_folder(record.fixture->fd, "t", 0755);
    fixture_folder(record.fixture->fd, "t/after", 0755);
    if (!fixture_tmpfs(record.fixture, "t/m", 1 << 20)) {
        skip();
    }
    fixture_file(record.fixture->fd, "t/m/inside", "", 0644);
    struct tree_walk_options options = {.want_leave = true, .one_file_system = true};
    assert_int_equal(walk(&record, "t", &options, &error), 0);
    assert_string_equal(record.text.data, "+\n+after\n-after\n+m mount\n-\n");
    assert_int_equal(walk(&record, "t/m", &options, &error), 0); /* the start's own mount is no other */
    assert_string_equal(record.text.data, "+\n+inside\n-\n");
    options.one_file_system = false;
    assert_int_equal(walk(&record, "t", &options, &error), 0);
    assert_string_equal(record.text.data, "+\n+after\n-after\n+m\n+m/inside\n-m\n-\n");
    fixture_unmount(record.fixture, "t/m");
    buffer_free(&record.text);
}

static int unreadable_as_nobody(const struct fixture *fixture)
{
    struct record record = {.fixture = fixture};
    struct error error = {0};
    const struct tree_walk_options options = {.tolerate_vanished = true};
    int result = walk(&record, "t", &options, &error);
    return result == -1 && error.code == CSN_TREE_READ && strstr(error.message, "opening the folder a:") != NULL ? 0
                                                                                                                 : 1;
}

static void an_unreadable_folder_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    make_small(fixture);
    assert_int_equal(fchmod(fixture->fd, 0755), 0);
    assert_int_equal(fchmodat(fixture->fd, "t/a", 0, 0), 0);
    fixture_as_nobody(unreadable_as_nobody, fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(order_and_leaves, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(starts_of_every_kind, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(excludes_and_skips, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(odd_names_all_come, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(any_depth, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_folder_moved_away_under_the_walk_is_an_error, fixture_setup,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(a_folder_swapped_for_a_link_is_not_entered, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_folder_swapped_for_another_is_not_entered, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(vanished_names_are_told, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(mounts_are_shown_and_not_entered, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(an_unreadable_folder_is_an_error, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/walk", tests, NULL, NULL);
}
