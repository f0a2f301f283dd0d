/*
 * chunker.h - where to cut a run of bytes, decided by the bytes themselves: the same content is cut alike wherever it
 * stands, so that an insertion costs a chunk or two and not the rest of the file.
 *
 * A rolling sum over the last 64 bytes with one random number a byte value ("gear"); a stricter test before the wished
 * size than after it keeps most chunks near it. Numbers and their reasons: README.md.
 */
#ifndef CAISSON_REPOSITORY_CHUNKER_H
#define CAISSON_REPOSITORY_CHUNKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chunker_sizes {
    uint32_t minimum_bytes;
    uint32_t average_bytes; /* a power of two */
    uint32_t maximum_bytes;
};

struct chunker {
    struct chunker_sizes sizes;
    uint64_t strict_mask;
    uint64_t loose_mask;
    uint64_t gear[256];
};

extern const struct chunker_sizes chunker_default_sizes;

/* False if the sizes make no sense (64 <= minimum < average <= maximum <= CHUNK_LIMIT_BYTES is asked for). seed decides
 * the random numbers: repositories of one seed cut alike. */
bool chunker_init(struct chunker *chunker, const struct chunker_sizes *sizes, uint64_t seed);

/* The length of the first chunk of data. If it is size_bytes and less than the maximum, more data could move the cut:
 * call again with more, unless this is the end of the file. */
size_t chunker_cut(const struct chunker *chunker, const uint8_t *data, size_t size_bytes);

#endif
