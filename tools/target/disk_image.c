#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "lib/file.h"
#include "target/disk.h"
#include "target/disk_probe.h"
#include "target/protect.h"

#define ATTEMPTS 16
#define LEAVING_WAITS 100
#define LEAVING_WAIT_NS (10L * 1000 * 1000)

/* Kernels without a reader for this partition table can still be told where the partitions are. */
static int add_partitions(int loop_fd, const char *loop, struct error *error)
{
    struct disk_slot *slots = NULL;
    size_t count = 0;
    if (disk_probe_table(loop_fd, &slots, &count, error) != 0) {
        return -1;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct blkpg_partition partition = {
            .start = (long long)slots[i].start_bytes,
            .length = (long long)slots[i].size_bytes,
            .pno = slots[i].number,
        };
        struct blkpg_ioctl_arg request = {.op = BLKPG_ADD_PARTITION, .datalen = sizeof partition, .data = &partition};
        if (ioctl(loop_fd, BLKPG, &request) != 0 && errno != EBUSY) { /* EBUSY: the kernel has it already */
            result = error_system(error, CSN_IO, "telling the kernel partition %d of %s", slots[i].number, loop);
        }
    }
    free(slots);
    return result;
}

/* The loop device that has exactly this file, or -1. */
static int loop_of(const char *real)
{
    int found = -1;
    for (int i = 0; found < 0 && i < 256; i++) {
        char attribute[64];
        struct buffer backing = {0};
        snprintf(attribute, sizeof attribute, "/sys/block/loop%d/loop/backing_file", i);
        if (file_read(AT_FDCWD, attribute, PATH_MAX, &backing, NULL) == 0 && backing.size == strlen(real) + 1 &&
            memcmp(backing.data, real, strlen(real)) == 0) {
            found = i;
        }
        buffer_free(&backing);
    }
    return found;
}

/*
 * Holds a loop device that has exactly this file already: two views of one file would not see each other's writes. One that
 * whoever used it has left stays for as long as something still looks at it (udev does, at each change): that one is waited
 * for, as it goes away under us and is not protected any more. -1: no loop device has the file now.
 */
static int hold_attached(const char *real)
{
    int number = loop_of(real);
    for (int i = 0; number >= 0 && i < LEAVING_WAITS; i++) {
        nanosleep(&(struct timespec){.tv_nsec = LEAVING_WAIT_NS}, NULL);
        number = loop_of(real);
    }
    char loop[64];
    snprintf(loop, sizeof loop, "/dev/loop%d", number);
    int fd = number < 0 ? -1 : open(loop, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && loop_of(real) != number) { /* gone between the look and the opening */
        file_drop(&fd);
    }
    return fd;
}

/* A free loop device can be taken by another process between asking and using: then ask again. */
static int attach(int image_fd, const char *real, bool writable, char *loop, size_t loop_size, struct error *error)
{
    int control_fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control_fd < 0) {
        return error_system(error, errno == EACCES ? CSN_PRIVILEGE : CSN_TARGET_MOUNT,
                            "attaching %s: /dev/loop-control", real);
    }
    struct loop_config config = {.fd = (unsigned)image_fd};
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_PARTSCAN | (writable ? 0 : LO_FLAGS_READ_ONLY);
    memcpy(config.info.lo_file_name, real, strnlen(real, LO_NAME_SIZE - 1));
    int loop_fd = -1;
    for (int i = 0; loop_fd < 0 && i < ATTEMPTS; i++) {
        int number = ioctl(control_fd, LOOP_CTL_GET_FREE);
        snprintf(loop, loop_size, "/dev/loop%d", number);
        loop_fd = number < 0 ? -1 : open(loop, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (loop_fd >= 0 && ioctl(loop_fd, LOOP_CONFIGURE, &config) != 0) {
            int saved = errno;
            file_drop(&loop_fd);
            errno = saved;
            if (saved != EBUSY) {
                break;
            }
        }
    }
    if (loop_fd < 0) {
        error_system(error, CSN_TARGET_MOUNT, "attaching %s to a loop device", real);
    }
    file_drop(&control_fd);
    return loop_fd;
}

int disk_attach_image(struct disk_image *image, const char *name, bool writable, struct error *error)
{
    *image = (struct disk_image){.fd = -1};
    if (strncmp(name, "image:", 6) != 0) {
        return 0;
    }
    char real[PATH_MAX];
    char loop[64];
    if (realpath(name + 6, real) == NULL) {
        return error_system(error, CSN_TARGET_DISK_MISSING, "the disk image %s", name + 6);
    }
    image->fd = hold_attached(real);
    if (image->fd >= 0) {
        return 0;
    }
    int result = -1;
    int image_fd = open(real, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (image_fd < 0) {
        error_system(error, CSN_TARGET_DISK_MISSING, "the disk image %s", real);
        goto out;
    }
    image->fd = attach(image_fd, real, writable, loop, sizeof loop, error);
    image->ours = image->fd >= 0;
    if (!image->ours) {
        goto out;
    }
    int read_only = 1;
    if (writable && ioctl(image->fd, BLKROSET, &read_only) != 0) {
        error_system(error, CSN_TARGET_PROTECT, "write-protecting %s", loop);
        goto out;
    }
    result = add_partitions(image->fd, loop, error);
out:
    file_drop(&image_fd);
    if (result != 0) {
        disk_detach_image(image);
    }
    return result;
}

void disk_detach_image(struct disk_image *image)
{
    int writable = 0;
    if (image->ours) {
        (void)!ioctl(image->fd, BLKROSET, &writable);
    }
    file_drop(&image->fd);
    image->ours = false;
}
