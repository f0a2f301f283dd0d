#include "assess/looking.h"

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
