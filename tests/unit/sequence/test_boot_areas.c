/* What is needed to boot lies beside the repository while it is backed up, whatever its size, and never in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sequence/boot_areas.h"
#include "target/place.h"

static struct error error;

static void test_they_lie_on_the_backup_disk(void **state)
{
    (void)state;
    place_make();
    place_run("truncate -s 3M disk; printf begin | dd of=disk conv=notrunc status=none; printf end >>disk;"
              " truncate -s 5M esp; printf esp >>esp; truncate -s 2M other; mkdir backup");
    struct disk_volume volumes[] = {
        {.path = (char *)place_path("disk")},
        {.path = (char *)place_path("esp"),
         .number = 1,
         .size_bytes = (5 << 20) + 3,
         .part_type = (char *)"C12A7328-F81F-11D2-BA4B-00A0C93EC93B"},
        {.path = (char *)place_path("other"), .number = 2, .size_bytes = 2 << 20, .part_type = (char *)"0x83"},
    };
    struct disk disks[] = {
        {.name = (char *)"vda",
         .path = volumes[0].path,
         .size_bytes = (3 << 20) + 3,
         .volumes = volumes,
         .volume_count = 3},
        {.name = (char *)"vdb",
         .path = (char *)"/nowhere",
         .size_bytes = 3 << 20,
         .volumes = volumes,
         .volume_count = 1},
    };
    struct target_mount mount = {.disk = (char *)"vda"};
    struct run run = {.backup_path = (char *)place_path("backup"),
                      .target = {.survey = {.disks = {disks, 2}}, .mounts = {.items = &mount, .count = 1}}};
    struct boot_areas areas;
    uint64_t size_bytes = 0;
    assert_int_equal(boot_areas_size(&run, &size_bytes, &error), 0);
    assert_int_equal(size_bytes, (7 << 20) + 3);
    assert_int_equal(boot_areas_collect(&areas, &run, &error), 0);
    assert_string_equal(place_run("cd backup/" SCRATCH_PREFIX "boot-*; ls | tr '\\n' ' '"),
                        "vda-first-1MiB.img vda-last-1MiB.img vda-p1.img ");
    place_run("cd backup/" SCRATCH_PREFIX "boot-*; cmp vda-p1.img ../../esp");
    assert_string_equal(place_run("head -c 5 backup/*/vda-first*"), "begin");
    assert_string_equal(place_run("tail -c 3 backup/*/vda-last*"), "end");
    boot_areas_free(&areas);
    assert_string_equal(place_run("ls backup | wc -l"), "0");
    place_remove();
}

static void test_a_folder_has_none(void **state)
{
    (void)state;
    struct run run = {0};
    struct boot_areas areas;
    uint64_t size_bytes = 1;
    assert_int_equal(boot_areas_size(&run, &size_bytes, &error), 0);
    assert_int_equal(size_bytes, 0);
    assert_int_equal(boot_areas_collect(&areas, &run, &error), 0);
    assert_int_equal(areas.folder_fd, -1);
    boot_areas_free(&areas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_they_lie_on_the_backup_disk),
        cmocka_unit_test(test_a_folder_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
