#include "target/disk.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/file.h"
#include "target/disk_probe.h"

static const struct disk_places here = {"/sys", "/dev"};

/* One attribute of sysfs, trimmed; "" where there is none. Owned by the caller; NULL without memory. */
static char *read_attribute(int folder_fd, const char *name)
{
    struct buffer content = {0};
    char *text = NULL;
    if (file_read(folder_fd, name, 4096, &content, NULL) != 0) {
        text = strdup("");
    } else {
        const char *begin = buffer_text(&content);
        begin += strspn(begin, " \t\n");
        size_t length = strlen(begin);
        while (length > 0 && isspace((unsigned char)begin[length - 1])) {
            length--;
        }
        text = strndup(begin, length);
    }
    buffer_free(&content);
    return text;
}

static uint64_t read_number(int folder_fd, const char *name)
{
    char *text = read_attribute(folder_fd, name);
    uint64_t number = text == NULL ? 0 : strtoull(text, NULL, 10);
    free(text);
    return number;
}

static dev_t read_device(int folder_fd)
{
    char *text = read_attribute(folder_fd, "dev");
    unsigned major_number = 0;
    unsigned minor_number = 0;
    bool known = text != NULL && sscanf(text, "%u:%u", &major_number, &minor_number) == 2;
    free(text);
    return known ? makedev(major_number, minor_number) : 0;
}

/* The first attribute of the list that says something. */
static char *read_first(int folder_fd, const char *const names[])
{
    for (size_t i = 0; names[i] != NULL; i++) {
        char *text = read_attribute(folder_fd, names[i]);
        if (text == NULL || text[0] != '\0') {
            return text;
        }
        free(text);
    }
    return strdup("");
}

/* SCSI's "unit serial number" page: four bytes of header, then text (SPC-4, 7.8.15). */
static char *read_scsi_serial(int folder_fd)
{
    struct buffer page = {0};
    char *serial = NULL;
    if (file_read(folder_fd, "device/vpd_pg80", 4096, &page, NULL) == 0 && page.size > 4) {
        size_t begin = 4;
        size_t end = page.size;
        while (begin < end && (page.data[begin] == ' ' || page.data[begin] == '\0')) {
            begin++;
        }
        while (end > begin && (isspace((unsigned char)page.data[end - 1]) || page.data[end - 1] == '\0')) {
            end--;
        }
        serial = strndup(page.data + begin, end - begin);
    } else {
        serial = strdup("");
    }
    buffer_free(&page);
    return serial;
}

/* A USB disk's serial is the USB device's, some folders above the disk's in /sys/devices. */
static char *read_usb_serial(int folder_fd)
{
    char up[64] = "device";
    for (int i = 0; i < 8; i++) {
        char name[96];
        snprintf(name, sizeof name, "%s/idVendor", up);
        if (faccessat(folder_fd, name, F_OK, 0) == 0) {
            snprintf(name, sizeof name, "%s/serial", up);
            return read_attribute(folder_fd, name);
        }
        strcat(up, "/..");
    }
    return strdup("");
}

static const char *transport_of(const char *name, const char *link, int folder_fd)
{
    static const struct {
        const char *part; /* of the disk's path in /sys/devices */
        const char *transport;
    } by_path[] = {
        {"/usb", "usb"},      {"/nvme", "nvme"}, {"/virtio", "virtio"},
        {"/mmc_host", "mmc"}, {"/ata", "sata"},  {"/host", "scsi"},
    };
    if (strncmp(name, "loop", 4) == 0) {
        return "loop";
    }
    if (faccessat(folder_fd, "md", F_OK, 0) == 0) {
        return "md";
    }
    if (faccessat(folder_fd, "dm", F_OK, 0) == 0) {
        return "dm";
    }
    for (size_t i = 0; i < sizeof by_path / sizeof by_path[0]; i++) {
        if (strstr(link, by_path[i].part) != NULL) {
            return by_path[i].transport;
        }
    }
    return "";
}

static char *read_model(const struct disk *disk, int folder_fd)
{
    if (strcmp(disk->transport, "dm") == 0 || strcmp(disk->transport, "md") == 0) {
        return read_attribute(folder_fd, disk->transport[0] == 'd' ? "dm/name" : "md/level");
    }
    char *vendor = read_attribute(folder_fd, "device/vendor");
    char *model = read_first(folder_fd, (const char *const[]){"device/model", "device/name", NULL});
    if (vendor != NULL && model != NULL && vendor[0] != '\0' && model[0] != '\0' && strcmp(vendor, "ATA") != 0 &&
        strncmp(vendor, "0x", 2) != 0) {
        char *both = NULL;
        if (asprintf(&both, "%s %s", vendor, model) < 0) {
            both = NULL;
        }
        free(model);
        model = both;
    }
    free(vendor);
    return model;
}

static char *read_serial(const struct disk *disk, int folder_fd)
{
    char *serial = read_first(folder_fd, (const char *const[]){"serial", "device/serial", NULL});
    if (serial != NULL && serial[0] == '\0') {
        free(serial);
        serial = strcmp(disk->transport, "usb") == 0 ? read_usb_serial(folder_fd) : read_scsi_serial(folder_fd);
    }
    return serial;
}

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
        .device = read_device(folder_fd),
        .number = (int)read_number(folder_fd, "partition"),
        .start_bytes = read_number(folder_fd, "start") * 512,
        .size_bytes = read_number(folder_fd, "size") * 512,
        .read_only = read_number(folder_fd, "ro") != 0,
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
    disk->transport = strdup(transport_of(name, link, folder_fd));
    if (disk->name == NULL || disk->path == NULL || disk->transport == NULL) {
        return memory_error(error);
    }
    disk->sequence = read_number(folder_fd, "diskseq");
    disk->size_bytes = read_number(folder_fd, "size") * 512;
    disk->removable = read_number(folder_fd, "removable") != 0;
    disk->read_only = read_number(folder_fd, "ro") != 0;
    disk->model = read_model(disk, folder_fd);
    disk->serial = read_serial(disk, folder_fd);
    disk->wwn = read_first(folder_fd, (const char *const[]){"wwid", "device/wwid", NULL});
    if (strcmp(disk->transport, "loop") == 0) {
        disk->backing_file = read_attribute(folder_fd, "loop/backing_file");
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
    if (folder_fd >= 0 && read_number(folder_fd, "size") != 0 && read_number(folder_fd, "hidden") == 0) {
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
