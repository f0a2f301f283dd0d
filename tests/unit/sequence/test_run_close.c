/* At the end of a run, however it ended, the stick and the backup disk are read-only and write-protected again. */
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
#include "sequence/loops.h"
#include "sequence/run.h"
#include "target/mount.h"
#include "target/place.h"

#define BACKUP_UUID "c0ffee00-0000-4000-8000-00000000ca15"

static struct run run;
static struct console console;
static struct protect protect;
static struct error error;
static const char *stick;
static const char *backup;

#define assert_done(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static int setup(void **state)
{
    (void)state;
    if (!loops_possible()) {
        return 0;
    }
    error = (struct error){0};
    place_make();
    place_run("mkdir stick; for i in 0 1; do truncate -s 16M $i.img; done;"
              " mke2fs -q -t ext4 0.img; mke2fs -q -t ext4 -U " BACKUP_UUID " 1.img");
    stick = loops_attach("0.img");
    backup = loops_attach("1.img");
    assert_done(mount_namespace(&error));
    assert_int_equal(mount(stick, place_path("stick"), "ext4", MS_RDONLY, ""), 0);
    loops_protect(&protect);
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
    if (!loops_possible()) {
        return 0;
    }
    umount2(place_path("stick"), MNT_DETACH);
    protect_free(&protect);
    loops_detach();
    place_remove();
    return 0;
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
    assert_false(loops_is_protected(stick) || loops_is_protected(backup) || is_mounted_read_only());
    assert_done(run_close(&run, &error));
    assert_true(is_mounted_read_only());
    assert_true(loops_is_protected(stick));
    assert_true(loops_is_protected(backup));
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
    assert_false(loops_is_protected(stick));
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
