/* Debian's age and ours read what the other has written. age asks a terminal for passphrases: script(1) is one, and
 * takes what is typed from a pipe. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "age/identities.h"
#include "age/reader.h"
#include "age/sealed.h"
#include "lib/file.h"
#include "repository/vault.h"
#include "target/place.h"

#define PASSPHRASE "correct horse battery staple"

static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 131072, 3 << 20};
#define SIZES (sizeof sizes / sizeof sizes[0])

static int setup(void **state)
{
    (void)state;
    place_make();
    if (system("command -v age >/dev/null && command -v age-keygen >/dev/null") != 0) {
        print_error("needs Debian's age\n");
        return 1;
    }
    place_run("age-keygen -o one 2>&1 && age-keygen -o two 2>&1 && age-keygen -o other 2>&1");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    place_remove();
    return 0;
}

static void write_file(const char *name, const void *data, size_t size_bytes)
{
    struct error error;
    int fd = open(place_path(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_fd(fd, name, data, size_bytes, &error), 0);
    assert_int_equal(close(fd), 0);
}

static void write_noise(const char *name, size_t size_bytes)
{
    uint8_t *noise = malloc(size_bytes + 1);
    assert_non_null(noise);
    vault_noise(noise, size_bytes, size_bytes);
    write_file(name, noise, size_bytes);
    free(noise);
}

/* Runs it on a terminal at which these lines are typed. */
static void type(const char *lines, const char *command)
{
    char script[1024];
    snprintf(script, sizeof script, "printf '%s' | script -qec '%s' /dev/null", lines, command);
    place_run(script);
}

/* Reads the age file with our identity file or passphrase; the plain file holds what must come out. */
static void assert_read(const char *name, const char *identities, const char *passphrase, const char *plain)
{
    struct error error;
    struct buffer file = {0};
    struct buffer expected = {0};
    struct buffer got = {0};
    struct age_identities list = {0};
    if (identities != NULL && age_identities_read(&list, AT_FDCWD, place_path(identities), passphrase, &error) != 0) {
        fail_msg("%s", error.message);
    }
    struct age_keys keys = {.identities = list.items, .count = list.count, .passphrase = passphrase};
    assert_int_equal(file_read(AT_FDCWD, place_path(name), 64 << 20, &file, &error), 0);
    assert_int_equal(file_read(AT_FDCWD, place_path(plain), 64 << 20, &expected, &error), 0);
    if (sealed_read(&file, &keys, &got, &error) != CSN_NONE) {
        fail_msg("%s: %s", name, error.message);
    }
    assert_int_equal(got.size, expected.size);
    assert_memory_equal(buffer_text(&got), buffer_text(&expected), expected.size);
    age_identities_free(&list);
    buffer_free(&got);
    buffer_free(&expected);
    buffer_free(&file);
}

static void recipient_of(const char *identities, struct age_recipient *recipient)
{
    struct error error;
    char script[64];
    struct age_identities list = {0};
    char text[AGE_RECIPIENT_TEXT_SIZE];
    snprintf(script, sizeof script, "age-keygen -y %s", identities);
    const char *line = place_run(script);
    assert_int_equal(age_recipient_parse(recipient, line, &error), 0);
    assert_int_equal(age_identities_read(&list, AT_FDCWD, place_path(identities), NULL, &error), 0);
    age_recipient_print(&list.items[0].recipient, text);
    assert_string_equal(text, line);
    age_identities_free(&list);
}

static void ours_reads_what_age_wrote(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        write_noise("plain", sizes[i]);
        place_run("age -r $(age-keygen -y one) -o file.age plain");
        assert_read("file.age", "one", NULL, "plain");
        place_run("age-keygen -y other >list; age-keygen -y two >>list; age-keygen -y one >>list; "
                  "age -R list -o many.age plain; cat two one >both");
        assert_read("many.age", "one", NULL, "plain");
        assert_read("many.age", "both", NULL, "plain");
        place_run("rm file.age many.age");
    }
}

static void age_reads_what_ours_wrote(void **state)
{
    (void)state;
    struct error error;
    struct age_recipient recipients[2];
    recipient_of("one", &recipients[0]);
    recipient_of("two", &recipients[1]);
    struct age_writer *writer = age_writer_new(recipients, 2, &error);
    assert_non_null(writer);
    for (size_t i = 0; i < SIZES; i++) {
        struct buffer file = {0};
        uint8_t *noise = malloc(sizes[i] + 1);
        assert_non_null(noise);
        vault_noise(noise, sizes[i], i);
        sealed_write(writer, noise, sizes[i], 100000, &file);
        write_file("plain", noise, sizes[i]);
        write_file("file.age", file.data, file.size);
        place_run("age -d -i one file.age >back; cmp back plain; age -d -i two <file.age >back; cmp back plain");
        place_run("! age -d -i other file.age 2>&1");
        buffer_free(&file);
        free(noise);
    }
    age_writer_free(writer);
}

static void ours_reads_a_passphrase_of_age(void **state)
{
    (void)state;
    write_noise("plain", 70000);
    type(PASSPHRASE "\\n" PASSPHRASE "\\n", "age -p -o p.age plain");
    assert_read("p.age", NULL, PASSPHRASE, "plain");
}

static void age_reads_a_passphrase_of_ours(void **state)
{
    (void)state;
    struct error error;
    struct buffer file = {0};
    static const char text[] = "what ours has written\n";
    struct age_writer *writer = age_writer_new_passphrase(PASSPHRASE, 10, &error);
    assert_non_null(writer);
    sealed_write(writer, text, strlen(text), SIZE_MAX, &file);
    write_file("o.age", file.data, file.size);
    type(PASSPHRASE "\\n", "age -d -o o o.age");
    assert_string_equal(place_run("cat o"), "what ours has written");
    age_writer_free(writer);
    buffer_free(&file);
}

static void ours_reads_an_identity_file_that_age_encrypted(void **state)
{
    (void)state;
    write_noise("plain", 100);
    type(PASSPHRASE "\\n" PASSPHRASE "\\n", "age -p -o one.age one");
    place_run("age -r $(age-keygen -y one) -o file.age plain");
    assert_read("file.age", "one.age", PASSPHRASE, "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_reads_what_age_wrote),
        cmocka_unit_test(age_reads_what_ours_wrote),
        cmocka_unit_test(ours_reads_a_passphrase_of_age),
        cmocka_unit_test(age_reads_a_passphrase_of_ours),
        cmocka_unit_test(ours_reads_an_identity_file_that_age_encrypted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
