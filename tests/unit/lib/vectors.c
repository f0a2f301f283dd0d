#include "lib/vectors.h"

#include <pthread.h>
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

#define THREADS 4

static void assert_hex(const uint8_t *bytes, size_t size_bytes, const char *expected)
{
    char text[513];
    assert_true(2 * size_bytes < sizeof text);
    hex_encode(bytes, size_bytes, text);
    assert_string_equal(text, expected);
}

/* RFC 4231, test case 2; RFC 5869, A.1 to A.3 (the first 32 bytes). */
static void makes_macs_and_keys(void **state)
{
    (void)state;
    struct error error;
    uint8_t bytes[256];
    uint8_t secret[80];
    uint8_t key[32];
    static const char *const message = "what do ya want for nothing?";
    assert_int_equal(crypto_hmac("Jefe", 4, message, strlen(message), key, &error), 0);
    assert_hex(key, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    memset(secret, 0x0b, 22);
    assert_int_equal(crypto_hkdf(secret, 22, bytes, 13, "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9", key, &error), 0);
    assert_hex(key, 32, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
    assert_int_equal(crypto_hkdf(secret, 22, NULL, 0, "", key, &error), 0);
    assert_hex(key, 32, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
    memset(secret, 'x', 64);
    secret[64] = '\0';
    assert_int_equal(crypto_hkdf(secret, 22, NULL, 0, (const char *)secret, key, &error), -1);
}

static void exchange(const char *scalar, const char *point, const char *expected)
{
    struct error error;
    uint8_t a[32];
    uint8_t b[32];
    uint8_t result[32];
    assert_true(hex_decode(scalar, a, 32) && hex_decode(point, b, 32));
    assert_int_equal(crypto_x25519(a, b, result, &error), 0);
    assert_hex(result, 32, expected);
}

/* RFC 7748, 5.2 and 6.1. */
static void multiplies_points(void **state)
{
    (void)state;
    struct error error;
    uint8_t k[32] = {9};
    uint8_t u[32] = {9};
    uint8_t next[32];
    exchange("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
             "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
             "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
    exchange("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
             "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
             "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
    for (int i = 1; i <= 1000; i++) {
        assert_int_equal(crypto_x25519(k, u, next, &error), 0);
        memcpy(u, k, 32);
        memcpy(k, next, 32);
        if (i == 1) {
            assert_hex(k, 32, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        }
    }
    assert_hex(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
    assert_true(hex_decode("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", k, 32));
    assert_int_equal(crypto_x25519(k, NULL, next, &error), 0);
    assert_hex(next, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

/* The points of low order, as anyone may send them. */
static void shares_nothing_with_points_of_low_order(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        exchange("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", points[i],
                 "0000000000000000000000000000000000000000000000000000000000000000");
    }
}

/* RFC 7914, 12. */
static void stretches_passphrases(void **state)
{
    (void)state;
    struct error error;
    uint8_t key[32];
    assert_int_equal(crypto_scrypt("pleaseletmein", "SodiumChloride", 14, 14, key, &error), 0);
    assert_hex(key, 32, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
    assert_int_equal(crypto_scrypt("x", "salt", 4, 0, key, &error), -1);
    assert_int_equal(crypto_scrypt("x", "salt", 4, 31, key, &error), -1);
}

/* RFC 8439, 2.8.2; the tag is that without associated data. */
static void seals_as_the_standard_says(void **state)
{
    (void)state;
    static const char text[] =
        "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        "sunscreen would be it.";
    static const uint8_t nonce[12] = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
    struct error error;
    uint8_t key[32];
    uint8_t sealed[sizeof text - 1 + 16];
    char plain[sizeof text - 1];
    for (unsigned i = 0; i < 32; i++) {
        key[i] = (uint8_t)(0x80 + i);
    }
    struct crypto_cipher *cipher = crypto_cipher_new(&error);
    assert_non_null(cipher);
    assert_int_equal(crypto_cipher_key(cipher, key, &error), 0);
    assert_int_equal(crypto_cipher_seal(cipher, nonce, text, sizeof plain, sealed, &error), 0);
    assert_hex(
        sealed, sizeof sealed,
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b"
        "2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586ce"
        "c64b6116"
        "6a23a4681fd59456aea1d29f82477216");
    assert_true(crypto_cipher_open(cipher, nonce, sealed, sizeof plain, plain));
    assert_memory_equal(plain, text, sizeof plain);
    for (size_t bit = 0; bit < 8 * sizeof sealed; bit++) {
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        memset(plain, 'x', sizeof plain);
        assert_false(crypto_cipher_open(cipher, nonce, sealed, sizeof plain, plain));
        assert_true(crypto_is_zero(plain, sizeof plain));
        sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    crypto_cipher_free(cipher);
}

/* Made with another implementation (OpenSSL): SHA-256 of so many bytes of vault_noise with that seed, and of these
 * encrypted with the key and nonce of RFC 8439, 2.8.2. The lengths are where vector code changes its ways. */
static const struct {
    size_t size_bytes;
    const char *plain;
    const char *sealed;
} known[] = {
    {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
     "4beb58a946c2fe18a4d07e10728ccc14d9773224407fc019b045e36cb236af8d"},
    {1, "acac86c0e609ca906f632b0e2dacccb2b77d22b0621f20ebece1a4835b93f6f0",
     "e7dfa97d02f45a18879bb7ac9fed447521b1a2013b992607320f25773900d411"},
    {63, "b83e3aae5c5ab2f4e94fd7ff2cd0c6411f93136f4bb150d40f63e0016a8c7c76",
     "011c43a22d596e57fecf29e779bab1f9662ac5822e2a95faa648353edc017ca6"},
    {64, "4c108cb98eb7aa3b35c6befdbb9c4255e965e12b485042b81abf95f043914740",
     "5ad1353f2e5559b37e4e5bc5b52f7bc45545bb8195b5654c0832c0bbe0edfb61"},
    {65, "49cd3d141f2aa86b2b078ac6b6276f0c76c4606d0caa504ae6a5c36919bedf6f",
     "7fd18641152440b178f8857de0392eb8086cff4db28bd54ca787df07e54750f0"},
    {127, "b5e024815e2715b8962632f0dfbfc5f95048ed5d5c3e18d8e7172db4cf19b8cb",
     "9f5bb514457889b1befd672b6303d048ed2f3c60b2b2e4b46ce4ebc500d2b1fd"},
    {128, "7ca3bb28656a5bb964fe717ffb63f8f852ff1efaedb452b36ebbdd2c4dddc38f",
     "41a2c8a9f5ceb241f3b81a5f9c4b542061748e5ebca1174b446e3c9caf13f0fa"},
    {129, "046c77530471b20049dabfd99abd142ae1eef74d54c13d158797bead497fe215",
     "06e5ae690190bde35bee37dde377b0d88bed05783a499c6922316777d7c1d1d1"},
    {255, "1ae1ac6fc6c44840876ea1facab0057447a87120257e801b262357707ff224b6",
     "3fec9b399c01f5fa8e032fc0a12c6bcecfc4ceda9aaac68b3941fb9fb97d48e8"},
    {256, "862ec6863be5fd336ebdf4307463a6bde2e03ba4716fb1de3a489f484c1709e6",
     "9229ade1ae061c6c0dab22e217ca5d3226e60bd5da1a748cc0949c90cd433ee7"},
    {257, "b14b9bfa971f34044ca5ebcf5243a8333af1df9502aebc0083b2b74976047b2d",
     "7049804e72be04ada06020cfe0bf7e3da78ea363fb04e5f2ea244944b63b773c"},
    {511, "1b13ba0027d94a46e310618b3d16e26eda575f06d80a68197f3f38a0f6181a80",
     "86d9d6a920066c10236b1bfeb0a2b6573a57858a7126a0bde48523fa90972bb4"},
    {513, "115a7304d60577463db2c5f79a36c4288813fb5d7fb12ec4bb1d63d1c37912f4",
     "2ce6faa6b1c18e90b73dae39e5816d8ab099bf2edf3c3bfa2837916f874f0ad4"},
    {1000, "216dd78be67c926c41d8f51a963c9abbd8e618b3b6a7342b87fd572458eb4e7e",
     "98da05cb53a3bd440f51e095a06c0419fccc160a50c02eac3cfdfb721cf1013a"},
    {65535, "97f0c80f945f37017352ceb29821b65767d8e26720d33f0c3c304de4fc4cb6c8",
     "0a8d223e5c3f663f511b402dc9f13375e8c1451f2ca4041757c25d25118e739d"},
    {65536, "548b2196c89e370181dec3d9c426b12fbfeefcc9cd93fa9f47c09349cb76426b",
     "a4077702536836a49ceac2173ead98bddcf164f751927dbab067afd40afa9fd5"},
};

/* One of them: the hash at once and in parts, sealed from elsewhere and in place. True if all is as it must be. */
static bool holds(struct crypto_cipher *cipher, size_t i, uint8_t *plain, uint8_t *sealed)
{
    static const uint8_t nonce[12] = {7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47};
    size_t size_bytes = known[i].size_bytes;
    struct error error;
    struct sha256 hash;
    uint8_t expected[SHA256_SIZE];
    uint8_t digest[SHA256_SIZE];
    vault_noise(plain, size_bytes, size_bytes);
    bool good = hex_decode(known[i].plain, expected, SHA256_SIZE);
    sha256_of(plain, size_bytes, digest);
    good = good && memcmp(digest, expected, SHA256_SIZE) == 0;
    sha256_begin(&hash);
    sha256_add(&hash, plain, size_bytes / 3);
    sha256_add(&hash, plain + size_bytes / 3, size_bytes - size_bytes / 3);
    sha256_end(&hash, digest);
    good = good && memcmp(digest, expected, SHA256_SIZE) == 0;
    good = good && hex_decode(known[i].sealed, expected, SHA256_SIZE) &&
           crypto_cipher_seal(cipher, nonce, plain, size_bytes, sealed, &error) == 0;
    sha256_of(sealed, size_bytes + 16, digest);
    good = good && memcmp(digest, expected, SHA256_SIZE) == 0;
    good = good && crypto_cipher_seal(cipher, nonce, plain, size_bytes, plain, &error) == 0 &&
           memcmp(plain, sealed, size_bytes + 16) == 0;
    vault_noise(sealed, size_bytes, size_bytes);
    return good && crypto_cipher_open(cipher, nonce, plain, size_bytes, plain) &&
           memcmp(plain, sealed, size_bytes) == 0;
}

static void *check_known(void *failed)
{
    uint8_t *plain = malloc(65536 + 16);
    uint8_t *sealed = malloc(65536 + 16);
    uint8_t key[32];
    struct error error;
    struct crypto_cipher *cipher = crypto_cipher_new(&error);
    for (unsigned i = 0; i < 32; i++) {
        key[i] = (uint8_t)(0x80 + i);
    }
    if (plain == NULL || sealed == NULL || cipher == NULL || crypto_cipher_key(cipher, key, &error) != 0) {
        *(size_t *)failed = SIZE_MAX;
    }
    for (size_t i = 0; *(size_t *)failed == 0 && i < sizeof known / sizeof known[0]; i++) {
        if (!holds(cipher, i, plain, sealed)) {
            *(size_t *)failed = i + 1;
        }
    }
    crypto_cipher_free(cipher);
    free(plain);
    free(sealed);
    return NULL;
}

static void gives_the_known_bytes_from_several_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    size_t failed[THREADS] = {0};
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, check_known, &failed[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(failed[i], 0);
    }
}

static void is_random_and_compares(void **state)
{
    (void)state;
    struct error error;
    uint8_t one[32] = {0};
    uint8_t other[32] = {0};
    assert_true(crypto_is_zero(one, sizeof one));
    assert_true(crypto_equal(one, other, sizeof one));
    assert_int_equal(crypto_random(one, sizeof one, &error), 0);
    assert_int_equal(crypto_random(other, sizeof other, &error), 0);
    assert_false(crypto_is_zero(one, sizeof one));
    assert_false(crypto_equal(one, other, sizeof one));
}

int vectors_run(const char *name)
{
    const struct CMUnitTest tests[] = {
        /* First: it is then the threads that make the library ready. */
        cmocka_unit_test(gives_the_known_bytes_from_several_threads),
        cmocka_unit_test(makes_macs_and_keys),
        cmocka_unit_test(multiplies_points),
        cmocka_unit_test(shares_nothing_with_points_of_low_order),
        cmocka_unit_test(stretches_passphrases),
        cmocka_unit_test(seals_as_the_standard_says),
        cmocka_unit_test(is_random_and_compares),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
