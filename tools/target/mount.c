#include "target/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/mount_inside.h"

#define MOUNT_FOLDER "/run/caisson/mnt"
#define UNMOUNT_ATTEMPTS 40 /* of 50 ms: a process that was just killed still holds its files for a moment */

static const struct {
    const char *type;
    const char *read_only; /* options that keep the kernel from replaying the journal */
} types[] = {
    {"ext2", ""},
    {"ext3", "noload"},
    {"ext4", "noload"},
    {"xfs", "norecovery,nouuid"}, /* nouuid: a clone of it may be mounted too */
    {"btrfs", "rescue=nologreplay"},
};

static const char *read_only_options(const char *type)
{
    for (size_t i = 0; type != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].type, type) == 0) {
            return types[i].read_only;
        }
    }
    return NULL;
}

bool mount_type_known(const char *type)
{
    return read_only_options(type) != NULL;
}

int mount_namespace(struct error *error)
{
    static bool done;
    if (done) {
        return 0;
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
        return error_system(error, errno == EPERM ? CSN_PRIVILEGE : CSN_TARGET_NAMESPACE, "making a mount namespace");
    }
    done = true;
    return 0;
}

static int memory_error(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory to mount the server");
}

int mount_finding(struct target_mounts *mounts, struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return memory_error(error);
    }
    int result = strings_add(&mounts->findings, text, error);
    free(text);
    return result;
}

/* Opens the place below the root's folder without leaving it, whatever links the server has there. */
static int open_place(const struct target_mounts *mounts, const char *place, struct error *error)
{
    if (strcmp(place, "/") == 0) {
        int fd = open(mounts->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0) {
            error_system(error, CSN_TARGET_MOUNT, "opening %s", mounts->path);
        }
        return fd;
    }
    int root_fd = open(mounts->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        return error_system(error, CSN_TARGET_MOUNT, "opening %s", mounts->path);
    }
    int fd = root_open(root_fd, place, O_PATH | O_DIRECTORY, 0, error);
    file_drop(&root_fd);
    return fd;
}

/* The kernel's own name of an open folder: no links in it, so that unmounting meets the same folder. */
static int real_path(int fd, char path[PATH_MAX], struct error *error)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) {
        return error_system(error, CSN_TARGET_MOUNT, "reading %s", link);
    }
    path[length] = '\0';
    return 0;
}

static int mount_failed(const struct target_mount *item, bool writable, struct error *error)
{
    const char *hint = "";
    if (errno == EBUSY) {
        hint = " (it is mounted on this machine already)";
    } else if (writable && (errno == EACCES || errno == EROFS)) {
        hint = " (the disk is write-protected)";
    } else if (errno == ENODEV) {
        hint = " (this kernel has no driver for it)";
    }
    enum error_code code = errno == EPERM ? CSN_PRIVILEGE : CSN_TARGET_MOUNT;
    return error_system(error, code, "mounting %s (%s) as %s for %s%s", item->device, item->type, item->place,
                        writable ? "writing" : "reading", hint);
}

/* From now on the place is named as the kernel names it, without the server's links: prefixes of it mean folders. */
static int keep_path(const struct target_mounts *mounts, struct target_mount *item, const char *path,
                     struct error *error)
{
    item->mounted = true;
    size_t base = strlen(mounts->path);
    char *place = strdup(path[base] == '\0' ? "/" : path + base);
    char *copy = strdup(path);
    if (place == NULL || copy == NULL) {
        free(place);
        free(copy);
        return memory_error(error);
    }
    free(item->place);
    free(item->path);
    item->place = place;
    item->path = copy;
    return 0;
}

static int mount_one(const struct target_mounts *mounts, struct target_mount *item, bool writable, struct error *error)
{
    char path[PATH_MAX];
    char through[64];
    char options[512];
    const char *keep_still = writable ? "" : read_only_options(item->type);
    snprintf(options, sizeof options, "%s%s%s", item->options,
             item->options[0] != '\0' && keep_still[0] != '\0' ? "," : "", keep_still);
    unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOATIME | (writable ? 0UL : MS_RDONLY);
    int fd = open_place(mounts, item->place, error);
    if (fd < 0) {
        return error_wrap(error, "the place of %s", item->device);
    }
    int result = real_path(fd, path, error);
    if (result == 0) {
        snprintf(through, sizeof through, "/proc/self/fd/%d", fd);
        if (mount(item->device, through, item->type, flags, options) != 0) {
            result = mount_failed(item, writable, error);
        }
    }
    file_drop(&fd);
    return result == 0 ? keep_path(mounts, item, path, error) : -1;
}

static int unmount_one(struct target_mount *item, struct error *error)
{
    if (!item->mounted || item->path == NULL) {
        return 0;
    }
    for (int i = 0; umount2(item->path, UMOUNT_NOFOLLOW) != 0; i++) {
        if (errno != EBUSY || i >= UNMOUNT_ATTEMPTS) {
            return error_system(error, CSN_TARGET_MOUNT, "unmounting %s from %s", item->device, item->path);
        }
        nanosleep(&(struct timespec){.tv_nsec = 50L * 1000 * 1000}, NULL);
    }
    item->mounted = false;
    return 0;
}

static void free_item(struct target_mount *item)
{
    char *const texts[] = {item->disk, item->device, item->place, item->type, item->options, item->path};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    *item = (struct target_mount){0};
}

int mount_add(struct target_mounts *mounts, const struct disk *disk, const struct disk_volume *volume,
              const char *place, const char *options, struct error *error)
{
    struct target_mount *grown = reallocarray(mounts->items, mounts->count + 1, sizeof *grown);
    if (grown == NULL) {
        return memory_error(error);
    }
    mounts->items = grown;
    struct target_mount *item = &grown[mounts->count];
    *item = (struct target_mount){.disk = strdup(disk->name),
                                  .device = strdup(volume->path),
                                  .place = strdup(place),
                                  .type = strdup(volume->type),
                                  .options = strdup(options)};
    struct mount_state state = {0};
    int result = 0;
    if (item->disk == NULL || item->device == NULL || item->place == NULL || item->type == NULL ||
        item->options == NULL) {
        result = memory_error(error);
    }
    if (result == 0) {
        result = mount_examine(item->device, item->type, &state, error);
        item->needs_recovery = state.needs_recovery;
        item->has_errors = state.has_errors;
    }
    if (result == 0) {
        result = mount_one(mounts, item, false, error);
    }
    if (result != 0) {
        struct error ignored;
        (void)!unmount_one(item, &ignored);
        free_item(item);
        return -1;
    }
    mounts->count++;
    if (item->has_errors && mount_finding(mounts, error, "%s (%s) is marked as having errors: fsck has to be run on it",
                                          item->device, item->place) != 0) {
        return -1;
    }
    if (item->needs_recovery) {
        return mount_finding(mounts, error, "%s (%s) was not unmounted cleanly: its journal waits to be played back",
                             item->device, item->place);
    }
    if (!state.known) {
        return mount_finding(mounts, error,
                             "whether %s (%s) was unmounted cleanly cannot be told: its log is elsewhere", item->device,
                             item->place);
    }
    return 0;
}

static int make_folder(struct target_mounts *mounts, struct error *error)
{
    static unsigned counter;
    char *path = NULL;
    if (file_make_dirs(AT_FDCWD, MOUNT_FOLDER, 0700, error) != 0) {
        return -1;
    }
    if (asprintf(&path, MOUNT_FOLDER "/%ld-%u", (long)getpid(), counter++) < 0) {
        return memory_error(error);
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        error_system(error, CSN_TARGET_MOUNT, "making the folder %s", path);
        free(path);
        return -1;
    }
    mounts->path = realpath(path, NULL);
    free(path);
    return mounts->path == NULL ? memory_error(error) : 0;
}

int mount_root_only(struct target_mounts *mounts, const struct disk *disk, const struct disk_volume *volume,
                    const char *options, struct error *error)
{
    *mounts = (struct target_mounts){0};
    if (!mount_type_known(volume->type)) {
        return error_set(error, CSN_TARGET_MOUNT, "%s holds %s, which this release does not mount", volume->path,
                         volume->type == NULL ? "nothing known" : volume->type);
    }
    if (mount_namespace(error) != 0) {
        return -1;
    }
    if (make_folder(mounts, error) != 0 || mount_add(mounts, disk, volume, "/", options, error) != 0) {
        struct error ignored;
        (void)!mount_close(mounts, &ignored);
        return -1;
    }
    return 0;
}

/* What was written is on the disk after this, or it is said: unmounting alone would swallow a late write error. */
static int sync_one(const struct target_mount *item, struct error *error)
{
    int fd = open(item->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = 0;
    if (fd < 0 || syncfs(fd) != 0) {
        result = error_system(error, CSN_IO, "writing out %s (%s)", item->device, item->place);
    }
    file_drop(&fd);
    return result;
}

static int unmount_all(struct target_mounts *mounts, struct error *error)
{
    for (size_t i = mounts->count; i-- > 0;) {
        if (unmount_one(&mounts->items[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int mount_all(struct target_mounts *mounts, bool writable, struct error *error)
{
    for (size_t i = 0; i < mounts->count; i++) {
        if (!mounts->items[i].mounted &&
            mount_one(mounts, &mounts->items[i], writable && !mounts->items[i].aside, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int change_all(struct target_mounts *mounts, bool writable, struct error *error)
{
    struct error ignored;
    if (mounts->writable == writable) {
        return 0;
    }
    if (unmount_all(mounts, error) != 0) {
        /* Children that went already come back as they were: parents are all still there. */
        (void)!mount_all(mounts, mounts->writable, &ignored);
        return -1;
    }
    if (mount_all(mounts, writable, error) != 0) {
        if (unmount_all(mounts, &ignored) == 0) {
            (void)!mount_all(mounts, mounts->writable, &ignored);
        }
        return -1;
    }
    mounts->writable = writable;
    return 0;
}

int mount_make_writable(struct target_mounts *mounts, struct error *error)
{
    return change_all(mounts, true, error);
}

int mount_make_read_only(struct target_mounts *mounts, struct error *error)
{
    for (size_t i = 0; mounts->writable && i < mounts->count; i++) {
        if (sync_one(&mounts->items[i], error) != 0) {
            return -1;
        }
    }
    return change_all(mounts, false, error);
}

int mount_leave(struct target_mounts *mounts, size_t index, const char *why, struct error *error)
{
    for (size_t i = mounts->count; i-- > index;) {
        struct target_mount *item = &mounts->items[i];
        if (!path_is_inside(item->place, mounts->items[index].place)) {
            continue;
        }
        if (unmount_one(item, error) != 0 ||
            mount_finding(mounts, error, "%s is not mounted at %s: %s", item->device, item->place, why) != 0) {
            return -1;
        }
        free_item(item);
        mounts->count--;
        memmove(item, item + 1, (mounts->count - i) * sizeof *item);
    }
    return 0;
}

int mount_close(struct target_mounts *mounts, struct error *error)
{
    int result = 0;
    struct error ignored;
    for (size_t i = mounts->count; i-- > 0;) {
        struct target_mount *item = &mounts->items[i];
        if (mounts->writable && item->mounted && sync_one(item, result == 0 ? error : &ignored) != 0) {
            result = -1;
        }
        if (unmount_one(item, result == 0 ? error : &ignored) != 0) {
            result = -1;
        }
        free_item(item);
    }
    free(mounts->items);
    if (mounts->path != NULL) {
        rmdir(mounts->path); /* stays where something is still mounted */
    }
    free(mounts->path);
    strings_free(&mounts->findings);
    *mounts = (struct target_mounts){0};
    return result;
}

const struct target_mount *mount_of(const struct target_mounts *mounts, const char *path)
{
    const struct target_mount *best = NULL;
    for (size_t i = 0; i < mounts->count; i++) {
        const struct target_mount *item = &mounts->items[i];
        bool root = strcmp(item->place, "/") == 0;
        if ((root || path_is_inside(path, item->place)) &&
            (best == NULL || strlen(item->place) > strlen(best->place))) {
            best = item;
        }
    }
    return best;
}
