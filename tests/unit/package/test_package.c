/* Opening and verifying: everything that is not exactly what was signed is refused, and the reason is the right one. */
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
#include "package/package.h"
#include "package/package_tar.h"

/* The good package, as bytes. */
static struct buffer good;

static void make_good(void)
{
    struct buffer manifest = {0};
    struct buffer payload = {0};
    struct error error = {0};
    forge_manifest(&manifest, forge_tree);
    forge_payload(&payload, forge_tree);
    forge_usual(forge_file("good.cpkg"), &manifest, &payload);
    assert_int_equal(file_read(AT_FDCWD, forge_file("good.cpkg"), 1 << 20, &good, &error), 0);
    buffer_free(&manifest);
    buffer_free(&payload);
}

static int setup(void **state)
{
    if (forge_setup(state) != 0) {
        return -1;
    }
    make_good();
    return 0;
}

static int teardown(void **state)
{
    buffer_free(&good);
    return forge_teardown(state);
}

/* Opens and verifies these bytes; the code, CSN_NONE if they hold. */
static enum error_code try_bytes(const void *data, size_t size_bytes, struct error *error)
{
    struct package_trust trust;
    struct package package;
    *error = (struct error){0};
    int fd = open(forge_file("try.cpkg"), O_WRONLY | O_CREAT | O_TRUNC, 0600); /* no fsync: thousands of these */
    assert_int_equal(file_write_fd(fd, "try.cpkg", data, size_bytes, error), 0);
    close(fd);
    forge_trust(&trust, "root.pem");
    int result = package_open(&package, AT_FDCWD, forge_file("try.cpkg"), &trust, error);
    if (result == 0) {
        result = package_verify(&package, NULL, error);
        assert_int_equal(package.verified, result == 0);
        package_close(&package);
    }
    package_trust_free(&trust);
    return result == 0 ? CSN_NONE : error->code;
}

/* Where the member's content begins in the good package. */
static size_t offset_of(const char *name)
{
    for (size_t at = 0; at + TAR_BLOCK <= good.size; at += TAR_BLOCK) {
        if (strcmp(good.data + at, name) == 0) {
            return at + TAR_BLOCK;
        }
    }
    fail_msg("%s is not there", name);
    return 0;
}

static void good_one_holds(void **state)
{
    struct package_trust trust;
    struct package package;
    struct error error = {0};
    (void)state;
    forge_trust(&trust, "root.pem");
    assert_int_equal(package_open(&package, AT_FDCWD, forge_file("good.cpkg"), &trust, &error), 0);
    assert_false(package.verified);
    assert_string_equal(package.signer.subject, "CN=signer");
    assert_int_equal(package.size_bytes, good.size);
    if (package_verify(&package, NULL, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_true(package.verified);
    assert_int_equal(package.tree_items, 7);
    assert_int_equal(package.tree_bytes, strlen("#!/bin/sh\n"));
    assert_true(package_has_manifest(&package, NULL));
    assert_true(package_has_manifest(&package, "1.0"));
    assert_false(package_has_manifest(&package, "1.2.3"));
    struct tree_manifest manifest = {0};
    assert_int_equal(package_manifest_read(&package, "1.0", &manifest, &error), 0);
    assert_int_equal(manifest.count, 1);
    tree_manifest_free(&manifest);
    assert_int_equal(package_manifest_read(&package, "1.2.3", &manifest, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_VERSION);
    assert_null(package_note(&package, "user", "en"));
    package_close(&package);
    package_trust_free(&trust);
}

static void every_byte_counts(void **state)
{
    static const size_t steps[] = {3, 7};
    (void)state;
    size_t members = offset_of("manifests/new.mtree.zst") - TAR_BLOCK;
    for (size_t at = 0; at < good.size; at += steps[at >= members]) {
        struct error error;
        good.data[at] ^= 0x10;
        enum error_code code = try_bytes(good.data, good.size, &error);
        good.data[at] ^= 0x10;
        if (code != CSN_PACKAGE_OPEN && code != CSN_PACKAGE_SIGNATURE_BAD && code != CSN_PACKAGE_SIGNATURE_MISSING &&
            code != CSN_PACKAGE_DAMAGED) {
            fail_msg("byte %zu of %zu changed: %s %s", at, good.size, error_entry(code)->code, error.message);
        }
        if (at >= members) {
            assert_int_equal(code, CSN_PACKAGE_DAMAGED);
        }
    }
}

static void changed_places_have_their_own_reason(void **state)
{
    struct error error;
    (void)state;
    size_t index = offset_of("package.ini");
    good.data[index + 30] ^= 1;
    assert_int_equal(try_bytes(good.data, good.size, &error), CSN_PACKAGE_SIGNATURE_BAD);
    assert_non_null(strstr(error.message, "changed after signing"));
    good.data[index + 30] ^= 1;
    size_t payload = offset_of("payload.tar.zst");
    good.data[payload + 30] ^= 1;
    assert_int_equal(try_bytes(good.data, good.size, &error), CSN_PACKAGE_DAMAGED);
    assert_non_null(strstr(error.message, "payload.tar.zst"));
    good.data[payload + 30] ^= 1;
    size_t migration = offset_of("migrations/10-schema.sql");
    good.data[migration] = 'D';
    assert_int_equal(try_bytes(good.data, good.size, &error), CSN_PACKAGE_DAMAGED);
    assert_non_null(strstr(error.message, "migrations/10-schema.sql"));
    good.data[migration] = 'S';
    assert_int_equal(try_bytes(good.data, good.size, &error), CSN_NONE);
}

static void cut_short(void **state)
{
    (void)state;
    for (size_t size = 0; size < good.size; size += size < 4096 ? 101 : 997) {
        struct error error;
        assert_int_equal(try_bytes(good.data, size, &error), CSN_PACKAGE_OPEN);
    }
    struct error error;
    assert_int_equal(try_bytes(good.data, good.size - 1, &error), CSN_PACKAGE_OPEN);
    assert_non_null(strstr(error.message, "cut short"));
}

static void longer(void **state)
{
    struct buffer long_one = {0};
    struct error error;
    (void)state;
    buffer_append(&long_one, good.data, good.size);
    buffer_append(&long_one, "\0", 1);
    assert_int_equal(try_bytes(long_one.data, long_one.size, &error), CSN_PACKAGE_OPEN);
    assert_non_null(strstr(error.message, "longer"));
    buffer_append(&long_one, good.data, good.size);
    assert_int_equal(try_bytes(long_one.data, long_one.size, &error), CSN_PACKAGE_OPEN);
    buffer_free(&long_one);
}

/* Moves or doubles blocks behind the signature: the index stays signed. */
static void rearranged(void **state)
{
    struct buffer other = {0};
    struct error error;
    (void)state;
    size_t old = offset_of("manifests/old-1.0.mtree.zst") - TAR_BLOCK;
    size_t migration = offset_of("migrations/10-schema.sql") - TAR_BLOCK;
    size_t payload = offset_of("payload.tar.zst") - TAR_BLOCK;
    buffer_append(&other, good.data, old);
    buffer_append(&other, good.data + migration, payload - migration);
    buffer_append(&other, good.data + old, migration - old);
    buffer_append(&other, good.data + payload, good.size - payload);
    assert_int_equal(try_bytes(other.data, other.size, &error), CSN_PACKAGE_DAMAGED);
    buffer_clear(&other);
    buffer_append(&other, good.data, payload);
    buffer_append(&other, good.data + migration, good.size - migration); /* the migration twice */
    assert_int_equal(try_bytes(other.data, other.size, &error), CSN_PACKAGE_OPEN);
    buffer_clear(&other);
    buffer_append(&other, good.data, migration);
    buffer_append(&other, good.data + payload, good.size - payload); /* not at all */
    assert_int_equal(try_bytes(other.data, other.size, &error), CSN_PACKAGE_OPEN);
    buffer_free(&other);
}

static void unsigned_or_not_at_all(void **state)
{
    static const struct forge_member none[] = {{"manifests/new.mtree.zst", "", 0}, {"payload.tar.zst", "", 0}};
    struct buffer bytes = {0};
    struct error error;
    (void)state;
    forge_package(forge_file("unsigned.cpkg"), forge_index, none, 2, NULL);
    assert_int_equal(file_read(AT_FDCWD, forge_file("unsigned.cpkg"), 1 << 20, &bytes, &error), 0);
    assert_int_equal(try_bytes(bytes.data, bytes.size, &error), CSN_PACKAGE_SIGNATURE_MISSING);
    buffer_clear(&bytes);
    forge_package(forge_file("stranger.cpkg"), forge_index, none, 2, "stranger");
    assert_int_equal(file_read(AT_FDCWD, forge_file("stranger.cpkg"), 1 << 20, &bytes, &error), 0);
    assert_int_equal(try_bytes(bytes.data, bytes.size, &error), CSN_PACKAGE_SIGNATURE_BAD);
    assert_non_null(strstr(error.message, "CN=stranger"));
    buffer_free(&bytes);
    assert_int_equal(try_bytes("", 0, &error), CSN_PACKAGE_OPEN);
    char zeros[4096] = {0};
    assert_int_equal(try_bytes(zeros, sizeof zeros, &error), CSN_PACKAGE_OPEN);
    assert_non_null(strstr(error.message, "not an offline package"));
}

/* A signature without content, one of 64 KiB and one more. */
static void signature_sizes(void **state)
{
    static char large[(64 << 10) + 512];
    static const char end[TAR_END];
    (void)state;
    static const struct {
        size_t size;
        enum error_code code;
    } cases[] = {
        {0, CSN_PACKAGE_SIGNATURE_MISSING}, {64 << 10, CSN_PACKAGE_SIGNATURE_BAD}, {(64 << 10) + 1, CSN_PACKAGE_OPEN}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer bytes = {0};
        struct error error;
        tar_member_header(&bytes, "package.ini", 0);
        tar_member_header(&bytes, "package.ini.p7s", cases[i].size);
        buffer_append(&bytes, large, cases[i].size + tar_padding(cases[i].size));
        buffer_append(&bytes, end, sizeof end);
        assert_int_equal(try_bytes(bytes.data, bytes.size, &error), cases[i].code);
        buffer_free(&bytes);
    }
}

/* It says 1 TiB: refused by its header, and no memory is asked for. */
static void oversized_index(void **state)
{
    struct buffer bytes = {0};
    struct error error;
    (void)state;
    tar_member_header(&bytes, "package.ini", ((size_t)4 << 20) + 1);
    buffer_append(&bytes, good.data, good.size);
    assert_int_equal(try_bytes(bytes.data, bytes.size, &error), CSN_PACKAGE_OPEN);
    buffer_clear(&bytes);
    tar_member_header(&bytes, "package.ini", (uint64_t)1 << 32);
    assert_int_equal(try_bytes(bytes.data, bytes.size, &error), CSN_PACKAGE_OPEN);
    buffer_free(&bytes);
}

/* Signed, and still not understood. */
static void signed_nonsense(void **state)
{
    static const struct {
        const char *index;
        const char *why;
    } cases[] = {
        {"[package]\nformat = 1\nname = tiny\n", "application"},
        {"\377\376", ""},
        {"[package]\nformat = 7\nname = a\napplication = a\ntitle = a\nversion = 1\nfrom = 0\n", "format"},
    };
    static const struct forge_member none[] = {{"manifests/new.mtree.zst", "", 0}, {"payload.tar.zst", "", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer bytes = {0};
        struct error error;
        forge_package(forge_file("signed.cpkg"), cases[i].index, none, 2, "signer");
        assert_int_equal(file_read(AT_FDCWD, forge_file("signed.cpkg"), 1 << 20, &bytes, &error), 0);
        assert_int_equal(try_bytes(bytes.data, bytes.size, &error), CSN_PACKAGE_CONTENT);
        assert_non_null(strstr(error.message, cases[i].why));
        buffer_free(&bytes);
    }
}

/* A profile that no server could use is refused with the package, not when a server looks for its application. */
static void profile_nonsense(void **state)
{
    static const char index[] =
        "[package]\nformat = 1\nname = a\napplication = wiki\ntitle = a\nversion = 1\nfrom = 0\n";
    static const struct {
        const char *profile;
        const char *why;
    } cases[] = {
        {"garbage\n", "application.profile in "},
        {"[profile]\nname = other\n[program]\nroot = /srv/wiki\nversion-file = V\nversion-pattern = (.*)\n"
         "[database]\nengine = none\n[health]\nurl = http://localhost/\n",
         "the profile of other, and [package] application is wiki"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct forge_member members[] = {{"application.profile", cases[i].profile, strlen(cases[i].profile)},
                                               {"manifests/new.mtree.zst", "", 0},
                                               {"manifests/old-0.mtree.zst", "", 0},
                                               {"payload.tar.zst", "", 0}};
        struct buffer bytes = {0};
        struct error error;
        forge_package(forge_file("signed.cpkg"), index, members, sizeof members / sizeof members[0], "signer");
        assert_int_equal(file_read(AT_FDCWD, forge_file("signed.cpkg"), 1 << 20, &bytes, &error), 0);
        assert_int_equal(try_bytes(bytes.data, bytes.size, &error), CSN_PACKAGE_CONTENT);
        assert_non_null(strstr(error.message, cases[i].why));
        assert_non_null(strstr(error.message, "try.cpkg"));
        buffer_free(&bytes);
    }
}

static void not_a_file(void **state)
{
    struct package_trust trust;
    struct package package;
    struct error error = {0};
    (void)state;
    forge_trust(&trust, "root.pem");
    assert_int_equal(package_open(&package, AT_FDCWD, forge_file("not-there"), &trust, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_int_equal(package_open(&package, AT_FDCWD, forge_file("."), &trust, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_OPEN);
    assert_int_equal(mkfifo(forge_file("pipe"), 0600), 0);
    assert_int_equal(package_open(&package, AT_FDCWD, forge_file("pipe"), &trust, &error), -1); /* and does not wait */
    assert_int_equal(error.code, CSN_PACKAGE_OPEN);
    package_trust_free(&trust);
}

static void members_are_hashed_when_read(void **state)
{
    struct package_trust trust;
    struct package package;
    struct buffer content = {0};
    struct error error = {0};
    struct stat status;
    (void)state;
    assert_int_equal(file_replace(AT_FDCWD, forge_file("read.cpkg"), good.data, good.size, 0600, &error), 0);
    forge_trust(&trust, "root.pem");
    assert_int_equal(package_open(&package, AT_FDCWD, forge_file("read.cpkg"), &trust, &error), 0);
    int folder_fd = open(forge_file("."), O_RDONLY | O_DIRECTORY);
    /* Nothing gets out before all of it was verified. */
    assert_int_equal(package_member_extract(&package, "migrations/10-schema.sql", folder_fd, "out", 0700, &error), -1);
    assert_int_equal(error.code, CSN_INTERNAL);
    assert_int_equal(package_verify(&package, NULL, &error), 0);
    assert_int_equal(package_member_extract(&package, "migrations/10-schema.sql", folder_fd, "out", 0700, &error), 0);
    assert_int_equal(fstatat(folder_fd, "out", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(status.st_size, strlen("SELECT 1;\n"));
    /* What is there is not written over, through a link neither. */
    assert_int_equal(package_member_extract(&package, "migrations/10-schema.sql", folder_fd, "out", 0700, &error), -1);
    assert_int_equal(symlinkat("elsewhere", folder_fd, "link"), 0);
    assert_int_equal(package_member_extract(&package, "migrations/10-schema.sql", folder_fd, "link", 0700, &error), -1);
    assert_int_equal(error.code, CSN_IO);
    assert_int_equal(fstatat(folder_fd, "elsewhere", &status, 0), -1);
    assert_int_equal(package_member_read(&package, "migrations/10-schema.sql", 4096, &content, &error), 0);
    assert_string_equal(buffer_text(&content), "SELECT 1;\n");
    assert_int_equal(package_member_read(&package, "migrations/10-schema.sql", 9, &content, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_CONTENT);
    assert_int_equal(package_member_read(&package, "migrations/99", 9, &content, &error), -1);
    /* The stick changes behind our back. */
    int fd = open(forge_file("read.cpkg"), O_WRONLY);
    assert_int_equal(pwrite(fd, "DELETE 1;\n", 9, (off_t)offset_of("migrations/10-schema.sql")), 9);
    close(fd);
    assert_int_equal(package_member_read(&package, "migrations/10-schema.sql", 4096, &content, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_DAMAGED);
    assert_string_equal(buffer_text(&content), "SELECT 1;\n"); /* what was there before, and nothing more */
    assert_int_equal(package_member_extract(&package, "migrations/10-schema.sql", folder_fd, "changed", 0700, &error),
                     -1);
    assert_int_equal(error.code, CSN_PACKAGE_DAMAGED);
    assert_int_equal(fstatat(folder_fd, "changed", &status, AT_SYMLINK_NOFOLLOW), -1);
    close(folder_fd);
    buffer_free(&content);
    package_close(&package);
    package_trust_free(&trust);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_one_holds),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(changed_places_have_their_own_reason),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(longer),
        cmocka_unit_test(rearranged),
        cmocka_unit_test(unsigned_or_not_at_all),
        cmocka_unit_test(signature_sizes),
        cmocka_unit_test(oversized_index),
        cmocka_unit_test(signed_nonsense),
        cmocka_unit_test(profile_nonsense),
        cmocka_unit_test(not_a_file),
        cmocka_unit_test(members_are_hashed_when_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
