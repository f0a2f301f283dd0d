/*
 * base64.h - base64 as age v1 writes it: RFC 4648 section 4 without padding, and canonical, which is to say that
 * every run of bytes has one text only.
 */
#ifndef CAISSON_AGE_BASE64_H
#define CAISSON_AGE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BASE64_LENGTH(bytes) ((4 * (bytes) + 2) / 3)

/* Writes BASE64_LENGTH(size_bytes) characters and a NUL. */
void base64_encode(const uint8_t *bytes, size_t size_bytes, char *text);

/* Exactly size_bytes bytes from length characters, whatever follows. False if the text is anything else. */
bool base64_decode(const char *text, size_t length, uint8_t *bytes, size_t size_bytes);

#endif
