#include "lib/crypto.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include <gcrypt.h>

#define SCRYPT_LOG_N_MOST 30u /* libgcrypt takes N as an int */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void begin(void)
{
    /* In FIPS mode, which a server may ask for, libgcrypt would refuse ChaCha20-Poly1305. */
    (void)gcry_control(GCRYCTL_NO_FIPS_MODE, 0);
    (void)gcry_check_version(NULL);
    (void)gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
    (void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

void crypto_begin(void)
{
    (void)pthread_once(&once, begin);
}

static int gcrypt_error(struct error *error, gcry_error_t code, const char *doing)
{
    bool memory = gcry_err_code(code) == GPG_ERR_ENOMEM;
    return error_set(error, memory ? CSN_MEMORY : CSN_INTERNAL, "%s: %s", doing, gcry_strerror(code));
}

int crypto_random(void *bytes, size_t size_bytes, struct error *error)
{
    uint8_t *at = bytes;
    while (size_bytes > 0) {
        ssize_t got = getrandom(at, size_bytes, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return error_system(error, CSN_IO, "getting random bytes from the kernel");
        }
        at += got;
        size_bytes -= (size_t)got;
    }
    return 0;
}

void crypto_sha256(const void *data, size_t size_bytes, uint8_t digest[32])
{
    crypto_begin();
    gcry_md_hash_buffer(GCRY_MD_SHA256, digest, data, size_bytes);
}

/* A libgcrypt handle goes by the names of two structures outside. */
struct crypto_hash *crypto_hash_begin(void)
{
    gcry_md_hd_t handle = NULL;
    crypto_begin();
    return gcry_md_open(&handle, GCRY_MD_SHA256, 0) == 0 ? (struct crypto_hash *)handle : NULL;
}

void crypto_hash_add(struct crypto_hash *hash, const void *data, size_t size_bytes)
{
    gcry_md_write((gcry_md_hd_t)hash, data, size_bytes);
}

void crypto_hash_end(struct crypto_hash *hash, uint8_t digest[32])
{
    gcry_md_hd_t handle = (gcry_md_hd_t)hash;
    memcpy(digest, gcry_md_read(handle, GCRY_MD_SHA256), 32);
    gcry_md_close(handle);
}

int crypto_hmac(const void *key, size_t key_bytes, const void *data, size_t size_bytes, uint8_t mac[32],
                struct error *error)
{
    crypto_begin();
    gcry_buffer_t parts[2] = {
        {.data = (void *)key, .len = key_bytes},
        {.data = (void *)data, .len = size_bytes},
    };
    gcry_error_t code = gcry_md_hash_buffers(GCRY_MD_SHA256, GCRY_MD_FLAG_HMAC, mac, parts, 2);
    return code == 0 ? 0 : gcrypt_error(error, code, "HMAC");
}

int crypto_hkdf(const void *secret, size_t secret_bytes, const void *salt, size_t salt_bytes, const char *info,
                uint8_t key[CRYPTO_KEY_BYTES], struct error *error)
{
    static const uint8_t no_salt[32]; /* RFC 5869, 2.2 */
    uint8_t extracted[32];
    char first[64]; /* what the first block is made from: info, then a 1 */
    size_t length = strlen(info);
    if (length >= sizeof first) {
        return error_set(error, CSN_INTERNAL, "HKDF: an info of %zu bytes", length);
    }
    memcpy(first, info, length);
    first[length] = 1;
    if (salt_bytes == 0) {
        salt = no_salt;
        salt_bytes = sizeof no_salt;
    }
    int result = crypto_hmac(salt, salt_bytes, secret, secret_bytes, extracted, error);
    if (result == 0) {
        result = crypto_hmac(extracted, sizeof extracted, first, length + 1, key, error);
    }
    explicit_bzero(extracted, sizeof extracted);
    return result;
}

int crypto_x25519(const uint8_t scalar[32], const uint8_t *point, uint8_t result[32], struct error *error)
{
    uint8_t clamped[32];
    crypto_begin();
    memcpy(clamped, scalar, sizeof clamped);
    clamped[0] &= 248;
    clamped[31] = (uint8_t)((clamped[31] & 127) | 64);
    gcry_error_t code = gcry_ecc_mul_point(GCRY_ECC_CURVE25519, result, clamped, point);
    explicit_bzero(clamped, sizeof clamped);
    return code == 0 ? 0 : gcrypt_error(error, code, "X25519");
}

int crypto_scrypt(const char *passphrase, const void *salt, size_t salt_bytes, unsigned log_n,
                  uint8_t key[CRYPTO_KEY_BYTES], struct error *error)
{
    crypto_begin();
    if (log_n < 1 || log_n > SCRYPT_LOG_N_MOST) {
        return error_set(error, CSN_INTERNAL, "scrypt with a work factor of 2^%u", log_n);
    }
    gcry_error_t code = gcry_kdf_derive(passphrase, strlen(passphrase), GCRY_KDF_SCRYPT, 1 << log_n, salt, salt_bytes,
                                        1, CRYPTO_KEY_BYTES, key);
    if (gcry_err_code(code) == GPG_ERR_ENOMEM) {
        return error_set(error, CSN_MEMORY, "scrypt with this work factor takes %llu MiB", (1ULL << log_n) >> 10);
    }
    return code == 0 ? 0 : gcrypt_error(error, code, "scrypt");
}

bool crypto_equal(const void *one, const void *other, size_t size_bytes)
{
    const volatile uint8_t *a = one;
    const volatile uint8_t *b = other;
    unsigned differs = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        differs |= (unsigned)(a[i] ^ b[i]);
    }
    return differs == 0;
}

bool crypto_is_zero(const void *bytes, size_t size_bytes)
{
    const volatile uint8_t *at = bytes;
    unsigned sum = 0;
    for (size_t i = 0; i < size_bytes; i++) {
        sum |= at[i];
    }
    return sum == 0;
}

static gcry_cipher_hd_t handle_of(struct crypto_cipher *cipher)
{
    return (gcry_cipher_hd_t)cipher;
}

struct crypto_cipher *crypto_cipher_new(struct error *error)
{
    gcry_cipher_hd_t handle = NULL;
    crypto_begin();
    gcry_error_t code = gcry_cipher_open(&handle, GCRY_CIPHER_CHACHA20, GCRY_CIPHER_MODE_POLY1305, 0);
    if (code != 0) {
        gcrypt_error(error, code, "ChaCha20-Poly1305");
        return NULL;
    }
    return (struct crypto_cipher *)handle;
}

int crypto_cipher_key(struct crypto_cipher *cipher, const uint8_t key[CRYPTO_KEY_BYTES], struct error *error)
{
    gcry_error_t code = gcry_cipher_setkey(handle_of(cipher), key, CRYPTO_KEY_BYTES);
    return code == 0 ? 0 : gcrypt_error(error, code, "a key for ChaCha20-Poly1305");
}

void crypto_cipher_free(struct crypto_cipher *cipher)
{
    gcry_cipher_close(handle_of(cipher));
}

int crypto_cipher_seal(struct crypto_cipher *cipher, const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *plain,
                       size_t size_bytes, void *sealed, struct error *error)
{
    gcry_cipher_hd_t handle = handle_of(cipher);
    gcry_error_t code = gcry_cipher_setiv(handle, nonce, CRYPTO_NONCE_BYTES);
    if (code == 0) {
        code = gcry_cipher_encrypt(handle, sealed, size_bytes, plain, size_bytes);
    }
    if (code == 0) {
        code = gcry_cipher_gettag(handle, (uint8_t *)sealed + size_bytes, CRYPTO_TAG_BYTES);
    }
    return code == 0 ? 0 : gcrypt_error(error, code, "encrypting");
}

bool crypto_cipher_open(struct crypto_cipher *cipher, const uint8_t nonce[CRYPTO_NONCE_BYTES], const void *sealed,
                        size_t size_bytes, void *plain)
{
    gcry_cipher_hd_t handle = handle_of(cipher);
    if (gcry_cipher_setiv(handle, nonce, CRYPTO_NONCE_BYTES) == 0 &&
        gcry_cipher_decrypt(handle, plain, size_bytes, sealed, size_bytes) == 0 &&
        gcry_cipher_checktag(handle, (const uint8_t *)sealed + size_bytes, CRYPTO_TAG_BYTES) == 0) {
        return true;
    }
    memset(plain, 0, size_bytes);
    return false;
}
