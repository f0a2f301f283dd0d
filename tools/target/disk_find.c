#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/buffer.h"
#include "target/disk.h"

/* What a name may be compared with: one text of a disk, or one of a volume. */
enum name_kind { NAME_SERIAL, NAME_WWN, NAME_PATH, NAME_IMAGE, NAME_UUID, NAME_LABEL, NAME_PARTUUID, NAME_PARTLABEL };

static const struct {
    const char *word;
    enum name_kind kind;
} kinds[] = {
    {"serial:", NAME_SERIAL}, {"wwn:", NAME_WWN},     {"path:", NAME_PATH},         {"image:", NAME_IMAGE},
    {"uuid:", NAME_UUID},     {"label:", NAME_LABEL}, {"partuuid:", NAME_PARTUUID}, {"partlabel:", NAME_PARTLABEL},
};

struct wanted {
    enum name_kind kind;
    const char *text;
    char real[PATH_MAX]; /* an image's path without links */
    dev_t device;        /* of a path, where the node is there */
};

static bool is_text(const char *have, const char *text)
{
    return have != NULL && strcmp(have, text) == 0;
}

/* UUIDs are written in both cases; the kernel and mount(8) do not mind. */
static bool is_uuid(const char *have, const char *text)
{
    return have != NULL && strcasecmp(have, text) == 0;
}

/* "…/NAME" or "…/NAME-part2" for one of the disk's ids. */
static bool is_id(const struct disk *disk, size_t volume_index, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *last = slash == NULL ? path : slash + 1;
    for (size_t i = 0; i < disk->ids.count; i++) {
        size_t length = strlen(disk->ids.items[i]);
        if (strncmp(last, disk->ids.items[i], length) != 0) {
            continue;
        }
        char tail[32] = "";
        if (volume_index > 0) {
            snprintf(tail, sizeof tail, "-part%d", disk->volumes[volume_index].number);
        }
        if (strcmp(last + length, tail) == 0) {
            return true;
        }
    }
    return false;
}

static bool fits(const struct wanted *wanted, const struct disk *disk, size_t volume_index)
{
    const struct disk_volume *volume = &disk->volumes[volume_index];
    switch (wanted->kind) {
    case NAME_SERIAL: return volume_index == 0 && wanted->text[0] != '\0' && is_text(disk->serial, wanted->text);
    case NAME_WWN: return volume_index == 0 && wanted->text[0] != '\0' && is_text(disk->wwn, wanted->text);
    case NAME_PATH:
        return (wanted->device != 0 && volume->device == wanted->device) ||
               (strncmp(wanted->text, "/dev/disk/by-id/", 16) == 0 && is_id(disk, volume_index, wanted->text));
    case NAME_IMAGE: return volume_index == 0 && is_text(disk->backing_file, wanted->real);
    case NAME_UUID: return is_uuid(volume->uuid, wanted->text);
    case NAME_LABEL: return is_text(volume->label, wanted->text);
    case NAME_PARTUUID: return is_uuid(volume->part_uuid, wanted->text);
    case NAME_PARTLABEL: return is_text(volume->part_label, wanted->text);
    }
    return false;
}

static int read_kind(struct wanted *wanted, const char *name, struct error *error)
{
    *wanted = (struct wanted){0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t length = strlen(kinds[i].word);
        if (strncmp(name, kinds[i].word, length) == 0 && name[length] != '\0') {
            wanted->kind = kinds[i].kind;
            wanted->text = name + length;
            return 0;
        }
    }
    return error_set(
        error, CSN_JOB_VALUE,
        "the disk \"%s\" is not named as serial:, wwn:, uuid:, label:, partuuid:, partlabel:, path: or image:", name);
}

static int read_name(struct wanted *wanted, const char *name, struct error *error)
{
    struct stat status;
    if (read_kind(wanted, name, error) != 0) {
        return -1;
    }
    if (wanted->kind == NAME_PATH && stat(wanted->text, &status) == 0 && S_ISBLK(status.st_mode)) {
        wanted->device = status.st_rdev;
    }
    if (wanted->kind == NAME_IMAGE && realpath(wanted->text, wanted->real) == NULL) {
        return error_system(error, CSN_TARGET_DISK_MISSING, "the disk image %s", wanted->text);
    }
    return 0;
}

/* udev's folders of links that are made from what the disk is or where it is plugged in. */
static bool is_lasting_path(const char *path)
{
    static const char *const folders[] = {"by-id", "by-path", "by-uuid", "by-label", "by-partuuid", "by-partlabel"};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        char folder[64];
        int length = snprintf(folder, sizeof folder, "/dev/disk/%s/", folders[i]);
        const char *last = path + length;
        if (strncmp(path, folder, (size_t)length) == 0 && last[0] != '\0' && last[0] != '.' &&
            strchr(last, '/') == NULL) {
            return true;
        }
    }
    return false;
}

int disk_check_name(const char *name, struct error *error)
{
    struct wanted wanted;
    if (read_kind(&wanted, name, error) != 0) {
        return -1;
    }
    return wanted.kind != NAME_PATH || is_lasting_path(wanted.text)
               ? 0
               : error_set(error, CSN_JOB_VALUE,
                           "the disk \"%s\" may be another one at the next boot; expected after path: is a name below "
                           "/dev/disk/by-id/ or /dev/disk/by-path/",
                           name);
}

static void list_disks(const struct disks *disks, struct buffer *list)
{
    for (size_t i = 0; i < disks->count; i++) {
        char *text = disk_describe(&disks->items[i]);
        buffer_format(list, "%s%s", i == 0 ? "" : ", ", text == NULL ? disks->items[i].name : text);
        free(text);
    }
    if (disks->count == 0) {
        buffer_string(list, "no disk at all");
    }
}

const struct disk *disks_find(const struct disks *disks, const char *name, const struct disk_volume **volume,
                              struct error *error)
{
    struct wanted wanted;
    const struct disk *found = NULL;
    const struct disk_volume *found_volume = NULL;
    struct buffer list = {0};
    size_t count = 0;
    if (volume != NULL) {
        *volume = NULL;
    }
    if (read_name(&wanted, name, error) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < disks->count; i++) {
        /* Partitions first: a hybrid medium shows its label on the whole disk as well, which is no second one. */
        size_t volumes = disks->items[i].volume_count;
        bool in_partition = false;
        for (size_t v = volumes; v-- > 0;) {
            if (fits(&wanted, &disks->items[i], v) && !(v == 0 && in_partition)) {
                in_partition = v > 0;
                found = &disks->items[i];
                found_volume = v == 0 ? NULL : &found->volumes[v];
                buffer_format(&list, "%s%s", count++ == 0 ? "" : ", ", found->volumes[v].path);
            }
        }
    }
    if (count > 1) {
        (void)error_set(error, CSN_TARGET_AMBIGUOUS_DISK, "the disk \"%s\" fits %zu: %s", name, count,
                        buffer_text(&list));
        found = NULL;
    } else if (count == 0) {
        buffer_clear(&list);
        list_disks(disks, &list);
        (void)error_set(error, CSN_TARGET_DISK_MISSING, "the disk \"%s\" is not there; there is: %s", name,
                        buffer_text(&list));
    } else if (volume != NULL) {
        *volume = found_volume;
    }
    buffer_free(&list);
    return found;
}

/* fstab(5)'s tags and udev's folders of links that mean the same. */
static const struct {
    const char *tag;
    const char *folder;
    enum name_kind kind;
} fstab_kinds[] = {
    {"UUID=", "/dev/disk/by-uuid/", NAME_UUID},
    {"LABEL=", "/dev/disk/by-label/", NAME_LABEL},
    {"PARTUUID=", "/dev/disk/by-partuuid/", NAME_PARTUUID},
    {"PARTLABEL=", "/dev/disk/by-partlabel/", NAME_PARTLABEL},
    {"ID=", "/dev/disk/by-id/", NAME_PATH},
};

const struct disk_volume *disks_find_fstab(const struct disks *disks, const char *field, const struct disk **disk,
                                           bool *by_name)
{
    const struct disk_volume *found = NULL;
    struct wanted wanted = {0};
    char by_id[PATH_MAX];
    *disk = NULL;
    *by_name = false;
    for (size_t i = 0; wanted.text == NULL && i < sizeof fstab_kinds / sizeof fstab_kinds[0]; i++) {
        size_t tag = strlen(fstab_kinds[i].tag);
        size_t folder = strlen(fstab_kinds[i].folder);
        wanted.kind = fstab_kinds[i].kind;
        if (strncmp(field, fstab_kinds[i].tag, tag) == 0) {
            wanted.text = field + tag;
        } else if (strncmp(field, fstab_kinds[i].folder, folder) == 0) {
            wanted.text = field + folder;
        }
    }
    if (wanted.text == NULL) {
        *by_name = strncmp(field, "/dev/", 5) == 0;
        return NULL;
    }
    if (wanted.kind == NAME_PATH) {
        snprintf(by_id, sizeof by_id, "/dev/disk/by-id/%s", wanted.text);
        wanted.text = by_id;
    }
    for (size_t i = 0; i < disks->count; i++) {
        for (size_t v = 0; v < disks->items[i].volume_count; v++) {
            if (!fits(&wanted, &disks->items[i], v)) {
                continue;
            }
            if (found != NULL) {
                return NULL;
            }
            found = &disks->items[i].volumes[v];
            *disk = &disks->items[i];
        }
    }
    return found;
}

const struct disk *disks_by_device(const struct disks *disks, dev_t device, const struct disk_volume **volume)
{
    for (size_t i = 0; i < disks->count; i++) {
        for (size_t v = 0; v < disks->items[i].volume_count; v++) {
            if (disks->items[i].volumes[v].device == device) {
                if (volume != NULL) {
                    *volume = &disks->items[i].volumes[v];
                }
                return &disks->items[i];
            }
        }
    }
    return NULL;
}

char *disk_describe(const struct disk *disk)
{
    char *text = NULL;
    const char *what = disk->backing_file != NULL ? disk->backing_file : disk->model;
    if (asprintf(&text, "%s (%s%s%s%s%s%.1f GB)", disk->name, what, what[0] == '\0' ? "" : ", ",
                 disk->serial[0] == '\0' ? "" : "serial ", disk->serial, disk->serial[0] == '\0' ? "" : ", ",
                 (double)disk->size_bytes / 1e9) < 0) {
        return NULL;
    }
    return text;
}
