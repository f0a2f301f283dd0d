/* Regular expressions within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/expression.h"

static void test_takes_what_people_write(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"^([0-9]+)\\.([0-9]+)\\.([0-9]+)$", "1.39.17"},
        {"MW_VERSION', '([^']+)'", "define( 'MW_VERSION', '1.39' )"},
        {"^v?[0-9]{1,3}(\\.[0-9]{1,3}){2,3}(-(alpha|beta|rc)[.0-9]*)?$", "v10.20.3-rc.1"},
        {"[]+*{}()]{3}", "a+){b"},
        {"^[[:alpha:]]+[[.-.]][[=a=]]$", "abc-a"},
        {"a{200}",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        regex_t compiled;
        char reason[EXPRESSION_REASON_SIZE] = "";
        if (expression_compile(&compiled, pairs[i][0], 0, reason) != 0) {
            fail_msg("%s: %s", pairs[i][0], reason);
        }
        assert_int_equal(regexec(&compiled, pairs[i][1], 0, NULL, 0), 0);
        regfree(&compiled);
    }
}

static void test_refuses_what_would_not_end(void **state)
{
    (void)state;
    char long_one[5001];
    memset(long_one, 'a', 5000);
    long_one[5000] = '\0';
    const char *const pairs[][2] = {
        {"((a{99}){99}){99}", "written out"},
        {"((((((((((((((((((a+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)+)", "written out"},
        {"(a{200}b{200}){200}", "written out"},
        {"a{30000}", "written out"},
        {"(x[]{9}]{255}){255}", "written out"},
        {"(a*)\\1", "back-reference"},
        {long_one, "too long"},
        {"(", ""},
        {"[a", ""},
        {"a{2", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        regex_t compiled;
        char reason[EXPRESSION_REASON_SIZE] = "";
        assert_int_equal(expression_compile(&compiled, pairs[i][0], 0, reason), -1);
        assert_non_null(strstr(reason, pairs[i][1]));
        assert_true(reason[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_what_people_write),
        cmocka_unit_test(test_refuses_what_would_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
