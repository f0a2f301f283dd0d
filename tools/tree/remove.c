#include "tree/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"
#include "tree/internal.h"
#include "tree/walk.h"

struct remover {
    const struct progress *progress;
    const char *path; /* as given, for messages */
    uint64_t found;
    uint64_t removed;
};

static int look(void *context, const struct tree_visit *visit, struct error *error)
{
    struct remover *remover = context;
    remover->found++;
    if (visit->is_mount) {
        return error_set(error, CSN_TREE_WRITE, "removing %s: something is mounted at %s in it; nothing was removed",
                         remover->path, visit->entry->path);
    }
    return 0;
}

static int remove_one(void *context, const struct tree_visit *visit, struct error *error)
{
    struct remover *remover = context;
    const struct tree_entry *entry = visit->entry;
    if (visit->is_mount) {
        return error_set(error, CSN_TREE_WRITE, "removing %s: something is mounted at %s in it", remover->path,
                         entry->path);
    }
    if (visit->event == TREE_VANISHED) {
        return 0;
    }
    if (visit->event == TREE_ENTER && entry->type == TREE_FOLDER) {
        /* Without root a folder without its own w and x bits could not be emptied. A refusal shows at the first file. */
        if ((entry->mode & 0700) != 0700 && geteuid() != 0) {
            (void)!fchmodat(visit->dir_fd, visit->name, 0700, AT_SYMLINK_NOFOLLOW);
        }
        return 0;
    }
    if (unlinkat(visit->dir_fd, visit->name, visit->event == TREE_LEAVE ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT) {
        return error_system(error, CSN_TREE_WRITE, "removing %s/%s", remover->path, entry->path);
    }
    remover->removed++;
    const struct progress_state state = {
        .doing = "removing files",
        .item = entry->path,
        .done_items = remover->removed,
        .total_items = remover->found,
    };
    progress_tell(remover->progress, &state);
    return 0;
}

/* The walk tells mounts inside the tree; whether the top is one, only the folder above it does. */
static int refuse_mount_point(int dir_fd, const char *name, const char *path, struct error *error)
{
    struct tree_entry holder;
    struct tree_entry top;
    if (tree_entry_fill(&holder, dir_fd, ".", path, false, error) != 0 ||
        tree_entry_fill(&top, dir_fd, name, path, false, error) != 0) {
        return -1;
    }
    bool is_mount = holder.mount_id != 0 ? holder.mount_id != top.mount_id : holder.dev != top.dev;
    tree_entry_free(&top);
    return is_mount ? error_set(error, CSN_TREE_WRITE, "removing %s: it is a mount point; nothing was removed", path)
                    : 0;
}

int tree_remove(int root_fd, const char *path, const struct progress *progress, struct error *error)
{
    if (path[strspn(path, "/.")] == '\0') {
        return error_set(error, CSN_INTERNAL, "asked to remove a whole root (\"%s\")", path);
    }
    struct remover remover = {.progress = progress, .path = path};
    const char *name = NULL;
    struct stat status;
    if (root_lstat(root_fd, path, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return 0;
    }
    int dir_fd = root_open_parent(root_fd, path, &name, error);
    if (dir_fd < 0) {
        return -1;
    }
    struct tree_walk_options options = {.one_file_system = true, .tolerate_vanished = true};
    int result = refuse_mount_point(dir_fd, name, path, error);
    if (result == 0) {
        result = tree_walk(root_fd, path, &options, look, &remover, error);
    }
    options.want_leave = true;
    if (result == 0) {
        result = tree_walk(root_fd, path, &options, remove_one, &remover, error);
    }
    if (result == 0 && fsync(dir_fd) != 0 && errno != EINVAL) {
        result = error_system(error, CSN_TREE_WRITE, "making the removal of %s durable", path);
    }
    file_drop(&dir_fd);
    return result;
}
