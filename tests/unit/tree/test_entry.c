/* One entry: everything is read, every difference is seen, attributes go on in the right order, refusals are told. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/entry.h"
#include "tree/fixture.h"

static struct tree_entry read_entry(int dir_fd, const char *name)
{
    struct tree_entry entry;
    struct error error = {0};
    if (tree_entry_read(&entry, dir_fd, name, name, true, &error) != 0) {
        fail_msg("%s", error.message);
    }
    return entry;
}

static void reads_every_type(void **state)
{
    static const struct {
        const char *name;
        enum tree_type type;
        bool needs_root;
    } cases[] = {
        {"plain", TREE_FILE, false}, {"hollow", TREE_FOLDER, false}, {"link", TREE_LINK, false},
        {"fifo", TREE_FIFO, false},  {"socket", TREE_SOCKET, false}, {"character", TREE_CHARACTER, true},
        {"block", TREE_BLOCK, true}, {"dangling", TREE_LINK, false},
    };
    struct fixture *fixture = *state;
    fixture_rich(fixture->fd);
    int fd = openat(fixture->fd, "tree", O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (cases[i].needs_root && !fixture_is_root()) {
            continue;
        }
        struct tree_entry entry = read_entry(fd, cases[i].name);
        assert_int_equal(entry.type, cases[i].type);
        assert_true((entry.known & TREE_ASPECT_XATTRS) != 0);
        tree_entry_free(&entry);
    }
    if (fixture_is_root()) {
        struct tree_entry block = read_entry(fd, "block");
        assert_int_equal(block.device_major, 259);
        assert_int_equal(block.device_minor, 70000);
        tree_entry_free(&block);
        struct tree_entry link = read_entry(fd, "link");
        assert_true(link.uid == 4294967294U);
        assert_int_equal(link.gid, 77);
        assert_string_equal(link.link_target, "plain");
        assert_int_equal(link.mtime_nsec, 1);
        tree_entry_free(&link);
    }
    struct tree_entry old = read_entry(fd, "sparse");
    assert_true(old.mtime_sec == -5 && old.mtime_nsec == 999999999 && old.size_bytes == 24 << 20);
    tree_entry_free(&old);
    close(fd);
}

static void xattrs_are_read_sorted(void **state)
{
    struct fixture *fixture = *state;
    fixture_rich(fixture->fd);
    int fd = openat(fixture->fd, "tree", O_RDONLY | O_DIRECTORY);
    struct tree_entry entry = read_entry(fd, "with-xattrs");
    assert_int_equal(entry.xattr_count, 3);
    assert_string_equal(entry.xattrs[0].name, "user.binary");
    assert_int_equal(entry.xattrs[0].size_bytes, 3);
    assert_memory_equal(entry.xattrs[0].value, "a\0b", 3);
    assert_string_equal(entry.xattrs[1].name, "user.empty");
    assert_int_equal(entry.xattrs[1].size_bytes, 0);
    assert_string_equal(entry.xattrs[2].name, "user.zebra");
    struct tree_entry copy;
    struct error error = {0};
    assert_int_equal(tree_entry_copy(&copy, &entry, &error), 0);
    assert_int_equal(tree_entry_compare(&copy, &entry), 0);
    ((char *)copy.xattrs[0].value)[2] = 'c';
    assert_int_equal(tree_entry_compare(&copy, &entry), TREE_ASPECT_XATTRS);
    tree_entry_free(&copy);
    tree_entry_free(&entry);
    entry = read_entry(fd, "with-acl");
    assert_int_equal(entry.xattr_count, 1);
    assert_string_equal(entry.xattrs[0].name, "system.posix_acl_access");
    assert_int_equal(entry.mode, 0670); /* the group bits are the ACL's mask */
    tree_entry_free(&entry);
    close(fd);
}

static void large_lists_are_read(void **state)
{
    struct fixture *fixture = *state;
    char name[240];
    fixture_file(fixture->fd, "many", "", 0644);
    int count = 0;
    for (; count < 12; count++) { /* 12 * 200 bytes of names: more than fits the small buffer, less than ext4's block */
        snprintf(name, sizeof name, "user.%02d%0200d", count, 0);
        fixture_xattr(fixture->fd, "many", name, "v", 1);
    }
    struct tree_entry entry = read_entry(fixture->fd, "many");
    assert_int_equal(entry.xattr_count, count);
    tree_entry_free(&entry);
}

static void missing_is_not_found(void **state)
{
    struct fixture *fixture = *state;
    struct tree_entry entry;
    struct error error = {0};
    assert_int_equal(tree_entry_read(&entry, fixture->fd, "nothing", "some/nothing", true, &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    assert_non_null(strstr(error.message, "some/nothing"));
    assert_null(entry.path);
}

static void every_difference_is_seen(void **state)
{
    (void)state;
    char target_a[] = "a";
    char target_b[] = "b";
    const struct tree_entry base = {
        .type = TREE_FILE, .known = 0xff, .mode = 0644, .size_bytes = 3, .has_digest = true};
    struct tree_entry other = base;
    assert_int_equal(tree_entry_compare(&base, &other), 0);
    other.ctime_sec = 9, other.ino = 7, other.nlink = 3, other.dev = 8;
    assert_int_equal(tree_entry_compare(&base, &other), 0);
    other.mode = 04644;
    assert_int_equal(tree_entry_compare(&base, &other), TREE_ASPECT_MODE);
    other = base, other.uid = 1;
    assert_int_equal(tree_entry_compare(&base, &other), TREE_ASPECT_OWNER);
    other = base, other.gid = 1;
    assert_int_equal(tree_entry_compare(&base, &other), TREE_ASPECT_OWNER);
    other = base, other.mtime_nsec = 1;
    assert_int_equal(tree_entry_compare(&base, &other), TREE_ASPECT_MTIME);
    other = base, other.size_bytes = 4;
    assert_int_equal(tree_entry_compare(&base, &other), TREE_ASPECT_CONTENT);
    other = base, other.digest[31] = 1;
    assert_int_equal(tree_entry_compare(&base, &other), TREE_ASPECT_CONTENT);
    other = base, other.digest[31] = 1, other.has_digest = false;
    assert_int_equal(tree_entry_compare(&base, &other), 0);
    other = base, other.type = TREE_FIFO;
    assert_int_equal(tree_entry_compare(&base, &other), TREE_ASPECT_TYPE);
    other = base, other.uid = 1, other.mode = 0, other.known = TREE_ASPECT_TYPE;
    assert_int_equal(tree_entry_compare(&base, &other), 0);
    struct tree_entry link = {.type = TREE_LINK, .known = 0xff, .link_target = target_a};
    other = link, other.link_target = target_b;
    assert_int_equal(tree_entry_compare(&link, &other), TREE_ASPECT_TARGET);
    struct tree_entry device = {.type = TREE_BLOCK, .known = 0xff, .device_minor = 5};
    other = device, other.device_minor = 6;
    assert_int_equal(tree_entry_compare(&device, &other), TREE_ASPECT_DEVICE);
    char text[64];
    tree_aspects_text(TREE_ASPECT_CONTENT | TREE_ASPECT_OWNER, text, sizeof text);
    assert_string_equal(text, "content, owner");
    tree_aspects_text(0x7ff, text, 12);
    assert_int_equal(strlen(text), 11);
}

/* Makes "copy" like name and reads it again. */
static void apply_and_compare(int fd, const char *name, bool by_fd)
{
    struct error error = {0};
    struct tree_entry entry = read_entry(fd, name);
    assert_int_equal(tree_entry_make(fd, "copy", &entry, &error), 0);
    if (by_fd) {
        int copy_fd = openat(fd, "copy", entry.type == TREE_FOLDER ? O_RDONLY : O_WRONLY);
        if (entry.type == TREE_FILE) {
            assert_int_equal(ftruncate(copy_fd, (off_t)entry.size_bytes), 0);
        }
        assert_int_equal(tree_entry_apply_fd(copy_fd, &entry, NULL, &error), 0);
        close(copy_fd);
    } else {
        if (entry.type == TREE_FILE) {
            int copy_fd = openat(fd, "copy", O_WRONLY);
            assert_int_equal(ftruncate(copy_fd, (off_t)entry.size_bytes), 0);
            close(copy_fd);
        }
        assert_int_equal(tree_entry_apply(fd, "copy", &entry, NULL, &error), 0);
    }
    struct tree_entry copy = read_entry(fd, "copy");
    unsigned differs = tree_entry_compare(&entry, &copy);
    if (differs != 0) {
        char text[128];
        tree_aspects_text(differs, text, sizeof text);
        fail_msg("%s: %s", name, text);
    }
    tree_entry_free(&entry);
    tree_entry_free(&copy);
    if (unlinkat(fd, "copy", 0) != 0) {
        assert_int_equal(unlinkat(fd, "copy", AT_REMOVEDIR), 0);
    }
}

static void attributes_survive(void **state)
{
    static const char *const names[] = {"plain", "empty",    "hollow", "link",        "fifo",       "socket",
                                        "names", "with-acl", "sparse", "default-acl", "with-xattrs"};
    static const char *const privileged[] = {"setuid", "with-capability", "character", "block"};
    struct fixture *fixture = *state;
    fixture_rich(fixture->fd);
    int fd = openat(fixture->fd, "tree", O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        apply_and_compare(fd, names[i], false);
    }
    apply_and_compare(fd, "with-acl", true);
    apply_and_compare(fd, "default-acl", true);
    apply_and_compare(fd, "with-xattrs", true);
    for (size_t i = 0; fixture_is_root() && i < sizeof privileged / sizeof privileged[0]; i++) {
        apply_and_compare(fd, privileged[i], false);
    }
    if (fixture_is_root()) {
        apply_and_compare(fd, "setuid", true);
        apply_and_compare(fd, "with-capability", true);
    }
    close(fd);
}

static void inherited_acls_go_away(void **state)
{
    struct fixture *fixture = *state;
    unsigned char acl[44];
    fixture_folder(fixture->fd, "outside", 0755);
    fixture_file(fixture->fd, "outside/file", "", 0640);
    fixture_folder(fixture->fd, "inside", 0755);
    fixture_xattr(fixture->fd, "inside", "system.posix_acl_default", acl, fixture_acl(acl, 4712, 7));
    int inside = openat(fixture->fd, "inside", O_RDONLY | O_DIRECTORY);
    struct tree_entry file = read_entry(fixture->fd, "outside");
    struct error error = {0};
    assert_int_equal(tree_entry_make(inside, "made", &file, &error), 0);
    struct tree_entry made = read_entry(inside, "made");
    assert_int_equal(made.xattr_count, 2); /* or this test tests nothing */
    tree_entry_free(&made);
    assert_int_equal(tree_entry_apply(inside, "made", &file, NULL, &error), 0);
    made = read_entry(inside, "made");
    assert_int_equal(tree_entry_compare(&file, &made), 0);
    tree_entry_free(&made);
    tree_entry_free(&file);
    close(inside);
}

static int refusals_as_nobody(const struct fixture *fixture)
{
    struct error error = {0};
    struct tree_tolerated tolerated = {0};
    struct stat status;
    char trusted[] = "trusted.x";
    char value[] = "v";
    struct tree_xattr xattr = {.name = trusted, .value = value, .size_bytes = 1};
    char path[] = "mine";
    struct tree_entry entry = {.path = path,
                               .type = TREE_FILE,
                               .known = 0xff,
                               .mode = 04755,
                               .uid = 1,
                               .gid = 1,
                               .mtime_sec = 5,
                               .xattrs = &xattr,
                               .xattr_count = 1};
    if (tree_entry_make(fixture->fd, "mine", &entry, &error) != 0 ||
        tree_entry_apply(fixture->fd, "mine", &entry, NULL, &error) == 0 || error.code != CSN_TREE_ATTRIBUTE ||
        strstr(error.message, "1:1") == NULL) {
        return 1;
    }
    if (tree_entry_apply(fixture->fd, "mine", &entry, &tolerated, &error) != 0 || tolerated.owners != 1 ||
        tolerated.modes != 1 || tolerated.xattrs != 1) {
        return 2;
    }
    /* Somebody else's setuid must not become nobody's setuid. */
    if (fstatat(fixture->fd, "mine", &status, 0) != 0 || (status.st_mode & 07777) != 0755 || status.st_mtime != 5) {
        return 3;
    }
    entry.type = TREE_BLOCK;
    if (tree_entry_make(fixture->fd, "device", &entry, &error) == 0 || error.code != CSN_PRIVILEGE ||
        fixture_exists(fixture->fd, "device")) {
        return 4;
    }
    return 0;
}

static void refusals_are_told_and_counted(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(fchmod(fixture->fd, 0777), 0);
    fixture_as_nobody(refusals_as_nobody, fixture);
}

static void a_replaced_or_changed_file_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    fixture_file(fixture->fd, "file", "one", 0644);
    fixture_file(fixture->fd, "secret", "secret", 0644);
    struct tree_entry entry = read_entry(fixture->fd, "file");
    int fd = tree_entry_open(fixture->fd, "file", &entry, &error);
    assert_true(fd >= 0);
    assert_int_equal(tree_entry_still(fd, &entry, &error), 0);
    fixture_file(fixture->fd, "file", "two", 0644); /* the same size */
    fixture_time(fixture->fd, "file", entry.mtime_sec, entry.mtime_nsec);
    assert_int_equal(tree_entry_still(fd, &entry, &error), -1);
    assert_int_equal(error.code, CSN_TREE_READ);
    assert_string_equal(error.message, "file changed while it was being read");
    close(fd);
    fixture_unlink(fixture->fd, "file");
    fixture_link(fixture->fd, "file", "secret");
    assert_int_equal(tree_entry_open(fixture->fd, "file", &entry, &error), -1);
    assert_int_equal(error.code, CSN_TREE_READ);
    fixture_unlink(fixture->fd, "file");
    assert_int_equal(mkfifoat(fixture->fd, "file", 0600), 0); /* must not wait for a writer */
    assert_int_equal(tree_entry_open(fixture->fd, "file", &entry, &error), -1);
    fixture_unlink(fixture->fd, "file");
    fixture_hardlink(fixture->fd, "secret", "file");
    assert_int_equal(tree_entry_open(fixture->fd, "file", &entry, &error), -1);
    assert_string_equal(error.message, "file was replaced while its tree was being read");
    tree_entry_free(&entry);
}

static void making_over_something_fails(void **state)
{
    struct fixture *fixture = *state;
    struct error error = {0};
    fixture_file(fixture->fd, "victim", "kept", 0644);
    fixture_link(fixture->fd, "name", "victim");
    char path[] = "name";
    char target[] = "x";
    struct tree_entry entry = {.path = path, .link_target = target};
    for (enum tree_type type = TREE_FILE; type <= TREE_SOCKET; type++) {
        entry.type = type;
        assert_int_equal(tree_entry_make(fixture->fd, "name", &entry, &error), -1);
        assert_int_equal(error.code, CSN_TREE_WRITE);
    }
    struct tree_entry victim = read_entry(fixture->fd, "victim");
    assert_int_equal(victim.size_bytes, 4);
    tree_entry_free(&victim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_every_type, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(xattrs_are_read_sorted, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(large_lists_are_read, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(missing_is_not_found, fixture_setup, fixture_teardown),
        cmocka_unit_test(every_difference_is_seen),
        cmocka_unit_test_setup_teardown(attributes_survive, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(inherited_acls_go_away, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(refusals_are_told_and_counted, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(a_replaced_or_changed_file_is_noticed, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(making_over_something_fails, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/entry", tests, NULL, NULL);
}
