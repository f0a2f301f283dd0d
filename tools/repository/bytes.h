/*
 * bytes.h - little-endian numbers in the formats, on any machine.
 */
#ifndef CAISSON_REPOSITORY_BYTES_H
#define CAISSON_REPOSITORY_BYTES_H

#include <stdint.h>

static inline void bytes_put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
    at[2] = (uint8_t)(value >> 16);
    at[3] = (uint8_t)(value >> 24);
}

static inline uint32_t bytes_get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

#endif
