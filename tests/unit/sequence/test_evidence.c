/* Which run of a stick or server is meant, how it stands, and what happens where its folder cannot be made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "sequence/evidence.h"

static char folder[64];
static int dir_fd;
static struct journal journal;
static struct error error;
static int64_t next_number; /* in the record "server"; 0: not known */

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/caisson-test-XXXXXX");
    dir_fd = mkdtemp(folder) == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY);
    journal_init(&journal);
    error = (struct error){0};
    next_number = 0;
    return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    journal_free(&journal);
    file_drop(&dir_fd);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void note_server(struct journal *made)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_sint(document, fields, "number", next_number);
    assert_int_equal(journal_append(made, "server", fields, &error), 0);
    yyjson_mut_doc_free(document);
}

/* A run's folder with a journal of these kinds after "run"; blanks part them. */
static void make_run_as(const char *name, const char *run, const char *kinds)
{
    struct journal made;
    struct strings list = {0};
    journal_init(&made);
    assert_int_equal(mkdirat(dir_fd, name, 0700), 0);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY);
    assert_int_equal(journal_attach(&made, fd, JOURNAL_FILE, "stick", &error), 0);
    assert_int_equal(journal_note(&made, &error, "run", "run", run, NULL), 0);
    note_server(&made);
    assert_int_equal(strings_split(&list, kinds, " ", &error), 0);
    for (size_t i = 0; i < list.count; i++) {
        assert_int_equal(journal_note(&made, &error, list.items[i], NULL), 0);
    }
    strings_free(&list);
    journal_free(&made);
    file_drop(&fd);
}

static void make_run(const char *name, const char *kinds)
{
    make_run_as(name, name, kinds);
}

static enum run_state state_of(const char *kinds)
{
    static int number;
    char name[16];
    struct journal read;
    snprintf(name, sizeof name, "s%d", number++);
    make_run(name, kinds);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY);
    journal_init(&read);
    assert_int_equal(journal_read(&read, fd, JOURNAL_FILE, &error), 0);
    enum run_state how = evidence_state(&read);
    journal_free(&read);
    file_drop(&fd);
    return how;
}

static void test_states(void **state)
{
    (void)state;
    assert_int_equal(evidence_state(&journal), RUN_NONE);
    assert_int_equal(state_of(""), RUN_UNFINISHED);
    assert_int_equal(state_of("step-begin step-end"), RUN_UNFINISHED);
    assert_int_equal(state_of("run-end"), RUN_ENDED);
    assert_int_equal(state_of("rollback-begin rolled-back"), RUN_UNFINISHED);
    assert_int_equal(state_of("rollback-begin rolled-back swept run-end"), RUN_ENDED);
    assert_int_equal(state_of("released"), RUN_UNFINISHED);
    assert_int_equal(state_of("released run-end"), RUN_RELEASED);
    assert_int_equal(state_of("released run-end rollback-asked"), RUN_UNFINISHED);
    assert_int_equal(state_of("released run-end rollback-asked rollback-begin"), RUN_UNFINISHED);
    assert_int_equal(state_of("released run-end rollback-asked rollback-begin run-end"), RUN_ENDED);
}

static bool find(enum run_state how, const struct strings *skipped)
{
    bool found = false;
    if (evidence_find(dir_fd, how, skipped, &journal, &found, &error) != 0) {
        fail_msg("%s", error.message);
    }
    return found;
}

static const char *run_of(const struct journal *read)
{
    return journal_get(journal_record(read, 0), "run");
}

static void test_finds_the_newest_in_this_state(void **state)
{
    (void)state;
    make_run("20260101T000000Z-0001", "step-begin");
    make_run("20260201T000000Z-0002", "step-begin");
    make_run("20260301T000000Z-0003", "released run-end");
    make_run("20260401T000000Z-0004", "run-end");
    assert_true(find(RUN_UNFINISHED, NULL));
    assert_string_equal(run_of(&journal), "20260201T000000Z-0002");
    journal_free(&journal);
    assert_true(find(RUN_RELEASED, NULL));
    assert_string_equal(run_of(&journal), "20260301T000000Z-0003");
}

/* The first run was made with the clock ahead. */
static void test_what_the_server_counted_is_the_order(void **state)
{
    (void)state;
    next_number = 1;
    make_run("20990101T000000Z-0001", "released run-end");
    next_number = 2;
    make_run("20260301T000000Z-0002", "released run-end");
    next_number = 3;
    make_run("20260201T000000Z-0003", "run-end");
    assert_true(find(RUN_RELEASED, NULL));
    assert_string_equal(run_of(&journal), "20260301T000000Z-0002");
}

/* A broken journal with an older name does not stand in the way of a newer run. */
static void test_an_older_changed_journal(void **state)
{
    (void)state;
    make_run("20260101T000000Z-0001", "step-begin");
    make_run("20260201T000000Z-0002", "step-begin");
    int fd = openat(dir_fd, "20260101T000000Z-0001", O_RDONLY | O_DIRECTORY);
    assert_int_equal(file_replace(fd, JOURNAL_FILE, "x\nx\n", 4, 0600, &error), 0);
    file_drop(&fd);
    assert_true(find(RUN_UNFINISHED, NULL));
    assert_string_equal(run_of(&journal), "20260201T000000Z-0002");
}

static void test_leaves_out_what_is_skipped(void **state)
{
    (void)state;
    struct strings skipped = {0};
    make_run("20260101T000000Z-0001", "step-begin");
    make_run("20260201T000000Z-0002", "step-begin");
    assert_int_equal(strings_add(&skipped, "20260201T000000Z-0002", &error), 0);
    assert_true(find(RUN_UNFINISHED, &skipped));
    assert_string_equal(run_of(&journal), "20260101T000000Z-0001");
    journal_free(&journal);
    assert_int_equal(strings_add(&skipped, "20260101T000000Z-0001", &error), 0);
    assert_false(find(RUN_UNFINISHED, &skipped));
    assert_int_equal(journal.count, 0);
    strings_free(&skipped);
}

/* What else may lie beside the runs: files, links, empty folders, copies that a person made. */
static void test_takes_nothing_else_for_a_run(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(dir_fd, "empty", 0700), 0);
    assert_int_equal(file_replace(dir_fd, "notes.txt", "x", 1, 0600, &error), 0);
    assert_int_equal(symlinkat("empty", dir_fd, "link"), 0);
    make_run_as("20260101T000000Z-0001 - Copy", "20260101T000000Z-0001", "step-begin");
    assert_false(find(RUN_UNFINISHED, NULL));
    bool found = true;
    assert_int_equal(evidence_find(-1, RUN_UNFINISHED, NULL, &journal, &found, &error), 0);
    assert_false(found);
}

/* Its state is not known, so it is not guessed; not even if a good one is older. */
static void test_stops_at_a_changed_journal(void **state)
{
    (void)state;
    struct buffer text = {0};
    bool found = true;
    make_run("20260101T000000Z-0001", "step-begin");
    make_run("20260201T000000Z-0002", "step-begin step-end run-end");
    int fd = openat(dir_fd, "20260201T000000Z-0002", O_RDONLY | O_DIRECTORY);
    assert_int_equal(file_read(fd, JOURNAL_FILE, 1 << 20, &text, &error), 0);
    *strstr(text.data, "server") = 'x';
    assert_int_equal(file_replace(fd, JOURNAL_FILE, text.data, text.size, 0600, &error), 0);
    assert_int_equal(evidence_find(dir_fd, RUN_UNFINISHED, NULL, &journal, &found, &error), -1);
    assert_int_equal(error.code, CSN_JOURNAL_BROKEN);
    assert_non_null(strstr(error.message, "20260201T000000Z-0002"));
    assert_false(found);
    buffer_free(&text);
    file_drop(&fd);
}

static void test_each_run_has_a_folder_of_its_own(void **state)
{
    (void)state;
    struct evidence one;
    struct evidence two;
    struct evidence again;
    struct stat status;
    assert_int_equal(evidence_create(&one, folder, &error), 0);
    usleep(2000);
    assert_int_equal(evidence_create(&two, folder, &error), 0);
    assert_true(strcmp(one.run, two.run) < 0); /* by name as by time, also within a second */
    assert_int_equal(stat(one.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(evidence_open(&again, folder, one.run, &error), 0);
    assert_string_equal(again.path, one.path);
    evidence_close(&one);
    evidence_close(&two);
    evidence_close(&again);
    evidence_close(&again);
}

static void test_no_room_for_the_folder(void **state)
{
    (void)state;
    struct evidence evidence;
    char file[128];
    assert_int_equal(file_replace(dir_fd, "file", "x", 1, 0600, &error), 0);
    snprintf(file, sizeof file, "%s/file", folder);
    assert_int_equal(evidence_create(&evidence, file, &error), -1);
    assert_int_equal(error.code, CSN_JOURNAL_WRITE);
    assert_non_null(strstr(error.message, file));
    evidence_close(&evidence);
}

/* A journal names the folder that is opened for writing: it must stay below the stick. */
static void test_a_run_of_an_impossible_name(void **state)
{
    (void)state;
    static const char *const names[] = {"", ".", "..", "a/b", "/etc", "0123456789012345678901234567890123456789"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct evidence evidence;
        assert_int_equal(evidence_open(&evidence, folder, names[i], &error), -1);
        assert_int_equal(error.code, CSN_JOURNAL_BROKEN);
        evidence_close(&evidence);
    }
    assert_int_equal(faccessat(dir_fd, EVIDENCE_STICK, F_OK, 0), -1);
}

static void test_on_the_server(void **state)
{
    (void)state;
    assert_int_equal(evidence_open_server(dir_fd, "r1", false, &error), -1);
    assert_int_equal(faccessat(dir_fd, "var", F_OK, 0), -1);
    int fd = evidence_open_server(dir_fd, "r1", true, &error);
    assert_true(fd >= 0);
    file_drop(&fd);
    assert_int_equal(faccessat(dir_fd, "var/lib/caisson/runs/r1", F_OK, 0), 0);
    fd = evidence_open_server(dir_fd, "r1", false, &error);
    assert_true(fd >= 0);
    file_drop(&fd);
}

static void test_a_folder_that_can_be_written(void **state)
{
    (void)state;
    char none[128];
    bool changed = true;
    assert_int_equal(evidence_make_writable(folder, NULL, &changed, &error), 0);
    assert_false(changed);
    snprintf(none, sizeof none, "%s/none", folder);
    assert_int_equal(evidence_make_writable(none, NULL, &changed, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states, setup, teardown),
        cmocka_unit_test_setup_teardown(test_finds_the_newest_in_this_state, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_the_server_counted_is_the_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_older_changed_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaves_out_what_is_skipped, setup, teardown),
        cmocka_unit_test_setup_teardown(test_takes_nothing_else_for_a_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stops_at_a_changed_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_run_has_a_folder_of_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_for_the_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_run_of_an_impossible_name, setup, teardown),
        cmocka_unit_test_setup_teardown(test_on_the_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_that_can_be_written, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
