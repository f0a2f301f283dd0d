/*
 * sha256.h - SHA-256 (FIPS 180-4) and hex.
 *
 * libgcrypt's (crypto.h), which uses the processor's instructions for it. Never fails: what libgcrypt has no memory
 * for is left to mbedTLS, which needs none.
 */
#ifndef CAISSON_LIB_SHA256_H
#define CAISSON_LIB_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/sha256.h>

#define SHA256_SIZE 32
#define SHA256_HEX_SIZE 65 /* with the NUL */

struct sha256 { /* private */
    struct crypto_hash *hash;
    mbedtls_sha256_context context; /* in use where hash is NULL */
};

void sha256_begin(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size_bytes);
void sha256_end(struct sha256 *hash, uint8_t digest[SHA256_SIZE]); /* also frees it: has to be called */

void sha256_of(const void *data, size_t size_bytes, uint8_t digest[SHA256_SIZE]);

/* Lower-case hex with a NUL. */
void hex_encode(const uint8_t *bytes, size_t size_bytes, char *text);

/* Exactly size_bytes bytes from 2*size_bytes hex digits, NUL after. False if text is anything else. */
bool hex_decode(const char *text, uint8_t *bytes, size_t size_bytes);

#endif
