/*
 * disk.h - the block devices of this machine, as sysfs and libblkid tell them. Reads only; never opens for writing.
 *
 * A disk has volumes: [0] is the whole disk, then its partitions. Sizes are bytes. RAID, LVM and LUKS members are named
 * by their type and otherwise left alone; an assembled md or dm device is a disk like any other.
 */
#ifndef CAISSON_TARGET_DISK_H
#define CAISSON_TARGET_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/strings.h"

/* Where to look. Tests give folders of their own; everybody else NULL, which means {"/sys", "/dev"}. */
struct disk_places {
    const char *sys;
    const char *dev;
};

enum disk_use {
    DISK_USE_UNKNOWN, /* nothing known on it */
    DISK_USE_FILESYSTEM,
    DISK_USE_MEMBER, /* part of RAID, LVM or an encrypted volume */
    DISK_USE_OTHER,  /* swap, or a partition table */
};

struct disk_volume {
    char *name; /* the kernel's: "sda1" */
    char *path; /* "/dev/sda1" */
    dev_t device;
    int number; /* of the partition; 0: the whole disk */
    uint64_t start_bytes;
    uint64_t size_bytes;
    bool read_only; /* as the kernel has it now */
    enum disk_use use;
    /* What libblkid reads; NULL where there is none. */
    char *type; /* "ext4", "xfs", "LVM2_member", "crypto_LUKS", "swap"; of a whole disk also "gpt", "dos" */
    char *uuid;
    char *label;
    char *part_uuid;
    char *part_label;
    char *part_type;
};

struct disk {
    char *name;        /* the kernel's, which another boot may give to another disk: "sda" */
    char *path;        /* "/dev/sda" */
    uint64_t sequence; /* the kernel's diskseq: tells a disk from a later one of the same name; 0: not known */
    uint64_t size_bytes;
    char *model; /* each "" where not known */
    char *serial;
    char *wwn;
    char *transport;    /* "nvme", "sata", "scsi", "usb", "virtio", "mmc", "loop", "md", "dm", or "" */
    char *backing_file; /* of a loop device, else NULL */
    bool removable;
    bool read_only;
    struct strings ids; /* names as under /dev/disk/by-id, without the folder */
    struct disk_volume *volumes;
    size_t volume_count; /* at least 1 */
};

struct disks {
    struct disk *items;
    size_t count;
};

/* Lists every disk with a size (RAM disks, zram and empty drives are left out), in the order of names. */
int disks_list(struct disks *disks, const struct disk_places *places, struct error *error) MUST_CHECK;
void disks_free(struct disks *disks);

/*
 * The one disk that name means, inside disks (not owned); *volume too where the name means a partition, else NULL:
 *   serial:TEXT  wwn:TEXT  path:/dev/disk/by-id/NAME (or another link in /dev)  image:FILE (attached to a loop device)
 *   uuid:TEXT  label:TEXT  partuuid:TEXT  partlabel:TEXT   (the disk that holds it)
 * None: CSN_TARGET_DISK_MISSING, naming the disks that are there. Several: CSN_TARGET_AMBIGUOUS_DISK, naming them.
 * A word before the ':' that is not one of these, or none: CSN_JOB_VALUE.
 */
const struct disk *disks_find(const struct disks *disks, const char *name, const struct disk_volume **volume,
                              struct error *error) MUST_CHECK;

/* 0 if the name is of a kind that means the same disk at each boot: path: only below /dev/disk/by-id/ and its like. Nothing is
 * looked for. CSN_JOB_VALUE. */
int disk_check_name(const char *name, struct error *error) MUST_CHECK;

/* The volume that an fstab's first field (UUID=, LABEL=, PARTUUID=, PARTLABEL=, or /dev/disk/by-...) means; NULL: none, or
 * more than one. A kernel name (/dev/sdb1) gives NULL and *by_name: it may be another disk on this boot. */
const struct disk_volume *disks_find_fstab(const struct disks *disks, const char *field, const struct disk **disk,
                                           bool *by_name);

const struct disk *disks_by_device(const struct disks *disks, dev_t device, const struct disk_volume **volume);

/* "sda (QEMU HARDDISK, serial QM0001, 8.0 GB)" for messages; owned by the caller, NULL without memory. */
char *disk_describe(const struct disk *disk);

/* A disk image on a loop device, which stays for as long as fd is open (and mounts on it last). */
struct disk_image {
    int fd;    /* -1: none */
    bool ours; /* attached here; else it was already, by somebody else, and is only kept from going away */
};

/* "image:FILE" attaches FILE to a loop device with its partitions, unless one has it. What is attached here is write-protected
 * in the kernel at once unless writable: then protection can be lifted later. Other names: no image, fd = -1. */
int disk_attach_image(struct disk_image *image, const char *name, bool writable, struct error *error) MUST_CHECK;

/* Gives a loop device of ours back without its protection, which the kernel would hand on to the device's next user. */
void disk_detach_image(struct disk_image *image);

#endif
