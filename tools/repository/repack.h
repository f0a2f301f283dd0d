/*
 * repack.h - writes a pack anew with some of its chunks. For prune.c and repair.c.
 */
#ifndef CAISSON_REPOSITORY_REPACK_H
#define CAISSON_REPOSITORY_REPACK_H

#include "repository/internal.h"

/* Writes the frames of the pack for which `kept` (one a record, in their order) is not 0 into a new one, each checked before: it
 * is durable, and both are there, when this has returned 0. seal: NULL, or whom the new one is for. Nothing kept: no new pack.
 * *stored_bytes is added to. CSN_REPOSITORY_DAMAGED (one that is kept does not hold), _FULL, CSN_IO; then nothing has changed. */
int repack(struct repository *repository, uint32_t pack, const uint8_t *kept, const struct stored_seal *seal,
           uint64_t *stored_bytes, struct error *error) MUST_CHECK;

#endif
