#include "assess/looking.h"

#include <string.h>

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

/* --- whom else it touches ------------------------------------------------------------------------------------------ */

static int add_first(void *context, const struct query_row *row, struct error *error)
{
    return row->values[0] == NULL ? 0 : strings_add(context, row->values[0], error);
}

/* The first column of all rows; what fails is a blocker. */
static int ask_names(struct looking *looking, const struct query_target *database, const char *sql,
                     struct strings *names, struct error *error)
{
    struct query_limits limits = {.timeout_sec = 600, .rows = 100000};
    struct query_session *session = NULL;
    struct error why = {0};
    int result = 0;
    if (query_open(database, 0, &session, &why) != 0 ||
        query_run(session, sql, NULL, 0, &limits, add_first, names, &why) != 0) {
        result = why.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", why.message)
                                        : look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    query_close(session);
    return result;
}

static int list_names(const struct strings *names, struct buffer *list, struct error *error)
{
    for (size_t i = 0; i < names->count; i++) {
        buffer_format(list, "%s%s", i == 0 ? "" : ", ", names->items[i]);
    }
    return buffer_check(list, error);
}

/* "postgres" is a place to connect to: it counts where somebody has put tables into it. A cluster need not have it, or let anybody in. */
static int ask_others(struct looking *looking, struct strings *others, struct error *error)
{
    struct query_target maintenance = *looking->subject->database;
    struct strings open = {0};
    maintenance.database = "postgres";
    int result = ask_names(looking, looking->subject->database,
                           "SELECT datname FROM pg_database WHERE datname <> current_database() "
                           "AND datname NOT IN ('postgres', 'template0', 'template1') ORDER BY 1",
                           others, error);
    if (result == 0) {
        result = ask_names(looking, looking->subject->database,
                           "SELECT datname FROM pg_database WHERE datname <> current_database() "
                           "AND datname = 'postgres' AND datallowconn",
                           &open, error);
    }
    if (result == 0 && open.count > 0) {
        result = ask_names(looking, &maintenance,
                           "SELECT current_database() WHERE EXISTS (SELECT FROM pg_class WHERE oid >= 16384 "
                           "AND relkind IN ('r', 'p', 'm'))",
                           others, error);
    }
    strings_free(&open);
    return result;
}

/* A cluster is cloned and exchanged as a whole: what else is in it shares its fate. */
int check_other_databases(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct strings others = {0};
    struct buffer list = {0};
    int result = 0;
    if (subject->cluster != NULL && subject->database != NULL) {
        result = ask_others(looking, &others, error);
    }
    if (result == 0 && others.count > 0) {
        result = list_names(&others, &list, error);
    }
    if (result == 0 && others.count > 0) {
        result =
            look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
                     "the cluster %s holds %zu other databases; they stand still during the upgrade, and a rollback "
                     "takes them back, too: %.600s",
                     subject->cluster->data_path, others.count, buffer_text(&list));
    }
    buffer_free(&list);
    strings_free(&others);
    return result;
}

/* What ties the cluster to others outside. The room runs with other settings: the files are asked, the last line counts. */
static const char ties_sql[] =
    "SELECT name FROM (SELECT DISTINCT ON (lower(name)) lower(name) AS name, setting FROM pg_file_settings "
    "ORDER BY lower(name), seqno DESC) AS settings "
    "WHERE (name = 'archive_mode' AND lower(setting) NOT IN ('off', 'false', 'no', '0')) "
    "OR (name IN ('primary_conninfo', 'synchronous_standby_names') AND setting <> '') "
    "UNION ALL SELECT 'replication slot ' || slot_name FROM pg_replication_slots "
    "UNION ALL SELECT 'subscription ' || subname FROM pg_subscription";

int check_replication(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct strings ties = {0};
    struct buffer list = {0};
    int result = 0;
    if (subject->cluster != NULL && subject->database != NULL) {
        result = ask_names(looking, subject->database, ties_sql, &ties, error);
    }
    if (result == 0 && ties.count > 0) {
        result = list_names(&ties, &list, error);
    }
    if (result == 0 && ties.count > 0) {
        result =
            look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
                     "the cluster %s is archived or replicated (%.400s); neither archive nor replicas take part in the "
                     "upgrade or in a rollback: make them anew after it",
                     subject->cluster->data_path, buffer_text(&list));
    }
    buffer_free(&list);
    strings_free(&ties);
    return result;
}

/* --- what the packages ask ----------------------------------------------------------------------------------------- */

/* Only the first package knows the version that is there now. */
int check_package_checks(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct package *package = subject->hop_count == 0 ? NULL : subject->hops[0];
    int result = 0;
    for (size_t i = 0; subject->ask != NULL && package != NULL && result == 0 && i < package->checks_count; i++) {
        const struct package_check *check = &package->checks[i];
        struct buffer why = {0};
        bool holds = true;
        if (check->when == PACKAGE_CHECK_ASSESS) {
            result = subject->ask(subject->context, package, check, &holds, &why, error);
        }
        if (result == 0 && !holds) {
            result = look_add(looking, FINDING_BLOCKER, CSN_ASSESS_REQUIREMENT, error, "\"%s\" does not hold: %.300s",
                              check->title, buffer_text(&why));
        }
        buffer_free(&why);
    }
    return result;
}
