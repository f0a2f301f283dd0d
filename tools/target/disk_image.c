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
#include <unistd.h>

#include "lib/file.h"
#include "target/disk.h"
#include "target/disk_probe.h"
#include "target/protect.h"

#define ATTEMPTS 16

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

/* True if some loop device holds exactly this file already: two views of one file would not see each other's writes. */
static bool attached_already(const char *real, char *loop, size_t loop_size)
{
    for (int i = 0; i < 256; i++) {
        char attribute[64];
        struct buffer backing = {0};
        snprintf(attribute, sizeof attribute, "/sys/block/loop%d/loop/backing_file", i);
        bool same = file_read(AT_FDCWD, attribute, PATH_MAX, &backing, NULL) == 0 && backing.size == strlen(real) + 1 &&
                    memcmp(backing.data, real, strlen(real)) == 0;
        buffer_free(&backing);
        if (same) {
            snprintf(loop, loop_size, "/dev/loop%d", i);
            return true;
        }
    }
    return false;
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

int disk_attach_image(const char *name, bool writable, int *fd, struct error *error)
{
    *fd = -1;
    if (strncmp(name, "image:", 6) != 0) {
        return 0;
    }
    char real[PATH_MAX];
    char loop[64];
    if (realpath(name + 6, real) == NULL) {
        return error_system(error, CSN_TARGET_DISK_MISSING, "the disk image %s", name + 6);
    }
    if (attached_already(real, loop, sizeof loop)) {
        return 0;
    }
    int result = -1;
    int image_fd = open(real, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (image_fd < 0) {
        error_system(error, CSN_TARGET_DISK_MISSING, "the disk image %s", real);
        goto out;
    }
    *fd = attach(image_fd, real, writable, loop, sizeof loop, error);
    if (*fd < 0) {
        goto out;
    }
    int read_only = 1;
    if (writable && ioctl(*fd, BLKROSET, &read_only) != 0) {
        error_system(error, CSN_TARGET_PROTECT, "write-protecting %s", loop);
        goto out;
    }
    result = add_partitions(*fd, loop, error);
out:
    file_drop(&image_fd);
    if (result != 0) {
        disk_detach_image(fd);
    }
    return result;
}

void disk_detach_image(int *fd)
{
    int writable = 0;
    if (*fd >= 0) {
        (void)!ioctl(*fd, BLKROSET, &writable);
    }
    file_drop(fd);
}
