#include "target/disk_probe.h"

#include <blkid/blkid.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"

/* libblkid's answer of two signatures that contradict each other. */
#define BLKID_AMBIVALENT (-2)

static int memory_error(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory to look at the disks");
}

static int copy_value(blkid_probe probe, const char *name, char **value, struct error *error)
{
    const char *text = NULL;
    if (*value == NULL && blkid_probe_lookup_value(probe, name, &text, NULL) == 0 && text != NULL && text[0] != '\0') {
        *value = strdup(text);
        return *value == NULL ? memory_error(error) : 0;
    }
    return 0;
}

static enum disk_use use_of(blkid_probe probe)
{
    const char *usage = NULL;
    if (blkid_probe_lookup_value(probe, "USAGE", &usage, NULL) != 0 || usage == NULL) {
        return DISK_USE_OTHER; /* a partition table */
    }
    if (strcmp(usage, "filesystem") == 0) {
        return DISK_USE_FILESYSTEM;
    }
    return strcmp(usage, "raid") == 0 || strcmp(usage, "crypto") == 0 ? DISK_USE_MEMBER : DISK_USE_OTHER;
}

static int probe_volume(struct disk_volume *volume, struct error *error)
{
    int result = 0;
    int fd = open(volume->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    blkid_probe probe = fd < 0 ? NULL : blkid_new_probe();
    if (probe == NULL || blkid_probe_set_device(probe, fd, 0, (blkid_loff_t)volume->size_bytes) != 0) {
        goto out;
    }
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe,
                                      BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_USAGE);
    blkid_probe_enable_partitions(probe, volume->number == 0);
    int answer = blkid_do_safeprobe(probe);
    if (answer == BLKID_AMBIVALENT) {
        volume->type = strdup("ambiguous");
        result = volume->type == NULL ? memory_error(error) : 0;
    } else if (answer == 0) {
        volume->use = use_of(probe);
        if (copy_value(probe, "TYPE", &volume->type, error) != 0 ||
            copy_value(probe, "PTTYPE", &volume->type, error) != 0 ||
            copy_value(probe, "UUID", &volume->uuid, error) != 0 ||
            copy_value(probe, "PTUUID", &volume->uuid, error) != 0 ||
            copy_value(probe, "LABEL", &volume->label, error) != 0) {
            result = -1;
        }
    }
out:
    blkid_free_probe(probe);
    file_drop(&fd);
    return result;
}

/* A probe that has read fd's partition table; NULL where there is none. */
static blkid_probe probe_table(int fd, blkid_partlist *table)
{
    blkid_probe probe = fd < 0 ? NULL : blkid_new_probe();
    if (probe == NULL) {
        return NULL;
    }
    if (blkid_probe_set_device(probe, fd, 0, 0) == 0) {
        blkid_probe_enable_superblocks(probe, 0);
        blkid_probe_enable_partitions(probe, 1);
        *table = blkid_probe_get_partitions(probe);
        if (*table != NULL) {
            return probe;
        }
    }
    blkid_free_probe(probe);
    return NULL;
}

static int copy_text(const char *text, char **copy, struct error *error)
{
    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    *copy = strdup(text);
    return *copy == NULL ? memory_error(error) : 0;
}

/* Names of partitions come from the table on the disk. */
static int probe_names(struct disk *disk, struct error *error)
{
    int result = 0;
    int fd = open(disk->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    blkid_partlist table = NULL;
    blkid_probe probe = probe_table(fd, &table);
    for (size_t i = 1; probe != NULL && result == 0 && i < disk->volume_count; i++) {
        struct disk_volume *volume = &disk->volumes[i];
        blkid_partition part = blkid_partlist_get_partition_by_partno(table, volume->number);
        if (part != NULL && (copy_text(blkid_partition_get_uuid(part), &volume->part_uuid, error) != 0 ||
                             copy_text(blkid_partition_get_name(part), &volume->part_label, error) != 0 ||
                             copy_text(blkid_partition_get_type_string(part), &volume->part_type, error) != 0)) {
            result = -1;
        }
    }
    blkid_free_probe(probe);
    file_drop(&fd);
    return result;
}

int disk_probe(struct disk *disk, struct error *error)
{
    for (size_t i = 0; i < disk->volume_count; i++) {
        if (probe_volume(&disk->volumes[i], error) != 0) {
            return -1;
        }
    }
    return disk->volume_count > 1 ? probe_names(disk, error) : 0;
}

int disk_probe_table(int fd, struct disk_slot **slots, size_t *count, struct error *error)
{
    *slots = NULL;
    *count = 0;
    blkid_partlist table = NULL;
    blkid_probe probe = probe_table(fd, &table);
    int parts = probe == NULL ? 0 : blkid_partlist_numof_partitions(table);
    int result = 0;
    if (parts > 0) {
        *slots = calloc((size_t)parts, sizeof **slots);
        if (*slots == NULL) {
            result = memory_error(error);
            parts = 0;
        }
    }
    for (int i = 0; i < parts; i++) {
        blkid_partition part = blkid_partlist_get_partition(table, i);
        (*slots)[(*count)++] = (struct disk_slot){
            .number = blkid_partition_get_partno(part),
            .start_bytes = (uint64_t)blkid_partition_get_start(part) * 512,
            .size_bytes = (uint64_t)blkid_partition_get_size(part) * 512,
        };
    }
    blkid_free_probe(probe);
    return result;
}
