#include <stdlib.h>
#include <string.h>

#include "repository/internal.h"
#include "repository/snapshot.h"
#include "repository/snapshot_about.h"

#define DIGITS_MIN 4

struct listing {
    struct repository *repository;
    struct repository_snapshots *snapshots;
    size_t allocated;
};

static int list_one(void *context, const char *name, struct error *error)
{
    struct listing *listing = context;
    struct repository_snapshots *snapshots = listing->snapshots;
    struct error trouble = {.code = CSN_NONE};
    uint8_t id[SHA256_SIZE];
    if (!pack_name_id(PACK_SNAPSHOT, name, repository_is_sealed(listing->repository), id)) {
        return 0;
    }
    struct snapshot_reader *reader = snapshot_reader_open(&listing->repository->snapshots_folder, id, &trouble);
    if (reader == NULL) {
        char hex[SHA256_HEX_SIZE];
        hex_encode(id, SHA256_SIZE, hex);
        if (trouble.code == CSN_AGE_NO_IDENTITY && !listing->repository->reads_all) {
            snapshots->locked++;
            return 0;
        }
        return trouble.code == CSN_REPOSITORY_DAMAGED || trouble.code == CSN_AGE_NO_IDENTITY || trouble.code == CSN_IO
                   ? strings_add(&snapshots->damaged, hex, error)
                   : error_set(error, trouble.code, "%s", trouble.message);
    }
    if (snapshots->count == listing->allocated) {
        size_t more = listing->allocated == 0 ? 16 : 2 * listing->allocated;
        struct repository_snapshot *grown = realloc(snapshots->items, more * sizeof *grown);
        if (grown == NULL) {
            snapshot_reader_close(reader);
            return error_set(error, CSN_MEMORY, "no memory for a list of %zu snapshots", more);
        }
        snapshots->items = grown;
        listing->allocated = more;
    }
    snapshot_reader_take_about(reader, &snapshots->items[snapshots->count++]);
    snapshot_reader_close(reader);
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct repository_snapshot *first = a;
    const struct repository_snapshot *second = b;
    int order = strcmp(first->time, second->time);
    return order != 0 ? order : strcmp(first->id, second->id);
}

int repository_list(struct repository *repository, struct repository_snapshots *snapshots, struct error *error)
{
    struct listing listing = {.repository = repository, .snapshots = snapshots};
    *snapshots = (struct repository_snapshots){0};
    if (repository_each_file(repository->snapshots_folder.fd, false, list_one, &listing, error) != 0) {
        repository_snapshots_free(snapshots);
        return -1;
    }
    if (snapshots->count == 0 && snapshots->locked > 0 && repository->mode != REPOSITORY_WRITE) {
        repository_snapshots_free(snapshots);
        return repository_refuse_locked(repository, "the snapshots", error);
    }
    if (snapshots->count > 1) {
        qsort(snapshots->items, snapshots->count, sizeof *snapshots->items, by_time);
    }
    return 0;
}

void repository_snapshots_free(struct repository_snapshots *snapshots)
{
    for (size_t i = 0; i < snapshots->count; i++) {
        snapshot_free(&snapshots->items[i]);
    }
    free(snapshots->items);
    strings_free(&snapshots->damaged);
    *snapshots = (struct repository_snapshots){0};
}

/* --- finding one --- */

static bool has_tag(const struct repository_snapshot *snapshot, const struct repository_tag *tag)
{
    for (size_t i = 0; tag != NULL && i < snapshot->tag_keys.count; i++) {
        if (strcmp(snapshot->tag_keys.items[i], tag->key) == 0 &&
            strcmp(snapshot->tag_values.items[i], tag->value) == 0) {
            return true;
        }
    }
    return tag == NULL;
}

static bool could_be_id(const char *what)
{
    size_t length = strlen(what);
    return length >= DIGITS_MIN && length < REPOSITORY_ID_SIZE && strspn(what, "0123456789abcdef") == length;
}

/* A damaged one can be meant too: naming it must give its damage, not "there is no such snapshot". */
static int find_damaged(const struct repository_snapshots *snapshots, const char *what, struct error *error)
{
    for (size_t i = 0; i < snapshots->damaged.count; i++) {
        if (strncmp(snapshots->damaged.items[i], what, strlen(what)) == 0) {
            return error_set(error, CSN_REPOSITORY_DAMAGED, "the snapshot %.16s cannot be read",
                             snapshots->damaged.items[i]);
        }
    }
    return error_set(error, CSN_REPOSITORY_NO_SNAPSHOT, "there is no snapshot \"%s\"%s", what,
                     snapshots->locked > 0 ? " among those that the keys given open" : "");
}

int repository_find(struct repository *repository, const char *what, const struct repository_tag *tag,
                    char id[REPOSITORY_ID_SIZE], struct error *error)
{
    struct repository_snapshots snapshots;
    bool latest = strcmp(what, "latest") == 0;
    int result = -1;
    if (!latest && !could_be_id(what)) {
        return error_set(error, CSN_REPOSITORY_NO_SNAPSHOT,
                         "\"%s\" is neither \"latest\" nor at least %d digits of a snapshot's id", what, DIGITS_MIN);
    }
    if (repository_list(repository, &snapshots, error) != 0) {
        return -1;
    }
    const struct repository_snapshot *found = NULL;
    size_t fitting = 0;
    for (size_t i = 0; i < snapshots.count; i++) {
        const struct repository_snapshot *snapshot = &snapshots.items[i];
        if (has_tag(snapshot, tag) && (latest || strncmp(snapshot->id, what, strlen(what)) == 0)) {
            found = snapshot;
            fitting++;
        }
    }
    if (latest && tag == NULL && snapshots.damaged.count > 0) { /* its time cannot be read either */
        error_set(error, CSN_REPOSITORY_DAMAGED,
                  "which snapshot is the latest is not known, as %.16s cannot be read: name the one that you mean",
                  snapshots.damaged.items[0]);
    } else if (found == NULL && latest) {
        error_set(error, CSN_REPOSITORY_NO_SNAPSHOT, "%s has no snapshot%s", repository->path,
                  tag == NULL ? "" : " with that tag");
    } else if (found == NULL) {
        find_damaged(&snapshots, what, error);
    } else if (fitting > 1 && !latest) {
        error_set(error, CSN_REPOSITORY_NO_SNAPSHOT, "\"%s\" fits %zu snapshots", what, fitting);
    } else {
        memcpy(id, found->id, REPOSITORY_ID_SIZE);
        result = 0;
    }
    repository_snapshots_free(&snapshots);
    return result;
}
