/* Attachments against rows, both ways, merged: a real PostgreSQL sorts the rows, in its encodings and by its collations. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "assess/looking.h"
#include "database/live.h"
#include "target/place.h"

/* What was freed is given back, so that the memory measured is what is held. */
const char *__asan_default_options(void)
{
    return "quarantine_size_mb=1:thread_local_quarantine_size_kb=16";
}

static struct error error;
static struct live live;
static struct profile profile;
static struct query_target database;
static struct assess_attachments counts;
static int root_fd;

static int set_up(void **state)
{
    (void)state;
    static char host[4096];
    live_make(&live);
    snprintf(host, sizeof host, "%s", live_file(&live, "sock"));
    database = (struct query_target){.host = host, .port = live.port, .user = "owner"};
    live_sql(&live, "postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    live_sql(&live, "postgres", "CREATE DATABASE plain ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    live_sql(&live, "wiki", "CREATE TABLE file (path text)");
    live_sql(&live, "wiki", "CREATE SEQUENCE counter");
    live_sql(&live, "latin", "CREATE TABLE file (path text)");
    live_sql(&live, "plain", "CREATE TABLE file (path text)");
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
    live_sql(&live, "wiki", "TRUNCATE file");
    database.database = "wiki";
    profile = (struct profile){.query_attachments = (char *)"SELECT path FROM file"};
    root_fd = open(place_make(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return root_fd < 0 || strings_add(&profile.attachments, "/data", &error) != 0;
}

static int end(void **state)
{
    (void)state;
    close(root_fd);
    strings_free(&profile.attachments);
    assess_attachments_free(&counts);
    place_remove();
    return 0;
}

/* Counts, with this query (NULL: the rows of the table). */
static void count(const char *query)
{
    profile.query_attachments = (char *)(query == NULL ? "SELECT path FROM file" : query);
    assess_attachments_free(&counts);
    if (assess_count_attachments(root_fd, &profile, &database, NULL, &counts, &error) != 0) {
        fail_msg("%s: %s", profile.query_attachments, error.message);
    }
}

static void is_told(const struct strings *examples, const char *expected)
{
    struct buffer text = {0};
    for (size_t i = 0; i < examples->count; i++) {
        buffer_format(&text, "%s|", examples->items[i]);
    }
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
}

static void counted(uint64_t rows, uint64_t duplicates, const char *missing, const char *unknown)
{
    is_told(&counts.missing_examples, missing);
    is_told(&counts.unknown_examples, unknown);
    assert_int_equal(counts.missing, counts.missing_examples.count);
    assert_int_equal(counts.unknown, counts.unknown_examples.count);
    assert_int_equal(counts.rows, rows);
    assert_int_equal(counts.duplicates, duplicates);
}

static void test_both_ways(void **state)
{
    (void)state;
    live_sql(&live, "wiki", "INSERT INTO file VALUES ('a/1'), ('/a/2'), ('a/1'), ('/a/1'), (''), (NULL), ('gone')");
    place_write("data/a/1", "12345");
    place_write("data/a/2", "");
    place_write("data/b/unknown", "x");
    count(NULL);
    assert_int_equal(counts.files, 3);
    assert_int_equal(counts.bytes, 6);
    counted(3, 2, "gone|", "b/unknown|");

    live_sql(&live, "wiki", "TRUNCATE file");
    count(NULL);
    counted(0, 0, "", "a/1|a/2|b/unknown|"); /* asked, and there is none */
    database.host = NULL;
    count(NULL);
    counted(0, 0, "", "");
    assert_int_equal(counts.files, 3);
    database.host = live_file(&live, "sock");
}

/* What is no regular file: a row may name a link that leads to one; everything else is not there, and nothing of it is unknown. */
static void test_what_is_no_file(void **state)
{
    (void)state;
    live_sql(&live, "wiki",
             "INSERT INTO file VALUES ('folder'), ('link'), ('dangling'), ('through/1'), ('pipe'), ('folder/1/x'), "
             "('../outside'), ('folder/../folder/1'), ('folder/1/'), ('/'), ('.'), ('escape')");
    place_write("data/folder/1", "x");
    place_write("outside", "x");
    place_link("data/link", "folder/1");
    place_link("data/escape", "/outside"); /* the server's own root; check_links says that it is not saved */
    place_link("data/dangling", "nowhere");
    place_link("data/through", "/data/folder");
    place_run("mkfifo data/pipe");
    count(NULL);
    assert_int_equal(counts.files, 1);
    counted(12, 0, ".|.|../outside|dangling|folder|folder/../folder/1|folder/1/|folder/1/x|pipe|", "folder/1|");
}

/* By bytes '!' and '-' come before '/' and '.' before digits; a person's collation sees none of them. */
static const char *const names[] = {"a/b",
                                    "a/-",
                                    "a/.x",
                                    "a!b",
                                    "a-b",
                                    "a.b",
                                    "a b",
                                    "a0",
                                    "ab",
                                    "A/z",
                                    "B",
                                    "b",
                                    "e/\xc3\xa9",
                                    "\xc3\xa9/e",
                                    "\xe7\x8e\x8b",
                                    "\x01",
                                    "n\nl",
                                    "q'q",
                                    "back\\s",
                                    "p%s",
                                    "\\057",
                                    "\\000",
                                    "d/e/f",
                                    "d/e-f",
                                    "d-e/f",
                                    "\xf0\x9f\x93\x8e",
                                    "\x7f",
                                    "z/\\",
                                    "-",
                                    ".hidden"};

static void insert_names(const char *in)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buffer sql = {0};
        buffer_string(&sql, "INSERT INTO file VALUES (");
        query_append_literal(&sql, names[i]);
        buffer_string(&sql, ")");
        live_sql(&live, in, buffer_text(&sql));
        buffer_free(&sql);
    }
}

static void write_names(void)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "data/%s", names[i]);
        place_write(path, "x");
    }
}

static void test_the_order_is_that_of_bytes(void **state)
{
    (void)state;
    const size_t all = sizeof names / sizeof names[0];
    live_sql(&live, "postgres", "DROP DATABASE IF EXISTS people");
    live_sql(&live, "postgres",
             "CREATE DATABASE people LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8' ENCODING 'UTF8' "
             "TEMPLATE template0");
    live_sql(&live, "people", "CREATE TABLE file (path text)");
    insert_names("people");
    write_names();
    database.database = "people";
    count(NULL);
    counted(all, 0, "", "");
    assert_int_equal(counts.files, all);
    count("SELECT path FROM file ORDER BY path DESC");
    counted(all, 0, "", "");
    /* Each alone is seen, wherever it stands in the order. */
    live_sql(&live, "people", "TRUNCATE file");
    count(NULL);
    assert_int_equal(counts.unknown, all);
    insert_names("people");
    place_run("rm -r data && mkdir data");
    count(NULL);
    assert_int_equal(counts.missing, all);
    assert_string_equal(counts.missing_examples.items[0], "\x01");
    live_sql(&live, "people", "UPDATE file SET path = path || '.x'");
    write_names();
    count(NULL);
    assert_int_equal(counts.missing, all);
    assert_int_equal(counts.unknown, all);
}

/* A row's text is taken as UTF-8, whatever the database keeps it in; bytea, and what a database without encoding holds, as it is. */
static void test_encodings(void **state)
{
    (void)state;
    place_write("data/h\xc3\xa4"
                "fen",
                "UTF-8");
    place_write("data/k\xe4se", "Latin-1");
    place_write("data/kz", "");
    live_sql(&live, "latin", "INSERT INTO file VALUES ('h' || chr(228) || 'fen'), ('k' || chr(228) || 'se'), ('kz')");
    database.database = "latin";
    count(NULL);
    counted(3, 0, "k\xc3\xa4se|", "k\xe4se|");
    count("SELECT convert_to(path, 'LATIN1') FROM file");
    counted(3, 0,
            "h\xe4"
            "fen|",
            "h\xc3\xa4"
            "fen|");
    database.database = "wiki";
    count("SELECT convert_to('h' || chr(228) || 'fen', 'UTF8') UNION ALL SELECT convert_to('k' || chr(228) || 'se', "
          "'LATIN1') UNION ALL SELECT 'kz' UNION ALL SELECT 'a\\000b' UNION ALL SELECT ''");
    counted(4, 0, "a/b/..|", ""); /* a NUL is in no path, and does not pass for a slash */
    live_sql(&live, "plain", "INSERT INTO file VALUES (convert_from('\\x6be47365', 'SQL_ASCII')), ('kz')");
    database.database = "plain";
    count(NULL);
    counted(2, 0, "",
            "h\xc3\xa4"
            "fen|");
}

static void test_forms_of_paths(void **state)
{
    (void)state;
    place_write("data/a/1", "");
    place_write("data/a/2", "");
    place_write("data/a/3", "");
    place_write("data/data/a/4", "");
    live_sql(&live, "wiki",
             "INSERT INTO file VALUES ('./a/1'), ('a//2'), ('//a/././3'), ('./a/./1'), ('/./a/1'), ('/data/a/4'), "
             "('data/a/4'), ('/data//a/3'), ('/datamore')");
    count(NULL);
    /* The row '/data/a/4' is meant below the folder /data, as it says. */
    counted(7, 2, "a/4|datamore|", "");
}

/* Below whichever folder has it; an absolute row below the one that it names, by its own name or where that leads. */
static void test_several_folders(void **state)
{
    (void)state;
    strings_free(&profile.attachments);
    static const char *const paths[] = {"/data/", "/more", "/none", "/linked", "/data/inner", "/it's \\ b\xc3\xb6se"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(strings_add(&profile.attachments, paths[i], &error), 0);
    }
    place_write("data/both", "");
    place_write("data/one", "");
    place_write("data/inner/x", "");
    place_write("more/both", "");
    place_write("more/two", "");
    place_write("real/three", "");
    place_write("real/four", "");
    place_write("it's \\ b\xc3\xb6se/five", "");
    place_link("linked", "real");
    live_sql(&live, "wiki",
             "INSERT INTO file VALUES ('both'), ('/more/two'), ('/data/one'), ('/linked/three'), ('/real/four'), "
             "('/data/inner/x'), (E'/it''s \\\\ b\\u00f6se/five')");
    count(NULL);
    assert_int_equal(counts.files, 8); /* that of the folder in the folder counts once */
    counted(7, 0, "", "");
    live_sql(&live, "wiki",
             "TRUNCATE file; INSERT INTO file VALUES ('/more/both'), ('/data/two'), ('three'), ('five'), ('/none/x'), "
             "('inner/x'), ('/data/inner/y'), ('/more/both')");
    count(NULL);
    counted(7, 1, "/data/inner/y|none/x|/data/two|", "/data/both|/real/four|/data/one|/more/two|");
}

static void test_queries_that_can_be_taken(void **state)
{
    (void)state;
    place_write("data/a", "");
    place_write("data/b", "");
    live_sql(&live, "wiki", "INSERT INTO file VALUES ('a'), ('b')");
    static const char *const queries[] = {
        "SELECT path FROM file;",
        "-- of file\nSELECT path FROM file ; -- all",
        "SELECT path FROM file -- all",
        "/* ; */ SELECT path FROM file /* ; ' */ ;;",
        "SELECT path FROM file ORDER BY path DESC",
        "SELECT path, path AS caisson, 'caisson_rows' AS path FROM file",
        "WITH chosen AS (SELECT path FROM file) SELECT * FROM chosen",
        "SELECT 'a' UNION ALL SELECT path FROM file WHERE path <> 'a'",
        "VALUES ('a'), ('b')",
        "TABLE file",
        "SELECT path::varchar(9) FROM file",
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        count(queries[i]);
        counted(2, 0, "", "");
    }
}

static void refused(const char *query, enum error_code code, const char *words)
{
    profile.query_attachments = (char *)query;
    error = (struct error){0};
    assess_attachments_free(&counts);
    assert_int_equal(assess_count_attachments(root_fd, &profile, &database, NULL, &counts, &error), -1);
    assert_string_equal(error_entry(error.code)->code, error_entry(code)->code);
    if (strstr(error.message, words) == NULL || strstr(error.message, "[queries] attachments") == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    }
}

static void test_queries_that_are_refused(void **state)
{
    (void)state;
    place_write("data/a", "");
    live_sql(&live, "wiki", "INSERT INTO file VALUES ('a')");
    refused("SELECT path FROM file; DELETE FROM file", CSN_TARGET_PROFILE, "must be one SELECT");
    refused("", CSN_TARGET_PROFILE, "must be one SELECT");
    refused("SELECT 'a", CSN_TARGET_PROFILE, "must be one SELECT");
    refused("DELETE FROM file RETURNING path", CSN_DATABASE_QUERY, "SELECT ... FROM (query)");
    refused("WITH gone AS (DELETE FROM file RETURNING path) SELECT path FROM gone", CSN_DATABASE_QUERY, "WITH");
    refused("SHOW search_path", CSN_DATABASE_QUERY, "syntax error");
    refused("SELECT path FROM file FOR UPDATE", CSN_DATABASE_QUERY, "read-only");
    refused("SELECT nothing FROM file", CSN_DATABASE_QUERY, "nothing");
    refused("SELECT FROM file", CSN_DATABASE_QUERY, "SELECT ... FROM (query)");
    refused("SELECT path || (1 / (length(path) - 1)) FROM file", CSN_DATABASE_QUERY, "division by zero");
    refused("SELECT path FROM file WHERE nextval('counter') > 0", CSN_DATABASE_QUERY, "read-only");
    count(NULL);
    counted(1, 0, "", "");
}

/* More than a hundred of both: the counts are whole. A path longer than the kernel takes is not there. */
static void test_examples_are_the_first(void **state)
{
    (void)state;
    place_run("mkdir data && cd data && seq -f 'file-%04g' 150 | xargs touch");
    live_sql(&live, "wiki", "INSERT INTO file SELECT 'row-' || n FROM generate_series(1000, 1149) n");
    live_sql(&live, "wiki", "INSERT INTO file VALUES (repeat('long/', 2000) || 'x'), (repeat('n', 300))");
    count(NULL);
    assert_int_equal(counts.missing, 152);
    assert_int_equal(counts.unknown, 150);
    assert_int_equal(counts.missing_examples.count, 100);
    assert_int_equal(counts.unknown_examples.count, 100);
    assert_string_equal(counts.unknown_examples.items[99], "file-0100");
    assert_string_equal(counts.missing_examples.items[2], "row-1000");
}

static void test_findings(void **state)
{
    (void)state;
    struct target target = {.profile = &profile, .root_fd = root_fd};
    struct assessment assessment = {0};
    const struct assess_subject subject = {.target = &target, .database = &database};
    struct looking looking = {.subject = &subject, .assessment = &assessment, .check = "attachments"};
    place_write("data/a", "12345");
    place_write("data/b", "");
    live_sql(&live, "wiki", "INSERT INTO file VALUES ('a'), ('a'), ('gone')");
    assert_int_equal(check_attachments(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 2);
    assert_string_equal(assessment.findings[0].check, "attachments-missing");
    assert_string_equal(assessment.findings[0].what, "1 of 2 rows have no file, the first is gone");
    assert_int_equal(assessment.findings[0].severity, FINDING_WARNING);
    assert_string_equal(assessment.findings[1].what, "1 of 2 files belong to no row, the first is b");
    assert_int_equal(assessment.findings[1].severity, FINDING_REMARK);
    assert_int_equal(assessment.attachment_files, 2);
    assert_int_equal(assessment.attachment_bytes, 5);
    assert_int_equal(assessment.attachment_rows, 2);
    assess_free(&assessment);
    looking.check = "attachments";
    profile.query_attachments = (char *)"SELECT nothing";
    assert_int_equal(check_attachments(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 1);
    assert_int_equal(assessment.findings[0].severity, FINDING_BLOCKER);
    assert_int_equal(assessment.findings[0].code, CSN_DATABASE_QUERY);
    assess_free(&assessment);
}

#define MANY 300000
#define BOUND_BYTES ((uint64_t)4 << 20)

static uint64_t most_bytes(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

/* Neither the rows nor the tree are held: what the paths alone would need is several times the bound. */
static void test_memory_is_bounded(void **state)
{
    (void)state;
    char folder[] = "/dev/shm/caisson-attachments-XXXXXX";
    char script[4096];
    static const char path[] = "to_char(n / 1000, 'FM000') || '/an-attachment-with-a-name-of-some-length-' || n";
    if (mkdtemp(folder) == NULL) {
        snprintf(folder, sizeof folder, "/tmp/caisson-attachments-XXXXXX");
        assert_non_null(mkdtemp(folder));
    }
    snprintf(
        script, sizeof script,
        "perl -e 'for $n (0 .. %d - 1) { $f = sprintf(\"%s/data/%%03d\", $n / 1000); $n %% 1000 or system(\"mkdir\", "
        "\"-p\", $f); open F, \">\", \"$f/an-attachment-with-a-name-of-some-length-$n\" or die }'",
        MANY, folder);
    place_run(script);
    close(root_fd);
    root_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(root_fd >= 0);
    live_sql(&live, "wiki", "INSERT INTO file VALUES ('gone')");
    snprintf(script, sizeof script, "INSERT INTO file SELECT %s FROM generate_series(1, %d) n ORDER BY md5(n::text)",
             path, MANY);
    count("SELECT 'x'"); /* what a walk and a connection take at all */
    assert_int_equal(counts.unknown, MANY);
    live_sql(&live, "wiki", script);
    uint64_t before = most_bytes();
    count(NULL);
    uint64_t grown = most_bytes() - before;
    snprintf(script, sizeof script, "rm -rf %s", folder);
    place_run(script);
    assert_int_equal(counts.rows, MANY + 1);
    assert_int_equal(counts.files, MANY);
    assert_int_equal(counts.missing, 2);
    assert_int_equal(counts.unknown, 1);
    print_message("%d rows and files: %llu KiB more than none\n", MANY, (unsigned long long)grown / 1024);
    assert_true(grown < BOUND_BYTES);
    assert_true(BOUND_BYTES * 3 <
                (uint64_t)MANY * (sizeof(char *) + sizeof "000/an-attachment-with-a-name-of-some-length-"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_both_ways, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_no_file, begin, end),
        cmocka_unit_test_setup_teardown(test_the_order_is_that_of_bytes, begin, end),
        cmocka_unit_test_setup_teardown(test_encodings, begin, end),
        cmocka_unit_test_setup_teardown(test_forms_of_paths, begin, end),
        cmocka_unit_test_setup_teardown(test_several_folders, begin, end),
        cmocka_unit_test_setup_teardown(test_queries_that_can_be_taken, begin, end),
        cmocka_unit_test_setup_teardown(test_queries_that_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(test_examples_are_the_first, begin, end),
        cmocka_unit_test_setup_teardown(test_findings, begin, end),
        cmocka_unit_test_setup_teardown(test_memory_is_bounded, begin, end),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
