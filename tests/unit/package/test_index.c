/* package.ini: everything it may say, and each thing it may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "package/package_index.h"
#include "package/package_member.h"

#define HEAD                                                                                                           \
    "[package]\nformat = 1\nname = wiki\napplication = mediawiki\ntitle = Wiki; with = signs\nversion = 1.43\n"        \
    "from = 1.39.*, 1.40.2\n"

#define HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define TAIL "manifests/new.mtree.zst = " HASH " 0\npayload.tar.zst = " HASH " 0\n"

static int parse(struct package *package, enum package_index_source source, const char *text, struct error *error)
{
    *package = (struct package){.fd = -1};
    return package_index_parse(package, source, "package.ini", text, strlen(text), error);
}

static void everything(void **state)
{
    static const char text[] = HEAD
        "[tree]\nowner = www-data\ngroup = www-data\n"
        "[requirements]\nmemory-mb = 512\ndisk-mb = 2000\npostgresql = 13\ncommands = php, /usr/bin/env\nos = "
        "debian-12, "
        "debian-13\n"
        "[migration 10-schema]\nkind = sql\nfile = migrations/10-schema.sql\ntransaction = no\ntimeout-minutes = 5\n"
        "[migration 20-update]\ntitle = The application's own updater\nkind = program\ncommand = php "
        "maintenance/run.php update "
        "--quick ; true\nuser = www-data\nenvironment = A=1, B_2=x=y\n"
        "[check page]\nkind = http\npath = /index.php/Main_Page?a=b\nmatch = <title>(Wiki|Main)\nmatch-not = error\n"
        "[check users]\ntitle = Users\nkind = sql\nwhen = stage\nquery = SELECT count(*) FROM mediawiki.\"user\"; -- "
        "all\nequals "
        "= 4\ntimeout-sec = 9\n"
        "[check php]\nkind = command\nwhen = assess\ncommand = php -r 'exit(3);'\nstatus = 3\n"
        "[roles]\nsysop = sysop\nold bot = bot\ngone = -\n"
        "[interface wg-old]\nremoved = $wgOld(\ninstead = $wgNew\n";
    struct package package;
    struct error error = {0};
    (void)state;
    if (parse(&package, PACKAGE_INDEX_INPUT, text, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_string_equal(package.title, "Wiki; with = signs");
    assert_int_equal(package.from.count, 2);
    assert_string_equal(package.owner, "www-data");
    assert_int_equal(package.requirements.disk_mb, 2000);
    assert_int_equal(package.requirements.postgresql, 13);
    assert_int_equal(package.requirements.commands.count, 2);
    assert_string_equal(package.requirements.os.items[1], "debian-13");
    assert_int_equal(package.migrations_count, 2);
    assert_string_equal(package.migrations[0].name, "10-schema");
    assert_string_equal(package.migrations[0].title, "10-schema");
    assert_int_equal(package.migrations[0].kind, PACKAGE_MIGRATION_SQL);
    assert_false(package.migrations[0].transaction);
    assert_int_equal(package.migrations[0].timeout_sec, 300);
    assert_null(package.migrations[0].user);
    assert_string_equal(package.migrations[1].command, "php maintenance/run.php update --quick ; true");
    assert_true(package.migrations[1].transaction);
    assert_int_equal(package.migrations[1].timeout_sec, 3600);
    assert_string_equal(package.migrations[1].environment.items[1], "B_2=x=y");
    assert_int_equal(package.checks_count, 3);
    assert_int_equal(package.checks[0].status, 200);
    assert_int_equal(package.checks[0].when, PACKAGE_CHECK_VERIFY);
    assert_string_equal(package.checks[1].query, "SELECT count(*) FROM mediawiki.\"user\"; -- all");
    assert_int_equal(package.checks[1].when, PACKAGE_CHECK_STAGE);
    assert_int_equal(package.checks[1].timeout_sec, 9);
    assert_int_equal(package.checks[2].status, 3);
    assert_int_equal(package.roles_count, 3);
    assert_string_equal(package.roles[1].from, "old bot");
    assert_string_equal(package.roles[2].to, "-");
    assert_int_equal(package.interfaces_count, 1);
    assert_string_equal(package.interfaces[0].removed, "$wgOld(");
    package_index_free(&package);
}

/* Wherever they stand: pack adds sections behind the vendor's. */
static void order(void **state)
{
    static const char text[] = HEAD "[migration 90-last]\nkind = program\ncommand = z\nenvironment = A=1, B=2\n"
                                    "[migration 10-first]\nkind = program\ncommand = a\nonly-if = SELECT a = 'b'\n"
                                    "[check jobs]\nkind = sql\nwhen = stage\nquery = SELECT 1\nwait-minutes = "
                                    "3\nmeanwhile = bin/worker --all\nuser = me\n"
                                    "[migration 50-0001]\nkind = program\ncommand = m\n[flyway]\nbefore = 1\n";
    struct package package;
    struct error error = {0};
    (void)state;
    if (parse(&package, PACKAGE_INDEX_INPUT, text, &error) != 0) {
        fail_msg("%s", error.message);
    }
    assert_int_equal(package.migrations_count, 3);
    assert_string_equal(package.migrations[0].name, "10-first");
    assert_string_equal(package.migrations[0].only_if, "SELECT a = 'b'");
    assert_string_equal(package.migrations[1].name, "50-0001");
    assert_null(package.migrations[1].only_if);
    assert_string_equal(package.migrations[2].name, "90-last");
    assert_int_equal(package.migrations[2].environment.count, 2);
    assert_int_equal(package.checks[0].wait_sec, 180);
    assert_string_equal(package.checks[0].meanwhile, "bin/worker --all");
    assert_string_equal(package.checks[0].user, "me");
    package_index_free(&package);
}

static void refusals(void **state)
{
    static const struct {
        const char *text;
        enum error_code code;
        const char *why;
    } cases[] = {
        {HEAD "[package]\nname = other\n", CSN_JOB_REPEATED_KEY, "name"},
        {HEAD "[package]\nnmae = other\n", CSN_JOB_UNKNOWN_KEY, "nmae"},
        {HEAD "[pakcage]\nname = other\n", CSN_JOB_UNKNOWN_KEY, "pakcage"},
        {HEAD "[requirements]\nmemory-mb = much\n", CSN_JOB_VALUE, "memory-mb"},
        {"[package]\nformat = 1\n", CSN_JOB_KEY_MISSING, "name"},
        {HEAD "nonsense\n", CSN_JOB_SYNTAX, "line 8"},
        {"[package]\nformat = 2\nname = a\napplication = a\ntitle = a\nversion = 1\nfrom = 0\n", CSN_PACKAGE_INPUT,
         "format"},
        {"[package]\nformat = 1\nname = A\napplication = a\ntitle = a\nversion = 1\nfrom = 0\n", CSN_PACKAGE_INPUT,
         "name"},
        {"[package]\nformat = 1\nname = ../a\napplication = a\ntitle = a\nversion = 1\nfrom = 0\n", CSN_PACKAGE_INPUT,
         "name"},
        {"[package]\nformat = 1\nname = a\napplication = a/b\ntitle = a\nversion = 1\nfrom = 0\n", CSN_PACKAGE_INPUT,
         "application"},
        {"[package]\nformat = 1\nname = a\napplication = a\ntitle = a\nversion = 1/2\nfrom = 0\n", CSN_PACKAGE_INPUT,
         "version"},
        {"[package]\nformat = 1\nname = a\napplication = a\ntitle = a\nversion = 1\nfrom = *\n", CSN_PACKAGE_INPUT,
         "from"},
        {"[package]\nformat = 1\nname = a\napplication = a\ntitle = a\nversion = 1\nfrom = ,\n", CSN_PACKAGE_INPUT,
         "from"},
        {HEAD "[tree]\nowner = a:b\n", CSN_PACKAGE_INPUT, "owner"},
        {HEAD "[requirements]\ncommands = a/b\n", CSN_PACKAGE_INPUT, "commands"},
        {HEAD "[migration schema]\nkind = sql\nfile = migrations/schema.sql\n", CSN_PACKAGE_INPUT, "two digits"},
        {HEAD "[migration 10-A]\nkind = sql\nfile = migrations/10-A.sql\n", CSN_PACKAGE_INPUT, "10-A"},
        {HEAD "[migration 10-a]\nkind = shell\n", CSN_PACKAGE_INPUT, "sql or program"},
        {HEAD "[migration 10-a]\nkind = sql\n", CSN_PACKAGE_INPUT, "file"},
        {HEAD "[migration 10-a]\nkind = sql\ncommand = x\n", CSN_PACKAGE_INPUT, "does not go with kind = sql"},
        {HEAD "[migration 10-a]\nkind = program\ncommand = x\nfile = migrations/10-a\n", CSN_PACKAGE_INPUT, "not both"},
        {HEAD "[migration 10-a]\nkind = program\ncommand = x\ntransaction = no\n", CSN_PACKAGE_INPUT, "transaction"},
        {HEAD "[migration 10-a]\nkind = sql\nfile = migrations/../x.sql\n", CSN_PACKAGE_INPUT, "migrations/10-a.sql"},
        {HEAD "[migration 10-a]\nkind = sql\nfile = migrations/10-a.sql\ntimeout-minutes = 0\n", CSN_PACKAGE_INPUT,
         "week"},
        {HEAD "[migration 10-a]\nkind = sql\nfile = migrations/10-a.sql\ntimeout-minutes = 18446744073709551615\n",
         CSN_PACKAGE_INPUT, "week"},
        {HEAD "[migration 10-a]\nkind = program\ncommand = x\nenvironment = 1A=b\n", CSN_PACKAGE_INPUT, "NAME=value"},
        {HEAD "[migration 10-a]\nkind = program\ncommand = x\nuser = root;id\n", CSN_PACKAGE_INPUT, "account"},
        {HEAD "[migration 10-a]\nkind = program\ncommand = x\nonly-if =\n", CSN_JOB_VALUE, "only-if"},
        {HEAD "[check a]\nkind = http\n", CSN_PACKAGE_INPUT, "path"},
        {HEAD "[check a]\nkind = http\npath = /a b\n", CSN_PACKAGE_INPUT, "path"},
        {HEAD "[check a]\nkind = http\npath = http://x/\n", CSN_PACKAGE_INPUT, "path"},
        {HEAD "[check a]\nkind = http\npath = /\nwhen = stage\n", CSN_PACKAGE_INPUT, "verify"},
        {HEAD "[check a]\nkind = http\npath = /\nwhen = later\n", CSN_PACKAGE_INPUT, "assess, stage or verify"},
        {HEAD "[check a]\nkind = http\npath = /\nmatch = (\n", CSN_PACKAGE_INPUT, "expression"},
        {HEAD "[check a]\nkind = http\npath = /\nstatus = 2000\n", CSN_PACKAGE_INPUT, "status"},
        {HEAD "[check a]\nkind = http\npath = /\nequals = 3\n", CSN_PACKAGE_INPUT, "does not go with kind = http"},
        {HEAD "[check a]\nkind = sql\n", CSN_PACKAGE_INPUT, "query"},
        {HEAD "[check a]\nkind = sql\nquery = SELECT 1\nfile = checks/a.sql\n", CSN_PACKAGE_INPUT, "not both"},
        {HEAD "[check a]\nkind = sql\nquery = SELECT 1\nmeanwhile = x\n", CSN_PACKAGE_INPUT, "no \"wait-minutes\""},
        {HEAD "[check a]\nkind = sql\nquery = SELECT 1\nwait-minutes = 1\nwhen = assess\n", CSN_PACKAGE_INPUT,
         "stage or verify"},
        {HEAD "[check a]\nkind = sql\nquery = SELECT 1\nwait-minutes = 0\n", CSN_PACKAGE_INPUT, "week"},
        {HEAD "[check a]\nkind = http\npath = /\nwait-minutes = 1\n", CSN_PACKAGE_INPUT,
         "does not go with kind = http"},
        {HEAD "[flyway]\nfolder = x\n", CSN_JOB_UNKNOWN_KEY, "folder"},
        {HEAD "[check a]\nkind = sql\nfile = checks/a\n", CSN_PACKAGE_INPUT, "checks/a.sql"},
        {HEAD "[check a]\nkind = command\n", CSN_PACKAGE_INPUT, "command"},
        {HEAD "[check a]\nkind = http\npath = /\ntitle = \033[2J\n", CSN_PACKAGE_INPUT, "plain UTF-8"},
        {HEAD "[check a]\nkind = http\npath = /\ntitle = \xff\n", CSN_PACKAGE_INPUT, "plain UTF-8"},
        {HEAD "[interface a]\ninstead = b\n", CSN_JOB_KEY_MISSING, "removed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct package package;
        struct error error = {0};
        if (parse(&package, PACKAGE_INDEX_INPUT, cases[i].text, &error) == 0) {
            fail_msg("let pass: %s", cases[i].text);
        }
        if (error.code != cases[i].code || strstr(error.message, cases[i].why) == NULL) {
            fail_msg("%s: %s (%s) for:\n%s", error_entry(error.code)->code, error.message, cases[i].why, cases[i].text);
        }
        package_index_free(&package);
        /* Signed, the same is the vendor's to mend. */
        assert_int_equal(parse(&package, PACKAGE_INDEX_SIGNED, cases[i].text, &error), -1);
        assert_int_equal(error.code, CSN_PACKAGE_CONTENT);
        package_index_free(&package);
    }
}

static void members(void **state)
{
    static const struct {
        const char *text;
        const char *why; /* NULL: good */
    } cases[] = {
        {TAIL, NULL},
        {"chain.pem = " HASH " 1\napplication.profile = " HASH " 1\nmanifests/new.mtree.zst = " HASH
         " 0\nmanifests/old-1.39.17.mtree.zst = " HASH " 5\nmanifests/old-V2+x~1.mtree.zst = " HASH "  5\n",
         "form"},
        {"chain.pem = " HASH " 1\napplication.profile = " HASH " 1\nmanifests/new.mtree.zst = " HASH
         " 0\nmanifests/old-1.39.17.mtree.zst = " HASH " 5\nmanifests/old-V2+x~1.mtree.zst = " HASH
         " 5\nnotes/user.en.md = " HASH " 1\nnotes/user.zh.md = " HASH " 1\npayload.tar.zst = " HASH
         " 1125899906842624\n",
         NULL},
        {"", "lacks manifests/new.mtree.zst"},
        {"manifests/new.mtree.zst = " HASH " 0\n", "lacks payload.tar.zst"},
        {"payload.tar.zst = " HASH " 0\nmanifests/new.mtree.zst = " HASH " 0\n", "out of order"},
        {TAIL "zebra = " HASH " 0\n", "no package has a member called zebra"},
        {"../evil = " HASH " 0\n" TAIL, "no package has"},
        {"manifests/old-../../x.mtree.zst = " HASH " 0\n" TAIL, "no package has"},
        {"manifests/new.mtree.zst = " HASH " 0\nmigrations/.hidden = " HASH " 0\n", "no package has"},
        {"manifests/new.mtree.zst = " HASH " 0\nmigrations/a/b = " HASH " 0\n", "no package has"},
        {"manifests/new.mtree.zst = " HASH " 0\nnotes/boss.en.md = " HASH " 0\n", "no package has"},
        {"manifests/new.mtree.zst = " HASH " 0\nmigrations/10-a.sql = " HASH " 0\npayload.tar.zst = " HASH " 0\n",
         "which no migration or check names"},
        {"manifests/new.mtree.zst = " HASH " 0\nnotes/user.zh.md = " HASH " 0\npayload.tar.zst = " HASH " 0\n",
         "notes/user.en.md"},
        {"manifests/new.mtree.zst = " HASH " 1125899906842625\npayload.tar.zst = " HASH " 0\n", "form"},
        {"manifests/new.mtree.zst = " HASH " 00\npayload.tar.zst = " HASH " 0\n", "form"},
        {"manifests/new.mtree.zst = " HASH " -1\npayload.tar.zst = " HASH " 0\n", "form"},
        {"manifests/new.mtree.zst = " HASH "\npayload.tar.zst = " HASH " 0\n", "form"},
        {"manifests/new.mtree.zst = E3B0C44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "
         "0\npayload.tar.zst = " HASH " 0\n",
         "form"},
        {"manifests/new.mtree.zst = e3b0 0\npayload.tar.zst = " HASH " 0\n", "form"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct package package;
        struct error error = {0};
        char text[4096];
        snprintf(text, sizeof text, "%s[members]\n%s", HEAD, cases[i].text);
        int result = parse(&package, PACKAGE_INDEX_SIGNED, text, &error);
        if (cases[i].why == NULL
                ? result != 0
                : result == 0 || error.code != CSN_PACKAGE_CONTENT || strstr(error.message, cases[i].why) == NULL) {
            fail_msg("%d %s (%s) for:\n%s", result, error.message, cases[i].why == NULL ? "good" : cases[i].why, text);
        }
        package_index_free(&package);
    }
}

static void members_are_not_given(void **state)
{
    struct package package;
    struct error error = {0};
    (void)state;
    assert_int_equal(parse(&package, PACKAGE_INDEX_INPUT, HEAD "[members]\n" TAIL, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_INPUT);
    assert_non_null(strstr(error.message, "[members]"));
    package_index_free(&package);
}

static void missing_files(void **state)
{
    static const char text[] =
        HEAD "[migration 10-a]\nkind = sql\nfile = migrations/10-a.sql\n[check b]\nkind = command\nfile = "
             "checks/b\n[members]\nmanifests/new.mtree.zst = " HASH " 0\nmigrations/10-a.sql = " HASH
             " 0\npayload.tar.zst = " HASH " 0\n";
    struct package package;
    struct error error = {0};
    (void)state;
    assert_int_equal(parse(&package, PACKAGE_INDEX_SIGNED, text, &error), -1);
    assert_int_equal(error.code, CSN_PACKAGE_CONTENT);
    assert_non_null(strstr(error.message, "lacks the file checks/b of [check b]"));
    package_index_free(&package);
}

static void layout(void **state)
{
    struct package package;
    struct error error = {0};
    (void)state;
    assert_int_equal(parse(&package, PACKAGE_INDEX_SIGNED,
                           HEAD "[members]\nmanifests/new.mtree.zst = " HASH " 513\npayload.tar.zst = " HASH
                                " 8589934592\n",
                           &error),
                     0);
    uint64_t size = package_layout(&package, 100, 700);
    assert_int_equal(package.members[0].offset, 1024 + 512 + 1024 + 512);
    /* Over 8 GiB there is a pax header of two blocks before the usual one. */
    assert_int_equal(package.members[1].offset, package.members[0].offset + 1024 + 1536);
    assert_int_equal(size, package.members[1].offset + 8589934592 + 1024);
    package_index_free(&package);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(order),
        cmocka_unit_test(refusals),
        cmocka_unit_test(members),
        cmocka_unit_test(members_are_not_given),
        cmocka_unit_test(missing_files),
        cmocka_unit_test(layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
