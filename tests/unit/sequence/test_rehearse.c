// wrap: overlay_open overlay_close step_stage step_switch step_verify rollback_site tree_compare
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

#include "lib/file.h"
#include "sequence/rollback.h"
#include "sequence/steps.h"
#include "target/mount.h"
#include "target/overlay.h"
#include "target/room.h"
#include "tree/compare.h"
#include "tree/remove.h"

/* What the steps of the rehearsal come to; CSN_NONE: well. */
static struct outcome {
    enum error_code stage;
    enum error_code rollback;
    bool different;
    enum error_code close;
    int64_t back_ms;
} outcome;
static bool rolled_back;

static int come_to(enum error_code code, const char *what, struct error *error)
{
    return code == CSN_NONE ? 0 : error_set(error, code, "%s went wrong", what);
}

int __wrap_overlay_open(const struct overlay_layout *layout, struct overlay **overlay, struct error *error);
int __wrap_overlay_open(const struct overlay_layout *layout, struct overlay **overlay, struct error *error)
{
    (void)error;
    assert_true(layout->stable_inodes);
    *overlay = NULL;
    return 0;
}
int __wrap_overlay_close(struct overlay *overlay, struct error *error);
int __wrap_overlay_close(struct overlay *overlay, struct error *error)
{
    (void)overlay;
    return come_to(outcome.close, "the overlay", error);
}
int __wrap_step_stage(struct run *run, struct site *site, struct buffer *detail, struct error *error);
int __wrap_step_stage(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    (void)run, (void)detail;
    assert_true(site->rehearsed);
    return come_to(outcome.stage, "the migration", error);
}
int __wrap_step_switch(struct run *run, struct site *site, struct buffer *detail, struct error *error);
int __wrap_step_switch(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    (void)run, (void)site, (void)detail, (void)error;
    return 0;
}
int __wrap_step_verify(struct run *run, struct site *site, struct buffer *detail, struct error *error);
int __wrap_step_verify(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    (void)run, (void)site, (void)detail, (void)error;
    return 0;
}
int __wrap_rollback_site(struct run *run, struct site *site, const char *reason, const char *code,
                         struct rollback_times *times, struct error *error);
int __wrap_rollback_site(struct run *run, struct site *site, const char *reason, const char *code,
                         struct rollback_times *times, struct error *error)
{
    (void)run, (void)site, (void)reason, (void)code;
    rolled_back = true;
    times->back_ms = outcome.back_ms;
    return come_to(outcome.rollback, "going back", error);
}
int __wrap_tree_compare(int a_fd, const char *a_path, int b_fd, const char *b_path,
                        const struct tree_compare_options *options,
                        int (*found)(void *, const struct tree_difference *, struct error *), void *context,
                        const struct progress *progress, struct tree_compare_counts *counts, struct error *error);
int __wrap_tree_compare(int a_fd, const char *a_path, int b_fd, const char *b_path,
                        const struct tree_compare_options *options,
                        int (*found)(void *, const struct tree_difference *, struct error *), void *context,
                        const struct progress *progress, struct tree_compare_counts *counts, struct error *error)
{
    (void)a_fd, (void)a_path, (void)b_fd, (void)b_path, (void)options, (void)progress, (void)counts;
    const struct tree_difference difference = {.path = "lib/file"};
    return outcome.different ? found(context, &difference, error) : 0;
}

/* Rehearses and returns the code; the record says whether the trees were equal. */
static enum error_code rehearse(struct outcome wanted, const char *expected_equal, const char *expected_text)
{
    char folder[] = "/tmp/test-rehearse-XXXXXX";
    char program_root[] = "/etc";
    struct profile profile = {0};
    struct console *console = NULL;
    struct error error = {0};
    FILE *screen = fopen("/dev/null", "we");
    assert_non_null(screen);
    assert_non_null(mkdtemp(folder));
    struct console plain = {.out = screen};
    console = &plain;
    struct run run = {.console = console, .job = {.rollback_minutes = 1}};
    run.target.profile = &profile;
    run.target.installation.program_root = program_root;
    char root[sizeof folder + 16];
    snprintf(root, sizeof root, "%s/root", folder);
    assert_int_equal(mkdir(root, 0755), 0);
    run.target.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    run.evidence.dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdirat(run.target.root_fd, "etc", 0755), 0);
    run.site = (struct site){.root_path = root, .place = {run.target.root_fd, &run.journal, "rehearse"}};
    journal_init(&run.journal);
    struct buffer detail = {0};
    outcome = wanted;
    rolled_back = false;
    int result = step_rehearse(&run, &run.site, &detail, &error);
    if (!rolled_back) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(run.journal.count, 1);
    yyjson_val *record = journal_record(&run.journal, 0);
    assert_true(journal_is(record, "rehearsal"));
    bool held = result == 0 || error.code == CSN_SEQUENCE_BUDGET;
    assert_string_equal(journal_get(record, "result"), held ? "passed" : "failed");
    assert_string_equal(yyjson_get_bool(yyjson_obj_get(record, "equal_after_rollback")) ? "equal" : "unequal",
                        expected_equal);
    const char *said = result == 0 ? buffer_text(&detail) : error.message;
    if (strstr(said, expected_text) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", said, expected_text);
    }
    enum error_code code = result == 0 ? CSN_NONE : error.code;
    buffer_free(&detail);
    journal_free(&run.journal);
    file_drop(&run.target.root_fd);
    file_drop(&run.evidence.dir_fd);
    fclose(screen);
    assert_int_equal(tree_remove(AT_FDCWD, folder, NULL, &error), 0);
    return code;
}

static void test_passes(void **state)
{
    (void)state;
    assert_int_equal(rehearse((struct outcome){0}, "equal", "the upgrade held"), CSN_NONE);
}

/* The one that the job may force past. */
static void test_failed_upgrade_that_went_back(void **state)
{
    (void)state;
    assert_int_equal(rehearse((struct outcome){.stage = CSN_DATABASE_MIGRATION}, "equal", "the migration went wrong"),
                     CSN_SEQUENCE_REHEARSAL);
    assert_int_equal(rehearse((struct outcome){.back_ms = 60001}, "equal", "the budget is 1 min"), CSN_SEQUENCE_BUDGET);
}

static void test_failed_way_back(void **state)
{
    (void)state;
    assert_int_equal(rehearse((struct outcome){.rollback = CSN_SEQUENCE_ROLLBACK_FAILED}, "unequal", "going back went"),
                     CSN_SEQUENCE_REHEARSED_ROLLBACK);
    assert_int_equal(rehearse((struct outcome){.different = true}, "unequal", "/etc/lib/file is not as before"),
                     CSN_SEQUENCE_REHEARSED_ROLLBACK);
    /* Not hidden by the upgrade's own failure, which is told, too. */
    struct outcome both = {.stage = CSN_DATABASE_MIGRATION, .rollback = CSN_SEQUENCE_ROLLBACK_FAILED};
    assert_int_equal(rehearse(both, "unequal", "the migration went wrong"), CSN_SEQUENCE_REHEARSED_ROLLBACK);
    both.stage = CSN_NO_SPACE;
    assert_int_equal(rehearse(both, "unequal", "going back went wrong"), CSN_SEQUENCE_REHEARSED_ROLLBACK);
}

static void test_system_failures_keep_their_code(void **state)
{
    (void)state;
    assert_int_equal(rehearse((struct outcome){.stage = CSN_NO_SPACE}, "equal", "the migration went"), CSN_NO_SPACE);
    assert_int_equal(rehearse((struct outcome){.close = CSN_TARGET_NAMESPACE}, "equal", "the overlay went wrong"),
                     CSN_TARGET_NAMESPACE);
}

int main(int argc, char **argv)
{
    (void)argc;
    struct error error;
    room_need_root(argv);
    /* A /run of our own: the machine's may belong to somebody else. */
    if (mount_namespace(&error) != 0 || mount("tmpfs", "/run", "tmpfs", 0, NULL) != 0) {
        perror("/run");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passes),
        cmocka_unit_test(test_failed_upgrade_that_went_back),
        cmocka_unit_test(test_failed_way_back),
        cmocka_unit_test(test_system_failures_keep_their_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
