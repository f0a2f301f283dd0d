#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "repository/chunks.h"

#define COUNT 100000u

static void id_of(uint32_t number, uint8_t id[SHA256_SIZE])
{
    sha256_of(&number, sizeof number, id);
}

static void finds_what_was_added_and_nothing_else(void **state)
{
    (void)state;
    struct chunks chunks = {0};
    struct error error;
    struct chunk_place place = {.size_bytes = 1};
    id_of(0, place.id);
    assert_null(chunks_find(&chunks, place.id));
    for (uint32_t i = 0; i < COUNT; i++) {
        id_of(i, place.id);
        place.pack = i / 7;
        place.offset = i;
        assert_int_equal(chunks_add(&chunks, &place, &error), 0);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        uint8_t id[SHA256_SIZE];
        id_of(i, id);
        const struct chunk_place *found = chunks_find(&chunks, id);
        assert_non_null(found);
        assert_int_equal(found->offset, i);
        assert_int_equal(found->pack, i / 7);
        assert_null(chunks_next(&chunks, found));
        assert_ptr_equal(chunks_at(&chunks, i), found);
        id_of(i + COUNT, id);
        assert_null(chunks_find(&chunks, id));
    }
    chunks_free(&chunks);
}

static void keeps_every_place_of_a_chunk(void **state)
{
    (void)state;
    struct chunks chunks = {0};
    struct error error;
    struct chunk_place place = {.size_bytes = 1};
    for (uint32_t i = 0; i < 30000; i++) {
        id_of(i % 10000, place.id);
        place.pack = i / 10000;
        assert_int_equal(chunks_add(&chunks, &place, &error), 0);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t id[SHA256_SIZE];
        uint32_t seen = 0;
        id_of(i, id);
        for (const struct chunk_place *at = chunks_find(&chunks, id); at != NULL; at = chunks_next(&chunks, at)) {
            seen |= 1u << at->pack;
        }
        assert_int_equal(seen, 7);
    }
    chunks_free(&chunks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_and_nothing_else),
        cmocka_unit_test(keeps_every_place_of_a_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
