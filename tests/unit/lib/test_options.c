/* Options as a table: what is taken, what is refused with which words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/options.h"

static const struct option_usage usage = {"try", "PATH...", "Tries.", 1, 2};
static const struct option_rule rules[] = {
    {"json", OPTION_FLAG, false, NULL, "as JSON"},
    {"target", OPTION_TEXT, true, "DIR", "where"},
    {"count", OPTION_NUMBER, false, "N", "how many"},
    {"exclude", OPTION_LIST, false, "P", "not these"},
    {0},
};

static int parse(struct options *options, struct error *error, int argc, const char *const argv[])
{
    *error = (struct error){0};
    return options_parse(options, &usage, rules, argc, (char *const *)(uintptr_t)argv, error);
}

static void test_takes(void **state)
{
    (void)state;
    struct options options;
    struct error error;
    const char *argv[] = {"try", "--target", "/x", "a",  "--exclude=1", "--exclude",
                          "2",   "--count",  "5",  "--", "--json"};
    assert_int_equal(parse(&options, &error, 11, argv), 0);
    assert_string_equal(options_text(&options, "target"), "/x");
    assert_int_equal(options_number(&options, "count", 0), 5);
    assert_false(options_flag(&options, "json"));
    assert_int_equal(options_list(&options, "exclude")->count, 2);
    assert_int_equal(options.operands.count, 2);
    assert_string_equal(options.operands.items[1], "--json");
    options_free(&options);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        int argc;
        const char *argv[8];
        const char *says;
    } cases[] = {
        {3, {"try", "--trget", "x"}, "no option --trget"},
        {4, {"try", "--target", "x", "--target=y"}, "--target is given twice"},
        {2, {"try", "--target"}, "needs a value"},
        {5, {"try", "--target=x", "--count", "many", "a"}, "a whole number"},
        {4, {"try", "--target=x", "--json=yes", "a"}, "takes no value"},
        {2, {"try", "a"}, "needs --target"},
        {2, {"try", "--target=x"}, "not 0 operand"},
        {5, {"try", "--target=x", "a", "b", "c"}, "not 3 operand"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options options;
        struct error error;
        assert_int_equal(parse(&options, &error, cases[i].argc, cases[i].argv), -1);
        assert_int_equal(error.code, CSN_USAGE);
        if (strstr(error.message, cases[i].says) == NULL) {
            fail_msg("case %zu says: %s", i, error.message);
        }
        options_free(&options);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_takes), cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
