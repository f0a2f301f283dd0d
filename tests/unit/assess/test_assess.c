/* What stops an upgrade and under which code; roles through the maps; attachments against rows. The database is a script. */
// wrap: query_open query_run query_close
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <fcntl.h>

#include "assess/looking.h"
#include "target/place.h"

/* --- the database: rows of two columns, ended by NULL --------------------------------------------------------------- */

static const char *const (*rows)[2];
static int columns = 2;
static const char *const (*maintenance_rows)[2]; /* of the database "postgres"; NULL: nobody may connect to it */
static const char *opened;

int __wrap_query_open(const struct query_target *, int, struct query_session **, struct error *);
int __wrap_query_run(struct query_session *, const char *, const char *const *, int, const struct query_limits *,
                     query_row_function *, void *, struct error *);
void __wrap_query_close(struct query_session *);

int __wrap_query_open(const struct query_target *target, int timeout_sec, struct query_session **session,
                      struct error *error)
{
    (void)timeout_sec;
    opened = target->database;
    *session = NULL;
    return (strcmp(opened, "postgres") == 0 ? maintenance_rows : rows) == NULL
               ? error_set(error, CSN_DATABASE_QUERY, "nobody answers")
               : 0;
}

int __wrap_query_run(struct query_session *session, const char *sql, const char *const *parameters, int count,
                     const struct query_limits *limits, query_row_function *take, void *context, struct error *error)
{
    (void)session, (void)parameters, (void)count, (void)limits;
    static const char *const open[][2] = {{"postgres", NULL}, {NULL, NULL}};
    const char *const(*answer)[2] = opened != NULL && strcmp(opened, "postgres") == 0 ? maintenance_rows : rows;
    if (strstr(sql, "datallowconn") != NULL) {
        answer = maintenance_rows != NULL ? open : &open[1];
    }
    for (size_t i = 0; answer[i][0] != NULL; i++) {
        struct query_row row = {.column_count = columns, .values = answer[i]};
        if (take(context, &row, error) != 0) {
            return -1;
        }
    }
    return 0;
}

void __wrap_query_close(struct query_session *session)
{
    (void)session;
}

/* --- one assessment ------------------------------------------------------------------------------------------------- */

static struct error error;
static struct profile profile;
static struct target target;
static struct assessment assessment;
static struct assess_subject subject;
static const struct query_target database = {.host = "/nowhere", .database = "app"};
static struct looking looking;

static int setup(void **state)
{
    (void)state;
    profile = (struct profile){.query_roles = (char *)"roles", .query_attachments = (char *)"attachments"};
    assessment = (struct assessment){0};
    target = (struct target){.profile = &profile};
    subject = (struct assess_subject){.target = &target, .database = &database};
    looking = (struct looking){.subject = &subject, .assessment = &assessment, .check = "test"};
    columns = 2;
    target.root_fd = open(place_make(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return target.root_fd < 0;
}

static int teardown(void **state)
{
    (void)state;
    close(target.root_fd);
    strings_free(&profile.attachments);
    strings_free(&profile.configuration);
    strings_free(&profile.keep);
    assess_free(&assessment);
    place_remove();
    return 0;
}

static void find(enum finding_severity severity, enum error_code code, const char *what)
{
    assert_int_equal(look_add(&looking, severity, code, &error, "%s", what), 0);
}

static void judged(enum error_code code, const char *words)
{
    assert_int_equal(assess_judge(&assessment, &error), -1);
    assert_string_equal(error_entry(error.code)->code, error_entry(code)->code);
    if (strstr(error.message, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.message, words);
    }
}

/* --- the judgement -------------------------------------------------------------------------------------------------- */

static void test_remarks_stop_nothing(void **state)
{
    (void)state;
    assert_int_equal(assess_judge(&assessment, &error), 0);
    find(FINDING_REMARK, CSN_NONE, "a remark");
    assert_int_equal(assess_judge(&assessment, &error), 0);
}

static void test_warnings_are_accepted_by_name(void **state)
{
    (void)state;
    struct strings accepted = {0};
    assert_int_equal(strings_add(&accepted, "clock", &error), 0);
    subject.accepted = &accepted;
    looking.check = "clock";
    find(FINDING_WARNING, CSN_ASSESS_WARNING, "late");
    assert_int_equal(assess_judge(&assessment, &error), 0);
    find(FINDING_BLOCKER, CSN_ASSESS_SPACE, "a blocker of that name"); /* is not accepted with it */
    judged(CSN_ASSESS_SPACE, "clock: a blocker of that name");
    strings_free(&accepted);
}

static void test_a_warning_that_nobody_accepted(void **state)
{
    (void)state;
    looking.check = "fence";
    find(FINDING_WARNING, CSN_TARGET_SERVICES, "cron starts it");
    find(FINDING_WARNING, CSN_TARGET_SERVICES, "so does rc.local");
    judged(CSN_ASSESS_WARNING, "2 warnings are not accepted, the first is fence: cron starts it");
}

static void test_blockers_of_one_code_keep_it(void **state)
{
    (void)state;
    find(FINDING_WARNING, CSN_ASSESS_WARNING, "a warning before");
    find(FINDING_BLOCKER, CSN_ASSESS_ROLE, "one");
    judged(CSN_ASSESS_ROLE, "test: one");
    find(FINDING_BLOCKER, CSN_ASSESS_ROLE, "two");
    judged(CSN_ASSESS_ROLE, "2 findings stop the upgrade, the first is test: one");
    find(FINDING_BLOCKER, CSN_ASSESS_SPACE, "three");
    judged(CSN_ASSESS_BLOCKED, "3 findings");
}

/* --- roles ---------------------------------------------------------------------------------------------------------- */

static struct package_role first_map[] = {
    {(char *)"admin", (char *)"manager"}, {(char *)"robot", (char *)"-"}, {(char *)"old", (char *)"older"}};
static struct package_role second_map[] = {{(char *)"manager", (char *)"owner"}};
static const struct package first = {.roles = first_map, .roles_count = 3};
static const struct package second = {.roles = second_map, .roles_count = 1};
static const struct package *const hops[] = {&first, &second};

static void test_roles_go_through_all_maps(void **state)
{
    (void)state;
    static const char *const in_use[][2] = {{"admin", "3"}, {"robot", "1"}, {"guest", NULL},
                                            {"old", "2"},   {"new", "7"},   {NULL, NULL}};
    static const char *const become[] = {"owner", "-", "reader", NULL, NULL};
    rows = in_use;
    subject.hops = hops;
    subject.hop_count = 2;
    struct ini_entry lines[] = {{(char *)"roles", (char *)"guest", (char *)"reader", 1}};
    const struct ini job = {.entries = lines, .count = 1};
    subject.job = &job;
    assert_int_equal(check_roles(&looking, &error), 0);
    assert_int_equal(assessment.role_count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct assessment_role *role = &assessment.roles[i];
        if (become[i] == NULL) {
            assert_null(role->becomes);
        } else {
            assert_non_null(role->becomes);
            assert_string_equal(role->becomes, become[i]);
        }
    }
    assert_int_equal(assessment.roles[0].users, 3);
    assert_int_equal(assessment.finding_count, 2); /* a line in one map is none in the next: "old" and "new" */
    judged(CSN_ASSESS_ROLE, "\"old\" of 2 users");
}

/* "* = *": who makes roles of his own keeps them. A line of its own counts more, and the package's more than the job's "*". */
static struct package_role others_map[] = {{(char *)"*", (char *)"*"}, {(char *)"robot", (char *)"-"}};
static const struct package others = {.roles = others_map, .roles_count = 2};
static const struct package *const others_first[] = {&others, &second};

static void test_other_roles_keep_their_names(void **state)
{
    (void)state;
    static const char *const in_use[][2] = {{"manager", "3"}, {"robot", "1"}, {"Leiter: Hafen", "2"}, {NULL, NULL}};
    static const char *const become[] = {"owner", "-", "Leiter: Hafen"};
    rows = in_use;
    subject.hops = others_first;
    subject.hop_count = 2;
    struct ini_entry lines[] = {{(char *)"roles", (char *)"*", (char *)"*", 1}};
    const struct ini job = {.entries = lines, .count = 1};
    subject.job = &job;
    assert_int_equal(check_roles(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(assessment.roles[i].becomes, become[i]);
    }
    assess_free(&assessment);
    subject.job = NULL;
    assert_int_equal(check_roles(&looking, &error), 0);
    judged(CSN_ASSESS_ROLE, "add to the job: [roles] Leiter%3A Hafen = NEW");
}

/* What the roles in use after the upgrade are worth, by what the ones before should become. */
static void roles_after(const char *before, const char *const (*in_use)[2], const char *message)
{
    yyjson_doc *document = yyjson_read(before, strlen(before), 0);
    struct assessment after = {0};
    rows = in_use;
    assert_non_null(document);
    assert_int_equal(assess_read_roles(&subject, &after, &error), 0);
    error = (struct error){0};
    int result = assess_check_roles(&subject, yyjson_doc_get_root(document), &after, &error);
    assert_int_equal(result, message == NULL ? 0 : -1);
    assert_int_equal(error.code, message == NULL ? CSN_NONE : CSN_SEQUENCE_VERIFY);
    if (message != NULL) {
        assert_non_null(strstr(error.message, message));
    }
    assess_free(&after);
    yyjson_doc_free(document);
}

static struct package_role writers_map[] = {
    {(char *)"writer", (char *)"author"}, {(char *)"reader", (char *)"reader"}, {(char *)"robot", (char *)"-"}};
static const struct package writers = {.roles = writers_map, .roles_count = 3};
static const struct package *const writers_only[] = {&writers};

static void test_roles_after_are_what_the_maps_say(void **state)
{
    (void)state;
    static const char *const authors[][2] = {{"author", "17"}, {"reader", "9"}, {NULL, NULL}};
    static const char *const lost[][2] = {{"author", "16"}, {"reader", "9"}, {NULL, NULL}};
    static const char *const robots[][2] = {{"author", "17"}, {"robot", "1"}, {NULL, NULL}};
    static const char *const both[][2] = {{"author", "17"}, {"king", "17"}, {NULL, NULL}};
    struct ini_entry king = {(char *)"roles", (char *)"writer", (char *)"king", 1};
    const struct ini job = {.entries = &king, .count = 1};
    subject.hops = writers_only;
    subject.hop_count = 1;
    roles_after("[{\"role\":\"writer\",\"users\":17,\"becomes\":\"author\"}]", authors,
                NULL); /* a new reader is known */
    roles_after("[{\"role\":\"writer\",\"users\":17,\"becomes\":\"author\"}]", lost,
                "the 17 users of the role \"writer\" should have become \"author\", which 16 users have");
    roles_after("[{\"role\":\"robot\",\"users\":1,\"becomes\":\"-\"}]", robots, "leads to, the first is \"robot\"");
    subject.job = &job; /* its line takes the place of the package's */
    roles_after("[{\"role\":\"writer\",\"users\":17,\"becomes\":\"king\"}]", authors,
                "\"writer\" should have become \"king\", which 0 users have");
    roles_after("[{\"role\":\"writer\",\"users\":17,\"becomes\":\"king\"}]", both, "the first is \"author\"");
    roles_after("[]", both, "the first is \"author\"");
}

static bool answer_holds;

static int ask(void *context, const struct package *package, const struct package_check *check, bool *holds,
               struct buffer *why, struct error *failing)
{
    (void)context;
    (void)package;
    (void)failing;
    *holds = answer_holds;
    buffer_format(why, "%s is old", check->name);
    return 0;
}

static void test_packages_ask_by_any_means(void **state)
{
    (void)state;
    static struct package_check checks[] = {
        {.name = (char *)"later", .title = (char *)"later", .when = PACKAGE_CHECK_STAGE},
        {.name = (char *)"ruby",
         .title = (char *)"Ruby is new",
         .when = PACKAGE_CHECK_ASSESS,
         .kind = PACKAGE_CHECK_COMMAND}};
    static const struct package package = {.checks = checks, .checks_count = 2};
    static const struct package *const one[] = {&package};
    subject.hops = one;
    subject.hop_count = 1;
    assert_int_equal(check_package_checks(&looking, &error), 0); /* there is no room to ask in */
    subject.ask = ask;
    answer_holds = true;
    assert_int_equal(check_package_checks(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    answer_holds = false;
    assert_int_equal(check_package_checks(&looking, &error), 0);
    judged(CSN_ASSESS_REQUIREMENT, "\"Ruby is new\" does not hold: ruby is old");
    assert_int_equal(assessment.finding_count, 1);
}

static void test_a_query_that_fails_is_a_blocker(void **state)
{
    (void)state;
    static const char *const in_use[][2] = {{"admin", "3"}, {NULL, NULL}};
    subject.hops = hops;
    subject.hop_count = 1;
    rows = NULL;
    assert_int_equal(check_roles(&looking, &error), 0);
    judged(CSN_DATABASE_QUERY, "nobody answers");
    assess_free(&assessment);
    rows = in_use;
    columns = 1;
    assert_int_equal(check_roles(&looking, &error), 0);
    judged(CSN_TARGET_PROFILE, "1 columns");
}

/* --- attachments ---------------------------------------------------------------------------------------------------- */

static void test_attachments_are_counted_both_ways(void **state)
{
    (void)state;
    static const char *const known[][2] = {{"a/1"}, {"/a/2"}, {"a/1"}, {""}, {"gone"}, {"../outside"}, {NULL}};
    rows = known;
    place_write("data/a/1", "12345");
    place_write("data/a/2", "");
    place_write("data/b/unknown", "x");
    place_write("outside", "x");
    assert_int_equal(strings_add(&profile.attachments, "/data", &error), 0);
    struct assess_attachments counts;
    assert_int_equal(assess_count_attachments(target.root_fd, &profile, &database, NULL, &counts, &error), 0);
    assert_int_equal(counts.files, 3);
    assert_int_equal(counts.bytes, 6);
    assert_int_equal(counts.unknown, 1);
    assert_string_equal(counts.unknown_examples.items[0], "b/unknown");
    assert_true(strings_has(&counts.missing_examples, "gone"));
    assess_attachments_free(&counts);

    assert_int_equal(check_attachments(&looking, &error), 0);
    assert_int_equal(assessment.attachment_files, 3);
    judged(CSN_ASSESS_WARNING, "attachments-missing");
}

static void test_without_rows_only_files_count(void **state)
{
    (void)state;
    place_write("data/a", "1");
    assert_int_equal(strings_add(&profile.attachments, "/data", &error), 0);
    assert_int_equal(strings_add(&profile.attachments, "/none", &error), 0);
    struct assess_attachments counts;
    assert_int_equal(assess_count_attachments(target.root_fd, &profile, NULL, NULL, &counts, &error), 0);
    assert_int_equal(counts.files, 1);
    assert_int_equal(counts.missing + counts.unknown, 0);
    assess_attachments_free(&counts);
}

/* --- the cluster ---------------------------------------------------------------------------------------------------- */

static const char *const nothing[][2] = {{NULL, NULL}};

static void test_other_databases_are_named(void **state)
{
    (void)state;
    static const char *const two[][2] = {{"ledger", NULL}, {"wiki", NULL}, {NULL, NULL}};
    static const char *const postgres[][2] = {{"postgres", NULL}, {NULL, NULL}};
    static const struct cluster cluster = {.data_path = (char *)"/data"};
    rows = nothing;
    maintenance_rows = nothing;
    assert_int_equal(check_other_databases(&looking, &error), 0); /* no cluster */
    subject.cluster = &cluster;
    assert_int_equal(check_other_databases(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    rows = two;
    assert_int_equal(check_other_databases(&looking, &error), 0);
    judged(CSN_ASSESS_WARNING, "/data holds 2 other databases");
    judged(CSN_ASSESS_WARNING, "too: ledger, wiki");
    assess_free(&assessment);
    rows = nothing;
    maintenance_rows = postgres;
    assert_int_equal(check_other_databases(&looking, &error), 0);
    judged(CSN_ASSESS_WARNING, "1 other databases");
    assess_free(&assessment);
    maintenance_rows = NULL;
    assert_int_equal(check_other_databases(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    rows = NULL;
    assert_int_equal(check_other_databases(&looking, &error), 0);
    judged(CSN_DATABASE_QUERY, "nobody answers");
}

static void test_archive_and_replicas_are_named(void **state)
{
    (void)state;
    static const char *const ties[][2] = {{"archive_mode", NULL}, {"replication slot far", NULL}, {NULL, NULL}};
    static const struct cluster cluster = {.data_path = (char *)"/data"};
    subject.cluster = &cluster;
    rows = nothing;
    assert_int_equal(check_replication(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    rows = ties;
    assert_int_equal(check_replication(&looking, &error), 0);
    judged(CSN_ASSESS_WARNING, "(archive_mode, replication slot far)");
}

/* --- the profile's paths --------------------------------------------------------------------------------------------- */

static void test_paths_that_are_not_backed_up_are_named(void **state)
{
    (void)state;
    place_write("etc/app.conf", "x");
    place_write("data/a", "x");
    place_link("linked", "data");
    target.installation.program_root = (char *)"/opt/app";
    assert_int_equal(strings_add(&profile.configuration, "/etc/app.conf", &error), 0);
    assert_int_equal(strings_add(&profile.attachments, "/linked", &error), 0);
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    place_link("loop", "loop");
    assert_int_equal(strings_add(&profile.configuration, "/etc/none.conf", &error), 0);
    assert_int_equal(strings_add(&profile.attachments, "/loop", &error), 0);
    assert_int_equal(strings_add(&profile.attachments, "/etc/app.conf", &error), 0);
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 3);
    assert_non_null(strstr(assessment.findings[0].what, "[configuration] /etc/none.conf is not there"));
    assert_int_equal(assessment.findings[0].severity, FINDING_REMARK); /* another one is */
    judged(CSN_ASSESS_WARNING, "2 warnings");
    assert_non_null(strstr(assessment.findings[1].what, "/loop is a link that leads to nothing"));
    assert_non_null(strstr(assessment.findings[2].what, "[attachments] /etc/app.conf is no folder"));
    /* Where it is the only one, nothing stands for it but the same name that is kept inside of the program tree. */
    assess_free(&assessment);
    strings_free(&profile.attachments);
    strings_free(&profile.configuration);
    assert_int_equal(strings_add(&profile.configuration, "/etc/none.conf", &error), 0);
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    judged(CSN_ASSESS_WARNING, "[configuration] /etc/none.conf is not there");
    assess_free(&assessment);
    place_write("opt/app/none.conf", "x");
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    judged(CSN_ASSESS_WARNING, "[configuration] /etc/none.conf is not there");
    assess_free(&assessment);
    assert_int_equal(strings_add(&profile.keep, "none.conf", &error), 0);
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 1);
    assert_int_equal(assessment.findings[0].severity, FINDING_REMARK);
}

static void test_paths_that_hold_each_other_are_refused(void **state)
{
    (void)state;
    struct cluster_folder wal = {(char *)"pg_wal", (char *)"/wal/main"};
    struct cluster cluster = {.data_path = (char *)"/opt/pg", .folders = &wal, .folder_count = 1};
    place_folder("opt/app/files");
    place_folder("opt/pg");
    place_folder("wal/main");
    place_link("everything", "/opt");
    target.installation.program_root = (char *)"/opt/app";
    subject.cluster = &cluster;
    assert_int_equal(strings_add(&profile.attachments, "/opt/app/files", &error), 0);
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    assert_int_equal(strings_add(&profile.attachments, "/opt/app", &error), 0);
    assert_int_equal(strings_add(&profile.attachments, "/everything", &error), 0);
    assert_int_equal(strings_add(&profile.configuration, "/wal", &error), 0);
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 4);
    judged(CSN_TARGET_PROFILE, "4 findings stop the upgrade, the first is test: [configuration] /wal holds /wal/main");
    assert_non_null(strstr(assessment.findings[1].what, "[attachments] /opt/app holds /opt/app"));
    assert_non_null(strstr(assessment.findings[3].what, "/everything holds /opt/pg"));
    assess_free(&assessment);
    cluster.data_path = (char *)"/opt/app/pg";
    cluster.folder_count = 0;
    strings_free(&profile.attachments);
    assert_int_equal(check_profile_paths(&looking, &error), 0);
    judged(CSN_TARGET_PROFILE, "the program tree /opt/app holds /opt/app/pg");
}

/* --- requirements --------------------------------------------------------------------------------------------------- */

static void test_the_system_is_asked_for_by_name_and_version(void **state)
{
    (void)state;
    struct package package = {.title = (char *)"App 2"};
    const struct package *const one[] = {&package};
    subject.hops = one;
    subject.hop_count = 1;
    target.installation.os_id = (char *)"debian";
    target.installation.os_version = (char *)"12";
    assert_int_equal(strings_add(&package.requirements.os, "debian-12", &error), 0);
    assert_int_equal(check_requirements(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    target.installation.os_version = (char *)"";
    assert_int_equal(check_requirements(&looking, &error), 0);
    judged(CSN_ASSESS_REQUIREMENT, "App 2 is not made for debian");
    strings_free(&package.requirements.os);
}

/* --- removed interfaces --------------------------------------------------------------------------------------------- */

static void test_removed_interfaces_are_found_in_folders_and_in_large_files(void **state)
{
    (void)state;
    static struct package_interface gone[] = {{.removed = (char *)"old_call", .instead = (char *)"new_call"}};
    static const struct package package = {.title = (char *)"App 2", .interfaces = gone, .interfaces_count = 1};
    static const struct package *const one[] = {&package};
    subject.hops = one;
    subject.hop_count = 1;
    place_write("etc/app/more/plain.conf", "old call\n");
    place_write("etc/app/deep/er/used.conf", "x = old_call(1)\n");
    place_run("{ head -c 17825788 /dev/zero; printf old_call; } >etc/app/large.conf"); /* across two pieces */
    place_write("else/behind", "old_call");
    place_link("etc/link", "../else/behind");
    assert_int_equal(strings_add(&profile.configuration, "/etc/app", &error), 0);
    assert_int_equal(strings_add(&profile.configuration, "/etc/link", &error), 0);
    assert_int_equal(strings_add(&profile.configuration, "/etc/none", &error), 0);
    assert_int_equal(check_interfaces(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 3);
    judged(CSN_ASSESS_WARNING, "/etc/app/deep/er/used.conf still uses \"old_call\"");
    assert_non_null(strstr(assessment.findings[1].what, "/etc/app/large.conf still uses"));
    assert_non_null(strstr(assessment.findings[2].what, "/else/behind still uses"));
}

/* --- file systems --------------------------------------------------------------------------------------------------- */

static void test_file_systems_with_errors_are_refused(void **state)
{
    (void)state;
    struct target_mount items[] = {
        {.device = (char *)"/dev/vda1", .place = (char *)"/", .type = (char *)"ext4"},
        {.device = (char *)"/dev/vda2", .place = (char *)"/var", .type = (char *)"ext4", .has_errors = true}};
    target.mounts = (struct target_mounts){.items = items, .count = 1};
    assert_int_equal(check_file_systems(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    target.mounts.count = 2;
    assert_int_equal(check_file_systems(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 1);
    judged(CSN_TARGET_ERRORS, "/dev/vda2 (ext4, /var) is marked as having errors");
    assess_free(&assessment);
    items[1].aside = true;
    items[1].needs_recovery = true;
    assert_int_equal(check_file_systems(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 2);
    judged(CSN_ASSESS_WARNING,
           "2 warnings are not accepted, the first is test: /dev/vda2 (ext4, /var) was not unmounted "
           "cleanly; nothing of the application lies there");
    assess_free(&assessment);
    items[1].place = (char *)"/usr";
    assert_int_equal(check_file_systems(&looking, &error), 0);
    judged(CSN_ASSESS_BLOCKED,
           "2 findings stop the upgrade, the first is test: /dev/vda2 (ext4, /usr) was not unmounted");
    assess_free(&assessment);
    const struct cluster cluster = {.binaries = (char *)"/opt/pg/bin"};
    subject.cluster = &cluster;
    items[1].place = (char *)"/opt/pg";
    assert_int_equal(check_file_systems(&looking, &error), 0);
    judged(CSN_ASSESS_BLOCKED, "/dev/vda2 (ext4, /opt/pg) was not unmounted cleanly");
}

/* --- at rest -------------------------------------------------------------------------------------------------------- */

/* --- links ---------------------------------------------------------------------------------------------------------- */

static void test_links_that_lead_out(void **state)
{
    (void)state;
    struct strings paths = {0};
    place_write("data/a/file", "x");
    place_write("store/file", "x");
    place_write("else/file", "x");
    place_folder("usr/share/fonts");
    place_link("data/a/inside", "../a/file");
    place_link("data/a/known", "/store/file");
    place_link("data/a/system", "/usr/share/fonts");
    place_link("data/a/dangling", "/nowhere");
    place_link("data/a/loop", "loop");
    place_link("data/a/host", "../../../../../../../../../../etc/passwd"); /* stays in the root, where there is none */
    assert_int_equal(strings_add(&profile.attachments, "/data", &error), 0);
    assert_int_equal(strings_add(&profile.attachments, "/none", &error), 0);
    assert_int_equal(strings_add(&paths, "/data", &error), 0);
    assert_int_equal(strings_add(&paths, "/store", &error), 0);
    target.installation.program_root = (char *)"/opt/app";
    assert_int_equal(check_links(&looking, &error), 0);
    subject.paths = &paths;
    assert_int_equal(check_links(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    place_link("data/a/out", "/data/a/through");
    place_link("data/a/through", "../../else");
    assert_int_equal(check_links(&looking, &error), 0);
    judged(CSN_ASSESS_WARNING, "2 links lead to where nothing is backed up: /data/a/out to /else");
    strings_free(&paths);
}

static void test_the_machines_own_root_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check_at_rest(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    close(target.root_fd);
    target.root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(check_at_rest(&looking, &error), 0);
    judged(CSN_DATABASE_RUNNING, "boot the image");
}

static void test_a_live_postmaster_is_refused(void **state)
{
    (void)state;
    place_folder("data");
    struct cluster cluster = {.data_path = (char *)"/data", .has_pid_file = true};
    subject.cluster = &cluster;
    pid_t child = fork();
    if (child == 0) {
        alarm(30); /* also if the test fails before it is killed */
        _exit(chdir(place_path("data")) == 0 && pause() != 0);
    }
    assert_true(child > 0);
    cluster.pid = child;
    usleep(200000);
    assert_int_equal(check_at_rest(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 1);
    judged(CSN_DATABASE_RUNNING, "/data is running");
    assess_free(&assessment);
    cluster.pid = getpid(); /* somebody else's by now */
    assert_int_equal(check_at_rest(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    cluster.pid = child; /* gone */
    assert_int_equal(check_at_rest(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
}

/* --- space ---------------------------------------------------------------------------------------------------------- */

static void one_blocker(const char *words)
{
    if (check_space(&looking, &error) != 0) {
        fail_msg("%s", error.message);
    }
    if (words == NULL) {
        if (assessment.finding_count > 0) {
            fail_msg("%s", assessment.findings[0].what);
        }
        return;
    }
    assert_int_equal(assessment.finding_count, 1);
    judged(CSN_ASSESS_SPACE, words);
    assessment.finding_count = 0;
    free(assessment.findings[0].what);
}

/* Data folder and WAL fit beside by themselves, but not both; a tree that fits by its bytes wants more inodes than there are; what
 * the site keeps is copied, too. */
static void test_what_shares_a_file_system_shares_its_room(void **state)
{
    (void)state;
    place_need_root();
    struct cluster_folder wal = {.link = (char *)"pg_wal", .target = (char *)"/var/wal"};
    struct cluster cluster = {.data_path = (char *)"/var/data", .folders = &wal};
    target.installation.program_root = (char *)"/opt/app";
    subject.scratch_path = place_path(".");
    place_run("mkdir -p opt/app var && mount -t tmpfs -o size=100m none var && mkdir var/data var/wal && "
              "head -c 24M /dev/zero >var/data/1 && head -c 24M /dev/zero >var/wal/1");
    subject.cluster = &cluster;
    one_blocker(NULL);
    cluster.folder_count = 1;
    one_blocker("/var/data: 65 MB are needed, 52 MB are free");
    assert_false(assessment.in_place);
    subject.in_place_if_needed = true;
    one_blocker(NULL);
    assert_true(assessment.in_place);
    place_run("head -c 40M /dev/zero >var/full");
    one_blocker("/var/data: 17 MB are needed, 12 MB are free");
    place_run("rm var/full");
    cluster.folder_count = 0; /* one of them fits */
    one_blocker(NULL);
    assert_false(assessment.in_place);
    subject.in_place_always = true;
    one_blocker(NULL);
    assert_true(assessment.in_place);
    subject.in_place_always = subject.in_place_if_needed = false;
    subject.cluster = NULL;
    place_run("umount var && mount -t tmpfs -o size=100m,nr_inodes=1000 none opt && mkdir opt/app");
    one_blocker(NULL);
    assessment.vendor_after.count = 800; /* 3 MB of blocks */
    assessment.vendor_after.entries = calloc(800, sizeof *assessment.vendor_after.entries);
    one_blocker("/opt/app: 1056 inodes are needed");
    assessment.vendor_after.count = 1;
    struct tree_entry kept = {.type = TREE_FILE, .size_bytes = 90u << 20};
    struct tree_merge_item item = {.path = "keep", .site = &kept, .content = TREE_CHANGE_KEPT};
    assessment.merge = (struct tree_merge){.items = &item, .count = 1};
    one_blocker("/opt/app: 107 MB are needed");
    assessment.merge = (struct tree_merge){0};
    place_run("umount opt");
}

/* What it costs has to be accepted; what the switch would carry away cannot come back. */
static void test_in_place_has_a_warning_of_its_own(void **state)
{
    (void)state;
    struct strings accepted = {0};
    struct cluster_folder space = {.link = (char *)"pg_tblspc/1", .target = (char *)"/srv/space"};
    struct cluster cluster = {.data_path = (char *)"/var/data", .folders = &space, .folder_count = 1};
    target.installation.program_root = (char *)"/opt/app";
    subject.cluster = &cluster;
    looking.check = "in-place";
    assert_int_equal(check_in_place(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 0);
    assessment.in_place = true;
    assessment.cluster_bytes = 3u << 20;
    assert_int_equal(check_in_place(&looking, &error), 0);
    judged(CSN_ASSESS_WARNING, "restoring 4 MB");
    assert_int_equal(strings_add(&accepted, "in-place", &error), 0);
    subject.accepted = &accepted;
    assert_int_equal(check_in_place(&looking, &error), 0);
    assert_true(assessment.findings[1].accepted);
    space.target = (char *)"/opt/app/space";
    assert_int_equal(check_in_place(&looking, &error), 0);
    judged(CSN_ASSESS_BLOCKED, "/opt/app/space");
    subject.accepted = NULL;
    strings_free(&accepted);
}

/* What ext4 keeps for root serves where only root writes, and not the database's user. */
static void test_what_is_kept_for_root_is_room_for_root(void **state)
{
    (void)state;
    place_need_root();
    struct cluster cluster = {.data_path = (char *)"/opt/data"};
    target.installation.program_root = (char *)"/opt/app";
    subject.scratch_path = place_path(".");
    place_run(
        "mkdir opt && truncate -s 64M i && mkfs.ext4 -q -m 50 i && mount -o loop i opt && mkdir opt/app opt/data && "
        "head -c 20M /dev/zero >opt/full");
    one_blocker(NULL);
    subject.cluster = &cluster;
    one_blocker("/opt/app: 17 MB are needed");
    place_run("umount opt");
}

/* A btrfs gives each subvolume a device number, and has one room for all. */
static void test_subvolumes_share_their_room(void **state)
{
    (void)state;
    place_need_root();
    struct cluster cluster = {.data_path = (char *)"/var/data/main"};
    struct tree_entry kept = {.type = TREE_FILE, .size_bytes = 80u << 20};
    struct tree_merge_item item = {.path = "keep", .site = &kept, .content = TREE_CHANGE_KEPT};
    target.installation.program_root = (char *)"/var/app/tiny";
    subject.scratch_path = place_path(".");
    place_run("mkdir var && truncate -s 300M i && mkfs.btrfs -q i && mount -o loop i var && btrfs -q subvolume create "
              "var/app && "
              "btrfs -q subvolume create var/data && mkdir var/app/tiny var/data/main && head -c 80M /dev/urandom "
              ">var/data/main/1 && sync -f var");
    subject.cluster = &cluster;
    one_blocker(NULL);
    assessment.merge = (struct tree_merge){.items = &item, .count = 1};
    one_blocker("/var/app/tiny: 177 MB are needed");
    subject.cluster = NULL;
    one_blocker(NULL);
    assessment.merge = (struct tree_merge){0};
    place_run("umount var");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_remarks_stop_nothing),
        TEST(test_warnings_are_accepted_by_name),
        TEST(test_a_warning_that_nobody_accepted),
        TEST(test_blockers_of_one_code_keep_it),
        TEST(test_roles_go_through_all_maps),
        TEST(test_other_roles_keep_their_names),
        TEST(test_roles_after_are_what_the_maps_say),
        TEST(test_packages_ask_by_any_means),
        TEST(test_a_query_that_fails_is_a_blocker),
        TEST(test_attachments_are_counted_both_ways),
        TEST(test_without_rows_only_files_count),
        TEST(test_links_that_lead_out),
        TEST(test_file_systems_with_errors_are_refused),
        TEST(test_removed_interfaces_are_found_in_folders_and_in_large_files),
        TEST(test_the_system_is_asked_for_by_name_and_version),
        TEST(test_paths_that_are_not_backed_up_are_named),
        TEST(test_paths_that_hold_each_other_are_refused),
        TEST(test_other_databases_are_named),
        TEST(test_archive_and_replicas_are_named),
        TEST(test_what_shares_a_file_system_shares_its_room),
        TEST(test_in_place_has_a_warning_of_its_own),
        TEST(test_what_is_kept_for_root_is_room_for_root),
        TEST(test_subvolumes_share_their_room),
        TEST(test_the_machines_own_root_is_refused),
        TEST(test_a_live_postmaster_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
