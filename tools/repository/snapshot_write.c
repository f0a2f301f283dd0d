#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "repository/snapshot.h"
#include "tree/path.h"

#define BLOCK_BYTES (512u * 1024) /* a block of lines is ended by the line that reaches this */

struct snapshot_writer {
    struct pack_compressor *compressor;
    struct pack_writer *pack;
    yyjson_alc *memory;  /* keeps what it has got: nothing is allocated a line */
    struct buffer block; /* whole lines */
    struct buffer line;
    struct sha256 hash; /* over all lines */
    struct snapshot_totals totals;
    struct buffer last_path;
};

static int memory_error(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory for writing a snapshot");
}

static int end_block(struct snapshot_writer *writer, struct error *error)
{
    struct pack_record record;
    uint8_t id[SHA256_SIZE];
    if (writer->block.size == 0) {
        return 0;
    }
    sha256_of(writer->block.data, writer->block.size, id);
    const uint8_t *frame =
        pack_compress(writer->compressor, id, writer->block.data, writer->block.size, &record, error);
    if (frame == NULL || pack_writer_add(writer->pack, &record, frame, error) != 0) {
        return -1;
    }
    buffer_clear(&writer->block);
    return 0;
}

/* Takes the lines in writer->line into blocks; a line is never divided. */
static int take_lines(struct snapshot_writer *writer, struct error *error)
{
    size_t from = 0;
    sha256_add(&writer->hash, writer->line.data, writer->line.size);
    while (from < writer->line.size) {
        const char *line = writer->line.data + from;
        const char *end = memchr(line, '\n', writer->line.size - from);
        size_t length = end == NULL ? writer->line.size - from : (size_t)(end - line) + 1;
        if (length > CHUNK_LIMIT_BYTES) {
            return error_set(error, CSN_TREE_READ, "an entry with more than %u bytes of attributes", CHUNK_LIMIT_BYTES);
        }
        if (writer->block.size + length > CHUNK_LIMIT_BYTES && end_block(writer, error) != 0) {
            return -1;
        }
        buffer_append(&writer->block, line, length);
        if (buffer_check(&writer->block, error) != 0 ||
            (writer->block.size >= BLOCK_BYTES && end_block(writer, error) != 0)) {
            return -1;
        }
        from += length;
    }
    buffer_clear(&writer->line);
    return 0;
}

static int take_document(struct snapshot_writer *writer, yyjson_mut_doc *document, bool good, struct error *error)
{
    int result = good ? json_append_line(&writer->line, document, error) : memory_error(error);
    yyjson_mut_doc_free(document);
    if (result == 0) {
        buffer_append(&writer->line, "\n", 1);
        result = buffer_check(&writer->line, error);
    }
    return result == 0 ? take_lines(writer, error) : -1;
}

/* [{"name": ...}, ...]: each may be any bytes. */
static bool add_list(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *part,
                     const struct strings *list)
{
    yyjson_mut_val *array = yyjson_mut_obj_add_arr(document, object, key);
    bool good = array != NULL;
    for (size_t i = 0; good && list != NULL && i < list->count; i++) {
        yyjson_mut_val *one = yyjson_mut_arr_add_obj(document, array);
        good = one != NULL && json_add_bytes(document, one, part, list->items[i], strlen(list->items[i]));
    }
    return good;
}

static bool add_tags(yyjson_mut_doc *document, yyjson_mut_val *object, const struct snapshot_header *header)
{
    yyjson_mut_val *tags = yyjson_mut_obj_add_obj(document, object, "tags");
    bool good = tags != NULL;
    for (size_t i = 0; good && i < header->tag_count; i++) {
        good = yyjson_mut_obj_add_str(document, tags, header->tags[i].key, header->tags[i].value);
    }
    return good;
}

static int write_header(struct snapshot_writer *writer, const struct snapshot_header *header, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    bool good = object != NULL && yyjson_mut_obj_add_str(document, object, "format", "caisson-snapshot") &&
                yyjson_mut_obj_add_int(document, object, "version", SNAPSHOT_VERSION) &&
                yyjson_mut_obj_add_str(document, object, "time", header->time) &&
                yyjson_mut_obj_add_int(document, object, "began", header->began_sec) &&
                yyjson_mut_obj_add_str(document, object, "host", header->host) &&
                yyjson_mut_obj_add_str(document, object, "label", header->label) &&
                yyjson_mut_obj_add_str(document, object, "tool", header->tool) &&
                add_list(document, object, "sources", "name", header->sources) &&
                add_list(document, object, "excludes", "pattern", header->excludes) &&
                add_tags(document, object, header) &&
                (header->reader == NULL || yyjson_mut_obj_add_str(document, object, "reader", header->reader));
    /* In a block of its own, so that a list of snapshots reads little. */
    return take_document(writer, document, good, error) == 0 ? end_block(writer, error) : -1;
}

struct snapshot_writer *snapshot_writer_new(const struct stored_folder *folder, const struct snapshot_header *header,
                                            struct error *error)
{
    struct snapshot_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) {
        memory_error(error);
        return NULL;
    }
    sha256_begin(&writer->hash);
    writer->memory = yyjson_alc_dyn_new();
    writer->compressor = pack_compressor_new(PACK_SNAPSHOT, error);
    writer->pack = pack_writer_new(PACK_SNAPSHOT, folder, error);
    if (writer->memory == NULL || writer->compressor == NULL || writer->pack == NULL ||
        write_header(writer, header, error) != 0) {
        if (writer->memory == NULL) {
            memory_error(error);
        }
        snapshot_writer_free(writer);
        return NULL;
    }
    return writer;
}

void snapshot_writer_free(struct snapshot_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    uint8_t unused[SHA256_SIZE];
    sha256_end(&writer->hash, unused);
    pack_writer_free(writer->pack);
    pack_compressor_free(writer->compressor);
    if (writer->memory != NULL) {
        yyjson_alc_dyn_free(writer->memory);
    }
    buffer_free(&writer->block);
    buffer_free(&writer->line);
    buffer_free(&writer->last_path);
    free(writer);
}

int snapshot_writer_add(struct snapshot_writer *writer, const struct snapshot_entry *entry, struct error *error)
{
    const char *path = entry->tree.path;
    if (writer->totals.entries > 0 && tree_path_compare(buffer_text(&writer->last_path), path) >= 0) {
        return error_set(error, CSN_INTERNAL, "/%s came into the snapshot out of order", path);
    }
    buffer_clear(&writer->last_path);
    buffer_string(&writer->last_path, path);
    if (buffer_check(&writer->last_path, error) != 0 ||
        snapshot_line_write(&writer->line, entry, writer->memory, error) != 0 || take_lines(writer, error) != 0) {
        return error_wrap(error, "/%s", path);
    }
    writer->totals.entries++;
    if (entry->tree.type == TREE_FILE && entry->hardlink == NULL) {
        writer->totals.files++;
        writer->totals.bytes += entry->tree.size_bytes;
        writer->totals.changed += entry->changed ? 1 : 0;
    }
    return 0;
}

void snapshot_writer_totals(const struct snapshot_writer *writer, struct snapshot_totals *totals)
{
    *totals = writer->totals;
}

int snapshot_writer_commit(struct snapshot_writer *writer, uint8_t id[SHA256_SIZE], uint64_t *stored_bytes,
                           struct error *error)
{
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    if (end_block(writer, error) != 0) {
        return -1;
    }
    sha256_end(&writer->hash, digest);
    sha256_begin(&writer->hash);
    hex_encode(digest, SHA256_SIZE, hex);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    bool good = object != NULL && yyjson_mut_obj_add_true(document, object, "end") &&
                yyjson_mut_obj_add_uint(document, object, "entries", writer->totals.entries) &&
                yyjson_mut_obj_add_uint(document, object, "files", writer->totals.files) &&
                yyjson_mut_obj_add_uint(document, object, "bytes", writer->totals.bytes) &&
                yyjson_mut_obj_add_uint(document, object, "changed", writer->totals.changed) &&
                yyjson_mut_obj_add_str(document, object, "sha256", hex);
    if (take_document(writer, document, good, error) != 0 || end_block(writer, error) != 0) {
        return -1;
    }
    return pack_writer_commit(writer->pack, id, stored_bytes, error);
}
