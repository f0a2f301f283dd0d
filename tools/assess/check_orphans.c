#include "assess/looking.h"

/* Old damage of the site's that the upgrade neither makes nor mends: a remark, and the number that verify compares with. */
int check_orphans(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct profile *profile = subject->target->profile;
    struct orphans_list *list = &looking->assessment->orphans;
    struct error why = {.code = CSN_NONE};
    int result = 0;
    if (subject->database == NULL || subject->database->host == NULL || profile->orphan_count == 0) {
        return 0;
    }
    if (orphans_read(subject->database, profile, subject->progress, list, &why) != 0) {
        return why.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", why.message)
                                      : look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    for (size_t i = 0; result == 0 && i < list->count; i++) {
        const struct orphans *orphans = &list->items[i];
        if (orphans->count > 0) {
            result = look_add(looking, FINDING_REMARK, CSN_NONE, error,
                              "%llu rows are orphans by [orphans %s] (%.300s), the first is %s",
                              (unsigned long long)orphans->count, orphans->asked->name, orphans->asked->title,
                              orphans->examples.items[0]);
        }
    }
    return result;
}
