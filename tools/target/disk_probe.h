/*
 * disk_probe.h - what lies on a disk's volumes, read with libblkid's low-level probing; the only door to libblkid.
 */
#ifndef CAISSON_TARGET_DISK_PROBE_H
#define CAISSON_TARGET_DISK_PROBE_H

#include "lib/error.h"
#include "target/disk.h"

/* Fills in type, use, uuid, label and the partitions' names of every volume of disk. What cannot be read stays unknown: a
 * failing disk must not hide the others. Errors: memory only. */
int disk_probe(struct disk *disk, struct error *error) MUST_CHECK;

/* One partition of a table as it is on the disk. */
struct disk_slot {
    int number;
    uint64_t start_bytes;
    uint64_t size_bytes;
};

/* The partition table on fd (a disk or an image), as libblkid reads it. *slots is the caller's; no table: *count = 0. */
int disk_probe_table(int fd, struct disk_slot **slots, size_t *count, struct error *error) MUST_CHECK;

#endif
