#include "age/reader.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "age/payload.h"

#define FIRST_BYTES 4096u /* enough for the header of a few recipients */
#define NONE UINT64_MAX

struct age_reader {
    age_source *source;
    void *context;
    struct crypto_cipher *cipher;
    uint64_t payload;    /* where the first segment is */
    uint64_t segments;   /* at least 1 */
    uint64_t size_bytes; /* plain */
    uint64_t kept;       /* the segment that is in plain; NONE */
    bool damaged;        /* its end need not hold */
    uint8_t *plain;      /* PAYLOAD_SEGMENT_BYTES */
    uint8_t *sealed;     /* PAYLOAD_BATCH segments as they are in the file */
};

static size_t plain_bytes(const struct age_reader *reader, uint64_t segment)
{
    return segment + 1 < reader->segments ? PAYLOAD_SEGMENT_BYTES
                                          : (size_t)(reader->size_bytes - segment * PAYLOAD_SEGMENT_BYTES);
}

static uint64_t sealed_offset(const struct age_reader *reader, uint64_t segment)
{
    return reader->payload + segment * PAYLOAD_SEALED_BYTES;
}

/* Decrypts one segment, whole, to where it is wanted. */
static int open_segment(struct age_reader *reader, uint64_t segment, const uint8_t *sealed, uint8_t *plain,
                        struct error *error)
{
    uint8_t nonce[CRYPTO_NONCE_BYTES];
    bool last = segment + 1 == reader->segments;
    payload_nonce(segment, last, nonce);
    bool good = crypto_cipher_open(reader->cipher, nonce, sealed, plain_bytes(reader, segment), plain);
    if (!good && last && reader->damaged) { /* what came behind it may be cut off */
        payload_nonce(segment, false, nonce);
        good = crypto_cipher_open(reader->cipher, nonce, sealed, plain_bytes(reader, segment), plain);
    }
    if (!good) {
        return error_set(error, CSN_AGE_DAMAGED,
                         "it was changed or cut short: its bytes from %llu on are not what was written",
                         (unsigned long long)sealed_offset(reader, segment));
    }
    return 0;
}

static int keep_segment(struct age_reader *reader, uint64_t segment, const uint8_t *sealed, struct error *error)
{
    reader->kept = NONE;
    if (open_segment(reader, segment, sealed, reader->plain, error) != 0) {
        return -1;
    }
    reader->kept = segment;
    return 0;
}

/* Takes the file's size apart. CSN_AGE_DAMAGED: no file has such a size. */
static int measure(struct age_reader *reader, uint64_t size_bytes, struct error *error)
{
    if (size_bytes < reader->payload + CRYPTO_TAG_BYTES) {
        return error_set(error, CSN_AGE_DAMAGED, "it is cut short");
    }
    uint64_t sealed_bytes = size_bytes - reader->payload;
    reader->segments = (sealed_bytes - 1) / PAYLOAD_SEALED_BYTES + 1;
    uint64_t last_bytes = sealed_bytes - (reader->segments - 1) * PAYLOAD_SEALED_BYTES;
    if (reader->damaged && last_bytes <= CRYPTO_TAG_BYTES && reader->segments > 1) {
        reader->segments--; /* too little for one */
        sealed_bytes -= last_bytes;
        last_bytes = PAYLOAD_SEALED_BYTES;
    }
    if (last_bytes < CRYPTO_TAG_BYTES || (last_bytes == CRYPTO_TAG_BYTES && reader->segments > 1)) {
        return error_set(error, CSN_AGE_DAMAGED, "it is cut short, or something was added to it");
    }
    reader->size_bytes = sealed_bytes - reader->segments * CRYPTO_TAG_BYTES;
    return 0;
}

/* The header's bytes, into text, which holds AGE_HEADER_LIMIT_BYTES; *header_bytes says how many they are. */
static int read_header(const struct age_reader *reader, uint64_t size_bytes, char *text, size_t *header_bytes,
                       struct error *error)
{
    size_t most = size_bytes < AGE_HEADER_LIMIT_BYTES ? (size_t)size_bytes : AGE_HEADER_LIMIT_BYTES;
    size_t got = most < FIRST_BYTES ? most : FIRST_BYTES;
    *header_bytes = 0;
    if (reader->source(reader->context, 0, text, got, error) != 0) {
        return -1;
    }
    bool begins = age_header_begins(text, got);
    if (begins) {
        *header_bytes = age_header_size(text, got);
        if (*header_bytes == 0 && got < most) {
            if (reader->source(reader->context, got, text + got, most - got, error) != 0) {
                return -1;
            }
            *header_bytes = age_header_size(text, most);
        }
        if (*header_bytes == 0 && most == AGE_HEADER_LIMIT_BYTES) {
            return error_set(error, CSN_AGE_DAMAGED, "its header has no end within %u bytes", AGE_HEADER_LIMIT_BYTES);
        }
    }
    if (*header_bytes == 0) {
        *header_bytes = got; /* the parser says what is wrong with it */
    }
    return 0;
}

/* Unwraps the file's key and gives the cipher that of the payload. */
static int take_key(struct age_reader *reader, const struct age_header *header, const char *text,
                    const struct age_keys *keys, struct error *error)
{
    uint8_t key[AGE_FILE_KEY_BYTES];
    uint8_t nonce[PAYLOAD_NONCE_BYTES];
    int result = age_stanza_unwrap(header, text, reader->cipher, keys, key, error);
    if (result == 0) {
        result = reader->source(reader->context, reader->payload - sizeof nonce, nonce, sizeof nonce, error);
    }
    if (result == 0) {
        result = payload_key(reader->cipher, key, nonce, error);
    }
    explicit_bzero(key, sizeof key);
    return result;
}

static int open_last(struct age_reader *reader, struct error *error)
{
    uint64_t last = reader->segments - 1;
    return reader->source(reader->context, sealed_offset(reader, last), reader->sealed,
                          plain_bytes(reader, last) + CRYPTO_TAG_BYTES, error) != 0
               ? -1
               : keep_segment(reader, last, reader->sealed, error);
}

static int open_file(struct age_reader *reader, uint64_t size_bytes, const struct age_keys *keys, struct error *error)
{
    struct age_header header;
    size_t header_bytes = 0;
    char *text = (char *)reader->sealed;
    _Static_assert(AGE_HEADER_LIMIT_BYTES <= PAYLOAD_SEALED_BYTES, "the header lies where segments will");
    if (read_header(reader, size_bytes, text, &header_bytes, error) != 0 ||
        age_header_parse(&header, text, header_bytes, error) != 0) {
        return -1;
    }
    reader->payload = header_bytes + PAYLOAD_NONCE_BYTES;
    int result = measure(reader, size_bytes, error);
    if (result == 0) {
        result = take_key(reader, &header, text, keys, error);
    }
    age_header_free(&header);
    return result != 0 ? -1 : reader->damaged ? 0 : open_last(reader, error);
}

static struct age_reader *open_reader(age_source *source, void *context, uint64_t size_bytes,
                                      const struct age_keys *keys, bool damaged, struct error *error)
{
    struct age_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || (reader->plain = malloc(PAYLOAD_SEGMENT_BYTES)) == NULL ||
        (reader->sealed = malloc((size_t)PAYLOAD_BATCH * PAYLOAD_SEALED_BYTES)) == NULL) {
        error_set(error, CSN_MEMORY, "no memory for a reader of age files");
        age_reader_free(reader);
        return NULL;
    }
    reader->source = source;
    reader->context = context;
    reader->kept = NONE;
    reader->damaged = damaged;
    reader->cipher = crypto_cipher_new(error);
    if (reader->cipher == NULL || open_file(reader, size_bytes, keys, error) != 0) {
        age_reader_free(reader);
        return NULL;
    }
    return reader;
}

struct age_reader *age_reader_open(age_source *source, void *context, uint64_t size_bytes, const struct age_keys *keys,
                                   struct error *error)
{
    return open_reader(source, context, size_bytes, keys, false, error);
}

struct age_reader *age_reader_open_damaged(age_source *source, void *context, uint64_t size_bytes,
                                           const struct age_keys *keys, struct error *error)
{
    return open_reader(source, context, size_bytes, keys, true, error);
}

uint64_t age_reader_size(const struct age_reader *reader)
{
    return reader->size_bytes;
}

/* A part of what is asked for: from this place on, as far as one request to the source goes. *taken is how far that
 * is. */
static int read_batch(struct age_reader *reader, uint64_t offset, uint8_t *data, size_t size_bytes, size_t *taken,
                      struct error *error)
{
    uint64_t first = offset / PAYLOAD_SEGMENT_BYTES;
    uint64_t last = (offset + size_bytes - 1) / PAYLOAD_SEGMENT_BYTES;
    last = last - first < PAYLOAD_BATCH ? last : first + PAYLOAD_BATCH - 1;
    size_t sealed_bytes = (size_t)(last - first) * PAYLOAD_SEALED_BYTES + plain_bytes(reader, last) + CRYPTO_TAG_BYTES;
    if (reader->source(reader->context, sealed_offset(reader, first), reader->sealed, sealed_bytes, error) != 0) {
        return -1;
    }
    *taken = 0;
    for (uint64_t segment = first; segment <= last; segment++) {
        const uint8_t *sealed = reader->sealed + (segment - first) * PAYLOAD_SEALED_BYTES;
        size_t skipped = (size_t)(offset + *taken - segment * PAYLOAD_SEGMENT_BYTES);
        size_t length = plain_bytes(reader, segment) - skipped;
        if (skipped == 0 && length <= size_bytes - *taken) {
            if (open_segment(reader, segment, sealed, data + *taken, error) != 0) {
                return -1;
            }
        } else {
            if (keep_segment(reader, segment, sealed, error) != 0) {
                return -1;
            }
            length = length < size_bytes - *taken ? length : size_bytes - *taken;
            memcpy(data + *taken, reader->plain + skipped, length);
        }
        *taken += length;
    }
    return 0;
}

/* The same from the segment that is kept. False if it is another one. */
static bool read_kept(const struct age_reader *reader, uint64_t offset, uint8_t *data, size_t size_bytes, size_t *taken)
{
    if (reader->kept != offset / PAYLOAD_SEGMENT_BYTES) {
        return false;
    }
    size_t skipped = (size_t)(offset % PAYLOAD_SEGMENT_BYTES);
    *taken = plain_bytes(reader, reader->kept) - skipped;
    *taken = *taken < size_bytes ? *taken : size_bytes;
    memcpy(data, reader->plain + skipped, *taken);
    return true;
}

int age_reader_read(struct age_reader *reader, uint64_t offset, void *data, size_t size_bytes, struct error *error)
{
    uint8_t *at = data;
    size_t left = size_bytes;
    if (offset > reader->size_bytes || size_bytes > reader->size_bytes - offset) {
        memset(data, 0, size_bytes);
        return error_set(error, CSN_AGE_DAMAGED, "it holds %llu bytes, and %zu from %llu on were wanted",
                         (unsigned long long)reader->size_bytes, size_bytes, (unsigned long long)offset);
    }
    while (left > 0) {
        size_t taken = 0;
        if (!read_kept(reader, offset, at, left, &taken) && read_batch(reader, offset, at, left, &taken, error) != 0) {
            memset(data, 0, size_bytes);
            return -1;
        }
        at += taken;
        left -= taken;
        offset += taken;
    }
    return 0;
}

void age_reader_free(struct age_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    if (reader->plain != NULL) {
        explicit_bzero(reader->plain, PAYLOAD_SEGMENT_BYTES);
    }
    crypto_cipher_free(reader->cipher);
    free(reader->plain);
    free(reader->sealed);
    free(reader);
}
