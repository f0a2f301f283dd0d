#include "tree/walk.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "tree/internal.h"
#include "tree/path.h"

/* A folder on the way down. */
struct level {
    struct tree_entry entry; /* its path is NULL: the walker's buffer has it */
    size_t path_bytes;       /* length of its path */
    struct tree_names names; /* those still to come */
};

struct tree_walker {
    struct tree_walk_options options;
    struct tree_ladder ladder; /* rung 0 holds the start; rung n is level n - 1 */
    struct level *levels;
    size_t depth;
    size_t allocated;
    struct buffer path;
    char *start_name;
    uint64_t start_mount_id;
    uint64_t start_dev;
    struct tree_entry current; /* the one shown last; its path is the buffer's */
    bool is_started;
    bool is_entering; /* current is a folder that comes next */
};

/* The path at hand for a message: that of the start has no name of its own. */
static const char *shown(const struct tree_walker *walker)
{
    return walker->path.size == 0 ? walker->start_name : walker->path.data;
}

static void drop_current(struct tree_walker *walker)
{
    walker->current.path = NULL;
    tree_entry_free(&walker->current);
}

static int grow_levels(struct tree_walker *walker, struct error *error)
{
    if (walker->depth < walker->allocated) {
        return 0;
    }
    size_t allocated = walker->allocated == 0 ? 16 : walker->allocated * 2;
    struct level *levels = realloc(walker->levels, allocated * sizeof *levels);
    if (levels == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for %zu folders inside one another", allocated);
    }
    memset(levels + walker->allocated, 0, (allocated - walker->allocated) * sizeof *levels);
    walker->levels = levels;
    walker->allocated = allocated;
    return 0;
}

/* The name of what the path buffer holds, in the folder above it. */
static const char *last_name(const struct tree_walker *walker)
{
    const char *path = buffer_text(&walker->path);
    if (path[0] == '\0') {
        return walker->start_name;
    }
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int show(struct tree_walker *walker, enum tree_event event, struct tree_visit *visit)
{
    walker->current.path = walker->path.data;
    *visit = (struct tree_visit){
        .event = event,
        .entry = &walker->current,
        .dir_fd = tree_ladder_fd(&walker->ladder),
        .name = last_name(walker),
    };
    return 1;
}

static int show_vanished(struct tree_walker *walker, struct tree_visit *visit, struct error *error)
{
    if (!walker->options.tolerate_vanished) {
        return error_set(error, CSN_TREE_READ, "%s disappeared while its tree was being read", shown(walker));
    }
    drop_current(walker);
    return show(walker, TREE_VANISHED, visit);
}

/* Goes into the folder shown last. 0; 1 if it is gone; -1. */
static int enter(struct tree_walker *walker, struct error *error)
{
    int entered = tree_ladder_enter(&walker->ladder, last_name(walker), shown(walker), &walker->current, error);
    if (entered != 0) {
        return entered;
    }
    if (grow_levels(walker, error) != 0) {
        return -1;
    }
    struct level *level = &walker->levels[walker->depth++];
    level->entry = walker->current;
    level->entry.path = NULL;
    walker->current = (struct tree_entry){0};
    level->path_bytes = walker->path.size;
    return tree_names_list(&level->names, tree_ladder_fd(&walker->ladder), shown(walker), error);
}

static void cut_path(struct tree_walker *walker, size_t size_bytes)
{
    walker->path.size = size_bytes;
    walker->path.data[size_bytes] = '\0';
}

/* Up out of the lowest folder, whose entry becomes the current one. */
static int leave(struct tree_walker *walker, struct error *error)
{
    struct level *level = &walker->levels[--walker->depth];
    cut_path(walker, level->path_bytes);
    walker->current = level->entry;
    level->entry = (struct tree_entry){0};
    return tree_ladder_leave(&walker->ladder, shown(walker), error);
}

static bool is_other_mount(const struct tree_walker *walker)
{
    if (walker->start_mount_id != 0 && walker->current.mount_id != 0) {
        return walker->current.mount_id != walker->start_mount_id;
    }
    return walker->current.dev != walker->start_dev;
}

/* Reads and shows what the path buffer names. */
static int show_entry(struct tree_walker *walker, const char *name, struct tree_visit *visit, struct error *error)
{
    struct error local = {0};
    if (tree_entry_fill(&walker->current, tree_ladder_fd(&walker->ladder), name, shown(walker),
                        walker->options.want_xattrs, &local) != 0) {
        if (local.code == CSN_NOT_FOUND && walker->is_started) {
            return show_vanished(walker, visit, error);
        }
        return error_set(error, local.code, "%s", local.message);
    }
    if (!walker->is_started) {
        walker->start_mount_id = walker->current.mount_id;
        walker->start_dev = walker->current.dev;
        walker->is_started = true;
    }
    show(walker, TREE_ENTER, visit);
    visit->is_mount = walker->options.one_file_system && is_other_mount(walker);
    walker->is_entering = walker->current.type == TREE_FOLDER && !visit->is_mount;
    return 1;
}

int tree_walker_next(struct tree_walker *walker, struct tree_visit *visit, struct error *error)
{
    if (!walker->is_started) {
        return show_entry(walker, walker->start_name, visit, error);
    }
    if (walker->is_entering) {
        walker->is_entering = false;
        int entered = enter(walker, error);
        if (entered != 0) {
            return entered < 0 ? -1 : show_vanished(walker, visit, error);
        }
    }
    drop_current(walker);
    while (walker->depth > 0) {
        struct level *level = &walker->levels[walker->depth - 1];
        cut_path(walker, level->path_bytes);
        const char *name = tree_names_next(&level->names);
        if (name == NULL) {
            if (leave(walker, error) != 0) {
                return -1;
            }
            if (walker->options.want_leave) {
                return show(walker, TREE_LEAVE, visit);
            }
            drop_current(walker);
            continue;
        }
        if (level->path_bytes > 0) {
            buffer_append(&walker->path, "/", 1);
        }
        buffer_string(&walker->path, name);
        if (buffer_check(&walker->path, error) != 0) {
            return -1;
        }
        if (!tree_path_matches(walker->options.excludes, walker->path.data)) {
            return show_entry(walker, name, visit, error);
        }
    }
    return 0;
}

void tree_walker_skip(struct tree_walker *walker)
{
    walker->is_entering = false;
}

/* Opens the folder that holds the start and finds the start's name in it. */
static int open_start(struct tree_walker *walker, int root_fd, const char *path, struct error *error)
{
    const char *name = ".";
    int dir_fd = -1;
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    char *trimmed = strndup(path, length);
    if (trimmed == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    if (length == 0 || strcmp(trimmed, ".") == 0) {
        dir_fd = root_open(root_fd, "/", O_RDONLY | O_DIRECTORY, 0, error);
    } else {
        dir_fd = root_open_parent(root_fd, trimmed, &name, error);
    }
    walker->start_name = strdup(name);
    free(trimmed);
    if (dir_fd < 0) {
        return -1;
    }
    if (walker->start_name == NULL) {
        file_drop(&dir_fd);
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    return tree_ladder_start(&walker->ladder, dir_fd, error);
}

struct tree_walker *tree_walker_open(int root_fd, const char *path, const struct tree_walk_options *options,
                                     struct error *error)
{
    struct tree_walker *walker = calloc(1, sizeof *walker);
    if (walker == NULL) {
        error_set(error, CSN_MEMORY, "no memory for reading the tree %s", path);
        return NULL;
    }
    walker->options = *options;
    buffer_append(&walker->path, "", 0);
    if (buffer_check(&walker->path, error) != 0 || open_start(walker, root_fd, path, error) != 0) {
        tree_walker_close(walker);
        return NULL;
    }
    return walker;
}

void tree_walker_close(struct tree_walker *walker)
{
    if (walker == NULL) {
        return;
    }
    drop_current(walker);
    for (size_t i = 0; i < walker->allocated; i++) {
        tree_entry_free(&walker->levels[i].entry);
        tree_names_free(&walker->levels[i].names);
    }
    free(walker->levels);
    tree_ladder_free(&walker->ladder);
    buffer_free(&walker->path);
    free(walker->start_name);
    free(walker);
}

int tree_walk(int root_fd, const char *path, const struct tree_walk_options *options,
              int (*visitor)(void *context, const struct tree_visit *visit, struct error *error), void *context,
              struct error *error)
{
    struct tree_walker *walker = tree_walker_open(root_fd, path, options, error);
    if (walker == NULL) {
        return -1;
    }
    struct tree_visit visit;
    int result;
    while ((result = tree_walker_next(walker, &visit, error)) > 0) {
        int answer = visitor(context, &visit, error);
        if (answer < 0) {
            result = -1;
            break;
        }
        if (answer == TREE_SKIP) {
            tree_walker_skip(walker);
        }
    }
    tree_walker_close(walker);
    return result;
}
