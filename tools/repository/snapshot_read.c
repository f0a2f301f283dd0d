#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "repository/snapshot.h"
#include "repository/snapshot_about.h"
#include "tree/path.h"

struct snapshot_reader {
    char name[PACK_NAME_SIZE]; /* for messages */
    struct stored_reader file;
    struct pack_index index;
    uint32_t *offsets; /* of each block in the file */
    struct pack_decoder *decoder;
    uint8_t *frame;
    yyjson_alc *memory;
    struct snapshot_about about;

    uint32_t block;      /* the next one to load */
    const uint8_t *text; /* rest of the block at hand */
    size_t text_size;
    yyjson_doc *document;
    struct snapshot_entry entry;
    bool has_entry;

    bool skips_pieces;    /* after a seek: of the file before */
    struct buffer wanted; /* after a seek: entries before this path are passed over */
    bool whole;           /* read from the start without a seek: the sums can be checked */
    struct sha256 hash;
    struct snapshot_totals seen;
    struct buffer last_path;
    bool last_is_folder;
};

static int damaged(const struct snapshot_reader *reader, struct error *error, const char *what)
{
    return error_set(error, CSN_REPOSITORY_DAMAGED, "the snapshot %.16s: %s", reader->name, what);
}

/* --- blocks and lines --- */

static void record_of(const struct snapshot_reader *reader, uint32_t block, struct pack_record *record)
{
    uint32_t position = block;
    *record = (struct pack_record){0};
    (void)pack_index_next(&reader->index, &position, record);
    record->offset = reader->offsets[block];
}

static int load_block(struct snapshot_reader *reader, uint32_t block, struct error *error)
{
    struct pack_record record;
    record_of(reader, block, &record);
    reader->text = NULL;
    reader->text_size = 0;
    if (stored_read(&reader->file, reader->name, record.offset, reader->frame, record.stored_bytes, error) != 0) {
        return -1;
    }
    const uint8_t *text = pack_decode(reader->decoder, &record, reader->frame, true, error);
    if (text == NULL) {
        return error_wrap(error, "the snapshot %.16s", reader->name);
    }
    if (text[record.size_bytes - 1] != '\n') {
        return damaged(reader, error, "a block does not end with a line");
    }
    reader->text = text;
    reader->text_size = record.size_bytes;
    reader->block = block + 1;
    return 0;
}

/* The next line of the block at hand as a JSON object, valid until the next call. */
static yyjson_val *next_line(struct snapshot_reader *reader, bool hashed, struct error *error)
{
    const uint8_t *end = memchr(reader->text, '\n', reader->text_size);
    size_t length = (size_t)(end - reader->text);
    yyjson_doc_free(reader->document);
    /* The reader does not write into the text: the flag that lets it is not set. */
    reader->document =
        yyjson_read_opts((char *)(uintptr_t)reader->text, length, YYJSON_READ_NOFLAG, reader->memory, NULL);
    if (hashed) {
        sha256_add(&reader->hash, reader->text, length + 1);
    }
    reader->text += length + 1;
    reader->text_size -= length + 1;
    yyjson_val *line = yyjson_doc_get_root(reader->document);
    if (!yyjson_is_obj(line)) {
        damaged(reader, error, "a line is not a JSON object");
        return NULL;
    }
    return line;
}

/* --- opening --- */

static int set_offsets(struct snapshot_reader *reader, struct error *error)
{
    struct pack_record record = {0};
    uint32_t largest = 1;
    uint32_t position = 0;
    reader->offsets = calloc(reader->index.count, sizeof *reader->offsets);
    if (reader->offsets == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for reading a snapshot");
    }
    for (uint32_t i = 0; pack_index_next(&reader->index, &position, &record); i++) {
        reader->offsets[i] = record.offset;
        largest = record.stored_bytes > largest ? record.stored_bytes : largest;
    }
    reader->frame = malloc(largest);
    return reader->frame == NULL ? error_set(error, CSN_MEMORY, "no memory for reading a snapshot") : 0;
}

/* The first and the last line are each a block of their own. */
static int read_ends(struct snapshot_reader *reader, const uint8_t id[SHA256_SIZE], struct error *error)
{
    if (reader->index.count < 2) {
        return damaged(reader, error, "it has no first and last line");
    }
    uint32_t last = reader->index.count - 1;
    if (load_block(reader, last, error) != 0) {
        return -1;
    }
    yyjson_val *line = next_line(reader, false, error);
    if (line == NULL || snapshot_about_read_end(&reader->about, line, error) != 0) {
        return -1;
    }
    if (reader->text_size != 0) {
        return damaged(reader, error, "lines follow the last one");
    }
    if (load_block(reader, 0, error) != 0) {
        return -1;
    }
    line = next_line(reader, true, error);
    if (line == NULL || snapshot_about_read_header(&reader->about, id, line, error) != 0) {
        return -1;
    }
    return reader->text_size == 0 ? 0 : damaged(reader, error, "lines follow the first one in its block");
}

struct snapshot_reader *snapshot_reader_open(const struct stored_folder *folder, const uint8_t id[SHA256_SIZE],
                                             struct error *error)
{
    struct snapshot_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) {
        error_set(error, CSN_MEMORY, "no memory for reading a snapshot");
        return NULL;
    }
    sha256_begin(&reader->hash);
    reader->whole = true;
    reader->last_is_folder = true;
    pack_name(PACK_SNAPSHOT, id, folder->seal != NULL, reader->name);
    if (stored_open(&reader->file, folder, reader->name, error) != 0 ||
        pack_index_read(&reader->index, &reader->file, PACK_SNAPSHOT, id, reader->name, error) != 0 ||
        set_offsets(reader, error) != 0) {
        goto failed;
    }
    reader->decoder = pack_decoder_new(error);
    reader->memory = yyjson_alc_dyn_new();
    if (reader->decoder == NULL || reader->memory == NULL) {
        error_set(error, CSN_MEMORY, "no memory for reading a snapshot");
        goto failed;
    }
    if (read_ends(reader, id, error) != 0) {
        goto failed;
    }
    return reader;
failed:
    snapshot_reader_close(reader);
    return NULL;
}

void snapshot_reader_close(struct snapshot_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    uint8_t unused[SHA256_SIZE];
    sha256_end(&reader->hash, unused);
    yyjson_doc_free(reader->document);
    if (reader->memory != NULL) {
        yyjson_alc_dyn_free(reader->memory);
    }
    snapshot_entry_free(&reader->entry);
    snapshot_about_free(&reader->about);
    buffer_free(&reader->last_path);
    buffer_free(&reader->wanted);
    pack_decoder_free(reader->decoder);
    pack_index_free(&reader->index);
    stored_close(&reader->file);
    free(reader->offsets);
    free(reader->frame);
    free(reader);
}

/* --- entries --- */

/* What comes after one entry must be greater, and below it only if it is a folder. In walk order all that is below a
 * path follows it at once, so looking at the last entry is enough. */
static int check_order(struct snapshot_reader *reader, struct error *error)
{
    const char *path = reader->entry.tree.path;
    const char *last = buffer_text(&reader->last_path);
    if (reader->has_entry) {
        if (tree_path_compare(last, path) >= 0) {
            return error_set(error, CSN_REPOSITORY_DAMAGED, "the snapshot %.16s: /%s is out of order or twice there",
                             reader->name, path);
        }
        size_t length = strlen(last);
        bool below = length == 0 || (strncmp(path, last, length) == 0 && path[length] == '/');
        if (below && !reader->last_is_folder) {
            return error_set(error, CSN_REPOSITORY_DAMAGED, "the snapshot %.16s: /%s lies below what is no folder",
                             reader->name, path);
        }
    }
    reader->has_entry = true;
    reader->last_is_folder = reader->entry.tree.type == TREE_FOLDER;
    buffer_clear(&reader->last_path);
    buffer_string(&reader->last_path, path);
    return buffer_check(&reader->last_path, error);
}

static int check_sums(struct snapshot_reader *reader, struct error *error)
{
    uint8_t digest[SHA256_SIZE];
    if (!reader->whole) {
        return 0;
    }
    reader->whole = false;
    if (pack_check_padding(&reader->index, &reader->file, reader->name, error) != 0) {
        return -1;
    }
    sha256_end(&reader->hash, digest);
    sha256_begin(&reader->hash);
    const struct snapshot_totals *said = &reader->about.totals;
    if (memcmp(digest, reader->about.lines_hash, SHA256_SIZE) != 0) {
        return damaged(reader, error, "the hash over its lines does not hold");
    }
    if (said->entries != reader->seen.entries || said->files != reader->seen.files ||
        said->bytes != reader->seen.bytes || said->changed != reader->seen.changed) {
        return damaged(reader, error, "its sums do not fit its lines");
    }
    return 0;
}

/* 1: *line is the next one; 0: all blocks but the last are read. */
static int advance(struct snapshot_reader *reader, yyjson_val **line, struct error *error)
{
    if (reader->text_size == 0) {
        if (reader->block + 1 >= reader->index.count) {
            return 0;
        }
        if (load_block(reader, reader->block, error) != 0) {
            return -1;
        }
    }
    *line = next_line(reader, reader->whole, error);
    return *line == NULL ? -1 : 1;
}

static bool has_path(yyjson_val *line)
{
    return yyjson_obj_get(line, "path") != NULL || yyjson_obj_get(line, "path64") != NULL;
}

/* One entry with all its pieces: 1, 0 at the end, -1. */
static int read_entry(struct snapshot_reader *reader, struct error *error)
{
    yyjson_val *line = NULL;
    bool more = false;
    bool continued = false;
    do {
        int got = advance(reader, &line, error);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            return continued ? damaged(reader, error, "the pieces of its last file are not all there")
                             : check_sums(reader, error);
        }
        if (reader->skips_pieces && !has_path(line)) {
            more = true;
            continue;
        }
        reader->skips_pieces = false;
        if (snapshot_line_read(&reader->entry, line, continued, &more, error) != 0) {
            return error_wrap(error, "the snapshot %.16s", reader->name);
        }
        continued = true;
    } while (more);
    return check_order(reader, error) != 0 ? -1 : 1;
}

int snapshot_reader_next(struct snapshot_reader *reader, const struct snapshot_entry **entry, struct error *error)
{
    int got;
    do {
        got = read_entry(reader, error);
    } while (got == 1 && reader->wanted.size > 0 &&
             tree_path_compare(reader->entry.tree.path, reader->wanted.data) < 0);
    if (got != 1) {
        return got;
    }
    buffer_clear(&reader->wanted);
    reader->seen.entries++;
    if (reader->entry.tree.type == TREE_FILE && reader->entry.hardlink == NULL) {
        reader->seen.files++;
        reader->seen.bytes += reader->entry.tree.size_bytes;
        reader->seen.changed += reader->entry.changed ? 1 : 0;
    }
    *entry = &reader->entry;
    return 1;
}

void snapshot_reader_take_entry(struct snapshot_reader *reader, struct snapshot_entry *entry)
{
    *entry = reader->entry;
    reader->entry = (struct snapshot_entry){0};
}

/* --- seeking --- */

/* <0, 0, >0: the first path of the block against path. A block with no path in it (pieces of one large file) asks the one
 * before; *block is the one that answered. */
static int compare_block(struct snapshot_reader *reader, uint32_t *block, const char *path, int *order,
                         struct error *error)
{
    for (;; --*block) {
        if (load_block(reader, *block, error) != 0) {
            return -1;
        }
        while (reader->text_size > 0) {
            struct buffer name = {0};
            yyjson_val *line = next_line(reader, false, error);
            if (line == NULL) {
                return -1;
            }
            bool found = json_get_bytes(line, "path", &name) && name.size > 0;
            if (found) {
                *order = tree_path_compare(name.data + 1, path);
            }
            buffer_free(&name);
            if (found) {
                return 0;
            }
        }
        if (*block == 1) {
            return damaged(reader, error, "it begins with pieces of no file");
        }
    }
}

int snapshot_reader_seek(struct snapshot_reader *reader, const char *path, struct error *error)
{
    /* Blocks 1 .. count-2 hold the entries. The last one whose first path is not after `path` holds it, if any does. */
    uint32_t best = 1;
    uint32_t low = 1;
    uint32_t high = reader->index.count - 1;
    while (low + 1 < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t answering = middle;
        int order = 0;
        if (compare_block(reader, &answering, path, &order, error) != 0) {
            return -1;
        }
        if (order <= 0) {
            best = answering;
            low = middle;
        } else {
            high = middle;
        }
    }
    reader->block = best;
    reader->text_size = 0;
    reader->whole = false;
    reader->has_entry = false;
    reader->skips_pieces = true;
    buffer_clear(&reader->wanted);
    buffer_string(&reader->wanted, path);
    return buffer_check(&reader->wanted, error);
}

/* --- what it is --- */

const struct snapshot_totals *snapshot_reader_totals(const struct snapshot_reader *reader)
{
    return &reader->about.totals;
}

const struct repository_snapshot *snapshot_reader_about(const struct snapshot_reader *reader)
{
    return &reader->about.snapshot;
}

void snapshot_reader_take_about(struct snapshot_reader *reader, struct repository_snapshot *snapshot)
{
    snapshot_about_take(&reader->about, snapshot);
}

const struct strings *snapshot_reader_excludes(const struct snapshot_reader *reader)
{
    return &reader->about.excludes;
}

const char *snapshot_reader_machine(const struct snapshot_reader *reader)
{
    return reader->about.reader;
}

int64_t snapshot_reader_began_sec(const struct snapshot_reader *reader)
{
    return reader->about.began_sec;
}
