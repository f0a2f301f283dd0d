#include <stdlib.h>
#include <string.h>

#include "repository/internal.h"

#define SLOTS 4
#define AHEAD_BYTES (1024u * 1024) /* read at once from a pack that is read in order */

/* One open pack and the part of it that was read last. */
struct slot {
    bool used;
    uint32_t pack;
    uint64_t last_use;
    struct stored_reader file;
    uint8_t *window;
    size_t window_allocated;
    uint64_t window_offset;
    size_t window_size;
    uint64_t next_offset; /* behind the frame asked for last */
};

struct pack_cache {
    struct repository *repository;
    struct slot slots[SLOTS];
    uint64_t uses;
    struct pack_decoder *decoder;
};

struct pack_cache *pack_cache_new(struct repository *repository, struct error *error)
{
    struct pack_cache *cache = calloc(1, sizeof *cache);
    if (cache == NULL) {
        error_set(error, CSN_MEMORY, "no memory for reading packs");
        return NULL;
    }
    cache->repository = repository;
    cache->decoder = pack_decoder_new(error);
    if (cache->decoder == NULL) {
        free(cache);
        return NULL;
    }
    return cache;
}

void pack_cache_free(struct pack_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (cache->slots[i].used) {
            stored_close(&cache->slots[i].file);
        }
        free(cache->slots[i].window);
    }
    pack_decoder_free(cache->decoder);
    free(cache);
}

/* The slot of the pack, opened in place of the one not used for longest. */
static struct slot *slot_of(struct pack_cache *cache, uint32_t pack, const char *name, struct error *error)
{
    struct slot *oldest = &cache->slots[0];
    cache->uses++;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = &cache->slots[i];
        if (slot->used && slot->pack == pack) {
            slot->last_use = cache->uses;
            return slot;
        }
        if (!slot->used || (oldest->used && slot->last_use < oldest->last_use)) {
            oldest = slot;
        }
    }
    if (oldest->used) {
        stored_close(&oldest->file);
        oldest->used = false;
    }
    if (stored_open(&oldest->file, &cache->repository->packs_folder, name, error) != 0) {
        return NULL;
    }
    oldest->used = true;
    oldest->pack = pack;
    oldest->last_use = cache->uses;
    oldest->window_size = 0;
    oldest->next_offset = 0;
    return oldest;
}

static const uint8_t *fetch(struct slot *slot, const struct chunk_place *place, const char *name, struct error *error)
{
    uint64_t offset = place->offset;
    size_t wanted = place->stored_bytes;
    if (slot->window_size > 0 && offset >= slot->window_offset &&
        offset + wanted <= slot->window_offset + slot->window_size) {
        slot->next_offset = offset + wanted;
        return slot->window + (offset - slot->window_offset);
    }
    size_t size = wanted;
    if (offset >= slot->next_offset && offset < slot->next_offset + AHEAD_BYTES && size < AHEAD_BYTES) {
        size = AHEAD_BYTES;
    }
    if (offset < slot->file.size_bytes && size > slot->file.size_bytes - offset) {
        size = (size_t)(slot->file.size_bytes - offset);
    }
    size = size < wanted ? wanted : size;
    if (slot->window_allocated < size) {
        free(slot->window);
        slot->window_allocated = 0;
        slot->window = malloc(size);
        if (slot->window == NULL) {
            error_set(error, CSN_MEMORY, "no memory for reading packs");
            return NULL;
        }
        slot->window_allocated = size;
    }
    slot->window_size = 0;
    if (stored_read(&slot->file, name, offset, slot->window, size, error) != 0) {
        return NULL;
    }
    slot->window_offset = offset;
    slot->window_size = size;
    slot->next_offset = offset + wanted;
    return slot->window;
}

const uint8_t *pack_cache_place(struct pack_cache *cache, const struct chunk_place *place, struct error *error)
{
    const struct repository *repository = cache->repository;
    char name[PACK_NAME_SIZE];
    pack_name(PACK_CHUNKS, repository->packs[place->pack], repository_is_sealed(repository), name);
    struct slot *slot = slot_of(cache, place->pack, name, error);
    if (slot == NULL) {
        return NULL;
    }
    const uint8_t *frame = fetch(slot, place, name, error);
    if (frame == NULL) {
        return NULL;
    }
    struct pack_record record = {
        .offset = place->offset,
        .stored_bytes = place->stored_bytes,
        .size_bytes = place->size_bytes,
    };
    memcpy(record.id, place->id, SHA256_SIZE);
    const uint8_t *content = pack_decode(cache->decoder, &record, frame, false, error);
    if (content == NULL) {
        error_wrap(error, REPOSITORY_PACKS "/%s at %u", name, place->offset);
    }
    return content;
}

const uint8_t *pack_cache_chunk(struct pack_cache *cache, const uint8_t id[SHA256_SIZE], uint64_t size_bytes,
                                struct error *error)
{
    const struct chunks *chunks = &cache->repository->chunks;
    const struct chunk_place *place = chunks_find(chunks, id);
    if (place == NULL) {
        char hex[SHA256_HEX_SIZE];
        hex_encode(id, SHA256_SIZE, hex);
        error_set(error, CSN_REPOSITORY_DAMAGED, "the chunk %.16s is in no pack that is whole", hex);
        return NULL;
    }
    for (; place != NULL; place = chunks_next(chunks, place)) {
        const uint8_t *content = NULL;
        if (place->size_bytes != size_bytes) {
            error_set(error, CSN_REPOSITORY_DAMAGED, "a chunk has another size than the snapshot says");
        } else {
            content = pack_cache_place(cache, place, error);
        }
        if (content != NULL) {
            return content;
        }
    }
    return NULL;
}
