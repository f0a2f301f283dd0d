/* Where a backup may lie: never on a disk that carries the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sequence/media.h"
#include "target/place.h"

/* zza: the server; zzb: another disk. No such names are in /sys. */
static struct disk_volume first[] = {{.name = (char *)"zza"},
                                     {.name = (char *)"zza1", .uuid = (char *)"A-1"},
                                     {.name = (char *)"zza2", .uuid = (char *)"A-2", .label = (char *)"BACKUP"}};
static struct disk_volume second[] = {{.name = (char *)"zzb"}, {.name = (char *)"zzb1", .uuid = (char *)"B-1"}};
static struct disk items[] = {
    {.name = (char *)"zza",
     .model = (char *)"",
     .serial = (char *)"A",
     .wwn = (char *)"",
     .volumes = first,
     .volume_count = 3},
    {.name = (char *)"zzb",
     .model = (char *)"",
     .serial = (char *)"B",
     .wwn = (char *)"",
     .volumes = second,
     .volume_count = 2},
};
static const struct disks disks = {items, 2};
static char *server_names[] = {(char *)"zza", NULL};
static const struct strings server = {.items = server_names, .count = 1};

static void refused(const char *name)
{
    struct error error = {0};
    assert_int_equal(media_check_apart(name, &disks, &server, &error), -1);
    assert_int_equal(error.code, CSN_JOB_VALUE);
    assert_non_null(strstr(error.message, name));
    assert_non_null(strstr(error.message, "zza"));
}

static void test_the_servers_own_disk(void **state)
{
    (void)state;
    refused("label:BACKUP");
    refused("uuid:A-2");
    refused("serial:A");
}

static void test_another_disk(void **state)
{
    (void)state;
    struct error error = {0};
    const struct strings folder = {0};
    assert_int_equal(media_check_apart("uuid:B-1", &disks, &server, &error), 0);
    assert_int_equal(media_check_apart("serial:B", &disks, &server, &error), 0);
    assert_int_equal(media_check_apart("serial:C", &disks, &server, &error), 0); /* not there: mounting says so */
    assert_int_equal(media_check_apart("serial:A", &disks, &folder, &error), 0); /* a server in a folder */
}

static void test_what_cut_runs_left_is_swept(void **state)
{
    (void)state;
    struct error error = {0};
    struct strings removed = {0};
    place_make();
    place_write("caisson-scratch-r1/deep/file", "x");
    place_folder("caisson-scratch-r2");
    place_write("caisson/packs/keep", "x");
    place_write("outside/keep", "x");
    place_link("caisson-scratch-r1/link", "../outside");
    assert_int_equal(media_sweep(place_path(""), "caisson-scratch-", NULL, &removed, &error), 0);
    assert_int_equal(removed.count, 2);
    assert_string_equal(place_run("find . -mindepth 1 | sort | tr '\\n' ' '"),
                        "./caisson ./caisson/packs ./caisson/packs/keep ./outside ./outside/keep ");
    strings_free(&removed);
    assert_int_equal(media_sweep(place_path("none"), "caisson-scratch-", NULL, &removed, &error), 0);
    assert_int_equal(removed.count, 0);
    place_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_servers_own_disk),
        cmocka_unit_test(test_another_disk),
        cmocka_unit_test(test_what_cut_runs_left_is_swept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
