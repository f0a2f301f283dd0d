/* Strict INI: what is refused, with which code and line, and what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/ini.h"

static const struct ini_rule rules[] = {
    {"job", "name", INI_TEXT, true, "its name"},   {"job", "count", INI_NUMBER, false, "a number"},
    {"job", "go", INI_BOOL, false, "yes or no"},   {"job", "where", INI_PATH, false, "a path"},
    {"job", "list", INI_LIST, false, "a list"},    {"check *", "sql", INI_TEXT, true, "a query"},
    {"answers", "*", INI_TEXT, false, "anything"}, {0},
};

static int parse(struct ini *ini, const char *text, struct error *error)
{
    *error = (struct error){0};
    return ini_parse(ini, "x.job", text, strlen(text), rules, error);
}

static void test_reads(void **state)
{
    (void)state;
    struct ini ini;
    struct error error;
    assert_int_equal(parse(&ini,
                           "\xEF\xBB\xBF[job]\r\nname = a; b # c\r\ncount=7\ngo = yes\nwhere = /a/b\nlist = x, y ,,z\n"
                           "[check one]\nsql = SELECT 1; SELECT 2\n[answers]\nany/path.php = site\n",
                           &error),
                     0);
    assert_string_equal(ini_get(&ini, "job", "name"), "a; b # c");
    assert_int_equal(ini_number(&ini, "job", "count", 1), 7);
    assert_true(ini_bool(&ini, "job", "go", false));
    assert_string_equal(ini_get(&ini, "check one", "sql"), "SELECT 1; SELECT 2");
    assert_string_equal(ini_get(&ini, "answers", "any/path.php"), "site");
    assert_null(ini_get(&ini, "job", "nothing"));
    struct strings list = {0};
    assert_int_equal(ini_list(&ini, "job", "list", &list, &error), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[2], "z");
    strings_free(&list);
    ini_free(&ini);
}

/* Any text can be a key where any key is allowed, also as its own message writes it. */
static void test_keys_of_any_bytes(void **state)
{
    (void)state;
    static const char *const texts[] = {"any/path.php",
                                        "a=b:c.txt",
                                        "# no comment",
                                        "100%25 sure",
                                        " [x] ",
                                        "two\nlines",
                                        "h\xe4"
                                        "fen",
                                        "\xe6\xb8\xaf",
                                        ";",
                                        "*"};
    struct buffer job = {0};
    struct ini ini;
    struct error error;
    buffer_string(&job, "[job]\nname = a\n[answers]\n");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ini_append_key(&job, texts[i]);
        buffer_string(&job, " = site\n");
    }
    assert_non_null(strstr(buffer_text(&job), "\na%3Db%3Ac.txt = site\n"));
    assert_non_null(strstr(buffer_text(&job), "\n\xe6\xb8\xaf = site\n"));
    assert_non_null(strstr(buffer_text(&job), "\nh%E4fen = site\n"));
    assert_int_equal(parse(&ini, buffer_text(&job), &error), 0);
    assert_int_equal(ini.count, 1 + sizeof texts / sizeof texts[0]);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_non_null(ini_get(&ini, "answers", texts[i]));
    }
    ini_free(&ini);
    assert_int_equal(parse(&ini, "[job]\nname = a\n[answers]\na%zz%4 = site\nb%00 = site\na%41 = 1\naA = 2\n", &error),
                     -1);
    assert_int_equal(error.code, CSN_JOB_REPEATED_KEY);
    assert_int_equal(parse(&ini, "[job]\nname = a\n[answers]\na%zz%4 = site\nb%00 = site\n", &error), 0);
    assert_non_null(ini_get(&ini, "answers", "a%zz%4"));
    assert_non_null(ini_get(&ini, "answers", "b%00"));
    ini_free(&ini);
    buffer_free(&job);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum error_code code;
        const char *says;
    } cases[] = {
        {"[job]\nname = a\nnaem = b\n", CSN_JOB_UNKNOWN_KEY, "line 3: there is no key \"naem\" in [job]"},
        {"[jbo]\nname = a\n", CSN_JOB_UNKNOWN_KEY, "in [jbo]"},
        {"[job]\nname = a\n  [answer]\n; none\n", CSN_JOB_UNKNOWN_KEY, "line 3: there is no section [answer]"},
        {"\xEF\xBB\xBF[jbo]\r\n[job]\r\nname = a\r\n", CSN_JOB_UNKNOWN_KEY, "line 1: there is no section [jbo]"},
        {"[job]\nname = a\ncount = 1\ncount = 2\n", CSN_JOB_REPEATED_KEY,
         "line 4: \"count\" in [job] was already given in line 3"},
        {"[job]\nname = a\n[answers]\nx = y\n[job]\nname = b\n", CSN_JOB_REPEATED_KEY, "line 6"},
        {"[job]\nname = a\ncount = seven\n", CSN_JOB_VALUE, "a whole number"},
        {"[job]\nname = a\ncount = -1\n", CSN_JOB_VALUE, "a whole number"},
        {"[job]\nname = a\ncount = 99999999999999999999999\n", CSN_JOB_VALUE, "a whole number"},
        {"[job]\nname = a\ngo = true\n", CSN_JOB_VALUE, "yes or no"},
        {"[job]\nname = a\nwhere = b/c\n", CSN_JOB_VALUE, "absolute path"},
        {"[job]\nname = a\nwhere = /b/../c\n", CSN_JOB_VALUE, "absolute path"},
        {"[job]\nname =\n", CSN_JOB_VALUE, "something behind"},
        {"[job]\nname = a\njust words\n", CSN_JOB_SYNTAX, "line 3"},
        {"[job]\ncount = 1\n", CSN_JOB_KEY_MISSING, "needs the key \"name\""},
        {"", CSN_JOB_KEY_MISSING, "the section is not there"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ini ini;
        struct error error;
        assert_int_equal(parse(&ini, cases[i].text, &error), -1);
        if (error.code != cases[i].code || strstr(error.message, cases[i].says) == NULL) {
            fail_msg("\"%s\" gives %s: %s", cases[i].text, error_entry(error.code)->code, error.message);
        }
        assert_null(ini.entries);
    }
    struct ini ini;
    struct error error;
    assert_int_equal(ini_parse(&ini, "x", "[job]\0name", 10, rules, &error), -1);
    assert_int_equal(error.code, CSN_JOB_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_reads), cmocka_unit_test(test_keys_of_any_bytes),
                                       cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
