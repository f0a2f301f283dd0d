/* The three-way look: the whole table of who changed what, and what is nobody's. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tree/fixture.h"
#include "tree/merge.h"

/* "x" a file of content x and mode 0644 root, "x!" of mode 0600, "x@" of another owner, "d" (folder) as "/", "@t" a link to t, "" none. */
static void add(struct tree_manifest *manifest, const char *path, const char *what)
{
    struct error error = {0};
    if (what[0] == '\0') {
        return;
    }
    struct tree_entry entry = {.path = strdup(path), .known = TREE_MANIFEST_PROGRAM, .mode = 0644};
    if (what[0] == '/') {
        entry.type = TREE_FOLDER;
        entry.mode = 0755;
    } else if (what[0] == '@') {
        entry.type = TREE_LINK;
        entry.link_target = strdup(what + 1);
    } else {
        entry.type = TREE_FILE;
        entry.size_bytes = 1;
        entry.has_digest = true;
        entry.digest[0] = (uint8_t)what[0];
    }
    if (what[0] != '\0' && what[0] != '@' && what[1] == '!') {
        entry.mode = 0600;
    } else if (what[0] != '@' && what[1] == '@') {
        entry.uid = 33;
    } else if (what[0] != '@' && what[1] == 'x') {
        entry.mode = 0755;
    }
    assert_int_equal(tree_manifest_add(manifest, &entry, &error), 0);
}

struct row {
    const char *path;
    const char *before;
    const char *site;
    const char *after;
    enum tree_change content;
    enum tree_change attributes;
};

static void check_rows(const struct row *rows, size_t count, bool has_before, const struct strings *keep,
                       const struct strings *generated, struct tree_merge *merge, struct tree_manifest manifests[3])
{
    struct error error = {0};
    for (size_t i = count; i > 0; i--) { /* backwards: the manifests sort by themselves */
        add(&manifests[0], rows[i - 1].path, rows[i - 1].before);
        add(&manifests[1], rows[i - 1].path, rows[i - 1].site);
        add(&manifests[2], rows[i - 1].path, rows[i - 1].after);
    }
    for (int i = 0; i < 3; i++) {
        add(&manifests[i], "", i == 1 ? "/!" : "/"); /* the start itself is not judged */
        assert_int_equal(tree_manifest_sort(&manifests[i], &error), 0);
    }
    assert_int_equal(tree_merge_look(merge, has_before ? &manifests[0] : NULL, &manifests[1], &manifests[2], keep,
                                     generated, &error),
                     0);
    assert_int_equal(merge->count, count);
    for (size_t i = 0; i < count; i++) {
        const struct tree_merge_item *item = &merge->items[i];
        assert_string_equal(item->path, rows[i].path);
        if (item->content != rows[i].content || item->attributes != rows[i].attributes) {
            fail_msg("%s: %s/%s, not %s/%s", item->path, tree_change_name(item->content),
                     tree_change_name(item->attributes), tree_change_name(rows[i].content),
                     tree_change_name(rows[i].attributes));
        }
        assert_int_equal(item->before != NULL, has_before && rows[i].before[0] != '\0');
        assert_int_equal(item->site != NULL, rows[i].site[0] != '\0');
        assert_int_equal(item->after != NULL, rows[i].after[0] != '\0');
    }
}

static void drop(struct tree_merge *merge, struct tree_manifest manifests[3])
{
    tree_merge_free(merge);
    for (int i = 0; i < 3; i++) {
        tree_manifest_free(&manifests[i]);
    }
}

#define NONE TREE_CHANGE_NONE

static void the_whole_table(void **state)
{
    static const struct row rows[] = {
        {"a", "1", "1", "1", NONE, NONE},
        {"b", "1", "1", "2", TREE_CHANGE_VENDOR_CHANGED, NONE},
        {"c", "1", "2", "1", TREE_CHANGE_SITE_CHANGED, NONE},
        {"d", "1", "2", "2", TREE_CHANGE_BOTH_SAME, NONE},
        {"e", "1", "2", "3", TREE_CHANGE_CONFLICT, NONE},
        {"f", "1", "1", "", TREE_CHANGE_VENDOR_REMOVED, NONE},
        {"g", "1", "2", "", TREE_CHANGE_CONFLICT, NONE},
        {"h", "1", "", "1", TREE_CHANGE_SITE_REMOVED, NONE},
        {"i", "1", "", "2", TREE_CHANGE_CONFLICT, NONE},
        {"j", "1", "", "", TREE_CHANGE_BOTH_SAME, NONE},
        {"k", "", "1", "1", TREE_CHANGE_BOTH_SAME, NONE},
        {"l", "", "1", "2", TREE_CHANGE_CONFLICT, NONE},
        {"m", "", "1", "", TREE_CHANGE_FOREIGN, NONE},
        {"n", "", "", "1", TREE_CHANGE_VENDOR_ADDED, NONE},
        /* Attributes apart from content. */
        {"o", "1", "1!", "1", NONE, TREE_CHANGE_SITE_CHANGED},
        {"p", "1", "1!", "2", TREE_CHANGE_VENDOR_CHANGED, TREE_CHANGE_SITE_CHANGED},
        {"q", "1", "1@", "1!", NONE, TREE_CHANGE_CONFLICT},
        {"r", "1", "1!", "1!", NONE, TREE_CHANGE_BOTH_SAME},
        {"s", "1", "2", "1!", TREE_CHANGE_SITE_CHANGED, TREE_CHANGE_VENDOR_CHANGED},
        /* Types and links. */
        {"t", "1", "/", "1", TREE_CHANGE_SITE_CHANGED, NONE},
        {"u", "/", "/", "1", TREE_CHANGE_VENDOR_CHANGED, NONE},
        {"v", "@x", "@x", "@y", TREE_CHANGE_VENDOR_CHANGED, NONE},
        {"w", "@x", "@z", "@y", TREE_CHANGE_CONFLICT, NONE},
        {"x", "/", "/!", "/", NONE, TREE_CHANGE_SITE_CHANGED},
        {"x/y", "1", "1", "1", NONE, NONE},
        {"x.y", "1", "1", "1", NONE, NONE},
    };
    struct tree_merge merge;
    struct tree_manifest manifests[3] = {{0}};
    (void)state;
    check_rows(rows, sizeof rows / sizeof rows[0], true, NULL, NULL, &merge, manifests);
    assert_int_equal(merge.content_counts[TREE_CHANGE_CONFLICT], 5);
    assert_int_equal(merge.content_counts[TREE_CHANGE_FOREIGN], 1);
    assert_int_equal(merge.attribute_counts[TREE_CHANGE_SITE_CHANGED], 3);
    size_t sum = 0;
    for (int i = 0; i < TREE_CHANGE_COUNT; i++) {
        sum += merge.content_counts[i];
    }
    assert_int_equal(sum, merge.count);
    drop(&merge, manifests);
}

static void without_the_old_manifest_all_is_unknown(void **state)
{
    static const struct row rows[] = {
        {"a", "", "1", "1", TREE_CHANGE_BOTH_SAME, TREE_CHANGE_BOTH_SAME},
        {"b", "", "1", "2", TREE_CHANGE_UNKNOWN, TREE_CHANGE_BOTH_SAME},
        {"c.php", "", "1", "", TREE_CHANGE_UNKNOWN, NONE},
        {"d", "", "", "1", TREE_CHANGE_UNKNOWN, NONE},
        {"e", "", "1!", "1", TREE_CHANGE_BOTH_SAME, TREE_CHANGE_UNKNOWN},
    };
    struct tree_merge merge;
    struct tree_manifest manifests[3] = {{0}};
    (void)state;
    check_rows(rows, sizeof rows / sizeof rows[0], false, NULL, NULL, &merge, manifests);
    assert_int_equal(merge.foreign_executables, 1);
    drop(&merge, manifests);
}

static void kept_paths_are_not_judged(void **state)
{
    static const struct row rows[] = {
        {"LocalSettings.php", "", "1", "2", TREE_CHANGE_KEPT, NONE},
        {"cache", "/", "/", "", TREE_CHANGE_KEPT, NONE},
        {"cache/evil.php", "", "1", "", TREE_CHANGE_KEPT, NONE},
        {"code/a.log", "", "1", "", TREE_CHANGE_KEPT, NONE},
        {"code/b", "1", "2", "3", TREE_CHANGE_CONFLICT, NONE},
        {"work", "", "/", "", TREE_CHANGE_GENERATED, NONE},
        {"work/page.class", "", "1", "", TREE_CHANGE_GENERATED, NONE},
        {"work/readme", "1", "2", "3", TREE_CHANGE_GENERATED, NONE},
        {"work/x.log", "", "1", "", TREE_CHANGE_KEPT, NONE},
    };
    struct tree_merge merge;
    struct tree_manifest manifests[3] = {{0}};
    struct strings keep = {0};
    struct strings generated = {0};
    struct error error = {0};
    (void)state;
    assert_int_equal(strings_add(&generated, "work", &error), 0);
    assert_int_equal(strings_split(&keep, "LocalSettings.php, cache, **/*.log", ",", &error), 0);
    check_rows(rows, sizeof rows / sizeof rows[0], true, &keep, &generated, &merge, manifests);
    assert_int_equal(merge.foreign_executables, 0);
    drop(&merge, manifests);
    strings_free(&keep);
    strings_free(&generated);
}

/* A folder moved away and linked to: one change of the site's, not one for each file. */
static void a_replaced_folder_covers_its_content(void **state)
{
    static const struct row rows[] = {
        {"a", "/", "@/srv/a", "/", TREE_CHANGE_SITE_CHANGED, NONE},
        {"a/changed", "1", "", "2", TREE_CHANGE_COVERED, NONE},
        {"a/new", "", "", "2", TREE_CHANGE_COVERED, NONE},
        {"a/same", "1", "", "1", TREE_CHANGE_COVERED, NONE},
        {"a/sub", "/", "", "/", TREE_CHANGE_COVERED, NONE},
        {"a/sub/gone", "1", "", "", TREE_CHANGE_COVERED, NONE},
        {"a.b", "1", "", "2", TREE_CHANGE_CONFLICT, NONE},
        {"added", "", "@x", "/", TREE_CHANGE_CONFLICT, NONE},
        {"added/new", "", "", "1", TREE_CHANGE_COVERED, NONE},
        {"gone", "/", "1", "", TREE_CHANGE_CONFLICT, NONE},
        {"gone/x", "1", "", "", TREE_CHANGE_COVERED, NONE},
        {"theirs", "1", "/", "1", TREE_CHANGE_SITE_CHANGED, NONE},
        {"theirs/x", "", "1", "", TREE_CHANGE_FOREIGN, NONE},
    };
    struct tree_merge merge;
    struct tree_manifest manifests[3] = {{0}};
    (void)state;
    check_rows(rows, sizeof rows / sizeof rows[0], true, NULL, NULL, &merge, manifests);
    assert_int_equal(merge.covered_changes, 5);
    drop(&merge, manifests);
}

static void what_could_run_is_flagged(void **state)
{
    static const struct row rows[] = {
        {"a.PHP", "", "1", "", TREE_CHANGE_FOREIGN, NONE}, {"b.jsp", "", "1", "", TREE_CHANGE_FOREIGN, NONE},
        {"c.txt", "", "1", "", TREE_CHANGE_FOREIGN, NONE}, {"d", "", "1x", "", TREE_CHANGE_FOREIGN, NONE},
        {"e", "", "/", "", TREE_CHANGE_FOREIGN, NONE},     {"f.sh", "1", "1", "1", NONE, NONE},
        {"g.d/h", "", "1", "", TREE_CHANGE_FOREIGN, NONE}, {"h.php", "", "@a", "", TREE_CHANGE_FOREIGN, NONE},
    };
    static const bool wanted[] = {true, true, false, true, false, true, false, false};
    struct tree_merge merge;
    struct tree_manifest manifests[3] = {{0}};
    (void)state;
    check_rows(rows, sizeof rows / sizeof rows[0], true, NULL, NULL, &merge, manifests);
    for (size_t i = 0; i < merge.count; i++) {
        assert_int_equal(merge.items[i].is_executable, wanted[i]);
    }
    assert_int_equal(merge.foreign_executables, 3);
    drop(&merge, manifests);
    assert_true(tree_is_executable("x/y.pl", 0644) && tree_is_executable("x.py", 0) && tree_is_executable("a", 0100));
    assert_false(tree_is_executable("x.py/readme", 0644) || tree_is_executable("php", 0644));
}

static void a_file_without_digest_is_an_error(void **state)
{
    struct tree_merge merge;
    struct tree_manifest site = {0};
    struct tree_manifest after = {0};
    struct error error = {0};
    (void)state;
    add(&site, "a", "1");
    add(&after, "a", "1");
    after.entries[0].has_digest = false;
    assert_int_equal(tree_merge_look(&merge, NULL, &site, &after, NULL, NULL, &error), -1);
    assert_int_equal(error.code, CSN_TREE_MANIFEST);
    assert_string_equal(error.message, "the vendor's new manifest has no SHA-256 of \"a\"");
    assert_null(merge.items);
    tree_manifest_free(&site);
    tree_manifest_free(&after);
}

/* With a real tree in the middle and manifests that went through their text. */
static void on_a_real_tree(void **state)
{
    struct fixture *fixture = *state;
    struct tree_manifest manifests[3] = {{0}};
    struct tree_merge merge;
    struct error error = {0};
    struct buffer text = {0};
    const struct tree_scan_options options = {.want_digests = true};
    fixture_folder(fixture->fd, "app", 0755);
    fixture_folder(fixture->fd, "app/lib", 0755);
    fixture_file(fixture->fd, "app/index.php", "old", 0644);
    fixture_file(fixture->fd, "app/lib/core.php", "old", 0644);
    assert_int_equal(tree_manifest_scan(&manifests[1], fixture->fd, "app", &options, NULL, &error), 0);
    assert_int_equal(tree_manifest_write(&manifests[1], TREE_MANIFEST_PROGRAM, &text, &error), 0);
    assert_int_equal(tree_manifest_read(&manifests[0], "old", text.data, text.size, 100, &error), 0);
    tree_manifest_free(&manifests[1]);
    fixture_file(fixture->fd, "app/index.php", "new", 0644);
    assert_int_equal(tree_manifest_scan(&manifests[2], fixture->fd, "app", &options, NULL, &error), 0);
    fixture_file(fixture->fd, "app/index.php", "old", 0644);
    fixture_file(fixture->fd, "app/lib/core.php", "patched by the site", 0644);
    fixture_file(fixture->fd, "app/lib/shell.jsp", "evil", 0644);
    assert_int_equal(tree_manifest_scan(&manifests[1], fixture->fd, "app", &options, NULL, &error), 0);
    assert_int_equal(tree_merge_look(&merge, &manifests[0], &manifests[1], &manifests[2], NULL, NULL, &error), 0);
    assert_int_equal(merge.count, 4);
    assert_int_equal(merge.items[0].content, TREE_CHANGE_VENDOR_CHANGED);
    assert_string_equal(merge.items[1].path, "lib");
    assert_int_equal(merge.items[1].content, NONE);
    assert_int_equal(merge.items[2].content, TREE_CHANGE_SITE_CHANGED);
    assert_int_equal(merge.items[3].content, TREE_CHANGE_FOREIGN);
    assert_int_equal(merge.foreign_executables, 1);
    drop(&merge, manifests);
    buffer_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_table),
        cmocka_unit_test(without_the_old_manifest_all_is_unknown),
        cmocka_unit_test(kept_paths_are_not_judged),
        cmocka_unit_test(a_replaced_folder_covers_its_content),
        cmocka_unit_test(what_could_run_is_flagged),
        cmocka_unit_test(a_file_without_digest_is_an_error),
        cmocka_unit_test_setup_teardown(on_a_real_tree, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("tree/merge", tests, NULL, NULL);
}
