/* A job is read whole or refused, and the refusal says where and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "sequence/job.h"
#include "target/place.h"

#define GOOD                                                                                                           \
    "[job]\nname = \xE6\xB8\xAF\n[server]\ndisks = serial:A\n[backup]\ndisk = label:B\n[package]\nfiles = a.cpkg\n"

static struct job job;
static struct error error;

static void parse(const char *text)
{
    if (job_parse(&job, "a.job", text, "/stick", &error) != 0 || job_check(&job, NULL, &error) != 0) {
        fail_msg("%s", error.message);
    }
}

/* words: what the message has to name, parted by |. */
static void assert_command_refused(const char *command, const char *text, enum error_code code, const char *words)
{
    char parts[256];
    error = (struct error){0};
    if (job_parse(&job, "a.job", text, "/stick", &error) == 0) {
        assert_int_equal(job_check(&job, command, &error), -1);
        job_free(&job);
    }
    assert_string_equal(error_entry(error.code)->code, error_entry(code)->code);
    assert_non_null(strstr(error.message, "a.job"));
    snprintf(parts, sizeof parts, "%s", words);
    char *rest = parts;
    for (char *word; (word = strsep(&rest, "|")) != NULL;) {
        if (strstr(error.message, word) == NULL) {
            fail_msg("\"%s\" does not name \"%s\"", error.message, word);
        }
    }
    assert_null(job.text); /* nothing to free */
}

static void assert_refused(const char *text, enum error_code code, const char *words)
{
    assert_command_refused(NULL, text, code, words);
}

static void test_a_job(void **state)
{
    (void)state;
    parse(GOOD);
    assert_string_equal(job.name, "\xE6\xB8\xAF");
    assert_string_equal(job.command, "run");
    assert_string_equal(job.backup_folder, "caisson");
    job_free(&job);
}

static void test_what_is_not_said(void **state)
{
    (void)state;
    parse(GOOD);
    assert_null(job.approved_by);
    assert_string_equal(job.language, "en");
    assert_string_equal(job.after, "power-off");
    assert_null(job.root_folder);
    assert_null(job.program_root);
    assert_null(job.goal_version);
    assert_false(job.scratch_in_memory);
    assert_false(job.force_rehearsal);
    assert_string_equal(job.in_place, "no");
    assert_int_equal(job.valid_hours, 12);
    assert_int_equal(job.rollback_minutes, 120);
    assert_int_equal(job.keep_days, 30);
    assert_int_equal(job.accepted.count, 0);
    job_free(&job);
    job_free(&job);
}

static void test_all_that_can_be_said(void **state)
{
    (void)state;
    parse("[job]\nname = n\napproved-by = A. Tan\nlanguage = zh\nafter = console\n"
          "[server]\ndisks = serial:A, serial:B\nprofile = wiki\nprogram-root = /opt/app\n"
          "[backup]\ndisk = label:B\nfolder = there\n[package]\nfiles = a.cpkg, b.cpkg\nversion = 3.0\n"
          "[database]\nin-place = if-needed\n[rehearsal]\nscratch = memory\nforce = yes\n[assessment]\nvalid-hours = "
          "8760\n[budget]\nrollback-minutes = 0\n"
          "[release]\nkeep-days = 7\n[accept]\nwarnings = space, clock, in-place\n"
          "[answers]\nlib/a b.php = site\nc = vendor\n[roles]\nold = new\n");
    assert_string_equal(job.approved_by, "A. Tan");
    assert_string_equal(job.language, "zh");
    assert_string_equal(job.after, "console");
    assert_int_equal(job.server_disks.count, 2);
    assert_string_equal(job.server_disks.items[1], "serial:B");
    assert_string_equal(job.profile, "wiki");
    assert_string_equal(job.program_root, "/opt/app");
    assert_string_equal(job.backup_folder, "there");
    assert_int_equal(job.package_files.count, 2);
    assert_string_equal(job.goal_version, "3.0");
    assert_true(job.scratch_in_memory);
    assert_true(job.force_rehearsal);
    assert_string_equal(job.in_place, "if-needed");
    assert_int_equal(job.valid_hours, 8760);
    assert_int_equal(job.rollback_minutes, 0);
    assert_int_equal(job.keep_days, 7);
    assert_true(strings_has(&job.accepted, "clock"));
    assert_string_equal(job_answer(&job, "lib/a b.php"), "site");
    assert_string_equal(job_answer(&job, "c"), "vendor");
    assert_null(job_answer(&job, "d"));
    job_free(&job);
}

static void test_mistyped_and_repeated(void **state)
{
    (void)state;
    assert_refused(GOOD "[jop]\nname = n\n", CSN_JOB_UNKNOWN_KEY, "line 10|name|[jop]");
    assert_refused(GOOD "[release]\nkeep-day = 7\n", CSN_JOB_UNKNOWN_KEY, "line 10|keep-day");
    assert_refused("[job]\nname = n\nname = m\n", CSN_JOB_REPEATED_KEY, "line 3|name|line 2");
    assert_refused(GOOD "[answers]\na = site\na = site\n", CSN_JOB_REPEATED_KEY, "line 11|line 10");
    assert_refused(GOOD "[relase]\n", CSN_JOB_UNKNOWN_KEY, "line 9|[relase]");
    assert_refused("[job]\nname n\n", CSN_JOB_SYNTAX, "line 2");
    assert_refused("name = n\n", CSN_JOB_UNKNOWN_KEY, "line 1|name");
    assert_refused("", CSN_JOB_KEY_MISSING, "[job]|name");
}

static void test_values(void **state)
{
    (void)state;
    assert_refused("[job]\nname =\n", CSN_JOB_VALUE, "line 2|name");
    assert_refused(GOOD "[release]\nkeep-days = -1\n", CSN_JOB_VALUE, "line 10|keep-days|whole number");
    assert_refused(GOOD "[release]\nkeep-days = 36501\n", CSN_JOB_VALUE, "keep-days|36500");
    assert_refused(GOOD "[assessment]\nvalid-hours = 8761\n", CSN_JOB_VALUE, "valid-hours|8760");
    assert_refused(GOOD "[budget]\nrollback-minutes = 18446744073709551615\n", CSN_JOB_VALUE, "rollback-minutes");
    assert_refused(GOOD "[budget]\nrollback-minutes = 18446744073709551616\n", CSN_JOB_VALUE, "rollback-minutes");
    assert_refused(GOOD "[rehearsal]\nforce = ja\n", CSN_JOB_VALUE, "force|yes or no");
    assert_refused(GOOD "[rehearsal]\nscratch = disk\n", CSN_JOB_VALUE, "scratch|disk|memory");
    assert_refused(GOOD "[database]\nin-place = maybe\n", CSN_JOB_VALUE, "in-place|maybe|no if-needed yes");
    assert_refused(GOOD "[answers]\na/b = both\n", CSN_JOB_VALUE, "a/b|both|vendor");
    assert_refused(GOOD "[accept]\nwarnings = clock, spce\n", CSN_JOB_VALUE,
                   "[accept]|\"spce\"|, space, |attachments-missing");
    assert_refused("[job]\nname = n\ncommand = upgrade\n", CSN_JOB_VALUE, "command|upgrade|rollback");
    assert_refused("[job]\nname = n\ncommand = run assess\n", CSN_JOB_VALUE, "command|run assess");
    assert_refused("[job]\nname = n\nlanguage = de\n", CSN_JOB_VALUE, "language|de|zh");
    assert_refused("[job]\nname = n\nafter = now\n", CSN_JOB_VALUE, "after|now|reboot");
    assert_refused("[job]\nname = n\n[server]\nroot-folder = srv\n", CSN_JOB_VALUE, "line 4|root-folder|absolute");
    assert_refused("[job]\nname = n\n[server]\nroot-folder = /srv/../x\n", CSN_JOB_VALUE, "root-folder|..");
    assert_refused("[job]\nname = n\n[server]\nroot-folder = /srv\ndisks = serial:A\n", CSN_JOB_VALUE,
                   "disks|root-folder");
}

static void test_names_of_disks_last(void **state)
{
    (void)state;
    parse("[job]\nname = n\ncommand = identify\n[server]\ndisks = path:/dev/disk/by-path/pci-0000:00:04.0, "
          "path:/dev/disk/by-id/wwn-0x5-part2, image:/srv/a.img, wwn:naa.5\n[backup]\ndisk = partlabel:backup\n");
    job_free(&job);
    static const char *const others[] = {"path:/dev/sda",
                                         "path:/dev/vda2",
                                         "path:/dev/disk/by-id/../../sda",
                                         "path:/dev/disk/by-id/..",
                                         "path:/dev/disk/by-diskseq/9",
                                         "path:/dev/disk/by-id/",
                                         "path:/srv/link",
                                         "sda",
                                         "/dev/sda"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        char text[200];
        char words[100];
        snprintf(words, sizeof words, "\"disks\" in [server]|\"%s\"", others[i]);
        snprintf(text, sizeof text, "[job]\nname = n\ncommand = identify\n[server]\ndisks = serial:A, %s\n", others[i]);
        assert_refused(text, CSN_JOB_VALUE, words);
        snprintf(words, sizeof words, "\"disk\" in [backup]|\"%s\"", others[i]);
        snprintf(text, sizeof text, "[job]\nname = n\ncommand = identify\n[backup]\ndisk = %s\n", others[i]);
        assert_refused(text, CSN_JOB_VALUE, words);
    }
}

#define NAMED(command) "[job]\nname = n\ncommand = " command "\n"
#define SERVER "[server]\ndisks = serial:A\n"

static void test_what_each_command_needs(void **state)
{
    (void)state;
    static const char *const enough[] = {
        NAMED("identify"),
        NAMED("rollback") SERVER,
        NAMED("assess") SERVER "[package]\nfiles = a\n",
        NAMED("run") SERVER "[package]\nfiles = a\n[backup]\nfolder = /srv/backup\n",
        NAMED("run") "[server]\nroot-folder = /srv\n[package]\nfiles = a\n[backup]\ndisk = label:B\n",
    };
    for (size_t i = 0; i < sizeof enough / sizeof enough[0]; i++) {
        parse(enough[i]);
        job_free(&job);
    }
    assert_refused(NAMED("rollback"), CSN_JOB_KEY_MISSING, "rollback|[server] disks");
    assert_refused(NAMED("assess") SERVER, CSN_JOB_KEY_MISSING, "assess|[package] files");
    assert_refused(NAMED("run") SERVER "[package]\nfiles = a\n", CSN_JOB_KEY_MISSING, "run|[backup] disk");
    assert_refused(NAMED("run") SERVER "[package]\nfiles = a\n[backup]\nfolder = b\n", CSN_JOB_KEY_MISSING,
                   "[backup] disk");
    assert_refused(GOOD "[rehearsal]\nforce = yes\n", CSN_JOB_KEY_MISSING, "[job] approved-by");
    /* What is asked for counts, not what the job says. */
    assert_command_refused("install", NAMED("assess") SERVER "[package]\nfiles = a\n", CSN_JOB_KEY_MISSING,
                           "\"install\" needs|[backup] disk");
    assert_command_refused("install", GOOD "[database]\nin-place = yes\n", CSN_JOB_VALUE, "in-place|install");
    assert_refused(NAMED("assess") SERVER "[package]\nfiles = a\n[database]\nin-place = yes\n", CSN_JOB_KEY_MISSING,
                   "[backup] disk|in-place");
    assert_command_refused("resume", NAMED("run"), CSN_JOB_KEY_MISSING, "\"resume\" needs|[server] disks");
    assert_command_refused("assess", NAMED("run") SERVER, CSN_JOB_KEY_MISSING, "\"assess\" needs|[package] files");
    assert_int_equal(job_parse(&job, "a.job", NAMED("run") SERVER, "/stick", &error), 0);
    assert_int_equal(job_check(&job, "rollback", &error), 0);
    assert_int_equal(job_check(&job, "resume", &error), 0);
    assert_int_equal(job_check(&job, "identify", &error), 0);
    job_free(&job);
}

static void test_a_job_that_is_not_utf8(void **state)
{
    (void)state;
    assert_refused("[job]\nname = \xB8\xDB\n", CSN_JOB_SYNTAX, "a.job line 2|UTF-8");
}

static void test_files(void **state)
{
    (void)state;
    char home[4096];
    place_make();
    place_write("stick/a.job", "\xEF\xBB\xBF[job]\r\nname = n\r\ncommand = identify\r\n"); /* as Windows saves it */
    assert_int_equal(job_read(&job, place_path("stick/a.job"), NULL, &error), 0);
    assert_string_equal(job.name, "n");
    assert_string_equal(job.folder, place_path("stick"));
    assert_int_equal(strlen(job.digest), 64);
    job_free(&job);
    assert_non_null(getcwd(home, sizeof home));
    assert_int_equal(chdir(place_path("stick")), 0);
    assert_int_equal(job_read(&job, "a.job", NULL, &error), 0);
    assert_string_equal(job.folder, ".");
    job_free(&job);
    assert_int_equal(chdir(home), 0);

    assert_int_equal(job_read(&job, place_path("stick/none.job"), NULL, &error), -1);
    assert_int_equal(error.code, CSN_JOB_MISSING);
    assert_non_null(strstr(error.message, "stick/none.job"));
    assert_int_equal(job_read(&job, place_path("stick"), NULL, &error), -1);
    assert_int_equal(error.code, CSN_JOB_MISSING);
    assert_non_null(strstr(error.message, "is a folder"));
    place_run(
        "printf '[job]\\nname = n\\000\\n' >stick/nul.job; head -c 1048577 /dev/zero | tr '\\0' ';' >stick/big.job");
    assert_int_equal(job_read(&job, place_path("stick/nul.job"), NULL, &error), -1);
    assert_int_equal(error.code, CSN_JOB_SYNTAX);
    assert_int_equal(job_read(&job, place_path("stick/big.job"), NULL, &error), -1);
    assert_int_equal(error.code, CSN_IO);
    assert_non_null(strstr(error.message, "big.job"));
    place_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job),
        cmocka_unit_test(test_what_is_not_said),
        cmocka_unit_test(test_all_that_can_be_said),
        cmocka_unit_test(test_mistyped_and_repeated),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_names_of_disks_last),
        cmocka_unit_test(test_what_each_command_needs),
        cmocka_unit_test(test_a_job_that_is_not_utf8),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
