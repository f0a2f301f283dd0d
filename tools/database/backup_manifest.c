#include "database/backup_manifest.h"

#include <stdlib.h>
#include <string.h>

#include <yyjson.h>

#define CHECKSUM_KEY "\"Manifest-Checksum\""

int manifest_files_add(struct manifest_files *files, const char *path, uint64_t size_bytes,
                       const uint8_t digest[SHA256_SIZE], struct error *error)
{
    if (files->count == files->allocated) {
        size_t wanted = files->allocated == 0 ? 1024 : files->allocated * 2;
        struct manifest_file *grown = realloc(files->items, wanted * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu files", wanted);
        }
        files->items = grown;
        files->allocated = wanted;
    }
    struct manifest_file *file = &files->items[files->count];
    *file = (struct manifest_file){.path = strdup(path), .size_bytes = size_bytes};
    if (file->path == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for %s", path);
    }
    memcpy(file->digest, digest, SHA256_SIZE);
    files->count++;
    return 0;
}

void manifest_files_free(struct manifest_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
    }
    free(files->items);
    *files = (struct manifest_files){0};
}

static int compare(const void *a, const void *b)
{
    const struct manifest_file *first = a;
    const struct manifest_file *second = b;
    return strcmp(first->path, second->path);
}

static int is_none(const char *what, struct error *error)
{
    return error_set(error, CSN_DATABASE_QUERY, "the server's backup manifest is none: %s", what);
}

/* Its last line has the SHA-256 of all before it. */
static int check_itself(const char *text, size_t size_bytes, yyjson_val *root, struct error *error)
{
    uint8_t said[SHA256_SIZE];
    uint8_t is[SHA256_SIZE];
    const char *checksum = yyjson_get_str(yyjson_obj_get(root, "Manifest-Checksum"));
    const char *line = NULL;
    for (const char *at = memmem(text, size_bytes, CHECKSUM_KEY, strlen(CHECKSUM_KEY)); at != NULL;
         at = memmem(at + 1, size_bytes - (size_t)(at + 1 - text), CHECKSUM_KEY, strlen(CHECKSUM_KEY))) {
        line = at;
    }
    if (checksum == NULL || line == NULL || !hex_decode(checksum, said, sizeof said)) {
        return is_none("it has no checksum", error);
    }
    sha256_of(text, (size_t)(line - text), is);
    return memcmp(said, is, sizeof is) == 0
               ? 0
               : error_set(error, CSN_DATABASE_DIFFERS, "the server's backup manifest was changed on its way");
}

/* "Path", or "Encoded-Path" in hex where it is not UTF-8. */
static int read_path(yyjson_val *item, struct buffer *path, struct error *error)
{
    const char *plain = yyjson_get_str(yyjson_obj_get(item, "Path"));
    const char *encoded = yyjson_get_str(yyjson_obj_get(item, "Encoded-Path"));
    buffer_clear(path);
    if (plain != NULL) {
        buffer_string(path, plain);
    } else if (encoded != NULL && strlen(encoded) % 2 == 0) {
        size_t size = strlen(encoded) / 2;
        char *room = buffer_reserve(path, size);
        if (room != NULL && hex_decode(encoded, (uint8_t *)room, size)) {
            path->size += size;
            path->data[path->size] = '\0';
        }
    }
    return buffer_check(path, error) != 0 ? -1 : path->size == 0 ? is_none("a file without a path", error) : 0;
}

static int check_file(yyjson_val *item, const char *path, const struct manifest_file *file, struct error *error)
{
    uint8_t said[SHA256_SIZE];
    const char *algorithm = yyjson_get_str(yyjson_obj_get(item, "Checksum-Algorithm"));
    const char *checksum = yyjson_get_str(yyjson_obj_get(item, "Checksum"));
    yyjson_val *size = yyjson_obj_get(item, "Size");
    if (algorithm == NULL || strcmp(algorithm, "SHA256") != 0 || checksum == NULL || !yyjson_is_uint(size) ||
        !hex_decode(checksum, said, sizeof said)) {
        return is_none("a file without size and SHA-256", error);
    }
    if (file == NULL) {
        return error_set(error, CSN_DATABASE_DIFFERS, "the server's %s did not come", path);
    }
    if (file->size_bytes != yyjson_get_uint(size) || memcmp(file->digest, said, sizeof said) != 0) {
        return error_set(error, CSN_DATABASE_DIFFERS, "%s came otherwise than the server's manifest says", path);
    }
    return 0;
}

static bool needs_no_line(const char *path)
{
    return strncmp(path, "pg_wal/", 7) == 0;
}

static int check_files(yyjson_val *list, struct manifest_files *files, struct error *error)
{
    struct buffer path = {0};
    size_t index;
    size_t count;
    size_t named = 0;
    yyjson_val *item;
    int result = 0;
    bool *seen = calloc(files->count + 1, sizeof *seen);
    if (seen == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to check a manifest");
    }
    yyjson_arr_foreach(list, index, count, item)
    {
        if (result != 0 || (result = read_path(item, &path, error)) != 0) {
            break;
        }
        struct manifest_file wanted = {.path = path.data};
        const struct manifest_file *file =
            files->count == 0 ? NULL : bsearch(&wanted, files->items, files->count, sizeof wanted, compare);
        result = check_file(item, path.data, file, error);
        if (result == 0) {
            seen[file - files->items] = true;
            named++;
        }
    }
    for (size_t i = 0; result == 0 && i < files->count; i++) {
        if (!seen[i] && !needs_no_line(files->items[i].path)) {
            result = error_set(error, CSN_DATABASE_DIFFERS, "%s came, and the server's manifest does not name it",
                               files->items[i].path);
        }
    }
    free(seen);
    buffer_free(&path);
    return result == 0 && named == 0 ? is_none("it names no file", error) : result;
}

int backup_manifest_check(const void *data, size_t size_bytes, struct manifest_files *files,
                          uint64_t *system_identifier, struct error *error)
{
    yyjson_read_err why;
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)data, size_bytes, 0, NULL, &why);
    yyjson_val *root = yyjson_doc_get_root(document);
    yyjson_val *list = yyjson_obj_get(root, "Files");
    int result = 0;
    *system_identifier = yyjson_get_uint(yyjson_obj_get(root, "System-Identifier"));
    if (yyjson_get_uint(yyjson_obj_get(root, "PostgreSQL-Backup-Manifest-Version")) == 0 || !yyjson_is_arr(list)) {
        result = is_none(document == NULL ? why.msg : "it has no version and files", error);
    } else if (check_itself(data, size_bytes, root, error) != 0) {
        result = -1;
    } else {
        if (files->count > 1) {
            qsort(files->items, files->count, sizeof files->items[0], compare);
        }
        result = check_files(list, files, error);
    }
    yyjson_doc_free(document);
    return result;
}
