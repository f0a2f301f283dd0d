/*
 * boot_areas.h - what a server's disks hold outside of file systems and is needed to boot: partition tables, the gap behind
 * the MBR, BIOS-boot partitions and the EFI system partition, copied into a folder so that the backup takes them along.
 */
#ifndef CAISSON_SEQUENCE_BOOT_AREAS_H
#define CAISSON_SEQUENCE_BOOT_AREAS_H

#include "sequence/run.h"

#define BOOT_AREAS_NAME "/caisson-boot-areas" /* as recorded in the snapshot */

struct boot_areas {
    int folder_fd; /* -1: the server is a folder and has none */
    char *path;
};

/* How much that is; 0 for a server that is a folder. */
int boot_areas_size(const struct run *run, uint64_t *size_bytes, struct error *error) MUST_CHECK;

/* Files DISK-first-1MiB.img, DISK-last-1MiB.img, DISK-pN.img in a scratch folder of the backup disk: an EFI system partition may be
 * larger than memory has room for. Reads the server's disks only. The next run sweeps what a cut leaves of it. */
int boot_areas_collect(struct boot_areas *areas, const struct run *run, struct error *error) MUST_CHECK;

/* Compares what was restored to BOOT_AREAS_NAME below folder_fd with the disks, byte for byte; *count becomes the number of stretches.
 * CSN_REPOSITORY_DIFFERS, CSN_NOT_FOUND, CSN_IO. */
int boot_areas_compare(const struct run *run, int folder_fd, uint64_t *count, const struct progress *progress,
                       struct error *error) MUST_CHECK;

/* Removes the folder. */
void boot_areas_free(struct boot_areas *areas);

#endif
