#include "repository/chunker.h"

#include "repository/pack.h"

#define WINDOW_BYTES 64 /* a bit that was shifted in 64 bytes ago has left the sum */

const struct chunker_sizes chunker_default_sizes = {
    .minimum_bytes = 384 * 1024,
    .average_bytes = 512 * 1024,
    .maximum_bytes = 2 * 1024 * 1024,
};

/* splitmix64 (Steele, Lea, Flood 2014): well-mixed numbers from a counter. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t value = (*state += 0x9e3779b97f4a7c15u);
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

/* The upper bits depend on the most bytes. */
static uint64_t upper_bits(unsigned count)
{
    return ~(uint64_t)0 << (64 - count);
}

bool chunker_init(struct chunker *chunker, const struct chunker_sizes *sizes, uint64_t seed)
{
    uint32_t average = sizes->average_bytes;
    if (sizes->minimum_bytes < WINDOW_BYTES || average <= sizes->minimum_bytes || (average & (average - 1)) != 0 ||
        sizes->maximum_bytes < average || sizes->maximum_bytes > CHUNK_LIMIT_BYTES) {
        return false;
    }
    chunker->sizes = *sizes;
    unsigned bits = (unsigned)__builtin_ctz(average);
    chunker->strict_mask = upper_bits(bits + 2);
    chunker->loose_mask = upper_bits(bits - 2);
    for (int i = 0; i < 256; i++) {
        chunker->gear[i] = next_random(&seed);
    }
    return true;
}

size_t chunker_cut(const struct chunker *chunker, const uint8_t *data, size_t size_bytes)
{
    size_t end = size_bytes < chunker->sizes.maximum_bytes ? size_bytes : chunker->sizes.maximum_bytes;
    if (end <= chunker->sizes.minimum_bytes) {
        return end;
    }
    size_t middle = end < chunker->sizes.average_bytes ? end : chunker->sizes.average_bytes;
    uint64_t sum = 0;
    size_t at = chunker->sizes.minimum_bytes - WINDOW_BYTES;
    for (; at < chunker->sizes.minimum_bytes; at++) {
        sum = (sum << 1) + chunker->gear[data[at]];
    }
    for (; at < middle; at++) {
        sum = (sum << 1) + chunker->gear[data[at]];
        if ((sum & chunker->strict_mask) == 0) {
            return at + 1;
        }
    }
    for (; at < end; at++) {
        sum = (sum << 1) + chunker->gear[data[at]];
        if ((sum & chunker->loose_mask) == 0) {
            return at + 1;
        }
    }
    return end;
}
