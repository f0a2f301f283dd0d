#include "sequence/media.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/file.h"
#include "target/disk.h"
#include "target/mount.h"
#include "tree/remove.h"

#define DEEPEST 8 /* of disks made of disks: LVM on LUKS on RAID and more */

/* File systems a backup disk may have, with what their mount wants. */
static const struct {
    const char *type;
    const char *kernel_type;
    const char *options;
} types[] = {
    {"ext2", "ext4", NULL},
    {"ext3", "ext4", NULL},
    {"ext4", "ext4", NULL},
    {"xfs", "xfs", NULL},
    {"btrfs", "btrfs", NULL},
    {"vfat", "vfat", "iocharset=utf8"},
    {"exfat", "exfat", "iocharset=utf8"},
    {"ntfs", "ntfs3", "iocharset=utf8"},
};

/* The volume with a file system: the named one, or the only one of the disk. */
static const struct disk_volume *choose_volume(const struct disk *disk, const struct disk_volume *named,
                                               const char *name, struct error *error)
{
    const struct disk_volume *chosen = named;
    for (size_t i = 0; named == NULL && i < disk->volume_count; i++) {
        if (disk->volumes[i].use != DISK_USE_FILESYSTEM) {
            continue;
        }
        if (chosen != NULL) {
            error_set(error, CSN_TARGET_AMBIGUOUS_DISK,
                      "%s has several file systems (%s, %s): name one, by label: or uuid:", name, chosen->name,
                      disk->volumes[i].name);
            return NULL;
        }
        chosen = &disk->volumes[i];
    }
    if (chosen == NULL || chosen->use != DISK_USE_FILESYSTEM) {
        error_set(error, CSN_TARGET_MOUNT, "%s (%s) holds no file system", name, disk->name);
        return NULL;
    }
    return chosen;
}

static int mount_volume(const struct disk_volume *volume, const char *path, struct error *error)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].type, volume->type) != 0) {
            continue;
        }
        if (mount(volume->path, path, types[i].kernel_type, MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC,
                  types[i].options) != 0) {
            return error_system(error, CSN_TARGET_MOUNT, "mounting the backup disk %s (%s)", volume->path,
                                volume->type);
        }
        return 0;
    }
    return error_set(error, CSN_TARGET_MOUNT, "the backup disk %s has the file system %s, which is not known",
                     volume->path, volume->type);
}

int media_mount(const char *name, const char *path, struct protect *protect, struct error *error)
{
    struct disks disks = {0};
    const struct disk_volume *volume = NULL;
    int result = -1;
    if (mount_namespace(error) != 0 || disks_list(&disks, NULL, error) != 0) {
        goto out;
    }
    const struct disk *disk = disks_find(&disks, name, &volume, error);
    volume = disk == NULL ? NULL : choose_volume(disk, volume, name, error);
    if (volume == NULL || (protect != NULL && protect_lift(protect, disk, error) != 0) ||
        file_make_dirs(AT_FDCWD, path, 0700, error) != 0) {
        goto out;
    }
    result = mount_volume(volume, path, error);
out:
    disks_free(&disks);
    return result;
}

static const struct disk *disk_with(const struct disks *disks, const char *name)
{
    for (size_t i = 0; i < disks->count; i++) {
        for (size_t v = 0; v < disks->items[i].volume_count; v++) {
            if (strcmp(disks->items[i].volumes[v].name, name) == 0) {
                return &disks->items[i];
            }
        }
    }
    return NULL;
}

/* True if the disk of this name is `wanted` or made of it: dm-0 of md0 of sda2. NOLINTNEXTLINE(misc-no-recursion) */
static bool rests_on(const struct disks *disks, const char *name, const struct disk *wanted, int depth)
{
    char path[300];
    const struct disk *disk = disk_with(disks, name);
    if (disk == wanted || depth == 0) {
        return disk == wanted;
    }
    snprintf(path, sizeof path, "/sys/block/%s/slaves", disk == NULL ? name : disk->name);
    DIR *slaves = opendir(path);
    bool found = false;
    for (struct dirent *entry; slaves != NULL && !found && (entry = readdir(slaves)) != NULL;) {
        found = entry->d_name[0] != '.' && rests_on(disks, entry->d_name, wanted, depth - 1);
    }
    if (slaves != NULL) {
        closedir(slaves);
    }
    return found;
}

int media_check_apart(const char *name, const struct disks *disks, const struct strings *server_disks,
                      struct error *error)
{
    struct error ignored;
    const struct disk *disk = disks_find(disks, name, NULL, &ignored);
    for (size_t i = 0; disk != NULL && i < server_disks->count; i++) {
        for (size_t k = 0; k < disks->count; k++) {
            const struct disk *shared = &disks->items[k];
            if (rests_on(disks, disk->name, shared, DEEPEST) &&
                rests_on(disks, server_disks->items[i], shared, DEEPEST)) {
                return error_set(error, CSN_JOB_VALUE,
                                 "\"disk\" in [backup] is \"%s\", which lies on %s, as the server does; expected is "
                                 "another disk",
                                 name, shared->name);
            }
        }
    }
    return 0;
}

int media_unmount(const char *path, struct error *error)
{
    sync();
    if (umount2(path, UMOUNT_NOFOLLOW) != 0) {
        int saved = errno;
        umount2(path, MNT_DETACH);
        errno = saved;
        return error_system(error, CSN_TARGET_MOUNT, "unmounting the backup disk");
    }
    return 0;
}

bool media_carries_overlays(const char *folder)
{
    struct statfs status;
    if (statfs(folder, &status) != 0) {
        return false;
    }
    switch ((unsigned long)status.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC: return true;
    default: return false;
    }
}

int media_remove(const char *path, const struct progress *progress, struct error *error)
{
    int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = root_fd < 0 ? error_system(error, CSN_IO, "opening /") : tree_remove(root_fd, path, progress, error);
    file_drop(&root_fd);
    return result;
}

int media_sweep(const char *folder, const char *prefix, const struct progress *progress, struct strings *removed,
                struct error *error)
{
    struct strings names = {0};
    int result = 0;
    DIR *listing = opendir(folder);
    if (listing == NULL) {
        return errno == ENOENT ? 0 : error_system(error, CSN_IO, "listing %s", folder);
    }
    for (struct dirent *entry; result == 0 && (entry = readdir(listing)) != NULL;) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0) {
            result = strings_add(&names, entry->d_name, error);
        }
    }
    closedir(listing);
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        struct buffer path = {0};
        buffer_format(&path, "%s/%s", folder, names.items[i]);
        result = buffer_check(&path, error);
        if (result == 0) {
            result = media_remove(path.data, progress, error);
        }
        if (result == 0) {
            result = strings_add(removed, names.items[i], error);
        }
        buffer_free(&path);
    }
    strings_free(&names);
    return result;
}
