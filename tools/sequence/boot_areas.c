#include "sequence/boot_areas.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"
#include "sequence/media.h"

#define MEBIBYTE ((uint64_t)1 << 20)

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

/* One stretch of a disk, and the file that it becomes. */
struct stretch {
    const char *device;
    char name[128];
    uint64_t start_bytes;
    uint64_t size_bytes;
};

typedef int stretch_function(void *context, const struct stretch *stretch, struct error *error);

static int copy_stretch(void *context, const struct stretch *stretch, struct error *error)
{
    static const size_t chunk_size = MEBIBYTE;
    const int folder_fd = *(const int *)context;
    const char *device = stretch->device;
    const char *name = stretch->name;
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
    for (uint64_t at = 0; at < stretch->size_bytes;) {
        uint64_t rest = stretch->size_bytes - at;
        size_t want = rest < chunk_size ? (size_t)rest : chunk_size;
        ssize_t got = pread(from_fd, chunk, want, (off_t)(stretch->start_bytes + at));
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

static int add_bytes(void *context, const struct stretch *stretch, struct error *error)
{
    (void)error;
    *(uint64_t *)context += stretch->size_bytes;
    return 0;
}

static int each_of_disk(const struct disk *disk, stretch_function *take, void *context, struct error *error)
{
    uint64_t first = disk->size_bytes < MEBIBYTE ? disk->size_bytes : MEBIBYTE;
    struct stretch stretch = {.device = disk->path, .size_bytes = first};
    snprintf(stretch.name, sizeof stretch.name, "%s-first-1MiB.img", disk->name);
    if (take(context, &stretch, error) != 0) {
        return -1;
    }
    stretch.start_bytes = disk->size_bytes - first;
    snprintf(stretch.name, sizeof stretch.name, "%s-last-1MiB.img", disk->name);
    if (take(context, &stretch, error) != 0) {
        return -1;
    }
    for (size_t i = 1; i < disk->volume_count; i++) {
        const struct disk_volume *volume = &disk->volumes[i];
        stretch = (struct stretch){.device = volume->path, .size_bytes = volume->size_bytes};
        snprintf(stretch.name, sizeof stretch.name, "%s-p%d.img", disk->name, volume->number);
        if (is_boot_partition(volume) && take(context, &stretch, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int each_stretch(const struct run *run, stretch_function *take, void *context, struct error *error)
{
    struct strings names = {0};
    int result = target_disks(&run->target, true, &names, error);
    for (size_t i = 0; result == 0 && i < run->target.survey.disks.count; i++) {
        const struct disk *disk = &run->target.survey.disks.items[i];
        if (strings_has(&names, disk->name)) {
            result = each_of_disk(disk, take, context, error);
        }
    }
    strings_free(&names);
    return result;
}

int boot_areas_size(const struct run *run, uint64_t *size_bytes, struct error *error)
{
    *size_bytes = 0;
    return each_stretch(run, add_bytes, size_bytes, error);
}

int boot_areas_collect(struct boot_areas *areas, const struct run *run, struct error *error)
{
    *areas = (struct boot_areas){.folder_fd = -1};
    if (run->target.mounts.count == 0) {
        return 0;
    }
    struct buffer path = {0};
    buffer_format(&path, "%s/" SCRATCH_PREFIX "boot-XXXXXX", run->backup_path);
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
    return each_stretch(run, copy_stretch, &areas->folder_fd, error);
}

struct comparing {
    int folder_fd;
    const struct progress *progress;
    uint64_t count;
};

/* 0 if both have the same size_bytes from their offsets on. */
static int same_bytes(int a_fd, uint64_t a_offset, int b_fd, const struct stretch *stretch,
                      const struct progress *progress, struct error *error)
{
    char *bytes = malloc(2 * MEBIBYTE);
    int result = bytes == NULL ? error_set(error, CSN_MEMORY, "no memory to compare %s", stretch->name) : 0;
    for (uint64_t at = 0; result == 0 && bytes != NULL && at < stretch->size_bytes;) {
        uint64_t rest = stretch->size_bytes - at;
        size_t want = rest < MEBIBYTE ? (size_t)rest : MEBIBYTE;
        ssize_t got = pread(a_fd, bytes, want, (off_t)(a_offset + at));
        if (got <= 0 || pread(b_fd, bytes + MEBIBYTE, (size_t)got, (off_t)at) != got) {
            result = error_system(error, CSN_IO, "reading %s and its copy %s", stretch->device, stretch->name);
        } else if (memcmp(bytes, bytes + MEBIBYTE, (size_t)got) != 0) {
            result = error_set(error, CSN_REPOSITORY_DIFFERS, "%s/%s is not what %s holds", BOOT_AREAS_NAME,
                               stretch->name, stretch->device);
        } else {
            at += (uint64_t)got;
            const struct progress_state state = {
                .doing = "comparing", .item = stretch->name, .done_bytes = at, .total_bytes = stretch->size_bytes};
            progress_tell(progress, &state);
        }
    }
    free(bytes);
    return result;
}

static int compare_stretch(void *context, const struct stretch *stretch, struct error *error)
{
    struct comparing *comparing = context;
    char name[sizeof stretch->name + sizeof BOOT_AREAS_NAME + 1];
    struct stat status;
    int result = -1;
    snprintf(name, sizeof name, BOOT_AREAS_NAME "/%s", stretch->name);
    int copy_fd = root_open(comparing->folder_fd, name, O_RDONLY | O_NOFOLLOW, 0, error);
    int disk_fd = copy_fd < 0 ? -1 : open(stretch->device, O_RDONLY | O_CLOEXEC);
    if (copy_fd >= 0 && (disk_fd < 0 || fstat(copy_fd, &status) != 0)) {
        error_system(error, CSN_IO, "comparing the boot area of %s", stretch->device);
    } else if (copy_fd >= 0 && (uint64_t)status.st_size != stretch->size_bytes) {
        error_set(error, CSN_REPOSITORY_DIFFERS, "%s has another size than the boot area of %s", name, stretch->device);
    } else if (copy_fd >= 0) {
        result = same_bytes(disk_fd, stretch->start_bytes, copy_fd, stretch, comparing->progress, error);
        comparing->count++;
    }
    file_drop(&copy_fd);
    file_drop(&disk_fd);
    return result;
}

int boot_areas_compare(const struct run *run, int folder_fd, uint64_t *count, const struct progress *progress,
                       struct error *error)
{
    struct comparing comparing = {.folder_fd = folder_fd, .progress = progress};
    int result = run->target.mounts.count == 0 ? 0 : each_stretch(run, compare_stretch, &comparing, error);
    *count = comparing.count;
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
