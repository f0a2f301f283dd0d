#include "repository/snapshot_about.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/json.h"
#include "tree/path.h"

static int damaged(struct error *error, const char *which)
{
    return error_set(error, CSN_REPOSITORY_DAMAGED, "the %s line of the snapshot is not as it must be", which);
}

/* A copy of the text under key, without NUL inside; NULL where it is not there. */
static char *copy_text(yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    const char *text = yyjson_get_str(value);
    return text == NULL || strlen(text) != yyjson_get_len(value) ? NULL : strdup(text);
}

static int read_list(yyjson_val *object, const char *key, const char *part, struct strings *list, struct error *error)
{
    yyjson_val *array = yyjson_obj_get(object, key);
    size_t at, max;
    yyjson_val *one;
    if (!yyjson_is_arr(array)) {
        return damaged(error, "first");
    }
    yyjson_arr_foreach(array, at, max, one)
    {
        struct buffer bytes = {0};
        int result = -1;
        if (!json_get_bytes(one, part, &bytes) || strlen(buffer_text(&bytes)) != bytes.size) {
            damaged(error, "first");
        } else {
            result = strings_add(list, buffer_text(&bytes), error);
        }
        buffer_free(&bytes);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_tags(yyjson_val *object, struct repository_snapshot *snapshot, struct error *error)
{
    yyjson_val *tags = yyjson_obj_get(object, "tags");
    size_t at, max;
    yyjson_val *key, *value;
    if (!yyjson_is_obj(tags)) {
        return damaged(error, "first");
    }
    yyjson_obj_foreach(tags, at, max, key, value)
    {
        if (!yyjson_is_str(value)) {
            return damaged(error, "first");
        }
        if (strings_add(&snapshot->tag_keys, yyjson_get_str(key), error) != 0 ||
            strings_add(&snapshot->tag_values, yyjson_get_str(value), error) != 0) {
            return -1;
        }
    }
    return 0;
}

static bool sources_are_sound(const struct strings *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (sources->items[i][0] != '/' || !tree_path_is_sound(sources->items[i] + 1)) {
            return false;
        }
    }
    return sources->count > 0;
}

int snapshot_about_read_header(struct snapshot_about *about, const uint8_t id[SHA256_SIZE], yyjson_val *line,
                               struct error *error)
{
    struct repository_snapshot *snapshot = &about->snapshot;
    const char *format = yyjson_get_str(yyjson_obj_get(line, "format"));
    yyjson_val *version = yyjson_obj_get(line, "version");
    yyjson_val *began = yyjson_obj_get(line, "began");
    if (format == NULL || strcmp(format, "caisson-snapshot") != 0 || !yyjson_is_uint(version)) {
        return damaged(error, "first");
    }
    if (yyjson_get_uint(version) > SNAPSHOT_VERSION) {
        return error_set(error, CSN_REPOSITORY_VERSION, "the snapshot has format %llu, this release reads up to %d",
                         (unsigned long long)yyjson_get_uint(version), SNAPSHOT_VERSION);
    }
    hex_encode(id, SHA256_SIZE, snapshot->id);
    snapshot->time = copy_text(line, "time");
    snapshot->host = copy_text(line, "host");
    snapshot->label = copy_text(line, "label");
    snapshot->tool = copy_text(line, "tool");
    if (snapshot->time == NULL || snapshot->host == NULL || snapshot->label == NULL || snapshot->tool == NULL ||
        !yyjson_is_int(began)) {
        return damaged(error, "first");
    }
    about->began_sec = yyjson_get_sint(began);
    about->reader = copy_text(line, "reader");
    if (read_list(line, "sources", "name", &snapshot->sources, error) != 0 ||
        read_list(line, "excludes", "pattern", &about->excludes, error) != 0 || read_tags(line, snapshot, error) != 0) {
        return -1;
    }
    return sources_are_sound(&snapshot->sources) ? 0 : damaged(error, "first");
}

int snapshot_about_read_end(struct snapshot_about *about, yyjson_val *line, struct error *error)
{
    static const char *const keys[] = {"entries", "files", "bytes", "changed"};
    uint64_t numbers[4];
    for (size_t i = 0; i < 4; i++) {
        yyjson_val *value = yyjson_obj_get(line, keys[i]);
        if (!yyjson_is_uint(value)) {
            return damaged(error, "last");
        }
        numbers[i] = yyjson_get_uint(value);
    }
    const char *hash = yyjson_get_str(yyjson_obj_get(line, "sha256"));
    if (!yyjson_is_true(yyjson_obj_get(line, "end")) || hash == NULL ||
        !hex_decode(hash, about->lines_hash, SHA256_SIZE)) {
        return damaged(error, "last");
    }
    about->totals = (struct snapshot_totals){numbers[0], numbers[1], numbers[2], numbers[3]};
    about->snapshot.entries = numbers[0];
    about->snapshot.files = numbers[1];
    about->snapshot.bytes = numbers[2];
    about->snapshot.changed = numbers[3];
    return 0;
}

bool repository_is_incomplete(const struct repository_snapshot *snapshot)
{
    return strings_has(&snapshot->tag_keys, SNAPSHOT_INCOMPLETE_TAG);
}

void snapshot_free(struct repository_snapshot *snapshot)
{
    free(snapshot->time);
    free(snapshot->host);
    free(snapshot->label);
    free(snapshot->tool);
    strings_free(&snapshot->sources);
    strings_free(&snapshot->tag_keys);
    strings_free(&snapshot->tag_values);
    *snapshot = (struct repository_snapshot){0};
}

void snapshot_about_free(struct snapshot_about *about)
{
    snapshot_free(&about->snapshot);
    strings_free(&about->excludes);
    free(about->reader);
    about->reader = NULL;
}

void snapshot_about_take(struct snapshot_about *about, struct repository_snapshot *snapshot)
{
    *snapshot = about->snapshot;
    about->snapshot = (struct repository_snapshot){0};
}
