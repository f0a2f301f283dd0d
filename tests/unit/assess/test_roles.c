/* By whose line of the maps a role becomes another, as the journal has it; sizes that cannot be told are a remark. No database answers. */
// wrap: query_open query_run query_close
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "assess/looking.h"

static struct error error;
static const char *const (*rows)[2];

int __wrap_query_open(const struct query_target *, int, struct query_session **, struct error *);
int __wrap_query_run(struct query_session *, const char *, const char *const *, int, const struct query_limits *,
                     query_row_function *, void *, struct error *);
void __wrap_query_close(struct query_session *);

int __wrap_query_open(const struct query_target *target, int timeout_sec, struct query_session **session,
                      struct error *why)
{
    (void)target, (void)timeout_sec;
    *session = NULL;
    return rows == NULL ? error_set(why, CSN_DATABASE_QUERY, "nobody answers") : 0;
}

int __wrap_query_run(struct query_session *session, const char *sql, const char *const *parameters, int count,
                     const struct query_limits *limits, query_row_function *take, void *context, struct error *why)
{
    (void)session, (void)sql, (void)parameters, (void)count, (void)limits;
    for (size_t i = 0; rows[i][0] != NULL; i++) {
        const size_t sizes[] = {strlen(rows[i][0]), strlen(rows[i][1])};
        const struct query_row row = {.column_count = 2, .values = rows[i], .sizes = sizes};
        if (take(context, &row, why) != 0) {
            return -1;
        }
    }
    return 0;
}

void __wrap_query_close(struct query_session *session)
{
    (void)session;
}

/* --- roles ---------------------------------------------------------------------------------------------------------- */

static struct package_role first_map[] = {{"admin", "manager"}, {"robot", "-"}, {"old", "older"}, {"x", "x"}};
static struct package_role second_map[] = {{"manager", "owner"}, {"*", "*"}};
static struct package_role third_map[] = {{"owner", "owner"}, {"x", "y"}};
static const struct package first = {.name = "first", .roles = first_map, .roles_count = 4};
static const struct package second = {.name = "second", .roles = second_map, .roles_count = 2};
static const struct package third = {.name = "third", .roles = third_map, .roles_count = 2};
static const struct package *const hops[] = {&first, &second, &third};
static struct ini_entry job_lines[] = {{(char *)"roles", (char *)"guest", (char *)"reader", 1},
                                       {(char *)"roles", (char *)"*", (char *)"nobody", 2}};
static const struct query_target database = {.host = "/nowhere", .database = "app"};
static struct profile profile = {.query_roles = (char *)"roles"};
static const struct target target = {.profile = &profile};

static char *record_of(const struct assess_subject *subject)
{
    struct assessment assessment = {0};
    if (assess_read_roles(subject, &assessment, &error) != 0) {
        fail_msg("%s", error.message);
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = assess_to_json(&assessment, document);
    char *text = yyjson_mut_val_write(yyjson_mut_obj_get(object, "roles"), 0, NULL);
    yyjson_mut_doc_free(document);
    assess_free(&assessment);
    return text;
}

static void test_each_hops_line(void **state)
{
    (void)state;
    static const char *const in_use[][2] = {{"admin", "3"}, {"robot", "1"}, {"x", "2"}, {"old", "4"}, {NULL, NULL}};
    const struct assess_subject subject = {.target = &target, .database = &database, .hops = hops, .hop_count = 3};
    rows = in_use;
    char *text = record_of(&subject);
    assert_string_equal(
        text,
        "[{\"role\":\"admin\",\"users\":3,\"becomes\":\"owner\",\"lines\":["
        "{\"package\":\"first\",\"from\":\"admin\",\"to\":\"manager\"},"
        "{\"package\":\"second\",\"from\":\"manager\",\"to\":\"owner\"},"
        "{\"package\":\"third\",\"from\":\"owner\",\"to\":\"owner\"}]},"
        "{\"role\":\"robot\",\"users\":1,\"becomes\":\"-\",\"lines\":["
        "{\"package\":\"first\",\"from\":\"robot\",\"to\":\"-\"}]},"
        "{\"role\":\"x\",\"users\":2,\"becomes\":\"y\",\"lines\":["
        "{\"package\":\"first\",\"from\":\"x\",\"to\":\"x\"},{\"package\":\"second\",\"from\":\"*\",\"to\":\"*\"},"
        "{\"package\":\"third\",\"from\":\"x\",\"to\":\"y\"}]},"
        "{\"role\":\"old\",\"users\":4,\"lines\":[{\"package\":\"first\",\"from\":\"old\",\"to\":\"older\"},"
        "{\"package\":\"second\",\"from\":\"*\",\"to\":\"*\"}]}]");
    free(text);
}

static void test_the_jobs_lines(void **state)
{
    (void)state;
    static const char *const in_use[][2] = {{"guest", "3"}, {"old", "4"}, {NULL, NULL}};
    const struct ini job = {.entries = job_lines, .count = 2};
    const struct assess_subject subject = {
        .target = &target, .database = &database, .hops = hops, .hop_count = 1, .job = &job};
    const struct assess_subject all = {
        .target = &target, .database = &database, .hops = hops, .hop_count = 3, .job = &job};
    rows = in_use;
    char *text = record_of(&subject);
    assert_string_equal(text, "[{\"role\":\"guest\",\"users\":3,\"becomes\":\"reader\",\"lines\":[{\"from\":\"guest\","
                              "\"to\":\"reader\"}]},{\"role\":\"old\",\"users\":4,\"becomes\":\"older\",\"lines\":[{"
                              "\"package\":\"first\",\"from\":\"old\",\"to\":\"older\"}]}]");
    free(text);
    text = record_of(&all); /* what a hop has no line for is the job's "*" */
    assert_non_null(
        strstr(text, "{\"package\":\"second\",\"from\":\"*\",\"to\":\"*\"},{\"from\":\"*\",\"to\":\"nobody\"}]"));
    free(text);
}

static void test_user_roles_have_what_becomes_of_them(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"ann", "admin"}, {"bob", "robot"}, {"cid", "new"}, {"dan", "admin"}, {NULL, NULL}};
    static const struct package *const one[] = {&first};
    const struct assess_subject subject = {.hops = one, .hop_count = 1};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    rows = pairs;
    assert_int_equal(user_roles_read(&database, "user-roles", document, object, &error), 0);
    assess_map_user_roles(&subject, document, object);
    char *text = yyjson_mut_write(document, 0, NULL);
    assert_string_equal(text, "{\"roles\":[{\"role\":\"admin\",\"users\":[\"ann\",\"dan\"],\"becomes\":\"manager\"},"
                              "{\"role\":\"robot\",\"users\":[\"bob\"],\"becomes\":\"-\"},"
                              "{\"role\":\"new\",\"users\":[\"cid\"]}],\"pairs\":4}");
    free(text);
    yyjson_mut_doc_free(document);
}

/* --- sizes ---------------------------------------------------------------------------------------------------------- */

static void test_sizes_that_cannot_be_told_are_a_remark(void **state)
{
    (void)state;
    const struct cluster cluster = {.data_path = (char *)"/data"};
    const struct assess_subject subject = {.target = &target, .cluster = &cluster, .database = &database};
    struct assessment assessment = {0};
    struct looking looking = {.subject = &subject, .assessment = &assessment, .check = "sizes"};
    rows = NULL;
    assert_int_equal(check_sizes(&looking, &error), 0);
    assert_int_equal(assessment.finding_count, 1);
    assert_int_equal(assessment.findings[0].severity, FINDING_REMARK);
    assert_string_equal(assessment.findings[0].what,
                        "the sizes of the database's tables are not known: nobody answers");
    assert_int_equal(assess_judge(&assessment, &error), 0);
    assess_free(&assessment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_hops_line),
        cmocka_unit_test(test_the_jobs_lines),
        cmocka_unit_test(test_user_roles_have_what_becomes_of_them),
        cmocka_unit_test(test_sizes_that_cannot_be_told_are_a_remark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
