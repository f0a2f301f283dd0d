#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "target/accounts.h"
#include "target/room.h"

static struct error error;
static char *folder;
static int root_fd;

static void test_finds(void **state)
{
    (void)state;
    struct account account;
    assert_int_equal(account_find(root_fd, "www-data", &account, &error), 0);
    assert_int_equal(account.uid, 33);
    assert_int_equal(account.gid, 34);
    assert_string_equal(account.home, "/var/www");
    assert_int_equal(account.group_count, 3);
    assert_int_equal(account.groups[0], 34);
    assert_int_equal(account.groups[1], 106);
    assert_int_equal(account.groups[2], 107);
    assert_int_equal(account_find(root_fd, "33", &account, &error), 0);
    assert_string_equal(account.name, "www-data");
    assert_int_equal(account_find(root_fd, "777", &account, &error), 0); /* a user called so, not a number */
    assert_int_equal(account.uid, 5);
    assert_int_equal(account_find_uid(root_fd, 4242, 43, &account, &error), 0);
    assert_string_equal(account.name, "4242");
    assert_int_equal(account.gid, 43);
    assert_int_equal(account.group_count, 1);
    gid_t gid = 0;
    assert_int_equal(account_find_group(root_fd, "ssl-cert", &gid, &error), 0);
    assert_int_equal(gid, 106);
    assert_int_equal(account_find_group(root_fd, "12", &gid, &error), 0);
    assert_int_equal(gid, 12);
}

static void test_does_not_find(void **state)
{
    (void)state;
    struct account account;
    gid_t gid = 0;
    static const char *const names[] = {"nobody-here", "", "-1", "+", "broken", "4294967295", "99999999999"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(account_find(root_fd, names[i], &account, &error), -1);
        assert_int_equal(error.code, CSN_TARGET_PROFILE);
    }
    assert_int_equal(account_find_group(root_fd, "no-group", &gid, &error), -1);
    assert_non_null(strstr(error.message, "no-group"));
}

int main(void)
{
    folder = room_folder();
    room_make(folder, "etc");
    room_write(folder, "etc/passwd",
               "root:x:0:0:root:/root:/bin/bash\n\nbroken:x:a:b:::\nwww-data:x:33:34:www:/var/www:/bin/sh\n"
               "777:x:5:5::/:\n+::::::\nlast:x:9:9::relative:/bin/sh");
    room_write(folder, "etc/group",
               "root:x:0:\nssl-cert:x:106:postgres,www-data\nweb:x:107:www-data\nweb2:x:108:www-data2\n");
    root_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_finds), cmocka_unit_test(test_does_not_find)};
    int failed = cmocka_run_group_tests_name("accounts", tests, NULL, NULL);
    close(root_fd);
    room_remove(folder);
    return failed;
}
