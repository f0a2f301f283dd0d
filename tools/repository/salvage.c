#include "repository/salvage.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "repository/bytes.h"
#include "repository/crc32c.h"
#include "repository/pack_format.h"

#define WINDOW_BYTES (2u * CHUNK_STORED_LIMIT_BYTES)
#define PIECE_BYTES 65536u /* what is lost with an unreadable place: as much as age encrypts together */

struct salvage {
    const struct stored_reader *file;
    const char *name;
    ZSTD_DCtx *decoder;
    uint8_t *content; /* CHUNK_LIMIT_BYTES */
    uint8_t *window;  /* WINDOW_BYTES of the file */
    uint64_t offset;  /* of the window in the file */
    size_t size;
    size_t at; /* in the window */
};

/* Reads on behind what is left of the window. Zeros stand for what cannot be read: no frame begins with them. */
static void fill(struct salvage *salvage)
{
    struct error unused;
    size_t left = salvage->size - salvage->at;
    memmove(salvage->window, salvage->window + salvage->at, left);
    salvage->offset += salvage->at;
    salvage->at = 0;
    salvage->size = left;
    while (salvage->size < WINDOW_BYTES && salvage->offset + salvage->size < salvage->file->size_bytes) {
        uint64_t from = salvage->offset + salvage->size;
        uint64_t rest = salvage->file->size_bytes - from;
        size_t piece = PIECE_BYTES - (size_t)(from % PIECE_BYTES);
        piece = piece > rest ? (size_t)rest : piece;
        piece = piece > WINDOW_BYTES - salvage->size ? WINDOW_BYTES - salvage->size : piece;
        if (stored_read(salvage->file, salvage->name, from, salvage->window + salvage->size, piece, &unused) != 0) {
            memset(salvage->window + salvage->size, 0, piece);
        }
        salvage->size += piece;
    }
}

/* True if a whole frame stands here, within the limits; *record and the content are then filled in. */
static bool take_frame(struct salvage *salvage, struct pack_record *record)
{
    const uint8_t *frame = salvage->window + salvage->at;
    size_t left = salvage->size - salvage->at;
    if (left < 4 || bytes_get32(frame) != ZSTD_MAGICNUMBER) {
        return false;
    }
    size_t stored = ZSTD_findFrameCompressedSize(frame, left);
    unsigned long long size = ZSTD_getFrameContentSize(frame, left);
    if (ZSTD_isError(stored) || stored > CHUNK_STORED_LIMIT_BYTES || size == ZSTD_CONTENTSIZE_ERROR ||
        size == ZSTD_CONTENTSIZE_UNKNOWN || size == 0 || size > CHUNK_LIMIT_BYTES) {
        return false;
    }
    size_t got = ZSTD_decompressDCtx(salvage->decoder, salvage->content, (size_t)size, frame, stored);
    if (ZSTD_isError(got) || got != size) {
        return false;
    }
    record->offset = (uint32_t)(salvage->offset + salvage->at);
    record->stored_bytes = (uint32_t)stored;
    record->size_bytes = (uint32_t)size;
    record->crc32c = crc32c_of(frame, stored);
    sha256_of(salvage->content, got, record->id);
    return true;
}

/* The index begins here, whether it holds or not: behind it is nothing more. */
static bool is_index(const struct salvage *salvage)
{
    size_t left = salvage->size - salvage->at;
    const uint8_t *head = salvage->window + salvage->at;
    return left >= PACK_SKIPPABLE_BYTES && bytes_get32(head) == PACK_SKIPPABLE_MAGIC &&
           (uint64_t)bytes_get32(head + 4) + PACK_SKIPPABLE_BYTES ==
               salvage->file->size_bytes - salvage->offset - salvage->at;
}

static bool is_padding(const struct salvage *salvage)
{
    return salvage->size - salvage->at >= PACK_SKIPPABLE_BYTES &&
           bytes_get32(salvage->window + salvage->at) == PACK_PADDING_MAGIC;
}

static void skip_zeros(struct salvage *salvage)
{
    while (salvage->at < salvage->size && salvage->window[salvage->at] == 0) {
        salvage->at++;
    }
}

static int walk(struct salvage *salvage, int (*found)(void *, const struct salvaged *, struct error *), void *context,
                bool *gap, struct error *error)
{
    *gap = false;
    for (;;) {
        if (salvage->size - salvage->at < CHUNK_STORED_LIMIT_BYTES &&
            salvage->offset + salvage->size < salvage->file->size_bytes) {
            fill(salvage);
        }
        if (salvage->at == salvage->size || is_index(salvage)) {
            return 0;
        }
        if (is_padding(salvage)) {
            salvage->at += PACK_SKIPPABLE_BYTES;
            skip_zeros(salvage);
            continue;
        }
        struct salvaged salvaged = {.gap = *gap};
        if (take_frame(salvage, &salvaged.record)) {
            salvaged.frame = salvage->window + salvage->at;
            salvaged.content = salvage->content;
            if (found(context, &salvaged, error) != 0) {
                return -1;
            }
            salvage->at += salvaged.record.stored_bytes;
            *gap = false;
        } else {
            salvage->at++;
            *gap = true;
        }
    }
}

int salvage_frames(const struct stored_reader *file, const char *name,
                   int (*found)(void *context, const struct salvaged *salvaged, struct error *error), void *context,
                   bool *gap, struct error *error)
{
    struct salvage salvage = {.file = file, .name = name};
    salvage.decoder = ZSTD_createDCtx();
    salvage.content = malloc(CHUNK_LIMIT_BYTES);
    salvage.window = malloc(WINDOW_BYTES);
    int result = salvage.decoder == NULL || salvage.content == NULL || salvage.window == NULL
                     ? error_set(error, CSN_MEMORY, "no memory for walking through %s", name)
                     : walk(&salvage, found, context, gap, error);
    ZSTD_freeDCtx(salvage.decoder);
    free(salvage.content);
    free(salvage.window);
    return result;
}
