/*
 * buffer.h - a growing run of bytes, always followed by a NUL that does not count.
 *
 * A failed allocation makes the buffer failed for good: further appends do nothing and buffer_failed says so, which is
 * asked once at the end. Start with `struct buffer b = {0}`; end with buffer_free.
 */
#ifndef CAISSON_LIB_BUFFER_H
#define CAISSON_LIB_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

struct buffer {
    char *data;       /* NULL while nothing was appended */
    size_t size;      /* bytes in use */
    size_t allocated; /* bytes held, private */
    bool failed;      /* memory ran out, private */
};

void buffer_append(struct buffer *buffer, const void *data, size_t size_bytes);
void buffer_string(struct buffer *buffer, const char *text);
void buffer_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);
void buffer_clear(struct buffer *buffer); /* keeps the memory for reuse */
void buffer_free(struct buffer *buffer);

/* Room for size_bytes more behind the used part; NULL when memory is used up. The caller adds to buffer->size. */
char *buffer_reserve(struct buffer *buffer, size_t size_bytes);

/* 0, or -1 with CSN_MEMORY if any append since the start failed. */
int buffer_check(const struct buffer *buffer, struct error *error) MUST_CHECK;

/* The text, never NULL. Owned by the buffer. */
const char *buffer_text(const struct buffer *buffer);

/* Hands the memory over to the caller (free() it); the buffer is empty after. NULL if it failed. Never NULL otherwise. */
char *buffer_take(struct buffer *buffer);

#endif
