#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "repository/chunker.h"
#include "repository/pack.h"
#include "repository/vault.h"

#define SIZE ((size_t)24 << 20)
#define CUTS 1000

static size_t cut_all(const struct chunker *chunker, const uint8_t *data, size_t size_bytes, size_t *ends)
{
    size_t count = 0;
    for (size_t at = 0; at < size_bytes; count++) {
        size_t length = chunker_cut(chunker, data + at, size_bytes - at);
        assert_true(length > 0 && length <= chunker->sizes.maximum_bytes && count < CUTS);
        assert_true(length >= chunker->sizes.minimum_bytes || at + length == size_bytes);
        at += length;
        ends[count] = at;
    }
    return count;
}

static void keeps_its_sizes(void **state)
{
    (void)state;
    static size_t ends[CUTS];
    struct chunker chunker;
    uint8_t *data = malloc(SIZE);
    assert_true(chunker_init(&chunker, &chunker_default_sizes, 0));
    vault_noise(data, SIZE, 1);
    size_t count = cut_all(&chunker, data, SIZE, ends);
    /* The wished size, give or take a third. */
    assert_in_range(SIZE / count, (size_t)340 << 10, (size_t)700 << 10);
    /* What never cuts by itself is cut at the maximum. */
    memset(data, 0, SIZE);
    count = cut_all(&chunker, data, SIZE, ends);
    assert_int_equal(ends[0], chunker_default_sizes.maximum_bytes);
    assert_int_equal(count, SIZE / chunker_default_sizes.maximum_bytes);
    free(data);
}

static void does_not_depend_on_what_follows(void **state)
{
    (void)state;
    struct chunker chunker;
    uint8_t *data = malloc(SIZE);
    assert_true(chunker_init(&chunker, &chunker_default_sizes, 0));
    vault_noise(data, SIZE, 2);
    size_t whole = chunker_cut(&chunker, data, SIZE);
    assert_true(whole < chunker_default_sizes.maximum_bytes);
    assert_int_equal(chunker_cut(&chunker, data, chunker_default_sizes.maximum_bytes), whole);
    assert_int_equal(chunker_cut(&chunker, data, whole + 1), whole);
    assert_int_equal(chunker_cut(&chunker, data, whole), whole);
    assert_int_equal(chunker_cut(&chunker, data, whole - 1), whole - 1);
    assert_int_equal(chunker_cut(&chunker, data, 1), 1);
    free(data);
}

static void finds_its_cuts_again_after_an_insertion(void **state)
{
    (void)state;
    static size_t before[CUTS];
    static size_t after[CUTS];
    struct chunker chunker;
    uint8_t *data = malloc(SIZE + 7);
    assert_true(chunker_init(&chunker, &chunker_default_sizes, 0));
    vault_noise(data, SIZE, 3);
    size_t count = cut_all(&chunker, data, SIZE, before);
    memmove(data + 1000007, data + 1000000, SIZE - 1000000);
    memcpy(data + 1000000, "seven..", 7);
    size_t again = cut_all(&chunker, data, SIZE + 7, after);
    size_t same = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < again; j++) {
            same += before[i] == after[j] || before[i] + 7 == after[j] ? 1 : 0;
        }
    }
    assert_true(same + 6 >= count);
    free(data);
}

static void cuts_otherwise_with_another_seed(void **state)
{
    (void)state;
    struct chunker one;
    struct chunker other;
    uint8_t *data = malloc(SIZE);
    assert_true(chunker_init(&one, &chunker_default_sizes, 0));
    assert_true(chunker_init(&other, &chunker_default_sizes, 1));
    vault_noise(data, SIZE, 4);
    assert_int_not_equal(chunker_cut(&one, data, SIZE), chunker_cut(&other, data, SIZE));
    free(data);
}

static void refuses_sizes_that_make_no_sense(void **state)
{
    (void)state;
    static const struct chunker_sizes bad[] = {
        {0, 0, 0},
        {63, 4096, 8192},
        {4096, 4096, 8192},
        {1024, 5000, 8192},
        {1024, 4096, 4095},
        {1024, 4096, CHUNK_LIMIT_BYTES + 1},
        {UINT32_MAX, UINT32_MAX, UINT32_MAX},
    };
    struct chunker chunker;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(chunker_init(&chunker, &bad[i], 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_its_sizes),
        cmocka_unit_test(does_not_depend_on_what_follows),
        cmocka_unit_test(finds_its_cuts_again_after_an_insertion),
        cmocka_unit_test(cuts_otherwise_with_another_seed),
        cmocka_unit_test(refuses_sizes_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
