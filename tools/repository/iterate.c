#include "repository/internal.h"
#include "repository/snapshot.h"

int repository_iterate(struct repository *repository, const char *id,
                       int (*visit)(void *context, const struct tree_entry *entry, struct error *error), void *context,
                       struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    uint8_t digest[SHA256_SIZE];
    if (!hex_decode(id, digest, SHA256_SIZE)) {
        return error_set(error, CSN_REPOSITORY_NO_SNAPSHOT, "\"%s\" is not the id of a snapshot", id);
    }
    struct snapshot_reader *reader = snapshot_reader_open(&repository->snapshots_folder, digest, error);
    if (reader == NULL) {
        return -1;
    }
    int got;
    while ((got = snapshot_reader_next(reader, &entry, error)) == 1) {
        if (visit(context, &entry->tree, error) != 0) {
            got = -1;
            break;
        }
    }
    snapshot_reader_close(reader);
    return got;
}
