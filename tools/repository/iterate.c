#include "repository/internal.h"
#include "repository/selected.h"

int repository_iterate(struct repository *repository, const char *id, const struct strings *paths,
                       int (*visit)(void *context, const struct repository_entry *entry, struct error *error),
                       void *context, struct error *error)
{
    const struct repository_selection selection = {.paths = paths, .root_fd = -1};
    const struct snapshot_entry *entry = NULL;
    struct selected selected;
    if (selected_open(&selected, repository, id, &selection, error) != 0) {
        return -1;
    }
    int got;
    while ((got = selected_next(&selected, &entry, error)) == 1) {
        struct repository_entry shown = {.tree = &entry->tree, .hardlink = entry->hardlink, .changed = entry->changed};
        if (visit(context, &shown, error) != 0) {
            got = -1;
            break;
        }
    }
    selected_close(&selected);
    return got;
}
