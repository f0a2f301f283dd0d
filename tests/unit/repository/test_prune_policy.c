/* Which snapshots stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "repository/prune_policy.h"

#define DAY 86400
#define COUNT 8

static struct repository_snapshot snapshots[COUNT];
static struct prune_item items[COUNT];
static size_t count;
static struct error error;

static int setup(void **state)
{
    (void)state;
    memset(snapshots, 0, sizeof snapshots);
    memset(items, 0, sizeof items);
    count = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < count; i++) {
        strings_free(&snapshots[i].sources);
        strings_free(&snapshots[i].tag_keys);
        strings_free(&snapshots[i].tag_values);
    }
    return 0;
}

/* The next one, so many days after the first. */
static struct prune_item *add(const char *host, const char *source, int64_t days, bool whole)
{
    struct repository_snapshot *snapshot = &snapshots[count];
    snapshot->host = (char *)(uintptr_t)host;
    assert_int_equal(strings_add(&snapshot->sources, source, &error), 0);
    items[count] = (struct prune_item){.snapshot = snapshot, .began_sec = 1000000 + days * DAY, .whole = whole};
    return &items[count++];
}

static void tag_run(const char *run)
{
    struct repository_snapshot *snapshot = &snapshots[count - 1];
    assert_int_equal(strings_add(&snapshot->tag_keys, "run", &error), 0);
    assert_int_equal(strings_add(&snapshot->tag_values, run, &error), 0);
}

static void tag_cluster(const char *identifier)
{
    struct repository_snapshot *snapshot = &snapshots[count - 1];
    assert_int_equal(strings_add(&snapshot->tag_keys, "system-identifier", &error), 0);
    assert_int_equal(strings_add(&snapshot->tag_values, identifier, &error), 0);
}

static void assert_stays(const char *which)
{
    for (size_t i = 0; i < count; i++) {
        if ((items[i].why[0] != '\0') != (which[i] == '+')) {
            fail_msg("%zu: \"%s\", and not as in %s", i, items[i].why, which);
        }
    }
}

static void test_by_number(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        add("h", "/a", i, true);
    }
    prune_decide(items, count, 2, 0);
    assert_stays("---++");
    prune_decide(items, count, 9, 0);
    assert_stays("+++++");
}

static void test_each_host_and_set_of_folders_for_itself(void **state)
{
    (void)state;
    add("h", "/a", 0, true);
    add("i", "/a", 1, true);
    add("h", "/b", 2, true);
    add("h", "/a", 3, true);
    add("h", "/a", 4, true);
    prune_decide(items, count, 1, 0);
    assert_stays("-++-+");
}

/* From the newest on, not from today: a clock that is wrong loses nothing. */
static void test_by_age(void **state)
{
    (void)state;
    add("h", "/a", 0, true);
    add("h", "/a", 3, true);
    add("h", "/a", 8, true);
    add("h", "/a", 10, true);
    prune_decide(items, count, 0, 7);
    assert_stays("--++");
    prune_decide(items, count, 0, 8);
    assert_stays("-+++");
}

static void test_one_that_is_not_whole_takes_no_place(void **state)
{
    (void)state;
    add("h", "/a", 0, true);
    add("h", "/a", 1, true);
    add("h", "/a", 2, false);
    add("h", "/a", 3, false);
    prune_decide(items, count, 1, 0);
    assert_stays("-+++");
    prune_decide(items, count, 0, 1);
    assert_stays("-+-+"); /* the newest whole one stays, whatever its age */
}

static void test_what_a_rollback_needs(void **state)
{
    (void)state;
    add("h", "/a", 0, true);
    tag_run("R1");
    add("h", "/a", 1, true);
    tag_run("R2");
    add("h", "/b", 2, true);
    tag_run("R2");
    for (int i = 3; i < 6; i++) {
        add("h", "/a", i, true);
    }
    prune_decide(items, count, 1, 0);
    assert_stays("-++--+");
    assert_string_equal(items[1].why, "a rollback may need it");
}

/* Two clusters of one database server: neither is the other's newer one. */
static void test_clusters_of_one_host(void **state)
{
    (void)state;
    add("db", "/postgresql", 0, true);
    tag_cluster("7001");
    add("db", "/postgresql", 1, true);
    tag_cluster("7002");
    add("db", "/postgresql", 2, true);
    tag_cluster("7002");
    prune_decide(items, count, 1, 0);
    assert_stays("+-+");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_by_number, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_host_and_set_of_folders_for_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_by_age, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_that_is_not_whole_takes_no_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_a_rollback_needs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clusters_of_one_host, setup, teardown),
    };
    return cmocka_run_group_tests_name("prune_policy", tests, NULL, NULL);
}
