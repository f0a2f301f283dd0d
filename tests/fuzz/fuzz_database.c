/*
 * fuzz_database.c - what a database server's bytes make of us: the first byte says whether the rest is a backup manifest ('m'), a tar
 * archive of a base backup ('t', in pieces whose size is the next byte), a pg_control ('c'), or a package's SQL ('s').
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "database/backup_manifest.h"
#include "database/base_backup_tar.h"
#include "database/cluster.h"
#include "database/split.h"
#include "tree/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_manifest(const uint8_t *data, size_t size_bytes)
{
    struct manifest_files files = {0};
    struct error error;
    uint8_t digest[SHA256_SIZE] = {0};
    uint64_t identifier;
    if (manifest_files_add(&files, "base/1", 0, digest, &error) == 0) {
        (void)!backup_manifest_check(data, size_bytes, &files, &identifier, &error);
    }
    manifest_files_free(&files);
}

struct pieces {
    const uint8_t *data;
    size_t left;
    size_t step;
};

static int more(void *context, const uint8_t **data, size_t *size_bytes, struct error *error)
{
    struct pieces *pieces = context;
    size_t size = pieces->left < pieces->step ? pieces->left : pieces->step;
    (void)error;
    *data = pieces->data;
    *size_bytes = size;
    pieces->data += size;
    pieces->left -= size;
    return size > 0 ? 1 : 0;
}

static int take(void *context, uint32_t oid, const struct tree_entry *entry, base_backup_read *read, void *read_context,
                struct error *error)
{
    static uint8_t bytes[4096];
    (void)context;
    (void)oid;
    if (!tree_path_is_sound(entry->path) || (entry->type == TREE_LINK && entry->link_target == NULL)) {
        abort();
    }
    for (uint64_t left = entry->type == TREE_FILE ? entry->size_bytes : 0; left > 0;) {
        size_t size = left < sizeof bytes ? (size_t)left : sizeof bytes;
        ssize_t got = read(read_context, bytes, size, error);
        if (got <= 0) {
            return got < 0 ? -1 : error_set(error, CSN_TREE_READ, "it ended early");
        }
        left -= (uint64_t)got;
    }
    return 0;
}

static void fuzz_tar(const uint8_t *data, size_t size_bytes)
{
    struct pieces pieces = {.data = data + 1, .left = size_bytes - 1, .step = (size_t)data[0] * 7 + 1};
    struct manifest_files files = {0};
    struct buffer control = {0};
    struct error error;
    struct base_backup_tar tar = {
        .more = more, .more_context = &pieces, .take = take, .files = &files, .control = &control};
    (void)!base_backup_tar_read(&tar, &error);
    manifest_files_free(&files);
    buffer_free(&control);
}

static void fuzz_split(const char *text, size_t size_bytes)
{
    struct split split;
    struct split_statement statement;
    int line;
    split_begin(&split, text, size_bytes);
    while (split_next(&split, &statement)) {
        if (statement.text < text || statement.size_bytes > size_bytes ||
            statement.text + statement.size_bytes > text + size_bytes) {
            abort();
        }
    }
    (void)split_problem(&split, &line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cluster_control control;
    struct error error;
    if (size < 2) {
        return 0;
    }
    switch (data[0]) {
    case 'm': fuzz_manifest(data + 1, size - 1); break;
    case 't': fuzz_tar(data + 1, size - 1); break;
    case 'c': (void)!cluster_parse_control(data + 1, size - 1, &control, &error); break;
    case 's': fuzz_split((const char *)data + 1, size - 1); break;
    default: break;
    }
    return 0;
}
