/*
 * payload.h - the numbers of an age file's second part, for writer.h and reader.h. Source: C2SP age.md, "Payload".
 *
 * 16 random bytes, then segments of 65,536 bytes, each encrypted by itself with a tag behind. Only the last one is
 * shorter; it is empty only if the whole file is.
 */
#ifndef CAISSON_AGE_PAYLOAD_H
#define CAISSON_AGE_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "age/stanza.h"
#include "lib/crypto.h"
#include "lib/error.h"

#define PAYLOAD_NONCE_BYTES 16u
#define PAYLOAD_SEGMENT_BYTES 65536u
#define PAYLOAD_SEALED_BYTES (PAYLOAD_SEGMENT_BYTES + CRYPTO_TAG_BYTES)
#define PAYLOAD_BATCH 16u /* segments given or asked for at once */

/* Gives the cipher the key of this file's segments. */
int payload_key(struct crypto_cipher *cipher, const uint8_t key[AGE_FILE_KEY_BYTES],
                const uint8_t nonce[PAYLOAD_NONCE_BYTES], struct error *error) MUST_CHECK;

/* The nonce of a segment: its number, and whether it is the last. */
void payload_nonce(uint64_t segment, bool last, uint8_t nonce[CRYPTO_NONCE_BYTES]);

#endif
