#include "tree/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/flush.h"
#include "lib/root.h"
#include "tree/internal.h"
#include "tree/path.h"
#include "tree/walk.h"

struct copier {
    const struct tree_copy_options *options;
    const struct progress *progress;
    struct tree_copy_report report; /* complete at the end */
    struct tree_file_copies files;
    struct tree_tolerated *tolerated; /* of the walking thread; NULL: nothing is */
    struct tree_ladder ladder;        /* the folders of the destination, as the walk is in those of the source */
    struct tree_links links;
    const char *name; /* of the destination in rung 0 */
};

static const char *destination_name(const struct copier *copier, const struct tree_visit *visit)
{
    return visit->entry->path[0] == '\0' ? copier->name : visit->name;
}

static void tell(const struct copier *copier, const char *path)
{
    const struct progress_state state = {
        .doing = TREE_COPY_DOING,
        .item = path,
        .done_bytes = atomic_load(&copier->files.copied.copied_bytes) + atomic_load(&copier->files.copied.shared_bytes),
        .total_bytes = copier->options->total_bytes,
        .done_items = copier->report.items,
        .total_items = copier->options->total_items,
    };
    progress_tell(copier->progress, &state);
}

static void meanwhile(void *files)
{
    const struct copier *copier = (const struct copier *)((char *)files - offsetof(struct copier, files));
    tell(copier, NULL);
}

static int copy_file(struct copier *copier, const struct tree_visit *visit, const char *name, struct error *error)
{
    const struct tree_entry *entry = visit->entry;
    int from_fd = tree_entry_open(visit->dir_fd, visit->name, entry, error);
    if (from_fd < 0) {
        return -1;
    }
    int to_fd =
        openat(tree_ladder_fd(&copier->ladder), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to_fd < 0) {
        error_system(error, tree_error_code(CSN_TREE_WRITE), "making the copy of %s", entry->path);
        file_drop(&from_fd);
        return -1;
    }
    return tree_file_copies_add(&copier->files, from_fd, to_fd, entry, error);
}

/* A further name of a file that has been copied. */
static int link_again(struct copier *copier, const char *first, const struct tree_entry *entry, const char *name,
                      struct error *error)
{
    const char *first_name = NULL;
    int top_fd = tree_path_open(copier->ladder.rungs[0].fd, copier->name, O_PATH | O_DIRECTORY);
    int first_fd = top_fd < 0 ? -1 : tree_path_open_parent(top_fd, first, &first_name);
    int result = 0;
    if (first_fd < 0 || linkat(first_fd, first_name, tree_ladder_fd(&copier->ladder), name, 0) != 0) {
        result = error_system(error, tree_error_code(CSN_TREE_WRITE), "linking the copy of %s to that of %s",
                              entry->path, first);
    }
    file_drop(&first_fd);
    file_drop(&top_fd);
    copier->report.hardlinks += result == 0 ? 1 : 0;
    return result;
}

static int copy_other(struct copier *copier, const struct tree_entry *entry, const char *name, struct error *error)
{
    bool is_device = entry->type == TREE_CHARACTER || entry->type == TREE_BLOCK;
    struct error local = {0};
    if (tree_entry_make(tree_ladder_fd(&copier->ladder), name, entry, &local) != 0) {
        if (is_device && local.code == CSN_PRIVILEGE && copier->tolerated != NULL) {
            copier->tolerated->devices++;
            return 0;
        }
        return error_set(error, local.code, "%s", local.message);
    }
    return tree_entry_apply(tree_ladder_fd(&copier->ladder), name, entry, copier->tolerated, error);
}

/* A default ACL of the folder above would be handed down to everything, and may keep even us out of what we made. */
static int drop_inherited(int dir_fd, const char *name, struct error *error)
{
    struct tree_place place;
    tree_place_name(&place, dir_fd, name);
    if (tree_xattrs_remove_acls(&place, name, error) != 0) {
        return -1;
    }
    if (fchmodat(dir_fd, name, 0700, AT_SYMLINK_NOFOLLOW) != 0) {
        return error_system(error, CSN_TREE_ATTRIBUTE, "setting the mode of %s", name);
    }
    return 0;
}

/* mkfs leaves lost+found; anything else is somebody's. */
static int check_empty(int dir_fd, const char *name, struct error *error)
{
    struct tree_names names = {0};
    int fd = tree_open_quietly(dir_fd, name, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_TREE_WRITE, "opening %s", name);
    }
    int result = tree_names_list(&names, fd, name, error);
    const char *found = NULL;
    do {
        found = tree_names_next(&names);
    } while (found != NULL && strcmp(found, "lost+found") == 0);
    if (result == 0 && found != NULL) {
        result = error_set(error, CSN_TREE_WRITE, "copying into %s: it is not empty, there is %s", name, found);
    }
    tree_names_free(&names);
    file_drop(&fd);
    return result;
}

static int enter_folder(struct copier *copier, const struct tree_entry *entry, const char *name, bool is_mount,
                        struct error *error)
{
    bool is_start = entry->path[0] == '\0';
    int dir_fd = tree_ladder_fd(&copier->ladder);
    bool is_there = is_start && copier->options->into_existing;
    if ((is_there ? check_empty(dir_fd, name, error) : tree_entry_make(dir_fd, name, entry, error)) != 0) {
        return -1;
    }
    if (is_start && drop_inherited(dir_fd, name, error) != 0) {
        return -1;
    }
    if (is_mount) {
        return tree_entry_apply(dir_fd, name, entry, copier->tolerated, error);
    }
    int entered = tree_ladder_enter(&copier->ladder, name, entry->path, NULL, error);
    if (entered > 0) {
        return error_set(error, CSN_TREE_WRITE, "the copy of the folder %s is not a folder", entry->path);
    }
    return entered;
}

static int leave_folder(struct copier *copier, const struct tree_entry *entry, struct error *error)
{
    if (tree_entry_apply_fd(tree_ladder_fd(&copier->ladder), entry, copier->tolerated, error) != 0) {
        return -1;
    }
    return tree_ladder_leave(&copier->ladder, entry->path, error);
}

static int copy_visit(void *context, const struct tree_visit *visit, struct error *error)
{
    struct copier *copier = context;
    const struct tree_entry *entry = visit->entry;
    const char *name = destination_name(copier, visit);
    if (visit->event == TREE_LEAVE) {
        return leave_folder(copier, entry, error);
    }
    copier->report.items++;
    if (entry->type == TREE_FOLDER) {
        return enter_folder(copier, entry, name, visit->is_mount, error);
    }
    bool may_be_missing = copier->tolerated != NULL && entry->type >= TREE_CHARACTER;
    if (entry->nlink > 1 && entry->path[0] != '\0' && !may_be_missing) {
        const char *first = NULL;
        if (tree_links_seen(&copier->links, entry->dev, entry->ino, entry->path, &first, error) != 0) {
            return -1;
        }
        if (first != NULL) {
            return link_again(copier, first, entry, name, error);
        }
    }
    int result =
        entry->type == TREE_FILE ? copy_file(copier, visit, name, error) : copy_other(copier, entry, name, error);
    tell(copier, entry->path);
    return result;
}

/* syncfs(2) covers every file of the copy at once and reports what could not be written. */
static int make_durable(const struct copier *copier, const char *path, struct error *error)
{
    int top_fd = copier->ladder.rungs[0].fd;
    int inside_fd = tree_path_open(top_fd, copier->name, O_RDONLY | O_DIRECTORY);
    int result = 0;
    /* `into_existing` may be a mount point: the file system to sync is the one inside. */
    if (flush_file_system(inside_fd >= 0 ? inside_fd : top_fd, copier->progress) != 0 || fsync(top_fd) != 0) {
        result = error_system(error, tree_error_code(CSN_TREE_WRITE), "making the copy %s durable", path);
    }
    file_drop(&inside_fd);
    return result;
}

static int start(struct copier *copier, int destination_fd, const char *path, struct error *error)
{
    int dir_fd;
    copier->name = ".";
    if (copier->options->into_existing && (path[0] == '\0' || (path[0] == '/' && path[1] == '\0'))) {
        dir_fd = root_open(destination_fd, "/", O_RDONLY | O_DIRECTORY, 0, error);
    } else {
        dir_fd = root_open_parent(destination_fd, path, &copier->name, error);
    }
    return dir_fd < 0 ? -1 : tree_ladder_start(&copier->ladder, dir_fd, error);
}

int tree_copy(int source_fd, const char *source_path, int destination_fd, const char *destination_path,
              const struct tree_copy_options *options, const struct progress *progress, struct tree_copy_report *report,
              struct error *error)
{
    struct copier copier = {.options = options, .progress = progress};
    copier.files = (struct tree_file_copies){.tolerate = options->tolerate_refusals, .meanwhile = meanwhile};
    copier.tolerated = options->tolerate_refusals ? &copier.files.tolerated : NULL;
    const struct tree_walk_options walk = {
        .one_file_system = options->one_file_system,
        .want_xattrs = true,
        .want_leave = true,
        .excludes = options->excludes,
    };
    int result = start(&copier, destination_fd, destination_path, error);
    if (result == 0) {
        result = tree_walk(source_fd, source_path, &walk, copy_visit, &copier, error) != 0 ||
                         tree_file_copies_finish(&copier.files, error) != 0
                     ? -1
                     : 0;
    }
    tree_file_copies_end(&copier.files);
    if (result == 0 && !options->leave_unsynced) {
        result = make_durable(&copier, destination_path, error);
    }
    if (report != NULL) {
        *report = copier.report;
        report->files = atomic_load(&copier.files.copied.files);
        report->copied_bytes = atomic_load(&copier.files.copied.copied_bytes);
        report->shared_bytes = atomic_load(&copier.files.copied.shared_bytes);
        report->tolerated = copier.files.tolerated;
    }
    tree_links_free(&copier.links);
    tree_ladder_free(&copier.ladder);
    return result;
}
