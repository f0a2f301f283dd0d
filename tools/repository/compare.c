#include "repository/repository.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"
#include "repository/internal.h"
#include "repository/selected.h"
#include "tree/links.h"
#include "tree/path.h"
#include "tree/walk.h"

struct comparison {
    struct repository *repository;
    const struct tree_compare_options *options;
    int (*differ)(void *context, const struct tree_difference *difference, struct error *error);
    void *context;
    const struct progress *progress;
    struct tree_compare_counts *counts;
    struct selected selected;
    const struct snapshot_entry *entry; /* at hand in the snapshot; NULL: the root at hand has no more */
    struct tree_walker *walker;         /* NULL: the root at hand is not on the disk */
    struct tree_visit visit;
    bool has_visit;         /* the disk has one at hand */
    struct tree_entry disk; /* the same with its recorded path; all but that is borrowed */
    struct buffer path;     /* which is this */
    size_t root_length;
    struct tree_links links;
    uint8_t *buffer; /* CHUNK_LIMIT_BYTES */
};

/* --- content --- */

static int read_exactly(int fd, uint8_t *into, size_t size_bytes, uint64_t offset)
{
    for (size_t have = 0; have < size_bytes;) {
        ssize_t got = pread(fd, into + have, size_bytes - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? -1 : 1;
        }
        have += (size_t)got;
    }
    return 0;
}

/* 0: the bytes at offset are the piece; 1: they are not; -1. */
static int compare_piece(struct comparison *comparison, int fd, const struct snapshot_piece *piece, uint64_t offset,
                         const char *path, struct error *error)
{
    bool hole = snapshot_piece_is_hole(piece);
    uint8_t digest[SHA256_SIZE];
    for (uint64_t done = 0; done < piece->size_bytes;) {
        uint64_t rest = piece->size_bytes - done;
        size_t part = rest < CHUNK_LIMIT_BYTES ? (size_t)rest : CHUNK_LIMIT_BYTES;
        int got = read_exactly(fd, comparison->buffer, part, offset + done);
        if (got < 0) {
            return error_system(error, CSN_TREE_READ, "reading /%s", path);
        }
        if (got > 0 || (hole && (comparison->buffer[0] != 0 ||
                                 memcmp(comparison->buffer, comparison->buffer + 1, part - 1) != 0))) {
            return 1;
        }
        done += part;
        comparison->counts->compared_bytes += part;
    }
    if (hole) {
        return 0;
    }
    sha256_of(comparison->buffer, (size_t)piece->size_bytes, digest);
    return memcmp(digest, piece->id, SHA256_SIZE) == 0 ? 0 : 1;
}

static int compare_content(struct comparison *comparison, unsigned *aspects, struct error *error)
{
    const struct snapshot_entry *entry = comparison->entry;
    uint64_t offset = 0;
    int fd = tree_entry_open(comparison->visit.dir_fd, comparison->visit.name, comparison->visit.entry, error);
    int result = fd < 0 ? -1 : 0;
    for (size_t i = 0; result == 0 && i < entry->piece_count; i++) {
        result = compare_piece(comparison, fd, &entry->pieces[i], offset, entry->tree.path, error);
        offset += entry->pieces[i].size_bytes;
    }
    if (result == 1) {
        *aspects |= TREE_ASPECT_CONTENT;
        result = 0;
    }
    file_drop(&fd);
    return result;
}

/* --- entries --- */

static int judge(struct comparison *comparison, const struct tree_entry *a, const struct tree_entry *b,
                 unsigned aspects, struct error *error)
{
    struct tree_compare_counts *counts = comparison->counts;
    unsigned ignored = comparison->options->ignored;
    if (a != NULL && b != NULL) {
        if (comparison->options->ignore_folder_mtime && a->type == TREE_FOLDER) {
            ignored |= TREE_ASPECT_MTIME;
        }
        aspects &= ~ignored;
        counts->both++;
        counts->differing += aspects != 0 ? 1 : 0;
    } else {
        aspects = a != NULL ? TREE_ASPECT_ONLY_A : TREE_ASPECT_ONLY_B;
        counts->only_a += a != NULL ? 1 : 0;
        counts->only_b += a == NULL ? 1 : 0;
    }
    const struct tree_difference difference = {
        .path = a != NULL ? a->path : b->path, .aspects = aspects, .a = a, .b = b};
    return aspects == 0 || comparison->differ == NULL ? 0 : comparison->differ(comparison->context, &difference, error);
}

/* *known: the content was compared under the first name. */
static int compare_links(struct comparison *comparison, unsigned *aspects, bool *known, struct error *error)
{
    const struct tree_entry *disk = &comparison->disk;
    const char *recorded = comparison->entry->hardlink;
    const char *first = NULL;
    if (disk->type != TREE_FOLDER && disk->nlink > 1 &&
        tree_links_seen(&comparison->links, disk->dev, disk->ino, disk->path, &first, error) != 0) {
        return -1;
    }
    if (recorded != NULL && !selected_has(&comparison->selected, recorded)) {
        return 0; /* its first name was not looked at */
    }
    *known = recorded != NULL && first != NULL && strcmp(recorded, first) == 0;
    if (!*known && (recorded != NULL || first != NULL)) {
        *aspects |= TREE_ASPECT_HARDLINKS;
    }
    return 0;
}

static int compare_both(struct comparison *comparison, struct error *error)
{
    const struct snapshot_entry *entry = comparison->entry;
    struct tree_entry recorded = entry->tree;
    bool known = false;
    if (entry->tree.type == TREE_FILE) {
        recorded.has_digest = false;
        if (entry->hardlink == NULL) {
            recorded.known |= TREE_ASPECT_CONTENT;
        } else {
            recorded.known &= ~(unsigned)TREE_ASPECT_CONTENT;
        }
    } else if (entry->hardlink != NULL) {
        recorded.known &= ~(unsigned)(TREE_ASPECT_TARGET | TREE_ASPECT_DEVICE);
    }
    unsigned aspects = tree_entry_compare(&recorded, &comparison->disk);
    if (compare_links(comparison, &aspects, &known, error) != 0) {
        return -1;
    }
    if (entry->tree.type == TREE_FILE && entry->hardlink == NULL &&
        (aspects & (TREE_ASPECT_TYPE | TREE_ASPECT_CONTENT)) == 0 &&
        compare_content(comparison, &aspects, error) != 0) {
        return -1;
    }
    return judge(comparison, &recorded, &comparison->disk, aspects, error);
}

/* --- both sides, step by step --- */

static bool is_passed_over(const struct comparison *comparison, const struct tree_entry *disk, const char *path)
{
    const struct repository *repository = comparison->repository;
    bool own = disk->type == TREE_FOLDER && disk->dev == repository->folder_dev && disk->ino == repository->folder_ino;
    return own || tree_path_matches(snapshot_reader_excludes(comparison->selected.reader), path) ||
           tree_path_matches(comparison->options->excludes, path);
}

static int next_on_disk(struct comparison *comparison, struct error *error)
{
    comparison->has_visit = false;
    while (comparison->walker != NULL && !comparison->has_visit) {
        int got = tree_walker_next(comparison->walker, &comparison->visit, error);
        if (got <= 0) {
            return got;
        }
        const struct tree_entry *entry = comparison->visit.entry;
        comparison->path.size = comparison->root_length;
        if (entry->path[0] != '\0' && comparison->root_length > 0) {
            buffer_append(&comparison->path, "/", 1);
        }
        buffer_string(&comparison->path, entry->path);
        if (buffer_check(&comparison->path, error) != 0) {
            return -1;
        }
        if (!is_passed_over(comparison, entry, comparison->path.data)) {
            comparison->disk = *entry;
            comparison->disk.path = comparison->path.data;
            comparison->has_visit = true;
        } else if (entry->type == TREE_FOLDER) {
            tree_walker_skip(comparison->walker);
        }
    }
    return 0;
}

static int next_in_snapshot(struct comparison *comparison, const char *root, struct error *error)
{
    do {
        int got = snapshot_reader_next(comparison->selected.reader, &comparison->entry, error);
        if (got < 0) {
            return -1;
        }
        if (got == 0 || (root[0] != '\0' && !path_is_inside(comparison->entry->tree.path, root))) {
            comparison->entry = NULL;
            return 0;
        }
    } while (tree_path_matches(comparison->options->excludes, comparison->entry->tree.path));
    return 0;
}

static void tell(const struct comparison *comparison)
{
    struct progress_state state = {
        .doing = "comparing",
        .item = comparison->entry != NULL ? comparison->entry->tree.path : NULL,
        .done_bytes = comparison->counts->compared_bytes,
        .total_bytes = snapshot_reader_totals(comparison->selected.reader)->bytes,
        .done_items = comparison->counts->both + comparison->counts->only_a,
        .total_items = snapshot_reader_totals(comparison->selected.reader)->entries,
    };
    progress_tell(comparison->progress, &state);
}

static int step(struct comparison *comparison, const char *root, struct error *error)
{
    int order = comparison->entry == NULL ? 1
                : !comparison->has_visit  ? -1
                                          : tree_path_compare(comparison->entry->tree.path, comparison->disk.path);
    tell(comparison);
    if (order == 0) {
        if (compare_both(comparison, error) != 0) {
            return -1;
        }
    } else if (judge(comparison, order < 0 ? &comparison->entry->tree : NULL, order > 0 ? &comparison->disk : NULL, 0,
                     error) != 0) {
        return -1;
    }
    if (order <= 0 && next_in_snapshot(comparison, root, error) != 0) {
        return -1;
    }
    return order >= 0 ? next_on_disk(comparison, error) : 0;
}

static int compare_root(struct comparison *comparison, const char *root, struct error *error)
{
    const char *place = selected_place(&comparison->selected, root);
    struct tree_walk_options options = {
        .want_xattrs = true,
        .one_file_system = comparison->options->one_file_system,
    };
    int result = -1;
    if (place == NULL) {
        return error_set(error, CSN_NOT_FOUND, "/%s does not lie in /%s", root, comparison->selected.strip);
    }
    if (root_exists(comparison->selected.start_fd, place)) {
        comparison->walker = tree_walker_open(comparison->selected.start_fd, place, &options, error);
        if (comparison->walker == NULL) {
            return -1;
        }
    }
    buffer_clear(&comparison->path);
    buffer_string(&comparison->path, root);
    comparison->root_length = comparison->path.size;
    if (buffer_check(&comparison->path, error) == 0 &&
        snapshot_reader_seek(comparison->selected.reader, root, error) == 0 &&
        next_in_snapshot(comparison, root, error) == 0 && next_on_disk(comparison, error) == 0) {
        result = 0;
    }
    while (result == 0 && (comparison->entry != NULL || comparison->has_visit)) {
        result = step(comparison, root, error);
    }
    tree_walker_close(comparison->walker);
    comparison->walker = NULL;
    return result;
}

int repository_compare(struct repository *repository, const char *id, const struct repository_selection *selection,
                       const struct tree_compare_options *options,
                       int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                       void *context, const struct progress *progress, struct tree_compare_counts *counts,
                       struct error *error)
{
    struct comparison comparison = {.repository = repository,
                                    .options = options,
                                    .differ = differ,
                                    .context = context,
                                    .progress = progress,
                                    .counts = counts};
    int result = -1;
    *counts = (struct tree_compare_counts){0};
    if (selected_open(&comparison.selected, repository, id, selection, error) != 0) {
        return -1;
    }
    comparison.buffer = malloc(CHUNK_LIMIT_BYTES);
    if (comparison.buffer == NULL) {
        error_set(error, CSN_MEMORY, "no memory for comparing files");
        goto out;
    }
    const struct strings *paths = &comparison.selected.paths;
    const struct strings *sources = &snapshot_reader_about(comparison.selected.reader)->sources;
    result = 0;
    for (size_t i = 0; result == 0 && paths->count > 0 && i < paths->count; i++) {
        result = compare_root(&comparison, paths->items[i], error);
    }
    for (size_t i = 0; result == 0 && paths->count == 0 && i < sources->count; i++) {
        result = compare_root(&comparison, sources->items[i] + 1, error);
    }
out:
    free(comparison.buffer);
    buffer_free(&comparison.path);
    tree_links_free(&comparison.links);
    selected_close(&comparison.selected);
    return result;
}
