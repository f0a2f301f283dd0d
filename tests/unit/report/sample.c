#include "report/sample.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sample_add(struct journal *journal, const char *kind, const char *fields)
{
    struct error error = {0};
    yyjson_doc *document = yyjson_read(fields, strlen(fields), 0);
    yyjson_mut_doc *copy = document == NULL ? NULL : yyjson_doc_mut_copy(document, NULL);
    if (copy == NULL || journal_append(journal, kind, yyjson_mut_doc_get_root(copy), &error) != 0) {
        fprintf(stderr, "sample: %s %s: %s\n", kind, fields, error.message);
        abort();
    }
    yyjson_mut_doc_free(copy);
    yyjson_doc_free(document);
}

static void __attribute__((format(printf, 3, 4)))
add(struct journal *journal, const char *kind, const char *format, ...)
{
    char fields[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fields, sizeof fields, format, arguments);
    va_end(arguments);
    sample_add(journal, kind, fields);
}

static void begin(struct journal *journal, const char *step, int number)
{
    add(journal, "step-begin", "{\"step\":\"%s\",\"number\":%d,\"summary\":\"what it does\"}", step, number);
}

static void end(struct journal *journal, const char *step, int number, int ms, const char *detail)
{
    add(journal, "step-end",
        "{\"step\":\"%s\",\"number\":%d,\"result\":\"done\",\"ms\":%d,\"read_bytes\":%d,\"written_bytes\":%d,"
        "\"detail\":\"%s\"}",
        step, number, ms, number * 1000000, number * 2000, detail);
}

static void deed(struct journal *journal, const char *step, const char *deed_name, const char *path, const char *other)
{
    if (other == NULL) {
        add(journal, "intent", "{\"step\":\"%s\",\"deed\":\"%s\",\"path\":\"%s\"}", step, deed_name, path);
    } else {
        add(journal, "intent", "{\"step\":\"%s\",\"deed\":\"%s\",\"path\":\"%s\",\"other\":\"%s\",\"inode\":7}", step,
            deed_name, path, other);
    }
    add(journal, "done", "{\"step\":\"%s\",\"of\":%zu}", step, journal->count);
}

void sample_begin(struct journal *journal, const char *language)
{
    add(journal, "run",
        "{\"format\":1,\"run\":\"20261123T030626Z-1a2b\",\"tool\":\"caisson 0.1\",\"job_name\":\"upgrade wiki\","
        "\"job_sha256\":\"%064d\",\"job\":\"[job]\\nname = upgrade wiki\\n\",\"language\":\"%s\",\"image\":true,"
        "\"approved_by\":\"Wang Fang, operations\"}",
        7, language);
    begin(journal, "identify", 1);
    sample_add(journal, "package",
               "{\"name\":\"wiki-1.43\",\"application\":\"wiki\",\"title\":\"MediaWiki 1.43\",\"version\":\"1.43.1\","
               "\"from\":[\"1.39.*\"],\"index_sha256\":\"a3c1\",\"size_bytes\":83886080,\"signer\":\"CN=Vendor Release "
               "7\",\"issuer\":\"CN=Vendor Root\",\"dates_hold\":true}");
    sample_add(journal, "server",
               "{\"machine_id\":\"0f3b\",\"host\":\"wiki01\",\"os\":\"Debian GNU/Linux 12 (bookworm)\",\"application\":"
               "\"wiki\",\"title\":\"MediaWiki\",\"profile\":\"wiki.profile\",\"version\":\"1.39.7\",\"program_root\":"
               "\"/srv/mediawiki\",\"cluster\":\"/var/lib/postgresql/15/main\",\"cluster_version\":\"15\",\"volume\":"
               "\"/dev/vda2\",\"disks\":[\"/dev/vda\"]}");
    end(journal, "identify", 1, 2140, "MediaWiki 1.39.7 at /srv/mediawiki on wiki01; path to 1.43.1");
}

void sample_assess(struct journal *journal)
{
    begin(journal, "assess", 2);
    sample_add(
        journal, "assessment",
        "{\"findings\":[{\"check\":\"unknown-executables\",\"severity\":\"warning\",\"code\":\"CSN-A002\",\"what\":\"1 "
        "executable files in the program tree are nobody's, perhaps an intruder's: "
        "images/shell.php\",\"accepted\":true},"
        "{\"check\":\"site-changes\",\"severity\":\"remark\",\"code\":\"\",\"what\":\"2 files changed by the site are "
        "carried over: skins/site.css, includes/Hooks.php\",\"accepted\":false}],"
        "\"roles\":[{\"role\":\"sysop\",\"users\":3,\"becomes\":\"sysop\"},{\"role\":\"bot\",\"users\":1,\"becomes\":"
        "\"-\"}],\"program\":{\"unchanged\":3100,\"site-changed\":2,\"conflict\":1,\"foreign\":1},\"changes\":[{"
        "\"path\":"
        "\"skins/site.css\",\"change\":\"site-changed\",\"executable\":false},{\"path\":\"images/"
        "shell.php\",\"change\":"
        "\"foreign\",\"executable\":true}],\"counts\":{\"program_bytes\":93000000,\"attachment_files\":420,"
        "\"attachment_bytes\":73400320,\"attachments_missing\":1,\"attachments_unknown\":2},"
        "\"orphans\":[{\"name\":\"revisions\",\"title\":\"revisions <of no "
        "page>\",\"count\":2,\"examples\":[{\"row\":\"7\"},{"
        "\"row\":\"9\"}]},{\"name\":\"old\",\"title\":\"old\",\"count\":0,\"examples\":[]}]}");
    sample_add(
        journal, "inventory",
        "{\"when\":\"before\",\"digest\":\"d1\",\"items\":[{\"kind\":\"role\",\"database\":\"\",\"name\":\"role wiki\","
        "\"checksum\":\"x\"},{\"kind\":\"table\",\"database\":\"other\",\"name\":\"public.t\",\"rows\":5,\"checksum\":"
        "\"9\"},{\"kind\":\"table\",\"database\":\"wiki\",\"name\":\"mediawiki.old_stuff\",\"rows\":4,\"checksum\":"
        "\"1\"},"
        "{\"kind\":\"table\",\"database\":\"wiki\",\"name\":\"mediawiki.page\",\"rows\":1234,\"checksum\":\"2\"},{"
        "\"kind\":"
        "\"table\",\"database\":\"wiki\",\"name\":\"mediawiki.updatelog\",\"rows\":40,\"checksum\":\"3\"},{\"kind\":"
        "\"table\",\"database\":\"wiki\",\"name\":\"mediawiki.watchlist\",\"rows\":12,\"checksum\":\"4\"}]}");
    sample_add(journal, "baseline", "{\"attachments_missing\":1}");
    end(journal, "assess", 2, 12400, "12 checks, 2 findings");
}

void sample_fence(struct journal *journal)
{
    begin(journal, "fence", 3);
    deed(journal, "fence", "fence", "/etc/systemd/system/mediawiki.service.d/caisson.conf", NULL);
    deed(journal, "fence", "fence", "/etc/systemd/system/postgresql@15-main.service.d/caisson.conf", NULL);
    sample_add(journal, "fence", "{\"units\":[\"mediawiki.service\",\"postgresql@15-main.service\"]}");
    end(journal, "fence", 3, 130, "2 units stay down until release");
}

void sample_safety(struct journal *journal)
{
    begin(journal, "backup", 4);
    add(journal, "snapshot",
        "{\"id\":\"%064d\",\"repository\":\"/media/backup/"
        "caisson\",\"entries\":5210,\"files\":4811,\"bytes\":412000000,"
        "\"bytes_read\":412000000,\"bytes_stored\":151000000,\"chunks\":900,\"chunks_new\":900}",
        9);
    end(journal, "backup", 4, 31200, "snapshot 000000000000: 4811 files");
    begin(journal, "prove", 5);
    sample_add(
        journal, "proof",
        "{\"snapshot\":\"9\",\"trees_compared\":4,\"entries\":5210,\"bytes\":412000000,\"tables\":66,\"rows\":18231,"
        "\"ms\":40100}");
    end(journal, "prove", 5, 41000, "equal");
    begin(journal, "rehearse", 6);
    sample_add(journal, "rehearsal",
               "{\"result\":\"passed\",\"stage_ms\":62000,\"switch_ms\":210,\"verify_ms\":21000,\"rollback_ms\":1840,"
               "\"cleanup_ms\":900,\"budget_ms\":7200000,\"equal_after_rollback\":true,\"journal\":\"rehearsal.jsonl\","
               "\"journal_head\":\"be11\"}");
    end(journal, "rehearse", 6, 92000, "the upgrade held; going back took 1.8 s");
}

void sample_stage(struct journal *journal)
{
    begin(journal, "stage", 7);
    deed(journal, "stage", "create", "/var/lib/postgresql/15/main.caisson-1a2b", NULL);
    deed(journal, "stage", "create", "/srv/mediawiki.caisson-1a2b", NULL);
    sample_add(journal, "merge",
               "{\"site_changed\":[{\"path\":\"skins/site.css\"}],\"conflicts\":[{\"path\":\"includes/Hooks.php\","
               "\"answer\":\"site\"}],\"kept\":[{\"path\":\"LocalSettings.php\"}],\"foreign\":[{\"path\":"
               "\"images/shell.php\"}],\"count_unchanged\":3100,\"count_site-changed\":1,\"count_conflict\":1}");
    sample_add(journal, "migration",
               "{\"step\":\"stage\",\"package\":\"1.43.1\",\"name\":\"10-update\",\"title\":\"the application's own "
               "updater\",\"result\":\"done\",\"ms\":18200,\"output\":\"done.\"}");
    sample_add(
        journal, "plan",
        "{\"pairs\":[{\"deed\":\"exchange\",\"path\":\"/srv/mediawiki\",\"other\":\"/srv/mediawiki.caisson-1a2b\"}]}");
    end(journal, "stage", 7, 61000, "1.43.1 stands beside, migrated");
}

void sample_switch(struct journal *journal)
{
    begin(journal, "switch", 8);
    deed(journal, "switch", "exchange", "/srv/mediawiki", "/srv/mediawiki.caisson-1a2b");
    deed(journal, "switch", "exchange", "/var/lib/postgresql/15/main", "/var/lib/postgresql/15/main.caisson-1a2b");
    end(journal, "switch", 8, 180, "2 renames");
}

void sample_verify(struct journal *journal, bool good)
{
    begin(journal, "verify", 9);
    sample_add(
        journal, "check",
        "{\"step\":\"verify\",\"name\":\"main-page\",\"title\":\"the main page answers\",\"check_kind\":\"http\","
        "\"result\":\"passed\",\"detail\":\"200, 24120 bytes in 310 ms\",\"ms\":310}");
    if (!good) {
        sample_add(
            journal, "check",
            "{\"step\":\"verify\",\"name\":\"pages\",\"title\":\"no page is lost\",\"check_kind\":\"sql\",\"result\":"
            "\"failed\",\"detail\":\"is \\\"1233\\\", expected is \\\"1234\\\"\",\"ms\":4}");
        sample_add(
            journal, "step-end",
            "{\"step\":\"verify\",\"number\":9,\"result\":\"failed\",\"ms\":9000,\"code\":\"CSN-Q004\",\"message\":"
            "\"the check pages failed: is \\\"1233\\\", expected is \\\"1234\\\"\"}");
        return;
    }
    sample_add(
        journal, "roles-after",
        "{\"roles\":[{\"role\":\"sysop\",\"users\":\"3\"},{\"role\":\"interface-admin\",\"users\":\"2\"}],\"step\":"
        "\"verify\"}");
    sample_add(journal, "attachments-after",
               "{\"step\":\"verify\",\"files\":420,\"rows\":419,\"missing\":1,\"unknown\":2}");
    sample_add(journal, "orphans-after",
               "{\"step\":\"verify\",\"orphans\":[{\"name\":\"revisions\",\"title\":\"revisions <of no "
               "page>\",\"count\":1,\"examples\":[{\"row\":\"<b>9</b>\"}]},{\"name\":\"new\",\"title\":\"new\","
               "\"count\":3,\"examples\":[{\"row64\":\"/w==\"}]}]}");
    sample_add(
        journal, "inventory",
        "{\"step\":\"verify\",\"when\":\"after\",\"items\":[{\"kind\":\"table\",\"database\":\"wiki\",\"name\":"
        "\"mediawiki.page\",\"rows\":1234,\"checksum\":\"2\"},{\"kind\":\"table\",\"database\":\"wiki\",\"name\":"
        "\"mediawiki.linktarget\",\"rows\":310,\"checksum\":\"7\"},{\"kind\":\"table\",\"database\":\"wiki\",\"name\":"
        "\"mediawiki.updatelog\",\"rows\":66,\"checksum\":\"8\"},{\"kind\":\"table\",\"database\":\"wiki\",\"name\":"
        "\"mediawiki.watchlist\",\"rows\":11,\"checksum\":\"5\"}]}");
    sample_add(journal, "written-elsewhere",
               "{\"step\":\"verify\",\"count\":1,\"paths\":[{\"path\":\"/var/cache/mediawiki/l10n.php\"}]}");
    end(journal, "verify", 9, 20400, "MediaWiki 1.43.1 answers and holds");
}

/* undone, for every intent that stands and is of this step (NULL: of any). */
static void undo(struct journal *journal, const char *step)
{
    size_t count = journal->count;
    for (size_t i = count; i > 0; i--) {
        yyjson_val *record = journal_record(journal, i - 1);
        if (journal_is(record, "intent") && (step == NULL || strcmp(journal_get(record, "step"), step) == 0)) {
            add(journal, "undone", "{\"step\":\"%s\",\"of\":%zu}", journal_get(record, "step"), i);
        }
    }
}

void sample_release(struct journal *journal)
{
    begin(journal, "release", 10);
    undo(journal, "fence");
    sample_add(
        journal, "released",
        "{\"keep_until\":\"2026-12-23T03:12:00Z\",\"old_program\":\"/srv/mediawiki.caisson-1a2b\",\"old_cluster\":"
        "\"/var/lib/postgresql/15/main.caisson-1a2b\"}");
    end(journal, "release", 10, 90, "the application may start");
    begin(journal, "report", 11);
    end(journal, "report", 11, 40, "/run/stick/report.html");
}

void sample_undo_all(struct journal *journal, const char *reason, const char *code)
{
    struct error error;
    if (journal_note(journal, &error, "rollback-begin", "reason", reason, "code", code, NULL) != 0) {
        abort();
    }
    undo(journal, NULL);
    sample_add(journal, "rolled-back", "{\"ms\":1710}");
    sample_add(journal, "swept", "{\"ms\":820}");
}

void sample_end(struct journal *journal, const char *result, const char *code, const char *message)
{
    struct error error;
    if (journal_note(journal, &error, "run-end", "result", result, "code", code, "message", message, NULL) != 0) {
        abort();
    }
}

void sample_upgraded(struct journal *journal, const char *language)
{
    sample_begin(journal, language);
    sample_assess(journal);
    sample_fence(journal);
    sample_safety(journal);
    sample_stage(journal);
    sample_switch(journal);
    sample_verify(journal, true);
    sample_release(journal);
    sample_end(journal, "upgraded", NULL, NULL);
}

void sample_rolled_back(struct journal *journal, const char *language)
{
    sample_begin(journal, language);
    sample_assess(journal);
    sample_fence(journal);
    sample_safety(journal);
    sample_stage(journal);
    sample_switch(journal);
    sample_verify(journal, false);
    sample_undo_all(journal, "the check pages failed", "CSN-Q004");
    sample_end(journal, "rolled-back", "CSN-Q004", "the check pages failed: is \"1233\", expected is \"1234\"");
}

void sample_stopped(struct journal *journal, const char *language)
{
    sample_begin(journal, language);
    begin(journal, "assess", 2);
    sample_add(
        journal, "assessment",
        "{\"findings\":[{\"check\":\"space\",\"severity\":\"blocker\",\"code\":\"CSN-A004\",\"what\":\"/srv has 120 MB "
        "free, 900 MB are needed\",\"accepted\":false}],\"roles\":[],\"program\":{},\"changes\":[],\"counts\":{}}");
    sample_add(journal, "step-end",
               "{\"step\":\"assess\",\"number\":2,\"result\":\"failed\",\"ms\":9100,\"code\":\"CSN-A004\",\"message\":"
               "\"space: /srv has 120 MB free, 900 MB are needed\"}");
    sample_end(journal, "stopped", "CSN-A004", "space: /srv has 120 MB free, 900 MB are needed");
}

void sample_unfinished(struct journal *journal, const char *language)
{
    sample_begin(journal, language);
    sample_assess(journal);
    sample_fence(journal);
    sample_safety(journal);
    sample_stage(journal);
    begin(journal, "switch", 8);
    sample_add(journal, "intent",
               "{\"step\":\"switch\",\"deed\":\"exchange\",\"path\":\"/srv/mediawiki\",\"other\":"
               "\"/srv/mediawiki.caisson-1a2b\",\"inode\":7}");
}
