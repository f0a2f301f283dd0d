/*
 * verify_packs.h - reads packs, or a random part of them, and hashes every chunk: by several threads. For verify.c and repair.c.
 */
#ifndef CAISSON_REPOSITORY_VERIFY_PACKS_H
#define CAISSON_REPOSITORY_VERIFY_PACKS_H

#include "repository/internal.h"

struct verify_packs_options {
    uint32_t
        share_ppm; /* how much of the chunks, in millionths, chosen at random in runs of about 4 MiB; 1,000,000: all */
    void (*damaged)(void *context, const char *pack,
                    const char *what); /* pack: below packs/; once a pack, one call at a time */
    void *context;
    const struct progress *progress;
};

struct verified_packs {
    uint64_t packs;
    uint64_t chunks;
    uint64_t bytes;                 /* decompressed and hashed */
    const struct chunk_place **bad; /* places whose content does not hold, sorted */
    size_t bad_count;
    size_t bad_allocated;
};

/* The repository's index must be up to date, and does not change meanwhile. 0 also where there is damage; CSN_MEMORY. Free with
 * verified_packs_free in each case. */
int verify_packs(struct repository *repository, const struct verify_packs_options *options,
                 struct verified_packs *verified, struct error *error) MUST_CHECK;
void verified_packs_free(struct verified_packs *verified);

bool verified_packs_is_bad(const struct verified_packs *verified, const struct chunk_place *place);

#endif
