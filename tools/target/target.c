#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/root.h"
#include "target/identify.h"
#include "target/installation.h"
#include "target/protect.h"

/* Opens the root anew; the old descriptor keeps a file system busy and must be gone before mounts change. */
static int open_root(struct target *target, struct error *error)
{
    target->root_fd = open(target->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target->root_fd < 0) {
        return error_system(error, CSN_TARGET_MOUNT, "opening the server's root at %s", target->root_path);
    }
    return 0;
}

/* Moves the chosen installation out of the survey, which keeps the others. */
static void take_installation(struct target *target, const struct installation *chosen)
{
    struct survey *survey = &target->survey;
    size_t index = (size_t)(chosen - survey->items);
    target->installation = *chosen;
    memmove(&survey->items[index], &survey->items[index + 1], (survey->count - index - 1) * sizeof survey->items[0]);
    survey->count--;
}

static int mount_installation(struct target *target, struct error *error)
{
    const struct disks *disks = &target->survey.disks;
    for (size_t i = 0; i < disks->count; i++) {
        const struct disk *disk = &disks->items[i];
        for (size_t v = 0; v < disk->volume_count; v++) {
            if (strcmp(disk->volumes[v].path, target->installation.volume) == 0) {
                if (mount_root(&target->mounts, disks, disk, &disk->volumes[v], target->installation.volume_options,
                               error) != 0) {
                    return -1;
                }
                target->root_path = strdup(target->mounts.path);
                return target->root_path == NULL ? error_set(error, CSN_MEMORY, "no memory to open the server") : 0;
            }
        }
    }
    return error_set(error, CSN_INTERNAL, "the volume %s was found and is not in the list",
                     target->installation.volume);
}

/* True if one of the links on the way to path lies in the program tree. */
static int leads_out_of_program(const struct target *target, const char *path, bool *leads, struct error *error)
{
    struct strings links = {0};
    char *real = NULL;
    int result = root_trace(target->root_fd, path, &links, &real, error);
    *leads = false;
    for (size_t i = 0; i < links.count; i++) {
        *leads = *leads || path_is_inside(links.items[i], target->installation.program_root);
    }
    strings_free(&links);
    free(real);
    return result;
}

/* A path of the profile as the server has it: where it is reached through a link and lies inside the program tree, or is reached
 * through a link in that, by its own path, since paths are compared as text. The last part is not followed: a link goes along as a
 * link. */
static char *place_path(const struct target *target, const char *path, struct error *error)
{
    struct error none;
    const char *slash = strrchr(path, '/');
    char *parent = slash == NULL || slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    char *real = parent == NULL ? NULL : root_real_path(target->root_fd, parent, &none);
    char *placed = NULL;
    bool leads_out = false;
    int length = parent == NULL ? -1 : leads_out_of_program(target, parent, &leads_out, &none);
    if (length == 0 && real != NULL && slash != NULL &&
        (leads_out || path_is_inside(real, target->installation.program_root))) {
        length = asprintf(&placed, "%s%s", strcmp(real, "/") == 0 ? "" : real, slash);
    } else if (length == 0) {
        placed = strdup(path);
        length = placed == NULL ? -1 : 0;
    }
    free(parent);
    free(real);
    if (length < 0) {
        (void)error_set(error, CSN_MEMORY, "no memory for the path %s", path);
        return NULL;
    }
    return placed;
}

/* What a link leads to is listed beside the link. */
static int place_paths(const struct target *target, const struct strings *paths, struct strings *placed,
                       struct error *error)
{
    for (size_t i = 0; i < paths->count; i++) {
        struct error none;
        char *path = place_path(target, paths->items[i], error);
        char *real = path != NULL ? root_real_path(target->root_fd, path, &none) : NULL;
        struct stat status;
        bool is_link = path != NULL && root_lstat(target->root_fd, path, &status) == 0 && S_ISLNK(status.st_mode);
        int result = path == NULL ? -1 : strings_has(placed, path) ? 0 : strings_add(placed, path, error);
        if (result == 0 && is_link && real != NULL && !strings_has(placed, real)) {
            result = strings_add(placed, real, error);
        }
        free(path);
        free(real);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

static int place_profile(struct target *target, struct error *error)
{
    const struct profile *profile = target->installation.profile;
    target->placed = malloc(sizeof *target->placed);
    if (target->placed == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to open the server");
    }
    *target->placed = *profile;
    target->placed->configuration = (struct strings){0};
    target->placed->attachments = (struct strings){0};
    target->profile = target->placed;
    return place_paths(target, &profile->configuration, &target->placed->configuration, error) != 0
               ? -1
               : place_paths(target, &profile->attachments, &target->placed->attachments, error);
}

int target_open(struct target *target, const struct target_options *options, struct error *error)
{
    *target = (struct target){.root_fd = -1, .survey = {.image = {.fd = -1}}};
    int result = -1;
    if (survey_make(&target->survey, options, error) != 0) {
        return -1;
    }
    const struct installation *chosen = survey_choose(&target->survey, options, error);
    if (chosen == NULL) {
        goto out;
    }
    take_installation(target, chosen);
    if (options->root_folder == NULL) {
        if (mount_installation(target, error) != 0) {
            goto out;
        }
    } else {
        target->root_path = strdup(options->root_folder);
        if (target->root_path == NULL) {
            (void)error_set(error, CSN_MEMORY, "no memory to open the server");
            goto out;
        }
    }
    result = open_root(target, error) != 0 ||
                     mount_places_read(&target->places, target->root_fd, options->root_folder != NULL, error) != 0
                 ? -1
                 : place_profile(target, error);
out:
    if (result != 0) {
        struct error ignored;
        (void)!target_close(target, &ignored);
    }
    return result;
}

int target_close(struct target *target, struct error *error)
{
    file_drop(&target->root_fd);
    int result = mount_close(&target->mounts, error);
    mount_places_free(&target->places);
    installation_free(&target->installation);
    if (target->placed != NULL) {
        strings_free(&target->placed->configuration);
        strings_free(&target->placed->attachments);
        free(target->placed);
    }
    survey_free(&target->survey);
    free(target->root_path);
    *target = (struct target){.root_fd = -1, .survey = {.image = {.fd = -1}}};
    return result;
}

int target_need(struct target *target, const struct strings *paths, struct error *error)
{
    const struct mount_places *places = &target->places;
    for (size_t i = 0; i < places->count; i++) {
        struct mount_place *place = &places->items[i];
        const char *holds = NULL;
        const char *below = NULL;
        for (size_t k = 0; !place->mounted && k < paths->count; k++) {
            holds = holds == NULL && mount_places_hide(places, place, paths->items[k]) ? paths->items[k] : holds;
            below = below == NULL && path_is_inside(place->path, paths->items[k]) ? paths->items[k] : below;
        }
        if (place->needed_by == NULL && (holds != NULL || below != NULL)) {
            place->needed_by = strdup(holds != NULL ? holds : below);
            if (place->needed_by == NULL) {
                return error_set(error, CSN_MEMORY, "no memory to open the server");
            }
        }
    }
    for (size_t i = 0; i < target->mounts.count; i++) {
        struct target_mount *item = &target->mounts.items[i];
        item->aside = true;
        for (size_t k = 0; k < paths->count; k++) {
            item->aside = item->aside && !path_is_inside(paths->items[k], item->place) &&
                          !path_is_inside(item->place, paths->items[k]);
        }
    }
    return 0;
}

int target_check_seen(const struct target *target, struct error *error)
{
    for (size_t i = 0; i < target->places.count; i++) {
        const struct mount_place *place = &target->places.items[i];
        if (place->needed_by != NULL && path_is_inside(place->needed_by, place->path)) {
            return error_set(error, CSN_TARGET_MOUNT, "%s at %s, which is not mounted here, and %s needs it",
                             place->what, place->path, place->needed_by);
        }
    }
    return 0;
}

/* An image:FILE outside our own image: the loop device is ours, and was protected when it was attached. */
static int protect_loop(const struct target *target, bool read_only, struct error *error)
{
    const struct disk *disk = NULL;
    const struct disks *disks = &target->survey.disks;
    for (size_t i = 0; i < disks->count; i++) {
        disk = strcmp(disks->items[i].name, target->mounts.items[0].disk) == 0 ? &disks->items[i] : disk;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && target->survey.image.ours && disk != NULL && i < disk->volume_count; i++) {
        result = protect_set(disk->volumes[i].path, read_only, error);
    }
    return result;
}

static int change_mounts(struct target *target, bool writable, struct error *error)
{
    if (target->mounts.count == 0 || target->mounts.writable == writable) {
        return 0;
    }
    bool ours = !protect_is_image();
    struct error ignored;
    file_drop(&target->root_fd);
    int result = ours && writable ? protect_loop(target, false, error) : 0;
    if (result == 0) {
        result = writable ? mount_make_writable(&target->mounts, error) : mount_make_read_only(&target->mounts, error);
    }
    if (ours && !target->mounts.writable && protect_loop(target, true, result == 0 ? error : &ignored) != 0) {
        result = -1;
    }
    if (open_root(target, result == 0 ? error : &ignored) != 0) {
        result = -1;
    }
    return result;
}

int target_make_writable(struct target *target, struct error *error)
{
    return change_mounts(target, true, error);
}

int target_make_read_only(struct target *target, struct error *error)
{
    return change_mounts(target, false, error);
}

int target_disks(const struct target *target, bool with_aside, struct strings *names, struct error *error)
{
    for (size_t i = 0; i < target->mounts.count; i++) {
        const char *disk = target->mounts.items[i].disk;
        bool counts = with_aside || !target->mounts.items[i].aside;
        if (counts && !strings_has(names, disk) && strings_add(names, disk, error) != 0) {
            return -1;
        }
    }
    return 0;
}

int target_check_clean(const struct target *target, struct error *error)
{
    struct buffer list = {0};
    for (size_t i = 0; i < target->mounts.count; i++) {
        const struct target_mount *item = &target->mounts.items[i];
        if (item->needs_recovery) {
            buffer_format(&list, "%s%s (%s, %s)", list.size == 0 ? "" : ", ", item->device, item->type, item->place);
        }
    }
    int result = 0;
    if (list.size > 0) {
        result = error_set(error, CSN_TARGET_DIRTY, "%s", buffer_text(&list));
    }
    buffer_free(&list);
    return result;
}
