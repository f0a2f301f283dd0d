/* Bytes read and written: ours, and those of the programs we have waited for, with theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/process.h"
#include "lib/traffic.h"

#define MIB (1024 * 1024)

static char block[MIB];

/* Writes a MiB into a file and reads it back twice. */
static void move_a_mib(void)
{
    char path[] = "/tmp/traffic-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(write(fd, block, MIB), MIB);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pread(fd, block, MIB, 0), MIB);
    }
    assert_int_equal(close(fd), 0);
}

static void assert_about(uint64_t bytes, uint64_t mib)
{
    assert_in_range(bytes, mib * MIB, mib * MIB + MIB / 16);
}

static void test_our_own(void **state)
{
    (void)state;
    struct traffic before = traffic_now();
    move_a_mib();
    struct traffic moved = traffic_since(&before);
    assert_true(moved.known);
    assert_about(moved.read_bytes, 2);
    assert_about(moved.written_bytes, 1);
}

static void test_children_count_with_theirs(void **state)
{
    (void)state;
    static const char *const argv[] = {"sh", "-c", "sh -c 'head -c 3145728 /dev/zero; :'; :", NULL};
    struct traffic before = traffic_now();
    struct error error = {0};
    int status = -1;
    assert_int_equal(process_run(argv, NULL, 10, NULL, &status, &error), 0);
    assert_int_equal(status, 0);
    struct traffic moved = traffic_since(&before);
    assert_about(moved.written_bytes, 3);
    assert_about(moved.read_bytes, 3 + 3); /* from the device, and by us from the pipe */
}

static void test_what_does_not_count_is_not_zero(void **state)
{
    (void)state;
    struct traffic unknown = {0};
    struct traffic moved = traffic_since(&unknown);
    assert_false(moved.known);
    assert_int_equal(moved.read_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_our_own),
        cmocka_unit_test(test_children_count_with_theirs),
        cmocka_unit_test(test_what_does_not_count_is_not_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
