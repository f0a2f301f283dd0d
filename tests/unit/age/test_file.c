/* Age files that are as they should be: what was written comes back, at any place, with little asked of the source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "age/payload.h"
#include "age/sealed.h"
#include "repository/vault.h"

#define LARGE ((size_t)3 << 20)

static uint8_t *noise;

static int make_noise(void **state)
{
    (void)state;
    noise = malloc(LARGE);
    vault_noise(noise, LARGE, 1);
    return 0;
}

static int drop_noise(void **state)
{
    (void)state;
    free(noise);
    return 0;
}

static void gives_back_what_was_written(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,      1,      15,     16,      17,      65535,   65536, 65537,
                                   131071, 131072, 131073, 1048575, 1048576, 1048577, LARGE};
    static const size_t steps[] = {1000, 65535, 65536, 65537, 1 << 20, SIZE_MAX};
    struct error error;
    struct age_identity identity;
    sealed_identity(&identity, 7);
    struct age_keys keys = {.identities = &identity, .count = 1};
    struct age_writer *writer = age_writer_new(&identity.recipient, 1, &error);
    assert_non_null(writer);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof steps / sizeof steps[0]; j++) {
            struct buffer file = {0};
            struct buffer plain = {0};
            sealed_write(writer, noise, sizes[i], steps[j], &file); /* one writer for all */
            /* Version, stanza, MAC, nonce; segments. */
            size_t segments = sizes[i] == 0 ? 1 : (sizes[i] - 1) / SEALED_SEGMENT + 1;
            assert_int_equal(file.size, 22 + 54 + 44 + 48 + 16 + sizes[i] + 16 * segments);
            assert_int_equal(sealed_read(&file, &keys, &plain, &error), CSN_NONE);
            assert_int_equal(plain.size, sizes[i]);
            assert_memory_equal(buffer_text(&plain), noise, sizes[i]);
            buffer_free(&plain);
            buffer_free(&file);
        }
    }
    age_writer_free(writer);
}

static void reads_at_any_place(void **state)
{
    (void)state;
    static const size_t sizes[] = {LARGE, 5 * SEALED_SEGMENT + 1, SEALED_SEGMENT, 10};
    struct error error;
    struct age_identity identity;
    uint8_t *back = malloc(LARGE);
    uint64_t random = 4;
    sealed_identity(&identity, 8);
    struct age_keys keys = {.identities = &identity, .count = 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer file = {0};
        sealed_small(&identity, noise, sizes[i], &file);
        struct age_reader *reader = age_reader_open(sealed_source, &file, file.size, &keys, &error);
        assert_non_null(reader);
        assert_int_equal(age_reader_size(reader), sizes[i]);
        for (size_t turn = 0; turn < 2000; turn++) {
            /* Half of the places lie around a border. */
            random = random * 6364136223846793005U + 1442695040888963407U;
            size_t offset = (random >> 20) % (sizes[i] + 1);
            if (turn % 2 == 0) {
                offset = offset / SEALED_SEGMENT * SEALED_SEGMENT + turn % 5;
                offset = offset < 2 ? offset : offset - 2;
                offset = offset < sizes[i] ? offset : sizes[i];
            }
            size_t most = sizes[i] - offset;
            size_t length = turn % 3 == 0 ? (random >> 40) % (most + 1) : (random >> 40) % 70000 % (most + 1);
            memset(back, 0xee, length);
            assert_int_equal(age_reader_read(reader, offset, back, length, &error), 0);
            assert_memory_equal(back, noise + offset, length);
        }
        age_reader_free(reader);
        buffer_free(&file);
    }
    free(back);
}

static void refuses_to_read_behind_the_end(void **state)
{
    (void)state;
    static const uint64_t places[][2] = {{11, 0}, {10, 1}, {0, 11}, {9, 2}, {UINT64_MAX, 1}, {UINT64_MAX, 0}, {1, 100}};
    struct error error;
    struct age_identity identity;
    struct buffer file = {0};
    uint8_t back[100];
    sealed_identity(&identity, 8);
    struct age_keys keys = {.identities = &identity, .count = 1};
    sealed_small(&identity, noise, 10, &file);
    struct age_reader *reader = age_reader_open(sealed_source, &file, file.size, &keys, &error);
    assert_non_null(reader);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        memset(back, 0xee, sizeof back);
        assert_int_equal(age_reader_read(reader, places[i][0], back, places[i][1], &error), -1);
        assert_int_equal(error.code, CSN_AGE_DAMAGED);
        assert_true(places[i][1] == 0 || back[0] == 0);
    }
    assert_int_equal(age_reader_read(reader, 10, back, 0, &error), 0);
    assert_int_equal(age_reader_read(reader, 0, back, 10, &error), 0);
    assert_memory_equal(back, noise, 10);
    age_reader_free(reader);
    buffer_free(&file);
}

static void asks_the_source_for_little(void **state)
{
    (void)state;
    struct error error;
    struct age_identity identity;
    struct buffer file = {0};
    uint8_t *back = malloc(LARGE);
    sealed_identity(&identity, 9);
    struct age_keys keys = {.identities = &identity, .count = 1};
    sealed_small(&identity, noise, LARGE, &file);
    sealed_requests = 0;
    sealed_asked = 0;
    struct age_reader *reader = age_reader_open(sealed_source, &file, file.size, &keys, &error);
    assert_non_null(reader);
    assert_int_equal(sealed_requests, 3); /* header, nonce, last segment */
    assert_int_equal(sealed_asked, 4096 + 16 + PAYLOAD_SEALED_BYTES);
    /* The end is at hand then. */
    assert_int_equal(age_reader_read(reader, LARGE - 100, back, 100, &error), 0);
    assert_int_equal(sealed_requests, 3);
    /* A run of small reads asks for each segment once. */
    sealed_requests = 0;
    for (size_t at = 0; at < 4 * SEALED_SEGMENT; at += 1000) {
        assert_int_equal(age_reader_read(reader, at, back, 1000, &error), 0);
    }
    assert_in_range(sealed_requests, 4, 5);
    /* A large one asks for 16 at a time, and for nothing twice. */
    sealed_requests = 0;
    sealed_asked = 0;
    assert_int_equal(age_reader_read(reader, 0, back, LARGE, &error), 0);
    assert_int_equal(sealed_requests, 3);
    assert_int_equal(sealed_asked, LARGE / SEALED_SEGMENT * PAYLOAD_SEALED_BYTES);
    assert_memory_equal(back, noise, LARGE);
    age_reader_free(reader);
    buffer_free(&file);
    free(back);
}

static void reads_with_any_of_several_keys(void **state)
{
    (void)state;
    struct error error;
    struct age_recipient recipients[AGE_RECIPIENTS_LIMIT];
    struct age_identity identities[3];
    struct buffer file = {0};
    for (uint8_t i = 0; i < 3; i++) {
        sealed_identity(&identities[i], (uint8_t)(20 + i));
        recipients[i] = identities[i].recipient;
    }
    struct age_writer *writer = age_writer_new(recipients, 2, &error);
    assert_non_null(writer);
    sealed_write(writer, noise, 1000, SIZE_MAX, &file);
    age_writer_free(writer);
    static const struct {
        size_t first;
        size_t count;
        enum error_code code;
    } lists[] = {
        {0, 1, CSN_NONE},           {1, 1, CSN_NONE}, {0, 3, CSN_NONE}, {1, 2, CSN_NONE}, {2, 1, CSN_AGE_NO_IDENTITY},
        {0, 0, CSN_AGE_NO_IDENTITY}};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct age_keys keys = {.identities = identities + lists[i].first, .count = lists[i].count, .passphrase = "x"};
        assert_int_equal(sealed_read(&file, &keys, NULL, &error), lists[i].code);
    }
    assert_null(age_writer_new(recipients, 0, &error));
    assert_int_equal(error.code, CSN_AGE_KEY);
    assert_null(age_writer_new(recipients, AGE_RECIPIENTS_LIMIT + 1, &error));
    assert_int_equal(error.code, CSN_AGE_KEY);
    /* As many as there may be: the header is then longer than a reader's first request. */
    for (size_t i = 0; i + 1 < AGE_RECIPIENTS_LIMIT; i++) {
        recipients[i] = identities[0].recipient;
    }
    recipients[AGE_RECIPIENTS_LIMIT - 1] = identities[2].recipient;
    buffer_clear(&file);
    writer = age_writer_new(recipients, AGE_RECIPIENTS_LIMIT, &error);
    assert_non_null(writer);
    sealed_write(writer, noise, 1000, SIZE_MAX, &file);
    age_writer_free(writer);
    struct age_keys keys = {.identities = &identities[2], .count = 1};
    assert_int_equal(sealed_read(&file, &keys, NULL, &error), CSN_NONE);
    buffer_free(&file);
}

static void reads_with_a_passphrase(void **state)
{
    (void)state;
    struct error error;
    struct age_identity identity;
    struct buffer file = {0};
    sealed_identity(&identity, 30);
    struct age_writer *writer = age_writer_new_passphrase("three blind mice", 6, &error);
    assert_non_null(writer);
    sealed_write(writer, noise, 70000, 333, &file);
    age_writer_free(writer);
    const struct {
        struct age_keys keys;
        enum error_code code;
    } tries[] = {
        {{.passphrase = "three blind mice"}, CSN_NONE},
        {{.passphrase = "three blind mice", .identities = &identity, .count = 1, .log_n_limit = 6}, CSN_NONE},
        {{.passphrase = "three blind mice", .log_n_limit = 5}, CSN_AGE_WORK},
        {{.passphrase = "three blind mic"}, CSN_AGE_PASSPHRASE_WRONG},
        {{.passphrase = ""}, CSN_AGE_PASSPHRASE_WRONG},
        {{.identities = &identity, .count = 1}, CSN_AGE_PASSPHRASE},
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        assert_int_equal(sealed_read(&file, &tries[i].keys, NULL, &error), tries[i].code);
    }
    assert_null(age_writer_new_passphrase("", 6, &error));
    assert_int_equal(error.code, CSN_AGE_KEY);
    assert_null(age_writer_new_passphrase("x", 0, &error));
    assert_null(age_writer_new_passphrase("x", AGE_LOG_N_LIMIT + 1, &error));
    buffer_free(&file);
}

static void makes_every_file_anew(void **state)
{
    (void)state;
    struct error error;
    struct age_identity identity;
    struct buffer one = {0};
    struct buffer other = {0};
    sealed_identity(&identity, 31);
    struct age_writer *writer = age_writer_new(&identity.recipient, 1, &error);
    assert_non_null(writer);
    /* One that is given up leaves nothing in the next. */
    assert_int_equal(age_writer_begin(writer, sealed_sink, &one, &error), 0);
    assert_int_equal(age_writer_write(writer, noise, 100, &error), 0);
    buffer_clear(&one);
    sealed_write(writer, "the same", 8, SIZE_MAX, &one);
    sealed_write(writer, "the same", 8, SIZE_MAX, &other);
    age_writer_free(writer);
    assert_int_equal(one.size, other.size);
    /* Neither share, body, MAC, nonce nor content. */
    for (size_t i = 32; i + 8 < one.size; i++) {
        assert_memory_not_equal(one.data + i, other.data + i, i < 60 || i > 180 ? 8 : 16);
    }
    buffer_free(&one);
    buffer_free(&other);
}

static int full_sink(void *context, const void *data, size_t size_bytes, struct error *error)
{
    (void)data;
    size_t *room = context;
    if (size_bytes > *room) {
        return error_set(error, CSN_NO_SPACE, "full");
    }
    *room -= size_bytes;
    return 0;
}

static void ends_with_the_sinks_error(void **state)
{
    (void)state;
    struct error error;
    struct age_identity identity;
    sealed_identity(&identity, 32);
    struct age_writer *writer = age_writer_new(&identity.recipient, 1, &error);
    assert_non_null(writer);
    assert_int_equal(age_writer_write(writer, "x", 1, &error), -1);
    assert_int_equal(error.code, CSN_INTERNAL);
    assert_int_equal(age_writer_finish(writer, &error), -1);
    for (size_t room = 0; room < LARGE + LARGE / 2; room += LARGE / 2) {
        size_t left = room;
        enum error_code code = CSN_NONE;
        error.code = CSN_NONE;
        if (age_writer_begin(writer, full_sink, &left, &error) != 0 ||
            age_writer_write(writer, noise, LARGE, &error) != 0 || age_writer_finish(writer, &error) != 0) {
            code = error.code;
            assert_int_equal(age_writer_finish(writer, &error), -1);
            assert_int_equal(error.code, CSN_INTERNAL);
        }
        assert_int_equal(code, room > LARGE ? CSN_NONE : CSN_NO_SPACE);
    }
    age_writer_free(writer);
}

static int broken_source(void *context, uint64_t offset, void *data, size_t size_bytes, struct error *error)
{
    if (--sealed_requests == 0) {
        return error_set(error, CSN_IO, "the disk");
    }
    size_t kept = sealed_requests;
    int result = sealed_source(context, offset, data, size_bytes, error);
    sealed_requests = kept;
    return result;
}

static void ends_with_the_sources_error(void **state)
{
    (void)state;
    struct error error;
    struct age_identity identity;
    struct buffer file = {0};
    uint8_t *back = malloc(LARGE);
    sealed_identity(&identity, 33);
    struct age_keys keys = {.identities = &identity, .count = 1};
    sealed_small(&identity, noise, LARGE, &file);
    for (size_t at = 1; at <= 7; at++) {
        error.code = CSN_NONE;
        sealed_requests = at; /* this one fails */
        struct age_reader *reader = age_reader_open(broken_source, &file, file.size, &keys, &error);
        assert_int_equal(reader == NULL, at <= 3);
        if (reader != NULL) {
            int result = age_reader_read(reader, 0, back, LARGE, &error);
            assert_int_equal(result == 0, at == 7);
            assert_true(result == 0 || back[0] == 0);
            /* The next attempt finds it all. */
            sealed_requests = 100;
            assert_int_equal(age_reader_read(reader, 0, back, LARGE, &error), 0);
            assert_memory_equal(back, noise, LARGE);
        }
        assert_int_equal(error.code, at == 7 ? CSN_NONE : CSN_IO);
        age_reader_free(reader);
    }
    age_reader_free(NULL);
    age_writer_free(NULL);
    buffer_free(&file);
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_back_what_was_written),    cmocka_unit_test(reads_at_any_place),
        cmocka_unit_test(refuses_to_read_behind_the_end), cmocka_unit_test(asks_the_source_for_little),
        cmocka_unit_test(reads_with_any_of_several_keys), cmocka_unit_test(reads_with_a_passphrase),
        cmocka_unit_test(makes_every_file_anew),          cmocka_unit_test(ends_with_the_sinks_error),
        cmocka_unit_test(ends_with_the_sources_error),
    };
    return cmocka_run_group_tests(tests, make_noise, drop_noise);
}
