/* Real file systems on loop devices: read without a write, their journals seen and left alone, for writing and back. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/mount.h"
#include "target/place.h"
#include "target/protect.h"

/* mkfs makes an XFS this small only inside XFS's own test suite, and these say that it is in it. */
#define SMALL_XFS "TEST_DIR=x TEST_DEV=x QA_CHECK_FS=x mkfs.xfs -q"

static struct disks disks;
static const struct disk *disk;
static struct disk_image attached = {.fd = -1};

/* Attaches an image below the test's folder and lists it. */
static void attach(const char *image)
{
    char name[4200];
    struct error error = {0};
    snprintf(name, sizeof name, "image:%s", place_path(image));
    assert_int_equal(disk_attach_image(&attached, name, true, &error), 0);
    assert_int_equal(disks_list(&disks, NULL, &error), 0);
    disk = disks_find(&disks, name, NULL, &error);
    if (disk == NULL) {
        fail_msg("%s", error.message);
    }
    assert_true(disk->read_only);
}

static void detach(void)
{
    disks_free(&disks);
    disk = NULL;
    disk_detach_image(&attached);
}

static void protect_all(bool read_only)
{
    struct error error = {0};
    for (size_t i = 0; i < disk->volume_count; i++) {
        if (protect_set(disk->volumes[i].path, read_only, &error) != 0) {
            fail_msg("%s", error.message);
        }
    }
}

static void good(int result, const struct error *error)
{
    if (result != 0) {
        fail_msg("%s: %s", error_entry(error->code)->code, error->message);
    }
}

static void write_below(const struct target_mounts *mounts, const char *name, const char *content)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", mounts->path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(fsync(fd), 0);
    close(fd);
}

static bool is_below(const struct target_mounts *mounts, const char *name)
{
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", mounts->path, name);
    return access(path, F_OK) == 0;
}

static void hash(const char *image, char text[80])
{
    char script[4200];
    snprintf(script, sizeof script, "sha256sum %s", image);
    snprintf(text, 80, "%.64s", place_run(script));
}

static void needs(const char *type, bool wanted)
{
    struct mount_state state = {0};
    struct error error = {0};
    good(mount_examine(disk->path, type, &state, &error), &error);
    assert_true(state.known);
    assert_int_equal(state.needs_recovery, wanted);
    assert_false(state.has_errors);
}

static bool copy_needs_recovery(const char *type)
{
    struct mount_state state = {0};
    struct error error = {0};
    good(mount_examine(place_path("dirty.img"), type, &state, &error), &error);
    return state.needs_recovery;
}

/* clean.img is made, written to; dirty.img is a copy of it while it was mounted for writing. */
static void make_pair(const char *make, const char *type)
{
    char script[512];
    struct target_mounts mounts;
    struct error error = {0};
    snprintf(script, sizeof script, "truncate -s 160M clean.img && %s clean.img >/dev/null", make);
    place_run(script);
    attach("clean.img");
    needs(type, false);
    protect_all(false);
    good(mount_root_only(&mounts, disk, &disk->volumes[0], "", &error), &error);
    good(mount_make_writable(&mounts, &error), &error);
    assert_true(mounts.writable);
    write_below(&mounts, "before", "1");
    good(mount_make_read_only(&mounts, &error), &error);
    needs(type, false);
    assert_true(is_below(&mounts, "before"));
    good(mount_make_writable(&mounts, &error), &error);
    /* The file system may end a transaction of its own accord at any moment: then what was copied is clean. */
    for (int attempt = 0; attempt == 0 || (attempt < 50 && !copy_needs_recovery(type)); attempt++) {
        write_below(&mounts, "after", "2");
        place_run("cp --sparse=always clean.img dirty.img");
    }
    good(mount_close(&mounts, &error), &error);
    needs(type, false);
    detach();
}

/* Reads the unclean copy: nothing changes in it. Then opens it for writing: the journal is played back. */
static void check_dirty(const char *type)
{
    char before[80];
    char after[80];
    struct target_mounts mounts;
    struct error error = {0};
    hash("dirty.img", before);
    attach("dirty.img");
    needs(type, true);
    good(mount_root_only(&mounts, disk, &disk->volumes[0], "", &error), &error);
    assert_true(mounts.items[0].needs_recovery);
    assert_int_equal(mounts.findings.count, 1);
    assert_non_null(strstr(mounts.findings.items[0], "was not unmounted cleanly"));
    assert_true(is_below(&mounts, "before"));
    char path[4200];
    snprintf(path, sizeof path, "%s/no", mounts.path);
    assert_int_equal(open(path, O_WRONLY | O_CREAT, 0644), -1);
    assert_int_equal(errno, EROFS);
    good(mount_close(&mounts, &error), &error);
    detach();
    hash("dirty.img", after);
    assert_string_equal(before, after);

    attach("dirty.img");
    protect_all(false);
    good(mount_root_only(&mounts, disk, &disk->volumes[0], "", &error), &error);
    good(mount_make_writable(&mounts, &error), &error);
    assert_true(is_below(&mounts, "after"));
    good(mount_make_read_only(&mounts, &error), &error);
    needs(type, false);
    good(mount_close(&mounts, &error), &error);
    detach();
}

static void ext4(void **state)
{
    (void)state;
    place_need_root();
    place_make();
    make_pair("mkfs.ext4 -q -F", "ext4");
    check_dirty("ext4");
    place_remove();
}

static void xfs(void **state)
{
    (void)state;
    place_need_root();
    place_make();
    make_pair(SMALL_XFS, "xfs");
    check_dirty("xfs");
    place_remove();
}

static void btrfs(void **state)
{
    (void)state;
    place_need_root();
    place_make();
    make_pair("mkfs.btrfs -q", "btrfs");
    check_dirty("btrfs");
    place_remove();
}

/* The log of a busy XFS has gone round more than once: its end is found all the same. */
static void xfs_log_around(void **state)
{
    (void)state;
    struct target_mounts mounts;
    struct error error = {0};
    char script[8400];
    place_need_root();
    place_make();
    place_run("truncate -s 64M clean.img && " SMALL_XFS " -l size=1368b clean.img");
    attach("clean.img");
    protect_all(false);
    good(mount_root_only(&mounts, disk, &disk->volumes[0], "", &error), &error);
    good(mount_make_writable(&mounts, &error), &error);
    write_below(&mounts, "before", "1");
    good(mount_make_read_only(&mounts, &error), &error); /* "before" is in its place now, not only in the log */
    good(mount_make_writable(&mounts, &error), &error);
    snprintf(
        script, sizeof script,
        "cd %s && i=0; while [ $i -lt 12 ]; do mkdir d && (cd d && seq 1500 | xargs touch) && sync -f d && rm -r d;"
        " sync -f .; i=$((i+1)); done",
        mounts.path);
    place_run(script);
    write_below(&mounts, "after", "2");
    place_run("cp --sparse=always clean.img dirty.img");
    good(mount_make_read_only(&mounts, &error), &error);
    needs("xfs", false);
    good(mount_close(&mounts, &error), &error);
    detach();
    check_dirty("xfs");
    place_remove();
}

static const char three_parts[] = "truncate -s 320M disk.img && sfdisk -q disk.img <<'END'\n"
                                  "label: gpt\n"
                                  "start=1MiB, size=32MiB, name=root\n"
                                  "size=64MiB, name=var\n"
                                  "size=128MiB, name=srv\n"
                                  "size=32MiB, name=swap\n"
                                  "size=32MiB, name=efi\n"
                                  "END\n";

static void make_server(const char *fstab)
{
    place_write("root/etc/fstab", fstab);
    place_write("root/etc/os-release", "ID=test\n");
    place_run("mkdir -p root/var root/srv root/boot/efi root/mnt && ln -s var root/alias && ln -s /etc root/away");
    place_run("truncate -s 32M r.img && mkfs.ext4 -q -F -d root r.img && truncate -s 64M v.img && " SMALL_XFS
              " -m uuid=22222222-2222-2222-2222-222222222222 v.img && mkdir -p s/@srv && truncate -s 128M s.img && "
              "mkfs.btrfs -q -L srv-data --rootdir s s.img && truncate -s 32M w.img e.img && "
              "mkswap -q -L sw w.img && mkfs.vfat -n EFI e.img >/dev/null");
    place_run(three_parts);
    place_run("n=1; for p in r v s w e; do set -- $(sfdisk -q -l -o Start disk.img | sed -n \"$((n+1))p\"); "
              "dd if=$p.img of=disk.img bs=512 seek=$1 conv=notrunc,sparse status=none; n=$((n+1)); done");
}

static const struct target_mount *at(const struct target_mounts *mounts, const char *place)
{
    for (size_t i = 0; i < mounts->count; i++) {
        if (strcmp(mounts->items[i].place, place) == 0) {
            return &mounts->items[i];
        }
    }
    return NULL;
}

static bool has_finding(const struct target_mounts *mounts, const char *words)
{
    for (size_t i = 0; i < mounts->findings.count; i++) {
        if (strstr(mounts->findings.items[i], words) != NULL) {
            return true;
        }
    }
    return false;
}

static void whole_server(void **state)
{
    (void)state;
    struct target_mounts mounts;
    struct error error = {0};
    char before[80];
    char after[80];
    place_need_root();
    place_make();
    make_server("/dev/sda1 / ext4 defaults 0 1\n"
                "LABEL=srv-data /srv btrfs rw,noatime 0 0\n"
                "/dev/sda2 /alias xfs defaults 0 2\n"
                "PARTLABEL=swap none swap sw 0 0\n"
                "/dev/sda5 /boot/efi vfat umask=0077 0 1\n"
                "UUID=99999999-9999-9999-9999-999999999999 /mnt ext4 nofail 0 0\n"
                "/dev/sdb1 /media ext4 defaults 0 0\n"
                "tmpfs /tmp tmpfs defaults 0 0\n");
    hash("disk.img", before);
    attach("disk.img");
    assert_int_equal(disk->volume_count, 6);
    good(mount_root(&mounts, &disks, disk, &disk->volumes[1], "", &error), &error);
    assert_int_equal(mounts.count, 3);
    assert_string_equal(mounts.items[0].place, "/");
    const struct target_mount *var = at(&mounts, "/var"); /* fstab says /alias, a link */
    const struct target_mount *srv = at(&mounts, "/srv");
    assert_non_null(var);
    assert_non_null(srv);
    assert_string_equal(var->type, "xfs");
    assert_string_equal(var->disk, disk->name);
    assert_string_equal(srv->type, "btrfs");
    assert_ptr_equal(mount_of(&mounts, "/var/lib/x"), var);
    assert_ptr_equal(mount_of(&mounts, "/variable"), &mounts.items[0]);
    assert_true(is_below(&mounts, "srv/@srv"));
    assert_true(has_finding(&mounts, "/boot/efi (vfat) is not looked into"));
    assert_true(has_finding(&mounts, "UUID=99999999-9999-9999-9999-999999999999 for /mnt is on no disk"));
    assert_true(has_finding(&mounts, "/dev/sdb1 for /media is a name that may mean another disk"));
    assert_int_equal(mounts.findings.count, 3);
    good(mount_close(&mounts, &error), &error);
    detach();
    hash("disk.img", after);
    assert_string_equal(before, after);
    place_remove();
}

static void subvolumes(void **state)
{
    (void)state;
    struct target_mounts mounts;
    struct error error = {0};
    char script[9000];
    place_need_root();
    place_make();
    place_run("truncate -s 160M b.img && mkfs.btrfs -q b.img");
    attach("b.img");
    protect_all(false);
    good(mount_root_only(&mounts, disk, &disk->volumes[0], "", &error), &error);
    good(mount_make_writable(&mounts, &error), &error);
    snprintf(script, sizeof script,
             "cd %s && btrfs -q subvolume create @ && btrfs -q subvolume create @home && mkdir -p @/etc @/home && "
             "touch @home/me &&"
             " echo \"UUID=%s / btrfs subvol=@ 0 0\" >@/etc/fstab && echo \"UUID=%s /home btrfs subvol=/@home 0 0\" "
             ">>@/etc/fstab",
             mounts.path, disk->volumes[0].uuid, disk->volumes[0].uuid);
    place_run(script);
    good(mount_close(&mounts, &error), &error);
    good(mount_root(&mounts, &disks, disk, &disk->volumes[0], "subvol=@", &error), &error);
    assert_int_equal(mounts.count, 2);
    assert_true(is_below(&mounts, "home/me"));
    good(mount_make_writable(&mounts, &error), &error);
    write_below(&mounts, "home/you", "x");
    write_below(&mounts, "etc/new", "x");
    good(mount_make_read_only(&mounts, &error), &error);
    assert_true(is_below(&mounts, "home/you"));
    good(mount_close(&mounts, &error), &error);
    detach();
    place_remove();
}

static void refusals(void **state)
{
    (void)state;
    struct target_mounts mounts;
    struct error error = {0};
    char path[4200];
    place_need_root();
    place_make();
    make_server("LABEL=srv-data /srv btrfs defaults 0 0\n");
    attach("disk.img");
    /* swap is nothing to mount */
    assert_int_equal(mount_root(&mounts, &disks, disk, &disk->volumes[4], "", &error), -1);
    assert_int_equal(error.code, CSN_TARGET_MOUNT);
    assert_non_null(strstr(error.message, "holds swap"));
    /* still protected: refused, and all is mounted for reading as before */
    good(mount_root(&mounts, &disks, disk, &disk->volumes[1], "", &error), &error);
    assert_int_equal(mount_make_writable(&mounts, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_MOUNT);
    assert_non_null(strstr(error.message, "write-protected"));
    assert_false(mounts.writable);
    assert_true(mounts.items[0].mounted && mounts.items[1].mounted);
    assert_true(is_below(&mounts, "srv/@srv"));
    /* somebody still reads below it: refused, and still mounted */
    protect_all(false);
    snprintf(path, sizeof path, "%s/etc/fstab", mounts.path);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(mount_make_writable(&mounts, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_MOUNT);
    assert_non_null(strstr(error.message, "unmounting"));
    assert_false(mounts.writable);
    assert_true(mounts.items[0].mounted && mounts.items[1].mounted);
    assert_true(is_below(&mounts, "srv/@srv"));
    close(fd);
    good(mount_make_writable(&mounts, &error), &error);
    good(mount_close(&mounts, &error), &error);
    detach();
    place_remove();
}

/* What fstab names and cannot be mounted is said, and the rest of the server is there: for writing and back, too. */
static void holes(void **state)
{
    (void)state;
    struct target_mounts mounts;
    struct error error = {0};
    place_need_root();
    place_make();
    make_server("LABEL=srv-data /srv btrfs defaults 0 0\n"
                "PARTLABEL=var /opt/app/data xfs defaults 0 2\n"
                "LABEL=broken /mnt ext4 defaults 0 2\n");
    place_run("mkfs.ext4 -q -F -L broken w.img && set -- $(sfdisk -q -l -o Start disk.img | sed -n 5p) && "
              "dd if=w.img of=disk.img bs=512 seek=$1 conv=notrunc status=none && "
              "dd if=/dev/zero of=disk.img bs=512 seek=$(($1+4)) count=4 conv=notrunc status=none");
    attach("disk.img");
    good(mount_root(&mounts, &disks, disk, &disk->volumes[1], "", &error), &error);
    assert_int_equal(mounts.count, 2);
    assert_true(has_finding(&mounts, "/opt/app/data"));
    assert_true(has_finding(&mounts, "(ext4) as /mnt for reading"));
    assert_int_equal(mounts.failure.code, CSN_TARGET_MOUNT);
    protect_all(false);
    good(mount_make_writable(&mounts, &error), &error);
    write_below(&mounts, "srv/new", "1");
    good(mount_make_read_only(&mounts, &error), &error);
    assert_true(is_below(&mounts, "srv/new"));
    good(mount_leave(&mounts, 1, "a test", &error), &error);
    assert_int_equal(mounts.count, 1);
    assert_false(is_below(&mounts, "srv/new"));
    assert_true(has_finding(&mounts, "is not mounted at /srv: a test"));
    good(mount_close(&mounts, &error), &error);
    detach();
    place_remove();
}

/* A root that sends a mount out of itself by a link: it lands inside, or nowhere. */
static void no_way_out(void **state)
{
    (void)state;
    struct target_mounts mounts;
    struct error error = {0};
    char fstab[4400];
    place_need_root();
    place_make();
    place_folder("outside");
    snprintf(fstab, sizeof fstab, "LABEL=srv-data /away/../..%s btrfs defaults 0 0\n", place_path("outside"));
    make_server(fstab);
    attach("disk.img");
    good(mount_root(&mounts, &disks, disk, &disk->volumes[1], "", &error), &error);
    assert_int_equal(mounts.count, 1);
    assert_true(has_finding(&mounts, place_path("outside")));
    good(mount_close(&mounts, &error), &error);
    place_run("! grep caisson/mnt /proc/$PPID/mountinfo");
    detach();
    place_remove();
}

/* The kernel's mark, and its count alone, are seen until e2fsck has run; the file system is read all the same. */
static void marked_with_errors(void **state)
{
    (void)state;
    static const char *const marks[] = {"state 3", "error_count 2"};
    struct mount_state seen;
    struct error error = {0};
    char script[200];
    place_make();
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        snprintf(script, sizeof script,
                 "rm -f a; mkfs.ext4 -q a 8M && debugfs -w -R 'set_super_value %s' a 2>/dev/null", marks[i]);
        place_run(script);
        good(mount_examine(place_path("a"), "ext4", &seen, &error), &error);
        assert_true(seen.has_errors);
        assert_false(seen.needs_recovery);
        place_run("e2fsck -f -y a >/dev/null 2>&1 || test $? -eq 1");
        good(mount_examine(place_path("a"), "ext4", &seen, &error), &error);
        assert_false(seen.has_errors);
    }
    place_remove();
}

static void bad_devices(void **nothing)
{
    (void)nothing;
    struct mount_state state;
    struct error error = {0};
    place_make();
    place_run("truncate -s 1M empty && : >nothing");
    static const char *const kinds[] = {"ext4", "xfs", "btrfs"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(mount_examine(place_path("empty"), kinds[i], &state, &error), -1);
        assert_int_equal(error.code, CSN_TARGET_MOUNT);
        assert_int_equal(mount_examine(place_path("nothing"), kinds[i], &state, &error), -1);
        assert_int_equal(error.code, CSN_IO);
        assert_int_equal(mount_examine(place_path("absent"), kinds[i], &state, &error), -1);
        assert_int_equal(error.code, CSN_IO);
    }
    place_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ext4),         cmocka_unit_test(xfs),
        cmocka_unit_test(btrfs),        cmocka_unit_test(xfs_log_around),
        cmocka_unit_test(whole_server), cmocka_unit_test(subvolumes),
        cmocka_unit_test(refusals),     cmocka_unit_test(no_way_out),
        cmocka_unit_test(bad_devices),  cmocka_unit_test(marked_with_errors),
        cmocka_unit_test(holes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
