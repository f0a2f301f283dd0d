#include "age/writer.h"

#include <stdlib.h>
#include <string.h>

#include "age/payload.h"
#include "lib/buffer.h"

#define OUT_BYTES ((size_t)PAYLOAD_BATCH * PAYLOAD_SEALED_BYTES)

struct age_writer {
    struct age_recipient *recipients;
    size_t count;
    char *passphrase; /* NULL: recipients */
    unsigned log_n;
    struct crypto_cipher *cipher;
    struct buffer header;
    age_sink *sink; /* NULL: no file is begun, or it failed */
    void *context;
    uint64_t segment; /* the number of the next one */
    size_t sealed;    /* bytes of out that the sink is to get */
    size_t pending;   /* bytes behind those that wait, not encrypted, for a whole segment or the end */
    uint8_t *out;     /* OUT_BYTES */
};

static struct age_writer *writer_new(struct error *error)
{
    struct age_writer *writer = calloc(1, sizeof *writer);
    if (writer != NULL && (writer->out = malloc(OUT_BYTES)) != NULL) {
        writer->cipher = crypto_cipher_new(error);
        if (writer->cipher != NULL) {
            return writer;
        }
    } else {
        error_set(error, CSN_MEMORY, "no memory for a writer of age files");
    }
    age_writer_free(writer);
    return NULL;
}

struct age_writer *age_writer_new(const struct age_recipient *recipients, size_t count, struct error *error)
{
    if (count == 0 || count > AGE_RECIPIENTS_LIMIT) {
        error_set(error, CSN_AGE_KEY, "%zu recipients, and an age file has 1 to %u here", count, AGE_RECIPIENTS_LIMIT);
        return NULL;
    }
    struct age_writer *writer = writer_new(error);
    if (writer == NULL) {
        return NULL;
    }
    writer->recipients = calloc(count, sizeof *recipients);
    if (writer->recipients == NULL) {
        age_writer_free(writer);
        error_set(error, CSN_MEMORY, "no memory for %zu recipients", count);
        return NULL;
    }
    memcpy(writer->recipients, recipients, count * sizeof *recipients);
    writer->count = count;
    return writer;
}

struct age_writer *age_writer_new_passphrase(const char *passphrase, unsigned log_n, struct error *error)
{
    if (passphrase[0] == '\0') {
        error_set(error, CSN_AGE_KEY, "the passphrase is empty");
        return NULL;
    }
    if (log_n < 1 || log_n > AGE_LOG_N_LIMIT) {
        error_set(error, CSN_INTERNAL, "a passphrase that takes 2^%u steps", log_n);
        return NULL;
    }
    struct age_writer *writer = writer_new(error);
    if (writer == NULL) {
        return NULL;
    }
    writer->passphrase = strdup(passphrase);
    if (writer->passphrase == NULL) {
        age_writer_free(writer);
        error_set(error, CSN_MEMORY, "no memory for a passphrase");
        return NULL;
    }
    writer->log_n = log_n;
    return writer;
}

void age_writer_free(struct age_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    if (writer->passphrase != NULL) {
        explicit_bzero(writer->passphrase, strlen(writer->passphrase));
    }
    if (writer->out != NULL) {
        explicit_bzero(writer->out + writer->sealed, writer->pending);
    }
    crypto_cipher_free(writer->cipher);
    buffer_free(&writer->header);
    free(writer->passphrase);
    free(writer->recipients);
    free(writer->out);
    free(writer);
}

static int add_stanzas(struct age_writer *writer, const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    if (writer->passphrase != NULL) {
        return age_stanza_passphrase(&writer->header, writer->cipher, writer->passphrase, writer->log_n, key, error);
    }
    for (size_t i = 0; i < writer->count; i++) {
        if (age_stanza_recipient(&writer->header, writer->cipher, &writer->recipients[i], key, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The header and the payload's nonce; the cipher then has the payload's key. */
static int make_header(struct age_writer *writer, struct error *error)
{
    uint8_t key[AGE_FILE_KEY_BYTES];
    uint8_t nonce[PAYLOAD_NONCE_BYTES];
    buffer_clear(&writer->header);
    buffer_string(&writer->header, AGE_VERSION_LINE);
    int result = -1;
    if (crypto_random(key, sizeof key, error) == 0 && crypto_random(nonce, sizeof nonce, error) == 0 &&
        add_stanzas(writer, key, error) == 0 && age_stanza_sign(&writer->header, key, error) == 0 &&
        payload_key(writer->cipher, key, nonce, error) == 0) {
        buffer_append(&writer->header, nonce, sizeof nonce);
        result = buffer_check(&writer->header, error);
    }
    explicit_bzero(key, sizeof key);
    return result;
}

int age_writer_begin(struct age_writer *writer, age_sink *sink, void *context, struct error *error)
{
    writer->sink = NULL;
    writer->segment = 0;
    writer->sealed = 0;
    writer->pending = 0;
    if (make_header(writer, error) != 0 || sink(context, writer->header.data, writer->header.size, error) != 0) {
        return -1;
    }
    writer->sink = sink;
    writer->context = context;
    return 0;
}

/* What is encrypted goes to the sink. Nothing is pending. */
static int flush(struct age_writer *writer, struct error *error)
{
    size_t size_bytes = writer->sealed;
    writer->sealed = 0;
    return size_bytes == 0 ? 0 : writer->sink(writer->context, writer->out, size_bytes, error);
}

/* Encrypts one segment, from where it lies or where it is pending. */
static int seal(struct age_writer *writer, const uint8_t *plain, size_t size_bytes, bool last, struct error *error)
{
    uint8_t nonce[CRYPTO_NONCE_BYTES];
    payload_nonce(writer->segment++, last, nonce);
    writer->pending = 0;
    if (crypto_cipher_seal(writer->cipher, nonce, plain, size_bytes, writer->out + writer->sealed, error) != 0) {
        return -1;
    }
    writer->sealed += size_bytes + CRYPTO_TAG_BYTES;
    return writer->sealed == OUT_BYTES || last ? flush(writer, error) : 0;
}

/* A segment is encrypted once it is known that another one follows. */
static int add(struct age_writer *writer, const uint8_t *at, size_t size_bytes, struct error *error)
{
    while (size_bytes > 0) {
        size_t taken = PAYLOAD_SEGMENT_BYTES - writer->pending;
        if (taken == 0) {
            if (seal(writer, writer->out + writer->sealed, PAYLOAD_SEGMENT_BYTES, false, error) != 0) {
                return -1;
            }
            continue;
        }
        if (writer->pending == 0 && size_bytes > PAYLOAD_SEGMENT_BYTES) {
            if (seal(writer, at, PAYLOAD_SEGMENT_BYTES, false, error) != 0) {
                return -1;
            }
        } else {
            taken = taken < size_bytes ? taken : size_bytes;
            memcpy(writer->out + writer->sealed + writer->pending, at, taken);
            writer->pending += taken;
        }
        at += taken;
        size_bytes -= taken;
    }
    return 0;
}

static int not_begun(struct error *error)
{
    return error_set(error, CSN_INTERNAL, "no age file was begun, or it failed before");
}

int age_writer_write(struct age_writer *writer, const void *data, size_t size_bytes, struct error *error)
{
    if (writer->sink == NULL) {
        return not_begun(error);
    }
    if (add(writer, data, size_bytes, error) != 0) {
        writer->sink = NULL;
        return -1;
    }
    return 0;
}

int age_writer_finish(struct age_writer *writer, struct error *error)
{
    if (writer->sink == NULL) {
        return not_begun(error);
    }
    int result = seal(writer, writer->out + writer->sealed, writer->pending, true, error);
    writer->sink = NULL;
    return result;
}
