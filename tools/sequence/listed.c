#include "sequence/listed.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/root.h"
#include "target/installation.h"
#include "tree/path.h"

#define SHOWN_LIMIT 20
#define LIST_LIMIT_BYTES ((size_t)1 << 30)
#define LIST_LIMIT_ENTRIES ((size_t)1 << 24)

static int by_order(const void *a, const void *b)
{
    return tree_path_compare(*(char *const *)a, *(char *const *)b);
}

int listed_tops(int root_fd, const struct strings *paths, struct strings *tops, struct error *error)
{
    struct strings all = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        int fd = root_try_open(root_fd, paths->items[i], O_PATH, 0);
        char *real = fd >= 0 ? root_real_path(root_fd, paths->items[i], error) : strdup(paths->items[i]);
        file_drop(&fd);
        result = real == NULL ? error_set(error, CSN_MEMORY, "no memory for the path %s", paths->items[i])
                              : strings_add(&all, real, error);
        free(real);
    }
    if (result == 0 && all.count > 0) {
        qsort(all.items, all.count, sizeof *all.items, by_order);
    }
    for (size_t i = 0; result == 0 && i < all.count; i++) {
        if (tops->count == 0 || !path_is_inside(all.items[i], tops->items[tops->count - 1])) {
            result = strings_add(tops, all.items[i], error);
        }
    }
    strings_free(&all);
    return result;
}

/* A top's entries, with paths below the root. */
static int scan_top(const struct run *run, const char *top, bool digests, struct tree_manifest *manifest,
                    struct error *error)
{
    const struct tree_scan_options options = {.want_digests = digests};
    struct tree_manifest below = {0};
    int result = tree_manifest_scan(&below, run->site.place.root_fd, top, &options, &run->console->progress, error);
    for (size_t i = 0; result == 0 && i < below.count; i++) {
        struct tree_entry *entry = &below.entries[i];
        char *path = NULL;
        if (asprintf(&path, "%s%s%s", top + 1, entry->path[0] == '\0' ? "" : "/", entry->path) < 0) {
            result = error_set(error, CSN_MEMORY, "no memory for the path %s", entry->path);
        } else {
            free(entry->path);
            entry->path = path;
            result = tree_manifest_add(manifest, entry, error);
        }
    }
    tree_manifest_free(&below);
    return result;
}

int listed_scan(const struct run *run, const struct strings *tops, bool digests, struct tree_manifest *manifest,
                struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < tops->count; i++) {
        int fd = root_try_open(run->site.place.root_fd, tops->items[i], O_PATH, 0);
        if (fd >= 0) {
            result = scan_top(run, tops->items[i], digests, manifest, error);
        }
        file_drop(&fd);
    }
    return result == 0 ? tree_manifest_sort(manifest, error) : -1;
}

int listed_write(const struct run *run, const char *file, const struct strings *tops, bool digests, struct error *error)
{
    struct tree_manifest manifest = {0};
    struct buffer text = {0};
    int folder_fd = evidence_open_server(run->site.place.root_fd, run->evidence.run, true, error);
    int result = -1;
    if (folder_fd >= 0 && listed_scan(run, tops, digests, &manifest, error) == 0 &&
        tree_manifest_write(&manifest, TREE_MANIFEST_ALL, &text, error) == 0) {
        result = file_replace(folder_fd, file, buffer_text(&text), text.size, 0600, error);
    }
    file_drop(&folder_fd);
    tree_manifest_free(&manifest);
    buffer_free(&text);
    return result;
}

int listed_read(const struct run *run, const char *file, struct tree_manifest *manifest, struct error *error)
{
    struct buffer text = {0};
    int folder_fd = evidence_open_server(run->site.place.root_fd, run->evidence.run, false, error);
    int result = folder_fd < 0 ? -1 : file_read(folder_fd, file, LIST_LIMIT_BYTES, &text, error);
    if (result == 0) {
        result = tree_manifest_read(manifest, file, buffer_text(&text), text.size, LIST_LIMIT_ENTRIES, error);
    }
    file_drop(&folder_fd);
    buffer_free(&text);
    return result;
}

void listed_add_paths(yyjson_mut_doc *document, yyjson_mut_val *fields, const char *key, const struct strings *paths)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, fields, key);
    for (size_t i = 0; i < paths->count && i < LISTED_TOLD; i++) {
        yyjson_mut_arr_add_str(document, list, paths->items[i]);
    }
}

void listed_show(struct console *console, const struct strings *paths)
{
    for (size_t i = 0; i < paths->count && i < SHOWN_LIMIT; i++) {
        console_say(console, "    /%s", paths->items[i]);
    }
    if (paths->count > SHOWN_LIMIT) {
        console_say(console, "    and %zu more", paths->count - SHOWN_LIMIT);
    }
}
