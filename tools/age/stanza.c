#include "age/stanza.h"

#include <string.h>

#include "age/base64.h"

#define X25519_INFO "age-encryption.org/v1/X25519"
#define SCRYPT_LABEL "age-encryption.org/v1/scrypt"

/* Each key that wraps is used once. */
static const uint8_t zero_nonce[CRYPTO_NONCE_BYTES];

/* The key that wraps. reading: the scalar is the identity's, and the share came with the file; else the scalar is the
 * share's. */
static int derive_x25519(bool reading, const uint8_t scalar[32], const uint8_t share[32],
                         const struct age_recipient *recipient, uint8_t key[CRYPTO_KEY_BYTES], struct error *error)
{
    uint8_t shared[32];
    uint8_t salt[64];
    memcpy(salt, share, 32);
    memcpy(salt + 32, recipient->point, 32);
    int result = crypto_x25519(scalar, reading ? share : recipient->point, shared, error);
    if (result == 0 && crypto_is_zero(shared, sizeof shared)) {
        result =
            error_set(error, reading ? CSN_AGE_DAMAGED : CSN_AGE_KEY, "a point with which nothing would be secret");
    }
    if (result == 0) {
        result = crypto_hkdf(shared, sizeof shared, salt, sizeof salt, X25519_INFO, key, error);
    }
    explicit_bzero(shared, sizeof shared);
    return result;
}

static int derive_scrypt(const char *passphrase, const uint8_t salt[AGE_SALT_BYTES], unsigned log_n,
                         uint8_t key[CRYPTO_KEY_BYTES], struct error *error)
{
    static const char label[] = SCRYPT_LABEL;
    uint8_t whole[sizeof label - 1 + AGE_SALT_BYTES];
    memcpy(whole, label, sizeof label - 1);
    memcpy(whole + sizeof label - 1, salt, AGE_SALT_BYTES);
    return crypto_scrypt(passphrase, whole, sizeof whole, log_n, key, error);
}

/* Wraps the file key and appends it as the stanza's body; wipes the wrapping key. */
static int append_body(struct buffer *header, struct crypto_cipher *cipher, uint8_t wrapping[CRYPTO_KEY_BYTES],
                       const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    uint8_t body[AGE_BODY_BYTES];
    char text[BASE64_LENGTH(AGE_BODY_BYTES) + 1];
    int result = crypto_cipher_key(cipher, wrapping, error);
    explicit_bzero(wrapping, CRYPTO_KEY_BYTES);
    if (result != 0 || crypto_cipher_seal(cipher, zero_nonce, key, AGE_FILE_KEY_BYTES, body, error) != 0) {
        return -1;
    }
    base64_encode(body, sizeof body, text);
    buffer_format(header, "%s\n", text);
    return buffer_check(header, error);
}

int age_stanza_recipient(struct buffer *header, struct crypto_cipher *cipher, const struct age_recipient *recipient,
                         const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    struct age_identity once = {0};
    uint8_t wrapping[CRYPTO_KEY_BYTES];
    char share[BASE64_LENGTH(AGE_KEY_BYTES) + 1];
    int result = age_identity_make(&once, error);
    if (result == 0) {
        result = derive_x25519(false, once.scalar, once.recipient.point, recipient, wrapping, error);
    }
    if (result == 0) {
        base64_encode(once.recipient.point, sizeof once.recipient.point, share);
        buffer_format(header, "-> X25519 %s\n", share);
        result = append_body(header, cipher, wrapping, key, error);
    }
    age_identity_wipe(&once);
    return result;
}

int age_stanza_passphrase(struct buffer *header, struct crypto_cipher *cipher, const char *passphrase, unsigned log_n,
                          const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    uint8_t salt[AGE_SALT_BYTES];
    uint8_t wrapping[CRYPTO_KEY_BYTES];
    char text[BASE64_LENGTH(AGE_SALT_BYTES) + 1];
    if (crypto_random(salt, sizeof salt, error) != 0 || derive_scrypt(passphrase, salt, log_n, wrapping, error) != 0) {
        return -1;
    }
    base64_encode(salt, sizeof salt, text);
    buffer_format(header, "-> scrypt %s %u\n", text, log_n);
    return append_body(header, cipher, wrapping, key, error);
}

static int sign(const char *bytes, size_t size_bytes, const uint8_t key[AGE_FILE_KEY_BYTES], uint8_t mac[AGE_MAC_BYTES],
                struct error *error)
{
    uint8_t signing[CRYPTO_KEY_BYTES];
    int result = crypto_hkdf(key, AGE_FILE_KEY_BYTES, NULL, 0, "header", signing, error);
    if (result == 0) {
        result = crypto_hmac(signing, sizeof signing, bytes, size_bytes, mac, error);
    }
    explicit_bzero(signing, sizeof signing);
    return result;
}

int age_stanza_sign(struct buffer *header, const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    uint8_t mac[AGE_MAC_BYTES];
    char text[BASE64_LENGTH(AGE_MAC_BYTES) + 1];
    buffer_string(header, "---");
    if (buffer_check(header, error) != 0 || sign(header->data, header->size, key, mac, error) != 0) {
        return -1;
    }
    base64_encode(mac, sizeof mac, text);
    buffer_format(header, " %s\n", text);
    return buffer_check(header, error);
}

/* True if the key that wraps opens the stanza; wipes it. *failed becomes -1 with the error filled in if that cannot
 * be told. */
static bool opens(const struct age_stanza *stanza, struct crypto_cipher *cipher, uint8_t wrapping[CRYPTO_KEY_BYTES],
                  uint8_t key[AGE_FILE_KEY_BYTES], int *failed, struct error *error)
{
    *failed = crypto_cipher_key(cipher, wrapping, error);
    explicit_bzero(wrapping, CRYPTO_KEY_BYTES);
    return *failed == 0 && crypto_cipher_open(cipher, zero_nonce, stanza->body, AGE_FILE_KEY_BYTES, key);
}

static int unwrap_passphrase(const struct age_stanza *stanza, struct crypto_cipher *cipher, const struct age_keys *keys,
                             uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    uint8_t wrapping[CRYPTO_KEY_BYTES];
    unsigned limit = keys->log_n_limit == 0 ? AGE_LOG_N_LIMIT : keys->log_n_limit;
    int failed = 0;
    if (stanza->log_n > limit) {
        return error_set(error, CSN_AGE_WORK, "its passphrase takes 2^%u steps, more than the 2^%u allowed",
                         stanza->log_n, limit);
    }
    if (keys->passphrase == NULL) {
        return error_set(error, CSN_AGE_PASSPHRASE, "it is encrypted to a passphrase, and none is given");
    }
    if (derive_scrypt(keys->passphrase, stanza->salt, stanza->log_n, wrapping, error) != 0) {
        return -1;
    }
    if (opens(stanza, cipher, wrapping, key, &failed, error)) {
        return 0;
    }
    return failed != 0 ? -1 : error_set(error, CSN_AGE_PASSPHRASE_WRONG, "the passphrase does not open it");
}

static int unwrap_identities(const struct age_header *header, struct crypto_cipher *cipher, const struct age_keys *keys,
                             uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    uint8_t wrapping[CRYPTO_KEY_BYTES];
    int failed = 0;
    for (size_t i = 0; i < keys->count; i++) {
        const struct age_identity *identity = &keys->identities[i];
        for (size_t j = 0; j < header->count; j++) {
            const struct age_stanza *stanza = &header->stanzas[j];
            if (derive_x25519(true, identity->scalar, stanza->share, &identity->recipient, wrapping, error) != 0) {
                return -1;
            }
            if (opens(stanza, cipher, wrapping, key, &failed, error)) {
                return 0;
            }
            if (failed != 0) {
                return -1;
            }
        }
    }
    return error_set(error, CSN_AGE_NO_IDENTITY,
                     "it is for %zu recipients, and none of the %zu identities given is one of them", header->count,
                     keys->count);
}

int age_stanza_unwrap(const struct age_header *header, const char *bytes, struct crypto_cipher *cipher,
                      const struct age_keys *keys, uint8_t key[AGE_FILE_KEY_BYTES], struct error *error)
{
    uint8_t mac[AGE_MAC_BYTES];
    bool passphrase = header->count > 0 && header->stanzas[0].kind == AGE_STANZA_SCRYPT;
    if ((passphrase ? unwrap_passphrase(&header->stanzas[0], cipher, keys, key, error)
                    : unwrap_identities(header, cipher, keys, key, error)) != 0 ||
        sign(bytes, header->signed_bytes, key, mac, error) != 0) {
        return -1;
    }
    if (!crypto_equal(mac, header->mac, sizeof mac)) {
        return error_set(error, CSN_AGE_DAMAGED, "its header was changed: the MAC does not hold");
    }
    return 0;
}
