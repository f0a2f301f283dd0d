/*
 * pack.h - one file of zstd frames that ends in its own index: the form of packs (frames are chunks) and of snapshots
 * (frames are blocks of lines) alike. Byte by byte in README.md.
 *
 * A pack's id is the SHA-256 of its index, which holds the SHA-256 of each frame's content: an id that holds vouches
 * for everything. Which chunk is where in the repository is chunks.h's.
 */
#ifndef CAISSON_REPOSITORY_PACK_H
#define CAISSON_REPOSITORY_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/sha256.h"
#include "repository/stored.h"

#define CHUNK_LIMIT_BYTES (4u * 1024 * 1024)                      /* content of one frame */
#define CHUNK_STORED_LIMIT_BYTES (CHUNK_LIMIT_BYTES + 32u * 1024) /* not less than ZSTD_COMPRESSBOUND of it */
#define PACK_CHUNKS_LIMIT 262144u                                 /* frames in one pack */
#define PACK_FRAMES_LIMIT_BYTES UINT32_MAX                        /* all frames of one pack: offsets have 32 bits */
#define PACK_TARGET_BYTES (64u * 1024 * 1024)                     /* a pack is ended by the chunk that reaches this, */
#define PACK_TARGET_LEAST_BYTES (48u * 1024 * 1024)               /* an encrypted one anywhere from here on */
#define PACK_RECORD_BYTES 44u
#define PACK_TRAILER_BYTES 64u
#define PACK_SKIPPABLE_BYTES 8u
#define PACK_VERSION 1u

enum pack_kind {
    PACK_CHUNKS = 'P',
    PACK_SNAPSHOT = 'S',
};

struct pack_record {
    uint8_t id[SHA256_SIZE]; /* of the content */
    uint32_t offset;         /* of the frame in the pack; not stored: the sum of those before */
    uint32_t stored_bytes;   /* of the frame */
    uint32_t size_bytes;     /* of the content: 1 .. CHUNK_LIMIT_BYTES */
    uint32_t crc32c;         /* of the frame */
};

/* --- writing --- */

/* Makes frames; one a worker. */
struct pack_compressor;

struct pack_compressor *pack_compressor_new(enum pack_kind kind, struct error *error) MUST_CHECK;
void pack_compressor_free(struct pack_compressor *compressor);

/* The frame of this content, whose hash is id: record->stored_bytes of it, valid until the next call; *record is complete but
 * for the offset. NULL: CSN_MEMORY. */
const uint8_t *pack_compress(struct pack_compressor *compressor, const uint8_t id[SHA256_SIZE], const void *data,
                             size_t size_bytes, struct pack_record *record, struct error *error) MUST_CHECK;

struct pack_writer; /* used for pack after pack */

/* folder is borrowed. */
struct pack_writer *pack_writer_new(enum pack_kind kind, const struct stored_folder *folder, struct error *error)
    MUST_CHECK;
void pack_writer_free(struct pack_writer *writer); /* abandons what was not committed */

/* Adds one frame; the first one begins a pack. record->offset becomes where it is. CSN_REPOSITORY_FULL, CSN_IO; then the
 * pack cannot be gone on with. */
int pack_writer_add(struct pack_writer *writer, struct pack_record *record, const uint8_t *frame, struct error *error)
    MUST_CHECK;

/* True once the pack should be ended. */
bool pack_writer_is_full(const struct pack_writer *writer);
bool pack_writer_is_empty(const struct pack_writer *writer);

/* Ends the pack: index, fsync, and its name. id becomes the pack's. The writer is empty again. stored_bytes (NULL
 * allowed) is added to. */
int pack_writer_commit(struct pack_writer *writer, uint8_t id[SHA256_SIZE], uint64_t *stored_bytes, struct error *error)
    MUST_CHECK;

/* --- reading --- */

#define PACK_NAME_SIZE 80

/* "ab/ab01...zst" below packs/, or "ab01...jsonl.zst" below snapshots/; ".age" behind it if sealed. */
void pack_name(enum pack_kind kind, const uint8_t id[SHA256_SIZE], bool sealed, char name[PACK_NAME_SIZE]);

/* The id in the name of a file (without the folder), or false where it is not the name of such a file. */
bool pack_name_id(enum pack_kind kind, const char *file_name, bool sealed, uint8_t id[SHA256_SIZE]);

/* The index of one pack; the memory is used again by the next pack_index_read. Starts as {0}. */
struct pack_index {
    uint8_t *bytes;
    size_t allocated;
    uint32_t count;
    uint64_t frames_bytes;  /* of all frames */
    uint64_t padding_bytes; /* between them and the index; 0 in a file that is not encrypted */
};

/* Reads and checks the index: its hash is the id, every number is within its limits, and frames and index fill the file.
 * CSN_REPOSITORY_DAMAGED, _VERSION, CSN_IO, CSN_MEMORY. name is for messages. */
int pack_index_read(struct pack_index *index, const struct stored_reader *file, enum pack_kind kind,
                    const uint8_t id[SHA256_SIZE], const char *name, struct error *error) MUST_CHECK;

/* Reads what lies between frames and index: zeros, or CSN_REPOSITORY_DAMAGED. */
int pack_check_padding(const struct pack_index *index, const struct stored_reader *file, const char *name,
                       struct error *error) MUST_CHECK;

/* Goes through the records: start with *record = {0} and position 0; false at the end. */
bool pack_index_next(const struct pack_index *index, uint32_t *position, struct pack_record *record);
void pack_index_free(struct pack_index *index);

/* Decompresses frames; one a worker. */
struct pack_decoder;

struct pack_decoder *pack_decoder_new(struct error *error) MUST_CHECK;
void pack_decoder_free(struct pack_decoder *decoder);

/* The content of the frame at `frame` (record->stored_bytes of it), once its hash holds; valid until the next call.
 * check_frame: the frame's own sum as well. NULL with CSN_REPOSITORY_DAMAGED (message: what, not where). */
const uint8_t *pack_decode(struct pack_decoder *decoder, const struct pack_record *record, const uint8_t *frame,
                           bool check_frame, struct error *error) MUST_CHECK;

#endif
