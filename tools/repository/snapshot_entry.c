#include <stdlib.h>
#include <string.h>

#include "repository/snapshot.h"

static const uint8_t no_id[SHA256_SIZE];

bool snapshot_piece_is_hole(const struct snapshot_piece *piece)
{
    return memcmp(piece->id, no_id, SHA256_SIZE) == 0;
}

int snapshot_entry_add(struct snapshot_entry *entry, const uint8_t *id, uint64_t size_bytes, struct error *error)
{
    if (entry->piece_count == entry->pieces_allocated) {
        size_t more = entry->pieces_allocated == 0 ? 64 : 2 * entry->pieces_allocated;
        struct snapshot_piece *grown = realloc(entry->pieces, more * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the %zu pieces of a file", more);
        }
        entry->pieces = grown;
        entry->pieces_allocated = more;
    }
    struct snapshot_piece *piece = &entry->pieces[entry->piece_count++];
    memcpy(piece->id, id == NULL ? no_id : id, SHA256_SIZE);
    piece->size_bytes = size_bytes;
    return 0;
}

void snapshot_entry_free(struct snapshot_entry *entry)
{
    tree_entry_free(&entry->tree);
    free(entry->hardlink);
    free(entry->pieces);
    *entry = (struct snapshot_entry){0};
}
