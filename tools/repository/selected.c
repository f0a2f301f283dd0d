#include "repository/selected.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/root.h"
#include "tree/path.h"

/* path_is_inside for paths without the leading '/': all lies inside "". */
static bool is_inside(const char *path, const char *folder)
{
    return folder[0] == '\0' || path_is_inside(path, folder);
}

static int by_order(const void *a, const void *b)
{
    return tree_path_compare(*(char *const *)a, *(char *const *)b);
}

/* A copy without slashes at the ends. */
static char *bare(const char *path)
{
    path += strspn(path, "/");
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    return strndup(path, length);
}

static int take_paths(struct selected *selected, const struct strings *paths, struct error *error)
{
    struct strings all = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        char *path = bare(paths->items[i]);
        result = path == NULL ? error_set(error, CSN_MEMORY, "no memory for the paths to restore")
                              : strings_add(&all, path, error);
        free(path);
    }
    if (result == 0 && all.count > 0) {
        qsort(all.items, all.count, sizeof *all.items, by_order);
    }
    for (size_t i = 0; result == 0 && i < all.count; i++) {
        size_t have = selected->paths.count;
        if (have == 0 || !is_inside(all.items[i], selected->paths.items[have - 1])) {
            result = strings_add(&selected->paths, all.items[i], error);
        }
    }
    strings_free(&all);
    return result;
}

static int check_sources(struct selected *selected, struct error *error)
{
    const struct strings *sources = &snapshot_reader_about(selected->reader)->sources;
    for (size_t i = 0; i < sources->count; i++) {
        if (selected_place(selected, sources->items[i] + 1) == NULL) {
            return error_set(error, CSN_NOT_FOUND, "%s does not lie in /%s", sources->items[i], selected->strip);
        }
    }
    return 0;
}

static int check_paths(struct selected *selected, struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    for (size_t i = 0; i < selected->paths.count; i++) {
        const char *path = selected->paths.items[i];
        if (snapshot_reader_seek(selected->reader, path, error) != 0) {
            return -1;
        }
        int got = snapshot_reader_next(selected->reader, &entry, error);
        if (got < 0) {
            return -1;
        }
        if (got == 0 || strcmp(entry->tree.path, path) != 0) {
            return error_set(error, CSN_NOT_FOUND, "/%s is not in the snapshot", path);
        }
        if (selected_place(selected, path) == NULL) {
            return error_set(error, CSN_NOT_FOUND, "/%s does not lie in /%s", path, selected->strip);
        }
    }
    return 0;
}

int selected_open(struct selected *selected, struct repository *repository, const char *id,
                  const struct repository_selection *selection, struct error *error)
{
    uint8_t digest[SHA256_SIZE];
    *selected = (struct selected){.repository = repository, .start_fd = -1};
    if (!hex_decode(id, digest, SHA256_SIZE)) {
        return error_set(error, CSN_REPOSITORY_NO_SNAPSHOT, "\"%s\" is not the id of a snapshot", id);
    }
    selected->strip = bare(selection->strip == NULL ? "" : selection->strip);
    if (selected->strip == NULL) {
        error_set(error, CSN_MEMORY, "no memory for a selection");
        goto failed;
    }
    if (selection->root_fd >= 0) {
        selected->start_fd = root_open(selection->root_fd, selection->place == NULL ? "/" : selection->place,
                                       O_RDONLY | O_DIRECTORY, 0, error);
        if (selected->start_fd < 0) {
            goto failed;
        }
    }
    selected->reader = snapshot_reader_open(&repository->snapshots_folder, digest, error);
    if (selected->reader == NULL || (selection->paths != NULL && take_paths(selected, selection->paths, error) != 0)) {
        goto failed;
    }
    if ((selected->paths.count > 0 ? check_paths(selected, error) : check_sources(selected, error)) != 0) {
        goto failed;
    }
    return 0;
failed:
    selected_close(selected);
    return -1;
}

int selected_first(struct selected *selected, const char *path, enum tree_type type,
                   const struct snapshot_entry **first, struct error *error)
{
    uint8_t id[SHA256_SIZE] = {0};
    if (selected->firsts == NULL) {
        (void)hex_decode(snapshot_reader_about(selected->reader)->id, id, SHA256_SIZE);
        selected->firsts = snapshot_reader_open(&selected->repository->snapshots_folder, id, error);
        if (selected->firsts == NULL) {
            return -1;
        }
    }
    if (snapshot_reader_seek(selected->firsts, path, error) != 0) {
        return -1;
    }
    int got = snapshot_reader_next(selected->firsts, first, error);
    if (got < 0) {
        return -1;
    }
    return got == 1 && strcmp((*first)->tree.path, path) == 0 && (*first)->hardlink == NULL &&
                   (*first)->tree.type == type
               ? 0
               : error_set(error, CSN_REPOSITORY_DAMAGED, "the snapshot has a link to /%s, but not that", path);
}

void selected_close(struct selected *selected)
{
    snapshot_reader_close(selected->reader);
    snapshot_reader_close(selected->firsts);
    strings_free(&selected->paths);
    free(selected->strip);
    file_drop(&selected->start_fd);
    *selected = (struct selected){.start_fd = -1};
}

int selected_next(struct selected *selected, const struct snapshot_entry **entry, struct error *error)
{
    if (selected->paths.count == 0) {
        return snapshot_reader_next(selected->reader, entry, error);
    }
    while (selected->path < selected->paths.count) {
        const char *path = selected->paths.items[selected->path];
        if (!selected->inside && snapshot_reader_seek(selected->reader, path, error) != 0) {
            return -1;
        }
        selected->inside = true;
        int got = snapshot_reader_next(selected->reader, entry, error);
        if (got < 0 || (got == 1 && is_inside((*entry)->tree.path, path))) {
            return got;
        }
        selected->path++;
        selected->inside = false;
    }
    return 0;
}

bool selected_has(const struct selected *selected, const char *path)
{
    for (size_t i = 0; i < selected->paths.count; i++) {
        if (is_inside(path, selected->paths.items[i])) {
            return true;
        }
    }
    return selected->paths.count == 0;
}

const char *selected_place(const struct selected *selected, const char *path)
{
    size_t length = strlen(selected->strip);
    if (!is_inside(path, selected->strip)) {
        return NULL;
    }
    return length > 0 && path[length] == '/' ? path + length + 1 : path + length;
}
