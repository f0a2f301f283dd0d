#include "tree/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "tree/internal.h"
#include "tree/links.h"
#include "tree/path.h"
#include "tree/walk.h"

struct scanner {
    struct tree_manifest *manifest;
    const struct tree_scan_options *options;
    const struct progress *progress;
    struct tree_links links;
    void *buffer;
    uint64_t read_bytes;
};

int tree_manifest_add(struct tree_manifest *manifest, struct tree_entry *entry, struct error *error)
{
    if (manifest->count == manifest->allocated) {
        size_t allocated = manifest->allocated == 0 ? 256 : manifest->allocated * 2;
        struct tree_entry *entries = realloc(manifest->entries, allocated * sizeof *entries);
        if (entries == NULL) {
            tree_entry_free(entry);
            return error_set(error, CSN_MEMORY, "no memory for a manifest of %zu entries", allocated);
        }
        manifest->entries = entries;
        manifest->allocated = allocated;
    }
    if (manifest->count > 0 && tree_path_compare(manifest->entries[manifest->count - 1].path, entry->path) >= 0) {
        manifest->unsorted = true;
    }
    manifest->entries[manifest->count++] = *entry;
    *entry = (struct tree_entry){0};
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return tree_path_compare(((const struct tree_entry *)a)->path, ((const struct tree_entry *)b)->path);
}

int tree_manifest_sort(struct tree_manifest *manifest, struct error *error)
{
    if (!manifest->unsorted) {
        return 0;
    }
    qsort(manifest->entries, manifest->count, sizeof *manifest->entries, by_path);
    for (size_t i = 1; i < manifest->count; i++) {
        if (strcmp(manifest->entries[i - 1].path, manifest->entries[i].path) == 0) {
            return error_set(error, CSN_TREE_MANIFEST, "the path \"%s\" is there twice", manifest->entries[i].path);
        }
    }
    manifest->unsorted = false;
    return 0;
}

const struct tree_entry *tree_manifest_find(const struct tree_manifest *manifest, const char *path)
{
    size_t low = 0;
    size_t high = manifest->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = tree_path_compare(path, manifest->entries[middle].path);
        if (order == 0) {
            return &manifest->entries[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

uint64_t tree_manifest_size_bytes(const struct tree_manifest *manifest)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        sum += manifest->entries[i].type == TREE_FILE ? manifest->entries[i].size_bytes : 0;
    }
    return sum;
}

void tree_manifest_free(struct tree_manifest *manifest)
{
    for (size_t i = 0; i < manifest->count; i++) {
        tree_entry_free(&manifest->entries[i]);
    }
    free(manifest->entries);
    *manifest = (struct tree_manifest){0};
}

/* The digest of the file shown; a further name of a file has that of the first. */
static int add_digest(struct scanner *scanner, const struct tree_visit *visit, struct tree_entry *entry,
                      struct error *error)
{
    if (entry->nlink > 1) {
        const char *first = NULL;
        if (tree_links_seen(&scanner->links, entry->dev, entry->ino, entry->path, &first, error) != 0) {
            return -1;
        }
        const struct tree_entry *earlier = first == NULL ? NULL : tree_manifest_find(scanner->manifest, first);
        if (earlier != NULL) {
            memcpy(entry->digest, earlier->digest, sizeof entry->digest);
            entry->has_digest = true;
            return 0;
        }
    }
    int fd = tree_entry_open(visit->dir_fd, visit->name, entry, error);
    if (fd < 0) {
        return -1;
    }
    int result =
        tree_digest_with(fd, entry->path, scanner->buffer, TREE_READ_BYTES, entry->digest, &scanner->read_bytes, error);
    if (result == 0) {
        result = tree_entry_still(fd, entry, error);
    }
    file_drop(&fd);
    entry->has_digest = result == 0;
    return result;
}

static int scan_visit(void *context, const struct tree_visit *visit, struct error *error)
{
    struct scanner *scanner = context;
    struct tree_entry entry;
    if (visit->event == TREE_VANISHED) {
        return 0;
    }
    if (tree_entry_copy(&entry, visit->entry, error) != 0) {
        return -1;
    }
    if (scanner->options->want_digests && entry.type == TREE_FILE && add_digest(scanner, visit, &entry, error) != 0) {
        tree_entry_free(&entry);
        return -1;
    }
    const struct progress_state state = {
        .doing = "reading files",
        .item = visit->entry->path,
        .done_bytes = scanner->read_bytes,
        .total_bytes = scanner->options->total_bytes,
        .done_items = scanner->manifest->count + 1,
    };
    progress_tell(scanner->progress, &state);
    return tree_manifest_add(scanner->manifest, &entry, error);
}

int tree_manifest_scan(struct tree_manifest *manifest, int root_fd, const char *path,
                       const struct tree_scan_options *options, const struct progress *progress, struct error *error)
{
    struct scanner scanner = {.manifest = manifest, .options = options, .progress = progress};
    const struct tree_walk_options walk = {
        .one_file_system = options->one_file_system,
        .want_xattrs = options->want_xattrs,
        .tolerate_vanished = options->tolerate_vanished,
        .excludes = options->excludes,
    };
    *manifest = (struct tree_manifest){0};
    scanner.buffer = malloc(TREE_READ_BYTES);
    if (scanner.buffer == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for reading the tree %s", path);
    }
    int result = tree_walk(root_fd, path, &walk, scan_visit, &scanner, error);
    if (result != 0) {
        tree_manifest_free(manifest);
    }
    tree_links_free(&scanner.links);
    free(scanner.buffer);
    return result;
}
