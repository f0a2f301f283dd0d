/* At the end of a run, however it ended, the stick and the backup disk are read-only and write-protected again. The disks are
 * loop devices that a made-up sysfs names: no other disk of this machine is ever protected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/file.h"
#include "sequence/run.h"
#include "target/mount.h"
#include "target/place.h"

#define BACKUP_UUID "c0ffee00-0000-4000-8000-00000000ca15"

static struct run run;
static struct console console;
static struct protect protect;
static struct error error;
static char sys[4096];
static char nodes[2][32]; /* the stick, the backup disk */

#define assert_done(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static bool can_loop(void)
{
    return geteuid() == 0 && access("/dev/loop-control", R_OK | W_OK) == 0;
}

static int setup(void **state)
{
    (void)state;
    if (!can_loop()) {
        return 0;
    }
    error = (struct error){0};
    place_make();
    place_run("mkdir -p sys/block stick; for i in 0 1; do truncate -s 16M $i.img; done;"
              " mke2fs -q -t ext4 0.img; mke2fs -q -t ext4 -U " BACKUP_UUID " 1.img");
    for (int i = 0; i < 2; i++) {
        char script[128];
        snprintf(script, sizeof script, "losetup -f --show %d.img", i);
        snprintf(nodes[i], sizeof nodes[i], "%s", place_run(script));
        snprintf(script, sizeof script, "ln -s /sys/block/%s sys/block/", nodes[i] + 5);
        place_run(script);
    }
    assert_done(mount_namespace(&error));
    assert_int_equal(mount(nodes[0], place_path("stick"), "ext4", MS_RDONLY, ""), 0);
    snprintf(sys, sizeof sys, "%s", place_path("sys"));
    const struct disk_places places = {sys, "/dev"};
    assert_done(protect_start(&protect, &places, &error));
    console_open(&console, stdout);
    run = (struct run){.console = &console,
                       .protect = &protect,
                       .evidence = {.dir_fd = -1},
                       .target = {.root_fd = -1},
                       .base = strdup(place_path("stick")),
                       .job = {.backup_disk = "uuid:" BACKUP_UUID, .backup_folder = "caisson"}};
    journal_init(&run.journal);
    assert_done(evidence_make_writable(run.base, &protect, &run.stick_writable, &error));
    assert_true(run.stick_writable);
    assert_done(evidence_create(&run.evidence, run.base, &error));
    assert_done(run_attach_stick(&run, &error));
    assert_done(journal_note(&run.journal, &error, "run", NULL));
    assert_done(run_open_backup(&run, &error));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (!can_loop()) {
        return 0;
    }
    umount2(place_path("stick"), MNT_DETACH);
    protect_free(&protect);
    for (int i = 0; i < 2; i++) {
        char script[128];
        snprintf(script, sizeof script, "blockdev --setrw %s; losetup -d %s", nodes[i], nodes[i]);
        place_run(script);
    }
    place_remove();
    return 0;
}

static bool is_protected(const char *node)
{
    bool read_only = false;
    assert_done(protect_get(node, &read_only, &error));
    return read_only;
}

static bool is_mounted_read_only(void)
{
    struct statvfs status;
    assert_int_equal(statvfs(place_path("stick"), &status), 0);
    return (status.f_flag & ST_RDONLY) != 0;
}

static void test_all_is_read_only_after_a_run(void **state)
{
    (void)state;
    place_need_root();
    assert_false(is_protected(nodes[0]) || is_protected(nodes[1]) || is_mounted_read_only());
    assert_done(run_close(&run, &error));
    assert_true(is_mounted_read_only());
    assert_true(is_protected(nodes[0]));
    assert_true(is_protected(nodes[1]));
    assert_string_equal(place_run("cat stick/caisson-runs/*/journal.jsonl | wc -l"), "1");
    assert_done(protect_check(&protect, NULL, &error));
}

/* A file is still open for writing: that is said, and nothing that waits to be written is cut off. */
static void test_what_cannot_be_given_back_is_said(void **state)
{
    (void)state;
    place_need_root();
    int fd = open(place_path("stick/open"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(run_close(&run, &error), -1);
    assert_non_null(strstr(error.message, "stick"));
    assert_false(is_mounted_read_only());
    assert_false(is_protected(nodes[0]));
    file_drop(&fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_is_read_only_after_a_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_given_back_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
