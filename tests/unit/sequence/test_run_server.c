/* The server is looked for on every disk that the job names, and must be on one of them only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>

#include "lib/file.h"
#include "sequence/run.h"
#include "target/place.h"

static struct run run;
static struct error error;

static void add_disk(const char *name)
{
    char text[256];
    snprintf(text, sizeof text, "image:%s", place_path(name));
    assert_int_equal(strings_add(&run.job.server_disks, text, &error), 0);
}

static int setup(void **state)
{
    (void)state;
    run = (struct run){.target = {.root_fd = -1}};
    run.job.folder = strdup(place_make());
    place_write("profiles/app.profile", "[profile]\nname = app\n[program]\nroot = /opt/app\nversion-file = VERSION\n"
                                        "version-pattern = ^([0-9.]+)$\n[database]\nengine = none\n[services]\nunits = "
                                        "app.service\n[health]\nurl = http://127.0.0.1/\n");
    place_write("server/opt/app/VERSION", "1.2\n");
    place_write("server/etc/os-release", "ID=debian\nPRETTY_NAME=Debian\n");
    place_write("server/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    place_folder("empty");
    place_run("for disk in root again; do truncate -s 16M $disk.img; mke2fs -q -t ext4 -d server $disk.img; done; "
              "truncate -s 16M data.img; mke2fs -q -t ext4 -d empty data.img");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    strings_free(&run.job.server_disks);
    free(run.job.folder);
    place_remove();
    return 0;
}

static void test_any_of_the_disks(void **state)
{
    (void)state;
    place_need_root();
    add_disk("data.img");
    add_disk("root.img");
    if (run_open_target(&run, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(run.target.installation.version, "1.2");
    assert_int_equal(run_close_target(&run, &error), 0);
}

static void test_none_of_the_disks(void **state)
{
    (void)state;
    place_need_root();
    add_disk("data.img");
    for (int i = 0; i < 2; i++) { /* a second attempt finds nothing left of the first */
        assert_int_equal(run_open_target(&run, &error), -1);
        assert_int_equal(error.code, CSN_TARGET_NONE);
        assert_int_equal(run.profiles.count, 0);
        assert_false(run.target_is_open);
    }
}

static void test_two_of_the_disks(void **state)
{
    (void)state;
    place_need_root();
    add_disk("root.img");
    add_disk("again.img");
    assert_int_equal(run_open_target(&run, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_SEVERAL);
    assert_non_null(strstr(error.message, "root.img"));
    assert_non_null(strstr(error.message, "again.img"));
    assert_int_equal(run.target.root_fd, -1);
}

static void test_a_named_disk_must_be_there(void **state)
{
    (void)state;
    place_need_root();
    add_disk("root.img");
    assert_int_equal(strings_add(&run.job.server_disks, "serial:nobody-has-this", &error), 0);
    assert_int_equal(run_open_target(&run, &error), -1);
    assert_int_equal(error.code, CSN_TARGET_DISK_MISSING);
}

/* A file is still open there: what waits to be written must not meet a protected disk. */
static void test_a_disk_still_written_to_is_not_protected(void **state)
{
    (void)state;
    struct protect protect;
    bool read_only = true;
    char script[128];
    place_need_root();
    add_disk("root.img");
    assert_int_equal(run_open_target(&run, &error), 0);
    /* Protection sees this disk alone. */
    snprintf(script, sizeof script, "mkdir -p sys/block stick && ln -s /sys/block/%s sys/block/",
             run.target.mounts.items[0].disk);
    place_run(script);
    char *sys = strdup(place_path("sys"));
    const struct disk_places places = {sys, "/dev"};
    assert_int_equal(protect_start(&protect, &places, &error), 0);
    run.protect = &protect;
    run.evidence = (struct evidence){.run = "r1", .dir_fd = open(place_path("stick"), O_RDONLY | O_DIRECTORY)};
    journal_init(&run.journal);
    if (run_make_writable(&run, &error) != 0) {
        fail_msg("%s", error.message);
    }
    char file[256];
    char device[64];
    snprintf(file, sizeof file, "%s/opt/app/open", run.target.root_path);
    snprintf(device, sizeof device, "%s", run.target.mounts.items[0].device);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(run_make_read_only(&run, &error), -1);
    assert_int_equal(protect_get(device, &read_only, &error), 0);
    assert_false(read_only);
    file_drop(&fd);
    assert_int_equal(run_close_target(&run, &error), 0);
    journal_free(&run.journal);
    evidence_close(&run.evidence);
    protect_free(&protect);
    free(sys);
    run.protect = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_any_of_the_disks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_of_the_disks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_of_the_disks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_named_disk_must_be_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_disk_still_written_to_is_not_protected, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
