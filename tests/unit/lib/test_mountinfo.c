/* What is mounted, as /proc says it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/mountinfo.h"

static struct mountinfo parse(const char *content)
{
    struct mountinfo mounts;
    struct buffer text = {0};
    struct error error = {0};
    buffer_string(&text, content);
    assert_int_equal(mountinfo_parse(&mounts, &text, &error), 0);
    assert_null(text.data);
    return mounts;
}

static void test_reads_every_field(void **state)
{
    (void)state;
    struct mountinfo mounts =
        parse("25 1 8:17 /@/sub /data rw,noatime shared:1 master:2 - btrfs /dev/sdb1 rw,space_cache=v2\n"
              "30 25 0:47 / /media/a\\040b\\134c ro - fuse.sshfs host:/x\\011y rw\n");
    assert_int_equal(mounts.count, 2);
    assert_int_equal(mounts.lines[0].id, 25);
    assert_true(mounts.lines[0].device == makedev(8, 17));
    assert_string_equal(mounts.lines[0].point, "/data");
    assert_string_equal(mounts.lines[0].type, "btrfs");
    assert_string_equal(mounts.lines[0].source, "/dev/sdb1");
    assert_string_equal(mounts.lines[0].options, "rw,space_cache=v2");
    assert_string_equal(mounts.lines[1].point, "/media/a b\\c");
    assert_string_equal(mounts.lines[1].source, "host:/x\ty");
    assert_string_equal(mounts.lines[1].type, "fuse.sshfs");
    mountinfo_free(&mounts);
}

static void test_passes_over_what_is_no_line(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "",
        "\n",
        "garbage\n",
        "1 2 8:1 / / rw\n",
        "1 2 8:1 / / rw -\n",
        "1 2 8:1 / / rw - ext4\n",
        "1 2 x:y / / rw - ext4 /dev/sda rw\n",
        " - - - \n",
        "1 2 8:1 / /a\\04 rw - \n",
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        struct mountinfo mounts = parse(odd[i]);
        assert_int_equal(mounts.count, 0);
        mountinfo_free(&mounts);
    }
    /* what is no escape stays; a source and options may be missing */
    struct mountinfo mounts = parse("x\n1 2 8:1 / /a\\0 rw - ext4 \n");
    assert_int_equal(mounts.count, 1);
    assert_string_equal(mounts.lines[0].point, "/a\\0");
    assert_string_equal(mounts.lines[0].source, "");
    assert_string_equal(mounts.lines[0].options, "");
    mountinfo_free(&mounts);
}

static void test_finds_what_is_open(void **state)
{
    (void)state;
    struct mountinfo mounts;
    struct error error = {0};
    struct stat status;
    assert_int_equal(mountinfo_read(&mounts, &error), 0);
    assert_true(mounts.count > 0);
    int fd = open("/proc/self", O_PATH | O_CLOEXEC);
    const struct mountinfo_line *mount = mountinfo_of(&mounts, fd);
    assert_non_null(mount);
    assert_string_equal(mount->type, "proc");
    assert_string_equal(mount->point, "/proc");
    assert_int_equal(fstat(fd, &status), 0);
    assert_true(status.st_dev == mount->device);
    close(fd);
    assert_null(mountinfo_of(&mounts, -1));
    mountinfo_free(&mounts);
    mountinfo_free(&mounts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_every_field),
        cmocka_unit_test(test_passes_over_what_is_no_line),
        cmocka_unit_test(test_finds_what_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
