#include "target/disk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "target/disk_probe.h"
#include "target/disk_sysfs.h"

static const struct disk_places here = {"/sys", "/dev"};

static int memory_error(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory to list the disks");
}

/* udev's way of naming, as far as it can be had without udev: blanks become '_'. */
static int add_id(struct disk *disk, const char *kind, const char *text, const char *more, struct error *error)
{
    char *id = NULL;
    if (asprintf(&id, "%s%s%s%s", kind, text, more[0] == '\0' ? "" : "_", more) < 0) {
        return memory_error(error);
    }
    for (char *at = id; *at != '\0'; at++) {
        *at = isspace((unsigned char)*at) || *at == '/' ? '_' : *at;
    }
    int result = strings_add(&disk->ids, id, error);
    free(id);
    return result;
}

static int add_ids(struct disk *disk, struct error *error)
{
    bool naa = strncmp(disk->wwn, "naa.", 4) == 0;
    bool nvme = strncmp(disk->wwn, "eui.", 4) == 0 || strncmp(disk->wwn, "nvme.", 5) == 0;
    if ((naa && add_id(disk, "wwn-0x", disk->wwn + 4, "", error) != 0) ||
        (nvme && add_id(disk, "nvme-", disk->wwn, "", error) != 0)) {
        return -1;
    }
    if (disk->serial[0] == '\0' || disk->transport[0] == '\0') {
        return 0;
    }
    char kind[16];
    snprintf(kind, sizeof kind, "%s-", strcmp(disk->transport, "sata") == 0 ? "ata" : disk->transport);
    bool model_first = disk->model[0] != '\0' && strcmp(disk->transport, "virtio") != 0;
    return add_id(disk, kind, model_first ? disk->model : disk->serial, model_first ? disk->serial : "", error);
}

/* The device's node: sysfs writes '/' in names as '!'. */
static char *node_path(const struct disk_places *places, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", places->dev, name) < 0) {
        return NULL;
    }
    for (char *at = path; *at != '\0'; at++) {
        *at = *at == '!' ? '/' : *at;
    }
    return path;
}

static int add_volume(struct disk *disk, const struct disk_places *places, int folder_fd, const char *name,
                      struct error *error)
{
    struct disk_volume *grown = reallocarray(disk->volumes, disk->volume_count + 1, sizeof *grown);
    if (grown == NULL) {
        return memory_error(error);
    }
    disk->volumes = grown;
    struct disk_volume *volume = &grown[disk->volume_count++];
    *volume = (struct disk_volume){
        .name = strdup(name),
        .path = node_path(places, name),
        .device = sysfs_device(folder_fd),
        .number = (int)sysfs_number(folder_fd, "partition"),
        .start_bytes = sysfs_number(folder_fd, "start") * 512,
        .size_bytes = sysfs_number(folder_fd, "size") * 512,
        .read_only = sysfs_number(folder_fd, "ro") != 0,
    };
    return volume->name == NULL || volume->path == NULL ? memory_error(error) : 0;
}

static int by_number(const void *left, const void *right)
{
    const struct disk_volume *a = left;
    const struct disk_volume *b = right;
    return (a->number > b->number) - (a->number < b->number);
}

/* Partitions are folders in the disk's folder that have a file "partition". */
static int add_partitions(struct disk *disk, const struct disk_places *places, int folder_fd, struct error *error)
{
    int listing_fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = listing_fd < 0 ? NULL : fdopendir(listing_fd);
    if (listing == NULL) {
        file_drop(&listing_fd);
        return error_system(error, CSN_IO, "reading sysfs of the disk %s", disk->name);
    }
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(listing)) != NULL;) {
        if (strncmp(entry->d_name, disk->name, strlen(disk->name)) != 0) {
            continue;
        }
        int part_fd = openat(folder_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (part_fd >= 0 && faccessat(part_fd, "partition", F_OK, 0) == 0) {
            result = add_volume(disk, places, part_fd, entry->d_name, error);
        }
        file_drop(&part_fd);
    }
    closedir(listing);
    qsort(disk->volumes, disk->volume_count, sizeof disk->volumes[0], by_number);
    return result;
}

static int read_disk(struct disk *disk, const struct disk_places *places, int block_fd, int folder_fd, const char *name,
                     struct error *error)
{
    char link[PATH_MAX] = "";
    if (readlinkat(block_fd, name, link, sizeof link - 1) < 0) {
        link[0] = '\0';
    }
    disk->name = strdup(name);
    disk->path = node_path(places, name);
    disk->transport = strdup(disk_transport(name, link, folder_fd));
    if (disk->name == NULL || disk->path == NULL || disk->transport == NULL) {
        return memory_error(error);
    }
    disk->sequence = sysfs_number(folder_fd, "diskseq");
    disk->size_bytes = sysfs_number(folder_fd, "size") * 512;
    disk->removable = sysfs_number(folder_fd, "removable") != 0;
    disk->read_only = sysfs_number(folder_fd, "ro") != 0;
    disk->model = disk_model(folder_fd, disk->transport);
    disk->serial = disk_serial(folder_fd, disk->transport);
    disk->wwn = disk_wwn(folder_fd);
    if (strcmp(disk->transport, "loop") == 0) {
        disk->backing_file = sysfs_text(folder_fd, "loop/backing_file");
    }
    if (disk->model == NULL || disk->serial == NULL || disk->wwn == NULL) {
        return memory_error(error);
    }
    if (add_ids(disk, error) != 0 || add_volume(disk, places, folder_fd, name, error) != 0 ||
        add_partitions(disk, places, folder_fd, error) != 0) {
        return -1;
    }
    return disk_probe(disk, error);
}

static int is_disk(const struct dirent *entry)
{
    static const char *const not_disks[] = {".", "ram", "zram", "fd"};
    for (size_t i = 0; i < sizeof not_disks / sizeof not_disks[0]; i++) {
        if (strncmp(entry->d_name, not_disks[i], strlen(not_disks[i])) == 0) {
            return 0;
        }
    }
    return 1;
}

static int add_disk(struct disks *disks, const struct disk_places *places, int block_fd, const char *name,
                    struct error *error)
{
    int result = 0;
    int folder_fd = openat(block_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* A disk that was pulled out since the listing is no error; nor is one without a size, or a path behind multipath. */
    if (folder_fd >= 0 && sysfs_number(folder_fd, "size") != 0 && sysfs_number(folder_fd, "hidden") == 0) {
        struct disk *grown = reallocarray(disks->items, disks->count + 1, sizeof *grown);
        if (grown == NULL) {
            result = memory_error(error);
        } else {
            disks->items = grown;
            grown[disks->count] = (struct disk){0};
            result = read_disk(&grown[disks->count++], places, block_fd, folder_fd, name, error);
        }
    }
    file_drop(&folder_fd);
    return result;
}

int disks_list(struct disks *disks, const struct disk_places *places, struct error *error)
{
    *disks = (struct disks){0};
    places = places == NULL ? &here : places;
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/block", places->sys);
    struct dirent **entries = NULL;
    int block_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = block_fd < 0 ? -1 : scandir(folder, &entries, is_disk, versionsort);
    if (count < 0) {
        error_system(error, CSN_IO, "listing the disks in %s", folder);
        file_drop(&block_fd);
        return -1;
    }
    int result = 0;
    for (int i = 0; i < count; i++) {
        if (result == 0) {
            result = add_disk(disks, places, block_fd, entries[i]->d_name, error);
        }
        free(entries[i]);
    }
    free(entries);
    file_drop(&block_fd);
    if (result != 0) {
        disks_free(disks);
    }
    return result;
}

static void free_volume(struct disk_volume *volume)
{
    char *const texts[] = {volume->name,  volume->path,      volume->type,       volume->uuid,
                           volume->label, volume->part_uuid, volume->part_label, volume->part_type};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
}

void disks_free(struct disks *disks)
{
    for (size_t i = 0; i < disks->count; i++) {
        struct disk *disk = &disks->items[i];
        for (size_t v = 0; v < disk->volume_count; v++) {
            free_volume(&disk->volumes[v]);
        }
        char *const texts[] = {disk->name, disk->path,      disk->model,       disk->serial,
                               disk->wwn,  disk->transport, disk->backing_file};
        for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++) {
            free(texts[t]);
        }
        strings_free(&disk->ids);
        free(disk->volumes);
    }
    free(disks->items);
    *disks = (struct disks){0};
}
