/*
 * store.h - putting chunks into an open repository: what is there already costs its hash only, the rest goes into packs.
 *
 * One store is one line of work (its own pack, compressor and buffers). For backup.c.
 */
#ifndef CAISSON_REPOSITORY_STORE_H
#define CAISSON_REPOSITORY_STORE_H

#include "repository/internal.h"

struct store;

struct store *store_new(struct repository *repository, struct error *error) MUST_CHECK;

/* What is not in a finished pack is gone; the repository's index still names it: see repository->spent. */
void store_free(struct store *store);

/* Puts one chunk in; id becomes its hash. CSN_REPOSITORY_FULL, CSN_IO, CSN_MEMORY. */
int store_put(struct store *store, const void *data, size_t size_bytes, uint8_t id[SHA256_SIZE], struct error *error)
    MUST_CHECK;

/* Finishes the last pack: all that was put in is durable. */
int store_finish(struct store *store, struct error *error) MUST_CHECK;

struct store_counts {
    uint64_t stored_bytes; /* of finished packs */
    uint64_t chunks_new;
};
const struct store_counts *store_counts(const struct store *store);

#endif
