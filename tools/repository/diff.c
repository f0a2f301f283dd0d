#include "repository/repository.h"

#include <string.h>

#include "lib/root.h"
#include "repository/internal.h"
#include "repository/snapshot.h"
#include "tree/path.h"

/* One of the two snapshots. */
struct side {
    struct snapshot_reader *reader;
    const struct snapshot_entry *entry; /* at hand; NULL: no more below the path at hand */
};

struct diff {
    struct side a;
    struct side b;
    int (*differ)(void *context, const struct tree_difference *difference, struct error *error);
    void *context;
};

static int open_side(struct side *side, struct repository *repository, const char *id, struct error *error)
{
    uint8_t digest[SHA256_SIZE];
    if (!hex_decode(id, digest, SHA256_SIZE)) {
        return error_set(error, CSN_REPOSITORY_NO_SNAPSHOT, "\"%s\" is not the id of a snapshot", id);
    }
    side->reader = snapshot_reader_open(&repository->snapshots_folder, digest, error);
    return side->reader == NULL ? -1 : 0;
}

static int next(struct side *side, const char *top, struct error *error)
{
    int got = snapshot_reader_next(side->reader, &side->entry, error);
    if (got < 1 || (top[0] != '\0' && !path_is_inside(side->entry->tree.path, top))) {
        side->entry = NULL;
    }
    return got < 0 ? -1 : 0;
}

/* Equal pieces are equal bytes. The same bytes may be cut differently, where one was read with holes: then they count as
 * different. */
static bool same_pieces(const struct snapshot_entry *a, const struct snapshot_entry *b)
{
    if (a->piece_count != b->piece_count) {
        return false;
    }
    for (size_t i = 0; i < a->piece_count; i++) {
        if (a->pieces[i].size_bytes != b->pieces[i].size_bytes ||
            memcmp(a->pieces[i].id, b->pieces[i].id, SHA256_SIZE) != 0) {
            return false;
        }
    }
    return true;
}

static unsigned compare(const struct snapshot_entry *a, const struct snapshot_entry *b)
{
    unsigned aspects = tree_entry_compare(&a->tree, &b->tree);
    if ((a->hardlink == NULL) != (b->hardlink == NULL) ||
        (a->hardlink != NULL && strcmp(a->hardlink, b->hardlink) != 0)) {
        aspects |= TREE_ASPECT_HARDLINKS;
    } else if (a->tree.type == TREE_FILE && b->tree.type == TREE_FILE && !same_pieces(a, b)) {
        aspects |= TREE_ASPECT_CONTENT;
    }
    return aspects;
}

static int step(const struct diff *diff, int order, struct error *error)
{
    struct tree_difference difference = {
        .aspects = order < 0   ? TREE_ASPECT_ONLY_A
                   : order > 0 ? TREE_ASPECT_ONLY_B
                               : compare(diff->a.entry, diff->b.entry),
        .a = order <= 0 ? &diff->a.entry->tree : NULL,
        .b = order >= 0 ? &diff->b.entry->tree : NULL,
    };
    difference.path = difference.a != NULL ? difference.a->path : difference.b->path;
    return difference.aspects == 0 ? 0 : diff->differ(diff->context, &difference, error);
}

static int diff_below(struct diff *diff, const char *top, struct error *error)
{
    if (snapshot_reader_seek(diff->a.reader, top, error) != 0 ||
        snapshot_reader_seek(diff->b.reader, top, error) != 0 || next(&diff->a, top, error) != 0 ||
        next(&diff->b, top, error) != 0) {
        return -1;
    }
    while (diff->a.entry != NULL || diff->b.entry != NULL) {
        int order = diff->a.entry == NULL   ? 1
                    : diff->b.entry == NULL ? -1
                                            : tree_path_compare(diff->a.entry->tree.path, diff->b.entry->tree.path);
        if (step(diff, order, error) != 0 || (order <= 0 && next(&diff->a, top, error) != 0) ||
            (order >= 0 && next(&diff->b, top, error) != 0)) {
            return -1;
        }
    }
    return 0;
}

int repository_diff(struct repository *repository, const char *id_a, const char *id_b, const struct strings *paths,
                    int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                    void *context, struct error *error)
{
    struct diff diff = {.differ = differ, .context = context};
    int result =
        open_side(&diff.a, repository, id_a, error) != 0 || open_side(&diff.b, repository, id_b, error) != 0 ? -1 : 0;
    for (size_t i = 0; result == 0 && i < (paths == NULL ? 1 : paths->count); i++) {
        result = diff_below(&diff, paths == NULL ? "" : paths->items[i] + strspn(paths->items[i], "/"), error);
    }
    snapshot_reader_close(diff.a.reader);
    snapshot_reader_close(diff.b.reader);
    return result;
}
