/*
 * crypto.h - the only door to libgcrypt, which uses what the processor has (SHA-NI, AVX2, AVX-512), found at run time.
 *
 * Safe from several threads; a cipher is one thread's at a time. Keys given here are the caller's to wipe. What fails
 * fails with CSN_MEMORY or CSN_INTERNAL, unless it says otherwise. What is done with all this is age/'s and sha256.h's.
 */
#ifndef CAISSON_LIB_CRYPTO_H
#define CAISSON_LIB_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define CRYPTO_KEY_BYTES 32
#define CRYPTO_NONCE_BYTES 12
#define CRYPTO_TAG_BYTES 16

/* Makes libgcrypt ready, once a process. Everything here does so by itself. */
void crypto_begin(void);

/* From the kernel's generator. CSN_IO. */
int crypto_random(void *bytes, size_t size_bytes, struct error *error) MUST_CHECK;

/* SHA-256 (FIPS 180-4) of a run of bytes: never fails. Of bytes that come one after another: NULL if there is no
 * memory to begin; ..._end also frees. sha256.h is what to use. */
void crypto_sha256(const void *data, size_t size_bytes, uint8_t digest[32]);
struct crypto_hash;
struct crypto_hash *crypto_hash_begin(void) MUST_CHECK;
void crypto_hash_add(struct crypto_hash *hash, const void *data, size_t size_bytes);
void crypto_hash_end(struct crypto_hash *hash, uint8_t digest[32]);

/* HMAC-SHA-256 (RFC 2104). */
int crypto_hmac(const void *key, size_t key_bytes, const void *data, size_t size_bytes, uint8_t mac[32],
                struct error *error) MUST_CHECK;

/* HKDF-SHA-256 (RFC 5869): the first 32 bytes of what it gives. An empty salt is allowed; info is a text, at most 63
 * bytes. */
int crypto_hkdf(const void *secret, size_t secret_bytes, const void *salt, size_t salt_bytes, const char *info,
                uint8_t key[CRYPTO_KEY_BYTES], struct error *error) MUST_CHECK;

/* X25519 (RFC 7748, 5); point NULL: the base point. A point of low order gives zeros: ask crypto_is_zero. */
int crypto_x25519(const uint8_t scalar[32], const uint8_t *point, uint8_t result[32], struct error *error) MUST_CHECK;

/* scrypt (RFC 7914) with N = 2^log_n, r = 8, p = 1; takes 2^log_n KiB of memory for that time. log_n: 1 to 30. */
int crypto_scrypt(const char *passphrase, const void *salt, size_t salt_bytes, unsigned log_n,
                  uint8_t key[CRYPTO_KEY_BYTES], struct error *error) MUST_CHECK;

/* Both take as long whatever the bytes are. */
bool crypto_equal(const void *one, const void *other, size_t size_bytes);
bool crypto_is_zero(const void *bytes, size_t size_bytes);

/* ChaCha20-Poly1305 (RFC 8439) without associated data: one key, message after message. */
struct crypto_cipher;

struct crypto_cipher *crypto_cipher_new(struct error *error) MUST_CHECK;
int crypto_cipher_key(struct crypto_cipher *cipher, const uint8_t key[CRYPTO_KEY_BYTES], struct error *error)
    MUST_CHECK;
void crypto_cipher_free(struct crypto_cipher *cipher); /* wipes the key; NULL is fine */

/* Writes size_bytes and the tag to sealed, which may begin where plain does, else must not overlap it. */
int crypto_cipher_seal(struct crypto_cipher *cipher, const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *plain,
                       size_t size_bytes, void *sealed, struct error *error) MUST_CHECK;

/* The way back: plain is size_bytes, sealed the tag more. False if the tag does not hold; plain is then zeros. */
bool crypto_cipher_open(struct crypto_cipher *cipher, const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *sealed,
                        size_t size_bytes, void *plain) MUST_CHECK;

#endif
