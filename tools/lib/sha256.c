#include "lib/sha256.h"

#include <string.h>

#include "lib/crypto.h"

void sha256_begin(struct sha256 *hash)
{
    hash->hash = crypto_hash_begin();
    if (hash->hash == NULL) {
        mbedtls_sha256_init(&hash->context);
        (void)mbedtls_sha256_starts(&hash->context, 0);
    }
}

void sha256_add(struct sha256 *hash, const void *data, size_t size_bytes)
{
    if (hash->hash != NULL) {
        crypto_hash_add(hash->hash, data, size_bytes);
    } else {
        (void)mbedtls_sha256_update(&hash->context, data, size_bytes);
    }
}

void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_SIZE])
{
    if (hash->hash != NULL) {
        crypto_hash_end(hash->hash, digest);
    } else {
        (void)mbedtls_sha256_finish(&hash->context, digest);
        mbedtls_sha256_free(&hash->context);
    }
}

void sha256_of(const void *data, size_t size_bytes, uint8_t digest[SHA256_SIZE])
{
    crypto_sha256(data, size_bytes, digest);
}

void hex_encode(const uint8_t *bytes, size_t size_bytes, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size_bytes; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size_bytes] = '\0';
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

bool hex_decode(const char *text, uint8_t *bytes, size_t size_bytes)
{
    if (strlen(text) != 2 * size_bytes) {
        return false;
    }
    for (size_t i = 0; i < size_bytes; i++) {
        int high = digit_value(text[2 * i]);
        int low = digit_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}
