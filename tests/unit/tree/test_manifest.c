/* Manifests: scanning, the one form of their text, and everything that reading refuses. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/compare.h"
#include "tree/fixture.h"
#include "tree/manifest.h"
#include "tree/path.h"

#define LIMIT 1000

static const struct tree_scan_options with_digests = {.want_digests = true, .want_xattrs = true};

static struct tree_manifest scan(const struct fixture *fixture, const char *path)
{
    struct tree_manifest manifest;
    struct error error = {0};
    if (tree_manifest_scan(&manifest, fixture->fd, path, &with_digests, NULL, &error) != 0) {
        fail_msg("%s", error.message);
    }
    return manifest;
}

static struct tree_manifest parse(const char *text)
{
    struct tree_manifest manifest;
    struct error error = {0};
    if (tree_manifest_read(&manifest, "test.mtree", text, strlen(text), LIMIT, &error) != 0) {
        fail_msg("%s", error.message);
    }
    return manifest;
}

/* Whatever was scanned and written is read back as it was. */
static void a_scan_survives_its_text(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct buffer text = {0};
    struct buffer again = {0};
    struct tree_compare_counts counts;
    const struct tree_compare_options options = {0};
    fixture_rich(fixture->fd);
    fixture_unlink(fixture->fd, "tree/socket"); /* mtree readers know no sockets */
    struct tree_manifest first = scan(fixture, "tree");
    assert_int_equal(tree_manifest_write(&first, TREE_MANIFEST_ALL, &text, &error), 0);
    struct tree_manifest second = parse(text.data);
    assert_int_equal(first.count, second.count);
    assert_int_equal(tree_compare_manifests(&first, &second, &options, NULL, NULL, &counts, &error), 0);
    assert_true(tree_compare_is_equal(&counts));
    assert_int_equal(counts.both, first.count);
    assert_int_equal(tree_manifest_write(&second, TREE_MANIFEST_ALL, &again, &error), 0);
    assert_string_equal(text.data, again.data);
    for (size_t i = 0; i < second.count; i++) {
        assert_int_equal(second.entries[i].has_digest, second.entries[i].type == TREE_FILE);
        assert_int_equal(second.entries[i].known & TREE_ASPECT_XATTRS, 0);
    }
    uint8_t hash[SHA256_SIZE];
    uint8_t wanted[SHA256_SIZE];
    assert_int_equal(tree_manifest_hash(&first, TREE_MANIFEST_ALL, hash, &error), 0);
    sha256_of(text.data, text.size, wanted);
    assert_memory_equal(hash, wanted, sizeof hash);
    assert_int_equal(tree_manifest_hash(&first, TREE_MANIFEST_PROGRAM, hash, &error), 0);
    assert_memory_not_equal(hash, wanted, sizeof hash);
    buffer_free(&text);
    buffer_free(&again);
    tree_manifest_free(&first);
    tree_manifest_free(&second);
}

static void the_text_is_always_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct buffer text = {0};
    fixture_folder(fixture->fd, "t", 0755);
    fixture_folder(fixture->fd, "t/a", 01775);
    fixture_file(fixture->fd, "t/a/x y", "abc", 04755);
    fixture_file(fixture->fd, "t/a.b", "", 0600);
    fixture_link(fixture->fd, "t/\n", "to a\\b");
    fixture_time(fixture->fd, "t/a.b", 12, 34);
    struct tree_manifest manifest = scan(fixture, "t");
    for (size_t i = 0; i < manifest.count; i++) {
        manifest.entries[i].uid = 1;
        manifest.entries[i].gid = 2;
    }
    assert_int_equal(tree_manifest_write(&manifest, TREE_MANIFEST_PROGRAM, &text, &error), 0);
    assert_string_equal(text.data, "#mtree\n"
                                   ". type=dir mode=0755 uid=1 gid=2\n"
                                   "./\\012 type=link uid=1 gid=2 link=to\\040a\\134b\n"
                                   "./a type=dir mode=1775 uid=1 gid=2\n"
                                   "./a/x\\040y type=file mode=4755 uid=1 gid=2 size=3 "
                                   "sha256digest=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
                                   "./a.b type=file mode=0600 uid=1 gid=2 size=0 "
                                   "sha256digest=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n");
    buffer_clear(&text);
    assert_int_equal(tree_manifest_write(&manifest, TREE_ASPECT_MTIME, &text, &error), 0);
    assert_non_null(strstr(text.data, "\n./a.b type=file time=12.000000034\n"));
    tree_manifest_free(&manifest);
    buffer_free(&text);
}

static void order_does_not_matter(void **state)
{
    (void)state;
    struct tree_manifest manifest = parse("#mtree v2.0\n"
                                          "# a comment\n"
                                          "/set type=file mode=0644 uid=0 gid=0\n"
                                          "\n"
                                          "./b/z size=1 \\\n  mode=0755\n"
                                          "./a type=link link=b/z\n"
                                          "./b type=dir\n"
                                          ". type=dir mode=0700\n"
                                          "/unset uid gid\n"
                                          "./c size=3 uname=www-data time=5.000000001\n");
    struct error error = {0};
    assert_int_equal(manifest.count, 5);
    const struct tree_entry *entry = tree_manifest_find(&manifest, "b/z");
    assert_non_null(entry);
    assert_true(entry->mode == 0755 && entry->size_bytes == 1 && (entry->known & TREE_ASPECT_OWNER) != 0);
    entry = tree_manifest_find(&manifest, "c");
    assert_true((entry->known & TREE_ASPECT_OWNER) == 0 && (entry->known & TREE_ASPECT_MTIME) != 0);
    assert_true(entry->mtime_sec == 5 && entry->mtime_nsec == 1);
    assert_string_equal(tree_manifest_find(&manifest, "a")->link_target, "b/z");
    assert_int_equal(tree_manifest_find(&manifest, "")->mode, 0700);
    assert_null(tree_manifest_find(&manifest, "b/"));
    assert_null(tree_manifest_find(&manifest, "zz"));
    assert_string_equal(manifest.entries[4].path, "c");
    assert_int_equal(tree_manifest_size_bytes(&manifest), 4);
    struct tree_entry twice = {.path = strdup("a")};
    assert_int_equal(tree_manifest_add(&manifest, &twice, &error), 0);
    assert_null(twice.path);
    assert_int_equal(tree_manifest_sort(&manifest, &error), -1);
    assert_int_equal(error.code, CSN_TREE_MANIFEST);
    tree_manifest_free(&manifest);
}

/* The form that other mtree programs write, with folders entered and left. */
static void nested_form_is_read(void **state)
{
    (void)state;
    struct tree_manifest manifest = parse("#mtree\n/set type=file\n.    type=dir\n    one   size=1\n"
                                          "sub type=dir\n  two size=2\n..\n  three size=3\n..\n");
    assert_int_equal(manifest.count, 5);
    assert_non_null(tree_manifest_find(&manifest, "sub/two"));
    assert_non_null(tree_manifest_find(&manifest, "three"));
    tree_manifest_free(&manifest);
}

#define GOOD "sha256digest=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void bad_text_is_refused(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {"", "does not start with #mtree"},
        {"./a type=file\n", "does not start with #mtree"},
        {"#mtree\n./a type=file", "cut short"},
        {"#mtree\n./a type=file\\\n", "cut short"},
        {"#mtree\n./a type=fi", "cut short"},
        {"#mtree\n./../a type=file\n", "leads outside"},
        {"#mtree\n./a/../../b type=file\n", "leads outside"},
        {"#mtree\n./a/\\056\\056/b type=file\n", "leads outside"},
        {"#mtree\n./a//b type=file\n", "leads outside"},
        {"#mtree\n./a/ type=file\n", "leads outside"},
        {"#mtree\n././a type=file\n", "leads outside"},
        {"#mtree\n/etc/passwd type=file\n", "absolute"},
        {"#mtree\n\\057etc/passwd type=file\n", "absolute"},
        {"#mtree\n./a type=file\n./b type=file\n./a type=file\n", "twice"},
        {"#mtree\n./a type=file\n./\\141 type=dir\n", "twice"},
        {"#mtree\n. type=dir\na type=file\n./a type=file\n", "twice"},
        {"#mtree\n. type=dir\n. type=dir\n", "twice"},
        {"#mtree\n./a size=4\n", "Missing type"},
        {"#mtree\n./a type=socket\n", "Unrecognized file type"},
        {"#mtree\n./a type=door\n", "Unrecognized file type"},
        {"#mtree\n./a type=link\n", "no target"},
        {"#mtree\n./a type=link link=\n", "no target"},
        {"#mtree\n./a type=file sha256digest=ba78\n", "digest"},
        {"#mtree\n./a type=file " GOOD "00\n", "digest"},
        {"#mtree\n./a type=file mode=u+x\n", "mode"},
        {"#mtree\n./a type=file nonsense=1\n", "nonsense"},
        {"#mtree\n./a type=file nonsense\n", "nonsense"},
        {"#mtree\n./a type=file size=-1\n", "cannot be"},
        {"#mtree\n./a type=file uid=-1 gid=0\n", "cannot be"},
        {"#mtree\n./a type=file uid=0 gid=4294967295\n", "cannot be"},
        {"#mtree\n./a\\000b type=file\n", "NUL"},
        {"#mtree\n./a\\0b type=file\n", "NUL"},
        {"#mtree\n./a\xff type=file\n", "not printable"},
        {"#mtree\n./a\x01 type=file\n", "not printable"},
        {"#mtree\n/set\n/set evil=1\n./a type=file\n", "/set"},
        {"#mtree\n/set type\n./a type=file\n", "/set"},
        {"#mtree\n/sett type=file\n./a\n", "absolute"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tree_manifest manifest;
        struct error error = {0};
        if (tree_manifest_read(&manifest, "bad.mtree", cases[i].text, strlen(cases[i].text), LIMIT, &error) == 0) {
            fail_msg("accepted: %s", cases[i].text);
        }
        assert_int_equal(error.code, CSN_TREE_MANIFEST);
        if (strstr(error.message, cases[i].why) == NULL || strncmp(error.message, "bad.mtree", 9) != 0) {
            fail_msg("%s\nsays: %s", cases[i].text, error.message);
        }
        assert_int_equal(manifest.count, 0);
        assert_null(manifest.entries);
    }
}

/* The same sequence on every machine. */
static unsigned draw(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245U + 12345U;
    return (*seed >> 16) % below;
}

static void make_random_text(struct buffer *text, unsigned *seed)
{
    static const char *const words[] = {"./",
                                        "a",
                                        "/",
                                        "..",
                                        ".",
                                        "\\",
                                        "\n",
                                        "\\\n",
                                        " ",
                                        "type=file",
                                        "type=dir",
                                        "type=link",
                                        "link=",
                                        "size=",
                                        "mode=",
                                        "uid=",
                                        "gid=",
                                        "time=",
                                        "sha256digest=",
                                        "/set",
                                        "/unset",
                                        "all",
                                        "#",
                                        "\\000",
                                        "\\056",
                                        "=",
                                        "\t",
                                        "\r",
                                        "device=native,",
                                        "999999999999999999999",
                                        "-1",
                                        "0x",
                                        "optional",
                                        "nochange",
                                        "contents=/etc/passwd",
                                        "\\0",
                                        "\\1",
                                        "\\141",
                                        "flags=uchg",
                                        "nlink=3",
                                        "tags=|"};
    buffer_string(text, "#mtree\n");
    for (unsigned left = draw(seed, 60); left > 0; left--) {
        buffer_string(text, words[draw(seed, sizeof words / sizeof words[0])]);
        if (draw(seed, 4) == 0) {
            buffer_string(text, " ");
        }
        if (draw(seed, 6) == 0) {
            buffer_format(text, " type=file\n./x%u", draw(seed, 30));
        }
    }
    buffer_string(text, draw(seed, 20) == 0 ? "" : "\n");
    if (draw(seed, 10) == 0) {
        text->data[draw(seed, (unsigned)text->size)] = (char)draw(seed, 256);
    }
}

/* Whatever is accepted is sound and sorted, and what is written of it is accepted again and means the same. */
static void random_text_is_refused_or_sound(void **state)
{
    unsigned seed = 20261123;
    unsigned accepted = 0;
    struct buffer text = {0};
    struct buffer first = {0};
    struct buffer second = {0};
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct tree_manifest manifest;
        struct error error = {0};
        buffer_clear(&text);
        make_random_text(&text, &seed);
        if (tree_manifest_read(&manifest, "random", text.data, text.size, 50, &error) != 0) {
            assert_int_equal(error.code, CSN_TREE_MANIFEST);
            continue;
        }
        accepted++;
        for (size_t j = 0; j < manifest.count; j++) {
            assert_true(tree_path_is_sound(manifest.entries[j].path));
            assert_true(j == 0 || tree_path_compare(manifest.entries[j - 1].path, manifest.entries[j].path) < 0);
        }
        buffer_clear(&first);
        buffer_clear(&second);
        assert_int_equal(tree_manifest_write(&manifest, TREE_MANIFEST_ALL, &first, &error), 0);
        tree_manifest_free(&manifest);
        assert_int_equal(tree_manifest_read(&manifest, "again", first.data, first.size, 50, &error), 0);
        assert_int_equal(tree_manifest_write(&manifest, TREE_MANIFEST_ALL, &second, &error), 0);
        assert_string_equal(first.data, second.data);
        tree_manifest_free(&manifest);
    }
    assert_true(accepted > 100); /* or this test tests nothing */
    buffer_free(&text);
    buffer_free(&first);
    buffer_free(&second);
}

static void an_empty_file_has_its_content(void **state)
{
    (void)state;
    struct tree_manifest manifest =
        parse("#mtree\n./a type=file sha256digest=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
              "./b type=file " GOOD "\n./c type=file size=3 " GOOD "\n");
    assert_true((manifest.entries[0].known & TREE_ASPECT_CONTENT) != 0);
    assert_true((manifest.entries[1].known & TREE_ASPECT_CONTENT) == 0); /* the size is not said */
    assert_true((manifest.entries[2].known & TREE_ASPECT_CONTENT) != 0);
    assert_int_equal(tree_entry_compare(&manifest.entries[1], &manifest.entries[2]), 0);
    assert_int_equal(tree_entry_compare(&manifest.entries[0], &manifest.entries[1]), TREE_ASPECT_CONTENT);
    tree_manifest_free(&manifest);
}

static void bounds(void **state)
{
    struct tree_manifest manifest;
    struct error error = {0};
    struct buffer text = {0};
    (void)state;
    buffer_string(&text, "#mtree\n");
    for (int i = 0; i < 11; i++) {
        buffer_format(&text, "./%d type=file size=0\n", i);
    }
    assert_int_equal(tree_manifest_read(&manifest, "m", text.data, text.size, 10, &error), -1);
    assert_int_equal(error.code, CSN_TREE_MANIFEST);
    assert_non_null(strstr(error.message, "line 12: more entries than allowed"));
    assert_int_equal(tree_manifest_read(&manifest, "m", text.data, text.size, 11, &error), 0);
    tree_manifest_free(&manifest);
    /* A NUL byte in the middle must not end the text early. */
    text.data[text.size - 2] = '\0';
    assert_int_equal(tree_manifest_read(&manifest, "m", text.data, text.size, 100, &error), -1);
    assert_int_equal(error.code, CSN_TREE_MANIFEST);
    buffer_clear(&text);
    buffer_string(&text, "#mtree\n./");
    for (int i = 0; i < 70000; i++) {
        buffer_append(&text, "x", 1);
    }
    buffer_string(&text, " type=file\n");
    assert_int_equal(tree_manifest_read(&manifest, "m", text.data, text.size, 100, &error), -1);
    assert_int_equal(error.code, CSN_TREE_MANIFEST);
    buffer_free(&text);
}

static void hard_links_are_hashed_once(void **state)
{
    struct fixture *fixture = *state;
    fixture_rich(fixture->fd);
    struct tree_manifest manifest = scan(fixture, "tree");
    const struct tree_entry *one = tree_manifest_find(&manifest, "closed/plain-again");
    const struct tree_entry *other = tree_manifest_find(&manifest, "zz-plain-again");
    assert_true(one->has_digest && other->has_digest);
    assert_memory_equal(one->digest, other->digest, SHA256_SIZE);
    uint8_t wanted[SHA256_SIZE];
    sha256_of("plain\n", 6, wanted);
    assert_memory_equal(one->digest, wanted, SHA256_SIZE);
    for (size_t i = 1; i < manifest.count; i++) {
        assert_non_null(tree_manifest_find(&manifest, manifest.entries[i].path));
    }
    tree_manifest_free(&manifest);
}

static void digests_of_open_files(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    uint8_t digest[SHA256_SIZE];
    uint8_t wanted[SHA256_SIZE];
    uint64_t bytes = 5;
    size_t size_bytes = (1 << 20) + 3;
    char *content = calloc(1, size_bytes);
    content[size_bytes - 1] = 'z';
    fixture_bytes(fixture->fd, "large", content, size_bytes, 0644);
    int fd = openat(fixture->fd, "large", O_RDONLY);
    assert_int_equal(tree_digest_fd(fd, "large", digest, &bytes, &error), 0);
    sha256_of(content, size_bytes, wanted);
    assert_memory_equal(digest, wanted, sizeof digest);
    assert_int_equal(bytes, size_bytes + 5);
    close(fd);
    free(content);
    fd = openat(fixture->fd, ".", O_RDONLY | O_DIRECTORY);
    assert_int_equal(tree_digest_fd(fd, "the folder", digest, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_READ);
    assert_non_null(strstr(error.message, "the folder"));
    close(fd);
}

/* Told of the first file after the names beside it were listed. */
static void remove_the_second(void *context, const struct progress_state *progress)
{
    const struct fixture *fixture = context;
    if (strcmp(progress->item, "a") == 0) {
        fixture_unlink(fixture->fd, "t/b");
    }
}

static void a_file_that_vanishes_fails_the_scan_or_is_left_out(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    struct tree_manifest manifest;
    struct tree_scan_options options = {.want_digests = true};
    const struct progress progress = {.tell = remove_the_second, .context = fixture};
    fixture_folder(fixture->fd, "t", 0755);
    fixture_file(fixture->fd, "t/a", "a", 0644);
    fixture_file(fixture->fd, "t/b", "b", 0644);
    assert_int_equal(tree_manifest_scan(&manifest, fixture->fd, "t", &options, &progress, &error), -1);
    assert_int_equal(error.code, CSN_TREE_READ);
    assert_non_null(strstr(error.message, "b disappeared"));
    assert_null(manifest.entries);
    fixture_file(fixture->fd, "t/b", "b", 0644);
    options.tolerate_vanished = true;
    assert_int_equal(tree_manifest_scan(&manifest, fixture->fd, "t", &options, &progress, &error), 0);
    assert_int_equal(manifest.count, 2);
    tree_manifest_free(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_scan_survives_its_text, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(the_text_is_always_the_same, fixture_setup, fixture_teardown),
        cmocka_unit_test(order_does_not_matter),
        cmocka_unit_test(nested_form_is_read),
        cmocka_unit_test(bad_text_is_refused),
        cmocka_unit_test(random_text_is_refused_or_sound),
        cmocka_unit_test(an_empty_file_has_its_content),
        cmocka_unit_test(bounds),
        cmocka_unit_test_setup_teardown(hard_links_are_hashed_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(digests_of_open_files, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_file_that_vanishes_fails_the_scan_or_is_left_out, fixture_setup,
                                        fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/manifest", tests, NULL, NULL);
}
