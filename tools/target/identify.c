#include "target/identify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/mountinfo.h"
#include "target/installation.h"

static int add_finding(struct survey *survey, struct error *error, const char *format, ...) PRINTF_LIKE(3, 4);
static int add_finding(struct survey *survey, struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return error_set(error, CSN_MEMORY, "no memory to survey the disks");
    }
    int result = strings_has(&survey->findings, text) ? 0 : strings_add(&survey->findings, text, error);
    free(text);
    return result;
}

/* Where the device is mounted on this machine by somebody else (owned by the caller), or NULL. */
static char *mounted_at(const struct disk_volume *volume)
{
    struct mountinfo mounts;
    struct error unused;
    char *place = NULL;
    size_t count = mountinfo_read(&mounts, &unused) == 0 ? mounts.count : 0;
    for (size_t i = 0; place == NULL && i < count; i++) {
        const struct mountinfo_line *mount = &mounts.lines[i];
        struct stat status;
        /* btrfs has a number of its own: there only the source tells. */
        if (strncmp(mount->point, "/run/caisson/mnt/", 17) != 0 &&
            (mount->device == volume->device || (mount->source[0] == '/' && stat(mount->source, &status) == 0 &&
                                                 S_ISBLK(status.st_mode) && status.st_rdev == volume->device))) {
            place = strdup(mount->point);
        }
    }
    mountinfo_free(&mounts);
    return place;
}

/* What is missing may lie on what could not be mounted, or in a journal that was not played back. */
static int explain_problem(struct installation *installation, const struct target_mounts *mounts, struct error *error)
{
    struct buffer text = {0};
    if (installation->problem == NULL || mounts->findings.count == 0) {
        return 0;
    }
    buffer_string(&text, installation->problem);
    for (size_t i = 0; i < mounts->findings.count; i++) {
        buffer_format(&text, "; %s", mounts->findings.items[i]);
    }
    char *problem = buffer_check(&text, error) == 0 ? strdup(buffer_text(&text)) : NULL;
    buffer_free(&text);
    if (problem == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to survey the disks");
    }
    free(installation->problem);
    installation->problem = problem;
    installation->incomplete = mounts->incomplete;
    return 0;
}

/* Looks at one mounted root with all its file systems. */
static int look_mounted(struct survey *survey, const struct disk *disk, const struct disk_volume *volume,
                        const char *volume_options, const struct target_options *options, struct error *error)
{
    struct target_mounts mounts;
    if (mount_root(&mounts, &survey->disks, disk, volume, volume_options, error) != 0) {
        return -1;
    }
    int result = -1;
    int root_fd = open(mounts.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        error_system(error, CSN_TARGET_MOUNT, "opening %s", mounts.path);
        goto out;
    }
    size_t before = survey->count;
    result = installation_look(survey, root_fd, volume->path, disk->name, volume_options, options, error);
    if (survey->count == before && survey->mount_error.code == CSN_NONE) {
        survey->mount_error = mounts.failure; /* it may lie on what could not be mounted */
    }
    for (size_t i = before; result == 0 && i < survey->count; i++) {
        result = explain_problem(&survey->items[i], &mounts, error);
    }
    for (size_t i = 0; result == 0 && i < mounts.findings.count; i++) {
        result = add_finding(survey, error, "%s", mounts.findings.items[i]);
    }
out:
    file_drop(&root_fd);
    struct error closing;
    if (mount_close(&mounts, &closing) != 0 && result == 0) {
        result = error_set(error, closing.code, "%s", closing.message);
    }
    return result;
}

/* An unclean file system that shows nothing may hold all: without its journal it is read as it was some time ago. */
static int note_unclean(struct survey *survey, const struct disk_volume *volume, struct error *error)
{
    struct error unclean;
    (void)error_set(&unclean, CSN_TARGET_DIRTY,
                    "%s (%s) was not unmounted cleanly, and read without its journal it shows no system", volume->path,
                    volume->type);
    if (survey->mount_error.code == CSN_NONE) {
        survey->mount_error = unclean;
    }
    return add_finding(survey, error, "%s", unclean.message);
}

/* Whether volume, mounted with volume_options, is a system's root, and whether its journal waits. */
static int is_root(const struct disk *disk, const struct disk_volume *volume, const char *volume_options, bool *root,
                   bool *unclean, struct error *error)
{
    struct target_mounts mounts;
    *root = false;
    if (mount_root_only(&mounts, disk, volume, volume_options, error) != 0) {
        return -1;
    }
    *unclean = mounts.items[0].needs_recovery;
    int root_fd = open(mounts.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *root = root_fd >= 0 && installation_is_root(root_fd);
    file_drop(&root_fd);
    return mount_close(&mounts, error);
}

static int survey_volume(struct survey *survey, const struct disk *disk, const struct disk_volume *volume,
                         const struct target_options *options, struct error *error)
{
    /* A btrfs root is often a subvolume; these names are those of the usual installers. */
    static const char *const subvolumes[] = {"", "subvol=@", "subvol=@rootfs", "subvol=root"};
    size_t attempts = strcmp(volume->type, "btrfs") == 0 ? sizeof subvolumes / sizeof subvolumes[0] : 1;
    bool unclean = false;
    struct error mounting;
    for (size_t i = 0; i < attempts; i++) {
        bool root = false;
        if (is_root(disk, volume, subvolumes[i], &root, &unclean, &mounting) != 0) {
            if (i > 0) {
                continue; /* no such subvolume */
            }
            goto failed;
        }
        if (root) {
            if (look_mounted(survey, disk, volume, subvolumes[i], options, &mounting) != 0) {
                goto failed;
            }
            return 0;
        }
    }
    return unclean ? note_unclean(survey, volume, error) : 0;
failed:
    /* One broken file system must not hide the others; but it is said, and is the error if nothing is found. */
    if (mounting.code == CSN_MEMORY || mounting.code == CSN_PRIVILEGE || mounting.code == CSN_TARGET_NAMESPACE) {
        return error_set(error, mounting.code, "%s", mounting.message);
    }
    if (survey->mount_error.code == CSN_NONE) {
        survey->mount_error = mounting;
    }
    return add_finding(survey, error, "%s", mounting.message);
}

static int survey_disk(struct survey *survey, const struct disk *disk, const struct disk_volume *only,
                       const struct target_options *options, struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < disk->volume_count; i++) {
        const struct disk_volume *volume = &disk->volumes[i];
        if (only != NULL && volume != only) {
            continue;
        }
        if (volume->use == DISK_USE_MEMBER) {
            result =
                add_finding(survey, error, "%s is part of a volume of another kind (%s), not supported by this release",
                            volume->path, volume->type);
        }
        if (volume->use != DISK_USE_FILESYSTEM || !mount_type_known(volume->type)) {
            continue;
        }
        char *place = mounted_at(volume);
        if (place != NULL) {
            result = add_finding(survey, error, "%s is mounted on this machine (%s): look at it with --root",
                                 volume->path, place);
        } else {
            result = survey_volume(survey, disk, volume, options, error);
        }
        free(place);
    }
    return result;
}

static int survey_folder(struct survey *survey, const struct target_options *options, struct error *error)
{
    int root_fd = open(options->root_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_IO, "the root folder %s",
                            options->root_folder);
    }
    int result = installation_look(survey, root_fd, options->root_folder, NULL, NULL, options, error);
    file_drop(&root_fd);
    return result;
}

int survey_make(struct survey *survey, const struct target_options *options, struct error *error)
{
    *survey = (struct survey){.image = {.fd = -1}};
    int result = -1;
    if (options->root_folder != NULL) {
        result = survey_folder(survey, options, error);
        goto out;
    }
    if (options->disk != NULL &&
        disk_attach_image(&survey->image, options->disk, options->writable_later, error) != 0) {
        goto out;
    }
    if (geteuid() != 0) {
        error_set(error, CSN_PRIVILEGE, "looking at disks needs root; a folder can be looked at with --root");
        goto out;
    }
    if (disks_list(&survey->disks, options->places, error) != 0) {
        goto out;
    }
    if (options->disk != NULL) {
        const struct disk_volume *volume = NULL;
        const struct disk *disk = disks_find(&survey->disks, options->disk, &volume, error);
        result = disk == NULL ? -1 : survey_disk(survey, disk, volume, options, error);
        goto out;
    }
    result = 0;
    for (size_t i = 0; result == 0 && i < survey->disks.count; i++) {
        result = survey_disk(survey, &survey->disks.items[i], NULL, options, error);
    }
out:
    if (result != 0) {
        survey_free(survey);
    }
    return result;
}

void survey_free(struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        installation_free(&survey->items[i]);
    }
    free(survey->items);
    disks_free(&survey->disks);
    strings_free(&survey->findings);
    strings_free(&survey->looked);
    disk_detach_image(&survey->image);
    *survey = (struct survey){.image = {.fd = -1}};
}

static int none_found(const struct survey *survey, const struct target_options *options, struct error *error)
{
    if (survey->mount_error.code != CSN_NONE) {
        return error_set(error, survey->mount_error.code, "%s", survey->mount_error.message);
    }
    struct buffer text = {0};
    for (size_t i = 0; i < survey->looked.count; i++) {
        buffer_format(&text, "%s%s", i == 0 ? "" : "; ", survey->looked.items[i]);
    }
    if (options->profiles == NULL || options->profiles->count == 0) {
        buffer_string(&text, "there is no profile to look with");
    } else if (survey->looked.count == 0) {
        buffer_string(&text,
                      survey->findings.count > 0 ? survey->findings.items[0] : "there is no system's root on any disk");
    }
    if (options->program_root != NULL && survey->count > 0) {
        buffer_format(&text, "%sno installation is at %s", text.size == 0 ? "" : "; ", options->program_root);
    }
    (void)error_set(error, CSN_TARGET_NONE, "%s", buffer_text(&text));
    buffer_free(&text);
    return -1;
}

const struct installation *survey_choose(const struct survey *survey, const struct target_options *options,
                                         struct error *error)
{
    const struct installation *found = NULL;
    struct buffer list = {0};
    size_t count = 0;
    for (size_t i = 0; i < survey->count; i++) {
        const struct installation *item = &survey->items[i];
        if (options->program_root == NULL || strcmp(options->program_root, item->program_root) == 0) {
            found = item;
            buffer_format(&list, "%s%s %s in %s on %s", count++ == 0 ? "" : "; ", item->profile->name, item->version,
                          item->program_root, item->volume);
        }
    }
    if (count == 0) {
        (void)none_found(survey, options, error);
    } else if (count > 1) {
        (void)error_set(error, CSN_TARGET_SEVERAL, "%zu installations fit: %s", count, buffer_text(&list));
        found = NULL;
    } else if (found->problem != NULL) {
        (void)error_set(error, found->incomplete ? CSN_TARGET_UNSEEN : CSN_TARGET_PROFILE, "%s %s in %s on %s: %s",
                        found->profile->name, found->version, found->program_root, found->volume, found->problem);
        found = NULL;
    }
    buffer_free(&list);
    return found;
}
