/* What file systems refuse: names, kinds of files, sizes; and what lies below a folder that is refused. */
#include "repository/restore_fit.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *check(struct restore_fit *fit, enum tree_type type, const char *path, uint64_t size,
                         const char *hardlink)
{
    struct error error;
    const char *why = NULL;
    struct snapshot_entry entry = {.hardlink = (char *)hardlink};
    entry.tree.type = type;
    entry.tree.path = (char *)path;
    entry.tree.size_bytes = size;
    assert_int_equal(restore_fit_check(fit, &entry, path, &why, &error), 0);
    return why;
}

static bool fits(const char *type, const char *options, const char *name)
{
    struct restore_fit fit = {.rules = fit_rules_of(type, options), .name_size = 255, .fd = -1};
    const char *why = check(&fit, TREE_FILE, name, 1, NULL);
    restore_fit_close(&fit);
    return why == NULL;
}

static void each_file_system_has_its_names(void **state)
{
    static const char *const odd[] = {"a:b", "a?", "a*", "a\"", "<", ">", "|", "\\", "a\n", "a.", "a ", "\377"};
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        assert_true(fits("ext4", "rw", odd[i]));
        assert_true(fits("nfs4", "rw", odd[i]));
        assert_false(fits("vfat", "rw", odd[i]));
        assert_false(fits("exfat", "rw", odd[i]));
        assert_false(fits("ntfs3", "rw,windows_names", odd[i]));
    }
    assert_true(fits("vfat", "rw", "aux.c"));
    assert_false(fits("ntfs3", "rw,windows_names", "aux.c"));
    assert_false(fits("ntfs3", "rw,windows_names", "COM1"));
    assert_true(fits("ntfs3", "rw,windows_names", "COM0"));
    assert_true(fits("vfat", "rw", "a name - as others, .with (all) [that] may be \303\244"));
}

static void fat_has_files_and_folders_only(void **state)
{
    struct restore_fit fit = {.rules = fit_rules_of("vfat", ""), .name_size = 255, .fd = -1};
    (void)state;
    assert_null(check(&fit, TREE_FOLDER, "a", 0, NULL));
    assert_null(check(&fit, TREE_FILE, "a/file", UINT32_MAX, NULL));
    assert_non_null(check(&fit, TREE_FILE, "a/large", (uint64_t)UINT32_MAX + 1, NULL));
    assert_non_null(check(&fit, TREE_FILE, "a/link", 0, "a/file"));
    for (enum tree_type type = TREE_LINK; type <= TREE_BLOCK; type++) {
        assert_non_null(check(&fit, type, "a/other", 0, NULL));
    }
    assert_non_null(check(&fit, TREE_FILE, "a/FILE", 1, NULL)); /* the same name there */
    assert_non_null(check(&fit, TREE_FOLDER, "A", 0, NULL));
    assert_non_null(check(&fit, TREE_FILE, "A/other", 0, NULL)); /* below what is not made */
    for (unsigned i = 0; i < 10000; i++) {
        char name[32];
        snprintf(name, sizeof name, "b/%u", i);
        assert_null(check(&fit, TREE_FILE, name, 0, NULL));
    }
    restore_fit_close(&fit);
    fit = (struct restore_fit){.rules = fit_rules_of("exfat", ""), .name_size = 255, .fd = -1};
    assert_null(check(&fit, TREE_FILE, "large", (uint64_t)1 << 40, NULL));
    restore_fit_close(&fit);
}

/* Folders above what is selected have no entry. */
static void a_folder_that_is_refused_takes_all_below_with_it(void **state)
{
    struct restore_fit fit = {.rules = fit_rules_of("exfat", ""), .name_size = 255, .fd = -1};
    (void)state;
    assert_null(check(&fit, TREE_FILE, "opt/a/b", 0, NULL));
    assert_non_null(check(&fit, TREE_FILE, "opt/a:/b", 0, NULL));
    assert_non_null(check(&fit, TREE_FILE, "opt/a:/c/d", 0, NULL));
    assert_null(check(&fit, TREE_FILE, "opt/b/c", 0, NULL));
    restore_fit_close(&fit);
}

static void a_short_name_limit_counts(void **state)
{
    struct restore_fit fit = {.rules = fit_rules_of("ext4", ""), .name_size = 4, .fd = -1};
    (void)state;
    assert_null(check(&fit, TREE_FILE, "abcd", 0, NULL));
    assert_non_null(check(&fit, TREE_FILE, "abcde", 0, NULL));
    restore_fit_close(&fit);
}

/* What is not known is tried out, and nothing stays of it. */
static void a_file_system_that_nobody_knows_is_asked(void **state)
{
    struct error error;
    struct restore_fit fit;
    char folder[] = "/tmp/caisson-fit.XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(folder));
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    assert_int_equal(restore_fit_open(&fit, fd, &error), 0);
    fit.rules = fit_rules_of("fuse.something", "");
    assert_null(check(&fit, TREE_FILE, "a:b", 0, NULL));
    assert_null(check(&fit, TREE_LINK, "link", 1, NULL));
    assert_null(check(&fit, TREE_FIFO, "pipe", 0, NULL));
    assert_null(check(&fit, TREE_SOCKET, "socket", 0, NULL));
    assert_null(check(&fit, TREE_FILE, "second", 1, "first"));
    restore_fit_close(&fit);
    close(fd);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_file_system_has_its_names),
        cmocka_unit_test(fat_has_files_and_folders_only),
        cmocka_unit_test(a_folder_that_is_refused_takes_all_below_with_it),
        cmocka_unit_test(a_short_name_limit_counts),
        cmocka_unit_test(a_file_system_that_nobody_knows_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
