/* Writing in a thread of its own: what is added is there, on file systems with and without O_DIRECT, and a failure is told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/behind.h"
#include "tree/fixture.h"

#define MEGABYTE ((size_t)1024 * 1024)

static uint8_t byte_at(size_t at)
{
    return (uint8_t)(at * 2654435761u >> 13);
}

static int make(const struct fixture *fixture, const char *name)
{
    int fd = openat(fixture->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    return fd;
}

/* Adds so many bytes in pieces of this size. -1: errno. */
static int add(struct behind *behind, size_t size_bytes, size_t piece)
{
    uint8_t *data = malloc(size_bytes + 1);
    assert_non_null(data);
    for (size_t i = 0; i < size_bytes; i++) {
        data[i] = byte_at(i);
    }
    int result = 0;
    for (size_t at = 0; result == 0 && at < size_bytes; at += piece) {
        result = behind_add(behind, data + at, size_bytes - at < piece ? size_bytes - at : piece);
    }
    int failed = errno;
    free(data);
    errno = failed;
    return result;
}

static void assert_there(int fd, size_t size_bytes)
{
    static uint8_t block[65536];
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, size_bytes);
    for (size_t at = 0; at < size_bytes;) {
        ssize_t got = pread(fd, block, sizeof block, (off_t)at);
        assert_true(got > 0);
        for (ssize_t i = 0; i < got; i++, at++) {
            assert_int_equal(block[i], byte_at(at));
        }
    }
}

static void check_sizes(const struct fixture *fixture, const char *folder)
{
    static const size_t sizes[] = {
        0, 1, 4095, 4096, 4097, 2 * MEGABYTE, 2 * MEGABYTE + 1, 7 * MEGABYTE + 4096, 9 * MEGABYTE - 3};
    static const size_t pieces[] = {9 * MEGABYTE, 65552, 1000003};
    struct behind *behind = behind_new();
    assert_non_null(behind);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            char name[64];
            snprintf(name, sizeof name, "%s/%zu-%zu", folder, i, k);
            int fd = make(fixture, name);
            behind_begin(behind, fd);
            assert_int_equal(add(behind, sizes[i], pieces[k]), 0);
            assert_int_equal(behind_end(behind), 0);
            assert_there(fd, sizes[i]);
            close(fd);
            fixture_unlink(fixture->fd, name);
        }
    }
    behind_free(behind);
}

static void writes_what_it_is_given(void **state)
{
    const struct fixture *fixture = *state;
    fixture_folder(fixture->fd, "here", 0755);
    check_sizes(fixture, "here");
    fixture_folder(fixture->fd, "memory", 0755);
    if (fixture_tmpfs(fixture, "memory", 32 * MEGABYTE)) {
        check_sizes(fixture, "memory");
        fixture_unmount(fixture, "memory");
    }
}

static void tells_of_a_full_disk_and_goes_on_with_the_next_file(void **state)
{
    const struct fixture *fixture = *state;
    fixture_folder(fixture->fd, "small", 0755);
    if (!fixture_tmpfs(fixture, "small", 6 * MEGABYTE)) {
        return;
    }
    struct behind *behind = behind_new();
    assert_non_null(behind);
    int fd = make(fixture, "small/file");
    behind_begin(behind, fd);
    assert_int_equal(add(behind, 16 * MEGABYTE, MEGABYTE), -1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(behind_end(behind), -1);
    assert_int_equal(errno, ENOSPC);
    close(fd);
    fixture_unlink(fixture->fd, "small/file");
    fd = make(fixture, "small/file");
    behind_begin(behind, fd);
    assert_int_equal(add(behind, 3 * MEGABYTE, MEGABYTE), 0);
    assert_int_equal(behind_end(behind), 0);
    assert_there(fd, 3 * MEGABYTE);
    behind_begin(behind, fd);
    assert_int_equal(add(behind, MEGABYTE, MEGABYTE), 0);
    behind_cancel(behind);
    behind_free(behind);
    close(fd);
    fixture_unmount(fixture, "small");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(writes_what_it_is_given, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(tells_of_a_full_disk_and_goes_on_with_the_next_file, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
