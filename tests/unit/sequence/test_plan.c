/* What stage recorded is what switch reads, the last plan counts, and no plan is no empty plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "lib/file.h"
#include "sequence/plan.h"

static char folder[64];
static int dir_fd;
static struct journal journal;
static struct error error;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/caisson-test-XXXXXX");
    dir_fd = mkdtemp(folder) == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY);
    journal_init(&journal);
    error = (struct error){0};
    return dir_fd < 0 ? -1 : journal_attach(&journal, dir_fd, JOURNAL_FILE, "stick", &error);
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

static void test_no_plan(void **state)
{
    (void)state;
    struct plan plan = {0};
    assert_int_equal(journal_note(&journal, &error, "run", "run", "r1", NULL), 0);
    assert_int_equal(plan_read(&plan, &journal, &error), -1);
    assert_int_equal(error.code, CSN_JOURNAL_BROKEN);
    assert_int_equal(plan.count, 0);
    plan_free(&plan);
}

static void test_an_empty_plan(void **state)
{
    (void)state;
    struct plan plan = {0};
    assert_int_equal(plan_record(&plan, &journal, &error), 0);
    assert_int_equal(plan_read(&plan, &journal, &error), 0);
    assert_int_equal(plan.count, 0);
    plan_free(&plan);
}

static void assert_pair(const struct plan_pair *pair, enum plan_kind kind, const char *path, const char *other)
{
    assert_int_equal(pair->kind, kind);
    assert_string_equal(pair->path, path);
    assert_string_equal(pair->other, other);
}

/* As after a cut: from the file, not from the memory of the process that wrote it. */
static void test_back_from_the_file_in_order(void **state)
{
    (void)state;
    struct plan plan = {0};
    struct plan back = {0};
    struct journal again;
    assert_int_equal(plan_add(&plan, PLAN_EXCHANGE, "/opt/app", "/opt/app.caisson-r1", &error), 0);
    assert_int_equal(
        plan_add(&plan, PLAN_MOVE, "/opt/app.caisson-r1/files \"of\"\n\xE6\x96\x87", "/opt/app/files", &error), 0);
    assert_int_equal(plan_add(&plan, PLAN_EXCHANGE, "/var/lib/db", "/var/lib/db.caisson-r1", &error), 0);
    assert_int_equal(plan_record(&plan, &journal, &error), 0);
    journal_init(&again);
    assert_int_equal(journal_read(&again, dir_fd, JOURNAL_FILE, &error), 0);
    assert_int_equal(plan_read(&back, &again, &error), 0);
    assert_int_equal(back.count, 3);
    assert_pair(&back.items[0], PLAN_EXCHANGE, "/opt/app", "/opt/app.caisson-r1");
    assert_pair(&back.items[1], PLAN_MOVE, "/opt/app.caisson-r1/files \"of\"\n\xE6\x96\x87", "/opt/app/files");
    assert_pair(&back.items[2], PLAN_EXCHANGE, "/var/lib/db", "/var/lib/db.caisson-r1");
    journal_free(&again);
    plan_free(&back);
    plan_free(&plan);
}

static void test_the_last_plan_counts(void **state)
{
    (void)state;
    struct plan plan = {0};
    struct plan back = {0};
    assert_int_equal(plan_add(&plan, PLAN_EXCHANGE, "/a", "/b", &error), 0);
    assert_int_equal(plan_record(&plan, &journal, &error), 0);
    assert_int_equal(plan_add(&plan, PLAN_EXCHANGE, "/c", "/d", &error), 0);
    assert_int_equal(plan_record(&plan, &journal, &error), 0);
    assert_int_equal(journal_note(&journal, &error, "step-end", "step", "stage", NULL), 0);
    assert_int_equal(plan_read(&back, &journal, &error), 0);
    assert_int_equal(back.count, 2);
    assert_pair(&back.items[1], PLAN_EXCHANGE, "/c", "/d");
    plan_free(&back);
    plan_free(&plan);
    plan_free(&plan); /* of a freed one: nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_plan, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_empty_plan, setup, teardown),
        cmocka_unit_test_setup_teardown(test_back_from_the_file_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_last_plan_counts, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
