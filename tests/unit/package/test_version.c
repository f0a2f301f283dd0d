/* Versions: their order and the patterns they fit; the path through several packages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "package/package.h"
#include "package/package_index.h"
#include "package/package_version.h"

static void order(void **state)
{
    static const char *const ascending[] = {
        "0.9",
        "1.2-beta2",
        "1.2-beta10",
        "1.2rc1",
        "1.2-RC2",
        "1.2",
        "1.2p1",
        "1.2sp2",
        "1.2.0a",
        "1.2.1",
        "1.9",
        "1.10",
        "1.10.0",
        "2",
        "10000000000000000000000000",
        "10000000000000000000000001",
    };
    (void)state;
    for (size_t i = 0; i < sizeof ascending / sizeof ascending[0]; i++) {
        for (size_t j = 0; j < sizeof ascending / sizeof ascending[0]; j++) {
            int found = package_version_compare(ascending[i], ascending[j]);
            if ((found < 0) != (i < j) || (found > 0) != (i > j)) {
                fail_msg("%s against %s: %d", ascending[i], ascending[j], found);
            }
        }
    }
}

static void equal(void **state)
{
    (void)state;
    assert_int_equal(package_version_compare("1.0", "1-0"), 0);
    assert_int_equal(package_version_compare("1.01", "1.1"), 0);
    assert_int_equal(package_version_compare("8.0SP1", "8.0_sp1"), 0);
    assert_int_equal(package_version_compare("", ""), 0);
}

static void patterns(void **state)
{
    (void)state;
    assert_true(package_version_fits("1.39.17", "1.39.17"));
    assert_true(package_version_fits("1.39.17", "1.39.*"));
    assert_true(package_version_fits("1.39", "1.39.*"));
    assert_false(package_version_fits("1.390", "1.39.*"));
    assert_false(package_version_fits("1.3", "1.39.*"));
    assert_false(package_version_fits("1.39.17", "1.39"));
    assert_false(package_version_fits("1.39.17", "1.39.1"));
    assert_false(package_version_fits("1.39.1", "1.39.17"));
    assert_false(package_version_fits(".*", ".*x"));
}

static void valid(void **state)
{
    (void)state;
    assert_true(package_version_is_valid("1.39.17"));
    assert_true(package_version_is_valid("V8.0_SP1+2~x-y"));
    assert_false(package_version_is_valid(""));
    assert_false(package_version_is_valid(".1"));
    assert_false(package_version_is_valid("1 2"));
    assert_false(package_version_is_valid("1/2"));
    assert_false(package_version_is_valid("1.*"));
    assert_false(package_version_is_valid("123456789012345678901234567890123456789012345678"));
    assert_true(package_pattern_is_valid("1.39.*"));
    assert_true(package_pattern_is_valid("1.39"));
    assert_false(package_pattern_is_valid("*"));
    assert_false(package_pattern_is_valid(".*"));
    assert_false(package_pattern_is_valid("1*"));
    assert_false(package_pattern_is_valid("1.*.2"));
}

#define ROOM 8

struct shelf {
    struct package packages[ROOM];
    const struct package *all[ROOM];
    size_t count;
};

static void add(struct shelf *shelf, const char *application, const char *from, const char *version)
{
    char text[512];
    struct error error = {0};
    struct package *package = &shelf->packages[shelf->count];
    snprintf(text, sizeof text,
             "[package]\nformat = 1\nname = x\napplication = %s\ntitle = x\nversion = %s\nfrom = %s\n", application,
             version, from);
    *package = (struct package){.fd = -1};
    if (package_index_parse(package, PACKAGE_INDEX_INPUT, "x", text, strlen(text), &error) != 0) {
        fail_msg("%s", error.message);
    }
    shelf->all[shelf->count++] = package;
}

static void clear(struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++) {
        package_index_free(&shelf->packages[i]);
    }
}

static void path_is_the_shortest(void **state)
{
    struct shelf shelf = {.count = 0};
    const struct package *path[ROOM];
    size_t count = 99;
    struct error error = {0};
    (void)state;
    add(&shelf, "wiki", "1.*", "2.0");
    add(&shelf, "wiki", "2.*", "3.0");
    add(&shelf, "wiki", "3.*", "4.0");
    add(&shelf, "wiki", "2.0", "4.0");
    add(&shelf, "other", "1.*", "4.0");
    add(&shelf, "wiki", "4.0", "2.0"); /* a circle */
    assert_int_equal(package_path_find(shelf.all, shelf.count, "wiki", "1.7", "4.0", path, &count, &error), 0);
    assert_int_equal(count, 2);
    assert_ptr_equal(path[0], shelf.all[0]);
    assert_ptr_equal(path[1], shelf.all[3]);
    assert_int_equal(package_path_find(shelf.all, shelf.count, "wiki", "1.7", NULL, path, &count, &error), 0);
    assert_int_equal(count, 2);
    assert_string_equal(path[1]->version, "4.0");
    assert_int_equal(package_path_find(shelf.all, shelf.count, "wiki", "3.0", "3.0", path, &count, &error), 0);
    assert_int_equal(count, 0);
    clear(&shelf);
}

static void path_is_missing(void **state)
{
    struct shelf shelf = {.count = 0};
    const struct package *path[ROOM];
    size_t count = 99;
    struct error error = {0};
    (void)state;
    add(&shelf, "wiki", "1.*", "2.0");
    add(&shelf, "wiki", "3.0, 3.1", "4.0");
    assert_int_equal(package_path_find(shelf.all, shelf.count, "wiki", "1.7", "4.0", path, &count, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_VERSION);
    assert_non_null(strstr(error.message, "from 1.7 to 4.0"));
    assert_non_null(strstr(error.message, "as far as 2.0"));
    assert_non_null(strstr(error.message, "3.0, 3.1 -> 4.0"));
    assert_int_equal(count, 0);
    /* Only downwards is no upgrade. */
    assert_int_equal(package_path_find(shelf.all, shelf.count, "wiki", "4.0", NULL, path, &count, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_VERSION);
    assert_int_equal(package_path_find(shelf.all, shelf.count, "mail", "1.0", NULL, path, &count, &error), -1);
    assert_non_null(strstr(error.message, "no package for mail"));
    clear(&shelf);
}

static void another_application_or_version(void **state)
{
    struct shelf shelf = {.count = 0};
    struct error error = {0};
    (void)state;
    add(&shelf, "wiki", "1.*", "2.0");
    struct package *package = &shelf.packages[0];
    package->path = strdup("wiki-2.0.cpkg");
    assert_int_equal(package_check_application(package, "wiki", &error), 0);
    assert_int_equal(package_check_version(package, "1.9", &error), 0);
    assert_int_equal(package_check_application(package, "mail", &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_APPLICATION);
    assert_int_equal(error_entry(error.code)->exit_code, EXIT_BAD);
    assert_string_equal(error.message, "wiki-2.0.cpkg is for wiki, and this server has mail");
    assert_int_equal(package_check_version(package, "2.1", &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_VERSION);
    assert_string_equal(error.message, "wiki-2.0.cpkg upgrades wiki from 1.* to 2.0, and this server has 2.1");
    free(package->path);
    clear(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(equal),
        cmocka_unit_test(patterns),
        cmocka_unit_test(valid),
        cmocka_unit_test(path_is_the_shortest),
        cmocka_unit_test(path_is_missing),
        cmocka_unit_test(another_application_or_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
