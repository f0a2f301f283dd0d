#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repository/crc32c.h"
#include "repository/vault.h"

/* RFC 3720, B.4 (the bytes there are in the order of transmission). */
static void gives_the_values_of_the_standard(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c_of(bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c_of(bytes, sizeof bytes), 0x62a8ab43u);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_int_equal(crc32c_of(bytes, sizeof bytes), 0x46dd794eu);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(crc32c_of(bytes, sizeof bytes), 0x113fdb5cu);
    assert_int_equal(crc32c_of("123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c_of("", 0), 0);
}

static void both_ways_give_the_same(void **state)
{
    (void)state;
    uint8_t bytes[300];
    vault_noise(bytes, sizeof bytes, 5);
    for (size_t from = 0; from < 9; from++) {
        for (size_t size = 0; size + from <= sizeof bytes; size++) {
            assert_int_equal(crc32c_of(bytes + from, size), crc32c_portable(bytes + from, size));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_values_of_the_standard),
        cmocka_unit_test(both_ways_give_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
