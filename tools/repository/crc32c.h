/*
 * crc32c.h - CRC-32C (Castagnoli, RFC 3720 B.4), over the stored bytes of a chunk.
 *
 * Finds every flipped bit in a compressed frame, also one that does not change what comes out of it. It is no proof of
 * content: that is the chunk's SHA-256. Uses the processor's instruction where there is one.
 */
#ifndef CAISSON_REPOSITORY_CRC32C_H
#define CAISSON_REPOSITORY_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c_of(const void *data, size_t size_bytes);

/* The same without the instruction; what crc32c_of is tested against. */
uint32_t crc32c_portable(const void *data, size_t size_bytes);

#endif
