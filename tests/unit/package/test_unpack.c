/* The new tree out of the payload: exact when it is good, and nowhere else and never half when it is evil. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "lib/file.h"
#include "package/forge.h"
#include "package/package.h"
#include "package/package_refuse.h"
#include "package/package_tar.h"
#include "tree/fixture.h"

#define TREE_MAX 16

static struct package_trust trust;

static int setup(void **state)
{
    int result = forge_setup(state);
    if (result == 0) {
        forge_trust(&trust, "root.pem");
    }
    return result;
}

static int teardown(void **state)
{
    package_trust_free(&trust);
    return forge_teardown(state);
}

/* A package of this manifest text and payload, opened. */
static void open_forged(struct package *package, const struct buffer *manifest, const struct buffer *payload)
{
    struct error error = {0};
    forge_usual(forge_file("forged.cpkg"), manifest, payload);
    if (package_open(package, AT_FDCWD, forge_file("forged.cpkg"), &trust, &error) != 0) {
        fail_msg("%s", error.message);
    }
}

static void open_tree(struct package *package, const struct forge_entry *in_manifest,
                      const struct forge_entry *in_payload)
{
    struct buffer manifest = {0};
    struct buffer payload = {0};
    forge_manifest(&manifest, in_manifest);
    forge_payload(&payload, in_payload);
    open_forged(package, &manifest, &payload);
    buffer_free(&manifest);
    buffer_free(&payload);
}

/* Verifying refuses with this, and so does unpacking if it is tried all the same; and nothing is there afterwards. */
static void assert_refused(struct package *package, const struct fixture *fixture, enum error_code code,
                           const char *why)
{
    struct error error = {0};
    for (int unpack = 0; unpack < 2; unpack++) {
        package->verified = unpack != 0;
        int result = unpack ? package_unpack_tree(package, fixture->fd, "srv/new", (uid_t)-1, (gid_t)-1, NULL, &error)
                            : package_verify(package, NULL, &error);
        assert_int_equal(result, -1);
        if (error.code != code || strstr(error.message, why) == NULL) {
            fail_msg("%s: %s; expected was %s: %s", error_entry(error.code)->code, error.message,
                     error_entry(code)->code, why);
        }
        assert_false(fixture_exists(fixture->fd, "srv/new"));
        assert_false(fixture_exists(fixture->fd, "srv/new.unpacking"));
        assert_false(fixture_exists(fixture->fd, "evil"));
        assert_false(fixture_exists(fixture->fd, "srv/evil"));
    }
    assert_false(fixture_exists(AT_FDCWD, "/tmp/caisson-evil"));
}

static void good_tree(void **state)
{
    const struct fixture *fixture = *state;
    struct package package;
    struct error error = {0};
    struct stat status;
    struct buffer content = {0};
    char target[64] = "";
    open_tree(&package, forge_tree, forge_tree);
    fixture_folder(fixture->fd, "srv", 0755);
    assert_int_equal(package_unpack_tree(&package, fixture->fd, "srv/new", 0, 0, NULL, &error), -1);
    assert_int_equal(error.code, CSN_INTERNAL); /* not verified */
    assert_false(fixture_exists(fixture->fd, "srv/new"));
    assert_int_equal(package_verify(&package, NULL, &error), 0);
    /* What an earlier run left behind goes first, without a link in it being followed. */
    fixture_folder(fixture->fd, "srv/new.unpacking", 0755);
    fixture_file(fixture->fd, "srv/keep", "keep", 0644);
    fixture_link(fixture->fd, "srv/new.unpacking/link", "../keep");
    mode_t mask = umask(0077);
    uid_t owner = fixture_is_root() ? 1234 : (uid_t)-1;
    gid_t group = fixture_is_root() ? 2345 : (gid_t)-1;
    if (package_unpack_tree(&package, fixture->fd, "/srv/new", owner, group, NULL, &error) != 0) {
        fail_msg("%s", error.message);
    }
    umask(mask);
    assert_true(fixture_exists(fixture->fd, "srv/keep"));
    assert_false(fixture_exists(fixture->fd, "srv/new.unpacking"));
    static const struct {
        const char *path;
        mode_t mode;
    } files[] = {{"srv/new", S_IFDIR | 0755},
                 {"srv/new/bin", S_IFDIR | 0750},
                 {"srv/new/bin/run", S_IFREG | 0755},
                 {"srv/new/bin/start", S_IFLNK | 0777},
                 {"srv/new/empty", S_IFREG | 0644}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_int_equal(fstatat(fixture->fd, files[i].path, &status, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(status.st_mode, files[i].mode);
        assert_int_equal(status.st_mtim.tv_sec, 0);
        assert_int_equal(status.st_mtim.tv_nsec, 0);
        if (fixture_is_root()) {
            assert_int_equal(status.st_uid, 1234);
            assert_int_equal(status.st_gid, 2345);
        }
    }
    assert_int_equal(readlinkat(fixture->fd, "srv/new/lib/to-bin", target, sizeof target - 1), 6);
    assert_string_equal(target, "../bin");
    assert_int_equal(file_read(fixture->fd, "srv/new/bin/run", 99, &content, &error), 0);
    assert_string_equal(buffer_text(&content), "#!/bin/sh\n");
    /* What is there is not touched. */
    assert_int_equal(package_unpack_tree(&package, fixture->fd, "srv/new", owner, group, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_WRITE);
    assert_true(fixture_exists(fixture->fd, "srv/new/bin/run"));
    buffer_free(&content);
    package_close(&package);
}

/* A file is no folder, a link neither; and the destination itself may not be reached through one that leads out. */
static void destination_stays_below_the_root(void **state)
{
    const struct fixture *fixture = *state;
    struct package package;
    struct error error = {0};
    open_tree(&package, forge_tree, forge_tree);
    assert_int_equal(package_verify(&package, NULL, &error), 0);
    fixture_folder(fixture->fd, "root", 0755);
    fixture_folder(fixture->fd, "outside", 0755);
    fixture_link(fixture->fd, "root/out", "../outside");
    int root_fd = openat(fixture->fd, "root", O_RDONLY | O_DIRECTORY);
    assert_int_equal(package_unpack_tree(&package, root_fd, "out/new", (uid_t)-1, (gid_t)-1, NULL, &error), -1);
    assert_int_equal(package_unpack_tree(&package, root_fd, "no-such/new", (uid_t)-1, (gid_t)-1, NULL, &error), -1);
    fixture_link(fixture->fd, "root/new", "/elsewhere");
    assert_int_equal(package_unpack_tree(&package, root_fd, "new", (uid_t)-1, (gid_t)-1, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_WRITE);
    assert_false(fixture_exists(fixture->fd, "outside/new"));
    close(root_fd);
    package_close(&package);
}

/* forge_tree with entry `at` replaced by these (or these put before it). */
static void change(struct forge_entry tree[TREE_MAX], size_t at, bool replace, const struct forge_entry *with)
{
    size_t count = 0;
    for (size_t i = 0; forge_tree[i].name != NULL; i++) {
        for (size_t k = 0; i == at && with[k].name != NULL; k++) {
            tree[count++] = with[k];
        }
        if (i != at || !replace) {
            tree[count++] = forge_tree[i];
        }
    }
    tree[count] = (struct forge_entry){0};
}

#define LAST                                                                                                           \
    {                                                                                                                  \
        NULL, 0, 0, NULL, NULL                                                                                         \
    }
#define LONG                                                                                                           \
    "long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/long/"   \
    "long"

/* The manifest is good; the payload, signed with it, is not. */
static void evil_payloads(void **state)
{
    static const struct {
        size_t at; /* in forge_tree: 2 is bin/run, 4 is empty */
        bool replace;
        struct forge_entry with[3];
        enum error_code code;
        const char *why;
    } cases[] = {
        {2, false, {{"../evil", '0', 0644, "x", NULL}, LAST}, CSN_PACKAGE_UNSAFE, "\"../evil\" climbs"},
        {2, false, {{"bin/../../evil", '0', 0644, "x", NULL}, LAST}, CSN_PACKAGE_UNSAFE, "\"bin/../../evil\" climbs"},
        {2,
         false,
         {{"/tmp/caisson-evil", '0', 0644, "x", NULL}, LAST},
         CSN_PACKAGE_UNSAFE,
         "\"/tmp/caisson-evil\" is an absolute"},
        {2, false, {{"/" LONG, '0', 0644, "x", NULL}, LAST}, CSN_PACKAGE_UNSAFE, LONG "\" is an absolute"},
        {2, false, {{"../" LONG, '0', 0644, "x", NULL}, LAST}, CSN_PACKAGE_UNSAFE, LONG "\" climbs"},
        {3,
         true,
         {{"bin/start", '2', 0777, NULL, "/etc/passwd"}, LAST},
         CSN_PACKAGE_UNSAFE,
         "\"bin/start\" leads out of the tree: /etc/passwd"},
        {3,
         true,
         {{"bin/start", '2', 0777, NULL, "../../etc"}, LAST},
         CSN_PACKAGE_UNSAFE,
         "leads out of the tree: ../../etc"},
        {3, true, {{"bin/start", '2', 0777, NULL, "/" LONG}, LAST}, CSN_PACKAGE_UNSAFE, "leads out of the tree: /long"},
        {3,
         true,
         {{"bin/start", '2', 0777, NULL, "empty"}, LAST},
         CSN_PACKAGE_CONTENT,
         "\"bin/start\" has not the type"},
        {3,
         true,
         {{"bin/start", '1', 0644, NULL, "/etc/shadow"}, LAST},
         CSN_PACKAGE_UNSAFE,
         "\"bin/start\" is a hard link"},
        {3, true, {{"bin/start", '1', 0644, NULL, "bin/run"}, LAST}, CSN_PACKAGE_UNSAFE, "is a hard link"},
        {4, true, {{"empty", '3', 0666, NULL, NULL}, LAST}, CSN_PACKAGE_UNSAFE, "\"empty\" is a device node"},
        {4, true, {{"empty", '4', 0666, NULL, NULL}, LAST}, CSN_PACKAGE_UNSAFE, "is a device node"},
        {4, true, {{"empty", '6', 0666, NULL, NULL}, LAST}, CSN_PACKAGE_UNSAFE, "is a named pipe"},
        {4, true, {{"empty", '7', 0666, NULL, NULL}, LAST}, CSN_PACKAGE_UNSAFE, "of a kind that no package holds"},
        {4, true, {{"empty", 'g', 0666, NULL, NULL}, LAST}, CSN_PACKAGE_UNSAFE, "of a kind that no package holds"},
        {2,
         true,
         {{"bin/run", '0', 04755, "#!/bin/sh\n", NULL}, LAST},
         CSN_PACKAGE_UNSAFE,
         "\"bin/run\" is set-user-id"},
        {2, true, {{"bin/run", '0', 02755, "#!/bin/sh\n", NULL}, LAST}, CSN_PACKAGE_UNSAFE, "set-group-id"},
        {2,
         true,
         {{"bin/run", '0', 0777, "#!/bin/sh\n", NULL}, LAST},
         CSN_PACKAGE_CONTENT,
         "\"bin/run\" has not the type, size, mode"},
        {4,
         false,
         {{"bin/start/x", '0', 0644, "x", NULL}, LAST},
         CSN_PACKAGE_UNSAFE,
         "\"bin/start/x\" lies below what is no folder"},
        {4,
         false,
         {{"bin/run/x", '0', 0644, "x", NULL}, LAST},
         CSN_PACKAGE_UNSAFE,
         "\"bin/run/x\" lies below what is no folder"},
        {4,
         false,
         {{"bin/new", '0', 0644, "x", NULL}, LAST},
         CSN_PACKAGE_CONTENT,
         "\"bin/new\" is not in the manifest"},
        {4,
         false,
         {{"bin/run", '0', 0755, "#!/bin/sh\n", NULL}, LAST},
         CSN_PACKAGE_CONTENT,
         "\"bin/run\" comes a second time"},
        {2, true, {LAST}, CSN_PACKAGE_CONTENT, "\"bin/run\" is in the manifest and not here"},
        {6, true, {LAST}, CSN_PACKAGE_CONTENT, "\"lib/to-bin\" is in the manifest and not here"},
        {2,
         true,
         {{"bin/run", '0', 0755, "#!/bin/no\n", NULL}, LAST},
         CSN_PACKAGE_CONTENT,
         "\"bin/run\" has not the content"},
        {2,
         true,
         {{"bin/run", '0', 0755, "#!/bin/sh\n\n", NULL}, LAST},
         CSN_PACKAGE_CONTENT,
         "\"bin/run\" has not the type, size"},
        {0, true, {LAST}, CSN_PACKAGE_CONTENT, "is in the manifest and not here"},
    };
    const struct fixture *fixture = *state;
    fixture_folder(fixture->fd, "srv", 0755);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct forge_entry tree[TREE_MAX];
        struct package package;
        change(tree, cases[i].at, cases[i].replace, cases[i].with);
        open_tree(&package, forge_tree, tree);
        assert_refused(&package, fixture, cases[i].code, cases[i].why);
        package_close(&package);
    }
}

/* Manifest and payload agree on what may not be. */
static void evil_manifests(void **state)
{
    static const struct {
        const char *line; /* added to the manifest */
        enum error_code code;
        const char *why;
    } cases[] = {
        {"./link type=link link=/etc time=0.0\n", CSN_PACKAGE_UNSAFE, "\"link\" leads out of the tree: /etc"},
        {"./lib/link type=link link=../../x time=0.0\n", CSN_PACKAGE_UNSAFE, "leads out"},
        {"./lib/link type=link link=to-bin/../../.. time=0.0\n", CSN_PACKAGE_UNSAFE, "leads out"},
        {"./pipe type=fifo mode=0644 time=0.0\n", CSN_PACKAGE_UNSAFE, "\"pipe\" is a"},
        {"./null type=char mode=0644 device=0x103 time=0.0\n", CSN_PACKAGE_UNSAFE, "\"null\" is a"},
        {"./bin/start/x type=dir mode=0755 time=0.0\n", CSN_PACKAGE_UNSAFE,
         "\"bin/start/x\" lies below what is no folder"},
        {"./nowhere/x type=dir mode=0755 time=0.0\n", CSN_PACKAGE_UNSAFE,
         "\"nowhere/x\" lies in a folder that is not there"},
        {"./../evil type=dir mode=0755 time=0.0\n", CSN_PACKAGE_CONTENT, "evil"},
        {"/evil type=dir mode=0755 time=0.0\n", CSN_PACKAGE_CONTENT, "absolute"},
        {"./bin type=dir mode=0755 time=0.0\n", CSN_PACKAGE_CONTENT, "twice"},
        {"./plain type=file mode=0644 size=5 time=0.0\n", CSN_PACKAGE_CONTENT, "no SHA-256"},
        {"./plain type=dir time=0.0\n", CSN_PACKAGE_CONTENT, "no mode"},
        {"./plain type=dir mode=0755\n", CSN_PACKAGE_CONTENT, "no time"},
        {"./plain type=dir mode=0755 time=0.5\n", CSN_PACKAGE_CONTENT, "no time"},
        {"./plain type=file mode=0644 size=2000000000000000 time=0.0 "
         "sha256digest=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
         CSN_PACKAGE_CONTENT, "larger than any disk"},
    };
    const struct fixture *fixture = *state;
    fixture_folder(fixture->fd, "srv", 0755);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer manifest = {0};
        struct buffer payload = {0};
        struct package package;
        forge_manifest(&manifest, forge_tree);
        buffer_string(&manifest, cases[i].line);
        forge_payload(&payload, forge_tree);
        open_forged(&package, &manifest, &payload);
        assert_refused(&package, fixture, cases[i].code, cases[i].why);
        package_close(&package);
        buffer_free(&manifest);
        buffer_free(&payload);
    }
}

/* What the signed manifest has may be: the vendor answers for it. */
static void setuid_of_the_manifest_is_kept(void **state)
{
    static const struct forge_entry tree[] = {{"./", '5', 0755, NULL, NULL}, {"su", '0', 04755, "x", NULL}, LAST};
    const struct fixture *fixture = *state;
    struct package package;
    struct error error = {0};
    struct stat status;
    open_tree(&package, tree, tree);
    assert_int_equal(package_verify(&package, NULL, &error), 0);
    uid_t owner = fixture_is_root() ? 1234 : (uid_t)-1;
    assert_int_equal(package_unpack_tree(&package, fixture->fd, "new", owner, (gid_t)-1, NULL, &error), 0);
    assert_int_equal(fstatat(fixture->fd, "new/su", &status, 0), 0);
    assert_int_equal(status.st_mode & 07777, 04755);
    package_close(&package);
}

static void links_that_stay_inside(void **state)
{
    (void)state;
    assert_true(refuse_link_is_inside("a", "b"));
    assert_true(refuse_link_is_inside("a", "."));
    assert_true(refuse_link_is_inside("a", "./b//c/"));
    assert_true(refuse_link_is_inside("a/b", ".."));
    assert_true(refuse_link_is_inside("a/b/c", "../../d"));
    assert_true(refuse_link_is_inside("a", "..b/...c"));
    assert_false(refuse_link_is_inside("a", ".."));
    assert_false(refuse_link_is_inside("a/b", "../.."));
    assert_false(refuse_link_is_inside("a/b", "./.././.."));
    assert_false(refuse_link_is_inside("a/b", "c/.."));
    assert_false(refuse_link_is_inside("a", "/"));
    assert_false(refuse_link_is_inside("a", ""));
}

/* The stick changes after all was verified: nothing of it counts. */
static void payload_changes_after_verifying(void **state)
{
    const struct fixture *fixture = *state;
    struct package package;
    struct error error = {0};
    struct buffer other = {0};
    static const struct forge_entry evil[] = {{"./", '5', 0755, NULL, NULL}, {"bin/", '5', 0750, NULL, NULL}, LAST};
    open_tree(&package, forge_tree, forge_tree);
    assert_int_equal(package_verify(&package, NULL, &error), 0);
    const struct package_member *member = package_member_find(&package, "payload.tar.zst");
    forge_payload(&other, evil);
    assert_true(other.size < member->size_bytes);
    int fd = open(forge_file("forged.cpkg"), O_WRONLY);
    assert_int_equal(pwrite(fd, other.data, other.size, (off_t)member->offset), (ssize_t)other.size);
    assert_int_equal(package_unpack_tree(&package, fixture->fd, "new", (uid_t)-1, (gid_t)-1, NULL, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_DAMAGED);
    assert_false(fixture_exists(fixture->fd, "new"));
    assert_false(fixture_exists(fixture->fd, "new.unpacking"));
    /* And cut off under our feet. */
    assert_int_equal(ftruncate(fd, (off_t)member->offset + 10), 0);
    assert_int_equal(package_unpack_tree(&package, fixture->fd, "new", (uid_t)-1, (gid_t)-1, NULL, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_OPEN);
    assert_false(fixture_exists(fixture->fd, "new"));
    close(fd);
    buffer_free(&other);
    package_close(&package);
}

/* Decompresses to far more than the manifest has room for: refused at once, and not after a terabyte. */
static void bombs(void **state)
{
    const struct fixture *fixture = *state;
    const size_t huge = (size_t)200 << 20;
    struct buffer manifest = {0};
    struct buffer payload = {0};
    struct package package;
    char *zeros = calloc(1, huge);
    assert_non_null(zeros);
    fixture_folder(fixture->fd, "srv", 0755);
    forge_manifest(&manifest, forge_tree);
    /* Behind the tar's end, in a frame of its own. */
    forge_payload(&payload, forge_tree);
    forge_compress(&payload, zeros, huge);
    open_forged(&package, &manifest, &payload);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "goes on behind its end");
    package_close(&package);
    /* In place of a tar. */
    buffer_clear(&payload);
    forge_compress(&payload, zeros, huge);
    open_forged(&package, &manifest, &payload);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "is in the manifest and not here");
    package_close(&package);
    /* A frame that says 2^40 bytes in the place of a manifest: no memory is asked for. */
    static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 0x01, 0, 0};
    const struct forge_member members[] = {
        {"manifests/new.mtree.zst", (const char *)frame, sizeof frame},
        {"migrations/10-schema.sql", "", 0},
        {"payload.tar.zst", payload.data, payload.size},
    };
    struct error error = {0};
    forge_package(forge_file("bomb.cpkg"), forge_index, members, 3, "signer");
    assert_int_equal(package_open(&package, AT_FDCWD, forge_file("bomb.cpkg"), &trust, &error), 0);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "not one zstd frame of known size");
    package_close(&package);
    free(zeros);
    buffer_free(&manifest);
    buffer_free(&payload);
}

/* Not zstd, cut inside a frame, empty, no tar, something in the padding. */
static void broken_payloads(void **state)
{
    const struct fixture *fixture = *state;
    struct buffer manifest = {0};
    struct buffer good = {0};
    struct package package;
    fixture_folder(fixture->fd, "srv", 0755);
    forge_manifest(&manifest, forge_tree);
    forge_payload(&good, forge_tree);
    struct buffer cut = {.data = good.data, .size = good.size - 5, .allocated = good.allocated};
    open_forged(&package, &manifest, &cut);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "ends inside a zstd frame");
    package_close(&package);
    struct buffer empty = {.data = good.data, .size = 0, .allocated = good.allocated};
    open_forged(&package, &manifest, &empty);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "ends too early");
    package_close(&package);
    struct buffer text = {0};
    buffer_string(&text, "this is not zstd at all");
    open_forged(&package, &manifest, &text);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "cannot be decompressed");
    package_close(&package);
    struct buffer prose = {0};
    buffer_clear(&text);
    for (int i = 0; i < 100; i++) {
        buffer_string(&text, "not a tar, but long enough to be one; ");
    }
    forge_compress(&prose, text.data, text.size);
    open_forged(&package, &manifest, &prose);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "not a tar");
    package_close(&package);
    /* Behind bin/run's ten bytes stand zeros. */
    char *plain = malloc(1 << 16);
    size_t size = ZSTD_decompress(plain, 1 << 16, good.data, good.size);
    assert_false(ZSTD_isError(size));
    plain[(size_t)3 * TAR_BLOCK + 100] = 'x';
    buffer_clear(&prose);
    forge_compress(&prose, plain, size);
    open_forged(&package, &manifest, &prose);
    assert_refused(&package, fixture, CSN_PACKAGE_CONTENT, "something lies behind the content of \"bin/run\"");
    package_close(&package);
    /* Two frames are one payload. */
    buffer_clear(&prose);
    plain[(size_t)3 * TAR_BLOCK + 100] = '\0';
    forge_compress(&prose, plain, 700);
    forge_compress(&prose, plain + 700, size - 700);
    open_forged(&package, &manifest, &prose);
    struct error error = {0};
    assert_int_equal(package_verify(&package, NULL, &error), 0);
    package_close(&package);
    free(plain);
    buffer_free(&manifest);
    buffer_free(&good);
    buffer_free(&text);
    buffer_free(&prose);
}

static void full_disk(void **state)
{
    const struct fixture *fixture = *state;
    static char content[300000];
    const struct forge_entry tree[] = {{"./", '5', 0755, NULL, NULL}, {"big", '0', 0644, content, NULL}, LAST};
    struct package package;
    struct error error = {0};
    for (size_t i = 0; i + 1 < sizeof content; i++) {
        content[i] = (char)('a' + i * i % 23);
    }
    fixture_folder(fixture->fd, "small", 0755);
    if (!fixture_tmpfs(fixture, "small", 65536)) {
        skip();
    }
    open_tree(&package, tree, tree);
    assert_int_equal(package_verify(&package, NULL, &error), 0);
    assert_int_equal(package_unpack_tree(&package, fixture->fd, "small/new", (uid_t)-1, (gid_t)-1, NULL, &error), -1);
    assert_int_equal(error.code, CSN_NO_SPACE);
    assert_non_null(strstr(error.message, "big"));
    assert_false(fixture_exists(fixture->fd, "small/new"));
    assert_false(fixture_exists(fixture->fd, "small/new.unpacking"));
    package_close(&package);
    fixture_unmount(fixture, "small");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_tree),
        TEST(destination_stays_below_the_root),
        TEST(evil_payloads),
        TEST(evil_manifests),
        TEST(setuid_of_the_manifest_is_kept),
        TEST(links_that_stay_inside),
        TEST(payload_changes_after_verifying),
        TEST(bombs),
        TEST(broken_payloads),
        TEST(full_disk),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
