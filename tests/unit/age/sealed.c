#include "age/sealed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "age/payload.h"
#include "age/stanza.h"

size_t sealed_requests;
uint64_t sealed_asked;

void sealed_identity(struct age_identity *identity, uint8_t seed)
{
    struct error error;
    uint8_t scalar[AGE_KEY_BYTES];
    memset(scalar, seed, sizeof scalar);
    assert_int_equal(age_identity_from(identity, scalar, &error), 0);
}

int sealed_sink(void *context, const void *data, size_t size_bytes, struct error *error)
{
    buffer_append(context, data, size_bytes);
    return buffer_check(context, error);
}

int sealed_source(void *context, uint64_t offset, void *data, size_t size_bytes, struct error *error)
{
    const struct buffer *file = context;
    sealed_requests++;
    sealed_asked += size_bytes;
    /* A reader knows the size: it never asks for what is not there. */
    if (offset > file->size || size_bytes > file->size - offset) {
        return error_set(error, CSN_INTERNAL, "asked behind the end");
    }
    memcpy(data, file->data + offset, size_bytes);
    return 0;
}

void sealed_write(struct age_writer *writer, const void *data, size_t size_bytes, size_t step_bytes,
                  struct buffer *file)
{
    struct error error;
    const char *at = data;
    assert_int_equal(age_writer_begin(writer, sealed_sink, file, &error), 0);
    while (size_bytes > 0) {
        size_t step = step_bytes < size_bytes ? step_bytes : size_bytes;
        assert_int_equal(age_writer_write(writer, at, step, &error), 0);
        at += step;
        size_bytes -= step;
    }
    assert_int_equal(age_writer_finish(writer, &error), 0);
}

void sealed_small(const struct age_identity *identity, const void *data, size_t size_bytes, struct buffer *file)
{
    struct error error;
    struct age_writer *writer = age_writer_new(&identity->recipient, 1, &error);
    assert_non_null(writer);
    sealed_write(writer, data, size_bytes, SIZE_MAX, file);
    age_writer_free(writer);
}

enum error_code sealed_read(struct buffer *file, const struct age_keys *keys, struct buffer *plain, struct error *error)
{
    struct buffer unused = {0};
    struct buffer *to = plain == NULL ? &unused : plain;
    error->code = CSN_NONE;
    struct age_reader *reader = age_reader_open(sealed_source, file, file->size, keys, error);
    if (reader != NULL) {
        size_t size_bytes = (size_t)age_reader_size(reader);
        assert_true(size_bytes < file->size);
        char *room = buffer_reserve(to, size_bytes);
        assert_non_null(room);
        if (age_reader_read(reader, 0, room, size_bytes, error) == 0) {
            to->size += size_bytes;
        }
    }
    assert_true(reader != NULL || error->code != CSN_NONE);
    age_reader_free(reader);
    buffer_free(&unused);
    return error->code;
}

void sealed_forge(const struct age_identity *identity, const char *text, const size_t *sizes, size_t final,
                  struct buffer *file)
{
    static const uint8_t key[AGE_FILE_KEY_BYTES] = "a key of a file";
    static const uint8_t nonce[PAYLOAD_NONCE_BYTES] = "and its nonce..";
    struct error error;
    struct crypto_cipher *cipher = crypto_cipher_new(&error);
    assert_non_null(cipher);
    buffer_string(file, AGE_VERSION_LINE);
    for (; *text != '\0'; text++) {
        if (*text == '*') {
            assert_int_equal(age_stanza_recipient(file, cipher, &identity->recipient, key, &error), 0);
        } else {
            buffer_append(file, text, 1);
        }
    }
    assert_int_equal(age_stanza_sign(file, key, &error), 0);
    buffer_append(file, nonce, sizeof nonce);
    assert_int_equal(payload_key(cipher, key, nonce, &error), 0);
    for (size_t i = 0; sizes[i] != SIZE_MAX; i++) {
        uint8_t segment[CRYPTO_NONCE_BYTES];
        char *room = buffer_reserve(file, sizes[i] + CRYPTO_TAG_BYTES);
        assert_non_null(room);
        memset(room, 'a' + (int)i, sizes[i]);
        payload_nonce(i, i == final, segment);
        assert_int_equal(crypto_cipher_seal(cipher, segment, room, sizes[i], room, &error), 0);
        file->size += sizes[i] + CRYPTO_TAG_BYTES;
    }
    crypto_cipher_free(cipher);
}
