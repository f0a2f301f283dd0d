/*
 * check_paths.c - whether the paths that the profile names are there, and lie so that each can be backed up, exchanged and taken
 * back by itself.
 */
#include "assess/looking.h"

#include <stdlib.h>
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

static int check_one_path(struct looking *looking, const char *what, const char *path, bool folder, struct error *error)
{
    const int root_fd = looking->subject->target->root_fd;
    struct strings links = {0};
    struct stat status;
    char *real = NULL;
    int result = root_trace(root_fd, path, &links, &real, error);
    if (result == 0 && real == NULL) {
        result =
            look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error, "%s %s %s, and nothing of it is backed up",
                     what, path, links.count > 0 ? "is a link that leads to nothing" : "is not there");
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
        result = check_one_path(looking, "[configuration]", profile->configuration.items[i], false, error);
    }
    for (size_t i = 0; result == 0 && i < profile->attachments.count; i++) {
        result = check_one_path(looking, "[attachments]", profile->attachments.items[i], true, error);
    }
    return result;
}
