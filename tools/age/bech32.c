#include "age/bech32.h"

#include <string.h>

#define CHECKSUM_DIGITS 6u

static const char digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* One step of the BCH code's remainder: the polynomial so far, times x, plus value. */
static uint32_t step(uint32_t sum, unsigned value)
{
    static const uint32_t generator[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    uint32_t top = sum >> 25;
    sum = (sum & 0x1ffffff) << 5 ^ value;
    for (unsigned i = 0; i < 5; i++) {
        if ((top >> i & 1) != 0) {
            sum ^= generator[i];
        }
    }
    return sum;
}

/* The sum over the prefix, which is taken in lower case: its upper bits, a zero, its lower bits. */
static uint32_t sum_prefix(const char *prefix, size_t length)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < length; i++) {
        sum = step(sum, (unsigned)lower(prefix[i]) >> 5);
    }
    sum = step(sum, 0);
    for (size_t i = 0; i < length; i++) {
        sum = step(sum, (unsigned)lower(prefix[i]) & 31);
    }
    return sum;
}

static int value_of(char digit)
{
    const char *found = digit == '\0' ? NULL : strchr(digits, lower(digit));
    return found == NULL ? -1 : (int)(found - digits);
}

static bool has_one_case(const char *text)
{
    bool low = false;
    bool high = false;
    for (; *text != '\0'; text++) {
        if (*text < 33 || *text > 126) {
            return false;
        }
        high = high || is_upper(*text);
        low = low || (*text >= 'a' && *text <= 'z');
    }
    return !(low && high);
}

size_t bech32_check(const char *text)
{
    const char *separator = strrchr(text, '1');
    if (separator == NULL || separator == text || strlen(separator + 1) < CHECKSUM_DIGITS || !has_one_case(text)) {
        return 0;
    }
    size_t length = (size_t)(separator - text);
    uint32_t sum = sum_prefix(text, length);
    for (const char *at = separator + 1; *at != '\0'; at++) {
        int value = value_of(*at);
        if (value < 0) {
            return 0;
        }
        sum = step(sum, (unsigned)value);
    }
    return sum == 1 ? length : 0;
}

bool bech32_decode(const char *text, const char *prefix, uint8_t *bytes, size_t size_bytes)
{
    size_t length = strlen(prefix);
    if (bech32_check(text) != length || strncmp(text, prefix, length) != 0 ||
        strlen(text) != BECH32_LENGTH(length, size_bytes)) {
        return false;
    }
    uint32_t bits = 0;
    unsigned held = 0;
    const char *at = text + length + 1;
    for (const char *end = text + strlen(text) - CHECKSUM_DIGITS; at < end; at++) {
        bits = bits << 5 | (uint32_t)value_of(*at);
        held += 5;
        if (held >= 8) {
            held -= 8;
            *bytes++ = (uint8_t)(bits >> held);
        }
    }
    return (bits & ((1u << held) - 1)) == 0;
}

static uint32_t put(char **at, uint32_t sum, unsigned value)
{
    *(*at)++ = digits[value];
    return step(sum, value);
}

void bech32_encode(const char *prefix, const uint8_t *bytes, size_t size_bytes, char *text)
{
    size_t length = strlen(prefix);
    uint32_t sum = sum_prefix(prefix, length);
    uint32_t bits = 0;
    unsigned held = 0;
    memcpy(text, prefix, length);
    char *at = text + length;
    *at++ = '1';
    for (size_t i = 0; i < size_bytes; i++) {
        bits = bits << 8 | bytes[i];
        held += 8;
        while (held >= 5) {
            held -= 5;
            sum = put(&at, sum, bits >> held & 31);
        }
    }
    if (held > 0) {
        sum = put(&at, sum, bits << (5 - held) & 31);
    }
    for (unsigned i = 0; i < CHECKSUM_DIGITS; i++) {
        sum = step(sum, 0);
    }
    sum ^= 1;
    for (unsigned i = 0; i < CHECKSUM_DIGITS; i++) {
        *at++ = digits[sum >> 5 * (CHECKSUM_DIGITS - 1 - i) & 31];
    }
    *at = '\0';
}
