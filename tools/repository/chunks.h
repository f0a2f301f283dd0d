/*
 * chunks.h - where each chunk of the repository is: id to (pack, offset). In memory, filled from the packs' own indexes.
 *
 * 48 bytes a chunk and 5 to 9 of table; nothing is ever moved or freed singly. A chunk may be there in several packs
 * (two writers at once); all places are kept, in the order they were added.
 */
#ifndef CAISSON_REPOSITORY_CHUNKS_H
#define CAISSON_REPOSITORY_CHUNKS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/sha256.h"

struct chunk_place {
    uint8_t id[SHA256_SIZE];
    uint32_t pack; /* number of the pack, given by whoever fills the index */
    uint32_t offset;
    uint32_t stored_bytes;
    uint32_t size_bytes;
};

#define CHUNKS_BLOCK 32768u

struct chunks {
    struct chunk_place **blocks; /* of CHUNKS_BLOCK each */
    size_t blocks_count;
    size_t blocks_allocated;
    uint32_t count;
    uint32_t *table;     /* number of a chunk + 1; 0: free */
    uint32_t table_size; /* a power of two, or 0 */
};

/* Starts as {0}. CSN_MEMORY. */
int chunks_add(struct chunks *chunks, const struct chunk_place *chunk, struct error *error) MUST_CHECK;

/* Where chunk `number` has come to lie: one that was added before it was stored. */
void chunks_settle(struct chunks *chunks, uint32_t number, uint32_t pack, uint32_t offset, uint32_t stored_bytes);

/* The first place of the chunk, or NULL. Valid until chunks_free. */
const struct chunk_place *chunks_find(const struct chunks *chunks, const uint8_t id[SHA256_SIZE]);

/* The next place of the same chunk after this one (as chunks_find or chunks_next gave it), or NULL. */
const struct chunk_place *chunks_next(const struct chunks *chunks, const struct chunk_place *chunk);

/* The same by number: CHUNKS_NONE where there is none. */
#define CHUNKS_NONE UINT32_MAX
uint32_t chunks_first(const struct chunks *chunks, const uint8_t id[SHA256_SIZE]);
uint32_t chunks_after(const struct chunks *chunks, uint32_t number);

/* By number, 0 .. count-1, in the order they were added. */
const struct chunk_place *chunks_at(const struct chunks *chunks, uint32_t number);

void chunks_free(struct chunks *chunks);

#endif
