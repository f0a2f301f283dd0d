#include "repository/restore_left_out.h"

#include <inttypes.h>
#include <stdlib.h>

#include "repository/restore_fit.h"
#include "repository/selected.h"
#include "tree/path.h"

static int find(struct strings *left_out, struct selected *selected, struct restore_fit *fit,
                const struct repository_selection *selection, struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    const char *why = NULL;
    char first[512] = "";
    int got;
    while ((got = selected_next(selected, &entry, error)) == 1) {
        const char *path = entry->tree.path;
        const char *place = selected_place(selected, path);
        if (place == NULL) {
            continue; /* restoring says so */
        }
        if (restore_fit_check(fit, entry, place, &why, error) != 0) {
            return -1;
        }
        if (why == NULL) {
            continue;
        }
        if (left_out->count == 0) {
            snprintf(first, sizeof first, "/%.400s: %s", path, why);
        }
        if (strings_add(left_out, path, error) != 0) {
            return -1;
        }
        if (selection->left_out != NULL) {
            selection->left_out(selection->context, path, why);
        }
    }
    if (got == 0 && left_out->count > 0 && selection->left_out == NULL) {
        return error_set(error, CSN_REPOSITORY_NAME,
                         "nothing was written; of %zu paths that cannot be there the first is %s", left_out->count,
                         first);
    }
    return got;
}

int restore_left_out_find(struct strings *left_out, struct repository *repository, const char *id,
                          const struct repository_selection *selection, struct error *error)
{
    struct selected selected;
    struct restore_fit fit;
    int result = -1;
    if (selected_open(&selected, repository, id, selection, error) != 0) {
        return -1;
    }
    if (restore_fit_open(&fit, selected.start_fd, error) == 0) {
        result = restore_fit_is_all(&fit) ? 0 : find(left_out, &selected, &fit, selection, error);
    }
    restore_fit_close(&fit);
    selected_close(&selected);
    return result;
}

static int by_path(const void *path, const void *item)
{
    return tree_path_compare(path, *(char *const *)item);
}

bool restore_left_out_has(const struct strings *left_out, const char *path)
{
    return left_out->count > 0 &&
           bsearch(path, left_out->items, left_out->count, sizeof *left_out->items, by_path) != NULL;
}
