/* The catalogue: every code once, in its form, with an exit code and words for a person. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/error.h"
#include "lib/strings.h"
#include "lib/text.h"

static void test_catalogue(void **state)
{
    (void)state;
    for (int i = 1; i < CSN_COUNT; i++) {
        const struct error_entry *entry = error_entry((enum error_code)i);
        assert_int_equal(strlen(entry->code), 8);
        assert_memory_equal(entry->code, "CSN-", 4);
        assert_true(entry->exit_code >= EXIT_BAD && entry->exit_code <= EXIT_NEEDS_PERSON);
        assert_true(strlen(entry->title) > 10 && strlen(entry->remedy) > 10);
        assert_true(entry->remedy[strlen(entry->remedy) - 1] == '.');
        assert_int_equal(error_find(entry->code), i); /* the first of its text: no code twice */
    }
    assert_int_equal(error_find("CSN-X999"), CSN_NONE);
    assert_int_equal(error_find("csn-j001"), CSN_JOB_MISSING);
}

static void test_wrap_keeps_within_bounds(void **state)
{
    (void)state;
    struct error error = {0};
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(error_set(&error, CSN_IO, "%s", text), -1);
    assert_int_equal(error_wrap(&error, "%s", text), -1);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    error_set(&error, CSN_IO, "inside");
    error_wrap(&error, "outside %d", 7);
    assert_string_equal(error.message, "outside 7: inside");
    assert_int_equal(error.code, CSN_IO);
    assert_int_equal(error_set(NULL, CSN_IO, "nobody asks"), -1);
}

static void test_secrets_are_not_repeated(void **state)
{
    (void)state;
    struct error error = {0};
    error_set(&error, CSN_IO, "opening %s: it", "AGE-SECRET-KEY-1QQ, age-secret-key-1zz");
    assert_string_equal(error.message, "opening AGE-SECRET-KEY-***, age-secret-key-***: it");
    error_system(&error, CSN_IO, "%s", "AGE-SECRET-KEY-PQ-1QQ/x");
    assert_memory_equal(error.message, "AGE-SECRET-KEY-******/x: ", 25);
    error_set(&error, CSN_IO, "inside");
    error_wrap(&error, "%s", "AGE-SECRET-KEY-1");
    assert_string_equal(error.message, "AGE-SECRET-KEY-*: inside");
}

static void test_utf8(void **state)
{
    (void)state;
    assert_true(utf8_is_valid("abc \xE4\xB8\xAD\xE6\x96\x87 \xF0\x9F\x98\x80", 15));
    assert_false(utf8_is_valid("\xC0\xAF", 2));         /* overlong */
    assert_false(utf8_is_valid("\xED\xA0\x80", 3));     /* surrogate */
    assert_false(utf8_is_valid("\xF4\x90\x80\x80", 4)); /* behind the end */
    assert_false(utf8_is_valid("\xE4\xB8", 2));         /* cut */
    assert_false(utf8_is_valid("a\0b", 3));
}

static void test_inside(void **state)
{
    (void)state;
    assert_true(path_is_inside("/a/b", "/a"));
    assert_true(path_is_inside("/a", "/a"));
    assert_false(path_is_inside("/ab", "/a"));
    assert_true(path_is_inside("/a", "/"));
}

/* A program's words in one line of ours: first and last ones. */
static void test_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t room;
        const char *line;
    } cases[] = {
        {"", 20, ""},
        {"\n\n", 20, ""},
        {"one\n", 20, "one"},
        {"\none\r\n\tby two\n\nthree\x1b[2J\n", 60, "one | by two | three [2J"},
        {"1234567890", 11, "1234567890"},
        {"abcd567890123456789012345", 21, "abcd5 ... 6789012345"},
        {"first: why\nat a\nat b\nat c\nat d\nin main\n", 33, "first: w ...  c | at d | in main"},
        {"\xe6\xb8\xaf\xe6\xb8\xaf\xe6\xb8\xaf\xe6\xb8\xaf\xe6\xb8\xaf\xe6\xb8\xaf", 17,
         "\xe6\xb8\xaf ... \xe6\xb8\xaf\xe6\xb8\xaf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[64];
        text_one_line(cases[i].text, strlen(cases[i].text), line, cases[i].room);
        assert_string_equal(line, cases[i].line);
        assert_true(strlen(line) < cases[i].room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_catalogue),
                                       cmocka_unit_test(test_wrap_keeps_within_bounds),
                                       cmocka_unit_test(test_secrets_are_not_repeated),
                                       cmocka_unit_test(test_utf8),
                                       cmocka_unit_test(test_inside),
                                       cmocka_unit_test(test_one_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
