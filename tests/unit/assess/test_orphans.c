/* Rows whose owner is gone: asked of a real PostgreSQL, found, written down, compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "assess/looking.h"
#include "database/live.h"
#include "lib/json.h"

static struct error error;
static struct live live;
static struct profile_orphans asked[2];
static struct profile profile;
static struct query_target database;
static struct target target;
static struct assessment assessment;
static struct assess_subject subject;
static struct looking looking;

static int set_up(void **state)
{
    (void)state;
    static char host[4096];
    live_make(&live);
    snprintf(host, sizeof host, "%s", live_file(&live, "sock"));
    database = (struct query_target){.host = host, .port = live.port, .user = "owner", .database = "wiki"};
    live_sql(&live, "wiki", "CREATE TABLE page (id int, title text)");
    live_sql(&live, "wiki", "CREATE TABLE revision (id int, page int)");
    live_sql(&live, "wiki", "CREATE SEQUENCE counter");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_remove(&live);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    live_sql(&live, "wiki",
             "TRUNCATE page, revision; INSERT INTO page VALUES (1, 'one'), (2, NULL); "
             "INSERT INTO revision SELECT n, n % 4 FROM generate_series(1, 100) n");
    asked[0] = (struct profile_orphans){
        (char *)"revisions", (char *)"revisions of no page",
        (char
             *)"SELECT id FROM revision r WHERE NOT EXISTS (SELECT FROM page p WHERE p.id = r.page) ORDER BY id DESC;"};
    asked[1] = (struct profile_orphans){(char *)"untitled", (char *)"untitled",
                                        (char *)"SELECT title, id FROM page WHERE title IS NULL"};
    profile = (struct profile){.orphans = asked, .orphan_count = 2};
    target = (struct target){.profile = &profile, .root_fd = -1};
    assessment = (struct assessment){0};
    subject = (struct assess_subject){.target = &target, .database = &database};
    looking = (struct looking){.subject = &subject, .assessment = &assessment, .check = "orphans"};
    return 0;
}

static int end(void **state)
{
    (void)state;
    assess_free(&assessment);
    return 0;
}

static void test_they_are_counted(void **state)
{
    (void)state;
    assert_int_equal(check_orphans(&looking, &error), 0);
    assert_int_equal(assessment.orphans.count, 2);
    assert_int_equal(assessment.orphans.items[0].count, 50);
    assert_int_equal(assessment.orphans.items[0].examples.count, ORPHANS_EXAMPLES);
    assert_string_equal(assessment.orphans.items[0].examples.items[0], "100");
    assert_int_equal(assessment.orphans.items[1].count, 1);
    assert_string_equal(assessment.orphans.items[1].examples.items[0], "NULL");
    assert_int_equal(assessment.finding_count, 2);
    assert_int_equal(assessment.findings[0].severity, FINDING_REMARK);
    assert_string_equal(assessment.findings[0].what,
                        "50 rows are orphans by [orphans revisions] (revisions of no page), the first is 100");
    assert_int_equal(assess_judge(&assessment, &error), 0);
}

static void test_none_is_no_finding(void **state)
{
    (void)state;
    live_sql(&live, "wiki", "DELETE FROM revision; DELETE FROM page");
    assert_int_equal(check_orphans(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    assert_int_equal(assessment.orphans.count, 2); /* asked, and none: verify compares with that */
    assess_free(&assessment);
    subject.database = NULL;
    assert_int_equal(check_orphans(&looking, &error), 0);
    assert_int_equal(assessment.orphans.count, 0);
}

static void refused(const char *sql, enum error_code code, const char *words)
{
    asked[1].sql = (char *)sql;
    assert_int_equal(check_orphans(&looking, &error), 0);
    const struct finding *last = &assessment.findings[assessment.finding_count - 1];
    assert_int_equal(last->severity, FINDING_BLOCKER);
    assert_string_equal(error_entry(last->code)->code, error_entry(code)->code);
    if (strstr(last->what, words) == NULL || strstr(last->what, "[orphans untitled]") == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", last->what, words);
    }
    assess_free(&assessment);
}

static void test_what_cannot_be_asked_stops(void **state)
{
    (void)state;
    refused("SELECT nothing", CSN_DATABASE_QUERY, "nothing");
    refused("SELECT FROM page", CSN_TARGET_PROFILE, "without a column");
    refused("SELECT 1; SELECT 2", CSN_DATABASE_QUERY, "multiple commands");
    refused("DELETE FROM page RETURNING id", CSN_DATABASE_QUERY, "read-only");
    refused("SELECT nextval('counter')", CSN_DATABASE_QUERY, "read-only");
    refused("COPY page TO STDOUT", CSN_DATABASE_QUERY, "copy");
}

/* Long, of several bytes a character, of no encoding: cut, written down, and read again. */
static void test_hostile_examples(void **state)
{
    (void)state;
    asked[0].sql = (char *)"SELECT repeat('x', 199) || repeat(chr(29579), 1000)";
    asked[1].sql = (char *)"SELECT '<b>' || chr(8238) || E'\\n\"' UNION ALL SELECT repeat('long', 1000000)";
    assert_int_equal(check_orphans(&looking, &error), 0);
    assert_int_equal(strlen(assessment.orphans.items[0].examples.items[0]), 199);
    assert_int_equal(strlen(assessment.orphans.items[1].examples.items[1]), 200);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_doc_set_root(document, orphans_to_json(&assessment.orphans, document));
    struct buffer line = {0};
    assert_int_equal(json_append_line(&line, document, &error), 0);
    assert_non_null(strstr(buffer_text(&line), "\"count\":2,\"examples\":[{\"row\":\"<b>"));
    buffer_free(&line);
    yyjson_mut_doc_free(document);
}

/* What was found now, against this text of the journal's. */
static int compared_with(const char *before)
{
    yyjson_doc *document = yyjson_read(before, strlen(before), 0);
    assert_non_null(document);
    error = (struct error){0};
    int result = orphans_compare(yyjson_doc_get_root(document), &assessment.orphans, &error);
    yyjson_doc_free(document);
    return result;
}

static void test_more_than_before_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(check_orphans(&looking, &error), 0);
    assert_int_equal(assessment.orphans.items[0].count, 50);
    assert_int_equal(compared_with("[{\"name\":\"untitled\",\"count\":1},{\"name\":\"revisions\",\"count\":50}]"), 0);
    assert_int_equal(compared_with("[{\"name\":\"untitled\",\"count\":9},{\"name\":\"revisions\",\"count\":60}]"), 0);
    assert_int_equal(compared_with("[{\"name\":\"another\",\"count\":0}]"), 0);
    assert_int_equal(compared_with("[{\"name\":\"untitled\",\"count\":1},{\"name\":\"revisions\",\"count\":49}]"), -1);
    assert_int_equal(error.code, CSN_SEQUENCE_VERIFY);
    assert_string_equal(error.message,
                        "50 rows are orphans by [orphans revisions] (revisions of no page), 49 before the "
                        "upgrade; the first is 100");
    assert_int_equal(compared_with("[{\"name\":\"untitled\",\"count\":0}]"), -1);
}

/* The columns of MediaWiki's tables that its profile asks for, the same in 1.39 and 1.43; a wiki in order, then what is broken. */
static void test_the_profile_of_mediawiki(void **state)
{
    (void)state;
    struct profile wiki;
    if (profile_load(&wiki, "rootfs/profiles/mediawiki.profile", &error) != 0) {
        fail_msg("%s", error.message);
    }
    live_sql(&live, "wiki",
             "CREATE SCHEMA mediawiki; SET search_path = mediawiki; "
             "CREATE TABLE page (page_id serial, page_title text); CREATE TABLE archive (ar_rev_id int); "
             "CREATE TABLE revision (rev_id bigserial, rev_page int); "
             "CREATE TABLE slots (slot_revision_id bigint, slot_content_id bigint); "
             "CREATE TABLE content (content_id bigint, content_address text); "
             "CREATE TABLE text (old_id serial, old_text text); "
             "CREATE TABLE \"user\" (user_id serial, user_name text); "
             "CREATE TABLE user_groups (ug_user int, ug_group text); "
             "INSERT INTO page (page_title) VALUES ('Main'); INSERT INTO revision (rev_page) VALUES (1), (1); "
             "INSERT INTO archive VALUES (3); INSERT INTO slots VALUES (1, 1), (2, 2), (3, 3); "
             "INSERT INTO text (old_text) VALUES ('a'), ('b'), ('c'); "
             "INSERT INTO content VALUES (1, 'tt:1'), (2, 'tt:2?flags=utf-8'), (3, 'tt:3'), (4, 'es:DB://x/1'); "
             "INSERT INTO \"user\" (user_name) VALUES ('Wang Fang'); INSERT INTO user_groups VALUES (1, 'sysop')");
    target.profile = &wiki;
    assert_int_equal(check_orphans(&looking, &error), 0);
    assert_int_equal(assessment.orphans.count, 4);
    assert_int_equal(assessment.finding_count, 0);
    assess_free(&assessment);
    live_sql(&live, "wiki",
             "SET search_path = mediawiki; DELETE FROM page; DELETE FROM archive; DELETE FROM text WHERE old_id = 2; "
             "INSERT INTO user_groups VALUES (7, 'bot')");
    static const char *const first[] = {"1", "3", "tt:2?flags=utf-8", "7 bot"};
    static const uint64_t many[] = {2, 1, 1, 1};
    assert_int_equal(check_orphans(&looking, &error), 0);
    assert_int_equal(assessment.orphans.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(assessment.orphans.items[i].count, many[i]);
        assert_string_equal(assessment.orphans.items[i].examples.items[0], first[i]);
    }
    assess_free(&assessment);
    profile_free(&wiki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_they_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(test_none_is_no_finding, begin, end),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_asked_stops, begin, end),
        cmocka_unit_test_setup_teardown(test_hostile_examples, begin, end),
        cmocka_unit_test_setup_teardown(test_more_than_before_is_an_error, begin, end),
        cmocka_unit_test_setup_teardown(test_the_profile_of_mediawiki, begin, end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
