/* The report says what the journal holds and nothing more, whatever the journal holds. */
// wrap: words_find
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "report/report.h"
#include "report/sample.h"
#include "report/wellformed.h"
#include "report/words.h"

/* The last key that was asked for and is not in the table: the page would show it as it is. */
static char missing[128];

const struct words *__real_words_find(const char *key);
const struct words *__wrap_words_find(const char *key)
{
    const struct words *found = __real_words_find(key);
    if (found == NULL) {
        snprintf(missing, sizeof missing, "%s", key);
    }
    return found;
}

struct made {
    struct journal journal;
    struct buffer json;
    struct buffer html;
    yyjson_doc *document;
    yyjson_val *root;
};

static void make(struct made *made)
{
    struct error error = {0};
    char why[256] = "";
    assert_int_equal(report_json(&made->journal, &made->json, &error), 0);
    assert_int_equal(report_html(&made->journal, &made->json, &made->html, &error), 0);
    made->document = yyjson_read(made->json.data, made->json.size, 0);
    made->root = yyjson_doc_get_root(made->document);
    assert_non_null(made->root);
    if (!is_wellformed(made->html.data, made->html.size, why, sizeof why)) {
        fail_msg("report.html is not well-formed: %s", why);
    }
}

static void drop(struct made *made)
{
    yyjson_doc_free(made->document);
    buffer_free(&made->json);
    buffer_free(&made->html);
    journal_free(&made->journal);
}

static void begin(struct made *made)
{
    *made = (struct made){0};
    missing[0] = '\0';
    journal_init(&made->journal);
}

static yyjson_val *at(const struct made *made, const char *pointer)
{
    return yyjson_ptr_get(made->root, pointer);
}

static const char *text_at(const struct made *made, const char *pointer)
{
    const char *text = yyjson_get_str(at(made, pointer));
    return text == NULL ? "" : text;
}

static int64_t number_at(const struct made *made, const char *pointer)
{
    yyjson_val *value = at(made, pointer);
    return yyjson_is_int(value) ? yyjson_get_sint(value) : -1;
}

static void assert_shows(const struct made *made, const char *text)
{
    if (strstr(made->html.data, text) == NULL) {
        fail_msg("the page does not show \"%s\"", text);
    }
}

static void assert_hides(const struct made *made, const char *text)
{
    if (strstr(made->html.data, text) != NULL) {
        fail_msg("the page shows \"%s\"", text);
    }
}

/* Every member called "record" or "…_record" names a record of the journal; and the page's references lead somewhere. */
static size_t check_records(const struct made *made, yyjson_val *value)
{
    size_t i;
    size_t count;
    size_t found = 0;
    yyjson_val *key;
    yyjson_val *item;
    if (yyjson_is_arr(value)) {
        yyjson_arr_foreach(value, i, count, item)
        {
            found += check_records(made, item);
        }
    }
    if (yyjson_is_obj(value)) {
        yyjson_obj_foreach(value, i, count, key, item)
        {
            const char *name = yyjson_get_str(key);
            size_t length = strlen(name);
            if (length >= 6 && strcmp(name + length - 6, "record") == 0) {
                assert_in_range(yyjson_get_sint(item), 1, made->journal.count);
                found++;
            }
            found += check_records(made, item);
        }
    }
    return found;
}

static void check_references(const struct made *made)
{
    for (const char *place = made->html.data; (place = strstr(place, "href=\"#r")) != NULL; place++) {
        char id[48];
        snprintf(id, sizeof id, "id=\"r%ld\"", strtol(place + 8, NULL, 10));
        assert_shows(made, id);
    }
}

/* --- the verdicts -------------------------------------------------------------------------------------------------- */

static void test_upgraded(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_upgraded(&made.journal, "en");
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "upgraded");
    assert_int_equal(number_at(&made, "/verdict/record"), made.journal.count);
    assert_null(at(&made, "/verdict/contradictions"));
    assert_null(at(&made, "/verdict/code"));
    assert_string_equal(text_at(&made, "/versions/before"), "1.39.7");
    assert_string_equal(text_at(&made, "/versions/wanted"), "1.43.1");
    assert_int_equal(yyjson_arr_size(at(&made, "/steps")), 11);
    assert_string_equal(text_at(&made, "/steps/10/result"), "done");
    assert_int_equal(number_at(&made, "/steps/3/read_bytes"), 4000000);
    assert_int_equal(number_at(&made, "/steps/3/written_bytes"), 8000);
    assert_shows(&made, "4.0 MB read, 8.0 kB written");
    assert_shows(&made, "Bytes are what the programs of a step read and wrote");
    assert_string_equal(text_at(&made, "/journal/head"), made.journal.head);
    assert_int_equal(number_at(&made, "/journal/records"), made.journal.count);
    assert_true(check_records(&made, made.root) > 40);
    check_references(&made);
    assert_shows(&made, "<section id=\"verdict\" class=\"good\">");
    assert_shows(&made, "<span lang=\"zh\">升级完成</span>");
    assert_shows(&made, "id=\"en\" aria-label=\"English\" checked=\"checked\"");
    assert_shows(&made, "Wang Fang, operations");
    assert_shows(&made, "The new version was started on the real data, checked, and released");
    assert_shows(&made, made.journal.head);
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_before_and_after(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_upgraded(&made.journal, "en");
    make(&made);
    assert_int_equal(number_at(&made, "/tables/before"), 4);
    assert_int_equal(number_at(&made, "/tables/after"), 4);
    assert_int_equal(number_at(&made, "/tables/fewer_rows"), 1); /* watchlist */
    assert_int_equal(number_at(&made, "/tables/more_rows"), 1);  /* updatelog */
    assert_int_equal(number_at(&made, "/tables/removed"), 1);    /* old_stuff */
    assert_int_equal(number_at(&made, "/tables/added"), 1);      /* linktarget */
    assert_int_equal(number_at(&made, "/tables/in_other_databases"), 1);
    assert_int_equal(yyjson_arr_size(at(&made, "/tables/items")), 5);
    assert_string_equal(text_at(&made, "/tables/items/2/name"), "mediawiki.page");
    assert_true(yyjson_is_true(at(&made, "/tables/items/2/same_content")));
    assert_int_equal(yyjson_arr_size(at(&made, "/roles/items")), 3);
    assert_int_equal(number_at(&made, "/roles/items/0/users_after"), 3);
    assert_int_equal(number_at(&made, "/roles/items/1/users_after"), -1); /* "-": gone on purpose */
    assert_string_equal(text_at(&made, "/roles/items/2/becomes"), "interface-admin");
    assert_int_equal(number_at(&made, "/attachments/before/missing"), 1);
    assert_int_equal(number_at(&made, "/attachments/after/files"), 420);
    assert_shows(&made, "fewer rows");
    assert_shows(&made, "gone on purpose");
    assert_string_equal(text_at(&made, "/site_changes/lists/conflicts/0/answer"), "site");
    assert_true(yyjson_is_true(at(&made, "/site_changes/carried_over")));
    assert_int_equal(number_at(&made, "/site_changes/counts/unchanged"), 3100);
    drop(&made);
}

static void test_what_stays(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_upgraded(&made.journal, "en");
    make(&made);
    yyjson_val *stays = at(&made, "/on_server/stays");
    assert_int_equal(yyjson_arr_size(stays), 3);
    assert_string_equal(text_at(&made, "/on_server/stays/0/path"), "/var/lib/caisson/runs/20261123T030626Z-1a2b");
    assert_string_equal(text_at(&made, "/on_server/stays/1/what"), "old-version");
    assert_string_equal(text_at(&made, "/on_server/stays/1/of"), "/var/lib/postgresql/15/main");
    assert_string_equal(text_at(&made, "/on_server/stays/1/keep_until"), "2026-12-23T03:12:00Z");
    assert_shows(&made, "2026-12-23 03:12:00 UTC");
    drop(&made);
}

static void test_rolled_back(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_rolled_back(&made.journal, "zh");
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "rolled-back");
    assert_string_equal(text_at(&made, "/verdict/code"), "CSN-Q004");
    assert_string_equal(text_at(&made, "/verdict/failed_step"), "verify");
    assert_true(strlen(text_at(&made, "/verdict/remedy")) > 0);
    assert_int_equal(number_at(&made, "/rollbacks/0/ms"), 1710);
    assert_int_equal(number_at(&made, "/rollbacks/0/cleanup_ms"), 820);
    /* of Caisson only its own folder is left */
    assert_int_equal(yyjson_arr_size(at(&made, "/on_server/stays")), 1);
    assert_string_equal(text_at(&made, "/on_server/stays/0/what"), "evidence");
    size_t i;
    size_t count;
    yyjson_val *deed;
    yyjson_arr_foreach(at(&made, "/deeds"), i, count, deed)
    {
        assert_non_null(yyjson_obj_get(deed, "undone_record"));
    }
    assert_shows(&made, "<html lang=\"zh\">");
    assert_shows(&made, "id=\"zh\" aria-label=\"中文\" checked=\"checked\"");
    assert_shows(&made, "已回退：服务器与升级前一致");
    assert_shows(&made, "升级后的应用未通过检查");
    assert_shows(&made, "is &quot;1233&quot;, expected is &quot;1234&quot;");
    check_references(&made);
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_a_rollback_that_left_something_is_not_one(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_begin(&made.journal, "en");
    sample_assess(&made.journal);
    sample_fence(&made.journal);
    sample_stage(&made.journal);
    sample_add(&made.journal, "rollback-begin", "{\"reason\":\"x\"}");
    sample_add(&made.journal, "rolled-back", "{\"ms\":3}");
    sample_end(&made.journal, "rolled-back", NULL, NULL);
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "unfinished");
    assert_string_equal(text_at(&made, "/verdict/recorded"), "rolled-back");
    assert_int_equal(yyjson_arr_size(at(&made, "/verdict/contradictions")), 4);
    assert_shows(&made, "<section id=\"verdict\" class=\"bad\">");
    assert_hides(&made, "Rolled back: the server is as before");
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_an_upgrade_behind_a_fence_is_not_one(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_begin(&made.journal, "en");
    sample_fence(&made.journal);
    sample_end(&made.journal, "upgraded", NULL, NULL);
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "unfinished");
    assert_string_equal(text_at(&made, "/verdict/contradictions/0/what"), "fence-stands");
    assert_hides(&made, "verdict\" class=\"good\"");
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_stopped(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_stopped(&made.journal, "en");
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "stopped");
    assert_string_equal(text_at(&made, "/verdict/code"), "CSN-A004");
    assert_true(yyjson_is_false(at(&made, "/on_server/touched")));
    assert_int_equal(yyjson_arr_size(at(&made, "/on_server/stays")), 0);
    assert_null(at(&made, "/deeds"));
    assert_shows(&made, "Nothing was written to the server.");
    assert_shows(&made, "Stopped: nothing changed");
    assert_null(at(&made, "/rehearsal"));
    assert_hides(&made, "id=\"safety\"");
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_unfinished(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_unfinished(&made.journal, "en");
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "unfinished");
    assert_string_equal(text_at(&made, "/verdict/in_step"), "switch");
    assert_true(yyjson_is_true(at(&made, "/verdict/fence_stands")));
    assert_true(yyjson_is_false(at(&made, "/verdict/rolling_back")));
    assert_string_equal(text_at(&made, "/steps/7/result"), "open");
    assert_shows(&made, "a person has to act");
    assert_hides(&made, "The old version stands in its place");
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_going_back_after_release(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_upgraded(&made.journal, "en");
    sample_add(&made.journal, "rollback-asked", "{\"after\":\"release\"}");
    struct buffer before = {0};
    struct error error;
    assert_int_equal(report_json(&made.journal, &before, &error), 0);
    assert_non_null(strstr(before.data, "\"result\": \"unfinished\"")); /* the upgrade's own end no longer counts */
    buffer_free(&before);
    sample_add(&made.journal, "snapshot", "{\"id\":\"later\",\"files\":1}");
    sample_add(&made.journal, "work-kept", "{\"snapshot\":\"later\"}");
    sample_add(&made.journal, "work-rows",
               "{\"tables\":[{\"name\":\"public.<i>page\",\"before\":7,\"now\":9}],\"differ\":1,\"not_counted\":3}");
    sample_add(&made.journal, "attachments-back", "{\"restored\":5,\"added\":2,\"added_paths\":[\"srv/new\"]}");
    sample_undo_all(&made.journal, "asked for by the operator", NULL);
    sample_add(&made.journal, "configuration-since", "{\"changed\":1,\"changed_paths\":[\"etc/app/<b>.conf\"]}");
    sample_end(&made.journal, "rolled-back", NULL, NULL);
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "rolled-back");
    assert_string_equal(text_at(&made, "/work_kept/snapshot"), "later");
    assert_string_equal(text_at(&made, "/work_rows/tables/0/name"), "public.<i>page");
    assert_shows(&made, "all of them in that snapshot: 1; tables too large to be counted: 3.");
    assert_shows(&made, "<code><bdi>public.&lt;i&gt;page</bdi></code> 7 \xe2\x86\x92 9");
    assert_string_equal(text_at(&made, "/attachments_back/added_paths/0"), "srv/new");
    assert_string_equal(text_at(&made, "/configuration_since/changed_paths/0"), "etc/app/<b>.conf");
    assert_shows(&made, "some of what people did since stays");
    assert_shows(&made, "edited since the upgrade and stay so: 1.");
    assert_shows(&made, "<code>etc/app/&lt;b&gt;.conf</code>");
    assert_hides(&made, "the server is as before");
    assert_string_not_equal(text_at(&made, "/backup/id"), "later");
    assert_int_equal(yyjson_arr_size(at(&made, "/on_server/stays")), 1);
    assert_shows(&made, "has been undone since");
    assert_string_equal(missing, "");
    drop(&made);
}

static void upgrade_in_place(struct made *made)
{
    begin(made);
    sample_begin(&made->journal, "en");
    sample_safety(&made->journal);
    sample_add(
        &made->journal, "intent",
        "{\"step\":\"stage\",\"deed\":\"in-place\",\"path\":\"/srv/<pg>\",\"snapshot\":\"bac4\",\"bytes\":3000000,"
        "\"estimate_ms\":65000}");
    sample_verify(&made->journal, true);
    sample_release(&made->journal);
    sample_end(&made->journal, "upgraded", NULL, NULL);
}

/* In place: what it costs and how to go back; and, after that, that it came back. */
static void test_a_database_upgraded_in_place(void **state)
{
    (void)state;
    struct made made;
    upgrade_in_place(&made);
    make(&made);
    assert_string_equal(text_at(&made, "/in_place/snapshot"), "bac4");
    assert_shows(&made, "the old one is in the backup alone. Going back restores up to ");
    assert_shows(&made, " from it, snapshot ");
    assert_shows(&made, "No second database was made");
    assert_shows(&made, "&lt;pg&gt;");
    assert_shows(&made, "changed in place");
    assert_hides(&made, "It came back");
    assert_string_equal(missing, "");
    drop(&made);
    upgrade_in_place(&made);
    sample_add(&made.journal, "cluster-back",
               "{\"step\":\"rollback\",\"snapshot\":\"bac4\",\"restored\":7,\"removed\":2,\"ms\":900}");
    sample_undo_all(&made.journal, "asked for by the operator", NULL);
    sample_end(&made.journal, "rolled-back", NULL, NULL);
    make(&made);
    assert_shows(&made, "It came back: from the snapshot 7, removed 2");
    assert_hides(&made, "Going back restores up to");
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_attachments_that_are_lost_are_named(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_upgraded(&made.journal, "en");
    sample_add(&made.journal, "rollback-asked", "{\"after\":\"release\"}");
    sample_add(&made.journal, "attachments-lost",
               "{\"lost\":1,\"lost_paths\":[\"srv/gone\"],\"added\":0,\"added_paths\":[]}");
    sample_undo_all(&made.journal, "asked for by the operator", NULL);
    sample_end(&made.journal, "rolled-back", NULL, NULL);
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "rolled-back");
    assert_string_equal(text_at(&made, "/attachments_lost/lost_paths/0"), "srv/gone");
    assert_shows(&made, "because the run made no backup: 1;");
    assert_shows(&made, "<code>srv/gone</code>");
    assert_shows(&made, "the attachments are not all as before");
    assert_hides(&made, "the server is as before");
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_cut_off_and_resumed(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_unfinished(&made.journal, "en");
    sample_add(&made.journal, "resumed", "{\"step\":\"switch\"}");
    sample_switch(&made.journal);
    make(&made);
    assert_string_equal(text_at(&made, "/steps/7/result"), "cut-off");
    assert_string_equal(text_at(&made, "/steps/8/result"), "done");
    assert_string_equal(text_at(&made, "/interruptions/0/kind"), "resumed");
    assert_string_equal(missing, "");
    drop(&made);
}

/* What the catalogue's remedy promises ("exactly as before") must not be said while the rollback is still to come. */
static void test_no_promise_before_its_time(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_begin(&made.journal, "en");
    sample_fence(&made.journal);
    sample_stage(&made.journal);
    sample_switch(&made.journal);
    sample_verify(&made.journal, false);
    sample_add(&made.journal, "rollback-begin", "{\"reason\":\"x\",\"code\":\"CSN-Q004\"}");
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "unfinished");
    assert_string_equal(text_at(&made, "/verdict/code"), "CSN-Q004");
    assert_string_equal(text_at(&made, "/verdict/remedy"), "");
    assert_true(yyjson_is_true(at(&made, "/verdict/rolling_back")));
    assert_hides(&made, "exactly as it was before");
    assert_hides(&made, "与之前完全一致");
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_forced(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    sample_begin(&made.journal, "en");
    sample_add(&made.journal, "step-begin", "{\"step\":\"rehearse\",\"number\":6}");
    sample_add(&made.journal, "rehearsal", "{\"result\":\"failed\",\"rollback_ms\":5,\"equal_after_rollback\":false}");
    sample_add(
        &made.journal, "step-end",
        "{\"step\":\"rehearse\",\"number\":6,\"result\":\"failed\",\"ms\":5,\"code\":\"CSN-Q002\",\"message\":\"no\"}");
    sample_add(&made.journal, "forced", "{\"step\":\"rehearse\",\"approved_by\":\"Li Lei\"}");
    sample_end(&made.journal, "upgraded", NULL, NULL);
    make(&made);
    assert_string_equal(text_at(&made, "/forced/0/approved_by"), "Li Lei");
    assert_shows(&made, "approved by <bdi>Li Lei</bdi>");
    assert_shows(&made, "does not say that the new version was verified and released");
    assert_hides(&made, "to go back, as rehearsed"); /* it was not shown to be a way back */
    assert_string_equal(missing, "");
    drop(&made);
}

static void test_empty(void **state)
{
    (void)state;
    struct made made;
    begin(&made);
    make(&made);
    assert_string_equal(text_at(&made, "/verdict/result"), "empty");
    assert_shows(&made, "The journal is empty");
    assert_hides(&made, "id=\"sign\"");
    assert_string_equal(missing, "");
    drop(&made);
}

/* --- what may stand in a journal ----------------------------------------------------------------------------------- */

static void test_markup_stays_text(void **state)
{
    (void)state;
    static const char hostile[] = "</code></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;";
    struct made made;
    struct error error;
    begin(&made);
    char fields[1024];
    snprintf(fields, sizeof fields, "{\"host\":\"%s\",\"title\":\"%s\",\"version\":\"%s\",\"disks\":[\"%s\",7]}",
             "</title><script>1</script>", "<b>", "<i onclick='x'>", "<u>");
    sample_add(&made.journal, "run",
               "{\"run\":\"</title><script>\",\"language\":\"en\",\"approved_by\":\"<a href='x'>\"}");
    sample_add(&made.journal, "server", fields);
    assert_int_equal(
        journal_note(&made.journal, &error, "intent", "step", hostile, "deed", hostile, "path", hostile, NULL), 0);
    assert_int_equal(journal_note(&made.journal, &error, "step-begin", "step", hostile, NULL), 0);
    assert_int_equal(journal_note(&made.journal, &error, hostile, hostile, hostile, NULL), 0);
    assert_int_equal(
        journal_note(&made.journal, &error, "run-end", "result", hostile, "code", hostile, "message", hostile, NULL),
        0);
    make(&made);
    assert_hides(&made, "<script");
    assert_hides(&made, "<img");
    assert_hides(&made, "<a href='x'>");
    assert_shows(&made, "&lt;script&gt;alert(1)");
    assert_string_equal(text_at(&made, "/verdict/result"), "unfinished");
    drop(&made);
}

static void test_bytes_that_are_not_text(void **state)
{
    (void)state;
    struct made made;
    struct error error;
    begin(&made);
    sample_begin(&made.journal, "en");
    assert_int_equal(journal_note(&made.journal, &error, "intent", "step", "stage", "deed", "create", "path",
                                  "/srv/a\xFF\n\x01"
                                  "b",
                                  NULL),
                     0);
    assert_int_equal(journal_note(&made.journal, &error, "step-end", "step", "stage", "result", "failed", "message",
                                  "\xE2\x80\xAE"
                                  "gpj.exe\xC2\x85",
                                  NULL),
                     0); /* right-to-left override, next line */
    sample_end(&made.journal, "stopped", "CSN-S003", "broken \xC3( bytes");
    make(&made);
    assert_string_equal(text_at(&made, "/deeds/0/path64"), "L3Nydi9h/woBYg==");
    assert_shows(
        &made,
        "/srv/a<span class=\"odd\">\\xFF</span><span class=\"odd\">\\n</span><span class=\"odd\">\\u{1}</span>b");
    assert_shows(&made, "<span class=\"odd\">\\xC3</span>(");
    assert_hides(&made, "\xE2\x80\xAE");
    drop(&made);
}

/* Fields of other types, numbers out of any range, lists where texts should be: nothing of it ends the report. */
static void test_strange_fields(void **state)
{
    (void)state;
    static const char *const kinds[] = {
        "run",
        "package",
        "server",
        "step-begin",
        "step-end",
        "assessment",
        "inventory",
        "baseline",
        "fence",
        "snapshot",
        "proof",
        "rehearsal",
        "forced",
        "intent",
        "done",
        "undone",
        "plan",
        "merge",
        "migration",
        "written-elsewhere",
        "check",
        "roles-after",
        "released",
        "rollback-asked",
        "work-kept",
        "rollback-begin",
        "work-rows",
        "rolled-back",
        "swept",
        "resumed",
        "attachments-after",
        "run-end",
        "configuration-since",
        "cluster-back",
        "no such kind",
    };
    static const char *const fields[] = {
        "{}",
        "{\"run\":[],\"step\":{},\"ms\":-9223372036854775808,\"number\":18446744073709551615,\"of\":-1,\"result\":7,"
        "\"items\":{},\"findings\":{},\"roles\":7,\"path\":null,\"deed\":[1],\"when\":[],\"cleanup_ms\":1e300,"
        "\"rollback_ms\":9223372036854775807,\"disks\":{},\"from\":\"x\",\"program\":[],\"counts\":[],\"changes\":"
        "\"\"}",
        "{\"items\":[1,null,{\"kind\":\"table\"},{\"kind\":\"table\",\"rows\":-5}],\"when\":\"before\",\"findings\":[7,"
        "{}],"
        "\"roles\":[7,{\"role\":[]}],\"ms\":9223372036854775807,\"cleanup_ms\":9223372036854775807,\"of\":9999999,"
        "\"conflicts\":[{}],\"foreign\":7,\"paths\":[7],\"count_x\":\"12\",\"count_\":5,\"path64\":\"not base64!\","
        "\"disks\":[[],{}],\"from\":[null],\"size_bytes\":-1,\"read_bytes\":-1,\"written_bytes\":18446744073709551615,"
        "\"entries\":-9223372036854775808,\"time\":\"T\"}",
    };
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++) {
        struct made made;
        begin(&made);
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            sample_add(&made.journal, kinds[i], fields[f]);
        }
        make(&made);
        drop(&made);
    }
}

static void test_any_beginning_of_a_run_has_a_report(void **state)
{
    (void)state;
    struct journal whole;
    journal_init(&whole);
    sample_rolled_back(&whole, "en");
    struct made made;
    begin(&made);
    for (size_t i = 0; i < whole.count; i++) {
        yyjson_val *record = journal_record(&whole, i);
        char *line = yyjson_val_write(record, 0, NULL);
        assert_non_null(line);
        char kind[64];
        snprintf(kind, sizeof kind, "%s", journal_get(record, "kind"));
        /* the members behind kind */
        char *rest = strstr(strstr(line, "\"kind\":"), "\",");
        struct buffer fields = {0};
        buffer_format(&fields, "{%s", rest == NULL ? "}" : rest + 2);
        sample_add(&made.journal, kind, fields.data);
        buffer_free(&fields);
        free(line);
        make(&made);
        if (i + 1 < whole.count) {
            assert_string_equal(text_at(&made, "/verdict/result"), "unfinished");
            yyjson_doc_free(made.document);
            buffer_clear(&made.json);
            buffer_clear(&made.html);
        }
    }
    assert_string_equal(text_at(&made, "/verdict/result"), "rolled-back");
    drop(&made);
    journal_free(&whole);
}

static void test_long_lists_are_cut_on_the_page(void **state)
{
    (void)state;
    struct made made;
    struct buffer fields = {0};
    begin(&made);
    sample_begin(&made.journal, "en");
    buffer_string(&fields, "{\"conflicts\":[");
    for (int i = 0; i < 1000; i++) {
        buffer_format(&fields, "%s{\"path\":\"conflict-%04d\",\"answer\":\"vendor\"}", i == 0 ? "" : ",", i);
    }
    buffer_string(&fields, "],\"count_conflict\":100000}");
    sample_add(&made.journal, "merge", fields.data);
    buffer_free(&fields);
    make(&made);
    assert_int_equal(yyjson_arr_size(at(&made, "/site_changes/lists/conflicts")), 1000);
    assert_shows(&made, "<code><bdi>conflict-0099</bdi></code>");
    assert_hides(&made, "<code><bdi>conflict-0100</bdi></code>");
    assert_shows(&made, "99,900 more");
    assert_shows(&made, "more bytes of this record are in the journal");
    drop(&made);
}

/* --- files --------------------------------------------------------------------------------------------------------- */

static void test_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/caisson-report-XXXXXX";
    struct made made;
    struct error error = {0};
    struct buffer text = {0};
    struct stat status;
    assert_non_null(mkdtemp(folder));
    int dir_fd = open(folder, O_RDONLY | O_DIRECTORY);
    begin(&made);
    assert_int_equal(journal_attach(&made.journal, dir_fd, JOURNAL_FILE, "test", &error), 0);
    sample_upgraded(&made.journal, "en");
    make(&made);
    assert_int_equal(report_write(&made.journal, dir_fd, &error), 0);
    assert_int_equal(file_read(dir_fd, REPORT_HTML, 1 << 24, &text, &error), 0);
    assert_int_equal(text.size, made.html.size);
    assert_memory_equal(text.data, made.html.data, text.size);
    buffer_clear(&text);
    assert_int_equal(file_read(dir_fd, REPORT_JSON, 1 << 24, &text, &error), 0);
    assert_memory_equal(text.data, made.json.data, made.json.size);
    /* a name in the way: an error, and the other file is as it was */
    assert_int_equal(unlinkat(dir_fd, REPORT_HTML, 0), 0);
    assert_int_equal(mkdirat(dir_fd, REPORT_HTML, 0700), 0);
    assert_int_equal(report_write(&made.journal, dir_fd, &error), -1);
    assert_non_null(strstr(error.message, REPORT_HTML));
    assert_int_equal(fstatat(dir_fd, REPORT_JSON, &status, 0), 0);
    assert_int_equal(status.st_size, made.json.size);
    buffer_free(&text);
    drop(&made);
    close(dir_fd);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* --- words --------------------------------------------------------------------------------------------------------- */

static void test_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < words_count; i++) {
        const struct words *words = &words_table[i];
        if (__real_words_find(words->key) != words) {
            fail_msg("\"%s\" is in the table twice", words->key);
        }
        for (char digit = '1'; digit <= '9'; digit++) {
            char place[] = {'{', digit, '}', '\0'};
            if ((strstr(words->text[WORDS_EN], place) == NULL) != (strstr(words->text[WORDS_ZH], place) == NULL)) {
                fail_msg("\"%s\" has %s in one language only", words->key, place);
            }
        }
        assert_true(words->text[WORDS_EN][0] != '\0' && words->text[WORDS_ZH][0] != '\0');
    }
    for (size_t i = 0; i < words_code_count; i++) {
        if (error_find(words_codes[i].code) == CSN_NONE) {
            fail_msg("there is no code %s", words_codes[i].code);
        }
        assert_ptr_equal(words_find_code(words_codes[i].code), &words_codes[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upgraded),
        cmocka_unit_test(test_before_and_after),
        cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_rolled_back),
        cmocka_unit_test(test_a_rollback_that_left_something_is_not_one),
        cmocka_unit_test(test_an_upgrade_behind_a_fence_is_not_one),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_unfinished),
        cmocka_unit_test(test_going_back_after_release),
        cmocka_unit_test(test_a_database_upgraded_in_place),
        cmocka_unit_test(test_attachments_that_are_lost_are_named),
        cmocka_unit_test(test_cut_off_and_resumed),
        cmocka_unit_test(test_no_promise_before_its_time),
        cmocka_unit_test(test_forced),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_markup_stays_text),
        cmocka_unit_test(test_bytes_that_are_not_text),
        cmocka_unit_test(test_strange_fields),
        cmocka_unit_test(test_any_beginning_of_a_run_has_a_report),
        cmocka_unit_test(test_long_lists_are_cut_on_the_page),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
