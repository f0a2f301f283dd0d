#include "repository/pack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <zstd.h>

#include "repository/bytes.h"
#include "repository/crc32c.h"
#include "repository/pack_format.h"

struct pack_compressor {
    ZSTD_CCtx *context;
    uint8_t frame[CHUNK_STORED_LIMIT_BYTES];
};

struct pack_writer {
    enum pack_kind kind;
    const struct stored_folder *folder;
    struct stored_writer file;
    uint8_t *records;
    size_t records_allocated;
    uint32_t count;
    uint32_t frames_bytes;
    uint32_t target_bytes; /* of frames: then it is full */
};

static_assert(ZSTD_COMPRESSBOUND(CHUNK_LIMIT_BYTES) <= CHUNK_STORED_LIMIT_BYTES, "a frame fits its limit");

/* Lines of a snapshot shrink to a tenth, and there are few of them. For chunks: level 1's way of searching with a table for twice as much
 * and matches of 6 bytes; README.md has the measure. */
static bool set_effort(ZSTD_CCtx *context, enum pack_kind kind)
{
    if (kind == PACK_SNAPSHOT) {
        return !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 3));
    }
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, 15)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_minMatch, 6));
}

struct pack_compressor *pack_compressor_new(enum pack_kind kind, struct error *error)
{
    struct pack_compressor *compressor = malloc(sizeof *compressor);
    if (compressor != NULL) {
        compressor->context = ZSTD_createCCtx();
    }
    if (compressor == NULL || compressor->context == NULL || !set_effort(compressor->context, kind)) {
        error_set(error, CSN_MEMORY, "no memory for compressing");
        pack_compressor_free(compressor);
        return NULL;
    }
    return compressor;
}

void pack_compressor_free(struct pack_compressor *compressor)
{
    if (compressor != NULL) {
        ZSTD_freeCCtx(compressor->context);
        free(compressor);
    }
}

const uint8_t *pack_compress(struct pack_compressor *compressor, const uint8_t id[SHA256_SIZE], const void *data,
                             size_t size_bytes, struct pack_record *record, struct error *error)
{
    if (size_bytes == 0 || size_bytes > CHUNK_LIMIT_BYTES) {
        error_set(error, CSN_INTERNAL, "a chunk of %zu bytes cannot be put into a pack", size_bytes);
        return NULL;
    }
    size_t stored = ZSTD_compress2(compressor->context, compressor->frame, sizeof compressor->frame, data, size_bytes);
    if (ZSTD_isError(stored)) {
        error_set(error, CSN_MEMORY, "compressing a chunk: %s", ZSTD_getErrorName(stored));
        return NULL;
    }
    memcpy(record->id, id, SHA256_SIZE);
    record->offset = 0;
    record->stored_bytes = (uint32_t)stored;
    record->size_bytes = (uint32_t)size_bytes;
    record->crc32c = crc32c_of(compressor->frame, stored);
    return compressor->frame;
}

struct pack_writer *pack_writer_new(enum pack_kind kind, const struct stored_folder *folder, struct error *error)
{
    struct pack_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        error_set(error, CSN_MEMORY, "no memory for writing packs");
        return NULL;
    }
    writer->kind = kind;
    writer->folder = folder;
    writer->file.fd = -1;
    writer->target_bytes = PACK_TARGET_BYTES;
    return writer;
}

void pack_writer_free(struct pack_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    stored_end(&writer->file);
    free(writer->records);
    free(writer);
}

static int add_record(struct pack_writer *writer, const struct pack_record *record, struct error *error)
{
    if (writer->count == writer->records_allocated) {
        size_t more = writer->records_allocated == 0 ? 1024 : 2 * writer->records_allocated;
        uint8_t *grown = realloc(writer->records, more * PACK_RECORD_BYTES);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the index of a pack");
        }
        writer->records = grown;
        writer->records_allocated = more;
    }
    uint8_t *at = writer->records + (size_t)writer->count * PACK_RECORD_BYTES;
    memcpy(at, record->id, SHA256_SIZE);
    bytes_put32(at + RECORD_STORED, record->stored_bytes);
    bytes_put32(at + RECORD_SIZE, record->size_bytes);
    bytes_put32(at + RECORD_CRC, record->crc32c);
    writer->count++;
    return 0;
}

/* Where an encrypted pack ends must not follow from what is in it either. */
static int set_target(struct pack_writer *writer, struct error *error)
{
    uint32_t random = 0;
    writer->target_bytes = PACK_TARGET_BYTES;
    if (writer->folder->seal != NULL) {
        if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
            return error_system(error, CSN_IO, "getting random bytes for a pack");
        }
        writer->target_bytes -= random % (PACK_TARGET_BYTES - PACK_TARGET_LEAST_BYTES);
    }
    return 0;
}

int pack_writer_add(struct pack_writer *writer, struct pack_record *record, const uint8_t *frame, struct error *error)
{
    if (writer->count == PACK_CHUNKS_LIMIT) {
        return error_set(error, CSN_REPOSITORY_LIMIT, "%u blocks are the most", PACK_CHUNKS_LIMIT);
    }
    if (record->stored_bytes > PACK_FRAMES_LIMIT_BYTES - writer->frames_bytes) {
        return error_set(error, CSN_REPOSITORY_LIMIT, "%u bytes, compressed, are the most", PACK_FRAMES_LIMIT_BYTES);
    }
    if (writer->file.fd < 0 &&
        (set_target(writer, error) != 0 || stored_create(&writer->file, writer->folder, error) != 0)) {
        return -1;
    }
    record->offset = writer->frames_bytes;
    if (add_record(writer, record, error) != 0) {
        return -1;
    }
    writer->frames_bytes += record->stored_bytes;
    return stored_append(&writer->file, frame, record->stored_bytes, error);
}

bool pack_writer_is_full(const struct pack_writer *writer)
{
    return writer->frames_bytes >= writer->target_bytes || writer->count == PACK_CHUNKS_LIMIT;
}

bool pack_writer_is_empty(const struct pack_writer *writer)
{
    return writer->count == 0;
}

/* Of an encrypted file the size is to be seen; it must not say which chunks are inside. So zeros are put in, up to 64 KiB and a
 * 64th of the rest, by chance. */
static int append_padding(struct pack_writer *writer, struct error *error)
{
    static const uint8_t zeros[4096];
    uint32_t random = 0;
    uint8_t header[PACK_SKIPPABLE_BYTES];
    if (writer->folder->seal == NULL) {
        return 0;
    }
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        return error_system(error, CSN_IO, "getting random bytes for a pack");
    }
    uint32_t left = random % PACK_PADDING_LIMIT(writer->frames_bytes);
    bytes_put32(header, PACK_PADDING_MAGIC);
    bytes_put32(header + 4, left);
    if (stored_append(&writer->file, header, sizeof header, error) != 0) {
        return -1;
    }
    while (left > 0) {
        uint32_t size = left < sizeof zeros ? left : (uint32_t)sizeof zeros;
        if (stored_append(&writer->file, zeros, size, error) != 0) {
            return -1;
        }
        left -= size;
    }
    return 0;
}

/* The skippable frame: its header, the records, the trailer. */
static int append_index(struct pack_writer *writer, uint8_t id[SHA256_SIZE], struct error *error)
{
    uint8_t header[PACK_SKIPPABLE_BYTES];
    uint8_t trailer[PACK_TRAILER_BYTES];
    size_t records_bytes = (size_t)writer->count * PACK_RECORD_BYTES;
    bytes_put32(header, PACK_SKIPPABLE_MAGIC);
    bytes_put32(header + 4, (uint32_t)(records_bytes + PACK_TRAILER_BYTES));
    memcpy(trailer, TRAILER_MAGIC, TRAILER_MAGIC_BYTES);
    trailer[TRAILER_KIND] = (uint8_t)writer->kind;
    bytes_put32(trailer + TRAILER_VERSION, PACK_VERSION);
    bytes_put32(trailer + TRAILER_COUNT, writer->count);
    if (getrandom(trailer + TRAILER_SALT, TRAILER_SALT_BYTES, 0) != TRAILER_SALT_BYTES) {
        return error_system(error, CSN_IO, "getting random bytes for a pack");
    }
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, writer->records, records_bytes);
    sha256_add(&hash, trailer, TRAILER_HASHED_BYTES);
    sha256_end(&hash, id);
    memcpy(trailer + TRAILER_ID, id, SHA256_SIZE);
    if (stored_append(&writer->file, header, sizeof header, error) != 0 ||
        stored_append(&writer->file, writer->records, records_bytes, error) != 0) {
        return -1;
    }
    return stored_append(&writer->file, trailer, sizeof trailer, error);
}

int pack_writer_commit(struct pack_writer *writer, uint8_t id[SHA256_SIZE], uint64_t *stored_bytes, struct error *error)
{
    if (writer->count == 0) {
        return error_set(error, CSN_INTERNAL, "an empty pack cannot be ended");
    }
    if (append_padding(writer, error) != 0 || append_index(writer, id, error) != 0) {
        return -1;
    }
    char name[PACK_NAME_SIZE];
    pack_name(writer->kind, id, writer->folder->seal != NULL, name);
    if (stored_commit(&writer->file, name, error) != 0) {
        return -1;
    }
    if (stored_bytes != NULL) {
        *stored_bytes += writer->file.size_bytes;
    }
    writer->count = 0;
    writer->frames_bytes = 0;
    return 0;
}
