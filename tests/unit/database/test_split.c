#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "database/split.h"

/* expected: the statements joined by "|"; the lines they begin in by number. */
static void assert_split(const char *text, const char *expected, const int *lines)
{
    struct split split;
    struct split_statement statement;
    char joined[1024] = "";
    int count = 0;
    split_begin(&split, text, strlen(text));
    while (split_next(&split, &statement)) {
        size_t used = strlen(joined);
        snprintf(joined + used, sizeof joined - used, "%s%.*s", count > 0 ? "|" : "", (int)statement.size_bytes,
                 statement.text);
        count++;
        assert_int_equal(statement.number, count);
        if (lines != NULL) {
            assert_int_equal(statement.line, lines[count - 1]);
        }
    }
    assert_null(split_problem(&split, NULL));
    assert_string_equal(joined, expected);
}

static void assert_problem(const char *text, const char *words, int expected_line)
{
    struct split split;
    struct split_statement statement;
    int line = 0;
    split_begin(&split, text, strlen(text));
    while (split_next(&split, &statement)) {
    }
    assert_non_null(split_problem(&split, &line));
    assert_non_null(strstr(split_problem(&split, NULL), words));
    assert_int_equal(line, expected_line);
}

static void test_plain(void **state)
{
    (void)state;
    assert_split("", "", NULL);
    assert_split(" ;; \n;", "", NULL);
    assert_split("-- only a comment", "", NULL);
    assert_split("SELECT 1", "SELECT 1", NULL);
    assert_split("\xef\xbb\xbfSELECT 1;", "SELECT 1", NULL);
    static const int lines[] = {1, 2, 5};
    assert_split("a;\nb\n;-- c;\n/* d; /* nested; */ */\ne;", "a|b\n|e", lines);
    assert_split("a -- x ; y\n b; c", "a -- x ; y\n b|c", NULL);
}

static void test_quotes(void **state)
{
    (void)state;
    assert_split("a ';' b; c", "a ';' b|c", NULL);
    assert_split("a 'it''s;' b; c", "a 'it''s;' b|c", NULL);
    assert_split("a 'back\\'; b", "a 'back\\'|b", NULL); /* standard strings: no escape */
    assert_split("a E'quo\\';te'; b", "a E'quo\\';te'|b", NULL);
    assert_split("a e'\\\\'; b", "a e'\\\\'|b", NULL);
    assert_split("ae';'; b", "ae';'|b", NULL);
    assert_split("a \"se;mi\"\"colon;\"; b", "a \"se;mi\"\"colon;\"|b", NULL);
    assert_split("a $$;'\"--$$; b", "a $$;'\"--$$|b", NULL);
    assert_split("a $f$ $$;$$ $g$;$g$ $f$; b", "a $f$ $$;$$ $g$;$g$ $f$|b", NULL);
    assert_split("a $1; b $2;", "a $1|b $2", NULL);
    assert_split("a x$y$; b", "a x$y$|b", NULL); /* a name may hold $ */
    assert_split("a U&'\\0061;'; b", "a U&'\\0061;'|b", NULL);
}

static void test_blocks(void **state)
{
    (void)state;
    assert_split("CREATE RULE r AS ON DELETE TO t DO (a; b); c", "CREATE RULE r AS ON DELETE TO t DO (a; b)|c", NULL);
    assert_split("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN b END; END; x",
                 "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN b END; END|x", NULL);
    assert_split("create or replace procedure p() begin atomic a; end; x",
                 "create or replace procedure p() begin atomic a; end|x", NULL);
    assert_split("BEGIN; SELECT 1; END; x", "BEGIN|SELECT 1|END|x", NULL);
    assert_split("CREATE TABLE begin (a int); x", "CREATE TABLE begin (a int)|x", NULL);
    assert_split("SELECT ')' ; x", "SELECT ')' |x", NULL);
    assert_split("SELECT ); x", "SELECT )|x", NULL);
}

static void test_problems(void **state)
{
    (void)state;
    assert_problem("a;\nb 'never\nclosed", "quote", 2);
    assert_problem("a;\n\"never", "quote", 2);
    assert_problem("a\n\n$x$ never $$", "dollar", 3);
    assert_problem("a;\n/* never /* twice */", "comment", 2);
    assert_problem("a;\n\n\\copy t from x", "psql", 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_problems),
    };
    return cmocka_run_group_tests_name("split", tests, NULL, NULL);
}
