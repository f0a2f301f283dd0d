#include "repository/backup_queue.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_LIMIT 4096u /* entries that wait: the next one sends off what is at hand, and waits */

struct queued {
    struct queued *next;
    struct snapshot_entry entry;
    size_t open; /* pieces whose ids are not known yet */
    bool ended;
    bool keep;
};

static void drop(struct queued *queued)
{
    queued->entry.hardlink = NULL; /* borrowed */
    snapshot_entry_free(&queued->entry);
    free(queued);
}

static int put(struct backup_queue *queue, struct snapshot_entry *entry, struct error *error)
{
    for (size_t i = 0; i < entry->piece_count; i++) {
        queue->chunks += snapshot_piece_is_hole(&entry->pieces[i]) ? 0 : 1;
    }
    return queue->deliver(queue->context, entry, error);
}

/* Delivers what can be. */
static int advance(struct backup_queue *queue, struct error *error)
{
    int result = 0;
    while (result == 0 && queue->first != NULL && queue->first->ended && queue->first->open == 0) {
        struct queued *queued = queue->first;
        queue->first = queued->next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        queue->count--;
        result = queued->keep ? put(queue, &queued->entry, error) : 0;
        drop(queued);
    }
    return result;
}

/* Takes the oldest batch back. 1; 0: none is on its way (or, without wait, done). */
static int take_back(struct backup_queue *queue, bool wait, struct error *error)
{
    struct store_batch *batch = NULL;
    int got = store_take_back(queue->store, wait, &batch, error);
    if (got <= 0) {
        return got;
    }
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_chunk *chunk = &batch->chunks[i];
        struct queued *owner = chunk->owner;
        memcpy(owner->entry.pieces[chunk->piece].id, chunk->id, SHA256_SIZE);
        owner->open--;
    }
    store_release(queue->store, batch);
    return advance(queue, error) != 0 ? -1 : 1;
}

int backup_queue_renew(struct backup_queue *queue, struct error *error)
{
    const struct store_batch *full = queue->batch;
    const uint8_t *rest = full == NULL ? NULL : full->bytes + queue->uncut;
    size_t rest_bytes = full == NULL ? 0 : full->used - queue->uncut;
    struct store_batch *batch;
    while ((batch = store_empty(queue->store)) == NULL) {
        int got = take_back(queue, true, error);
        if (got <= 0) {
            return got < 0 ? -1 : error_set(error, CSN_INTERNAL, "all batches are being filled");
        }
    }
    if (full != NULL) {
        memcpy(batch->bytes, rest, rest_bytes);
        batch->used = rest_bytes;
        store_submit(queue->store, queue->batch);
    }
    queue->batch = batch;
    queue->uncut = 0;
    return 0;
}

int backup_queue_begin(struct backup_queue *queue, const struct snapshot_entry *entry, struct error *error)
{
    while (queue->count >= QUEUE_LIMIT) {
        int got = take_back(queue, true, error);
        if (got < 0 || (got == 0 && backup_queue_renew(queue, error) != 0)) {
            return -1;
        }
    }
    struct queued *queued = calloc(1, sizeof *queued);
    if (queued == NULL || tree_entry_copy(&queued->entry.tree, &entry->tree, error) != 0) {
        free(queued);
        return error_set(error, CSN_MEMORY, "no memory for /%s", entry->tree.path);
    }
    queued->entry.hardlink = entry->hardlink;
    queued->entry.sparse = entry->sparse;
    queued->entry.changed = entry->changed;
    for (size_t i = 0; i < entry->piece_count; i++) {
        const struct snapshot_piece *piece = &entry->pieces[i];
        if (snapshot_entry_add(&queued->entry, piece->id, piece->size_bytes, error) != 0) {
            drop(queued);
            return -1;
        }
    }
    *(queue->last == NULL ? &queue->first : &queue->last->next) = queued;
    queue->last = queued;
    queue->count++;
    return 0;
}

struct snapshot_entry *backup_queue_entry(const struct backup_queue *queue)
{
    return &queue->last->entry;
}

int backup_queue_end(struct backup_queue *queue, bool keep, struct error *error)
{
    queue->last->ended = true;
    queue->last->keep = keep;
    int got = 1;
    while (got == 1) {
        got = take_back(queue, false, error);
    }
    return got < 0 ? -1 : advance(queue, error);
}

int backup_queue_add(struct backup_queue *queue, struct snapshot_entry *entry, struct error *error)
{
    if (queue->first == NULL) {
        return put(queue, entry, error);
    }
    return backup_queue_begin(queue, entry, error) != 0 ? -1 : backup_queue_end(queue, true, error);
}

int backup_queue_cut(struct backup_queue *queue, size_t size_bytes, struct error *error)
{
    struct queued *queued = queue->last;
    struct store_batch *batch = queue->batch;
    if (snapshot_entry_add(&queued->entry, NULL, size_bytes, error) != 0) {
        return -1;
    }
    batch->chunks[batch->count++] = (struct store_chunk){
        .offset = (uint32_t)queue->uncut,
        .size_bytes = (uint32_t)size_bytes,
        .owner = queued,
        .piece = queued->entry.piece_count - 1,
    };
    queued->open++;
    queue->uncut += size_bytes;
    return batch->count == STORE_BATCH_CHUNKS ? backup_queue_renew(queue, error) : 0;
}

int backup_queue_finish(struct backup_queue *queue, struct error *error)
{
    if (queue->batch != NULL) {
        store_submit(queue->store, queue->batch);
        queue->batch = NULL;
    }
    int got = 1;
    while (got == 1) {
        got = take_back(queue, true, error);
    }
    return got < 0 || advance(queue, error) != 0 ? -1
           : queue->first == NULL                ? 0
                                                 : error_set(error, CSN_INTERNAL, "entries are left that have no end");
}

void backup_queue_free(struct backup_queue *queue)
{
    while (queue->first != NULL) {
        struct queued *queued = queue->first;
        queue->first = queued->next;
        drop(queued);
    }
}
