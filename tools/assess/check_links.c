/*
 * check_links.c - links inside the application's own trees that lead out of everything that is backed up: what lies behind them
 * would be neither saved nor proven.
 */
#include "assess/looking.h"

#include <stdlib.h>
#include <string.h>

#include "lib/root.h"
#include "target/installation.h"
#include "tree/walk.h"

#define NAMED 5

struct following {
    const struct assess_subject *subject;
    const char *top; /* of the walk */
    struct buffer names;
    size_t count;
};

/* What the system brings itself, or is no data at all. */
static bool is_of_system(const char *path)
{
    static const char *const folders[] = {"/usr", "/bin",  "/sbin", "/lib", "/lib64",
                                          "/dev", "/proc", "/sys",  "/run", "/tmp"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (path_is_inside(path, folders[i])) {
            return true;
        }
    }
    return false;
}

static bool is_saved(const struct assess_subject *subject, const char *path)
{
    for (size_t i = 0; i < subject->paths->count; i++) {
        if (path_is_inside(path, subject->paths->items[i])) {
            return true;
        }
    }
    return false;
}

static int follow(struct following *following, const char *path, struct error *error)
{
    struct strings links = {0};
    char *real = NULL;
    int result = root_trace(following->subject->target->root_fd, path, &links, &real, error);
    if (real != NULL && !is_of_system(real) && !is_saved(following->subject, real) && ++following->count <= NAMED) {
        buffer_format(&following->names, "%s%s to %s", following->count == 1 ? "" : ", ", path, real);
    }
    strings_free(&links);
    free(real);
    return result;
}

static int see(void *context, const struct tree_visit *visit, struct error *error)
{
    struct following *following = context;
    if (visit->event != TREE_ENTER || visit->entry->type != TREE_LINK || visit->entry->path[0] == '\0') {
        return 0;
    }
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", following->top, visit->entry->path);
    int result = buffer_check(&path, error) != 0 ? -1 : follow(following, path.data, error);
    buffer_free(&path);
    return result;
}

static int follow_all(struct following *following, const struct strings *tops, struct error *error)
{
    const struct tree_walk_options options = {.tolerate_vanished = true};
    for (size_t i = 0; i < tops->count; i++) {
        following->top = tops->items[i];
        if (root_exists(following->subject->target->root_fd, tops->items[i]) &&
            tree_walk(following->subject->target->root_fd, tops->items[i], &options, see, following, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The vendor's own links are the vendor's to answer for. */
static int follow_sites(struct following *following, const struct assessment *assessment, struct error *error)
{
    const char *program_root = following->subject->target->installation.program_root;
    int result = 0;
    for (size_t i = 0; result == 0 && assessment->merge_made && i < assessment->merge.count; i++) {
        const struct tree_merge_item *item = &assessment->merge.items[i];
        if (item->site == NULL || item->site->type != TREE_LINK ||
            (item->content != TREE_CHANGE_SITE_CHANGED && item->content != TREE_CHANGE_KEPT &&
             item->content != TREE_CHANGE_CONFLICT && item->content != TREE_CHANGE_FOREIGN)) {
            continue;
        }
        struct buffer path = {0};
        buffer_format(&path, "%s/%s", program_root, item->path);
        result = buffer_check(&path, error) != 0 ? -1 : follow(following, path.data, error);
        buffer_free(&path);
    }
    return result;
}

int check_links(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct profile *profile = subject->target->profile;
    struct following following = {.subject = subject};
    if (subject->paths == NULL) {
        return 0;
    }
    int result = follow_all(&following, &profile->attachments, error) != 0 ||
                         follow_all(&following, &profile->configuration, error) != 0
                     ? -1
                     : follow_sites(&following, looking->assessment, error);
    if (result == 0 && following.count > 0) {
        if (following.count > NAMED) {
            buffer_format(&following.names, " and %zu more", following.count - NAMED);
        }
        result = look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
                          "%zu links lead to where nothing is backed up: %s", following.count,
                          buffer_text(&following.names));
    }
    buffer_free(&following.names);
    return result;
}
