#include "assess/looking.h"

/* For the report; an upgrade does not depend on it. */
int check_sizes(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct sizes_options options = {.progress = subject->progress};
    struct sizes *sizes = &looking->assessment->sizes;
    if (subject->cluster == NULL || subject->database == NULL) {
        return 0;
    }
    if (sizes_take(subject->database, &options, sizes, error) != 0) {
        return -1;
    }
    return sizes->unknown.code == CSN_NONE
               ? 0
               : look_add(looking, FINDING_REMARK, sizes->unknown.code, error,
                          "the sizes of the database's tables are not known: %s", sizes->unknown.message);
}
