#include "repository/chunks.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_LIMIT (UINT32_MAX / 4)

static struct chunk_place *chunk_at(const struct chunks *chunks, uint32_t number)
{
    return &chunks->blocks[number / CHUNKS_BLOCK][number % CHUNKS_BLOCK];
}

/* The id is a hash already: any of its bytes are as good as a hash of it. */
static uint32_t slot_of(const struct chunks *chunks, const uint8_t id[SHA256_SIZE])
{
    uint32_t value;
    memcpy(&value, id, sizeof value);
    return value & (chunks->table_size - 1);
}

static void insert(struct chunks *chunks, uint32_t number)
{
    uint32_t slot = slot_of(chunks, chunk_at(chunks, number)->id);
    while (chunks->table[slot] != 0) {
        slot = (slot + 1) & (chunks->table_size - 1);
    }
    chunks->table[slot] = number + 1;
}

static int grow_table(struct chunks *chunks, struct error *error)
{
    uint32_t size = chunks->table_size == 0 ? 4096 : 2 * chunks->table_size;
    uint32_t *table = calloc(size, sizeof *table);
    if (table == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the index of %u chunks", chunks->count);
    }
    free(chunks->table);
    chunks->table = table;
    chunks->table_size = size;
    for (uint32_t i = 0; i < chunks->count; i++) {
        insert(chunks, i);
    }
    return 0;
}

static int grow_blocks(struct chunks *chunks, struct error *error)
{
    if (chunks->blocks_count == chunks->blocks_allocated) {
        size_t more = chunks->blocks_allocated == 0 ? 16 : 2 * chunks->blocks_allocated;
        struct chunk_place **grown = realloc(chunks->blocks, more * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the index of %u chunks", chunks->count);
        }
        chunks->blocks = grown;
        chunks->blocks_allocated = more;
    }
    struct chunk_place *block = malloc(CHUNKS_BLOCK * sizeof *block);
    if (block == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the index of %u chunks", chunks->count);
    }
    chunks->blocks[chunks->blocks_count++] = block;
    return 0;
}

int chunks_add(struct chunks *chunks, const struct chunk_place *chunk, struct error *error)
{
    if (chunks->count >= COUNT_LIMIT) {
        return error_set(error, CSN_MEMORY, "more than %u chunks in one repository", COUNT_LIMIT);
    }
    if (chunks->count >= chunks->table_size / 8 * 7 && grow_table(chunks, error) != 0) {
        return -1;
    }
    if (chunks->count == chunks->blocks_count * CHUNKS_BLOCK && grow_blocks(chunks, error) != 0) {
        return -1;
    }
    *chunk_at(chunks, chunks->count) = *chunk;
    insert(chunks, chunks->count);
    chunks->count++;
    return 0;
}

void chunks_settle(struct chunks *chunks, uint32_t number, uint32_t pack, uint32_t offset, uint32_t stored_bytes)
{
    struct chunk_place *place = chunk_at(chunks, number);
    place->pack = pack;
    place->offset = offset;
    place->stored_bytes = stored_bytes;
}

/* The number of the first chunk with this id from the slot on, or CHUNKS_NONE; *slot is then behind it. */
static uint32_t search(const struct chunks *chunks, const uint8_t id[SHA256_SIZE], uint32_t *slot)
{
    while (chunks->table_size > 0 && chunks->table[*slot] != 0) {
        uint32_t number = chunks->table[*slot] - 1;
        *slot = (*slot + 1) & (chunks->table_size - 1);
        if (memcmp(chunk_at(chunks, number)->id, id, SHA256_SIZE) == 0) {
            return number;
        }
    }
    return CHUNKS_NONE;
}

uint32_t chunks_first(const struct chunks *chunks, const uint8_t id[SHA256_SIZE])
{
    uint32_t slot = chunks->table_size == 0 ? 0 : slot_of(chunks, id);
    return search(chunks, id, &slot);
}

uint32_t chunks_after(const struct chunks *chunks, uint32_t number)
{
    const uint8_t *id = chunk_at(chunks, number)->id;
    uint32_t slot = slot_of(chunks, id);
    while (search(chunks, id, &slot) != number) {
    }
    return search(chunks, id, &slot);
}

const struct chunk_place *chunks_find(const struct chunks *chunks, const uint8_t id[SHA256_SIZE])
{
    uint32_t number = chunks_first(chunks, id);
    return number == CHUNKS_NONE ? NULL : chunk_at(chunks, number);
}

const struct chunk_place *chunks_next(const struct chunks *chunks, const struct chunk_place *after)
{
    uint32_t slot = slot_of(chunks, after->id);
    uint32_t number;
    do {
        number = search(chunks, after->id, &slot);
    } while (number != CHUNKS_NONE && chunk_at(chunks, number) != after);
    number = number == CHUNKS_NONE ? number : search(chunks, after->id, &slot);
    return number == CHUNKS_NONE ? NULL : chunk_at(chunks, number);
}

const struct chunk_place *chunks_at(const struct chunks *chunks, uint32_t number)
{
    return chunk_at(chunks, number);
}

void chunks_free(struct chunks *chunks)
{
    for (size_t i = 0; i < chunks->blocks_count; i++) {
        free(chunks->blocks[i]);
    }
    free(chunks->blocks);
    free(chunks->table);
    *chunks = (struct chunks){0};
}
