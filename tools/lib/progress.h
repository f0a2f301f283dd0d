/*
 * progress.h - how work tells whoever watches how far it is. Nothing below the console knows a screen.
 *
 * A module that may take over a second takes a `const struct progress *` (NULL: nobody watches) and calls
 * progress_tell as often as it likes: the listener limits the rate.
 */
#ifndef CAISSON_LIB_PROGRESS_H
#define CAISSON_LIB_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct progress_state {
    const char *doing;    /* "reading files", never NULL; valid during the call only */
    const char *item;     /* the path or table at hand, or NULL */
    uint64_t done_bytes;  /* so far */
    uint64_t total_bytes; /* 0: not known */
    uint64_t done_items;
    uint64_t total_items; /* 0: not known */
};

struct progress {
    void (*tell)(void *context, const struct progress_state *state);
    void *context;
};

static inline void progress_tell(const struct progress *progress, const struct progress_state *state)
{
    if (progress != NULL && progress->tell != NULL) {
        progress->tell(progress->context, state);
    }
}

#endif
