/* What a server's disk says is shown, and cannot pretend to be a line of ours. */
// wrap: clock_monotonic_ms
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "console/console.h"
#include "lib/text.h"

static int64_t now_ms;
static struct console console;
static char *shown;
static size_t shown_size;

int64_t __wrap_clock_monotonic_ms(void);
int64_t __wrap_clock_monotonic_ms(void)
{
    return now_ms;
}

static void begin(bool overwrites)
{
    console_open(&console, open_memstream(&shown, &shown_size));
    console.overwrites = overwrites;
    now_ms = 0;
}

static void end(void)
{
    fclose(console.out);
    assert_true(utf8_is_valid(shown, shown_size));
}

static void test_control_characters_forge_no_line(void **state)
{
    (void)state;
    begin(false);
    console_say(&console, "  check %s", "a\nresult: upgraded\r\033[2J\x7f");
    console_step_end(&console, 9, 11, "verify", false, 1200, &(struct traffic){0},
                     "\xC2\x9B"
                     "1A\ttext");
    end();
    assert_string_equal(shown, "  check a\\x0aresult: upgraded\\x0d\\x1b[2J\\x7f\n"
                               "[9/11] verify: FAILED after 1.2 s; \\xc2\\x9b1A\\x09text\n");
    free(shown);
}

static void test_utf8_stays_and_other_bytes_are_shown(void **state)
{
    (void)state;
    begin(false);
    console_say(&console, "%s %s %s", "\xE6\xB8\xAF", "\xB8\xDB", "cut \xE6\xB8");
    end();
    assert_string_equal(shown, "\xE6\xB8\xAF \\xb8\\xdb cut \\xe6\\xb8\n");
    free(shown);
}

static void test_a_long_sentence_is_cut(void **state)
{
    (void)state;
    static char text[10000];
    memset(text, 'a', sizeof text - 1);
    begin(false);
    console_say(&console, "%s", text);
    end();
    assert_int_equal(shown_size, 4096);
    assert_int_equal(shown[shown_size - 1], '\n');
    free(shown);
}

static void test_progress_is_one_safe_line(void **state)
{
    (void)state;
    struct progress_state progress = {.doing = "reading", .item = "/a\n\033[31m\xE6\xB8\xAF\xFF", .done_items = 3};
    for (int overwrites = 0; overwrites < 2; overwrites++) {
        begin(overwrites != 0);
        console.progress.tell(console.progress.context, &progress);
        now_ms = 60000;
        console.progress.tell(console.progress.context, &progress);
        end();
        assert_string_equal(shown, overwrites == 0 ? "  reading: 3  /a\\x0a\\x1b[31m\xE6\xB8\xAF\\xff\n"
                                                   : "\r  reading: 3  /a\\x0a\\x1b[31m\xE6\xB8\xAF\\xff\033[K");
        free(shown);
    }
}

static void test_progress_fits_a_terminal(void **state)
{
    (void)state;
    char item[200] = "";
    for (int i = 0; i < 60; i++) {
        strcat(item, "\xE6\xB8\xAF");
    }
    struct progress_state progress = {.doing = "reading", .item = item, .done_items = 3};
    begin(true);
    console.progress.tell(console.progress.context, &progress);
    now_ms = 60000;
    console.progress.tell(console.progress.context, &progress);
    end();
    /* 14 columns, then as many characters of two columns each as fit into 79, and what frames the line */
    assert_int_equal(shown_size, 1 + strlen("  reading: 3  ") + 32 * 3 + strlen("\033[K"));
    free(shown);
}

static void test_a_step_says_what_it_took(void **state)
{
    (void)state;
    begin(false);
    console_step_end(&console, 4, 11, "backup", true, 62000, &(struct traffic){true, 1234567890, 999}, "all of it");
    console_step_end(&console, 8, 11, "switch", true, 250, &(struct traffic){true, 0, 0}, "");
    console_step_end(&console, 9, 11, "verify", true, 250, &(struct traffic){0}, NULL);
    end();
    assert_string_equal(shown, "[4/11] backup: done in 1 min 2 s, read 1.2 GB, wrote 999 B; all of it\n"
                               "[8/11] switch: done in 0.2 s, read 0 B, wrote 0 B\n"
                               "[9/11] verify: done in 0.2 s\n");
    free(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_characters_forge_no_line),
        cmocka_unit_test(test_utf8_stays_and_other_bytes_are_shown),
        cmocka_unit_test(test_a_long_sentence_is_cut),
        cmocka_unit_test(test_progress_is_one_safe_line),
        cmocka_unit_test(test_progress_fits_a_terminal),
        cmocka_unit_test(test_a_step_says_what_it_took),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
