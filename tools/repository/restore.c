#include "repository/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/restore_folders.h"
#include "repository/selected.h"
#include "tree/path.h"

#define BLOCK_BYTES 4096 /* zeros of a sparse file are left out in blocks of this */

struct restore {
    struct repository *repository;
    struct selected selected;
    struct restore_folders folders;
    const struct progress *progress;
    struct repository_restore_summary *summary;
    uint64_t total_bytes;
    uint64_t total_items;
    struct snapshot_reader
        *firsts; /* a second reader: content of files whose first name is not selected; NULL until needed */
    struct strings first_paths;  /* such first names, and by the same index, */
    struct strings first_places; /* where the file was restored instead */
};

static int write_error(struct error *error, const char *doing, const char *path)
{
    enum error_code code = errno == ENOSPC || errno == EDQUOT ? CSN_NO_SPACE : CSN_TREE_WRITE;
    return error_system(error, code, "%s /%s", doing, path);
}

static void tell(const struct restore *restore, const char *item)
{
    struct progress_state state = {
        .doing = "restoring",
        .item = item,
        .done_bytes = restore->summary->bytes,
        .total_bytes = restore->total_bytes,
        .done_items = restore->summary->entries,
        .total_items = restore->total_items,
    };
    progress_tell(restore->progress, &state);
}

/* --- content --- */

static int write_at(int fd, const uint8_t *data, size_t size_bytes, uint64_t offset, const char *path,
                    struct error *error)
{
    while (size_bytes > 0) {
        ssize_t put = pwrite(fd, data, size_bytes, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return write_error(error, "writing", path);
        }
        data += put;
        offset += (uint64_t)put;
        size_bytes -= (size_t)put;
    }
    return 0;
}

static bool is_zero(const uint8_t *data, size_t size_bytes)
{
    return data[0] == 0 && memcmp(data, data + 1, size_bytes - 1) == 0;
}

/* Writes the runs between blocks of zeros only: the file is new, so what is not written is a hole. */
static int write_sparse(int fd, const uint8_t *data, size_t size_bytes, uint64_t offset, const char *path,
                        struct error *error)
{
    size_t from = 0; /* of the run to be written */
    size_t at = 0;
    while (at < size_bytes) {
        size_t block = BLOCK_BYTES - (size_t)((offset + at) % BLOCK_BYTES);
        block = size_bytes - at < block ? size_bytes - at : block;
        if (is_zero(data + at, block)) {
            if (write_at(fd, data + from, at - from, offset + from, path, error) != 0) {
                return -1;
            }
            from = at + block;
        }
        at += block;
    }
    return write_at(fd, data + from, size_bytes - from, offset + from, path, error);
}

static int write_content(struct restore *restore, int fd, const struct snapshot_entry *entry, struct error *error)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < entry->piece_count; i++) {
        const struct snapshot_piece *piece = &entry->pieces[i];
        if (!snapshot_piece_is_hole(piece)) {
            const uint8_t *data = repository_chunk(restore->repository, piece->id, piece->size_bytes, error);
            if (data == NULL) {
                return error_wrap(error, "/%s", entry->tree.path);
            }
            int result = entry->sparse
                             ? write_sparse(fd, data, (size_t)piece->size_bytes, offset, entry->tree.path, error)
                             : write_at(fd, data, (size_t)piece->size_bytes, offset, entry->tree.path, error);
            if (result != 0) {
                return -1;
            }
        }
        offset += piece->size_bytes;
        restore->summary->bytes += piece->size_bytes;
        tell(restore, entry->tree.path);
    }
    if (ftruncate(fd, (off_t)offset) != 0) {
        return write_error(error, "writing", entry->tree.path);
    }
    return 0;
}

/* --- one entry --- */

static int refuse_existing(struct error *error, const char *path)
{
    return error_set(error, CSN_REPOSITORY_TARGET, "/%s is there already", path);
}

static int restore_file(struct restore *restore, int dir_fd, const char *name, const struct snapshot_entry *content,
                        const struct tree_entry *tree, struct error *error)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? refuse_existing(error, tree->path) : write_error(error, "making", tree->path);
    }
    if (write_content(restore, fd, content, error) != 0) {
        file_drop(&fd);
        return -1;
    }
    if (file_close(&fd, tree->path, error) != 0) {
        return -1;
    }
    restore->summary->files++;
    return tree_entry_apply(dir_fd, name, tree, restore->folders.tolerated, error);
}

static int restore_other(struct restore *restore, int dir_fd, const char *name, const struct tree_entry *tree,
                         struct error *error)
{
    struct stat status;
    struct error trouble = {.code = CSN_NONE};
    struct tree_tolerated *tolerated = restore->folders.tolerated;
    if (fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        return refuse_existing(error, tree->path);
    }
    if (tree_entry_make(dir_fd, name, tree, &trouble) != 0) {
        if (trouble.code == CSN_PRIVILEGE && tolerated != NULL) {
            tolerated->devices++;
            return 0;
        }
        return error_set(error, trouble.code, "%s", trouble.message);
    }
    return tree_entry_apply(dir_fd, name, tree, tolerated, error);
}

/* --- hard links --- */

static int link_to(struct restore *restore, int dir_fd, const char *name, const char *first_place, const char *path,
                   struct error *error)
{
    const char *first_name = NULL;
    int first_fd = tree_path_open_parent(restore->selected.start_fd, first_place, &first_name);
    int result = 0;
    if (first_fd < 0 || linkat(first_fd, first_name, dir_fd, name, 0) != 0) {
        result = errno == EEXIST ? refuse_existing(error, path) : write_error(error, "linking", path);
    }
    file_drop(&first_fd);
    return result;
}

/* The first name's own entry, which holds the content. */
static int find_first(struct restore *restore, const char *path, const struct snapshot_entry **first,
                      struct error *error)
{
    if (restore->firsts == NULL) {
        uint8_t id[SHA256_SIZE];
        if (!hex_decode(snapshot_reader_about(restore->selected.reader)->id, id, SHA256_SIZE)) {
            error_set(error, CSN_INTERNAL, "the id of a snapshot is none");
            return -1;
        }
        restore->firsts = snapshot_reader_open(&restore->repository->snapshots_folder, id, error);
        if (restore->firsts == NULL) {
            return -1;
        }
    }
    if (snapshot_reader_seek(restore->firsts, path, error) != 0) {
        return -1;
    }
    int got = snapshot_reader_next(restore->firsts, first, error);
    if (got < 0) {
        return -1;
    }
    if (got == 0 || strcmp((*first)->tree.path, path) != 0 || (*first)->hardlink != NULL) {
        error_set(error, CSN_REPOSITORY_DAMAGED, "the snapshot has a link to /%s, but not that", path);
        return -1;
    }
    return 0;
}

/* A further name of a file whose first name is not selected: the first of these that comes gets the content. */
static int restore_orphan(struct restore *restore, int dir_fd, const char *name, const char *place,
                          const struct snapshot_entry *entry, struct error *error)
{
    const struct snapshot_entry *first = NULL;
    for (size_t i = 0; i < restore->first_paths.count; i++) {
        if (strcmp(restore->first_paths.items[i], entry->hardlink) == 0) {
            return link_to(restore, dir_fd, name, restore->first_places.items[i], entry->tree.path, error);
        }
    }
    if (find_first(restore, entry->hardlink, &first, error) != 0 ||
        strings_add(&restore->first_paths, entry->hardlink, error) != 0 ||
        strings_add(&restore->first_places, place, error) != 0) {
        return -1;
    }
    if (first->tree.type != entry->tree.type) {
        return error_set(error, CSN_REPOSITORY_DAMAGED, "/%s is said to be the same file as /%s, but is another kind",
                         entry->tree.path, entry->hardlink);
    }
    return first->tree.type == TREE_FILE ? restore_file(restore, dir_fd, name, first, &first->tree, error)
                                         : restore_other(restore, dir_fd, name, &first->tree, error);
}

static int restore_link(struct restore *restore, int dir_fd, const char *name, const char *place,
                        const struct snapshot_entry *entry, struct error *error)
{
    if (!selected_has(&restore->selected, entry->hardlink)) {
        return restore_orphan(restore, dir_fd, name, place, entry, error);
    }
    const char *first_place = selected_place(&restore->selected, entry->hardlink);
    if (first_place == NULL || first_place[0] == '\0') {
        return error_set(error, CSN_NOT_FOUND, "/%s does not lie in /%s", entry->hardlink, restore->selected.strip);
    }
    /* A device that could not be made without root has no name to link to. */
    if (restore->folders.tolerated != NULL && entry->tree.type >= TREE_CHARACTER) {
        restore->folders.tolerated->devices++;
        return 0;
    }
    return link_to(restore, dir_fd, name, first_place, entry->tree.path, error);
}

static int restore_entry(struct restore *restore, const struct snapshot_entry *entry, struct error *error)
{
    const struct tree_entry *tree = &entry->tree;
    const char *place = selected_place(&restore->selected, tree->path);
    const char *name = NULL;
    if (place == NULL) {
        return error_set(error, CSN_NOT_FOUND, "/%s does not lie in /%s", tree->path, restore->selected.strip);
    }
    tell(restore, tree->path);
    restore->summary->entries++;
    if (tree->type == TREE_FOLDER) {
        return restore_folders_enter(&restore->folders, place, tree, error);
    }
    if (place[0] == '\0') {
        return error_set(error, CSN_REPOSITORY_TARGET, "/%s is a %s and cannot take the place of a folder", tree->path,
                         tree_type_name(tree->type));
    }
    int dir_fd = restore_folders_hold(&restore->folders, place, &name, error);
    if (dir_fd < 0) {
        return -1;
    }
    if (entry->hardlink != NULL) {
        return restore_link(restore, dir_fd, name, place, entry, error);
    }
    return tree->type == TREE_FILE ? restore_file(restore, dir_fd, name, entry, tree, error)
                                   : restore_other(restore, dir_fd, name, tree, error);
}

int repository_restore(struct repository *repository, const char *id, const struct repository_selection *selection,
                       const struct progress *progress, struct repository_restore_summary *summary, struct error *error)
{
    struct restore restore = {.repository = repository, .progress = progress, .summary = summary};
    const struct snapshot_entry *entry = NULL;
    int result = -1;
    *summary = (struct repository_restore_summary){0};
    if (selected_open(&restore.selected, repository, id, selection, error) != 0) {
        return -1;
    }
    restore.folders.start_fd = restore.selected.start_fd;
    restore.folders.tolerated = selection->tolerate_refusals ? &summary->tolerated : NULL;
    if (selection->paths == NULL) {
        restore.total_bytes = snapshot_reader_totals(restore.selected.reader)->bytes;
        restore.total_items = snapshot_reader_totals(restore.selected.reader)->entries;
    }
    for (;;) {
        int got = selected_next(&restore.selected, &entry, error);
        if (got < 0 || (got == 1 && restore_entry(&restore, entry, error) != 0)) {
            goto out;
        }
        if (got == 0) {
            break;
        }
    }
    if (restore_folders_leave_all(&restore.folders, error) != 0) {
        goto out;
    }
    if (syncfs(restore.selected.start_fd) != 0) {
        error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_TREE_WRITE, "making what was restored durable");
        goto out;
    }
    result = 0;
out:
    restore_folders_free(&restore.folders);
    selected_close(&restore.selected);
    snapshot_reader_close(restore.firsts);
    strings_free(&restore.first_paths);
    strings_free(&restore.first_places);
    return result;
}
