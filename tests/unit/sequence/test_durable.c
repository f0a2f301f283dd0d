// wrap: syncfs
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"
#include "sequence/durable.h"

static struct error error;
static size_t calls;
static dev_t synced[8];
static int failing_call; /* 0: none */
static int failing_errno;

int __wrap_syncfs(int fd);
int __wrap_syncfs(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_true(calls < 8);
    synced[calls++] = status.st_dev;
    if (failing_call == (int)calls) {
        errno = failing_errno;
        return -1;
    }
    return 0;
}

static dev_t device_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_dev;
}

static int sync_these(int fail_at, int why)
{
    char *items[] = {"/dev/shm/a", "/dev/shm/b", "/dev/pts/c", "/nowhere/at/all", NULL};
    struct strings paths = {.items = items, .count = 4};
    int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(root_fd >= 0);
    calls = 0;
    failing_call = fail_at;
    failing_errno = why;
    memset(&error, 0, sizeof error);
    int result = durable_sync(root_fd, &paths, &error);
    file_drop(&root_fd);
    return result;
}

/* Each file system once, those that are not the root's, too; a path that is not there is none. */
static void test_every_file_system_once(void **state)
{
    (void)state;
    if (device_of("/") == device_of("/dev/shm") || device_of("/dev/pts") == device_of("/dev/shm")) {
        skip();
    }
    assert_int_equal(sync_these(0, 0), 0);
    assert_int_equal(calls, 3);
    assert_int_equal(synced[0], device_of("/"));
    assert_int_equal(synced[1], device_of("/dev/shm"));
    assert_int_equal(synced[2], device_of("/dev/pts"));
}

static void test_a_failure_is_told(void **state)
{
    (void)state;
    assert_int_equal(sync_these(2, EIO), -1);
    assert_int_equal(error.code, CSN_IO);
    assert_non_null(strstr(error.message, "/dev/shm/a"));
    assert_int_equal(calls, 2);
    assert_int_equal(sync_these(1, ENOSPC), -1);
    assert_int_equal(error.code, CSN_NO_SPACE);
    assert_int_equal(calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_file_system_once),
        cmocka_unit_test(test_a_failure_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
