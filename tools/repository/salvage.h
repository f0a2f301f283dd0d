/*
 * salvage.h - the frames of a pack or snapshot whose index is lost, found by walking through the file. For repair.
 *
 * What cannot be read, or decompressed, is passed over up to the next frame. A frame carries no sum of its own: a content that was
 * changed and can still be decompressed gets an id that nobody asks for.
 */
#ifndef CAISSON_REPOSITORY_SALVAGE_H
#define CAISSON_REPOSITORY_SALVAGE_H

#include "repository/pack.h"
#include "repository/stored.h"

struct salvaged {
    struct pack_record record; /* all of it; offset: in the file */
    const uint8_t *frame;
    const uint8_t *content;
    bool gap; /* something between the frame before (or the file's begin) and this one is lost */
};

/* Calls found for each frame, in order; returning -1 from it ends that. *gap: something is lost before the end. name is for
 * messages. CSN_MEMORY. */
int salvage_frames(const struct stored_reader *file, const char *name,
                   int (*found)(void *context, const struct salvaged *salvaged, struct error *error), void *context,
                   bool *gap, struct error *error) MUST_CHECK;

#endif
