/* The texts of age: Bech32, base64, keys, lists of identities. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "age/base64.h"
#include "age/bech32.h"
#include "age/identities.h"
#include "age/sealed.h"
#include "tree/fixture.h"

/* C2SP age.md, "The X25519 recipient type". */
#define IDENTITY "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

static void does_not_repeat_what_may_be_secret(void **state)
{
    (void)state;
    struct age_recipient recipient;
    struct age_identities list = {0};
    struct error error = {0};
    static const char *const secrets[] = {IDENTITY, "recipient=" IDENTITY, "age-secret-key-1gfpyy", "correct horse"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        assert_int_equal(age_recipient_parse(&recipient, secrets[i], &error), -1);
        assert_int_equal(error.code, CSN_AGE_KEY);
        assert_null(strcasestr(error.message, "gfpyy"));
        assert_null(strstr(error.message, "horse"));
        assert_int_equal(strstr(error.message, "is a secret key") != NULL, i < 3);
    }
    assert_int_equal(age_identities_read(&list, AT_FDCWD, IDENTITY, NULL, &error), -1);
    assert_int_equal(error.code, CSN_AGE_KEY);
    assert_null(strcasestr(error.message, "gfpyy"));
    assert_int_equal(age_recipient_parse(&recipient, "age1nonsense", &error), -1);
    assert_non_null(strstr(error.message, "\"age1nonsense\" is not a recipient"));
}

/* BIP 173, "Test vectors"; the one that is too long for it is good without that limit. */
static void tells_bech32_from_what_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t prefix;
    } texts[] = {
        {"A12UEL5L", 1},
        {"a12uel5l", 1},
        {"an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs", 83},
        {"an84characterslonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1569pvx", 84},
        {"abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", 6},
        {"11qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqc8247j", 1},
        {"split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w", 5},
        {"?1ezyfcl", 1},
        {"\x20"
         "1nwldj5",
         0},
        {"\x7f"
         "1axkwrx",
         0},
        {"\x80"
         "1eym55h",
         0},
        {"pzry9x0s0muk", 0},
        {"1pzry9x0s0muk", 0},
        {"x1b4n0q5v", 0},
        {"li1dgmt3", 0},
        {"de1lg7wt\xff", 0},
        {"A1G7SGD8", 0},
        {"10a06t8", 0},
        {"1qzzfhee", 0},
        {"a12UEL5L", 0},
        {"", 0},
        {"1", 0},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(bech32_check(texts[i].text), texts[i].prefix);
    }
}

static void finds_every_changed_character(void **state)
{
    (void)state;
    struct error error;
    struct age_recipient recipient;
    char text[] = RECIPIENT;
    for (size_t i = 0; i < strlen(text); i++) {
        char kept = text[i];
        for (int c = 1; c < 256; c++) {
            text[i] = (char)c;
            if (text[i] != kept) {
                assert_int_equal(age_recipient_parse(&recipient, text, &error), -1);
                assert_int_equal(error.code, CSN_AGE_KEY);
            }
        }
        text[i] = kept;
    }
    for (size_t length = 0; length < strlen(RECIPIENT); length++) {
        char *part = strndup(RECIPIENT, length);
        assert_int_equal(age_recipient_parse(&recipient, part, &error), -1);
        free(part);
    }
}

static void writes_bech32_of_any_length(void **state)
{
    (void)state;
    uint8_t bytes[40];
    uint8_t back[40];
    char text[128];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        memset(bytes, (int)(0xa5 + size), sizeof bytes);
        bech32_encode("x", bytes, size, text);
        assert_int_equal(strlen(text), BECH32_LENGTH(1, size));
        assert_int_equal(bech32_check(text), 1);
        assert_true(bech32_decode(text, "x", back, size));
        assert_memory_equal(bytes, back, size);
        assert_false(bech32_decode(text, "y", back, size));
        assert_false(size > 0 && bech32_decode(text, "x", back, size - 1));
    }
    /* Bits that stand for nothing and are not zero: a checksum that holds is not enough. */
    assert_int_equal(bech32_check("x1lp82u52j"), 1);
    assert_false(bech32_decode("x1lp82u52j", "x", back, 1));
}

/* RFC 4648, 10, without padding. */
static void reads_and_writes_base64(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff", "+/8"}};
    static const struct {
        const char *text;
        size_t size;
    } bad[] = {{"Zg==", 1},  {"Zh", 1},   {"Zm9", 2}, {"Z", 0}, {"Zm9v\n", 3},
               {"Zm 9v", 3}, {"Zm-_", 3}, {"Zg", 2},  {"Zg", 0}};
    char text[16];
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t size = strlen(pairs[i][0]);
        base64_encode((const uint8_t *)pairs[i][0], size, text);
        assert_string_equal(text, pairs[i][1]);
        assert_true(base64_decode(text, strlen(text), bytes, size));
        assert_memory_equal(bytes, pairs[i][0], size);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(base64_decode(bad[i].text, strlen(bad[i].text), bytes, bad[i].size));
    }
}

static void reads_and_writes_keys(void **state)
{
    (void)state;
    struct error error;
    struct age_identity identity;
    struct age_identity other;
    struct age_recipient recipient;
    uint8_t scalar[AGE_KEY_BYTES];
    char text[AGE_IDENTITY_TEXT_SIZE];
    memset(scalar, 0x42, sizeof scalar);
    assert_int_equal(age_identity_from(&identity, scalar, &error), 0);
    age_identity_print(&identity, text);
    assert_string_equal(text, IDENTITY);
    age_recipient_print(&identity.recipient, text);
    assert_string_equal(text, RECIPIENT);
    assert_int_equal(age_identity_parse(&other, IDENTITY, &error), 0);
    assert_memory_equal(&identity, &other, sizeof identity);
    assert_int_equal(age_recipient_parse(&recipient, RECIPIENT, &error), 0);
    assert_memory_equal(&identity.recipient, &recipient, sizeof recipient);
    assert_int_equal(age_identity_make(&other, &error), 0);
    assert_memory_not_equal(&identity, &other, sizeof identity);
    age_identity_wipe(&other);
    assert_int_equal(other.scalar[7], 0);
}

static void refuses_what_is_no_key(void **state)
{
    (void)state;
    static const char *const identities[] = {
        "", RECIPIENT, "age-secret-key-1gfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpq4egaex",
        "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEy", IDENTITY " "};
    static const char *const recipients[] = {IDENTITY, "AGE1ZVKYG2LQZRAA2LNJVQEJ32NKUU0UES2S82HZRYE869XEEXVN73EQUNUJWJ",
                                             " " RECIPIENT,
                                             "age1pq1x34nzsvr0rxjsgdn8zgyhfe8j7ceq5r9rdelkjuh3y235jzxshfg87pzf5zrqtzdxz"
                                             "95paef6caq5aapdmwjjqpjfdyxnzr2zampc3u"};
    struct error error;
    struct age_identity identity;
    struct age_recipient recipient = {{0}};
    char text[AGE_RECIPIENT_TEXT_SIZE];
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
        assert_int_equal(age_identity_parse(&identity, identities[i], &error), -1);
        assert_int_equal(error.code, CSN_AGE_KEY);
        assert_null(strstr(error.message, "GFPYY")); /* never shown */
    }
    for (size_t i = 0; i < sizeof recipients / sizeof recipients[0]; i++) {
        assert_int_equal(age_recipient_parse(&recipient, recipients[i], &error), -1);
        assert_int_equal(error.code, CSN_AGE_KEY);
    }
    /* Points of low order. */
    for (uint8_t i = 0; i < 2; i++) {
        recipient = (struct age_recipient){{i}};
        age_recipient_print(&recipient, text);
        assert_int_equal(age_recipient_parse(&recipient, text, &error), -1);
        assert_int_equal(error.code, CSN_AGE_KEY);
    }
}

static enum error_code read_list(struct age_identities *list, const struct fixture *fixture, const char *content,
                                 size_t size_bytes, const char *passphrase, struct error *error)
{
    fixture_bytes(fixture->fd, "keys", content, size_bytes, 0600);
    error->code = CSN_NONE;
    int result = age_identities_read(list, fixture->fd, "keys", passphrase, error);
    assert_int_equal(result == 0, error->code == CSN_NONE);
    return error->code;
}

static void reads_a_file_of_identities(void **state)
{
    const struct fixture *fixture = *state;
    static const struct {
        const char *content;
        size_t count;
        const char *says;
    } files[] = {
        {"# created: 2026-01-01\n# public key: " RECIPIENT "\n" IDENTITY "\n", 1, NULL},
        {IDENTITY, 1, NULL},
        {IDENTITY "\r\n\r\n# x\r\n" IDENTITY "\r\n", 2, NULL},
        {"\n\n" IDENTITY " \n#" IDENTITY "\n" IDENTITY "\n", 2, NULL},
        {"", 0, "keys holds no identity"},
        {"# none\n\n", 0, "keys holds no identity"},
        {IDENTITY "\n" RECIPIENT "\n", 0, "keys, line 2: "},
        {"\nAGE-PLUGIN-X-1QQQQ\n", 0, "keys, line 2: "},
        {IDENTITY IDENTITY "\n", 0, "keys, line 1: "},
        {" " IDENTITY "\n", 0, "keys, line 1: "},
    };
    struct error error;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct age_identities list = {0};
        const char *content = files[i].content;
        enum error_code code = read_list(&list, fixture, content, strlen(content), NULL, &error);
        assert_int_equal(code, files[i].says == NULL ? CSN_NONE : CSN_AGE_KEY);
        assert_true(code == CSN_NONE || strncmp(error.message, files[i].says, strlen(files[i].says)) == 0);
        assert_null(code == CSN_NONE ? NULL : strstr(error.message, "GFPYY"));
        assert_int_equal(list.count, files[i].count);
        for (size_t j = 0; j < list.count; j++) {
            assert_int_equal(list.items[j].scalar[31], 0x42);
        }
        age_identities_free(&list);
    }
}

static void adds_to_a_list_or_leaves_it(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct age_identities list = {0};
    struct age_identity identity;
    for (uint8_t i = 0; i < 10; i++) {
        sealed_identity(&identity, i);
        assert_int_equal(age_identities_add(&list, &identity, &error), 0);
    }
    assert_int_equal(read_list(&list, fixture, IDENTITY "\nx\n", strlen(IDENTITY "\nx\n"), NULL, &error), CSN_AGE_KEY);
    assert_int_equal(list.count, 10);
    assert_int_equal(read_list(&list, fixture, IDENTITY "\0\n", strlen(IDENTITY) + 2, NULL, &error), CSN_AGE_KEY);
    assert_int_equal(age_identities_read(&list, fixture->fd, "none", NULL, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_int_equal(read_list(&list, fixture, IDENTITY, strlen(IDENTITY), NULL, &error), CSN_NONE);
    assert_int_equal(list.count, 11);
    for (uint8_t i = 0; i < 10; i++) {
        assert_int_equal(list.items[i].scalar[3], i);
    }
    age_identities_free(&list);
}

static void reads_a_file_of_identities_that_is_encrypted(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct buffer file = {0};
    struct age_identities list = {0};
    static const char content[] = "# mine\n" IDENTITY "\n";
    struct age_writer *writer = age_writer_new_passphrase("open sesame", 4, &error);
    assert_non_null(writer);
    sealed_write(writer, content, strlen(content), SIZE_MAX, &file);
    age_writer_free(writer);
    assert_int_equal(read_list(&list, fixture, file.data, file.size, NULL, &error), CSN_AGE_PASSPHRASE);
    assert_int_equal(read_list(&list, fixture, file.data, file.size, "open", &error), CSN_AGE_PASSPHRASE_WRONG);
    assert_int_equal(read_list(&list, fixture, file.data, file.size - 1, "open sesame", &error), CSN_AGE_DAMAGED);
    assert_int_equal(list.count, 0);
    assert_int_equal(read_list(&list, fixture, file.data, file.size, "open sesame", &error), CSN_NONE);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].scalar[0], 0x42);
    static const char armor[] = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n";
    assert_int_equal(read_list(&list, fixture, armor, strlen(armor), "x", &error), CSN_AGE_NOT);
    assert_non_null(strstr(error.message, "keys: it is an age file in ASCII armor"));
    static const char newer[] = "age-encryption.org/v2\n";
    assert_int_equal(read_list(&list, fixture, newer, strlen(newer), "x", &error), CSN_AGE_NOT);
    age_identities_free(&list);
    buffer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_bech32_from_what_is_not),
        cmocka_unit_test(does_not_repeat_what_may_be_secret),
        cmocka_unit_test(finds_every_changed_character),
        cmocka_unit_test(writes_bech32_of_any_length),
        cmocka_unit_test(reads_and_writes_base64),
        cmocka_unit_test(reads_and_writes_keys),
        cmocka_unit_test(refuses_what_is_no_key),
        cmocka_unit_test_setup_teardown(reads_a_file_of_identities, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(adds_to_a_list_or_leaves_it, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(reads_a_file_of_identities_that_is_encrypted, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
