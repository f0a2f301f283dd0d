// wrap: crypto_hash_begin
/* SHA-256 in parts, also where libgcrypt has no memory for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/crypto.h"
#include "lib/sha256.h"
#include "repository/vault.h"

#define SIZE ((size_t)100000)

static bool no_memory;

struct crypto_hash *__real_crypto_hash_begin(void);
struct crypto_hash *__wrap_crypto_hash_begin(void)
{
    return no_memory ? NULL : __real_crypto_hash_begin();
}

/* FIPS 180-4's example. */
static void gives_the_standards_digest(void **state)
{
    (void)state;
    static const char text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    sha256_of(text, strlen(text), digest);
    hex_encode(digest, sizeof digest, hex);
    assert_string_equal(hex, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void gives_the_same_in_parts(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 55, 63, 64, 65, 4096, SIZE};
    uint8_t *bytes = malloc(SIZE);
    uint8_t whole[SHA256_SIZE];
    uint8_t digest[SHA256_SIZE];
    assert_non_null(bytes);
    vault_noise(bytes, SIZE, 1);
    sha256_of(bytes, SIZE, whole);
    for (size_t i = 0; i < 2 * sizeof steps / sizeof steps[0]; i++) {
        size_t step = steps[i / 2];
        struct sha256 hash;
        no_memory = i % 2 == 1;
        sha256_begin(&hash);
        for (size_t at = 0; at < SIZE; at += step) {
            sha256_add(&hash, bytes + at, step < SIZE - at ? step : SIZE - at);
        }
        sha256_add(&hash, bytes, 0);
        sha256_end(&hash, digest);
        assert_memory_equal(digest, whole, SHA256_SIZE);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_standards_digest),
        cmocka_unit_test(gives_the_same_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
