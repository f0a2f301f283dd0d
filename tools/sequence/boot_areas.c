#include "sequence/boot_areas.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/file.h"
#include "sequence/media.h"

#define MEBIBYTE ((uint64_t)1 << 20)
#define ESP_LIMIT (1024 * MEBIBYTE)

/* GPT partition types (UEFI specification 2.10, table 5.7; GRUB manual, BIOS installation), and the MBR's number of an ESP. */
static const char *const boot_types[] = {
    "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", /* EFI system partition */
    "21686148-6449-6e6f-744e-656564454649", /* BIOS boot partition */
    "0xef",
};

static bool is_boot_partition(const struct disk_volume *volume)
{
    for (size_t i = 0; volume->part_type != NULL && i < sizeof boot_types / sizeof boot_types[0]; i++) {
        if (strcasecmp(volume->part_type, boot_types[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int copy_range(int folder_fd, const char *device, const char *name, uint64_t start, uint64_t size,
                      struct error *error)
{
    static const size_t chunk_size = MEBIBYTE;
    int result = -1;
    int to_fd = -1;
    char *chunk = malloc(chunk_size);
    int from_fd = open(device, O_RDONLY | O_CLOEXEC);
    if (chunk == NULL) {
        error_set(error, CSN_MEMORY, "no memory to read %s", device);
        goto out;
    }
    to_fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (from_fd < 0 || to_fd < 0) {
        error_system(error, CSN_IO, "copying the boot area of %s", device);
        goto out;
    }
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < chunk_size ? (size_t)(size - at) : chunk_size;
        ssize_t got = pread(from_fd, chunk, want, (off_t)(start + at));
        if (got <= 0) {
            error_system(error, CSN_IO, "reading %s", device);
            goto out;
        }
        if (file_write_fd(to_fd, name, chunk, (size_t)got, error) != 0) {
            goto out;
        }
        at += (uint64_t)got;
    }
    result = file_close(&to_fd, name, error);
out:
    file_drop(&from_fd);
    file_drop(&to_fd);
    free(chunk);
    return result;
}

static int copy_disk(int folder_fd, const struct disk *disk, struct error *error)
{
    char name[128];
    uint64_t first = disk->size_bytes < MEBIBYTE ? disk->size_bytes : MEBIBYTE;
    snprintf(name, sizeof name, "%s-first-1MiB.img", disk->name);
    if (copy_range(folder_fd, disk->path, name, 0, first, error) != 0) {
        return -1;
    }
    snprintf(name, sizeof name, "%s-last-1MiB.img", disk->name);
    if (copy_range(folder_fd, disk->path, name, disk->size_bytes - first, first, error) != 0) {
        return -1;
    }
    for (size_t i = 1; i < disk->volume_count; i++) {
        const struct disk_volume *volume = &disk->volumes[i];
        if (is_boot_partition(volume) && volume->size_bytes <= ESP_LIMIT) {
            snprintf(name, sizeof name, "%s-p%d.img", disk->name, volume->number);
            if (copy_range(folder_fd, volume->path, name, 0, volume->size_bytes, error) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int boot_areas_collect(struct boot_areas *areas, const struct run *run, struct error *error)
{
    *areas = (struct boot_areas){.folder_fd = -1};
    if (run->target.mounts.count == 0) {
        return 0;
    }
    struct buffer path = {0};
    buffer_format(&path, "%s/boot-areas-XXXXXX", run->scratch_path != NULL ? run->scratch_path : "/tmp");
    areas->path = buffer_take(&path);
    if (areas->path == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the boot areas");
    }
    if (mkdtemp(areas->path) == NULL ||
        (areas->folder_fd = open(areas->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        error_system(error, CSN_IO, "making %s", areas->path);
        free(areas->path);
        areas->path = NULL;
        return -1;
    }
    struct strings names = {0};
    int result = target_disks(&run->target, &names, error);
    for (size_t i = 0; result == 0 && i < run->target.survey.disks.count; i++) {
        const struct disk *disk = &run->target.survey.disks.items[i];
        if (strings_has(&names, disk->name)) {
            result = copy_disk(areas->folder_fd, disk, error);
        }
    }
    strings_free(&names);
    return result;
}

void boot_areas_free(struct boot_areas *areas)
{
    file_drop(&areas->folder_fd);
    if (areas->path != NULL) {
        struct error ignored;
        (void)!media_remove(areas->path, NULL, &ignored);
    }
    free(areas->path);
    *areas = (struct boot_areas){.folder_fd = -1};
}
