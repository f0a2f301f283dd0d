/* Profiles: every key, every default, and what is refused with which code and line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "target/place.h"
#include "target/profile.h"

static const char head[] = "[profile]\nname = tiny\n"
                           "[program]\nroot = /opt/tiny\nversion-file = VERSION\nversion-pattern = ^([0-9.]+)$\n"
                           "[health]\nurl = http://127.0.0.1:80/\n";
static const char no_database[] = "[database]\nengine = none\n";

/* Parses head, then the parts. */
static int parse(struct profile *profile, const char *part, const char *more, struct error *error)
{
    char text[8192];
    snprintf(text, sizeof text, "%s%s%s", head, part, more);
    return profile_parse(profile, "test.profile", text, strlen(text), error);
}

static void refused(const char *part, const char *more, enum error_code code, const char *words)
{
    struct profile profile;
    struct error error = {0};
    assert_int_equal(parse(&profile, part, more, &error), -1);
    if (error.code != code || strstr(error.message, words) == NULL) {
        fail_msg("%s%s: %s: %s (wanted: %s)", part, more, error_entry(error.code)->code, error.message, words);
    }
    assert_null(profile.name);
    assert_int_equal(profile.roots.count, 0);
}

static void defaults(void **state)
{
    (void)state;
    struct profile profile;
    struct error error = {0};
    assert_int_equal(parse(&profile, no_database, "", &error), 0);
    assert_string_equal(profile.title, "tiny");
    assert_string_equal(profile.source, "test.profile");
    assert_int_equal(profile.roots.count, 1);
    assert_int_equal(profile.health_count, 1);
    assert_string_equal(profile.healths[0].name, "");
    assert_int_equal(profile.healths[0].status, 200);
    assert_int_equal(profile.healths[0].timeout_sec, 60);
    assert_null(profile.healths[0].match);
    assert_int_equal(profile.start_count, 0);
    assert_null(profile.database.cluster);
    profile_free(&profile);
    profile_free(&profile); /* legal twice */
}

static void every_key(void **state)
{
    (void)state;
    struct profile profile;
    struct error error = {0};
    const char *text =
        "\xEF\xBB\xBF[profile]\r\nname = my-app.2\r\ntitle = My; App\r\n"
        "[program]\nsearch = /opt/a*, /srv/[ab]/c\nversion-file = lib/v.php\nversion-pattern = V = '(.*)'\n"
        "[configuration]\npaths = /etc/a.conf, /etc/a.d\n"
        "[attachments]\npaths = /srv/files, /srv/more\n"
        "[keep]\npaths = plugins/*, theme.css\n"
        "[database]\nengine = postgresql-cluster\ncluster = /var/lib/postgresql/*/main\nconfig = /etc/c\n"
        "hba = /etc/h\nbinaries = /opt/pg/bin\nname = db\nuser = boss\nschema = app\n"
        "[services]\nunits = a.service, a.timer\ndatabase-units = postgresql.service\n"
        "[start web]\ncommand = /usr/bin/web --title \"two words\" -p 80\nuser = www\nfolder = /opt\n"
        "environment = A=1 B=\"x y\"\nready-url = http://127.0.0.1/\nready-timeout-sec = 7\n"
        "[start worker]\ncommand = /usr/bin/worker\nready-delay-sec = 3\n"
        "[health]\nurl = http://127.0.0.1/a\nstatus = 204\nmatch = a|b\ntimeout-sec = 9\n"
        "[health login]\nurl = http://127.0.0.1/b\n"
        "[queries]\nroles = SELECT 1; -- x\nuser-roles = SELECT 2\nattachments = SELECT 3\n"
        "[orphans old]\nquery = SELECT 6\n[orphans of pages]\ntitle = Rows\nquery = SELECT 7\n"
        "[metrics]\npages = SELECT 4\nold pages = SELECT 5\n";
    assert_int_equal(profile_parse(&profile, "x", text, strlen(text), &error), 0);
    assert_string_equal(profile.name, "my-app.2");
    assert_string_equal(profile.title, "My; App");
    assert_int_equal(profile.roots.count, 2);
    assert_string_equal(profile.roots.items[1], "/srv/[ab]/c");
    assert_int_equal(profile.configuration.count, 2);
    assert_string_equal(profile.attachments.items[1], "/srv/more");
    assert_string_equal(profile.database.user, "boss");
    assert_string_equal(profile.database.schema, "app");
    assert_string_equal(profile.database.binaries, "/opt/pg/bin");
    assert_string_equal(profile.units.items[1], "a.timer");
    assert_string_equal(profile.database_units.items[0], "postgresql.service");
    assert_int_equal(profile.start_count, 2);
    assert_string_equal(profile.starts[0].name, "web");
    assert_int_equal(profile.starts[0].command.count, 5);
    assert_string_equal(profile.starts[0].command.items[2], "two words");
    assert_string_equal(profile.starts[0].environment.items[1], "B=x y");
    assert_int_equal(profile.starts[0].ready_timeout_sec, 7);
    assert_string_equal(profile.starts[1].name, "worker");
    assert_int_equal(profile.starts[1].ready_delay_sec, 3);
    assert_int_equal(profile.starts[1].ready_timeout_sec, 120);
    assert_int_equal(profile.health_count, 2);
    assert_int_equal(profile.healths[0].status, 204);
    assert_string_equal(profile.healths[1].name, "login");
    assert_string_equal(profile.query_roles, "SELECT 1; -- x");
    assert_int_equal(profile.orphan_count, 2);
    assert_string_equal(profile.orphans[0].title, "old");
    assert_string_equal(profile.orphans[1].name, "of pages");
    assert_string_equal(profile.orphans[1].title, "Rows");
    assert_string_equal(profile.orphans[1].sql, "SELECT 7");
    assert_int_equal(profile.metric_count, 2);
    assert_string_equal(profile.metrics[1].name, "old pages");
    assert_string_equal(profile.metrics[1].sql, "SELECT 5");
    profile_free(&profile);
}

static void bad_input(void **state)
{
    (void)state;
    refused(no_database, "[services]\nunit = a.service\n", CSN_JOB_UNKNOWN_KEY, "line 12: there is no key \"unit\"");
    refused(no_database, "[servics]\nunits = a.service\n", CSN_JOB_UNKNOWN_KEY, "[servics]");
    refused(no_database, "[keep]\npaths = a\npaths = b\n", CSN_JOB_REPEATED_KEY, "line 13: \"paths\" in [keep]");
    refused(no_database, "rubbish\n", CSN_JOB_SYNTAX, "line 11");
    refused("", "", CSN_JOB_KEY_MISSING, "[database]");
    refused(no_database, "[orphans x]\ntitle = y\n", CSN_JOB_KEY_MISSING, "query");
    refused(no_database, "[orphans x]\nquery = y\n[orphans x]\nquery = z\n", CSN_JOB_REPEATED_KEY, "query");
    refused("[database]\nengine = oracle\n", "", CSN_JOB_VALUE, "expected is postgresql-cluster or none");
    refused("[database]\nengine = postgresql-cluster\nname = x\n", "", CSN_JOB_KEY_MISSING, "needs \"cluster\"");
    refused("[database]\nengine = postgresql-cluster\ncluster = /x\n", "", CSN_JOB_KEY_MISSING, "needs \"name\"");
    refused("[database]\nengine = postgresql-cluster\ncluster = x\nname = y\n", "", CSN_JOB_VALUE, "absolute path");
    refused(no_database, "[configuration]\npaths = etc/x\n", CSN_JOB_VALUE, "absolute paths");
    refused(no_database, "[configuration]\npaths = /etc/../x\n", CSN_JOB_VALUE, "absolute paths");
    refused(no_database, "[attachments]\npaths = /ok, /no/..\n", CSN_JOB_VALUE, "\"/no/..\"");
    refused(no_database, "[keep]\npaths = /x\n", CSN_JOB_VALUE, "below the program root");
    refused(no_database, "[keep]\npaths = a/../../x\n", CSN_JOB_VALUE, "below the program root");
    refused(no_database, "[services]\nunits = apache2\n", CSN_JOB_VALUE, "NAME.service");
    refused(no_database, "[services]\nunits = ../x.service\n", CSN_JOB_VALUE, "NAME.service");
    refused(no_database, "[start a]\nuser = x\n", CSN_JOB_KEY_MISSING, "\"command\"");
    refused(no_database, "[start a]\ncommand = php -S x\n", CSN_JOB_VALUE, "absolute path first");
    refused(no_database, "[start a]\ncommand = /bin/x \"open\n", CSN_JOB_VALUE, "closing");
    refused(no_database, "[start a]\ncommand = /bin/x\nenvironment = A\n", CSN_JOB_VALUE, "NAME=VALUE");
    refused(no_database, "[start a]\ncommand = /bin/x\nready-url = https://x/\n", CSN_JOB_VALUE, "http://");
    refused(no_database, "[start a]\ncommand = /bin/x\nready-delay-sec = soon\n", CSN_JOB_VALUE, "whole number");
    refused(no_database, "[health b]\nurl = ftp://x/\n", CSN_JOB_VALUE, "http://");
    static const char *const numbers[] = {
        "[health b]\nurl = http://x/\nstatus = 4294967496\n", /* 200 of 32 bits */
        "[health b]\nurl = http://x/\nstatus = 99\n",
        "[health b]\nurl = http://x/\nstatus = 600\n",
        "[health b]\nurl = http://x/\ntimeout-sec = 0\n",
        "[health b]\nurl = http://x/\ntimeout-sec = 86401\n",
        "[start a]\ncommand = /bin/x\nready-delay-sec = 86401\n",
        "[start a]\ncommand = /bin/x\nready-timeout-sec = 4294967297\n",
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        refused(no_database, numbers[i], CSN_JOB_VALUE,
                strstr(numbers[i], "status") != NULL ? "100 to 599" : " to 86400");
    }
    refused(no_database, "[health b]\nurl = http://x/\nmatch = (\n", CSN_JOB_VALUE, "regular expression");
    refused(no_database, "[queries]\nattachments = SELECT 1\n", CSN_JOB_KEY_MISSING, "[attachments] paths");
}

static void bad_program(void **state)
{
    (void)state;
    static const struct {
        const char *program;
        enum error_code code;
        const char *words;
    } cases[] = {
        {"version-file = V\nversion-pattern = (.)", CSN_JOB_KEY_MISSING, "neither"},
        {"root = /a\nsearch = /b\nversion-file = V\nversion-pattern = (.)", CSN_JOB_KEY_MISSING, "both"},
        {"root = /a\nversion-file = /V\nversion-pattern = (.)", CSN_JOB_VALUE, "below the program root"},
        {"root = /a\nversion-file = ../V\nversion-pattern = (.)", CSN_JOB_VALUE, "below the program root"},
        {"root = /a\nversion-file = V\nversion-pattern = .", CSN_JOB_VALUE, "group"},
        {"root = /a\nversion-file = V\nversion-pattern = (", CSN_JOB_VALUE, "regular expression"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        struct profile profile;
        struct error error = {0};
        snprintf(text, sizeof text,
                 "[profile]\nname = x\n[program]\n%s\n[database]\nengine = none\n[health]\nurl = http://x/\n",
                 cases[i].program);
        assert_int_equal(profile_parse(&profile, "p", text, strlen(text), &error), -1);
        assert_int_equal(error.code, cases[i].code);
        assert_non_null(strstr(error.message, cases[i].words));
    }
}

static void write_profile(const char *path, const char *name, const char *title)
{
    char text[1024];
    snprintf(text, sizeof text,
             "[profile]\nname = %s\ntitle = %s\n[program]\nroot = /opt/x\nversion-file = V\nversion-pattern = (.)\n"
             "[database]\nengine = none\n[health]\nurl = http://x/\n",
             name, title);
    place_write(path, text);
}

static void first_wins(void **state)
{
    (void)state;
    struct profiles profiles = {0};
    struct error error = {0};
    place_make();
    write_profile("stick/b.profile", "b", "stick");
    write_profile("stick/a.profile", "a", "stick");
    write_profile("image/a.profile", "a", "image");
    write_profile("image/c.profile", "c", "image");
    place_write("image/.hidden.profile", "rubbish");
    place_write("image/notes.txt", "rubbish");
    assert_int_equal(profiles_add_folder(&profiles, place_path("stick"), &error), 0);
    assert_int_equal(profiles_add_folder(&profiles, place_path("absent"), &error), 0);
    assert_int_equal(profiles_add_folder(&profiles, place_path("image"), &error), 0);
    assert_int_equal(profiles.count, 3);
    assert_string_equal(profiles.items[0].name, "a");
    assert_string_equal(profiles_find(&profiles, "a")->title, "stick");
    assert_string_equal(profiles_find(&profiles, "c")->title, "image");
    assert_null(profiles_find(&profiles, "d"));
    place_write("image/d.profile", "[profile]\nnme = d\n");
    assert_int_equal(profiles_add_folder(&profiles, place_path("image"), &error), -1);
    assert_int_equal(error.code, CSN_JOB_UNKNOWN_KEY);
    assert_non_null(strstr(error.message, "d.profile line 2"));
    assert_int_equal(profiles_add_file(&profiles, place_path("absent.profile"), &error), -1);
    assert_int_equal(error.code, CSN_NOT_FOUND);
    profiles_free(&profiles);
    place_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),    cmocka_unit_test(every_key),  cmocka_unit_test(bad_input),
        cmocka_unit_test(bad_program), cmocka_unit_test(first_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
