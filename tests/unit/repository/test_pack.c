#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <zstd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "repository/bytes.h"
#include "repository/crc32c.h"
#include "repository/pack.h"
#include "repository/pack_format.h"
#include "repository/vault.h"

#define CHUNKS 3

static const char *const contents[CHUNKS] = {
    "a", "the quick brown fox jumps over the lazy dog, the quick brown fox jumps over the lazy dog", "last"};

/* A pack of the three contents in the fixture's folder; name is its file. */
static void write_pack(const struct fixture *fixture, char name[PACK_NAME_SIZE], uint8_t id[SHA256_SIZE])
{
    struct error error;
    struct pack_writer *writer = pack_writer_new(PACK_CHUNKS, &(struct stored_folder){.fd = fixture->fd}, &error);
    uint64_t stored = 0;
    assert_non_null(writer);
    assert_true(pack_writer_is_empty(writer));
    for (size_t i = 0; i < CHUNKS; i++) {
        assert_int_equal(vault_add_frame(writer, contents[i], strlen(contents[i]), &error), 0);
    }
    assert_false(pack_writer_is_empty(writer));
    assert_int_equal(pack_writer_commit(writer, id, &stored, &error), 0);
    pack_writer_free(writer);
    pack_name(PACK_CHUNKS, id, false, name);
    assert_int_equal(stored, vault_size(fixture, name));
}

/* Reads everything in the pack: CSN_NONE if all of it holds. */
static enum error_code read_pack(const struct fixture *fixture, enum pack_kind kind, const char *name,
                                 const uint8_t id[SHA256_SIZE], struct error *error)
{
    struct stored_reader file = {.fd = -1};
    struct pack_index index = {0};
    struct pack_record record = {0};
    struct pack_decoder *decoder = pack_decoder_new(error);
    uint32_t position = 0;
    error->code = CSN_NONE;
    if (stored_open(&file, &(struct stored_folder){.fd = fixture->fd}, name, error) != 0 ||
        pack_index_read(&index, &file, kind, id, name, error) != 0) {
        goto out;
    }
    while (pack_index_next(&index, &position, &record)) {
        uint8_t *frame = malloc(record.stored_bytes);
        const uint8_t *content = NULL;
        if (stored_read(&file, name, record.offset, frame, record.stored_bytes, error) == 0) {
            content = pack_decode(decoder, &record, frame, true, error);
        }
        free(frame);
        if (content == NULL) {
            goto out;
        }
        if (index.count == CHUNKS) {
            assert_int_equal(record.size_bytes, strlen(contents[position - 1]));
            assert_memory_equal(content, contents[position - 1], record.size_bytes);
        }
    }
out:
    stored_close(&file);
    pack_index_free(&index);
    pack_decoder_free(decoder);
    return error->code;
}

static void gives_back_what_was_put_in(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char name[PACK_NAME_SIZE];
    uint8_t id[SHA256_SIZE];
    uint8_t again[SHA256_SIZE];
    write_pack(fixture, name, id);
    assert_int_equal(read_pack(fixture, PACK_CHUNKS, name, id, &error), CSN_NONE);
    assert_true(pack_name_id(PACK_CHUNKS, strchr(name, '/') + 1, false, again));
    assert_memory_equal(id, again, SHA256_SIZE);
    assert_false(pack_name_id(PACK_SNAPSHOT, strchr(name, '/') + 1, false, again));
    assert_int_equal(vault_files(fixture, ".", STORED_TEMPORARY_SUFFIX, NULL), 0);
}

/* What the format promises: `zstd -dc` gives the chunks in a row. */
static void is_plain_zstd(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    struct buffer bytes = {0};
    char name[PACK_NAME_SIZE];
    char plain[1000];
    uint8_t id[SHA256_SIZE];
    write_pack(fixture, name, id);
    assert_int_equal(file_read(fixture->fd, name, 1 << 20, &bytes, &error), 0);
    size_t got = ZSTD_decompress(plain, sizeof plain, bytes.data, bytes.size);
    assert_false(ZSTD_isError(got));
    size_t at = 0;
    for (size_t i = 0; i < CHUNKS; i++) {
        assert_memory_equal(plain + at, contents[i], strlen(contents[i]));
        at += strlen(contents[i]);
    }
    assert_int_equal(got, at);
    buffer_free(&bytes);
}

static void finds_every_flipped_bit(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char name[PACK_NAME_SIZE];
    uint8_t id[SHA256_SIZE];
    write_pack(fixture, name, id);
    uint64_t bits = 8 * vault_size(fixture, name);
    for (uint64_t bit = 0; bit < bits; bit++) {
        vault_flip(fixture, name, bit);
        enum error_code code = read_pack(fixture, PACK_CHUNKS, name, id, &error);
        if (code != CSN_REPOSITORY_DAMAGED) {
            fail_msg("bit %llu: %s", (unsigned long long)bit, code == CSN_NONE ? "not found" : error.message);
        }
        vault_flip(fixture, name, bit);
    }
    assert_int_equal(read_pack(fixture, PACK_CHUNKS, name, id, &error), CSN_NONE);
}

static void finds_every_cut(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char name[PACK_NAME_SIZE];
    uint8_t id[SHA256_SIZE];
    write_pack(fixture, name, id);
    for (uint64_t size = vault_size(fixture, name); size > 0; size--) {
        vault_truncate(fixture, name, size - 1);
        assert_int_equal(read_pack(fixture, PACK_CHUNKS, name, id, &error), CSN_REPOSITORY_DAMAGED);
    }
}

static void refuses_another_files_name_and_kind(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    char name[PACK_NAME_SIZE];
    uint8_t id[SHA256_SIZE];
    write_pack(fixture, name, id);
    assert_int_equal(read_pack(fixture, PACK_SNAPSHOT, name, id, &error), CSN_REPOSITORY_DAMAGED);
    id[0] ^= 1;
    assert_int_equal(read_pack(fixture, PACK_CHUNKS, name, id, &error), CSN_REPOSITORY_DAMAGED);
    assert_non_null(strstr(error.message, "name of another"));
    assert_int_equal(read_pack(fixture, PACK_CHUNKS, "gone.zst", id, &error), CSN_REPOSITORY_DAMAGED);
    fixture_folder(fixture->fd, "folder.zst", 0755);
    assert_int_equal(read_pack(fixture, PACK_CHUNKS, "folder.zst", id, &error), CSN_REPOSITORY_DAMAGED);
    fixture_link(fixture->fd, "link.zst", name);
    assert_int_equal(read_pack(fixture, PACK_CHUNKS, "link.zst", id, &error), CSN_REPOSITORY_DAMAGED);
}

/* --- packs whose hashes hold and whose numbers lie --- */

struct forged {
    uint32_t stored; /* what the record says */
    uint32_t size;
    uint32_t count; /* what the trailer says */
    uint32_t version;
    uint32_t skippable;
    size_t frame_bytes; /* that are there */
    const char *why;
};

static enum error_code read_forged(const struct fixture *fixture, const struct forged *forged, struct error *error)
{
    uint8_t frame[256] = {0};
    uint8_t records[PACK_RECORD_BYTES] = {0};
    uint8_t trailer[PACK_TRAILER_BYTES] = {0};
    uint8_t header[PACK_SKIPPABLE_BYTES];
    struct buffer file = {0};
    struct sha256 hash;
    uint8_t id[SHA256_SIZE];
    size_t real = ZSTD_compress(frame, sizeof frame, contents[1], strlen(contents[1]), 1);
    assert_false(ZSTD_isError(real));
    sha256_of(contents[1], strlen(contents[1]), records);
    bytes_put32(records + RECORD_STORED, forged->stored);
    bytes_put32(records + RECORD_SIZE, forged->size);
    bytes_put32(records + RECORD_CRC, crc32c_of(frame, forged->frame_bytes));
    memcpy(trailer, "caissonP", 8);
    bytes_put32(trailer + TRAILER_VERSION, forged->version);
    bytes_put32(trailer + TRAILER_COUNT, forged->count);
    sha256_begin(&hash);
    sha256_add(&hash, records, sizeof records);
    sha256_add(&hash, trailer, TRAILER_HASHED_BYTES);
    sha256_end(&hash, id);
    memcpy(trailer + TRAILER_ID, id, SHA256_SIZE);
    bytes_put32(header, PACK_SKIPPABLE_MAGIC);
    bytes_put32(header + 4, forged->skippable);
    buffer_append(&file, frame, forged->frame_bytes);
    buffer_append(&file, header, sizeof header);
    buffer_append(&file, records, sizeof records);
    buffer_append(&file, trailer, sizeof trailer);
    fixture_bytes(fixture->fd, "forged", file.data, file.size, 0600);
    buffer_free(&file);
    return read_pack(fixture, (enum pack_kind)'P', "forged", id, error);
}

static void believes_no_number_that_cannot_be(void **state)
{
    const struct fixture *fixture = *state;
    uint8_t frame[256];
    uint32_t stored = (uint32_t)ZSTD_compress(frame, sizeof frame, contents[1], strlen(contents[1]), 1);
    uint32_t size = (uint32_t)strlen(contents[1]);
    uint32_t skippable = PACK_RECORD_BYTES + PACK_TRAILER_BYTES;
    const struct forged forged[] = {
        {0, size, 1, 1, skippable, stored, "no stored bytes"},
        {stored, 0, 1, 1, skippable, stored, "no bytes"},
        {stored, CHUNK_LIMIT_BYTES + 1, 1, 1, skippable, stored, "too many bytes"},
        {stored, UINT32_MAX, 1, 1, skippable, stored, "far too many bytes"},
        {UINT32_MAX, size, 1, 1, skippable, stored, "far too many stored bytes"},
        {stored + 1, size, 1, 1, skippable, stored, "frames beyond the index"},
        {stored - 1, size, 1, 1, skippable, stored, "bytes between frames and index"},
        {stored, size, 0, 1, skippable, stored, "no records"},
        {stored, size, 2, 1, skippable, stored, "more records than there are"},
        {stored, size, UINT32_MAX, 1, skippable, stored, "a count beyond the limit"},
        {stored, size, 1, 0, skippable, stored, "version 0"},
        {stored, size, 1, 1, skippable + 1, stored, "a skippable frame of another length"},
        {stored, size - 1, 1, 1, skippable, stored, "more content than said"},
        {stored, size + 1, 1, 1, skippable, stored, "less content than said"},
        {stored - 3, size, 1, 1, skippable, stored - 3, "half a frame"},
    };
    struct error error;
    const struct forged fine = {stored, size, 1, 1, skippable, stored, ""};
    assert_int_equal(read_forged(fixture, &fine, &error), CSN_NONE);
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        if (read_forged(fixture, &forged[i], &error) != CSN_REPOSITORY_DAMAGED) {
            fail_msg("%s was not refused", forged[i].why);
        }
    }
    const struct forged newer = {stored, size, 1, PACK_VERSION + 1, skippable, stored, ""};
    assert_int_equal(read_forged(fixture, &newer, &error), CSN_REPOSITORY_VERSION);
}

static void leaves_nothing_when_it_is_given_up(void **state)
{
    const struct fixture *fixture = *state;
    struct error error;
    uint8_t id[SHA256_SIZE];
    struct pack_writer *writer = pack_writer_new(PACK_CHUNKS, &(struct stored_folder){.fd = fixture->fd}, &error);
    assert_int_equal(pack_writer_commit(writer, id, NULL, &error), -1);
    assert_int_equal(vault_add_frame(writer, "x", 1, &error), 0);
    assert_int_equal(vault_files(fixture, ".", STORED_TEMPORARY_SUFFIX, NULL), 1);
    assert_int_equal(vault_add_frame(writer, "x", 0, &error), -1);
    pack_writer_free(writer);
    assert_int_equal(vault_files(fixture, ".", "", NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_back_what_was_put_in, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(is_plain_zstd, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(finds_every_flipped_bit, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(finds_every_cut, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refuses_another_files_name_and_kind, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(believes_no_number_that_cannot_be, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(leaves_nothing_when_it_is_given_up, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
