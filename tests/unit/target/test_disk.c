/* Disks: a made-up sysfs with image files as devices; which one a name means, or why none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "target/disk.h"
#include "target/place.h"

#define ROOT_UUID "11111111-2222-3333-4444-555555555555"
#define DATA_UUID "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"

static struct disk_places places;
static struct disks disks;

/* A device: its folder in sysfs, and a file of that size (sectors) as its node. */
static void make_device(const char *folder, const char *name, const char *dev, unsigned sectors)
{
    char path[256];
    char text[512];
    snprintf(path, sizeof path, "sys/%s/dev", folder);
    snprintf(text, sizeof text, "%s\n", dev);
    place_write(path, text);
    snprintf(path, sizeof path, "sys/%s/size", folder);
    snprintf(text, sizeof text, "%u\n", sectors);
    place_write(path, text);
    snprintf(text, sizeof text, "mkdir -p dev && truncate -s $((%u*512)) 'dev/%s'", sectors, name);
    place_run(text);
}

static void make_link(const char *name, const char *folder)
{
    char link[64];
    char target[256];
    snprintf(link, sizeof link, "sys/block/%s", name);
    snprintf(target, sizeof target, "../%s", folder);
    place_link(link, target);
}

static void make_sata(void)
{
    static const char folder[] = "devices/pci0/ata1/host0/block/sda";
    make_device(folder, "sda", "8:0", 8192);
    make_link("sda", folder);
    place_write("sys/devices/pci0/ata1/host0/block/sda/device/model", "ACME DISK 4000   \n");
    place_write("sys/devices/pci0/ata1/host0/block/sda/device/vendor", "ATA     \n");
    place_write("sys/devices/pci0/ata1/host0/block/sda/device/wwid", "naa.5000c500deadbeef\n");
    place_run("printf '\\0\\200\\0\\024           S3R14L    ' > sys/devices/pci0/ata1/host0/block/sda/device/vpd_pg80");
    place_write("sys/devices/pci0/ata1/host0/block/sda/diskseq", "7\n");
    place_write("sys/devices/pci0/ata1/host0/block/sda/ro", "1\n");
    make_device("devices/pci0/ata1/host0/block/sda/sda2", "sda2", "8:2", 4096);
    place_write("sys/devices/pci0/ata1/host0/block/sda/sda2/partition", "2\n");
    place_write("sys/devices/pci0/ata1/host0/block/sda/sda2/start", "4096\n");
    make_device("devices/pci0/ata1/host0/block/sda/sda1", "sda1", "8:1", 2048);
    place_write("sys/devices/pci0/ata1/host0/block/sda/sda1/partition", "1\n");
    place_write("sys/devices/pci0/ata1/host0/block/sda/sda1/start", "2048\n");
    place_run("mkfs.ext4 -q -F -L root -U " ROOT_UUID " dev/sda2");
}

static void make_others(void)
{
    make_device("devices/pci0/usb1/1-1/host6/block/sdb", "sdb", "8:16", 8192);
    make_link("sdb", "devices/pci0/usb1/1-1/host6/block/sdb");
    place_write("sys/devices/pci0/usb1/1-1/host6/block/sdb/device/vendor", "Stick  \n");
    place_write("sys/devices/pci0/usb1/1-1/host6/block/sdb/device/model", "Maker\n");
    place_write("sys/devices/pci0/usb1/1-1/host6/block/sdb/removable", "1\n");
    place_write("sys/devices/pci0/usb1/1-1/host6/block/sdb/device/../../../idVendor", "0951\n");
    place_write("sys/devices/pci0/usb1/1-1/host6/block/sdb/device/../../../serial", "USB0001\n");
    place_run("mkfs.ext4 -q -F -L data -U " DATA_UUID " dev/sdb");
    make_device("devices/pci0/virtio3/block/vda", "vda", "254:0", 8192);
    make_link("vda", "devices/pci0/virtio3/block/vda");
    place_write("sys/devices/pci0/virtio3/block/vda/serial", "backup-1\n");
    place_run("mkfs.ext4 -q -F -L data dev/vda");
    make_device("devices/virtual/block/loop0", "loop0", "7:0", 0);
    make_link("loop0", "devices/virtual/block/loop0");
    make_device("devices/virtual/block/zram0", "zram0", "252:0", 100);
    make_link("zram0", "devices/virtual/block/zram0");
    make_device("devices/virtual/block/ram0", "ram0", "1:0", 100);
    make_link("ram0", "devices/virtual/block/ram0");
    make_device("devices/pci0/nvme/nvme0/nvme0n1", "nvme0n1", "259:0", 64);
    make_link("nvme0n1", "devices/pci0/nvme/nvme0/nvme0n1");
    place_write("sys/devices/pci0/nvme/nvme0/nvme0n1/device/model", "Fast One\n");
    place_write("sys/devices/pci0/nvme/nvme0/nvme0n1/device/serial", "N1\n");
    place_write("sys/devices/pci0/nvme/nvme0/nvme0n1/wwid", "eui.0025385a\n");
    place_run("printf 'LUKS\\272\\276\\0\\001' | dd of=dev/nvme0n1 conv=notrunc status=none");
    make_device("devices/pci0/raid/block/cciss!c0d0", "cciss-node", "104:0", 64);
    make_link("cciss!c0d0", "devices/pci0/raid/block/cciss!c0d0");
}

static int setup(void **state)
{
    (void)state;
    static char sys[4096];
    static char dev[4096];
    struct error error = {0};
    place_make();
    make_sata();
    make_others();
    snprintf(sys, sizeof sys, "%s", place_path("sys"));
    snprintf(dev, sizeof dev, "%s", place_path("dev"));
    places = (struct disk_places){sys, dev};
    if (disks_list(&disks, &places, &error) != 0) {
        error_print(stderr, &error);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disks_free(&disks);
    place_remove();
    return 0;
}

static const struct disk *by_name(const char *name)
{
    for (size_t i = 0; i < disks.count; i++) {
        if (strcmp(disks.items[i].name, name) == 0) {
            return &disks.items[i];
        }
    }
    return NULL;
}

static void lists(void **state)
{
    (void)state;
    assert_int_equal(disks.count, 5);
    assert_null(by_name("loop0")); /* empty */
    assert_null(by_name("zram0"));
    const struct disk *sda = by_name("sda");
    assert_non_null(sda);
    assert_string_equal(sda->model, "ACME DISK 4000");
    assert_string_equal(sda->serial, "S3R14L");
    assert_string_equal(sda->wwn, "naa.5000c500deadbeef");
    assert_string_equal(sda->transport, "sata");
    assert_int_equal(sda->size_bytes, 8192 * 512);
    assert_int_equal(sda->sequence, 7);
    assert_true(sda->read_only);
    assert_false(sda->removable);
    assert_true(strings_has(&sda->ids, "ata-ACME_DISK_4000_S3R14L"));
    assert_true(strings_has(&sda->ids, "wwn-0x5000c500deadbeef"));
    assert_int_equal(sda->volume_count, 3);
    assert_int_equal(sda->volumes[1].number, 1);
    assert_int_equal(sda->volumes[1].start_bytes, 2048 * 512);
    assert_int_equal(sda->volumes[1].use, DISK_USE_UNKNOWN);
    assert_null(sda->volumes[1].type);
    assert_string_equal(sda->volumes[2].type, "ext4");
    assert_string_equal(sda->volumes[2].label, "root");
    assert_string_equal(sda->volumes[2].uuid, ROOT_UUID);
    assert_int_equal(sda->volumes[2].use, DISK_USE_FILESYSTEM);
    const struct disk *sdb = by_name("sdb");
    assert_string_equal(sdb->model, "Stick Maker");
    assert_string_equal(sdb->serial, "USB0001");
    assert_string_equal(sdb->transport, "usb");
    assert_true(sdb->removable);
    const struct disk *nvme = by_name("nvme0n1");
    assert_string_equal(nvme->transport, "nvme");
    assert_string_equal(nvme->volumes[0].type, "crypto_LUKS");
    assert_int_equal(nvme->volumes[0].use, DISK_USE_MEMBER);
    assert_string_equal(by_name("vda")->ids.items[0], "virtio-backup-1");
    assert_string_equal(by_name("cciss!c0d0")->path, place_path("dev/cciss/c0d0"));
}

static void found(const char *name, const char *disk_name, const char *volume_name)
{
    struct error error = {0};
    const struct disk_volume *volume = NULL;
    const struct disk *disk = disks_find(&disks, name, &volume, &error);
    if (disk == NULL) {
        fail_msg("%s: %s", name, error.message);
        return;
    }
    assert_string_equal(disk->name, disk_name);
    if (volume_name == NULL) {
        assert_null(volume);
    } else {
        assert_non_null(volume);
        assert_string_equal(volume->name, volume_name);
    }
}

static void names(void **state)
{
    (void)state;
    found("serial:S3R14L", "sda", NULL);
    found("wwn:naa.5000c500deadbeef", "sda", NULL);
    found("uuid:" ROOT_UUID, "sda", "sda2");
    found("uuid:AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE", "sdb", NULL);
    found("label:root", "sda", "sda2");
    found("path:/dev/disk/by-id/ata-ACME_DISK_4000_S3R14L", "sda", NULL);
    found("path:/dev/disk/by-id/ata-ACME_DISK_4000_S3R14L-part2", "sda", "sda2");
    found("path:/dev/disk/by-id/usb-Stick_Maker_USB0001", "sdb", NULL);
    found("path:/dev/disk/by-id/nvme-eui.0025385a", "nvme0n1", NULL);
}

static void refused(const char *name, enum error_code code, const char *words)
{
    struct error error = {0};
    const struct disk_volume *volume = NULL;
    assert_null(disks_find(&disks, name, &volume, &error));
    if (error.code != code || strstr(error.message, words) == NULL) {
        fail_msg("%s: %s: %s (wanted: %s)", name, error_entry(error.code)->code, error.message, words);
    }
    assert_null(volume);
}

static void bad_names(void **state)
{
    (void)state;
    refused("serial:S3R14", CSN_TARGET_DISK_MISSING, "sda (ACME DISK 4000, serial S3R14L, 0.0 GB)");
    refused("serial:nope", CSN_TARGET_DISK_MISSING, "\"serial:nope\" is not there");
    refused("label:data", CSN_TARGET_AMBIGUOUS_DISK, "fits 2: ");
    refused("label:data", CSN_TARGET_AMBIGUOUS_DISK, "/dev/vda");
    refused("path:/dev/disk/by-id/ata-ACME_DISK_4000_S3R14L-part3", CSN_TARGET_DISK_MISSING, "is not there");
    refused("path:/dev/disk/by-id/ata-ACME_DISK_4000_S3R14", CSN_TARGET_DISK_MISSING, "is not there");
    refused("sda", CSN_JOB_VALUE, "serial:");
    refused("/dev/sda", CSN_JOB_VALUE, "serial:");
    refused("serial:", CSN_JOB_VALUE, "serial:");
    refused("", CSN_JOB_VALUE, "serial:");
    refused("image:/nonexistent.img", CSN_TARGET_DISK_MISSING, "/nonexistent.img");
}

static void no_disks(void **state)
{
    (void)state;
    struct disks none = {0};
    struct error error = {0};
    assert_null(disks_find(&none, "serial:x", NULL, &error));
    assert_int_equal(error.code, CSN_TARGET_DISK_MISSING);
    assert_non_null(strstr(error.message, "no disk at all"));
    struct disk_places nowhere = {"/nonexistent", "/dev"};
    assert_int_equal(disks_list(&none, &nowhere, &error), -1);
    assert_int_equal(error.code, CSN_IO);
    assert_int_equal(none.count, 0);
}

static void fstab_names(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        const char *volume; /* NULL: none */
        bool by_name;
    } cases[] = {
        {"UUID=" ROOT_UUID, "sda2", false},
        {"/dev/disk/by-uuid/" ROOT_UUID, "sda2", false},
        {"LABEL=root", "sda2", false},
        {"/dev/disk/by-label/root", "sda2", false},
        {"LABEL=data", NULL, false}, /* two */
        {"LABEL=none", NULL, false},
        {"/dev/disk/by-id/ata-ACME_DISK_4000_S3R14L-part2", "sda2", false},
        {"ID=wwn-0x5000c500deadbeef-part1", "sda1", false},
        {"/dev/sda2", NULL, true},
        {"/dev/mapper/vg-root", NULL, true},
        {"tmpfs", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct disk *disk = NULL;
        bool by_kernel = false;
        const struct disk_volume *volume = disks_find_fstab(&disks, cases[i].field, &disk, &by_kernel);
        assert_int_equal(by_kernel, cases[i].by_name);
        if (cases[i].volume == NULL) {
            assert_null(volume);
        } else {
            assert_non_null(volume);
            assert_string_equal(volume->name, cases[i].volume);
            assert_string_equal(disk->name, "sda");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),    cmocka_unit_test(names),       cmocka_unit_test(bad_names),
        cmocka_unit_test(no_disks), cmocka_unit_test(fstab_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
