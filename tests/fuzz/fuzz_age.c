/*
 * fuzz_age.c - what an encrypted file and the texts of keys make of us: the first byte says whether the rest is a
 * file, the stanzas of one (whose MAC is then made right, so that what is behind it is reached), a list of
 * identities, or a recipient.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "age/identities.h"
#include "age/reader.h"
#include "lib/buffer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int from_buffer(void *context, uint64_t offset, void *data, size_t size_bytes, struct error *error)
{
    const struct buffer *file = context;
    (void)error;
    if (offset > file->size || size_bytes > file->size - offset) {
        abort(); /* a reader knows how large its file is */
    }
    memcpy(data, file->data + offset, size_bytes);
    return 0;
}

static const struct age_identity *identity(void)
{
    static struct age_identity mine;
    uint8_t scalar[AGE_KEY_BYTES];
    struct error error;
    memset(scalar, 0x42, sizeof scalar);
    if (age_identity_from(&mine, scalar, &error) != 0) {
        abort();
    }
    return &mine;
}

static void read_file(struct buffer *file)
{
    struct age_keys keys = {.identities = identity(), .count = 1};
    struct error error;
    struct age_reader *reader = age_reader_open(from_buffer, file, file->size, &keys, &error);
    if (reader == NULL) {
        return;
    }
    uint64_t size_bytes = age_reader_size(reader);
    char *plain = size_bytes < file->size ? malloc((size_t)size_bytes + 1) : NULL;
    if (plain == NULL) {
        abort();
    }
    (void)!age_reader_read(reader, 0, plain, (size_t)size_bytes, &error);
    free(plain);
    age_reader_free(reader);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
    struct buffer file = {0};
    buffer_append(&file, data, size);
    read_file(&file);
    buffer_free(&file);
}

static void fuzz_stanzas(const uint8_t *data, size_t size)
{
    static const uint8_t key[AGE_FILE_KEY_BYTES] = "a key of a file";
    static const uint8_t rest[64];
    struct error error;
    struct buffer file = {0};
    struct crypto_cipher *cipher = crypto_cipher_new(&error);
    buffer_string(&file, AGE_VERSION_LINE);
    buffer_append(&file, data, size);
    if (cipher == NULL || age_stanza_recipient(&file, cipher, &identity()->recipient, key, &error) != 0 ||
        age_stanza_sign(&file, key, &error) != 0) {
        abort();
    }
    buffer_append(&file, rest, sizeof rest);
    read_file(&file);
    crypto_cipher_free(cipher);
    buffer_free(&file);
}

static void fuzz_identities(const char *text)
{
    struct error error;
    struct age_identities list = {0};
    if (age_identities_parse(&list, text, "fuzz", &error) == 0) {
        for (size_t i = 0; i < list.count; i++) {
            char printed[AGE_IDENTITY_TEXT_SIZE];
            age_identity_print(&list.items[i], printed);
            if (strstr(text, printed) == NULL) {
                abort();
            }
        }
    }
    age_identities_free(&list);
}

static void fuzz_recipient(const char *text)
{
    struct error error;
    struct age_recipient recipient;
    char printed[AGE_RECIPIENT_TEXT_SIZE];
    if (age_recipient_parse(&recipient, text, &error) == 0) {
        age_recipient_print(&recipient, printed);
        if (strcmp(text, printed) != 0) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *text = strndup((const char *)data + 1, size - 1);
    if (text == NULL) {
        abort();
    }
    switch (data[0]) {
    case 'f': fuzz_file(data + 1, size - 1); break;
    case 's': fuzz_stanzas(data + 1, size - 1); break;
    case 'i': fuzz_identities(text); break;
    case 'r': fuzz_recipient(text); break;
    default: break;
    }
    free(text);
    return 0;
}
