#include "repository/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/flush.h"
#include "repository/internal.h"
#include "repository/restore_files.h"
#include "repository/restore_folders.h"
#include "repository/restore_left_out.h"
#include "repository/restore_remains.h"
#include "repository/selected.h"
#include "tree/path.h"

static void tell(void *context, const char *item)
{
    const struct restore *restore = context;
    struct progress_state state = {
        .doing = "restoring",
        .item = item,
        .done_bytes = restore_files_bytes(restore->files),
        .total_bytes = restore->total_bytes,
        .done_items = restore->summary->entries,
        .total_items = restore->total_items,
    };
    progress_tell(restore->progress, &state);
}

/* --- one entry --- */

static int refuse_existing(struct error *error, const char *path)
{
    return error_set(error, CSN_REPOSITORY_TARGET, "/%s is there already", path);
}

/* The entry stands in the reader at hand, and is taken out of it. */
static int restore_file(struct restore *restore, int dir_fd, const char *name, const char *place,
                        struct snapshot_reader *reader, const struct snapshot_entry *entry, struct error *error)
{
    struct snapshot_entry taken;
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return errno == EEXIST ? refuse_existing(error, entry->tree.path)
                               : restore_refused(error, "making", entry->tree.path);
    }
    restore->summary->files++;
    snapshot_reader_take_entry(reader, &taken);
    return restore_files_add(restore->files, fd, place, &taken, error);
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
    if (tree_entry_apply(dir_fd, name, tree, tolerated, error) != 0) {
        (void)unlinkat(dir_fd, name, 0);
        return -1;
    }
    return 0;
}

/* --- hard links --- */

static int link_to(struct restore *restore, int dir_fd, const char *name, const char *first_place, const char *path,
                   struct error *error)
{
    const char *first_name = NULL;
    int first_fd = tree_path_open_parent(restore->selected.start_fd, first_place, &first_name);
    int result = 0;
    if (first_fd < 0 || linkat(first_fd, first_name, dir_fd, name, 0) != 0) {
        result = errno == EEXIST ? refuse_existing(error, path) : restore_refused(error, "linking", path);
    }
    file_drop(&first_fd);
    return result;
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
    if (selected_first(&restore->selected, entry->hardlink, entry->tree.type, &first, error) != 0 ||
        strings_add(&restore->first_paths, entry->hardlink, error) != 0 ||
        strings_add(&restore->first_places, place, error) != 0) {
        return -1;
    }
    return first->tree.type == TREE_FILE
               ? restore_file(restore, dir_fd, name, place, restore->selected.firsts, first, error)
               : restore_other(restore, dir_fd, name, &first->tree, error);
}

static int restore_link(struct restore *restore, int dir_fd, const char *name, const char *place,
                        const struct snapshot_entry *entry, struct error *error)
{
    if (!selected_has(&restore->selected, entry->hardlink) ||
        restore_left_out_has(&restore->left_out, entry->hardlink)) {
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
    if (restore_left_out_has(&restore->left_out, tree->path)) {
        return 0;
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
    return tree->type == TREE_FILE ? restore_file(restore, dir_fd, name, place, restore->selected.reader, entry, error)
                                   : restore_other(restore, dir_fd, name, tree, error);
}

/* --- the whole --- */

static int restore_all(struct restore *restore, struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    int got;
    while ((got = selected_next(&restore->selected, &entry, error)) == 1) {
        if (restore_entry(restore, entry, error) != 0) {
            return -1;
        }
    }
    return got < 0 || restore_folders_leave_all(&restore->folders, error) != 0 ||
                   restore_files_finish(restore->files, error) != 0
               ? -1
               : 0;
}

static int make_durable(const struct restore *restore, struct error *error)
{
    return flush_file_system(restore->selected.start_fd, restore->progress) == 0
               ? 0
               : error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_TREE_WRITE,
                              "making what was restored durable");
}

int repository_restore(struct repository *repository, const char *id, const struct repository_selection *selection,
                       const struct progress *progress, struct repository_restore_summary *summary, struct error *error)
{
    struct restore restore = {.repository = repository, .progress = progress, .summary = summary};
    struct restore_files_options options = {
        .tolerate_refusals = selection->tolerate_refusals,
        .skip_damaged = selection->damaged != NULL,
        .went_on = tell,
        .context = &restore,
    };
    *summary = (struct repository_restore_summary){0};
    /* A writer may have added the snapshot and its packs since the repository was opened. */
    if (selected_open(&restore.selected, repository, id, selection, error) != 0 ||
        repository_refresh(repository, error) != 0 ||
        restore_left_out_find(&restore.left_out, repository, id, selection, error) != 0 ||
        (restore.files = restore_files_new(repository, &options, error)) == NULL) {
        strings_free(&restore.left_out);
        selected_close(&restore.selected);
        return -1;
    }
    summary->left_out = restore.left_out.count;
    summary->is_remnant = repository_is_incomplete(snapshot_reader_about(restore.selected.reader));
    restore.folders.start_fd = restore.selected.start_fd;
    restore.folders.tolerated = selection->tolerate_refusals ? &summary->tolerated : NULL;
    if (selection->paths == NULL) {
        restore.total_bytes = snapshot_reader_totals(restore.selected.reader)->bytes;
        restore.total_items = snapshot_reader_totals(restore.selected.reader)->entries;
    }
    bool marked = restore_mark_incomplete(&restore, id, selection, error) == 0;
    int result = marked ? restore_all(&restore, error) : -1;
    summary->bytes = restore_files_bytes(restore.files);
    if (result == 0) {
        result = restore_set_damaged_aside(&restore, id, selection, error);
    }
    restore_files_stop(restore.files);
    restore_files_tolerated(restore.files, &summary->tolerated);
    if (result != 0) {
        restore_remove_undone(&restore, id, selection);
    }
    if (result == 0 && !selection->leave_unsynced) {
        result = make_durable(&restore, error);
    }
    if (marked && result == 0) {
        summary->complete = true;
        result = restore_unmark_incomplete(&restore, selection, error);
    } else if (marked && summary->entries == 0) {
        struct error unused; /* the first one counts */
        (void)!restore_unmark_incomplete(&restore, selection, &unused);
    }
    restore_files_free(restore.files);
    restore_folders_free(&restore.folders);
    selected_close(&restore.selected);
    strings_free(&restore.left_out);
    strings_free(&restore.first_paths);
    strings_free(&restore.first_places);
    return result;
}
