#include "age/payload.h"

#include <string.h>

int payload_key(struct crypto_cipher *cipher, const uint8_t key[AGE_FILE_KEY_BYTES],
                const uint8_t nonce[PAYLOAD_NONCE_BYTES], struct error *error)
{
    uint8_t derived[CRYPTO_KEY_BYTES];
    int result = crypto_hkdf(key, AGE_FILE_KEY_BYTES, nonce, PAYLOAD_NONCE_BYTES, "payload", derived, error);
    if (result == 0) {
        result = crypto_cipher_key(cipher, derived, error);
    }
    explicit_bzero(derived, sizeof derived);
    return result;
}

void payload_nonce(uint64_t segment, bool last, uint8_t nonce[CRYPTO_NONCE_BYTES])
{
    memset(nonce, 0, CRYPTO_NONCE_BYTES);
    for (unsigned i = 0; i < 8; i++) {
        nonce[10 - i] = (uint8_t)(segment >> 8 * i);
    }
    nonce[11] = last ? 1 : 0;
}
