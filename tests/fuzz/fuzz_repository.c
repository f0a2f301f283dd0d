/*
 * fuzz_repository.c - what a backup disk makes of us: the first byte says whether the rest is a pack ('p') or a snapshot ('s') whose
 * hashes are then made right, so that what is behind them is reached; a file to be walked through for frames ('w'); or the first
 * line of repository.json ('c').
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "repository/bytes.h"
#include "repository/config.h"
#include "repository/pack_format.h"
#include "repository/salvage.h"
#include "repository/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int folder(void)
{
    static int fd = -1;
    const char *path = getenv("FUZZ_FOLDER");
    if (fd < 0 && (path == NULL || (fd = open(path, O_RDONLY | O_DIRECTORY)) < 0)) {
        abort();
    }
    return fd;
}

static void write_file(const char *name, const void *bytes, size_t size_bytes)
{
    int fd = openat(folder(), name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, size_bytes) != (ssize_t)size_bytes) {
        abort();
    }
    close(fd);
}

/* Gives the bytes a trailer that names them: as many records as fit, the hash over them. */
static void make_right(struct buffer *file, enum pack_kind kind, uint8_t id[SHA256_SIZE])
{
    uint8_t trailer[PACK_TRAILER_BYTES] = {0};
    uint32_t count = file->size < PACK_RECORD_BYTES + PACK_SKIPPABLE_BYTES + 4
                         ? 1
                         : bytes_get32((const uint8_t *)file->data + file->size - 4) % 64 + 1;
    size_t records = (size_t)count * PACK_RECORD_BYTES;
    while (file->size < records + PACK_SKIPPABLE_BYTES) {
        buffer_append(file, "", 1);
    }
    memcpy(trailer, TRAILER_MAGIC, TRAILER_MAGIC_BYTES);
    trailer[TRAILER_KIND] = (uint8_t)kind;
    bytes_put32(trailer + TRAILER_VERSION, PACK_VERSION);
    bytes_put32(trailer + TRAILER_COUNT, count);
    uint8_t *head = (uint8_t *)file->data + file->size - records - PACK_SKIPPABLE_BYTES;
    bytes_put32(head, PACK_SKIPPABLE_MAGIC);
    bytes_put32(head + 4, (uint32_t)(records + PACK_TRAILER_BYTES));
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_add(&hash, head + PACK_SKIPPABLE_BYTES, records);
    sha256_add(&hash, trailer, TRAILER_HASHED_BYTES);
    sha256_end(&hash, id);
    memcpy(trailer + TRAILER_ID, id, SHA256_SIZE);
    buffer_append(file, (const char *)trailer, sizeof trailer);
}

static void fuzz_pack(const uint8_t *data, size_t size)
{
    struct buffer file = {0};
    struct pack_index index = {0};
    struct error error;
    struct stored_reader reader;
    uint8_t id[SHA256_SIZE];
    buffer_append(&file, (const char *)data, size);
    make_right(&file, PACK_CHUNKS, id);
    write_file("pack", file.data, file.size);
    const struct stored_folder where = {.fd = folder()};
    struct pack_decoder *decoder = pack_decoder_new(&error);
    if (stored_open(&reader, &where, "pack", &error) != 0 || decoder == NULL) {
        abort();
    }
    if (pack_index_read(&index, &reader, PACK_CHUNKS, id, "pack", &error) == 0) {
        struct pack_record record = {0};
        uint32_t position = 0;
        while (pack_index_next(&index, &position, &record)) {
            (void)pack_decode(decoder, &record, (const uint8_t *)file.data + record.offset, false, &error);
        }
    }
    stored_close(&reader);
    pack_decoder_free(decoder);
    pack_index_free(&index);
    buffer_free(&file);
}

/* The text, divided into blocks where a byte 0 stands, becomes a snapshot. */
static void fuzz_snapshot(const uint8_t *data, size_t size)
{
    const struct stored_folder where = {.fd = folder()};
    struct error error;
    uint8_t id[SHA256_SIZE];
    char name[PACK_NAME_SIZE];
    const struct snapshot_entry *entry = NULL;
    uint64_t unused = 0;
    struct pack_compressor *compressor = pack_compressor_new(PACK_CHUNKS, &error);
    struct pack_writer *writer = pack_writer_new(PACK_SNAPSHOT, &where, &error);
    if (compressor == NULL || writer == NULL) {
        abort();
    }
    while (size > 0) {
        const uint8_t *end = memchr(data, 0, size);
        size_t length = end == NULL ? size : (size_t)(end - data);
        struct pack_record record;
        uint8_t content[SHA256_SIZE];
        if (length > 0) {
            sha256_of(data, length, content);
            const uint8_t *frame = pack_compress(compressor, content, data, length, &record, &error);
            if (frame == NULL || pack_writer_add(writer, &record, frame, &error) != 0) {
                abort();
            }
        }
        data += length + (end == NULL ? 0 : 1);
        size -= length + (end == NULL ? 0 : 1);
    }
    if (!pack_writer_is_empty(writer)) {
        if (pack_writer_commit(writer, id, &unused, &error) != 0) {
            abort();
        }
        struct snapshot_reader *reader = snapshot_reader_open(&where, id, &error);
        while (reader != NULL && snapshot_reader_next(reader, &entry, &error) == 1) {
            if (entry->tree.path == NULL) {
                abort();
            }
        }
        if (reader != NULL && snapshot_reader_seek(reader, "a/b", &error) == 0) {
            (void)!snapshot_reader_next(reader, &entry, &error);
        }
        snapshot_reader_close(reader);
        pack_name(PACK_SNAPSHOT, id, false, name);
        unlinkat(where.fd, name, 0);
    }
    pack_writer_free(writer);
    pack_compressor_free(compressor);
}

static int found(void *context, const struct salvaged *salvaged, struct error *error)
{
    uint64_t *sum = context;
    (void)error;
    for (uint32_t i = 0; i < salvaged->record.size_bytes; i += 512) {
        *sum += salvaged->content[i];
    }
    *sum += salvaged->frame[salvaged->record.stored_bytes - 1];
    return 0;
}

static void fuzz_walk(const uint8_t *data, size_t size)
{
    const struct stored_folder where = {.fd = folder()};
    struct stored_reader reader;
    struct error error;
    uint64_t sum = 0;
    bool gap = false;
    write_file("walked", data, size);
    if (stored_open_damaged(&reader, &where, "walked", &error) != 0 ||
        salvage_frames(&reader, "walked", found, &sum, &gap, &error) != 0) {
        abort();
    }
    stored_close(&reader);
}

static void fuzz_config(const uint8_t *data, size_t size)
{
    struct repository_config config;
    struct error error;
    struct buffer text = {0};
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    sha256_of(data, size, digest);
    hex_encode(digest, SHA256_SIZE, hex);
    buffer_append(&text, (const char *)data, size);
    buffer_format(&text, "\n{\"sha256\":\"%s\"}\n", hex);
    write_file(CONFIG_FILE, text.data, text.size);
    if (config_read(&config, folder(), "fuzz", &error) == 0) {
        config_free(&config);
    }
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    switch (data[0]) {
    case 'p': fuzz_pack(data + 1, size - 1); break;
    case 's': fuzz_snapshot(data + 1, size - 1); break;
    case 'w': fuzz_walk(data + 1, size - 1); break;
    case 'c': fuzz_config(data + 1, size - 1); break;
    default: break;
    }
    return 0;
}
