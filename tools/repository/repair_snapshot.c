#include "repository/repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "repository/salvage.h"
#include "repository/snapshot.h"
#include "repository/snapshot_about.h"
#include "tree/links.h"
#include "tree/path.h"

struct rebuild {
    struct repair *repair;
    const uint8_t *old_id;
    const char *name; /* of the file */
    bool counting;    /* the first time through: nothing is written, what is lost is found */
    const char *loss; /* the second time: the value of its tag; NULL: nothing is lost */
    bool hole;        /* something was lost since the last entry */
    bool ended;       /* the last line came */
    uint64_t total;   /* entries, as it says */
    uint64_t holes;
    struct pack_index index; /* count 0: it is lost, too */
    struct snapshot_about about;
    bool has_header;
    struct snapshot_writer *writer; /* NULL until there is something to write */
    struct snapshot_entry entry;    /* at hand */
    bool continued;                 /* its next pieces are to come */
    bool passing;                   /* over lines of pieces whose file is lost */
    struct tree_links links;        /* first names that are there */
    struct buffer last_path;
    yyjson_alc *memory;
    uint64_t saved;
};

/* --- writing --- */

/* Where the header is lost: what can be said without it. */
static int begin_without_header(struct rebuild *rebuild, struct error *error)
{
    struct repository_snapshot *snapshot = &rebuild->about.snapshot;
    const char *path = rebuild->entry.tree.path;
    struct buffer source = {0};
    char now[CLOCK_TEXT_SIZE];
    clock_text(now);
    buffer_format(&source, "/%.*s", (int)strcspn(path, "/"), path);
    int result = buffer_check(&source, error) != 0 ? -1 : strings_add(&snapshot->sources, source.data, error);
    buffer_free(&source);
    snapshot->time = strdup(now);
    snapshot->host = strdup("unknown");
    snapshot->label = strdup("the first line was lost");
    snapshot->tool = strdup("caisson repair");
    rebuild->about.began_sec = clock_unix_sec();
    return result == 0 && (snapshot->time == NULL || snapshot->host == NULL || snapshot->label == NULL ||
                           snapshot->tool == NULL)
               ? error_set(error, CSN_MEMORY, "no memory for a snapshot")
               : result;
}

static int begin(struct rebuild *rebuild, struct error *error)
{
    const struct repository_snapshot *snapshot = &rebuild->about.snapshot;
    char old[SHA256_HEX_SIZE];
    if (!rebuild->has_header && begin_without_header(rebuild, error) != 0) {
        return -1;
    }
    size_t count = snapshot->tag_keys.count;
    struct repository_tag *tags = calloc(count + 2, sizeof *tags);
    if (tags == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a snapshot");
    }
    for (size_t i = 0; i < count; i++) {
        tags[i] = (struct repository_tag){snapshot->tag_keys.items[i], snapshot->tag_values.items[i]};
    }
    hex_encode(rebuild->old_id, SHA256_SIZE, old);
    tags[count++] = (struct repository_tag){"repaired", old};
    if (rebuild->loss != NULL) {
        tags[count++] = (struct repository_tag){SNAPSHOT_INCOMPLETE_TAG, rebuild->loss};
    }
    struct snapshot_header header = {
        .time = snapshot->time,
        .began_sec = rebuild->about.began_sec,
        .host = snapshot->host,
        .label = snapshot->label,
        .tool = snapshot->tool,
        .sources = &snapshot->sources,
        .excludes = &rebuild->about.excludes,
        .tags = tags,
        .tag_count = count,
        .reader = rebuild->about.reader,
    };
    rebuild->writer = snapshot_writer_new(&rebuild->repair->repository->snapshots_folder, &header, error);
    free(tags);
    return rebuild->writer == NULL ? -1 : 0;
}

/* True if nothing that the entry relies on is lost, and its place in the order is free. */
static bool fits(struct rebuild *rebuild)
{
    const struct snapshot_entry *entry = &rebuild->entry;
    const struct tree_entry *tree = &entry->tree;
    if (rebuild->saved > 0 && tree_path_compare(buffer_text(&rebuild->last_path), tree->path) >= 0) {
        return false;
    }
    if (entry->hardlink == NULL) {
        return true;
    }
    const char *first = tree_links_find(&rebuild->links, tree->dev, tree->ino);
    return first != NULL && strcmp(first, entry->hardlink) == 0;
}

/* Between what was saved last and this path (NULL: the end) something is lost. */
static int tell_hole(struct rebuild *rebuild, const char *path, struct error *error)
{
    struct buffer file = {0};
    struct buffer what = {0};
    bool first = rebuild->saved == 0;
    rebuild->hole = false;
    rebuild->holes++;
    buffer_format(&file, REPOSITORY_SNAPSHOTS "/%s", rebuild->name);
    buffer_format(&what, "lost: what lay %s/%s%s%s",
                  first          ? "before "
                  : path == NULL ? "behind "
                                 : "between ",
                  first ? path == NULL ? "" : path : buffer_text(&rebuild->last_path),
                  first || path == NULL ? "" : " and /", first || path == NULL ? "" : path);
    int result = buffer_check(&file, error) != 0 || buffer_check(&what, error) != 0 ? -1 : 0;
    if (result == 0 && !rebuild->counting && rebuild->repair->done != NULL) {
        rebuild->repair->done(rebuild->repair->context, file.data, what.data);
    }
    buffer_free(&file);
    buffer_free(&what);
    return result;
}

static int write_entry(struct rebuild *rebuild, struct error *error)
{
    const struct tree_entry *tree = &rebuild->entry.tree;
    const char *first = NULL;
    if (!fits(rebuild)) {
        rebuild->hole = true;
        return 0;
    }
    if ((rebuild->hole && tell_hole(rebuild, tree->path, error) != 0) ||
        (!rebuild->counting && rebuild->writer == NULL && begin(rebuild, error) != 0) ||
        (tree->type != TREE_FOLDER && tree->nlink > 1 &&
         tree_links_seen(&rebuild->links, tree->dev, tree->ino, tree->path, &first, error) != 0) ||
        (!rebuild->counting && snapshot_writer_add(rebuild->writer, &rebuild->entry, error) != 0)) {
        return -1;
    }
    rebuild->saved++;
    buffer_clear(&rebuild->last_path);
    buffer_string(&rebuild->last_path, tree->path);
    return buffer_check(&rebuild->last_path, error);
}

/* --- reading --- */

static int take_header(struct rebuild *rebuild, yyjson_val *line, struct error *error)
{
    struct error trouble = {.code = CSN_NONE};
    if (rebuild->has_header || rebuild->writer != NULL) {
        return 0;
    }
    if (snapshot_about_read_header(&rebuild->about, rebuild->old_id, line, &trouble) == 0) {
        rebuild->has_header = true;
    } else {
        snapshot_about_free(&rebuild->about);
    }
    return trouble.code == CSN_MEMORY || trouble.code == CSN_REPOSITORY_VERSION
               ? error_set(error, trouble.code, "%s", trouble.message)
               : 0;
}

static int take_line(struct rebuild *rebuild, yyjson_val *line, struct error *error)
{
    struct error trouble = {.code = CSN_NONE};
    bool starts = yyjson_obj_get(line, "path") != NULL || yyjson_obj_get(line, "path64") != NULL;
    bool more = false;
    if (yyjson_obj_get(line, "format") != NULL) {
        return take_header(rebuild, line, error);
    }
    if (yyjson_is_true(yyjson_obj_get(line, "end"))) {
        rebuild->ended = true;
        rebuild->total = yyjson_get_uint(yyjson_obj_get(line, "entries"));
        return 0;
    }
    rebuild->passing = rebuild->passing && !starts;
    rebuild->continued = rebuild->continued && !starts;
    if (rebuild->passing || (!starts && !rebuild->continued)) {
        return 0; /* pieces of a file that is lost; or the last line */
    }
    if (snapshot_line_read(&rebuild->entry, line, rebuild->continued, &more, &trouble) != 0) {
        rebuild->continued = false;
        rebuild->passing = true;
        rebuild->hole = true;
        return trouble.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", trouble.message) : 0;
    }
    rebuild->continued = more;
    return more ? 0 : write_entry(rebuild, error);
}

/* True if the index, where it holds, has a block of this hash: then nothing in it was changed. */
static bool is_block(const struct pack_index *index, const struct pack_record *record)
{
    struct pack_record one = {0};
    uint32_t position = 0;
    while (pack_index_next(index, &position, &one)) {
        if (memcmp(one.id, record->id, SHA256_SIZE) == 0) {
            return true;
        }
    }
    return index->count == 0;
}

static int take_block(void *context, const struct salvaged *salvaged, struct error *error)
{
    struct rebuild *rebuild = context;
    bool good = is_block(&rebuild->index, &salvaged->record);
    if (salvaged->gap || !good) {
        rebuild->passing = rebuild->passing || rebuild->continued;
        rebuild->continued = false;
        rebuild->hole = true;
    }
    const char *text = (const char *)salvaged->content;
    size_t left = good ? salvaged->record.size_bytes : 0;
    int result = 0;
    while (result == 0 && left > 0) {
        const char *end = memchr(text, '\n', left);
        size_t length = end == NULL ? left : (size_t)(end - text) + 1;
        yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)text, length, 0, rebuild->memory, NULL);
        rebuild->hole = rebuild->hole || document == NULL;
        result = document == NULL ? 0 : take_line(rebuild, yyjson_doc_get_root(document), error);
        yyjson_doc_free(document);
        text += length;
        left -= length;
    }
    return result;
}

/* --- the whole --- */

static int walk(struct rebuild *rebuild, struct error *error)
{
    const char *name = rebuild->name;
    const struct stored_folder *folder = &rebuild->repair->repository->snapshots_folder;
    struct stored_reader file = {.fd = -1};
    struct error trouble = {.code = CSN_NONE};
    bool gap = false;
    if (stored_open_damaged(&file, folder, name, &trouble) != 0) {
        /* lost: nothing of it can be had */
        return stored_is_lost(&trouble) ? 0 : error_set(error, trouble.code, "%s", trouble.message);
    }
    int result = 0;
    if (pack_index_read(&rebuild->index, &file, PACK_SNAPSHOT, rebuild->old_id, name, &trouble) != 0) {
        rebuild->index.count = 0;
        result = stored_is_lost(&trouble) ? 0 : error_set(error, trouble.code, "%s", trouble.message);
    }
    if (result == 0) {
        result = salvage_frames(&file, name, take_block, rebuild, &gap, error);
        rebuild->hole = rebuild->hole || gap;
    }
    stored_close(&file);
    return result;
}

/* Its last line came, nothing was lost before it, and there are as many entries as it says. */
static bool is_all(const struct rebuild *rebuild)
{
    return rebuild->ended && rebuild->holes == 0 && rebuild->saved == rebuild->total;
}

static int finish(struct rebuild *rebuild, struct error *error)
{
    struct repair *repair = rebuild->repair;
    uint8_t id[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE] = "";
    uint64_t unused = 0;
    struct buffer what = {0};
    if (rebuild->writer != NULL) {
        if (snapshot_writer_commit(rebuild->writer, id, &unused, error) != 0) {
            return -1;
        }
        hex_encode(id, SHA256_SIZE, hex);
        buffer_format(&what, "%" PRIu64 " entries of it", rebuild->saved);
        if (rebuild->ended) {
            buffer_format(&what, ", of %" PRIu64 ",", rebuild->total);
        }
        buffer_format(&what, " are saved as snapshot %.16s", hex);
    } else {
        buffer_format(&what, "nothing of it can be had");
    }
    repair->summary->snapshots_rebuilt += rebuild->writer != NULL ? 1 : 0;
    repair->summary->snapshots_lost += rebuild->loss != NULL ? 1 : 0;
    repair->summary->entries_saved += rebuild->saved;
    int result = repair_set_aside(repair, &repair->repository->snapshots_folder, REPOSITORY_SNAPSHOTS, rebuild->name,
                                  buffer_text(&what), error);
    buffer_free(&what);
    return result;
}

static int walk_to_end(struct rebuild *rebuild, struct error *error)
{
    rebuild->memory = yyjson_alc_dyn_new();
    if (rebuild->memory == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a snapshot");
    }
    return walk(rebuild, error) != 0                                  ? -1
           : rebuild->saved > 0 && (rebuild->hole || !rebuild->ended) ? tell_hole(rebuild, NULL, error)
                                                                      : 0;
}

static void rebuild_free(struct rebuild *rebuild)
{
    snapshot_writer_free(rebuild->writer);
    snapshot_entry_free(&rebuild->entry);
    snapshot_about_free(&rebuild->about);
    tree_links_free(&rebuild->links);
    pack_index_free(&rebuild->index);
    buffer_free(&rebuild->last_path);
    if (rebuild->memory != NULL) {
        yyjson_alc_dyn_free(rebuild->memory);
    }
}

int repair_snapshot(struct repair *repair, const uint8_t id[SHA256_SIZE], struct error *error)
{
    char name[PACK_NAME_SIZE];
    char loss[40] = "some entries";
    struct rebuild first = {.repair = repair, .old_id = id, .name = name, .counting = true};
    struct rebuild second = {.repair = repair, .old_id = id, .name = name};
    pack_name(PACK_SNAPSHOT, id, repository_is_sealed(repair->repository), name);
    int result = walk_to_end(&first, error);
    if (result == 0 && !is_all(&first)) {
        if (first.ended && first.total > first.saved) {
            snprintf(loss, sizeof loss, "%" PRIu64 " entries", first.total - first.saved);
        }
        second.loss = loss;
    }
    if (result == 0) {
        result = walk_to_end(&second, error) != 0 ? -1 : finish(&second, error);
    }
    rebuild_free(&first);
    rebuild_free(&second);
    return result;
}
