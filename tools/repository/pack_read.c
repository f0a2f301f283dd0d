#include "repository/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "repository/bytes.h"
#include "repository/crc32c.h"
#include "repository/pack_format.h"

static const char *suffix_of(enum pack_kind kind, bool sealed)
{
    return kind == PACK_CHUNKS ? (sealed ? ".zst.age" : ".zst") : (sealed ? ".jsonl.zst.age" : ".jsonl.zst");
}

void pack_name(enum pack_kind kind, const uint8_t id[SHA256_SIZE], bool sealed, char name[PACK_NAME_SIZE])
{
    char hex[SHA256_HEX_SIZE];
    hex_encode(id, SHA256_SIZE, hex);
    if (kind == PACK_CHUNKS) {
        snprintf(name, PACK_NAME_SIZE, "%.2s/%s%s", hex, hex, suffix_of(kind, sealed));
    } else {
        snprintf(name, PACK_NAME_SIZE, "%s%s", hex, suffix_of(kind, sealed));
    }
}

bool pack_name_id(enum pack_kind kind, const char *file_name, bool sealed, uint8_t id[SHA256_SIZE])
{
    char hex[SHA256_HEX_SIZE];
    char again[SHA256_HEX_SIZE];
    if (strlen(file_name) != SHA256_HEX_SIZE - 1 + strlen(suffix_of(kind, sealed)) ||
        strcmp(file_name + SHA256_HEX_SIZE - 1, suffix_of(kind, sealed)) != 0) {
        return false;
    }
    memcpy(hex, file_name, SHA256_HEX_SIZE - 1);
    hex[SHA256_HEX_SIZE - 1] = '\0';
    if (!hex_decode(hex, id, SHA256_SIZE)) {
        return false;
    }
    hex_encode(id, SHA256_SIZE, again);
    return strcmp(hex, again) == 0;
}

static int damaged(struct error *error, const char *name, const char *what)
{
    return error_set(error, CSN_REPOSITORY_DAMAGED, "%s in the repository: %s", name, what);
}

/* What has to be known to read the records at all. */
static int check_trailer(const uint8_t *trailer, enum pack_kind kind, const char *name, struct error *error)
{
    uint32_t count = bytes_get32(trailer + TRAILER_COUNT);
    if (memcmp(trailer, TRAILER_MAGIC, TRAILER_MAGIC_BYTES) != 0 || trailer[TRAILER_KIND] != (uint8_t)kind) {
        return damaged(error, name, "the end of the file is not that of an index");
    }
    if (count == 0 || count > PACK_CHUNKS_LIMIT) {
        return damaged(error, name, "the index has numbers that cannot be");
    }
    return 0;
}

/* After the hash held: a flipped bit must not look like a newer release. */
static int check_version(const uint8_t *trailer, const char *name, struct error *error)
{
    uint32_t version = bytes_get32(trailer + TRAILER_VERSION);
    if (version > PACK_VERSION) {
        return error_set(error, CSN_REPOSITORY_VERSION,
                         "%s in the repository has format %u, this release reads up to %u", name, version,
                         PACK_VERSION);
    }
    return version == PACK_VERSION ? 0 : damaged(error, name, "the index has numbers that cannot be");
}

/* Numbers are believed only here, after the hash over them held. */
static int check_records(struct pack_index *index, uint64_t file_bytes, const char *name, struct error *error)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < index->count; i++) {
        const uint8_t *at = index->bytes + (size_t)i * PACK_RECORD_BYTES;
        uint32_t stored = bytes_get32(at + RECORD_STORED);
        uint32_t size = bytes_get32(at + RECORD_SIZE);
        if (stored == 0 || stored > CHUNK_STORED_LIMIT_BYTES || size == 0 || size > CHUNK_LIMIT_BYTES) {
            return damaged(error, name, "the index has numbers that cannot be");
        }
        sum += stored;
    }
    uint64_t rest = PACK_SKIPPABLE_BYTES + (uint64_t)index->count * PACK_RECORD_BYTES + PACK_TRAILER_BYTES;
    if (sum > PACK_FRAMES_LIMIT_BYTES || sum + rest > file_bytes) {
        return damaged(error, name, "the frames do not fill the file");
    }
    index->frames_bytes = sum;
    index->padding_bytes = file_bytes - sum - rest;
    return 0;
}

/* Only an encrypted file has it, and always; not more than a writer puts in. */
static int check_padding_head(const struct pack_index *index, const struct stored_reader *file, const char *name,
                              struct error *error)
{
    uint8_t head[PACK_SKIPPABLE_BYTES];
    uint64_t padding = index->padding_bytes;
    if (file->cipher == NULL
            ? padding != 0
            : padding < sizeof head || padding >= sizeof head + PACK_PADDING_LIMIT(index->frames_bytes)) {
        return damaged(error, name, "the frames do not fill the file");
    }
    if (padding == 0) {
        return 0;
    }
    if (stored_read(file, name, index->frames_bytes, head, sizeof head, error) != 0) {
        return -1;
    }
    return bytes_get32(head) == PACK_PADDING_MAGIC && bytes_get32(head + 4) == padding - sizeof head
               ? 0
               : damaged(error, name, "the frames do not fill the file");
}

int pack_index_read(struct pack_index *index, const struct stored_reader *file, enum pack_kind kind,
                    const uint8_t id[SHA256_SIZE], const char *name, struct error *error)
{
    uint8_t trailer[PACK_TRAILER_BYTES];
    index->count = 0;
    if (file->size_bytes < PACK_TRAILER_BYTES) {
        return damaged(error, name, "the file is cut short");
    }
    if (stored_read(file, name, file->size_bytes - PACK_TRAILER_BYTES, trailer, sizeof trailer, error) != 0 ||
        check_trailer(trailer, kind, name, error) != 0) {
        return -1;
    }
    uint32_t count = bytes_get32(trailer + TRAILER_COUNT);
    size_t wanted = PACK_SKIPPABLE_BYTES + (size_t)count * PACK_RECORD_BYTES;
    if (file->size_bytes < wanted + PACK_TRAILER_BYTES) {
        return damaged(error, name, "the file is cut short");
    }
    if (index->allocated < wanted) {
        free(index->bytes);
        index->allocated = 0;
        index->bytes = malloc(wanted);
        if (index->bytes == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the index of a pack");
        }
        index->allocated = wanted;
    }
    if (stored_read(file, name, file->size_bytes - PACK_TRAILER_BYTES - wanted, index->bytes, wanted, error) != 0) {
        return -1;
    }
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, index->bytes + PACK_SKIPPABLE_BYTES, wanted - PACK_SKIPPABLE_BYTES);
    sha256_add(&hash, trailer, TRAILER_HASHED_BYTES);
    sha256_end(&hash, digest);
    if (memcmp(digest, trailer + TRAILER_ID, SHA256_SIZE) != 0) {
        return damaged(error, name, "the hash of the index does not hold");
    }
    if (memcmp(digest, id, SHA256_SIZE) != 0) {
        return damaged(error, name, "the file has the name of another one");
    }
    if (check_version(trailer, name, error) != 0) {
        return -1;
    }
    if (bytes_get32(index->bytes) != PACK_SKIPPABLE_MAGIC ||
        bytes_get32(index->bytes + 4) != wanted - PACK_SKIPPABLE_BYTES + PACK_TRAILER_BYTES) {
        return damaged(error, name, "the head of the index is not as it should be");
    }
    memmove(index->bytes, index->bytes + PACK_SKIPPABLE_BYTES, wanted - PACK_SKIPPABLE_BYTES);
    index->count = count;
    if (check_records(index, file->size_bytes, name, error) != 0 || check_padding_head(index, file, name, error) != 0) {
        index->count = 0;
        return -1;
    }
    return 0;
}

int pack_check_padding(const struct pack_index *index, const struct stored_reader *file, const char *name,
                       struct error *error)
{
    uint8_t bytes[16384];
    uint64_t offset = index->frames_bytes + PACK_SKIPPABLE_BYTES;
    uint64_t end = index->frames_bytes + index->padding_bytes;
    while (offset < end) {
        size_t size = end - offset < sizeof bytes ? (size_t)(end - offset) : sizeof bytes;
        if (stored_read(file, name, offset, bytes, size, error) != 0) {
            return -1;
        }
        if (bytes[0] != 0 || memcmp(bytes, bytes + 1, size - 1) != 0) {
            return damaged(error, name, "what lies between frames and index is not as it was written");
        }
        offset += size;
    }
    return 0;
}

bool pack_index_next(const struct pack_index *index, uint32_t *position, struct pack_record *record)
{
    if (*position >= index->count) {
        return false;
    }
    const uint8_t *at = index->bytes + (size_t)*position * PACK_RECORD_BYTES;
    record->offset = *position == 0 ? 0 : record->offset + record->stored_bytes;
    memcpy(record->id, at, SHA256_SIZE);
    record->stored_bytes = bytes_get32(at + RECORD_STORED);
    record->size_bytes = bytes_get32(at + RECORD_SIZE);
    record->crc32c = bytes_get32(at + RECORD_CRC);
    ++*position;
    return true;
}

void pack_index_free(struct pack_index *index)
{
    free(index->bytes);
    *index = (struct pack_index){0};
}

struct pack_decoder {
    ZSTD_DCtx *context;
    uint8_t *content; /* CHUNK_LIMIT_BYTES: the most a record can ask for */
};

struct pack_decoder *pack_decoder_new(struct error *error)
{
    struct pack_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder != NULL) {
        decoder->context = ZSTD_createDCtx();
        decoder->content = malloc(CHUNK_LIMIT_BYTES);
    }
    if (decoder == NULL || decoder->context == NULL || decoder->content == NULL) {
        pack_decoder_free(decoder);
        error_set(error, CSN_MEMORY, "no memory for reading packs");
        return NULL;
    }
    return decoder;
}

void pack_decoder_free(struct pack_decoder *decoder)
{
    if (decoder != NULL) {
        ZSTD_freeDCtx(decoder->context);
        free(decoder->content);
        free(decoder);
    }
}

const uint8_t *pack_decode(struct pack_decoder *decoder, const struct pack_record *record, const uint8_t *frame,
                           bool check_frame, struct error *error)
{
    if (record->size_bytes > CHUNK_LIMIT_BYTES) {
        error_set(error, CSN_INTERNAL, "a record of a pack was not checked");
        return NULL;
    }
    if (check_frame && crc32c_of(frame, record->stored_bytes) != record->crc32c) {
        error_set(error, CSN_REPOSITORY_DAMAGED, "the sum of a stored frame does not hold");
        return NULL;
    }
    size_t got =
        ZSTD_decompressDCtx(decoder->context, decoder->content, record->size_bytes, frame, record->stored_bytes);
    if (ZSTD_isError(got) || got != record->size_bytes) {
        error_set(error, CSN_REPOSITORY_DAMAGED, "a stored frame cannot be decompressed");
        return NULL;
    }
    uint8_t digest[SHA256_SIZE];
    sha256_of(decoder->content, got, digest);
    if (memcmp(digest, record->id, SHA256_SIZE) != 0) {
        error_set(error, CSN_REPOSITORY_DAMAGED, "the hash of a chunk does not hold");
        return NULL;
    }
    return decoder->content;
}
