#include "repository/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/restore_fit.h"
#include "repository/restore_rights.h"
#include "repository/selected.h"
#include "tree/path.h"

struct planning {
    struct repository *repository;
    struct selected selected;
    const struct repository_selection *selection;
    struct statvfs disk;
    struct restore_fit fit;
    struct restore_rights rights;
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
    if (place[0] == '\0') {
        if (tree->type != TREE_FOLDER) {
            note(planning, CSN_REPOSITORY_TARGET, tree->path, "it cannot take the place of a folder");
        }
        return;
    }
    int dir_fd = tree_path_open_parent(planning->selected.start_fd, place, &name);
    int above = errno; /* of a folder that is not there yet: ENOENT */
    if (dir_fd < 0 && above != ENOENT) {
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

/* *fits: it is restored, or (a problem, or left out) it is not. */
static int plan_fit(struct planning *planning, const struct snapshot_entry *entry, const char *place, bool *fits,
                    struct error *error)
{
    const char *why = NULL;
    if (restore_fit_check(&planning->fit, entry, place, &why, error) != 0) {
        return -1;
    }
    *fits = why == NULL;
    if (why == NULL) {
        return 0;
    }
    if (planning->selection->left_out != NULL) {
        planning->plan->left_out++;
        planning->selection->left_out(planning->selection->context, entry->tree.path, why);
    } else {
        note(planning, CSN_REPOSITORY_NAME, entry->tree.path, why);
    }
    return 0;
}

static int plan_entry(struct planning *planning, const struct snapshot_entry *entry, struct error *error)
{
    const struct tree_entry *tree = &entry->tree;
    const char *place = selected_place(&planning->selected, tree->path);
    bool fits = false;
    if (place == NULL) {
        note(planning, CSN_NOT_FOUND, tree->path, "it does not lie below what is to be left out of the names");
        return 0;
    }
    if (plan_fit(planning, entry, place, &fits, error) != 0) {
        return -1;
    }
    if (!fits) {
        return 0;
    }
    planning->plan->entries++;
    plan_place(planning, tree, place);
    if (entry->hardlink != NULL) {
        return 0; /* costs no room: the first name is counted, or (not selected) its first further one is about as large */
    }
    planning->plan->needed_items++;
    if (tree->type == TREE_FILE) {
        plan_content(planning, entry);
    } else if (tree->type == TREE_FOLDER) {
        planning->plan->needed_bytes += planning->disk.f_frsize;
    }
    return planning->selection->tolerate_refusals ? 0 : restore_rights_add(&planning->rights, tree, error);
}

static int plan_entries(struct planning *planning, struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    const struct repository_plan *plan = planning->plan;
    int got;
    while ((got = selected_next(&planning->selected, &entry, error)) == 1) {
        struct progress_state state = {
            .doing = "planning", .item = entry->tree.path, .done_items = plan->entries, .done_bytes = plan->bytes};
        if (plan_entry(planning, entry, error) != 0) {
            return -1;
        }
        progress_tell(planning->progress, &state);
    }
    return got;
}

/* What is not of one path. */
static void plan_whole(const struct planning *planning)
{
    struct repository_plan *plan = planning->plan;
    char text[256];
    for (enum right right = 0; right < RIGHT_COUNT; right++) {
        if (planning->rights.count[right] > 0) {
            snprintf(text, sizeof text, "%s; of %" PRIu64 " entries in all (--without-root goes on without)",
                     restore_rights_name(right), planning->rights.count[right]);
            note(planning, right == RIGHT_DEVICE ? CSN_PRIVILEGE : CSN_TREE_ATTRIBUTE, planning->rights.first[right],
                 text);
        }
    }
    if (faccessat(planning->selected.start_fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        note(planning, CSN_PRIVILEGE, "",
             errno == EROFS ? "the target is read-only" : "the target may not be written to");
    }
    plan->free_bytes = (uint64_t)planning->disk.f_bavail * planning->disk.f_frsize;
    plan->free_items = planning->disk.f_files == 0 ? UINT64_MAX : (uint64_t)planning->disk.f_favail;
    if (plan->needed_bytes > plan->free_bytes) {
        note(planning, CSN_NO_SPACE, "", "there is not enough room");
    }
    if (plan->needed_items > plan->free_items) {
        note(planning, CSN_NO_SPACE, "", "there are not enough inodes");
    }
}

int repository_restore_plan(struct repository *repository, const char *id, const struct repository_selection *selection,
                            void (*problem)(void *context, enum error_code code, const char *path, const char *what),
                            void *context, const struct progress *progress, struct repository_plan *plan,
                            struct error *error)
{
    struct planning planning = {.repository = repository,
                                .selection = selection,
                                .problem = problem,
                                .context = context,
                                .progress = progress,
                                .plan = plan};
    int result = -1;
    *plan = (struct repository_plan){0};
    if (selected_open(&planning.selected, repository, id, selection, error) != 0) {
        return -1;
    }
    int start_fd = planning.selected.start_fd;
    if (fstatvfs(start_fd, &planning.disk) != 0) {
        error_system(error, CSN_IO, "asking for the room to restore into");
    } else if (restore_fit_open(&planning.fit, start_fd, error) == 0 &&
               restore_rights_open(&planning.rights, start_fd, !planning.fit.rules.plain_only, error) == 0 &&
               repository_refresh(repository, error) == 0) {
        result = plan_entries(&planning, error);
    }
    if (result == 0) {
        plan_whole(&planning);
    }
    restore_fit_close(&planning.fit);
    restore_rights_close(&planning.rights);
    selected_close(&planning.selected);
    return result;
}
