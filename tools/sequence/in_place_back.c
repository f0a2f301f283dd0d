/*
 * in_place_back.c - the undoing of in_place.h: a cluster that was migrated where it lies is as in the snapshot again. README.md says in which
 * order, and why.
 */
#include "sequence/in_place.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/root.h"
#include "repository/repository.h"
#include "sequence/deed_inside.h"
#include "sequence/durable.h"
#include "target/installation.h"
#include "tree/exchange.h"
#include "tree/remove.h"

#define STAGING_NAME ".caisson-back"
#define VERSION_NAME "PG_VERSION" /* a cluster without it is not found any more: never missing, not for a moment */

struct undoing {
    struct run *run;
    const struct site *site;
    struct repository *repository;
    const char *snapshot;
    const char *data_path;
    struct strings paths; /* the cluster's folders */
    struct strings
        back; /* without the leading '/': what comes from the snapshot, of a folder that is gone the folder alone */
    struct strings extra; /* likewise: what is not in the snapshot */
    bool version_differs;
    bool links_differ; /* which names are one file */
    bool differs;      /* anything at all */
};

static int compare(struct undoing *undoing, const struct strings *paths,
                   int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                   struct error *error)
{
    const struct repository_selection selection = {.paths = paths, .root_fd = undoing->site->place.root_fd};
    const struct tree_compare_options options = {0};
    struct tree_compare_counts counts;
    return repository_compare(undoing->repository, undoing->snapshot, &selection, &options, differ, undoing,
                              &undoing->run->console->progress, &counts, error);
}

/* --- what differs -------------------------------------------------------------------------------------------------- */

/* True if path, without the leading '/', is that name in the data folder. */
static bool is_named(const struct undoing *undoing, const char *path, const char *name)
{
    size_t length = strlen(undoing->data_path + 1);
    return strncmp(path, undoing->data_path + 1, length) == 0 && path[length] == '/' &&
           strcmp(path + length + 1, name) == 0;
}

static bool is_inside_last(const struct strings *paths, const char *path)
{
    return paths->count > 0 && path_is_inside(path, paths->items[paths->count - 1]);
}

static int on_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    struct undoing *undoing = context;
    const char *path = difference->path;
    const struct tree_entry *now = difference->b;
    bool folders =
        now != NULL && difference->a != NULL && difference->a->type == TREE_FOLDER && now->type == TREE_FOLDER;
    undoing->differs = true;
    undoing->links_differ |= (difference->aspects & TREE_ASPECT_HARDLINKS) != 0;
    if (is_named(undoing, path, CLUSTER_CONTROL) || is_named(undoing, path, CLUSTER_CONTROL_HELD) || folders ||
        is_inside_last(&undoing->back, path) || is_inside_last(&undoing->extra, path)) {
        return 0; /* comes or goes with its folder, or by itself */
    }
    if (is_named(undoing, path, VERSION_NAME)) {
        undoing->version_differs = true;
        return 0;
    }
    return strings_add(difference->a == NULL ? &undoing->extra : &undoing->back, path, error);
}

static bool is_in_cluster(const struct undoing *undoing, const char *path)
{
    bool inside = false;
    for (size_t i = 0; i < undoing->paths.count; i++) {
        inside = inside || path_is_inside(path, undoing->paths.items[i] + 1);
    }
    return inside;
}

/* Names of one file come back together: one alone would be another file. What lies outside is nothing of ours to touch. */
static int on_link(void *context, const struct repository_entry *visited, struct error *error)
{
    struct undoing *undoing = context;
    if (visited->hardlink == NULL || !is_in_cluster(undoing, visited->hardlink)) {
        return 0;
    }
    return strings_add(&undoing->back, visited->hardlink, error) != 0
               ? -1
               : strings_add(&undoing->back, visited->tree->path, error);
}

static int find_differences(struct undoing *undoing, struct error *error)
{
    int result = compare(undoing, &undoing->paths, on_difference, error);
    return result != 0 || !undoing->links_differ
               ? result
               : repository_iterate(undoing->repository, undoing->snapshot, &undoing->paths, on_link, undoing, error);
}

/* Before the control file has its name again nothing else may differ. */
static int on_remaining(void *context, const struct tree_difference *difference, struct error *error)
{
    const struct undoing *undoing = context;
    const char *path = difference->path;
    return is_named(undoing, path, CLUSTER_CONTROL) || is_named(undoing, path, CLUSTER_CONTROL_HELD) ||
                   is_named(undoing, path, VERSION_NAME)
               ? 0
               : error_set(error, CSN_SEQUENCE_ROLLBACK_FAILED, "/%s is not as in the snapshot", path);
}

static int on_any(void *context, const struct tree_difference *difference, struct error *error)
{
    (void)context;
    return error_set(error, CSN_SEQUENCE_ROLLBACK_FAILED, "/%s is not as in the snapshot", difference->path);
}

/* The folders are where they were, by themselves: on a disk that is not mounted, or through a link that somebody has made, nothing would
 * come back to the cluster. */
static int check_folders(const struct undoing *undoing, struct error *error)
{
    for (size_t i = 0; i < undoing->paths.count; i++) {
        const char *path = undoing->paths.items[i];
        struct stat status;
        char *real = root_real_path(undoing->site->place.root_fd, path, error);
        bool is_itself = real != NULL && strcmp(real, path) == 0 &&
                         root_lstat(undoing->site->place.root_fd, path, &status) == 0 && S_ISDIR(status.st_mode);
        if (real != NULL && !is_itself) {
            error_set(error, CSN_SEQUENCE_ROLLBACK_FAILED, "the database's folder %s is %s now, or no folder", path,
                      real);
        }
        free(real);
        if (!is_itself) {
            return -1;
        }
    }
    return 0;
}

/* --- bringing it back ---------------------------------------------------------------------------------------------- */

static int below(const struct undoing *undoing, const char *name, struct buffer *path, struct error *error)
{
    buffer_clear(path);
    buffer_format(path, "%s/%s", undoing->data_path, name);
    return buffer_check(path, error);
}

/* From here on no PostgreSQL starts on it. One of the two names is always there. */
static int hold(const struct undoing *undoing, struct error *error)
{
    int root_fd = undoing->site->place.root_fd;
    struct buffer control = {0};
    struct buffer held = {0};
    int result =
        below(undoing, CLUSTER_CONTROL, &control, error) != 0 || below(undoing, CLUSTER_CONTROL_HELD, &held, error) != 0
            ? -1
            : 0;
    if (result == 0 && root_exists(root_fd, control.data)) {
        result = root_exists(root_fd, held.data) ? tree_remove(root_fd, control.data, NULL, error)
                                                 : tree_move(root_fd, control.data, held.data, error);
    }
    buffer_free(&control);
    buffer_free(&held);
    return result == 0 ? durable_sync(root_fd, &undoing->paths, error) : -1;
}

/* Nothing is followed, and nothing is asked to be durable: it would only be removed again. */
static int remove_one(const struct undoing *undoing, const char *path, struct error *error)
{
    int root_fd = undoing->site->place.root_fd;
    struct stat status;
    const char *name = NULL;
    if (root_lstat(root_fd, path, &status) != 0) {
        return 0;
    }
    if (S_ISDIR(status.st_mode)) {
        return tree_remove(root_fd, path, NULL, error);
    }
    int folder_fd = root_open_parent(root_fd, path, &name, error);
    int result = folder_fd < 0                       ? -1
                 : unlinkat(folder_fd, name, 0) == 0 ? 0
                                                     : error_system(error, CSN_TREE_WRITE, "removing /%s", path);
    file_drop(&folder_fd);
    return result;
}

/* All of it before anything comes: so what comes finds the room that it had. */
static int remove_all(const struct undoing *undoing, const struct strings *paths, struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        const struct progress_state state = {.doing = "removing what the upgrade has written",
                                             .item = paths->items[i],
                                             .done_items = i,
                                             .total_items = paths->count};
        progress_tell(&undoing->run->console->progress, &state);
        result = remove_one(undoing, paths->items[i], error);
    }
    return result;
}

static int restore(const struct undoing *undoing, const struct repository_selection *selection, struct error *error)
{
    struct repository_restore_summary summary;
    return selection->paths->count == 0 ? 0
                                        : repository_restore(undoing->repository, undoing->snapshot, selection,
                                                             &undoing->run->console->progress, &summary, error);
}

static int on_entry(void *context, const struct repository_entry *visited, struct error *error)
{
    const struct undoing *undoing = context;
    const struct tree_entry *entry = visited->tree;
    if (entry->type != TREE_FOLDER) {
        return 0;
    }
    int fd = root_open(undoing->site->place.root_fd, entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
    int result = fd < 0 ? -1 : tree_entry_apply_fd(fd, entry, NULL, error);
    file_drop(&fd);
    return result;
}

/* The folders' times are lost with each name that goes or comes. */
static int finish_folders(struct undoing *undoing, struct error *error)
{
    return repository_iterate(undoing->repository, undoing->snapshot, &undoing->paths, on_entry, undoing, error) != 0
               ? -1
               : durable_sync(undoing->site->place.root_fd, &undoing->paths, error);
}

/* Everything but the control file and PG_VERSION. What was removed is so on the disk, too, before its room is asked for. */
static int bring_back(struct undoing *undoing, struct error *error)
{
    int root_fd = undoing->site->place.root_fd;
    const struct repository_selection selection = {.paths = &undoing->back, .root_fd = root_fd, .leave_unsynced = true};
    return remove_all(undoing, &undoing->extra, error) != 0 || remove_all(undoing, &undoing->back, error) != 0 ||
                   durable_sync(root_fd, &undoing->paths, error) != 0 || restore(undoing, &selection, error) != 0 ||
                   finish_folders(undoing, error) != 0
               ? -1
               : compare(undoing, &undoing->paths, on_remaining, error);
}

/* From the staging folder to its name, in one. */
static int put_in_place(const struct undoing *undoing, const char *name, struct error *error)
{
    int root_fd = undoing->site->place.root_fd;
    struct buffer from = {0};
    struct buffer to = {0};
    int result = -1;
    if (below(undoing, STAGING_NAME, &from, error) == 0 && below(undoing, name, &to, error) == 0) {
        buffer_format(&from, "/%s", name);
        result = buffer_check(&from, error) != 0 ? -1
                 : root_exists(root_fd, to.data) ? tree_exchange(root_fd, from.data, to.data, error)
                                                 : tree_move(root_fd, from.data, to.data, error);
    }
    buffer_free(&from);
    buffer_free(&to);
    return result;
}

/* PG_VERSION if it differs, and last of all the control file: restored aside, durable before either has its name. */
static int bring_last_back(struct undoing *undoing, struct error *error)
{
    int root_fd = undoing->site->place.root_fd;
    struct strings last = {0};
    struct buffer path = {0};
    struct buffer staging = {0};
    int result = below(undoing, STAGING_NAME, &staging, error);
    if (result == 0 && below(undoing, CLUSTER_CONTROL, &path, error) == 0) {
        result = strings_add(&last, path.data, error);
    }
    if (result == 0 && undoing->version_differs && below(undoing, VERSION_NAME, &path, error) == 0) {
        result = strings_add(&last, path.data, error);
    }
    const struct repository_selection aside = {
        .paths = &last, .root_fd = root_fd, .strip = undoing->data_path, .place = staging.data};
    if (result == 0 &&
        (tree_remove(root_fd, staging.data, NULL, error) != 0 ||
         root_make_dirs(root_fd, staging.data, 0700, error) != 0 || restore(undoing, &aside, error) != 0 ||
         (undoing->version_differs && put_in_place(undoing, VERSION_NAME, error) != 0) ||
         put_in_place(undoing, CLUSTER_CONTROL, error) != 0 ||
         below(undoing, CLUSTER_CONTROL_HELD, &path, error) != 0 || tree_remove(root_fd, path.data, NULL, error) != 0 ||
         tree_remove(root_fd, staging.data, NULL, error) != 0)) {
        result = -1;
    }
    strings_free(&last);
    buffer_free(&path);
    buffer_free(&staging);
    return result;
}

/* The folder that the control file lies in, and PG_VERSION. */
static int compare_last(struct undoing *undoing, struct error *error)
{
    struct strings last = {0};
    struct buffer path = {0};
    int result = below(undoing, "global", &path, error) == 0 ? strings_add(&last, path.data, error) : -1;
    if (result == 0 && below(undoing, VERSION_NAME, &path, error) == 0) {
        result = strings_add(&last, path.data, error) == 0 ? compare(undoing, &last, on_any, error) : -1;
    }
    strings_free(&last);
    buffer_free(&path);
    return result;
}

static int record_back(const struct undoing *undoing, int64_t milliseconds, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", undoing->site->place.step);
    yyjson_mut_obj_add_str(document, fields, "snapshot", undoing->snapshot);
    yyjson_mut_obj_add_uint(document, fields, "restored", undoing->back.count);
    yyjson_mut_obj_add_uint(document, fields, "removed", undoing->extra.count);
    yyjson_mut_obj_add_sint(document, fields, "ms", milliseconds);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(undoing->site->place.journal, "cluster-back", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

int in_place_undo(struct run *run, struct site *site, struct error *error)
{
    yyjson_val *intent = in_place_intent(site->place.journal);
    int64_t begun_ms = clock_monotonic_ms();
    if (intent == NULL) {
        return 0;
    }
    struct undoing undoing = {.run = run,
                              .site = site,
                              .snapshot = journal_get(intent, "snapshot"),
                              .data_path = journal_get(intent, "path")};
    console_say(run->console, "  the database is brought back from the snapshot %.12s", undoing.snapshot);
    int result = in_place_add_paths(site->place.journal, &undoing.paths, error);
    if (result == 0) {
        undoing.repository = run_open_repository(run, REPOSITORY_READ, error);
        result = undoing.repository == NULL ? -1 : check_folders(&undoing, error);
    }
    if (result == 0) {
        result = find_differences(&undoing, error);
    }
    if (result == 0 && undoing.differs &&
        (hold(&undoing, error) != 0 || bring_back(&undoing, error) != 0 || bring_last_back(&undoing, error) != 0 ||
         finish_folders(&undoing, error) != 0 || compare_last(&undoing, error) != 0)) {
        result = -1;
    }
    if (result == 0 && record_back(&undoing, clock_monotonic_ms() - begun_ms, error) == 0) {
        result = deed_record_of(&site->place, "undone", journal_get_number(intent, "seq"), false, error);
    } else {
        result = -1;
    }
    repository_close(undoing.repository);
    strings_free(&undoing.paths);
    strings_free(&undoing.back);
    strings_free(&undoing.extra);
    return result;
}
