#include "target/disk_sysfs.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/file.h"

/* One attribute of sysfs, trimmed; "" where there is none. Owned by the caller; NULL without memory. */
char *sysfs_text(int folder_fd, const char *name)
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

uint64_t sysfs_number(int folder_fd, const char *name)
{
    char *text = sysfs_text(folder_fd, name);
    uint64_t number = text == NULL ? 0 : strtoull(text, NULL, 10);
    free(text);
    return number;
}

dev_t sysfs_device(int folder_fd)
{
    char *text = sysfs_text(folder_fd, "dev");
    unsigned major_number = 0;
    unsigned minor_number = 0;
    bool known = text != NULL && sscanf(text, "%u:%u", &major_number, &minor_number) == 2;
    free(text);
    return known ? makedev(major_number, minor_number) : 0;
}

/* The first attribute of the list that says something. */
static char *sysfs_first(int folder_fd, const char *const names[])
{
    for (size_t i = 0; names[i] != NULL; i++) {
        char *text = sysfs_text(folder_fd, names[i]);
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
            return sysfs_text(folder_fd, name);
        }
        strcat(up, "/..");
    }
    return strdup("");
}

const char *disk_transport(const char *name, const char *link, int folder_fd)
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

char *disk_model(int folder_fd, const char *transport)
{
    if (strcmp(transport, "dm") == 0 || strcmp(transport, "md") == 0) {
        return sysfs_text(folder_fd, transport[0] == 'd' ? "dm/name" : "md/level");
    }
    char *vendor = sysfs_text(folder_fd, "device/vendor");
    char *model = sysfs_first(folder_fd, (const char *const[]){"device/model", "device/name", NULL});
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

char *disk_serial(int folder_fd, const char *transport)
{
    char *serial = sysfs_first(folder_fd, (const char *const[]){"serial", "device/serial", NULL});
    if (serial != NULL && serial[0] == '\0') {
        free(serial);
        serial = strcmp(transport, "usb") == 0 ? read_usb_serial(folder_fd) : read_scsi_serial(folder_fd);
    }
    return serial;
}

char *disk_wwn(int folder_fd)
{
    return sysfs_first(folder_fd, (const char *const[]){"wwid", "device/wwid", NULL});
}
