#include "tree/links.h"

#include <stdlib.h>
#include <string.h>

struct tree_links_slot {
    uint64_t dev;
    uint64_t ino;
    char *path; /* NULL: free */
    uint64_t mark;
};

static size_t slot_of(const struct tree_links *links, uint64_t dev, uint64_t ino)
{
    uint64_t mixed = (ino ^ (dev << 40) ^ (dev >> 24)) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(mixed >> 20) & (links->allocated - 1);
    while (links->slots[at].path != NULL && (links->slots[at].ino != ino || links->slots[at].dev != dev)) {
        at = (at + 1) & (links->allocated - 1);
    }
    return at;
}

static int grow(struct tree_links *links, struct error *error)
{
    struct tree_links grown = {.count = links->count, .allocated = links->allocated == 0 ? 64 : links->allocated * 2};
    grown.slots = calloc(grown.allocated, sizeof *grown.slots);
    if (grown.slots == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for %zu hard links", links->count);
    }
    for (size_t i = 0; i < links->allocated; i++) {
        if (links->slots[i].path != NULL) {
            grown.slots[slot_of(&grown, links->slots[i].dev, links->slots[i].ino)] = links->slots[i];
        }
    }
    free(links->slots);
    *links = grown;
    return 0;
}

int tree_links_seen(struct tree_links *links, uint64_t dev, uint64_t ino, const char *path, const char **first,
                    struct error *error)
{
    if (2 * links->count >= links->allocated && grow(links, error) != 0) {
        return -1;
    }
    struct tree_links_slot *slot = &links->slots[slot_of(links, dev, ino)];
    *first = slot->path;
    if (slot->path != NULL) {
        return 0;
    }
    slot->path = strdup(path);
    if (slot->path == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    slot->dev = dev;
    slot->ino = ino;
    slot->mark = 0;
    links->count++;
    return 0;
}

const char *tree_links_find(const struct tree_links *links, uint64_t dev, uint64_t ino)
{
    return links->allocated == 0 ? NULL : links->slots[slot_of(links, dev, ino)].path;
}

void tree_links_mark(struct tree_links *links, uint64_t dev, uint64_t ino, uint64_t mark)
{
    if (links->allocated > 0) {
        links->slots[slot_of(links, dev, ino)].mark = mark;
    }
}

uint64_t tree_links_marked(const struct tree_links *links, uint64_t dev, uint64_t ino)
{
    if (links->allocated == 0) {
        return 0;
    }
    const struct tree_links_slot *slot = &links->slots[slot_of(links, dev, ino)];
    return slot->path == NULL ? 0 : slot->mark;
}

void tree_links_free(struct tree_links *links)
{
    for (size_t i = 0; i < links->allocated; i++) {
        free(links->slots[i].path);
    }
    free(links->slots);
    *links = (struct tree_links){0};
}
