/* The chain holds, breaks where a past line was changed, and survives any cut of its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal/journal.h"
#include "lib/file.h"
#include "lib/text.h"

static char folder[64];
static int dir_fd;

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/caisson-test-XXXXXX");
    dir_fd = mkdtemp(folder) == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY);
    return dir_fd < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    close(dir_fd);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* Three records in the file "one". */
static void make_journal(struct journal *journal)
{
    struct error error;
    journal_init(journal);
    assert_int_equal(journal_attach(journal, dir_fd, "one", "stick", &error), 0);
    assert_int_equal(journal_note(journal, &error, "run", "run", "r1", NULL), 0);
    assert_int_equal(journal_note(journal, &error, "note", "path", "a\xFF\nb", "nothing", NULL, NULL), 0);
    assert_int_equal(journal_note(journal, &error, "run-end", "result", "upgraded", NULL), 0);
}

static void read_text(const char *file, struct buffer *text)
{
    struct error error;
    assert_int_equal(file_read(dir_fd, file, 1 << 20, text, &error), 0);
}

static void write_text(const char *file, const void *data, size_t size)
{
    struct error error;
    assert_int_equal(file_replace(dir_fd, file, data, size, 0600, &error), 0);
}

static void test_reads_back(void **state)
{
    (void)state;
    struct journal journal;
    struct journal again;
    struct error error;
    make_journal(&journal);
    journal_init(&again);
    assert_int_equal(journal_read(&again, dir_fd, "one", &error), 0);
    assert_int_equal(again.count, 3);
    assert_string_equal(again.head, journal.head);
    assert_true(journal_is(journal_record(&again, 2), "run-end"));
    assert_string_equal(journal_get(journal_record(&again, 0), "run"), "r1");
    assert_string_equal(journal_get(journal_record(&again, 1), "path64"), "Yf8KYg==");
    journal_free(&again);
    journal_free(&journal);
}

static void test_any_cut_of_the_end_is_an_end(void **state)
{
    (void)state;
    struct journal journal;
    struct error error;
    struct buffer text = {0};
    make_journal(&journal);
    read_text("one", &text);
    for (size_t size = 0; size < text.size; size++) {
        struct journal cut;
        size_t whole = 0;
        for (size_t i = 0; i < size; i++) {
            whole += text.data[i] == '\n';
        }
        write_text("two", text.data, size);
        journal_init(&cut);
        assert_int_equal(journal_read(&cut, dir_fd, "two", &error), 0);
        assert_int_equal(cut.count, whole);
        /* and it goes on from there */
        assert_int_equal(journal_attach(&cut, dir_fd, "two", "stick", &error), 0);
        assert_int_equal(journal_note(&cut, &error, "resumed", NULL), 0);
        journal_free(&cut);
        journal_init(&cut);
        assert_int_equal(journal_read(&cut, dir_fd, "two", &error), 0);
        assert_int_equal(cut.count, whole + 1);
        journal_free(&cut);
    }
    /* a power cut may also leave the space of the last line with zeros in it */
    buffer_append(&text, "\0\0\0\0\0\n", 6);
    write_text("two", text.data, text.size);
    struct journal zeros;
    journal_init(&zeros);
    assert_int_equal(journal_read(&zeros, dir_fd, "two", &error), 0);
    assert_int_equal(zeros.count, 3);
    journal_free(&zeros);
    buffer_free(&text);
    journal_free(&journal);
}

static void test_any_changed_byte_of_the_past_breaks_it(void **state)
{
    (void)state;
    struct journal journal;
    struct buffer text = {0};
    make_journal(&journal);
    read_text("one", &text);
    size_t last = text.size - 2;
    while (text.data[last] != '\n') {
        last--;
    }
    for (size_t i = 0; i < last; i++) {
        struct journal broken;
        struct error error = {0};
        char kept = text.data[i];
        text.data[i] = (char)(kept ^ 1);
        write_text("two", text.data, text.size);
        text.data[i] = kept;
        journal_init(&broken);
        if (journal_read(&broken, dir_fd, "two", &error) != -1) {
            fail_msg("byte %zu was changed and nobody saw it", i);
        }
        assert_int_equal(error.code, CSN_JOURNAL_BROKEN);
        journal_free(&broken);
    }
    buffer_free(&text);
    journal_free(&journal);
}

static void test_two_copies_go_on_from_the_longer(void **state)
{
    (void)state;
    struct journal journal;
    struct journal shorter;
    struct error error;
    struct buffer text = {0};
    make_journal(&journal);
    read_text("one", &text);
    write_text("two", text.data, (size_t)(strchr(text.data, '\n') - text.data) + 1);
    journal_init(&shorter);
    assert_int_equal(journal_read(&shorter, dir_fd, "two", &error), 0);
    assert_int_equal(shorter.count, 1);
    assert_int_equal(journal_merge(&shorter, &journal, &error), 0);
    assert_int_equal(shorter.count, 3);
    assert_string_equal(shorter.head, journal.head);
    assert_int_equal(journal_attach(&shorter, dir_fd, "two", "server", &error), 0);
    struct buffer both = {0};
    read_text("two", &both);
    assert_int_equal(both.size, text.size);
    buffer_free(&both);
    buffer_free(&text);
    journal_free(&shorter);
    journal_free(&journal);
}

static void test_two_stories_are_a_fork(void **state)
{
    (void)state;
    struct journal journal;
    struct journal other;
    struct error error;
    make_journal(&journal);
    journal_init(&other);
    assert_int_equal(journal_attach(&other, dir_fd, "two", "server", &error), 0);
    assert_int_equal(journal_note(&other, &error, "run", "run", "r2", NULL), 0);
    assert_int_equal(journal_merge(&journal, &other, &error), -1);
    assert_int_equal(error.code, CSN_JOURNAL_FORK);
    assert_int_equal(journal.count, 3);
    assert_int_equal(journal_attach(&journal, dir_fd, "two", "server", &error), -1);
    assert_int_equal(error.code, CSN_JOURNAL_FORK);
    struct buffer text = {0};
    read_text("two", &text);
    assert_non_null(strstr(text.data, "\"r2\"")); /* nothing was overwritten */
    buffer_free(&text);
    journal_free(&other);
    journal_free(&journal);
}

static void test_a_full_disk_is_told(void **state)
{
    (void)state;
    struct journal journal;
    struct error error = {0};
    journal_init(&journal);
    int dev_fd = open("/dev", O_RDONLY | O_DIRECTORY);
    journal.sinks[0].fd = openat(dev_fd, "full", O_WRONLY);
    journal.sinks[0].name = strdup("stick");
    assert_int_equal(journal_note(&journal, &error, "run", NULL), -1);
    assert_int_equal(error.code, CSN_JOURNAL_WRITE);
    assert_non_null(strstr(error.message, "stick"));
    close(dev_fd);
    journal_free(&journal);
}

/* A disk that is full keeps nobody from undoing: the other copy suffices, and the first gets what it lacks when there is room. */
static void test_one_copy_suffices_where_it_may(void **state)
{
    (void)state;
    struct journal journal;
    struct error error = {0};
    make_journal(&journal);
    assert_int_equal(journal_attach(&journal, dir_fd, "two", "server", &error), 0);
    int good = journal.sinks[1].fd;
    journal.sinks[1].fd = open("/dev/full", O_WRONLY);
    assert_null(journal_lagging(&journal));
    assert_int_equal(journal_note(&journal, &error, "undone", NULL), -1); /* every one */
    journal_need(&journal, "server");
    assert_int_equal(journal.sinks[1].fd, -1); /* /dev/full cannot be cut back: nothing more is written there */
    assert_int_equal(journal_note(&journal, &error, "undone", NULL), -1);
    assert_non_null(strstr(error.message, "server"));
    journal_need(&journal, "stick");
    assert_int_equal(journal_note(&journal, &error, "undone", NULL), 0);
    assert_string_equal(journal_lagging(&journal), "server");
    journal_need(&journal, JOURNAL_ANY);
    assert_int_equal(journal_note(&journal, &error, "undone", NULL), 0);
    journal.sinks[1].fd = good;
    assert_int_equal(journal_note(&journal, &error, "undone", NULL), 0);
    assert_null(journal_lagging(&journal));
    struct buffer one = {0};
    struct buffer two = {0};
    read_text("one", &one);
    read_text("two", &two);
    assert_string_equal(one.data, two.data);
    for (int i = 0; i < JOURNAL_SINKS; i++) {
        close(journal.sinks[i].fd);
        journal.sinks[i].fd = -1;
    }
    assert_int_equal(journal_note(&journal, &error, "undone", NULL), -1); /* not one is left */
    assert_int_equal(error.code, CSN_JOURNAL_WRITE);
    buffer_free(&one);
    buffer_free(&two);
    journal_free(&journal);
}

/* A path, a name in GBK, a message cut in the middle of a character: nothing makes an append fail. */
static void test_text_that_is_not_utf8_is_kept(void **state)
{
    (void)state;
    struct journal journal;
    struct error error = {0};
    make_journal(&journal);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "host", "\xB7\xFE");
    yyjson_mut_obj_add_str(document, fields, "good", "\xE4\xB8\xAD");
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, fields, "units");
    yyjson_mut_arr_add_str(document, list, "a\xFF.service");
    yyjson_mut_obj_add_str(document, yyjson_mut_arr_add_obj(document, list), "role", "\xE4\xB8");
    assert_int_equal(journal_append(&journal, "server", fields, &error), 0);
    assert_int_equal(journal_note(&journal, &error, "run-end", "message", "cut \xE4\xB8", NULL), 0);
    yyjson_mut_doc_free(document);
    journal_free(&journal);
    journal_init(&journal);
    assert_int_equal(journal_read(&journal, dir_fd, "one", &error), 0);
    assert_int_equal(journal.count, 5);
    assert_true(utf8_is_valid(journal.lines.data, journal.lines.size));
    yyjson_val *record = journal_record(&journal, 3);
    assert_string_equal(journal_get(record, "host64"), "t/4=");
    assert_null(yyjson_obj_get(record, "host"));
    assert_string_equal(journal_get(record, "good"), "\xE4\xB8\xAD");
    yyjson_val *units = yyjson_obj_get(record, "units");
    assert_string_equal(yyjson_get_str(yyjson_arr_get(units, 0)), "a\\xff.service");
    assert_string_equal(yyjson_get_str(yyjson_obj_get(yyjson_arr_get(units, 1), "role64")), "5Lg=");
    assert_string_equal(journal_get(journal_record(&journal, 4), "message64"), "Y3V0IOS4");
    journal_free(&journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text_that_is_not_utf8_is_kept, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_reads_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_any_cut_of_the_end_is_an_end, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_any_changed_byte_of_the_past_breaks_it, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_two_copies_go_on_from_the_longer, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_two_stories_are_a_fork, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_full_disk_is_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_one_copy_suffices_where_it_may, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
