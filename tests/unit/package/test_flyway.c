/* Flyway's folders: versions, names, checksums, settings, placeholders, and what is refused with file and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "package/package_flyway.h"
#include "package/package_index.h"
#include "package/package_sql.h"

static char folder[] = "/tmp/caisson-flyway-XXXXXX";
static struct ini ini;
static struct error error;

static void put(const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void take_away(const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(unlink(path), 0);
}

static void versions(void **state)
{
    static const char *const order[] = {"0",   "0.1",  "1", "1.0.1",      "1.2",
                                        "1.9", "1.10", "2", "20240101.1", "100000000000000000000"};
    static const char *const same[][2] = {{"1", "1.0"},   {"1.0.0", "1"}, {"01.002", "1.2"},
                                          {"1_2", "1.2"}, {"0.0", "0"},   {"0_1", "0.1"},
                                          {"00", "0"},    {"10.0", "10"}, {"1.0.1", "1_0_1"}};
    static const char *const bad[] = {"", ".", "1.", ".1", "1..2", "1a", "a", "1-2", "1__2", " 1"};
    struct buffer one = {0};
    struct buffer other = {0};
    (void)state;
    for (size_t i = 0; i + 1 < sizeof order / sizeof order[0]; i++) {
        buffer_clear(&one);
        buffer_clear(&other);
        assert_true(flyway_version_parts(order[i], strlen(order[i]), &one));
        assert_true(flyway_version_parts(order[i + 1], strlen(order[i + 1]), &other));
        if (flyway_parts_compare(one.data, other.data) >= 0 || flyway_parts_compare(other.data, one.data) <= 0 ||
            flyway_parts_compare(one.data, one.data) != 0) {
            fail_msg("%s and %s", order[i], order[i + 1]);
        }
    }
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        buffer_clear(&one);
        buffer_clear(&other);
        assert_true(flyway_version_parts(same[i][0], strlen(same[i][0]), &one));
        assert_true(flyway_version_parts(same[i][1], strlen(same[i][1]), &other));
        assert_string_equal(one.data, other.data);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        buffer_clear(&one);
        if (flyway_version_parts(bad[i], strlen(bad[i]), &one)) {
            fail_msg("\"%s\" was taken", bad[i]);
        }
    }
    buffer_free(&one);
    buffer_free(&other);
}

static void checksums(void **state)
{
    (void)state;
    /* The check value of CRC-32 (ISO 3309): of "123456789" it is 0xcbf43926. */
    assert_int_equal(flyway_checksum("123456789", 9), (int32_t)0xcbf43926);
    assert_int_equal(flyway_checksum("123\n456\r\n78\r9\n", 13), (int32_t)0xcbf43926);
    assert_int_equal(flyway_checksum("", 0), 0);
    assert_int_equal(flyway_checksum("\r\n\n", 3), 0);
}

static void order_and_names(void **state)
{
    struct flyway_folder read;
    struct strings notes = {0};
    (void)state;
    put("V1__First.sql", "SELECT 1;");
    put("V1_10__Tenth_one.sql", "SELECT ${a.b};\n");
    put("V1.9__Ninth.sql", "\xef\xbb\xbf-- flyway:executeInTransaction = false\r\nSELECT 1;");
    put("sub/V2__In_sub.sql", "VACUUM; /* twice */ vacuum full page;");
    put("R__b.sql", "SELECT 1");
    put("R__A_view.sql", "SELECT '${A.B}'");
    put("U1__First.sql", "DROP everything");
    put("B5__Base.sql", "");
    put("README", "");
    put("V3__Plain.sql", "SELECT '${none}'");
    put("V3__Plain.sql.conf", "# not replaced\n\nplaceholderReplacement = false\nencoding=UTF-8\n");
    if (flyway_folder_read(&read, folder, &ini, &notes, &error) != 0) {
        fail_msg("%s", error.message);
    }
    static const struct {
        const char *path, *version, *description, *text;
        bool transaction;
    } wanted[] = {
        {"V1__First.sql", "1", "First", "SELECT 1;", true},
        {"V1.9__Ninth.sql", "1.9", "Ninth", "-- flyway:executeInTransaction = false\r\nSELECT 1;", false},
        {"V1_10__Tenth_one.sql", "1.10", "Tenth one", "SELECT 47;\n", true},
        {"sub/V2__In_sub.sql", "2", "In sub", "VACUUM; /* twice */ vacuum full page;", false},
        {"V3__Plain.sql", "3", "Plain", "SELECT '${none}'", true},
        {"R__A_view.sql", NULL, "A view", "SELECT '47'", true},
        {"R__b.sql", NULL, "b", "SELECT 1", true},
    };
    assert_int_equal(read.count, sizeof wanted / sizeof wanted[0]);
    for (size_t i = 0; i < read.count; i++) {
        const struct flyway_script *script = &read.scripts[i];
        assert_string_equal(script->path, wanted[i].path);
        assert_true((script->version == NULL) == (wanted[i].version == NULL));
        assert_string_equal(script->version == NULL ? "" : script->version,
                            wanted[i].version == NULL ? "" : wanted[i].version);
        assert_string_equal(script->description, wanted[i].description);
        assert_string_equal(buffer_text(&script->text), wanted[i].text);
        assert_int_equal(script->transaction, wanted[i].transaction);
    }
    /* Of a versioned script the file's, of a repeatable one that of what is run. */
    assert_int_equal(read.scripts[2].checksum, flyway_checksum("SELECT ${a.b};", 14));
    assert_int_equal(read.scripts[5].checksum, flyway_checksum("SELECT '47'", 11));
    assert_int_equal(notes.count, 3);
    flyway_folder_free(&read);
    strings_free(&notes);
}

static void refusals(void **state)
{
    static const struct {
        const char *name, *text;
        const char *why;
    } cases[] = {
        {"V1.0__Again.sql", "", "are of the same version"},
        {"R__A view.sql", "", "are of the same description"},
        {"V7_Seven.sql", "", "not of the form"},
        {"V7Seven.sql", "", "not of the form"},
        {"V7__.sql", "", "not of the form"},
        {"V7-1__x.sql", "", "not of numbers"},
        {"v7__x.sql", "", "is no migration by its name"},
        {"afterMigrate.sql", "", "callbacks are not run here"},
        {"V7__a\\b.sql", "", "control character"},
        {"V7__x.sql", "SELECT 1;\nSELECT '${nobody}';",
         "V7__x.sql, line 2: [flyway-placeholders] says nothing of the placeholder ${nobody}"},
        {"V7__x.sql", "SELECT ${a.b}, '${flyway:timestamp}'", "${flyway:timestamp}"},
        {"V7__x.sql", "SELECT 1;\n\nSELECT '${a.b",
         "line 3: [flyway-placeholders] says nothing of the placeholder ${a.b, which is never closed"},
        {"V7__x.sql", "SELECT 1;\n\\i other.sql\n", "V7__x.sql, line 2: a command of psql"},
        {"V7__x.sql", "SELECT 1;\nSELECT 'a", "line 2: a quote that is never closed"},
        {"V7__x.sql", "SELECT 1;\nCOPY page (id) FROM stdin;\n1\n\\.\n", "line 2: COPY FROM STDIN"},
        {"V7__x.sql", "BEGIN;\nSELECT 1;\nCOMMIT;", "line 1: it begins or ends a transaction"},
        {"V7__x.sql", "SELECT 1;\nCREATE UNIQUE INDEX CONCURRENTLY a ON b (c);",
         "line 2: it cannot run in a transaction, and stands beside"},
        {"V7__x.sql", "-- flyway:executeInTransaction=true\nVACUUM;", "line 2: it cannot run in a transaction"},
        {"V7__x.sql", "SELECT 1;\n--flyway:shouldExecute=false\n",
         "V7__x.sql, line 2: the setting shouldExecute = false of a script is not known"},
        {"V7__x.sql", "-- flyway:executeInTransaction=perhaps\n", "executeInTransaction = perhaps"},
        {"V7__x.sql", "SELECT '\xff'", "is not UTF-8"},
        {"V1__First.sql.conf", "encoding=ISO_8859_1\n",
         "V1__First.sql.conf, line 1: the setting encoding = ISO_8859_1"},
        {"V1__First.sql.conf", "# x\nnonsense\n", "V1__First.sql.conf, line 2: expected is key=value"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct flyway_folder read;
        struct strings notes = {0};
        put(cases[i].name, cases[i].text);
        error = (struct error){0};
        if (flyway_folder_read(&read, folder, &ini, &notes, &error) == 0) {
            fail_msg("%s was taken: %s", cases[i].name, cases[i].text);
        }
        if (error.code != CSN_PACKAGE_INPUT || strstr(error.message, cases[i].why) == NULL) {
            fail_msg("%s (%s)", error.message, cases[i].why);
        }
        flyway_folder_free(&read);
        strings_free(&notes);
        take_away(cases[i].name);
    }
}

/* The rest of what is said of SQL; quotes, comments and bodies of functions are no statements. */
static void sql(void **state)
{
    static const struct {
        const char *text;
        enum package_sql_transaction wanted;
        const char *why; /* NULL: good */
    } cases[] = {
        {"SAVEPOINT a; ROLLBACK TO a; ROLLBACK WORK TO SAVEPOINT a;", PACKAGE_SQL_IN_ONE, NULL},
        {"DO $$ BEGIN PERFORM 1; END $$; CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;",
         PACKAGE_SQL_IN_ONE, NULL},
        {"SELECT 'vacuum'; -- COMMIT\nSELECT 1", PACKAGE_SQL_IN_ONE, NULL},
        {"COPY a FROM '/x/stdlist'; CREATE INDEX a ON b (c); REFRESH MATERIALIZED VIEW CONCURRENTLY a",
         PACKAGE_SQL_IN_ONE, NULL},
        {"VACUUM; SELECT 1; CREATE INDEX CONCURRENTLY a ON b (c)", PACKAGE_SQL_NONE, NULL},
        {"/* a */ commit /* b */", PACKAGE_SQL_IN_ONE, "transaction"},
        {"SELECT 1; END", PACKAGE_SQL_IN_ONE, "transaction"},
        {"ROLLBACK", PACKAGE_SQL_IN_ONE, "transaction"},
        {"ABORT", PACKAGE_SQL_IN_ONE, "transaction"},
        {"PREPARE TRANSACTION 'a'", PACKAGE_SQL_IN_ONE, "transaction"},
        {"START /* so */ TRANSACTION", PACKAGE_SQL_NONE, "runs in none"},
        {"Create -- so\n Index Concurrently a ON b (c)", PACKAGE_SQL_IN_ONE, "cannot run in a transaction"},
        {"REINDEX TABLE CONCURRENTLY a", PACKAGE_SQL_IN_ONE, "cannot run in a transaction"},
        {"DROP DATABASE a", PACKAGE_SQL_IN_ONE, "cannot run in a transaction"},
        {"COPY a (b) FROM STDIN WITH CSV", PACKAGE_SQL_IN_ONE, "COPY FROM STDIN"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        error = (struct error){0};
        int result = package_sql_check("a.sql", cases[i].text, strlen(cases[i].text), cases[i].wanted, NULL, &error);
        if ((result == 0) != (cases[i].why == NULL) || (result != 0 && strstr(error.message, cases[i].why) == NULL)) {
            fail_msg("%s: %s", cases[i].text, error.message);
        }
    }
}

static int set_up(void **state)
{
    static const char text[] = "[package]\nformat = 1\nname = a\napplication = a\ntitle = a\nversion = 1\nfrom = 0\n"
                               "[flyway-placeholders]\na.b = 47\n";
    char sub[100];
    (void)state;
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(sub, sizeof sub, "%s/sub", folder);
    return mkdir(sub, 0755) != 0 ? -1
                                 : ini_parse(&ini, "package.ini", text, sizeof text - 1, package_index_rules, &error);
}

static int tear_down(void **state)
{
    char command[200];
    (void)state;
    ini_free(&ini);
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions), cmocka_unit_test(checksums), cmocka_unit_test(order_and_names),
        cmocka_unit_test(refusals), cmocka_unit_test(sql),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
