#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "target/mount.h"
#include "target/mount_fstab.h"
#include "target/mount_inside.h"

/* "sda" of "/dev/sda2", "nvme0n1" of "/dev/nvme0n1p2"; *number is 2. */
static bool split_kernel_name(const char *field, char *disk, size_t disk_size, int *number)
{
    const char *name = strncmp(field, "/dev/", 5) == 0 ? field + 5 : "";
    size_t length = strlen(name);
    size_t digits = length;
    while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') {
        digits--;
    }
    *number = atoi(name + digits);
    if (digits > 1 && name[digits - 1] == 'p' && name[digits - 2] >= '0' && name[digits - 2] <= '9') {
        digits--;
    }
    if (digits == 0 || digits == length || digits >= disk_size || strchr(name, '/') != NULL) {
        return false;
    }
    snprintf(disk, disk_size, "%.*s", (int)digits, name);
    return true;
}

/*
 * A kernel name in fstab (/dev/sda3) may mean another disk on this boot. It is believed only if fstab names the root by the
 * same disk: then it is the root's disk, whatever it is called here.
 */
static const struct disk_volume *volume_beside_root(const struct fstab *fstab, const char *field,
                                                    const struct disk *root_disk)
{
    char disk[64];
    char other[64];
    int number = 0;
    int ignored = 0;
    if (!split_kernel_name(field, disk, sizeof disk, &number)) {
        return NULL;
    }
    for (size_t i = 0; i < fstab->count; i++) {
        if (strcmp(fstab->items[i].place, "/") == 0 &&
            split_kernel_name(fstab->items[i].field, other, sizeof other, &ignored) && strcmp(disk, other) == 0) {
            for (size_t v = 1; v < root_disk->volume_count; v++) {
                if (root_disk->volumes[v].number == number) {
                    return &root_disk->volumes[v];
                }
            }
        }
    }
    return NULL;
}

static int line_options(const struct fstab_line *line, char **options, struct error *error)
{
    *options = NULL;
    char *subvolume = fstab_option_value(line, "subvol=");
    char *id = subvolume == NULL ? fstab_option_value(line, "subvolid=") : NULL;
    int length = 0;
    if (subvolume != NULL || id != NULL) {
        length =
            asprintf(options, "%s%s", subvolume != NULL ? "subvol=" : "subvolid=", subvolume != NULL ? subvolume : id);
    } else {
        *options = strdup("");
    }
    free(subvolume);
    free(id);
    if (length < 0 || *options == NULL) {
        *options = NULL;
        return error_set(error, CSN_MEMORY, "no memory to mount the server");
    }
    return 0;
}

static int mount_line(struct target_mounts *mounts, const struct disks *disks, const struct disk *root_disk,
                      const struct fstab *fstab, const struct fstab_line *line, struct error *error)
{
    const struct disk *disk = NULL;
    bool by_name = false;
    const struct disk_volume *volume = disks_find_fstab(disks, line->field, &disk, &by_name);
    if (volume == NULL && by_name) {
        volume = volume_beside_root(fstab, line->field, root_disk);
        disk = root_disk;
    }
    if (volume == NULL) {
        mounts->incomplete = true;
        return mount_finding(mounts, error, "fstab's %s for %s %s", line->field, line->place,
                             by_name ? "is a name that may mean another disk here; name it by UUID= in fstab"
                                     : "is on no disk that is here, or on several");
    }
    if (!mount_type_known(volume->type)) {
        mounts->incomplete = true;
        return mount_finding(mounts, error, "%s for %s (%s) is not looked into", volume->path, line->place,
                             volume->type == NULL ? "nothing known" : volume->type);
    }
    char *options = NULL;
    if (line_options(line, &options, error) != 0) {
        return -1;
    }
    int result = mount_add(mounts, disk, volume, line->place, options, error);
    free(options);
    return result;
}

/* One broken file system, or one whose place is gone, must not hide the whole server: it is said, and what lies on it is missed
 * where it is needed. */
static int tolerate(struct target_mounts *mounts, const struct error *why, struct error *error)
{
    if (why->code == CSN_MEMORY || why->code == CSN_PRIVILEGE) {
        return error_set(error, why->code, "%s", why->message);
    }
    mounts->incomplete = true;
    if (mounts->failure.code == CSN_NONE && why->code != CSN_NOT_FOUND) {
        mounts->failure = *why;
    }
    return mount_finding(mounts, error, "%s", why->message);
}

int mount_root(struct target_mounts *mounts, const struct disks *disks, const struct disk *disk,
               const struct disk_volume *volume, const char *options, struct error *error)
{
    if (mount_root_only(mounts, disk, volume, options, error) != 0) {
        return -1;
    }
    struct fstab fstab = {0};
    int root_fd = open(mounts->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = root_fd < 0 ? error_system(error, CSN_TARGET_MOUNT, "opening %s", mounts->path)
                             : fstab_read(&fstab, root_fd, error);
    file_drop(&root_fd);
    for (size_t i = 0; result == 0 && i < fstab.count; i++) {
        if (fstab_is_real(&fstab.items[i]) && strcmp(fstab.items[i].place, "/") != 0) {
            struct error why = {0};
            if (mount_line(mounts, disks, disk, &fstab, &fstab.items[i], &why) != 0) {
                result = tolerate(mounts, &why, error);
            }
        }
    }
    fstab_free(&fstab);
    if (result != 0) {
        struct error ignored;
        (void)!mount_close(mounts, &ignored);
    }
    return result;
}
