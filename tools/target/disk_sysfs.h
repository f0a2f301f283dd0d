/*
 * disk_sysfs.h - single facts about a disk, from its folder in sysfs. Each bus keeps them elsewhere.
 *
 * Texts are the caller's, trimmed, "" where there is nothing, NULL without memory.
 */
#ifndef CAISSON_TARGET_DISK_SYSFS_H
#define CAISSON_TARGET_DISK_SYSFS_H

#include <stdint.h>
#include <sys/types.h>

char *sysfs_text(int folder_fd, const char *name);
uint64_t sysfs_number(int folder_fd, const char *name); /* 0 where there is none */
dev_t sysfs_device(int folder_fd);                      /* of the file "dev"; 0 where there is none */

/* link is where the disk's link in /sys/block leads. Constant. */
const char *disk_transport(const char *name, const char *link, int folder_fd);
char *disk_model(int folder_fd, const char *transport);
char *disk_serial(int folder_fd, const char *transport);
char *disk_wwn(int folder_fd);

#endif
