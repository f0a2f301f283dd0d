/*
 * store.h - putting chunks into an open repository by several threads: what is there already costs its hash only, the
 * rest is compressed and goes into packs.
 *
 * One thread fills batches and gets them back in the order in which it filled them, with the chunks' ids; the store's own
 * threads do the work between. For backup.c.
 */
#ifndef CAISSON_REPOSITORY_STORE_H
#define CAISSON_REPOSITORY_STORE_H

#include "repository/internal.h"

#define STORE_BATCH_BYTES (4u * 1024 * 1024)
#define STORE_BATCH_CHUNKS 1024u

struct store_chunk {
    uint32_t offset; /* in the batch */
    uint32_t size_bytes;
    uint8_t id[SHA256_SIZE]; /* once the batch has come back */
    void *owner;             /* the filler's */
    size_t piece;            /* the filler's */
};

/* Bytes, cut into chunks. */
struct store_batch {
    uint8_t *bytes; /* room for STORE_BATCH_BYTES */
    size_t used;
    struct store_chunk *chunks; /* room for STORE_BATCH_CHUNKS */
    size_t count;
    int state; /* private */
};

struct store;

/* workers: threads; 0: one a processor, at most 8. */
struct store *store_new(struct repository *repository, unsigned workers, struct error *error) MUST_CHECK;

/* Ends the threads. What is not in a finished pack is gone; the repository's index still names it: see repository->spent. */
void store_free(struct store *store);

/* An empty batch to fill, or NULL where all are on their way: take one back first. */
struct store_batch *store_empty(struct store *store);

/* Hands a batch to the threads. */
void store_submit(struct store *store, struct store_batch *batch);

/* The batch that was handed over first, once it is done, with its ids: store_release gives it back. 1; 0 where none is on its
 * way, or, without wait, it is not done; -1: a thread failed (CSN_REPOSITORY_FULL, CSN_IO, CSN_MEMORY), nothing more comes. */
int store_take_back(struct store *store, bool wait, struct store_batch **batch, struct error *error) MUST_CHECK;
void store_release(struct store *store, struct store_batch *batch);

/* Finishes the last pack: all that was taken back is durable. CSN_REPOSITORY_PRUNED: a pack that a chunk was found in is gone. */
int store_finish(struct store *store, struct error *error) MUST_CHECK;

/* What one put in before by this store, or what was there, has this id and size. */
bool store_has(struct store *store, const uint8_t id[SHA256_SIZE], uint64_t size_bytes);

struct store_counts {
    uint64_t stored_bytes; /* of finished packs */
    uint64_t chunks_new;
};
void store_counts(struct store *store, struct store_counts *counts);

#endif
