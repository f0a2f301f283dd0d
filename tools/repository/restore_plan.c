#include "repository/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/selected.h"
#include "tree/path.h"

struct planning {
    struct repository *repository;
    struct selected selected;
    struct statvfs disk;
    void (*problem)(void *context, enum error_code code, const char *path, const char *what);
    void *context;
    const struct progress *progress;
    struct repository_plan *plan;
};

static void note(const struct planning *planning, enum error_code code, const char *path, const char *what)
{
    planning->plan->problems++;
    if (planning->problem != NULL) {
        planning->problem(planning->context, code, path, what);
    }
}

static bool is_there(const struct repository *repository, const struct snapshot_piece *piece)
{
    const struct chunk_place *place = chunks_find(&repository->chunks, piece->id);
    while (place != NULL && place->size_bytes != piece->size_bytes) {
        place = chunks_next(&repository->chunks, place);
    }
    return place != NULL;
}

static void plan_content(const struct planning *planning, const struct snapshot_entry *entry)
{
    uint64_t bytes = 0;
    bool whole = true;
    for (size_t i = 0; i < entry->piece_count; i++) {
        const struct snapshot_piece *piece = &entry->pieces[i];
        if (!snapshot_piece_is_hole(piece)) {
            bytes += piece->size_bytes;
            whole = whole && is_there(planning->repository, piece);
        }
    }
    uint64_t block = planning->disk.f_frsize;
    planning->plan->needed_bytes += (bytes + block - 1) / block * block;
    planning->plan->files++;
    planning->plan->bytes += entry->tree.size_bytes;
    if (!whole) {
        note(planning, CSN_REPOSITORY_DAMAGED, entry->tree.path, "a chunk of it is in no pack that is whole");
    }
}

/* A folder may be there; nothing else may. */
static void plan_place(const struct planning *planning, const struct tree_entry *tree, const char *place)
{
    struct stat status;
    const char *name = NULL;
    int dir_fd = tree_path_open_parent(planning->selected.start_fd, place, &name);
    int above = errno; /* of a folder that is not there yet: ENOENT */
    const char *slash = strrchr(place, '/');
    if (strlen(slash == NULL ? place : slash + 1) > planning->disk.f_namemax) {
        note(planning, CSN_REPOSITORY_NAME, tree->path, "its name is too long for the file system");
    } else if (dir_fd < 0 && above != ENOENT && above != ENAMETOOLONG) {
        note(planning, CSN_REPOSITORY_TARGET, tree->path, "what lies above it is no folder");
    } else if (dir_fd >= 0 && fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        if (!S_ISDIR(status.st_mode) || tree->type != TREE_FOLDER) {
            note(planning, CSN_REPOSITORY_TARGET, tree->path, "it is there already");
        }
    } else if (dir_fd >= 0 && errno != ENOENT) {
        note(planning, CSN_REPOSITORY_NAME, tree->path, strerror(errno));
    }
    file_drop(&dir_fd);
}

static void plan_entry(const struct planning *planning, const struct snapshot_entry *entry)
{
    const struct tree_entry *tree = &entry->tree;
    const char *place = selected_place(&planning->selected, tree->path);
    planning->plan->entries++;
    if (place == NULL) {
        note(planning, CSN_NOT_FOUND, tree->path, "it does not lie below what is to be left out of the names");
        return;
    }
    plan_place(planning, tree, place);
    if (entry->hardlink != NULL) {
        return; /* costs no room: the first name is counted, or (not selected) its first further one is about as large */
    }
    planning->plan->needed_items++;
    if (tree->type == TREE_FILE) {
        plan_content(planning, entry);
    } else if (tree->type == TREE_FOLDER) {
        planning->plan->needed_bytes += planning->disk.f_frsize;
    }
}

int repository_restore_plan(struct repository *repository, const char *id, const struct repository_selection *selection,
                            void (*problem)(void *context, enum error_code code, const char *path, const char *what),
                            void *context, const struct progress *progress, struct repository_plan *plan,
                            struct error *error)
{
    struct planning planning = {
        .repository = repository, .problem = problem, .context = context, .progress = progress, .plan = plan};
    const struct snapshot_entry *entry = NULL;
    int got = -1;
    *plan = (struct repository_plan){0};
    if (selected_open(&planning.selected, repository, id, selection, error) != 0) {
        return -1;
    }
    if (fstatvfs(planning.selected.start_fd, &planning.disk) != 0) {
        error_system(error, CSN_IO, "asking for the room to restore into");
    } else if (repository_refresh(repository, error) == 0) {
        while ((got = selected_next(&planning.selected, &entry, error)) == 1) {
            struct progress_state state = {
                .doing = "planning", .item = entry->tree.path, .done_items = plan->entries, .done_bytes = plan->bytes};
            plan_entry(&planning, entry);
            progress_tell(progress, &state);
        }
    }
    selected_close(&planning.selected);
    plan->free_bytes = (uint64_t)planning.disk.f_bavail * planning.disk.f_frsize;
    plan->free_items = planning.disk.f_files == 0 ? UINT64_MAX : (uint64_t)planning.disk.f_favail;
    if (got == 0 && plan->needed_bytes > plan->free_bytes) {
        note(&planning, CSN_NO_SPACE, "", "there is not enough room");
    }
    if (got == 0 && plan->needed_items > plan->free_items) {
        note(&planning, CSN_NO_SPACE, "", "there are not enough inodes");
    }
    return got;
}
