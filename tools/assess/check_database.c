#include "assess/looking.h"

#include <regex.h>
#include <string.h>

#define SQL_LIMIT ((size_t)1 << 20)
#define TABLE_TIMEOUT_SEC 3600

int check_database(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct error why = {0};
    if (subject->cluster == NULL) {
        return 0;
    }
    if (cluster_require_clean(subject->cluster, &why) != 0 || cluster_require_binaries(subject->cluster, &why) != 0) {
        return look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    if (subject->database == NULL) {
        return look_add(looking, FINDING_BLOCKER, CSN_DATABASE_START, error, "the database could not be looked into");
    }
    struct inventory_options options = {.table_timeout_sec = TABLE_TIMEOUT_SEC, .progress = subject->progress};
    if (inventory_take(subject->database, &options, &looking->assessment->inventory, &why) != 0) {
        return look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    return 0;
}

static bool holds(const struct package_check *check, const char *value)
{
    regex_t expression;
    bool good = check->equals == NULL || strcmp(check->equals, value) == 0;
    if (good && check->match != NULL && regcomp(&expression, check->match, REG_EXTENDED | REG_NOSUB) == 0) {
        good = regexec(&expression, value, 0, NULL, 0) == 0;
        regfree(&expression);
    }
    if (good && check->match_not != NULL && regcomp(&expression, check->match_not, REG_EXTENDED | REG_NOSUB) == 0) {
        good = regexec(&expression, value, 0, NULL, 0) != 0;
        regfree(&expression);
    }
    return good;
}

static int ask(struct looking *looking, struct query_session *session, const struct package *package,
               const struct package_check *check, struct error *error)
{
    struct buffer text = {0};
    struct buffer value = {0};
    struct error why = {0};
    struct query_limits limits = {.timeout_sec = check->timeout_sec, .rows = 1};
    int result = 0;
    const char *sql = check->query;
    if (sql == NULL) {
        result = package_member_read(package, check->file, SQL_LIMIT, &text, error);
        sql = buffer_text(&text);
    }
    if (result == 0 && query_value(session, sql, &limits, &value, &why) != 0) {
        result = look_add(looking, FINDING_BLOCKER, why.code, error, "\"%s\": %s", check->title, why.message);
    } else if (result == 0 && !holds(check, buffer_text(&value))) {
        result = look_add(looking, FINDING_BLOCKER, CSN_ASSESS_REQUIREMENT, error,
                          "\"%s\" does not hold: the answer is \"%.200s\"", check->title, buffer_text(&value));
    }
    buffer_free(&value);
    buffer_free(&text);
    return result;
}

/* Only the first package knows the version that is there now. */
int check_package_queries(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct query_session *session = NULL;
    struct error why = {0};
    if (subject->database == NULL || subject->hop_count == 0) {
        return 0;
    }
    if (query_open(subject->database, 0, &session, &why) != 0) {
        return look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    const struct package *package = subject->hops[0];
    int result = 0;
    for (size_t i = 0; result == 0 && i < package->checks_count; i++) {
        const struct package_check *check = &package->checks[i];
        if (check->when == PACKAGE_CHECK_ASSESS && check->kind == PACKAGE_CHECK_SQL) {
            result = ask(looking, session, package, check, error);
        }
    }
    query_close(session);
    return result;
}
