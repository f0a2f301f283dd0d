#include "assess/looking.h"

#include <string.h>

#include "database/integrity.h"

#define TABLE_TIMEOUT_SEC 3600

/* It was started on a copy before this, and has recovered there or not. */
static int tell_unclean(struct looking *looking, const struct error *why, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    if (subject->database == NULL) {
        return look_add(looking, FINDING_BLOCKER, why->code, error, "%s; on a copy it does not recover: %s",
                        why->message, subject->not_recovered == NULL ? "it was not tried" : subject->not_recovered);
    }
    if (!subject->recover) {
        return look_add(
            looking, FINDING_BLOCKER, why->code, error,
            "%s; on a copy it recovers, and all of it can be read: \"recover = yes\" in [database] of the job "
            "lets the copy be upgraded",
            why->message);
    }
    if (subject->in_place_if_needed || subject->in_place_always) {
        return look_add(looking, FINDING_REMARK, CSN_NONE, error,
                        "%s; on a copy it recovers. As the job lets it, what is upgraded recovers, the copy or, in "
                        "place, the cluster "
                        "itself; going back brings the old one back as it is now",
                        why->message);
    }
    return look_add(
        looking, FINDING_REMARK, CSN_NONE, error,
        "%s; on a copy it recovers. As the job lets it, the copy that is upgraded recovers; the old cluster stays "
        "as it is, for going back",
        why->message);
}

int check_database(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct error why = {0};
    if (subject->cluster == NULL) {
        return 0;
    }
    if (cluster_require_binaries(subject->cluster, &why) != 0 ||
        (cluster_require_clean(subject->cluster, &why) != 0 && !cluster_is_recoverable(subject->cluster))) {
        return look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    if (why.code != CSN_NONE && tell_unclean(looking, &why, error) != 0) {
        return -1;
    }
    if (subject->database == NULL && why.code != CSN_NONE) {
        return 0;
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

/* --- is it sound ---------------------------------------------------------------------------------------------------- */

#define FAULTS_SHOWN 20

struct faults {
    struct looking *looking;
    size_t shown;
};

static int tell_fault(void *context, const char *database, const char *object, const char *what, struct error *error)
{
    struct faults *faults = context;
    bool is_index = strncmp(object, "index ", 6) == 0;
    return faults->shown++ >= FAULTS_SHOWN
               ? 0
               : look_add(faults->looking, is_index ? FINDING_WARNING : FINDING_BLOCKER, CSN_DATABASE_DAMAGED, error,
                          "the %s of the database %s is damaged: %.300s", object, database, what);
}

int check_integrity(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct faults faults = {.looking = looking};
    struct integrity_counts counts;
    struct error why = {.code = CSN_NONE};
    if (subject->cluster == NULL || subject->database == NULL) {
        return 0;
    }
    if (integrity_check(subject->database, TABLE_TIMEOUT_SEC, tell_fault, &faults, subject->progress, &counts, &why) !=
        0) {
        return why.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", why.message)
                                      : look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    if (counts.damaged > FAULTS_SHOWN) {
        return look_add(looking, FINDING_BLOCKER, CSN_DATABASE_DAMAGED, error,
                        "%llu tables and indexes are damaged in all", (unsigned long long)counts.damaged);
    }
    if (counts.without > 0) {
        return look_add(
            looking, FINDING_REMARK, CSN_NONE, error,
            "the server has no amcheck: the files of %llu databases were not checked but by reading all tables",
            (unsigned long long)counts.without);
    }
    return counts.without_tables == 0
               ? 0
               : look_add(
                     looking, FINDING_REMARK, CSN_NONE, error,
                     "the server's amcheck knows indexes only: the tables of %llu databases were not checked but by "
                     "reading them",
                     (unsigned long long)counts.without_tables);
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

/* --- its schema ------------------------------------------------------------------------------------------------------ */

/* The version of the path's package that leaves such a schema; NULL: none does. */
static const char *whose(const struct assess_subject *subject, const char *value)
{
    for (size_t i = 0; i < subject->hop_count; i++) {
        const struct package_schema *schema = &subject->hops[i]->schema;
        if (schema->query != NULL && strcmp(schema->after, value) == 0) {
            return subject->hops[i]->version;
        }
    }
    return NULL;
}

/* A migration that was begun and not finished, by an upgrade before this one, leaves what no version has. */
int check_schema(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct package_schema *schema = subject->hop_count == 0 ? NULL : &subject->hops[0]->schema;
    struct query_limits limits = {.timeout_sec = 600};
    struct query_session *session = NULL;
    struct buffer value = {0};
    struct buffer wanted = {0};
    struct error why = {.code = CSN_NONE};
    if (schema == NULL || schema->query == NULL || subject->database == NULL) {
        return 0;
    }
    int result = query_open(subject->database, 0, &session, &why) != 0
                     ? -1
                     : query_value(session, schema->query, &limits, &value, &why);
    query_close(session);
    if (result != 0) {
        result = why.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", why.message)
                                        : look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    } else if (!strings_has(&schema->before, buffer_text(&value))) {
        const char *version = whose(subject, buffer_text(&value));
        result = list_names(&schema->before, &wanted, error);
        if (result == 0) {
            result = look_add(
                looking, FINDING_BLOCKER, CSN_ASSESS_SCHEMA, error,
                "the database says that its schema is \"%.100s\", the package for %s begins with %.200s: %s%s",
                buffer_text(&value), subject->hops[0]->version, buffer_text(&wanted),
                version == NULL ? "half migrated, or of another version than the program" : "as after the upgrade to ",
                version == NULL ? "" : version);
        }
    }
    buffer_free(&value);
    buffer_free(&wanted);
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
