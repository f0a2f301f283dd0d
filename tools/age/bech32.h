/*
 * bech32.h - Bech32 (BIP 173) without its limit on the length: the text form of age's keys.
 *
 * A text is a prefix, "1", digits of five bits, and six of them as a checksum; all upper or all lower case.
 */
#ifndef CAISSON_AGE_BECH32_H
#define CAISSON_AGE_BECH32_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BECH32_LENGTH(prefix_length, bytes) ((prefix_length) + 1 + (8 * (bytes) + 4) / 5 + 6)

/* The length of the text's prefix; 0 if the text is not Bech32 or its checksum is wrong. */
size_t bech32_check(const char *text);

/* Exactly size_bytes bytes from a text with exactly this prefix, whose case is the text's. False for anything else. */
bool bech32_decode(const char *text, const char *prefix, uint8_t *bytes, size_t size_bytes);

/* Writes BECH32_LENGTH characters in lower case and a NUL; the prefix is in lower case. */
void bech32_encode(const char *prefix, const uint8_t *bytes, size_t size_bytes, char *text);

#endif
