#include "target/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/file.h"

bool protect_is_image(void)
{
    return access("/etc/caisson/image", F_OK) == 0;
}

static int open_device(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_system(error, errno == EACCES ? CSN_PRIVILEGE : CSN_TARGET_PROTECT, "opening %s", path);
    }
    return fd;
}

int protect_get(const char *path, bool *read_only, struct error *error)
{
    int flag = 0;
    int fd = open_device(path, error);
    if (fd < 0) {
        return -1;
    }
    int result = 0;
    if (ioctl(fd, BLKROGET, &flag) != 0) {
        result = error_system(error, CSN_TARGET_PROTECT, "asking whether %s is write-protected", path);
    }
    file_drop(&fd);
    *read_only = flag != 0;
    return result;
}

int protect_set(const char *path, bool read_only, struct error *error)
{
    int flag = read_only ? 1 : 0;
    int fd = open_device(path, error);
    if (fd < 0) {
        return -1;
    }
    int result = 0;
    const char *doing = read_only ? "write-protecting" : "lifting the write protection of";
    if (ioctl(fd, BLKROSET, &flag) != 0) {
        result = error_system(error, errno == EACCES ? CSN_PRIVILEGE : CSN_TARGET_PROTECT, "%s %s", doing, path);
    }
    file_drop(&fd);
    if (result != 0) {
        return -1;
    }
    /* Believe the kernel, not the call: a driver may keep a disk read-only, or a partition may follow its disk. */
    bool is_read_only = false;
    if (protect_get(path, &is_read_only, error) != 0) {
        return -1;
    }
    if (is_read_only != read_only) {
        return error_set(
            error, CSN_TARGET_PROTECT, "%s %s had no effect%s", doing, path,
            is_read_only ? ": the disk itself refuses writing (a switch on it, or an image opened for reading)" : "");
    }
    return 0;
}

/* The disk before its partitions when lifting (a partition of a protected disk reads as protected), after them when
 * protecting. All are tried; the first error counts. */
static int set_disk(const struct disk *disk, bool read_only, struct error *error)
{
    int result = 0;
    struct error ignored;
    for (size_t i = 0; i < disk->volume_count; i++) {
        size_t index = read_only ? disk->volume_count - 1 - i : i;
        if (protect_set(disk->volumes[index].path, read_only, result == 0 ? error : &ignored) != 0) {
            result = -1;
        }
    }
    return result;
}

static bool has_no_medium(const struct disk *disk)
{
    int fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool none = fd < 0 && (errno == ENOMEDIUM || errno == ENXIO || errno == ENOENT);
    file_drop(&fd);
    return none;
}

static struct protect_entry *find_entry(const struct protect *protect, const struct disk *disk)
{
    for (size_t i = 0; i < protect->count; i++) {
        struct protect_entry *entry = &protect->entries[i];
        if (strcmp(entry->name, disk->name) == 0 && entry->sequence == disk->sequence) {
            return entry;
        }
    }
    return NULL;
}

static int add_entry(struct protect *protect, const struct disk *disk, struct error *error)
{
    struct protect_entry *grown = reallocarray(protect->entries, protect->count + 1, sizeof *grown);
    char *name = strdup(disk->name);
    if (grown != NULL) {
        protect->entries = grown;
    }
    if (grown == NULL || name == NULL) {
        free(name);
        return error_set(error, CSN_MEMORY, "no memory to list the protected disks");
    }
    grown[protect->count++] = (struct protect_entry){.name = name, .sequence = disk->sequence};
    return 0;
}

/* Protects a disk not seen before. One that is gone or empty meanwhile is nothing to protect. */
static int protect_new(struct protect *protect, const struct disk *disk, struct error *error)
{
    if (has_no_medium(disk)) {
        return 0;
    }
    return add_entry(protect, disk, error) != 0 ? -1 : set_disk(disk, true, error);
}

int protect_start(struct protect *protect, const struct disk_places *places, struct error *error)
{
    *protect = (struct protect){.places = {"/sys", "/dev"}};
    if (places != NULL) {
        protect->places = *places;
    }
    struct disks disks;
    if (disks_list(&disks, &protect->places, error) != 0) {
        return -1;
    }
    int result = 0;
    struct error ignored;
    for (size_t i = 0; i < disks.count; i++) {
        if (protect_new(protect, &disks.items[i], result == 0 ? error : &ignored) != 0) {
            result = -1;
        }
    }
    disks_free(&disks);
    return result;
}

void protect_free(struct protect *protect)
{
    for (size_t i = 0; i < protect->count; i++) {
        free(protect->entries[i].name);
    }
    free(protect->entries);
    *protect = (struct protect){0};
}

static struct protect_entry *known_entry(const struct protect *protect, const struct disk *disk, struct error *error)
{
    struct protect_entry *entry = find_entry(protect, disk);
    if (entry == NULL) {
        (void)error_set(error, CSN_TARGET_PROTECT,
                        "the disk %s is not the one that was there before: it was exchanged or is new", disk->name);
    }
    return entry;
}

int protect_lift(struct protect *protect, const struct disk *disk, struct error *error)
{
    struct protect_entry *entry = known_entry(protect, disk, error);
    if (entry == NULL) {
        return -1;
    }
    if (set_disk(disk, false, error) != 0) {
        struct error ignored;
        (void)!set_disk(disk, true, &ignored);
        return -1;
    }
    entry->writable = true;
    return 0;
}

int protect_restore(struct protect *protect, const struct disk *disk, struct error *error)
{
    struct protect_entry *entry = known_entry(protect, disk, error);
    if (entry == NULL) {
        return -1;
    }
    entry->writable = false;
    return set_disk(disk, true, error);
}

int protect_restore_all(struct protect *protect, struct error *error)
{
    struct disks disks;
    if (disks_list(&disks, &protect->places, error) != 0) {
        return -1;
    }
    int result = 0;
    struct error ignored;
    for (size_t i = 0; i < disks.count; i++) {
        const struct protect_entry *entry = find_entry(protect, &disks.items[i]);
        if (entry != NULL && entry->writable &&
            protect_restore(protect, &disks.items[i], result == 0 ? error : &ignored) != 0) {
            result = -1;
        }
    }
    disks_free(&disks);
    return result;
}

static int check_disk(struct protect *protect, const struct disk *disk, struct strings *appeared, struct error *error)
{
    struct protect_entry *entry = find_entry(protect, disk);
    if (entry == NULL) {
        if (protect_new(protect, disk, error) != 0) {
            return -1;
        }
        return appeared == NULL ? 0 : strings_add(appeared, disk->name, error);
    }
    for (size_t i = 0; !entry->writable && i < disk->volume_count; i++) {
        bool read_only = true;
        if (protect_get(disk->volumes[i].path, &read_only, error) != 0) {
            return has_no_medium(disk) ? 0 : -1;
        }
        if (!read_only) {
            struct error ignored;
            (void)!set_disk(disk, true, &ignored);
            return error_set(
                error, CSN_TARGET_PROTECT,
                "%s became writable though no step asked for it; it is protected again, but may have been written",
                disk->volumes[i].path);
        }
    }
    return 0;
}

int protect_check(struct protect *protect, struct strings *appeared, struct error *error)
{
    struct disks disks;
    if (disks_list(&disks, &protect->places, error) != 0) {
        return -1;
    }
    int result = 0;
    struct error ignored;
    for (size_t i = 0; i < disks.count; i++) {
        if (check_disk(protect, &disks.items[i], appeared, result == 0 ? error : &ignored) != 0) {
            result = -1;
        }
    }
    disks_free(&disks);
    return result;
}
