#include "database/clone.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "lib/strings.h"
#include "tree/copy.h"
#include "tree/remove.h"
#include "tree/walk.h"

#define BLOCK_BYTES 4096

struct measuring {
    const char *folder;
    uint64_t bytes;
    uint64_t items;
};

static int measure(void *context, const struct tree_visit *visit, struct error *error)
{
    struct measuring *measuring = context;
    if (visit->is_mount) {
        return error_set(error, CSN_TARGET_PROFILE,
                         "%s/%s is a file system of its own inside the cluster, which could not be exchanged with it",
                         measuring->folder, visit->entry->path);
    }
    measuring->bytes += (visit->entry->size_bytes + BLOCK_BYTES) / BLOCK_BYTES * BLOCK_BYTES;
    measuring->items++;
    return 0;
}

/* The folder above must be on the same file system: the copy goes there, and the two are exchanged by name. */
static int look_above(int root_fd, const char *path, struct error *error)
{
    const char *name = NULL;
    struct stat folder;
    struct stat above;
    int result = -1;
    int parent_fd = root_open_parent(root_fd, path, &name, error);
    int folder_fd = parent_fd < 0 ? -1 : root_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
    if (folder_fd < 0) {
        goto out;
    }
    if (fstat(parent_fd, &above) != 0 || fstat(folder_fd, &folder) != 0) {
        error_system(error, CSN_IO, "asking about %s", path);
        goto out;
    }
    if (folder.st_dev != above.st_dev) {
        error_set(error, CSN_TARGET_PROFILE, "%s is the top of a file system of its own and could not be exchanged",
                  path);
        goto out;
    }
    result = 0;
out:
    file_drop(&folder_fd);
    file_drop(&parent_fd);
    return result;
}

static int add_pair(int root_fd, const char *path, const char *folder, struct clone_plan *plan, struct error *error)
{
    const struct tree_walk_options options = {.one_file_system = true};
    struct measuring measuring = {.folder = path};
    struct clone_pair *pair = &plan->pairs[plan->pair_count];
    if (look_above(root_fd, path, error) != 0 || tree_walk(root_fd, path, &options, measure, &measuring, error) != 0) {
        return -1;
    }
    pair->original = strdup(path);
    pair->copy = path_beside(path, folder, error);
    pair->size_bytes = measuring.bytes;
    pair->item_count = measuring.items;
    plan->pair_count++;
    if (pair->original == NULL || pair->copy == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to plan a clone");
    }
    return 0;
}

int clone_plan(int root_fd, const struct cluster *cluster, const char *folder, struct clone_plan *plan,
               struct error *error)
{
    *plan = (struct clone_plan){.pairs = calloc(cluster->folder_count + 1, sizeof *plan->pairs)};
    if (plan->pairs == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to plan a clone");
    }
    int result = add_pair(root_fd, cluster->data_path, folder, plan, error);
    for (size_t i = 0; i < cluster->folder_count && result == 0; i++) {
        result = add_pair(root_fd, cluster->folders[i].target, folder, plan, error);
    }
    if (result != 0) {
        clone_plan_free(plan);
    }
    return result;
}

void clone_plan_free(struct clone_plan *plan)
{
    for (size_t i = 0; i < plan->pair_count; i++) {
        free(plan->pairs[i].original);
        free(plan->pairs[i].copy);
    }
    free(plan->pairs);
    *plan = (struct clone_plan){0};
}

/* Several copies, told as one piece of work. */
struct relay {
    const struct progress *progress;
    uint64_t before_bytes;
    uint64_t total_bytes;
};

static void tell(void *context, const struct progress_state *state)
{
    const struct relay *relay = context;
    struct progress_state all = *state;
    if (strcmp(state->doing, TREE_COPY_DOING) != 0) {
        progress_tell(relay->progress, state);
        return;
    }
    all.doing = "cloning the database";
    all.done_bytes += relay->before_bytes;
    all.total_bytes = relay->total_bytes;
    progress_tell(relay->progress, &all);
}

int clone_make(int root_fd, const struct cluster *cluster, const struct clone_plan *plan, bool recover,
               const struct progress *progress, struct clone_report *report, struct error *error)
{
    struct clone_report made = {0};
    struct strings excludes = {0};
    struct relay relay = {.progress = progress};
    const struct progress through = {.tell = tell, .context = &relay};
    int result = recover && cluster_is_recoverable(cluster) ? 0 : cluster_require_clean(cluster, error);
    for (size_t i = 0; i < plan->pair_count; i++) {
        relay.total_bytes += plan->pairs[i].size_bytes;
    }
    if (result == 0) {
        result = strings_add(&excludes, "postmaster.pid", error);
    }
    for (size_t i = 0; i < plan->pair_count && result == 0; i++) {
        const struct clone_pair *pair = &plan->pairs[i];
        const struct tree_copy_options options = {
            .one_file_system = true, .total_bytes = pair->size_bytes, .excludes = i == 0 ? &excludes : NULL};
        struct tree_copy_report copied;
        result = tree_copy(root_fd, pair->original, root_fd, pair->copy, &options, progress == NULL ? NULL : &through,
                           &copied, error);
        made.files += copied.files;
        made.copied_bytes += copied.copied_bytes;
        made.shared_bytes += copied.shared_bytes;
        relay.before_bytes += pair->size_bytes;
    }
    if (report != NULL) {
        *report = made;
    }
    strings_free(&excludes);
    return result;
}

int clone_remove(int root_fd, const struct clone_plan *plan, struct error *error)
{
    for (size_t i = 0; i < plan->pair_count; i++) {
        if (tree_remove(root_fd, plan->pairs[i].copy, NULL, error) != 0) {
            return -1;
        }
    }
    return 0;
}
