#include "lib/buffer.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

char *buffer_reserve(struct buffer *buffer, size_t size_bytes)
{
    if (buffer->failed || size_bytes > SIZE_MAX / 4 - buffer->size) {
        buffer->failed = true;
        return NULL;
    }
    size_t needed = buffer->size + size_bytes + 1;
    if (needed > buffer->allocated) {
        size_t wanted = buffer->allocated < 128 ? 128 : buffer->allocated * 2;
        if (wanted < needed) {
            wanted = needed;
        }
        char *grown = realloc(buffer->data, wanted);
        if (grown == NULL) {
            buffer->failed = true;
            return NULL;
        }
        buffer->data = grown;
        buffer->allocated = wanted;
    }
    return buffer->data + buffer->size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size_bytes)
{
    char *room = buffer_reserve(buffer, size_bytes);
    if (room == NULL) {
        return;
    }
    if (size_bytes > 0) {
        memcpy(room, data, size_bytes);
    }
    buffer->size += size_bytes;
    buffer->data[buffer->size] = '\0';
}

void buffer_string(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *room = length < 0 ? NULL : buffer_reserve(buffer, (size_t)length);
    if (room == NULL) {
        buffer->failed = true;
    } else {
        vsnprintf(room, (size_t)length + 1, format, again);
        buffer->size += (size_t)length;
    }
    va_end(again);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    if (buffer->data != NULL) {
        buffer->data[0] = '\0';
    }
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

int buffer_check(const struct buffer *buffer, struct error *error)
{
    return buffer->failed ? error_set(error, CSN_MEMORY, "no memory for %zu more bytes", buffer->size) : 0;
}

const char *buffer_text(const struct buffer *buffer)
{
    return buffer->data == NULL ? "" : buffer->data;
}

char *buffer_take(struct buffer *buffer)
{
    char *taken = NULL;
    if (!buffer->failed) {
        buffer_append(buffer, "", 0);
    }
    if (!buffer->failed) {
        taken = buffer->data;
        buffer->data = NULL;
    }
    buffer_free(buffer);
    return taken;
}
