#include "repository/crc32c.h"

#include <string.h>

#define REVERSED_POLYNOMIAL 0x82f63b78u

static uint32_t tables[8][256];

/* Runs before main: no lock and no test in the loop. */
__attribute__((constructor)) static void fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ ((value & 1) != 0 ? REVERSED_POLYNOMIAL : 0);
        }
        tables[0][i] = value;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int t = 1; t < 8; t++) {
            tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 255];
        }
    }
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t crc32c_portable(const void *data, size_t size_bytes)
{
    const uint8_t *at = data;
    uint32_t crc = ~0u;
    for (; size_bytes >= 8; at += 8, size_bytes -= 8) {
        uint32_t low = load32(at) ^ crc;
        uint32_t high = load32(at + 4);
        crc = tables[7][low & 255] ^ tables[6][low >> 8 & 255] ^ tables[5][low >> 16 & 255] ^ tables[4][low >> 24] ^
              tables[3][high & 255] ^ tables[2][high >> 8 & 255] ^ tables[1][high >> 16 & 255] ^ tables[0][high >> 24];
    }
    for (; size_bytes > 0; at++, size_bytes--) {
        crc = (crc >> 8) ^ tables[0][(crc ^ *at) & 255];
    }
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(const void *data, size_t size_bytes)
{
    const uint8_t *at = data;
    uint64_t crc = ~0u;
    for (; size_bytes >= 8; at += 8, size_bytes -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        crc = __builtin_ia32_crc32di(crc, word);
    }
    uint32_t rest = (uint32_t)crc;
    for (; size_bytes > 0; at++, size_bytes--) {
        rest = __builtin_ia32_crc32qi(rest, *at);
    }
    return ~rest;
}
#endif

uint32_t crc32c_of(const void *data, size_t size_bytes)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) {
        return crc32c_sse42(data, size_bytes);
    }
#endif
    return crc32c_portable(data, size_bytes);
}
