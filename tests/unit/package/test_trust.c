/* Who may sign, and what a signature has to be like. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"
#include "package/forge.h"

static const char data[] = "what is signed";

struct outcome {
    int result;
    struct error error;
    struct package_signer signer;
};

static struct outcome check(const struct buffer *signature, const char *root, const char *chain)
{
    struct outcome outcome = {0};
    struct package_trust trust;
    struct buffer chain_text = {0};
    forge_trust(&trust, root);
    if (chain != NULL) {
        assert_int_equal(file_read(AT_FDCWD, forge_file(chain), 65536, &chain_text, &outcome.error), 0);
    }
    outcome.result = package_trust_check(&trust, "x", data, strlen(data), buffer_text(signature), signature->size,
                                         buffer_text(&chain_text), chain_text.size, &outcome.signer, &outcome.error);
    buffer_free(&chain_text);
    package_trust_free(&trust);
    return outcome;
}

static struct outcome sign_and_check(const char *signer, const char *options, const char *root, const char *chain)
{
    struct buffer signature = {0};
    forge_signature(&signature, data, strlen(data), signer, options);
    struct outcome outcome = check(&signature, root, chain);
    buffer_free(&signature);
    return outcome;
}

static void assert_refused(const struct outcome *outcome, const char *why)
{
    assert_int_equal(outcome->result, -1);
    assert_int_equal(outcome->error.code, CSN_PACKAGE_SIGNATURE_BAD);
    if (strstr(outcome->error.message, why) == NULL) {
        fail_msg("\"%s\" is not in: %s", why, outcome->error.message);
    }
}

static void good(void **state)
{
    (void)state;
    struct outcome outcome = sign_and_check("signer", NULL, "root.pem", NULL);
    assert_int_equal(outcome.result, 0);
    assert_string_equal(outcome.signer.subject, "CN=signer");
    assert_string_equal(outcome.signer.issuer, "CN=Root, O=\345\214\227\344\272\254"); /* readable, not escaped */
    assert_int_equal(strlen(outcome.signer.fingerprint), 64);
    assert_true(outcome.signer.dates_hold);
    assert_int_equal(sign_and_check("signer", NULL, "root.der", NULL).result, 0);
    assert_int_equal(sign_and_check("rsa", NULL, "root.pem", NULL).result, 0);
}

static void chains(void **state)
{
    (void)state;
    assert_int_equal(sign_and_check("below", NULL, "root.pem", "middle.pem").result, 0);
    /* One trusts the intermediate itself: enough. */
    assert_int_equal(sign_and_check("below", NULL, "middle.pem", NULL).result, 0);
    struct outcome outcome = sign_and_check("below", NULL, "root.pem", NULL);
    assert_refused(&outcome, "does not lead to a root that is trusted here");
    /* A certificate that may sign packages may not make signers. */
    outcome = sign_and_check("below", NULL, "root.pem", "signer.pem");
    assert_refused(&outcome, "does not lead to a root");
    /* A root that comes along is no root. */
    outcome = sign_and_check("stranger", NULL, "root.pem", "other-root.pem");
    assert_refused(&outcome, "the signer \"CN=stranger\"");
}

static void wrong_signers(void **state)
{
    (void)state;
    struct outcome outcome = sign_and_check("stranger", NULL, "root.pem", NULL);
    assert_refused(&outcome, "does not lead to a root that is trusted here");
    outcome = sign_and_check("web", NULL, "root.pem", NULL);
    assert_refused(&outcome, "not meant for code signing");
    outcome = sign_and_check("plain", NULL, "root.pem", NULL);
    assert_refused(&outcome, "not meant for code signing");
    outcome = sign_and_check("agree", NULL, "root.pem", NULL);
    assert_refused(&outcome, "not meant for digital signatures");
    outcome = sign_and_check("weak", NULL, "root.pem", NULL);
    assert_refused(&outcome, "");
}

static void dates_do_not_refuse_but_are_told(void **state)
{
    (void)state;
    struct outcome outcome = sign_and_check("expired", NULL, "root.pem", NULL);
    assert_int_equal(outcome.result, 0);
    assert_false(outcome.signer.dates_hold);
    assert_string_equal(outcome.signer.not_after, "2011-01-01T00:00:00Z");
    outcome = sign_and_check("future", NULL, "root.pem", NULL);
    assert_int_equal(outcome.result, 0);
    assert_false(outcome.signer.dates_hold);
    assert_string_equal(outcome.signer.not_before, "2090-01-01T00:00:00Z");
}

static void wrong_structures(void **state)
{
    static const struct {
        const char *options;
        const char *why;
    } cases[] = {
        {"-md sha512", "SHA-256"},
        {"-md sha1", "SHA-256"},
        {"-nocerts", "certificate"},
        {"-nodetach", ""},
        {"-certfile root.pem", ""}, /* two certificates: mbedTLS takes one */
        {"-keyid", ""},
        {"-signer rsa.pem -inkey rsa.key", "one signer"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome = sign_and_check("signer", cases[i].options, "root.pem", NULL);
        if (outcome.result == 0) {
            fail_msg("openssl cms %s was let pass", cases[i].options);
        }
        assert_int_equal(outcome.error.code, CSN_PACKAGE_SIGNATURE_BAD);
    }
}

static void every_byte_counts(const char *signer)
{
    struct buffer signature = {0};
    forge_signature(&signature, data, strlen(data), signer, NULL);
    assert_int_equal(check(&signature, "root.pem", NULL).result, 0);
    for (size_t i = 0; i < signature.size; i++) {
        signature.data[i] ^= 0x01;
        struct outcome outcome = check(&signature, "root.pem", NULL);
        signature.data[i] ^= 0x01;
        if (outcome.result == 0) {
            fail_msg("byte %zu of %zu changed (%s), and the signature holds", i, signature.size, signer);
        }
    }
    for (size_t size = 0; size < signature.size; size += 7) {
        struct buffer cut = {.data = signature.data, .size = size, .allocated = size};
        assert_int_equal(check(&cut, "root.pem", NULL).result, -1);
    }
    buffer_append(&signature, "x", 1);
    assert_int_equal(check(&signature, "root.pem", NULL).result, -1);
    buffer_free(&signature);
}

static void every_byte_of_the_signature_counts(void **state)
{
    (void)state;
    every_byte_counts("signer");
    every_byte_counts("rsa");
}

static void other_data(void **state)
{
    struct buffer signature = {0};
    (void)state;
    forge_signature(&signature, "what is singed", strlen(data), "signer", NULL);
    struct outcome outcome = check(&signature, "root.pem", NULL);
    assert_refused(&outcome, "changed after signing");
    buffer_free(&signature);
}

static void anchors(void **state)
{
    struct package_trust trust;
    struct error error = {0};
    (void)state;
    assert_int_equal(package_trust_load(&trust, forge_file("no-such-file"), &error), -1);
    assert_int_equal(error.code, CSN_TRUST_NONE);
    package_trust_free(&trust);
    assert_int_equal(package_trust_load(&trust, forge_file("signer.key"), &error), -1);
    assert_int_equal(error.code, CSN_TRUST_NONE);
    assert_non_null(strstr(error.message, "signer.key"));
    package_trust_free(&trust);
    assert_int_equal(mkdir(forge_file("anchors"), 0700), 0);
    assert_int_equal(package_trust_load(&trust, forge_file("anchors"), &error), -1);
    assert_int_equal(error.code, CSN_TRUST_NONE);
    package_trust_free(&trust);
    assert_int_equal(link(forge_file("root.pem"), forge_file("anchors/vendor.pem")), 0);
    assert_int_equal(link(forge_file("other-root.pem"), forge_file("anchors/site.crt")), 0);
    assert_int_equal(link(forge_file("signer.key"), forge_file("anchors/README")), 0);
    assert_int_equal(package_trust_load(&trust, forge_file("anchors"), &error), 0);
    assert_int_equal(trust.count, 2);
    package_trust_free(&trust);
    assert_int_equal(sign_and_check("stranger", NULL, "anchors", NULL).result, 0);
    assert_int_equal(sign_and_check("signer", NULL, "anchors", NULL).result, 0);
}

static void no_anchor_no_check(void **state)
{
    struct package_trust trust = {0};
    struct package_signer signer;
    struct error error = {0};
    (void)state;
    assert_int_equal(package_trust_check(&trust, "x", data, 1, data, 1, "", 0, &signer, &error), -1);
    assert_int_equal(error.code, CSN_TRUST_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good),
        cmocka_unit_test(chains),
        cmocka_unit_test(wrong_signers),
        cmocka_unit_test(dates_do_not_refuse_but_are_told),
        cmocka_unit_test(wrong_structures),
        cmocka_unit_test(every_byte_of_the_signature_counts),
        cmocka_unit_test(other_data),
        cmocka_unit_test(anchors),
        cmocka_unit_test(no_anchor_no_check),
    };
    return cmocka_run_group_tests(tests, forge_setup, forge_teardown);
}
