/*
 * Write protection, on loop devices that a made-up sysfs names: no other disk of this machine is ever seen by the code
 * under test.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"
#include "target/place.h"
#include "target/protect.h"

#define DISKS 3

static struct disk_places places;
static int fds[DISKS];
static char nodes[DISKS][32];

/* Attaches an image; `seen` puts it into the sysfs that the code looks at. */
static void attach(size_t index, bool seen)
{
    char script[256];
    snprintf(script, sizeof script, "losetup -f --show d%zu.img", index);
    snprintf(nodes[index], sizeof nodes[index], "%s", place_run(script));
    fds[index] = open(nodes[index], O_RDWR | O_CLOEXEC);
    assert_true(fds[index] >= 0);
    /* Partitions, whether or not this kernel reads tables itself. */
    snprintf(script, sizeof script, "partx -u %s 2>/dev/null || partx -a %s", nodes[index], nodes[index]);
    place_run(script);
    if (seen) {
        snprintf(script, sizeof script, "ln -s /sys/block/%s sys/block/", nodes[index] + 5);
        place_run(script);
    }
}

static void detach(size_t index)
{
    char script[128];
    file_drop(&fds[index]);
    /* The kernel hands the flag on to the loop device's next user. */
    snprintf(script, sizeof script, "blockdev --setrw %s; losetup -d %s", nodes[index], nodes[index]);
    place_run(script);
}

static int setup(void **state)
{
    (void)state;
    static char sys[4096];
    if (geteuid() != 0 || access("/dev/loop-control", R_OK | W_OK) != 0) {
        return 0;
    }
    place_make();
    place_run("mkdir -p sys/block; for i in 0 1 2; do truncate -s 8M d$i.img;"
              " printf 'label: dos\\nsize=2MiB\\nsize=2MiB\\n' | sfdisk -q d$i.img; done");
    snprintf(sys, sizeof sys, "%s", place_path("sys"));
    places = (struct disk_places){sys, "/dev"};
    attach(0, true);
    attach(1, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0) {
        for (size_t i = 0; i < DISKS; i++) {
            if (nodes[i][0] != '\0') {
                detach(i);
                nodes[i][0] = '\0';
            }
        }
        place_remove();
    }
    return 0;
}

/* Really tries: the first bytes of the whole disk or of its partition. */
static bool can_write(size_t index, int partition)
{
    char path[48];
    snprintf(path, sizeof path, partition > 0 ? "%sp%d" : "%s", nodes[index], partition);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        assert_true(errno == EACCES || errno == EPERM || errno == EROFS);
        return false;
    }
    static const char zeros[512];
    bool wrote = pwrite(fd, zeros, sizeof zeros, partition > 0 ? 0 : 1536) == (ssize_t)sizeof zeros && fsync(fd) == 0;
    close(fd);
    return wrote;
}

static void all(size_t index, bool wanted)
{
    for (int partition = 0; partition <= 2; partition++) {
        assert_int_equal(can_write(index, partition), wanted);
    }
}

static const struct disk *nth(const struct disks *disks, size_t index)
{
    for (size_t i = 0; i < disks->count; i++) {
        if (strcmp(disks->items[i].path, nodes[index]) == 0) {
            return &disks->items[i];
        }
    }
    fail_msg("%s is not in the list", nodes[index]);
    return NULL;
}

static void protects(void **state)
{
    (void)state;
    struct protect protect;
    struct disks disks;
    struct error error = {0};
    place_need_root();
    all(0, true);
    all(1, true);
    assert_int_equal(protect_start(&protect, &places, &error), 0);
    all(0, false);
    all(1, false);
    assert_int_equal(protect_check(&protect, NULL, &error), 0);
    assert_int_equal(disks_list(&disks, &places, &error), 0);
    assert_int_equal(disks.count, 2);
    assert_int_equal(nth(&disks, 0)->volume_count, 3);
    assert_true(nth(&disks, 0)->read_only);
    assert_int_equal(protect_lift(&protect, nth(&disks, 0), &error), 0);
    assert_int_equal(protect_lift(&protect, nth(&disks, 0), &error), 0);
    all(0, true);
    all(1, false);
    assert_int_equal(protect_check(&protect, NULL, &error), 0);
    assert_int_equal(protect_restore(&protect, nth(&disks, 0), &error), 0);
    assert_int_equal(protect_restore(&protect, nth(&disks, 0), &error), 0);
    all(0, false);
    assert_int_equal(protect_lift(&protect, nth(&disks, 0), &error), 0);
    assert_int_equal(protect_lift(&protect, nth(&disks, 1), &error), 0);
    assert_int_equal(protect_restore_all(&protect, &error), 0);
    all(0, false);
    all(1, false);
    assert_int_equal(protect_check(&protect, NULL, &error), 0);
    disks_free(&disks);
    protect_free(&protect);
    all(1, false); /* freeing leaves it as it is */
}

static void notices(void **state)
{
    (void)state;
    struct protect protect;
    struct strings appeared = {0};
    struct error error = {0};
    place_need_root();
    assert_int_equal(protect_start(&protect, &places, &error), 0);
    /* Somebody lifts it behind our back: said once, and protected again. */
    assert_int_equal(protect_set(nodes[1], false, &error), 0);
    assert_int_equal(protect_check(&protect, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROTECT);
    assert_non_null(strstr(error.message, nodes[1]));
    all(1, false);
    assert_int_equal(protect_check(&protect, NULL, &error), 0);
    /* A disk that comes later. */
    attach(2, true);
    all(2, true);
    assert_int_equal(protect_check(&protect, &appeared, &error), 0);
    assert_int_equal(appeared.count, 1);
    assert_string_equal(appeared.items[0], nodes[2] + 5);
    all(2, false);
    strings_free(&appeared);
    protect_free(&protect);
}

/* The same name, another disk: what was allowed for the one is not for the other. */
static void exchanged(void **state)
{
    (void)state;
    struct protect protect;
    struct disks disks;
    struct strings appeared = {0};
    struct error error = {0};
    char first[32];
    place_need_root();
    assert_int_equal(protect_start(&protect, &places, &error), 0);
    assert_int_equal(disks_list(&disks, &places, &error), 0);
    assert_int_equal(protect_lift(&protect, nth(&disks, 0), &error), 0);
    disks_free(&disks);
    snprintf(first, sizeof first, "%s", nodes[0]);
    detach(0);
    attach(0, false);
    for (int i = 0; i < 100 && strcmp(first, nodes[0]) != 0; i++) { /* another process took the name meanwhile */
        detach(0);
        usleep(100000);
        attach(0, false);
    }
    if (strcmp(first, nodes[0]) != 0) {
        protect_free(&protect);
        skip();
    }
    all(0, true);
    assert_int_equal(disks_list(&disks, &places, &error), 0);
    assert_int_equal(protect_lift(&protect, nth(&disks, 0), &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROTECT);
    assert_non_null(strstr(error.message, "exchanged"));
    assert_int_equal(protect_check(&protect, &appeared, &error), 0);
    assert_int_equal(appeared.count, 1);
    all(0, false);
    disks_free(&disks);
    strings_free(&appeared);
    protect_free(&protect);
}

static void devices(void **state)
{
    (void)state;
    bool read_only = false;
    struct error error = {0};
    place_need_root();
    assert_int_equal(protect_get("/nonexistent", &read_only, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROTECT);
    assert_int_equal(protect_set("/dev/null", true, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_PROTECT);
    assert_non_null(strstr(error.message, "write-protecting /dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(protects, setup, teardown),
        cmocka_unit_test_setup_teardown(notices, setup, teardown),
        cmocka_unit_test_setup_teardown(exchanged, setup, teardown),
        cmocka_unit_test(devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
