/* Before and after: roles by the lines of the maps, each user's roles, sizes. Whatever the names hold, and however many there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/report.h"
#include "report/sample.h"
#include "report/wellformed.h"

struct made {
    struct journal journal;
    struct buffer json;
    struct buffer html;
    yyjson_doc *document;
};

static struct made made;

static int begin(void **state)
{
    (void)state;
    made = (struct made){0};
    journal_init(&made.journal);
    sample_begin(&made.journal, "en");
    return 0;
}

static int end(void **state)
{
    (void)state;
    yyjson_doc_free(made.document);
    buffer_free(&made.json);
    buffer_free(&made.html);
    journal_free(&made.journal);
    return 0;
}

static void make(void)
{
    struct error error = {0};
    char why[256] = "";
    assert_int_equal(report_json(&made.journal, &made.json, &error), 0);
    assert_int_equal(report_html(&made.journal, &made.json, &made.html, &error), 0);
    made.document = yyjson_read(made.json.data, made.json.size, 0);
    assert_non_null(made.document);
    if (!is_wellformed(made.html.data, made.html.size, why, sizeof why)) {
        fail_msg("report.html is not well-formed: %s", why);
    }
}

static yyjson_val *at(const char *pointer)
{
    return yyjson_doc_ptr_get(made.document, pointer);
}

/* What stands there, as JSON on one line. */
static void assert_at(const char *pointer, const char *json)
{
    char *text = at(pointer) == NULL ? NULL : yyjson_val_write(at(pointer), 0, NULL);
    if (text == NULL || strcmp(text, json) != 0) {
        fail_msg("%s is %s, expected is %s", pointer, text == NULL ? "not there" : text, json);
    }
    free(text);
}

static const char *shown(const char *text)
{
    const char *place = strstr(made.html.data, text);
    if (place == NULL) {
        fail_msg("the page does not show \"%s\"", text);
    }
    return place;
}

/* Only what is above the list of records, which quotes them all. */
static void assert_hides(const char *text)
{
    const char *place = strstr(made.html.data, text);
    const char *records = strstr(made.html.data, "<section id=\"records\"");
    if (place != NULL && (records == NULL || place < records)) {
        fail_msg("the page shows \"%s\"", text);
    }
}

/* --- roles --- */

static void add_before(const char *roles)
{
    struct buffer fields = {0};
    buffer_format(&fields, "{\"when\":\"before\",\"roles\":%s}", roles);
    sample_add(&made.journal, "user-roles", buffer_text(&fields));
    buffer_free(&fields);
}

static void add_after(const char *roles)
{
    struct buffer fields = {0};
    buffer_format(&fields, "{\"step\":\"verify\",\"roles\":%s}", roles);
    sample_add(&made.journal, "user-roles-after", buffer_text(&fields));
    buffer_free(&fields);
}

static void test_roles_by_lines(void **state)
{
    (void)state;
    sample_add(&made.journal, "assessment",
               "{\"roles\":[{\"role\":\"writer\",\"users\":17,\"becomes\":\"editor\",\"lines\":[{\"package\":\"wiki "
               "2\",\"from\":\"writer\",\"to\":\"author\"},{\"from\":\"*\",\"to\":\"editor\"}]},"
               "{\"role\":\"robot\",\"users\":1,\"becomes\":\"-\",\"lines\":[{\"from\":\"robot\",\"to\":\"-\"}]},"
               "{\"role\":\"lost\",\"users\":2,\"lines\":[]}]}");
    sample_add(&made.journal, "roles-after",
               "{\"roles\":[{\"role\":\"editor\",\"users\":17},{\"role\":\"new\",\"users\":1}]}");
    make();
    assert_at("/roles/items/0/lines", "[{\"package\":\"wiki 2\",\"from\":\"writer\",\"to\":\"author\"},{\"from\":\"*\","
                                      "\"to\":\"editor\"}]");
    assert_at("/roles/items/0/users_before", "17");
    assert_at("/roles/items/0/users_after", "17");
    assert_at("/roles/items/3/becomes", "\"new\"");
    shown("<td><bdi>wiki 2</bdi>: <bdi>writer</bdi> = <bdi>author</bdi><br /><span lang=\"en\">job</span><span "
          "lang=\"zh\">任务</span>: <bdi>*</bdi> = <bdi>editor</bdi></td>");
    shown("<td><span lang=\"en\">no line</span>");
    shown("<td>–</td><td class=\"n\">1</td>"); /* "new": that nothing becomes it is no missing line */
}

static void test_each_user(void **state)
{
    (void)state;
    add_before(
        "[{\"role\":\"admin\",\"users\":[\"ann\",\"bob\"],\"becomes\":\"admin\"},{\"role\":\"writer\",\"users\":["
        "\"bob\",\"cid\",\"eve\",\"eve\"],\"becomes\":\"author\"},{\"role\":\"robot\",\"users\":[\"dan\"],"
        "\"becomes\":\"-\"},{\"role\":\"odd\",\"users\":[\"ann\"]}]");
    add_after("[{\"role\":\"admin\",\"users\":[\"ann\",\"eve\",\"bob\"]},{\"role\":\"author\",\"users\":[\"bob\","
              "\"cid\",\"eve\"]},{\"role\":\"king\",\"users\":[\"zoe\"]}]");
    make();
    assert_at("/user_roles/users", "6");
    assert_at("/user_roles/changed", "6");
    assert_at("/user_roles/wrong", "2");
    assert_at("/user_roles/holds", "false");
    assert_at("/user_roles/items/0", "{\"user\":\"eve\",\"before\":[\"writer\"],\"expected\":[\"author\"],\"after\":["
                                     "\"admin\",\"author\"],\"holds\":false}");
    assert_at("/user_roles/items/1",
              "{\"user\":\"zoe\",\"before\":[],\"expected\":[],\"after\":[\"king\"],\"holds\":false}");
    assert_at("/user_roles/items/2",
              "{\"user\":\"ann\",\"before\":[\"admin\",\"odd\"],\"expected\":[\"admin\"],\"after\":[\"admin\"],"
              "\"holds\":true}");
    assert_at("/user_roles/items/5",
              "{\"user\":\"dan\",\"before\":[\"robot\"],\"expected\":[],\"after\":[],\"holds\":true}");
    assert_int_equal(yyjson_arr_size(at("/user_roles/items")), 6);
    assert_at("/user_roles/groups_all", "6");
    shown("<td><bdi>eve</bdi></td><td><bdi>writer</bdi></td><td><bdi>author</bdi></td><td><bdi>admin</bdi>, "
          "<bdi>author</bdi></td><td><span class=\"badge bad\">");
    shown("<p class=\"mind\"><span lang=\"en\">Users with a role: 6; with other roles than before: 6; with other roles "
          "than the map makes of theirs: 2.");
}

/* Users who have what they had are a number, not names. */
static void test_who_keeps_his_roles_is_counted(void **state)
{
    (void)state;
    add_before(
        "[{\"role\":\"reader\",\"users\":[\"one\",\"two\",\"three\"],\"becomes\":\"reader\"},{\"role\":\"writer\","
        "\"users\":[\"four\"],\"becomes\":\"author\"}]");
    add_after(
        "[{\"role\":\"reader\",\"users\":[\"three\",\"one\",\"two\"]},{\"role\":\"author\",\"users\":[\"four\"]}]");
    make();
    assert_at("/user_roles/holds", "true");
    assert_at("/user_roles/items_all", "1");
    assert_at("/user_roles/items/0/user", "\"four\"");
    assert_at("/user_roles/groups", "[{\"users\":3,\"before\":[\"reader\"],\"expected\":[\"reader\"],\"after\":["
                                    "\"reader\"],\"holds\":true},{\"users\":1,\"before\":[\"writer\"],\"expected\":["
                                    "\"author\"],\"after\":[\"author\"],\"holds\":true}]");
    assert_hides("<bdi>two</bdi>");
    shown("<td class=\"n\">3</td><td><bdi>reader</bdi></td>");
}

/* Nobody has looked after an upgrade: then nothing is said of it. */
static void test_no_after_is_no_claim(void **state)
{
    (void)state;
    add_before("[{\"role\":\"writer\",\"users\":[\"ann\"],\"becomes\":\"author\"}]");
    sample_add(&made.journal, "user-roles-after", "{\"compared\":1}");
    make();
    assert_null(at("/user_roles/holds"));
    assert_null(at("/user_roles/after_record"));
    assert_at("/user_roles/items", "[{\"user\":\"ann\",\"before\":[\"writer\"],\"expected\":[\"author\"]}]");
    shown("Their roles were not read again after an upgrade.");
    assert_at("/roles/items/0/users_before", "1"); /* of the same list: the profile asks for no counts */
}

static void test_hostile_names(void **state)
{
    (void)state;
    struct buffer roles = {0};
    struct buffer name = {0};
    for (size_t i = 0; i < 100000; i++) {
        buffer_string(&name, "ü");
    }
    buffer_format(
        &roles,
        "[{\"role\":\"<script>alert(1)</script>\",\"users\":[\"\\u202Egnp.exe\",\"<img src=x onerror=y>\",\"%s\"],"
        "\"becomes\":\"a\\u0000&\\\"'\"}]",
        buffer_text(&name));
    add_before(buffer_text(&roles));
    add_after(
        "[{\"role\":\"]]>--><!--\",\"users\":[\"\\u202Egnp.exe\"]},{\"role\":\"role\",\"users\":null},{\"users\":["
        "\"x\"]},7]");
    sample_add(
        &made.journal, "assessment",
        "{\"roles\":[{\"role\":\"<b>\",\"users\":1,\"becomes\":\"\\u200F\",\"lines\":[{\"package\":\"<i>\",\"from\":"
        "\"&\",\"to\":\"\\u2066\"},5]}]}");
    make();
    assert_hides("<script");
    assert_hides("<img");
    assert_hides("<i>");
    assert_hides("\xE2\x80\xAE");
    assert_hides("\xE2\x80\x8F");
    assert_hides("\xE2\x81\xA6");
    shown("<bdi><span class=\"odd\">\\u{202e}</span>gnp.exe</bdi>");
    shown("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>");
    shown("<bdi>]]&gt;--&gt;&lt;!--</bdi>");
    const char *cut = shown("üüü…</bdi>");
    const char *start = cut;
    while (strncmp(start, "<bdi>", 5) != 0) {
        start--;
    }
    assert_in_range(cut - start, 50, 130);
    assert_at("/user_roles/users", "3");
    buffer_free(&roles);
    buffer_free(&name);
}

/* A hundred thousand users who all change: page and JSON stay small, the numbers are whole, those that do not hold come first. */
static void test_very_many_users(void **state)
{
    (void)state;
    struct buffer before = {0};
    struct buffer after = {0};
    buffer_string(&before, "[{\"role\":\"writer\",\"becomes\":\"author\",\"users\":[\"u0\"");
    buffer_string(&after, "[{\"role\":\"author\",\"users\":[\"u0\"");
    for (int i = 1; i < 100000; i++) {
        buffer_format(&before, ",\"u%d\"", i);
        if (i != 77777) {
            buffer_format(&after, ",\"u%d\"", i);
        }
    }
    buffer_string(&before, "]}");
    for (int i = 0; i < 150; i++) {
        buffer_format(&before, ",{\"role\":\"r%d\",\"becomes\":\"r%d\",\"users\":[\"u%d\"]}", i, i, i);
        buffer_format(&after, "%s{\"role\":\"r%d\",\"users\":[\"u%d\"]}", i == 0 ? "]}," : ",", i, i);
    }
    buffer_string(&before, "]");
    buffer_string(&after, "]");
    add_before(buffer_text(&before));
    add_after(buffer_text(&after));
    make();
    assert_at("/user_roles/users", "100000");
    assert_at("/user_roles/items_all", "100000");
    assert_at("/user_roles/wrong", "1");
    assert_at("/user_roles/items/0/user", "\"u77777\"");
    assert_int_equal(yyjson_arr_size(at("/user_roles/items")), 200);
    assert_at("/user_roles/items_most", "200");
    assert_at("/user_roles/groups_all", "152");
    assert_int_equal(yyjson_arr_size(at("/user_roles/groups")), 100);
    assert_at("/user_roles/groups/0/users", "1");
    assert_at("/user_roles/groups/1/users", "99849");
    assert_true(made.json.size < 200000 && made.html.size < 400000);
    shown("at most 200: 200 of 100,000.");
    buffer_free(&before);
    buffer_free(&after);
}

/* --- sizes --- */

static void add_sizes(const char *when, uint64_t first, const char *more)
{
    struct buffer fields = {0};
    buffer_format(
        &fields,
        "{\"when\":\"%s\",\"database\":\"wiki\",\"server\":\"cold\",\"items\":[{\"name\":\"public.page\","
        "\"table_bytes\":%llu,\"index_bytes\":1000,\"toast_bytes\":0,\"dead_rows\":4,\"bloat_bytes\":50,"
        "\"bloat_by\":\"estimate\"}%s],\"database_bytes\":%llu,\"tables\":30,\"table_bytes\":5,\"index_bytes\":6,"
        "\"toast_bytes\":7,\"dead_rows\":4,\"bloat_bytes\":50,\"bloat_unknown\":29,\"bloat_measured\":0}",
        when, (unsigned long long)first, more, (unsigned long long)(7000000 + first));
    sample_add(&made.journal, "sizes", buffer_text(&fields));
    buffer_free(&fields);
}

static void test_sizes(void **state)
{
    (void)state;
    add_sizes("before", 9000, ",{\"name\":\"public.gone\",\"table_bytes\":7000,\"index_bytes\":0,\"toast_bytes\":0}");
    add_sizes("after", 5000, ",{\"name\":\"public.new\",\"table_bytes\":70000,\"index_bytes\":0,\"toast_bytes\":0}");
    make();
    assert_at("/sizes/database", "\"wiki\"");
    assert_at("/sizes/growth_bytes", "-4000");
    assert_at("/sizes/before/server", "\"cold\"");
    assert_at("/sizes/before/database_bytes", "7009000");
    assert_at("/sizes/items/0/name", "\"public.new\"");
    assert_null(at("/sizes/items/0/growth_bytes"));
    assert_at(
        "/sizes/items/1",
        "{\"name\":\"public.page\",\"before\":{\"bytes\":10000,\"table_bytes\":9000,\"index_bytes\":1000,"
        "\"toast_bytes\":0,\"dead_rows\":4,\"bloat_bytes\":50,\"bloat_by\":\"estimate\"},\"after\":{\"bytes\":6000,"
        "\"table_bytes\":5000,\"index_bytes\":1000,\"toast_bytes\":0,\"dead_rows\":4,\"bloat_bytes\":50,"
        "\"bloat_by\":\"estimate\"},\"growth_bytes\":-4000}");
    shown("<td class=\"n\">-4.0 kB</td>");
    shown("<td class=\"n\">7.0 MB → 7.0 MB</td>");
    shown("estimated from the server&#39;s statistics: 1; not known: 29.");
    shown("The server was at rest, so there were no connections.");
    shown("<td class=\"n\">70.0 kB</td><td class=\"n\">–</td>"); /* new: one side only */
}

static void test_sizes_that_nobody_knows(void **state)
{
    (void)state;
    add_sizes("before", 9000, "");
    sample_add(&made.journal, "sizes",
               "{\"when\":\"after\",\"database\":\"wiki\",\"server\":\"live\",\"unknown\":\"no <answer>\"}");
    make();
    assert_at("/sizes/after/unknown", "\"no <answer>\"");
    assert_null(at("/sizes/growth_bytes"));
    shown("the sizes are not known:</span>");
    shown("<bdi>no &lt;answer&gt;</bdi>");
}

static void test_the_largest_tables_and_connections(void **state)
{
    (void)state;
    struct buffer more = {0};
    for (int i = 0; i < 200; i++) {
        buffer_format(&more, ",{\"name\":\"t%d<x>\",\"table_bytes\":%d,\"index_bytes\":-5,\"toast_bytes\":\"x\"}", i,
                      i);
    }
    add_sizes("before", 9000, buffer_text(&more));
    sample_add(
        &made.journal, "sizes",
        "{\"when\":\"after\",\"server\":\"live\",\"items\":[],\"database_bytes\":1,\"connections\":[{\"count\":3,"
        "\"state\":\"idle\",\"application\":\"<b>psql</b>\",\"client\":\"10.0.0.7\"}]}");
    make();
    assert_int_equal(yyjson_arr_size(at("/sizes/items")), 20);
    assert_at("/sizes/items/0/name", "\"public.page\"");
    assert_at("/sizes/items/1/name", "\"t199<x>\"");
    assert_at("/sizes/after/connections/0/count", "3");
    shown("<td class=\"n\">3</td><td><bdi>idle</bdi></td><td><bdi>&lt;b&gt;psql&lt;/b&gt;</bdi></td><td><bdi>10.0.0.7");
    assert_hides("<x>");
    buffer_free(&more);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_roles_by_lines),
        TEST(test_each_user),
        TEST(test_who_keeps_his_roles_is_counted),
        TEST(test_no_after_is_no_claim),
        TEST(test_hostile_names),
        TEST(test_very_many_users),
        TEST(test_sizes),
        TEST(test_sizes_that_nobody_knows),
        TEST(test_the_largest_tables_and_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
