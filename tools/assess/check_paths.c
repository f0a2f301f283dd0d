/*
 * check_paths.c - whether the paths that the profile names are there, and lie so that each can be backed up, exchanged and taken
 * back by itself.
 */
#include "assess/looking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/root.h"
#include "target/installation.h"

/* path, which the profile calls what, leads to real: nothing that is exchanged as a whole may be that or lie below it. */
static int check_holds(struct looking *looking, const char *what, const char *path, const char *real,
                       const char *exchanged, struct error *error)
{
    if (exchanged == NULL || !path_is_inside(exchanged, real)) {
        return 0;
    }
    return look_add(looking, FINDING_BLOCKER, CSN_TARGET_PROFILE, error,
                    "%s %s holds %s, which is exchanged as a whole: name in the profile only the folders beside it",
                    what, path, exchanged);
}

static int check_apart(struct looking *looking, const char *what, const char *path, const char *real,
                       struct error *error)
{
    const struct cluster *cluster = looking->subject->cluster;
    int result = check_holds(looking, what, path, real, looking->subject->target->installation.program_root, error);
    if (result == 0 && cluster != NULL) {
        result = check_holds(looking, what, path, real, cluster->data_path, error);
    }
    for (size_t i = 0; result == 0 && cluster != NULL && i < cluster->folder_count; i++) {
        result = check_holds(looking, what, path, real, cluster->folders[i].target, error);
    }
    return result;
}

/* A profile names all the places that sites use: one of them, or the same name kept inside of the program tree, is enough. */
static bool has_other(const struct target *target, const struct strings *section, const char *path)
{
    char kept[4096];
    const char *name = strrchr(path, '/') + 1;
    bool there = false;
    for (size_t i = 0; i < section->count; i++) {
        there = there || root_exists(target->root_fd, section->items[i]);
    }
    snprintf(kept, sizeof kept, "%s/%s", target->installation.program_root, name);
    return there || (strings_has(&target->profile->keep, name) && root_exists(target->root_fd, kept));
}

/* Nothing of it is backed up. A link says that there was something. */
static int report_missing(struct looking *looking, const char *what, const struct strings *section, const char *path,
                          bool linked, struct error *error)
{
    bool other = !linked && has_other(looking->subject->target, section, path);
    return look_add(looking, other ? FINDING_REMARK : FINDING_WARNING, other ? CSN_NONE : CSN_ASSESS_WARNING, error,
                    "%s %s %s, and nothing of it is backed up", what, path,
                    linked ? "is a link that leads to nothing" : "is not there");
}

static int check_one_path(struct looking *looking, const char *what, const struct strings *section, const char *path,
                          bool folder, struct error *error)
{
    const int root_fd = looking->subject->target->root_fd;
    struct strings links = {0};
    struct stat status;
    char *real = NULL;
    int result = root_trace(root_fd, path, &links, &real, error);
    if (result == 0 && real == NULL) {
        result = report_missing(looking, what, section, path, links.count > 0, error);
    } else if (result == 0 && folder && root_lstat(root_fd, real, &status) == 0 && !S_ISDIR(status.st_mode)) {
        result = look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error, "%s %s is no folder", what, path);
    } else if (result == 0) {
        result = check_apart(looking, what, path, real, error);
    }
    strings_free(&links);
    free(real);
    return result;
}

static int check_cluster(struct looking *looking, struct error *error)
{
    const struct cluster *cluster = looking->subject->cluster;
    const char *program_root = looking->subject->target->installation.program_root;
    if (cluster == NULL) {
        return 0;
    }
    return check_holds(looking, "the program tree", program_root, program_root, cluster->data_path, error) != 0
               ? -1
               : check_holds(looking, "the cluster", cluster->data_path, cluster->data_path, program_root, error);
}

int check_profile_paths(struct looking *looking, struct error *error)
{
    const struct profile *profile = looking->subject->target->profile;
    int result = check_cluster(looking, error);
    for (size_t i = 0; result == 0 && i < profile->configuration.count; i++) {
        result = check_one_path(looking, "[configuration]", &profile->configuration, profile->configuration.items[i],
                                false, error);
    }
    for (size_t i = 0; result == 0 && i < profile->attachments.count; i++) {
        result =
            check_one_path(looking, "[attachments]", &profile->attachments, profile->attachments.items[i], true, error);
    }
    return result;
}
