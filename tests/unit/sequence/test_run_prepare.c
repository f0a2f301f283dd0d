/* A job that came by network keeps its journal on the backup disk: never on a disk of the server, and that is known before one
 * byte is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mount.h>

#include "sequence/loops.h"
#include "sequence/run.h"
#include "target/mount.h"
#include "target/place.h"

#define SERVER "c0ffee00-0000-4000-8000-000000000001"
#define ITS_VAR "c0ffee00-0000-4000-8000-000000000002"
#define BACKUP "c0ffee00-0000-4000-8000-000000000003"

static struct run run;
static struct console console;
static struct protect protect;
static struct error error;
static const char *devices[3];
static char before[256];

static const char *sums(void)
{
    return place_run("sha256sum server.img var.img backup.img | sha256sum");
}

static int setup(void **state)
{
    (void)state;
    if (!loops_possible()) {
        return 0;
    }
    place_make();
    place_write("tree/opt/app/VERSION", "1.2\n");
    place_write("tree/etc/os-release", "ID=debian\nPRETTY_NAME=Debian\n");
    place_write("tree/etc/fstab", "UUID=" SERVER " / ext4 defaults 0 1\nUUID=" ITS_VAR " /var ext4 defaults 0 2\n");
    place_folder("tree/var");
    place_folder("net");
    place_run("for d in server var backup; do truncate -s 16M $d.img; done; mke2fs -q -t ext4 -U " SERVER
              " -d tree server.img; mke2fs -q -t ext4 -U " ITS_VAR " var.img; mke2fs -q -t ext4 -U " BACKUP
              " backup.img");
    devices[0] = loops_attach("server.img");
    devices[1] = loops_attach("var.img");
    devices[2] = loops_attach("backup.img");
    assert_int_equal(mount_namespace(&error), 0);
    assert_int_equal(mount("none", place_path("net"), "tmpfs", 0, ""), 0);
    place_write("net/profiles/app.profile",
                "[profile]\nname = app\n[program]\nroot = /opt/app\nversion-file = VERSION\n"
                "version-pattern = ^([0-9.]+)$\n[database]\nengine = none\n[services]\nunits = app.service\n[health]\n"
                "url = http://127.0.0.1/\n");
    loops_protect(&protect);
    console_open(&console, stdout);
    snprintf(before, sizeof before, "%s", sums());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (!loops_possible()) {
        return 0;
    }
    umount2(place_path("net"), MNT_DETACH);
    protect_free(&protect);
    loops_detach();
    place_remove();
    return 0;
}

/* The job of a server on the first disk, whose backup goes to the disk of this name. */
static int prepare(const char *backup)
{
    char job[512];
    snprintf(job, sizeof job,
             "[job]\nname = net\n[server]\ndisks = uuid:" SERVER "\n[backup]\ndisk = uuid:%s\n[package]\n"
             "files = none.cpkg\n",
             backup);
    place_write("net/1.job", job);
    const struct run_options options = {.console = &console, .protect = &protect};
    return run_prepare(&run, &options, place_path("net/1.job"), &error);
}

static void refused(const char *backup)
{
    struct error closing = {0};
    assert_int_equal(prepare(backup), -1);
    assert_int_equal(error.code, CSN_JOB_VALUE);
    assert_non_null(strstr(error.message, backup));
    assert_int_equal(run_close(&run, &closing), 0);
    assert_string_equal(sums(), before);
    for (int i = 0; i < 3; i++) {
        assert_true(loops_is_protected(devices[i]));
    }
}

static void test_the_disk_that_the_job_names_as_the_servers(void **state)
{
    (void)state;
    place_need_root();
    refused(SERVER);
}

static void test_a_disk_that_only_the_server_names(void **state)
{
    (void)state;
    place_need_root();
    refused(ITS_VAR);
}

static void test_another_disk_takes_the_journal(void **state)
{
    (void)state;
    place_need_root();
    if (prepare(BACKUP) != 0) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(run.base, run.backup_path);
    assert_true(loops_is_protected(devices[0]) && loops_is_protected(devices[1]));
    assert_false(loops_is_protected(devices[2]));
    assert_int_equal(run_close(&run, &error), 0);
    assert_true(loops_is_protected(devices[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_disk_that_the_job_names_as_the_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_disk_that_only_the_server_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_disk_takes_the_journal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
