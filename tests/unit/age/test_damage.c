/* Age files that are not as they should be: none of them is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "age/header.h"
#include "age/sealed.h"
#include "repository/vault.h"

#define TWO_SEGMENTS (SEALED_SEGMENT + 100)

static struct age_identity identity;
static const struct age_keys keys = {.identities = &identity, .count = 1, .passphrase = "x"};

static int make_identity(void **state)
{
    (void)state;
    sealed_identity(&identity, 40);
    return 0;
}

static void refuses_every_flipped_bit(void **state)
{
    (void)state;
    struct error error;
    struct buffer file = {0};
    sealed_small(&identity, "a short secret", 14, &file);
    for (size_t bit = 0; bit < 8 * file.size; bit++) {
        file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
        enum error_code code = sealed_read(&file, &keys, NULL, &error);
        /* What wraps the key may be changed so that it looks like somebody else's. */
        assert_true(code == CSN_AGE_DAMAGED || (bit / 8 < 22 && code == CSN_AGE_NOT) ||
                    (bit / 8 >= 22 && bit / 8 < 120 && code == CSN_AGE_NO_IDENTITY));
        file.data[bit / 8] = (char)(file.data[bit / 8] ^ 1 << bit % 8);
    }
    assert_int_equal(sealed_read(&file, &keys, NULL, &error), CSN_NONE);
    buffer_free(&file);
}

static void refuses_flipped_bits_of_a_large_file(void **state)
{
    (void)state;
    struct error error;
    struct buffer file = {0};
    uint8_t *noise = malloc(TWO_SEGMENTS);
    vault_noise(noise, TWO_SEGMENTS, 3);
    sealed_small(&identity, noise, TWO_SEGMENTS, &file);
    size_t header = file.size - TWO_SEGMENTS - 32 - 16;
    for (size_t at = header; at<file.size; at += at + 200> file.size || at < header + 40 ? 1 : 97) {
        file.data[at] = (char)(file.data[at] ^ 0x10);
        assert_int_equal(sealed_read(&file, &keys, NULL, &error), CSN_AGE_DAMAGED);
        file.data[at] = (char)(file.data[at] ^ 0x10);
    }
    /* The other segment can still be read; of a read over both nothing is given. */
    file.data[header + 16 + 5] = (char)(file.data[header + 16 + 5] ^ 1);
    uint8_t back[200];
    struct age_reader *reader = age_reader_open(sealed_source, &file, file.size, &keys, &error);
    assert_non_null(reader);
    assert_int_equal(age_reader_read(reader, SEALED_SEGMENT, back, 100, &error), 0);
    assert_memory_equal(back, noise + SEALED_SEGMENT, 100);
    assert_int_equal(age_reader_read(reader, SEALED_SEGMENT - 100, back, 200, &error), -1);
    assert_int_equal(error.code, CSN_AGE_DAMAGED);
    for (size_t i = 0; i < sizeof back; i++) {
        assert_int_equal(back[i], 0);
    }
    assert_int_equal(age_reader_read(reader, SEALED_SEGMENT, back, 100, &error), 0);
    assert_memory_equal(back, noise + SEALED_SEGMENT, 100);
    age_reader_free(reader);
    buffer_free(&file);
    free(noise);
}

static void refuses_every_other_length(void **state)
{
    (void)state;
    struct error error;
    struct buffer file = {0};
    struct buffer longer = {0};
    uint8_t *noise = malloc(TWO_SEGMENTS);
    vault_noise(noise, TWO_SEGMENTS, 3);
    sealed_small(&identity, noise, TWO_SEGMENTS, &file);
    size_t whole = file.size;
    size_t header = whole - TWO_SEGMENTS - 32 - 16;
    for (size_t size = 0;
         size<whole; size += size> header + 60 && size + 250 < whole && size % SEALED_SEGMENT > 250 ? 61 : 1) {
        file.size = size;
        enum error_code code = sealed_read(&file, &keys, NULL, &error);
        assert_true(code == CSN_AGE_DAMAGED || (size < 22 && code == CSN_AGE_NOT));
    }
    file.size = whole;
    buffer_append(&longer, file.data, file.size);
    for (size_t more = 1; more < 2 * SEALED_SEGMENT; more += more < 50 ? 1 : 997) {
        longer.size = file.size;
        buffer_append(&longer, noise, more < TWO_SEGMENTS ? more : TWO_SEGMENTS);
        assert_int_equal(sealed_read(&longer, &keys, NULL, &error), CSN_AGE_DAMAGED);
    }
    buffer_free(&longer);
    buffer_free(&file);
    free(noise);
}

#define ONE ((const size_t[]){5, SIZE_MAX})
#define A_BODY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define A_LINE A_BODY "AAAAAAAAAAAAAAAAAAAAA"

static enum error_code read_forged(const char *text, const size_t *sizes, size_t final, struct buffer *plain)
{
    struct error error;
    struct buffer file = {0};
    sealed_forge(&identity, text, sizes, final, &file);
    enum error_code code = sealed_read(&file, &keys, plain, &error);
    buffer_free(&file);
    return code;
}

static void reads_past_stanzas_that_it_does_not_know(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "*",
        "**",
        "-> grease\n\n*",
        "*-> x !~ \"'`\n" A_BODY "\n",
        "*-> x y z a b c d\n" A_LINE "\n\n",
        "*-> ssh-ed25519 abcd\n" A_LINE "\n" A_LINE "\nAAAA\n",
        "-> x25519 " A_BODY "\n" A_BODY "\n*",
        "-> Scrypt x\n\n*",
        "-> X25519 CQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" A_BODY "\n*",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buffer plain = {0};
        assert_int_equal(read_forged(texts[i], ONE, 0, &plain), CSN_NONE);
        assert_int_equal(plain.size, 5);
        assert_memory_equal(plain.data, "aaaaa", 5);
        buffer_free(&plain);
    }
    assert_int_equal(read_forged("-> grease\n\n", ONE, 0, NULL), CSN_AGE_NO_IDENTITY);
}

static void refuses_stanzas_that_are_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",                                                  /* no stanza at all */
        "\n*",                                               /* an empty line */
        "->\n\n*",                                           /* no argument */
        "-> \n\n*",                                          /* likewise */
        "->  x\n\n*",                                        /* an empty one */
        "-> x \n\n*",                                        /* likewise */
        "-> x\ty\n\n*",                                      /* a tab */
        "-> x\r\n\n*",                                       /* CRLF */
        "-> \xc3\xa4\n\n*",                                  /* not ASCII */
        "-> x\n*",                                           /* no body */
        "*-> x\n",                                           /* likewise */
        "-> x\n" A_LINE "\n*",                               /* no short line at the end */
        "-> x\n" A_LINE "A\n\n*",                            /* too long a line */
        "-> x\nAAAA\nAAAA\n*",                               /* two short lines */
        "-> x\nAAB\n*",                                      /* not canonical */
        "-> x\nA\n*",                                        /* no base64 has this length */
        "-> x\nAA==\n*",                                     /* padding */
        "-> x\nA AA\n*",                                     /* a blank */
        "-> x\nAA-A\n*",                                     /* the other alphabet */
        "- > x\n\n*",                                        /* another mark */
        "-> X25519\n" A_BODY "\n*",                          /* too few arguments */
        "-> X25519 " A_BODY " x\n" A_BODY "\n*",             /* too many */
        "-> X25519 " A_BODY "A\n" A_BODY "\n*",              /* too long a share */
        "-> X25519 AAAA\n" A_BODY "\n*",                     /* too short */
        "-> X25519 " A_BODY "=\n" A_BODY "\n*",              /* padding */
        "-> X25519 " A_BODY "\n" A_BODY "\n*",               /* a point of low order */
        "-> X25519 " A_BODY "\n" A_BODY "AA\n*",             /* too long a body */
        "-> X25519 " A_BODY "\nAAAA\n*",                     /* too short */
        "-> X25519 " A_BODY "\n" A_LINE "\n\n*",             /* too long */
        "-> X25519 " A_BODY "\n\n*",                         /* none */
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n*", /* not alone */
        "*-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n-> x\n\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4 4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAB 4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 04\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 0\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA +4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA -4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4x\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 0x4\n" A_BODY "\n",
        "-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\nAAAA\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        enum error_code code = read_forged(texts[i], ONE, 0, NULL);
        if (code != CSN_AGE_DAMAGED) {
            fail_msg("%s:\n%s", error_entry(code)->code, texts[i]);
        }
    }
    assert_int_equal(read_forged("-> scrypt AAAAAAAAAAAAAAAAAAAAAA 4\n" A_BODY "\n", ONE, 0, NULL),
                     CSN_AGE_PASSPHRASE_WRONG);
    static const char *const works[] = {
        "23", "64", "4294967297", "4294967295", "18446744073709551620", "99999999999999999999999"};
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        char text[256];
        snprintf(text, sizeof text, "-> scrypt AAAAAAAAAAAAAAAAAAAAAA %s\n" A_BODY "\n", works[i]);
        assert_int_equal(read_forged(text, ONE, 0, NULL), CSN_AGE_WORK);
    }
}

static void refuses_segments_that_do_not_end_well(void **state)
{
    (void)state;
#define FULL SEALED_SEGMENT
#define END SIZE_MAX
    static const struct {
        size_t sizes[4];
        size_t final;
        bool good;
    } files[] = {
        {{0, END}, 0, true},
        {{FULL, END}, 0, true},
        {{FULL, 1, END}, 1, true},
        {{FULL, FULL, END}, 1, true},
        {{FULL, FULL, FULL, END}, 2, true},
        {{END}, 0, false},                  /* no segment */
        {{FULL, 0, END}, 1, false},         /* an empty last one */
        {{FULL, FULL, 0, END}, 2, false},   /* likewise */
        {{5, END}, 1, false},               /* none is the last */
        {{FULL, END}, 1, false},            /* likewise */
        {{0, END}, 1, false},               /* likewise */
        {{FULL, FULL, END}, 0, false},      /* something after the last */
        {{FULL, FULL, END}, 2, false},      /* none is the last */
        {{FULL, 5, END}, 0, false},         /* something after the last */
        {{5, 5, END}, 1, false},            /* a short one in the middle */
        {{100, FULL, END}, 1, false},       /* likewise */
        {{FULL - 1, FULL, END}, 1, false},  /* likewise */
        {{FULL + 1, END}, 0, false},        /* too long a one */
        {{FULL + 1, 5, END}, 1, false},     /* likewise */
        {{FULL, FULL + 20, END}, 1, false}, /* likewise */
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct buffer plain = {0};
        enum error_code code = read_forged("*", files[i].sizes, files[i].final, &plain);
        assert_int_equal(code, files[i].good ? CSN_NONE : CSN_AGE_DAMAGED);
        if (files[i].good) {
            size_t sum = 0;
            for (size_t j = 0; files[i].sizes[j] != END; j++) {
                sum += files[i].sizes[j];
            }
            assert_int_equal(plain.size, sum);
        }
        buffer_free(&plain);
    }
}

static void refuses_segments_in_another_order(void **state)
{
    (void)state;
    struct error error;
    struct buffer file = {0};
    static const size_t sizes[] = {FULL, FULL, 5, SIZE_MAX};
    sealed_forge(&identity, "*", sizes, 2, &file);
    char *second = file.data + file.size - 21 - (FULL + 16);
    char *kept = malloc(FULL + 16);
    assert_non_null(kept);
    memcpy(kept, second, FULL + 16);
    memcpy(second, second - (FULL + 16), FULL + 16);
    memcpy(second - (FULL + 16), kept, FULL + 16);
    assert_int_equal(sealed_read(&file, &keys, NULL, &error), CSN_AGE_DAMAGED);
    free(kept);
    buffer_free(&file);
}

static void refuses_another_files_payload(void **state)
{
    (void)state;
    struct error error;
    struct buffer one = {0};
    struct buffer other = {0};
    sealed_small(&identity, "one", 3, &one);
    sealed_small(&identity, "two", 3, &other);
    memcpy(one.data + one.size - 35, other.data + other.size - 35, 35);
    assert_int_equal(sealed_read(&one, &keys, NULL, &error), CSN_AGE_DAMAGED);
    buffer_free(&one);
    buffer_free(&other);
}

/* head, then so many times part, then tail; no MAC that holds. */
static enum error_code read_hostile(const char *head, const char *part, size_t times, const char *tail,
                                    struct error *error)
{
    struct buffer file = {0};
    buffer_string(&file, head);
    for (size_t i = 0; i < times; i++) {
        buffer_string(&file, part);
    }
    buffer_string(&file, tail);
    sealed_asked = 0;
    enum error_code code = sealed_read(&file, &keys, NULL, error);
    assert_true(sealed_asked <= AGE_HEADER_LIMIT_BYTES);
    buffer_free(&file);
    return code;
}

static void refuses_headers_that_mean_harm(void **state)
{
    (void)state;
    static const char end[] = "--- " A_BODY "\n0123456789abcdef0123456789abcdef";
    struct error error;
    /* No end, no newline, too many stanzas, too long. */
    assert_int_equal(read_hostile(AGE_VERSION_LINE, "A", 1 << 20, "", &error), CSN_AGE_DAMAGED);
    assert_int_equal(read_hostile(AGE_VERSION_LINE "-> ", "A", 1 << 20, "", &error), CSN_AGE_DAMAGED);
    assert_int_equal(read_hostile(AGE_VERSION_LINE "-> x\n", A_LINE "\n", 20000, end, &error), CSN_AGE_DAMAGED);
    assert_int_equal(read_hostile(AGE_VERSION_LINE, "\n", 1 << 20, "", &error), CSN_AGE_DAMAGED);
    assert_int_equal(read_hostile(AGE_VERSION_LINE, "-> x\n\n", 1001, end, &error), CSN_AGE_DAMAGED);
    assert_non_null(strstr(error.message, "too many"));
    assert_int_equal(read_hostile(AGE_VERSION_LINE, "-> x\n\n", 1000, end, &error), CSN_AGE_NO_IDENTITY);
    assert_int_equal(read_hostile(AGE_VERSION_LINE, "-> x\n\n", 1000000, end, &error), CSN_AGE_DAMAGED);
    /* Last lines. */
    static const char *const ends[] = {"---\n",
                                       "--- \n",
                                       "---" A_BODY "\n",
                                       "--- " A_BODY "=\n",
                                       "--- " A_BODY " \n",
                                       "--- AAAA\n",
                                       "---- " A_BODY "\n",
                                       "--- " A_BODY "\r\n",
                                       "--- " A_BODY};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        assert_int_equal(read_hostile(AGE_VERSION_LINE "-> x\n\n", "", 0, ends[i], &error), CSN_AGE_DAMAGED);
    }
}

static void says_what_is_no_age_file(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "a",
                                        "age",
                                        "age-encryption.org/v",
                                        "age-encryption.org/v2\n",
                                        "age-encryption.org/v1\r\n-> x\r\n",
                                        "age-encryption.org/v11\n",
                                        "Age-encryption.org/v1\n",
                                        "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n",
                                        "\x28\xb5\x2f\xfd\n"};
    struct error error;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(read_hostile(texts[i], "", 0, "", &error), CSN_AGE_NOT);
        assert_int_equal(strstr(error.message, "armor") != NULL, i == 8);
    }
    assert_int_equal(read_hostile("", "x", 1 << 20, "", &error), CSN_AGE_NOT);
    assert_int_equal(read_hostile(AGE_VERSION_LINE, "", 0, "", &error), CSN_AGE_DAMAGED);
    assert_int_equal(read_hostile("age-encryption.org/v1", "", 0, "", &error), CSN_AGE_DAMAGED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_flipped_bit),         cmocka_unit_test(refuses_flipped_bits_of_a_large_file),
        cmocka_unit_test(refuses_every_other_length),        cmocka_unit_test(reads_past_stanzas_that_it_does_not_know),
        cmocka_unit_test(refuses_stanzas_that_are_none),     cmocka_unit_test(refuses_segments_that_do_not_end_well),
        cmocka_unit_test(refuses_segments_in_another_order), cmocka_unit_test(refuses_another_files_payload),
        cmocka_unit_test(refuses_headers_that_mean_harm),    cmocka_unit_test(says_what_is_no_age_file),
    };
    return cmocka_run_group_tests(tests, make_identity, NULL);
}
