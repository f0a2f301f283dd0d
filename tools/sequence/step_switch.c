/*
 * step_switch.c - the point of commit: a short list of renames, each in the journal first.
 */
#include "sequence/steps.h"

#include "sequence/plan.h"

int step_switch(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    (void)run;
    struct plan plan = {0};
    int result = plan_read(&plan, site->place.journal, error);
    for (size_t i = 0; result == 0 && i < plan.count; i++) {
        const struct plan_pair *pair = &plan.items[i];
        result = pair->kind == PLAN_EXCHANGE ? deed_exchange(&site->place, pair->path, pair->other, error)
                                             : deed_move(&site->place, pair->path, pair->other, error);
    }
    if (result == 0) {
        buffer_format(detail, "%zu renames", plan.count);
    }
    plan_free(&plan);
    return result;
}
