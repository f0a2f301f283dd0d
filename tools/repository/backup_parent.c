#include "repository/backup_parent.h"

#include <stdlib.h>
#include <string.h>

#include "repository/snapshot_about.h"
#include "tree/path.h"

/* Kernels stamp times in ticks: two writes within one can leave the same ctime. What is younger is read again. */
#define YOUNG_SEC 2

struct backup_parent {
    struct snapshot_reader *reader;
    const struct snapshot_entry *at; /* NULL: at the end, or it could not be read on */
    int64_t began_sec;
};

static bool same_strings(const struct strings *a, const struct strings *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0) {
            return false;
        }
    }
    return true;
}

/* 1 and id: found; 0: none. */
static int choose(struct repository *repository, const char *host, const struct strings *sources,
                  char id[REPOSITORY_ID_SIZE], struct error *error)
{
    struct repository_snapshots snapshots;
    int found = 0;
    if (repository_list(repository, &snapshots, error) != 0) {
        return -1;
    }
    for (size_t i = snapshots.count; i > 0 && found == 0; i--) {
        const struct repository_snapshot *snapshot = &snapshots.items[i - 1];
        if (strcmp(snapshot->host, host) == 0 && same_strings(&snapshot->sources, sources)) {
            memcpy(id, snapshot->id, REPOSITORY_ID_SIZE);
            found = 1;
        }
    }
    repository_snapshots_free(&snapshots);
    return found;
}

static void advance(struct backup_parent *parent)
{
    /* A parent that is damaged further on is no reason not to back up: what it cannot tell is read. */
    struct error unused;
    if (snapshot_reader_next(parent->reader, &parent->at, &unused) != 1) {
        parent->at = NULL;
    }
}

int backup_parent_open(struct backup_parent **parent, struct repository *repository,
                       const struct repository_backup_options *options, const char *host, const struct strings *sources,
                       struct error *error)
{
    char id[REPOSITORY_ID_SIZE];
    uint8_t digest[SHA256_SIZE];
    *parent = NULL;
    if (options->reread) {
        return 0;
    }
    int found = options->parent != NULL ? (repository_find(repository, options->parent, NULL, id, error) == 0 ? 1 : -1)
                                        : choose(repository, host, sources, id, error);
    if (found <= 0) {
        return found;
    }
    if (!hex_decode(id, digest, SHA256_SIZE)) {
        return error_set(error, CSN_INTERNAL, "the id of a snapshot is none");
    }
    struct backup_parent *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the parent snapshot");
    }
    made->reader = snapshot_reader_open(&repository->snapshots_folder, digest, error);
    if (made->reader == NULL) {
        free(made);
        return -1;
    }
    made->began_sec = snapshot_reader_began_sec(made->reader);
    advance(made);
    *parent = made;
    return 0;
}

void backup_parent_close(struct backup_parent *parent)
{
    if (parent != NULL) {
        snapshot_reader_close(parent->reader);
        free(parent);
    }
}

static bool is_unchanged(const struct backup_parent *parent, const struct tree_entry *now)
{
    const struct tree_entry *then = &parent->at->tree;
    return then->type == TREE_FILE && parent->at->hardlink == NULL && !parent->at->changed && then->dev == now->dev &&
           then->ino == now->ino && then->size_bytes == now->size_bytes && then->mtime_sec == now->mtime_sec &&
           then->mtime_nsec == now->mtime_nsec && then->ctime_sec == now->ctime_sec &&
           then->ctime_nsec == now->ctime_nsec && now->ctime_sec < parent->began_sec - YOUNG_SEC;
}

const struct snapshot_entry *backup_parent_match(struct backup_parent *parent, struct store *store,
                                                 const struct tree_entry *tree)
{
    while (parent->at != NULL && tree_path_compare(parent->at->tree.path, tree->path) < 0) {
        advance(parent);
    }
    if (parent->at == NULL || strcmp(parent->at->tree.path, tree->path) != 0 || !is_unchanged(parent, tree)) {
        return NULL;
    }
    for (size_t i = 0; i < parent->at->piece_count; i++) {
        const struct snapshot_piece *piece = &parent->at->pieces[i];
        if (!snapshot_piece_is_hole(piece) && !store_has(store, piece->id, piece->size_bytes)) {
            return NULL;
        }
    }
    return parent->at;
}
