/* The tar headers: read back by an independent reader, and refused when one bit differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>

#include "package/package_tar.h"

/* The one header in a tar of it alone; content is not there, which libarchive only minds when it is read. */
static struct archive *read_back(const struct tar_entry *entry, struct buffer *tar, struct archive_entry **found)
{
    static const char end[TAR_END];
    tar_header(tar, entry);
    buffer_append(tar, end, sizeof end);
    assert_false(tar->failed);
    assert_int_equal(tar->size % TAR_BLOCK, 0);
    struct archive *archive = archive_read_new();
    archive_read_support_format_tar(archive);
    assert_int_equal(archive_read_open_memory(archive, tar->data, tar->size), ARCHIVE_OK);
    assert_int_equal(archive_read_next_header(archive, found), ARCHIVE_OK);
    return archive;
}

static void plain_file(void **state)
{
    struct buffer tar = {0};
    struct archive_entry *found = NULL;
    const struct tar_entry entry = {
        .name = "a/b", .type = '0', .mode = 04755, .size_bytes = 77, .mtime_sec = 1646370367};
    (void)state;
    struct archive *archive = read_back(&entry, &tar, &found);
    assert_int_equal(tar.size, TAR_BLOCK + TAR_END);
    assert_string_equal(archive_entry_pathname(found), "a/b");
    assert_int_equal(archive_entry_mode(found), AE_IFREG | 04755);
    assert_int_equal(archive_entry_size(found), 77);
    assert_int_equal(archive_entry_mtime(found), 1646370367);
    assert_int_equal(archive_entry_uid(found), 0);
    assert_int_equal(archive_entry_gid(found), 0);
    archive_read_free(archive);
    buffer_free(&tar);
}

static void long_names(void **state)
{
    (void)state;
    for (size_t length = 95; length < 1200; length += length < 110 || length > 970 ? 1 : 43) {
        char name[1201];
        char target[1201];
        memset(name, 'n', length);
        memset(target, 't', length);
        name[length] = target[length] = '\0';
        struct buffer tar = {0};
        struct archive_entry *found = NULL;
        const struct tar_entry entry = {.name = name, .type = '2', .mode = 0777, .link = target};
        struct archive *archive = read_back(&entry, &tar, &found);
        assert_string_equal(archive_entry_pathname(found), name);
        assert_string_equal(archive_entry_symlink(found), target);
        archive_read_free(archive);
        buffer_free(&tar);
    }
}

static void large_sizes(void **state)
{
    static const uint64_t sizes[] = {((uint64_t)1 << 33) - 1, (uint64_t)1 << 33, 99999999999, 100000000000,
                                     (uint64_t)1 << 50};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buffer tar = {0};
        struct archive_entry *found = NULL;
        const struct tar_entry entry = {.name = "big", .type = '0', .mode = 0644, .size_bytes = sizes[i]};
        struct archive *archive = read_back(&entry, &tar, &found);
        assert_int_equal(archive_entry_size(found), sizes[i]);
        assert_int_equal(tar.size, TAR_END + (i == 0 ? TAR_BLOCK : 3 * TAR_BLOCK));
        archive_read_free(archive);
        buffer_free(&tar);
    }
}

static void member_read_refuses_any_other_bit(void **state)
{
    struct buffer header = {0};
    uint64_t size = 0;
    (void)state;
    tar_member_header(&header, "package.ini", 1234);
    assert_int_equal(header.size, TAR_BLOCK);
    assert_true(tar_member_read(header.data, "package.ini", &size));
    assert_int_equal(size, 1234);
    assert_false(tar_member_read(header.data, "package.in", &size));
    assert_false(tar_member_read(header.data, "chain.pem", &size));
    for (size_t bit = 0; bit < (size_t)TAR_BLOCK * 8; bit++) {
        header.data[bit / 8] ^= (char)(1 << (bit % 8));
        assert_false(tar_member_read(header.data, "package.ini", &size));
        header.data[bit / 8] ^= (char)(1 << (bit % 8));
    }
    buffer_free(&header);
}

static void padding(void **state)
{
    (void)state;
    assert_int_equal(tar_padding(0), 0);
    assert_int_equal(tar_padding(1), 511);
    assert_int_equal(tar_padding(511), 1);
    assert_int_equal(tar_padding(512), 0);
    assert_int_equal(tar_padding(((uint64_t)1 << 40) + 513), 511);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_file),  cmocka_unit_test(long_names),
        cmocka_unit_test(large_sizes), cmocka_unit_test(member_read_refuses_any_other_bit),
        cmocka_unit_test(padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
