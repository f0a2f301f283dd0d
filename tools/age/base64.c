#include "age/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t size_bytes, char *text)
{
    uint32_t bits = 0;
    unsigned held = 0; /* how many of the lower bits are still to be written */
    for (size_t i = 0; i < size_bytes; i++) {
        bits = bits << 8 | bytes[i];
        held += 8;
        while (held >= 6) {
            held -= 6;
            *text++ = digits[bits >> held & 63];
        }
    }
    if (held > 0) {
        *text++ = digits[bits << (6 - held) & 63];
    }
    *text = '\0';
}

static int value_of(char digit)
{
    if (digit >= 'A' && digit <= 'Z') {
        return digit - 'A';
    }
    if (digit >= 'a' && digit <= 'z') {
        return digit - 'a' + 26;
    }
    if (digit >= '0' && digit <= '9') {
        return digit - '0' + 52;
    }
    return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t length, uint8_t *bytes, size_t size_bytes)
{
    uint32_t bits = 0;
    unsigned held = 0;
    if (length != BASE64_LENGTH(size_bytes)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        int value = value_of(text[i]);
        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *bytes++ = (uint8_t)(bits >> held);
        }
    }
    /* The last digit's bits that stand for nothing have to be zero. */
    return (bits & ((1u << held) - 1)) == 0;
}
