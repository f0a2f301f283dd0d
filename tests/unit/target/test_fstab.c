/* /etc/fstab: blanks, quotes, order, and which lines are real file systems of a disk. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/mount_fstab.h"
#include "target/place.h"

static void read_text(struct fstab *fstab, const char *text)
{
    struct error error = {0};
    place_make();
    if (text != NULL) {
        place_write("etc/fstab", text);
    }
    int fd = open(place_path(""), O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    assert_int_equal(fstab_read(fstab, fd, &error), 0);
    close(fd);
    place_remove();
}

static void lines(void **state)
{
    (void)state;
    struct fstab fstab;
    read_text(&fstab, "# comment\n\n"
                      "UUID=\"x-1\"\t/srv/my\\040files/\txfs\trw,subvol=/@a,noatime\t0 2\r\n"
                      "broken\n"
                      "   LABEL=r /   ext4\n"
                      "/dev/sda3 /srv\n");
    assert_int_equal(fstab.count, 3);
    assert_string_equal(fstab.items[0].place, "/");
    assert_string_equal(fstab.items[0].options, "defaults");
    assert_string_equal(fstab.items[1].place, "/srv");
    assert_string_equal(fstab.items[1].type, "auto");
    assert_string_equal(fstab.items[2].place, "/srv/my files");
    assert_string_equal(fstab.items[2].field, "UUID=x-1");
    char *value = fstab_option_value(&fstab.items[2], "subvol=");
    assert_string_equal(value, "/@a");
    free(value);
    assert_null(fstab_option_value(&fstab.items[2], "subvolid="));
    assert_true(fstab_has_option(&fstab.items[2], "noatime"));
    assert_false(fstab_has_option(&fstab.items[2], "atime"));
    assert_false(fstab_has_option(&fstab.items[2], "subvol"));
    fstab_free(&fstab);
}

static void none(void **state)
{
    (void)state;
    struct fstab fstab;
    read_text(&fstab, NULL);
    assert_int_equal(fstab.count, 0);
    fstab_free(&fstab);
}

static void real_ones(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        bool real;
    } cases[] = {
        {"UUID=1 / ext4 defaults", true},
        {"PARTLABEL=x /var auto defaults", true},
        {"/dev/sda1 /boot ext2 ro", true},
        {"UUID=1 none swap sw", false},
        {"UUID=1 swap swap sw", false},
        {"tmpfs /tmp tmpfs defaults", false},
        {"proc /proc proc defaults", false},
        {"nas:/x /mnt nfs defaults", false},
        {"//nas/x /mnt cifs credentials=/y", false},
        {"UUID=1 /mnt ext4 noauto,user", false},
        {"/srv/a /srv/b none bind", false},
        {"/srv/a.img /mnt ext4 loop", false},
        {"/dev/sdb1 /mnt ext4 nofail", true},
        {"UUID=1 /x ext4 _netdev", false},
        {"LABEL=nobinding /y ext4 x-binding=1", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fstab fstab;
        read_text(&fstab, cases[i].line);
        assert_int_equal(fstab.count, 1);
        if (fstab_is_real(&fstab.items[0]) != cases[i].real) {
            fail_msg("%s", cases[i].line);
        }
        fstab_free(&fstab);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(none), cmocka_unit_test(real_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
