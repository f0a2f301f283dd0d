/*
 * plan.h - what stands beside what: the pairs that the stage step makes and the switch step exchanges.
 *
 * The plan follows from the profile and the run's name, so that it can be made again after a cut; which configuration
 * files a migration changed, only the stage step knows: it records the pairs to exchange as "plan".
 */
#ifndef CAISSON_SEQUENCE_PLAN_H
#define CAISSON_SEQUENCE_PLAN_H

#include "journal/journal.h"
#include "lib/error.h"

enum plan_kind {
    PLAN_EXCHANGE, /* path and other change names */
    PLAN_MOVE,     /* path moves to other (attachments inside the program tree) */
};

struct plan_pair {
    enum plan_kind kind;
    char *path;
    char *other;
};

struct plan {
    struct plan_pair *items;
    size_t count;
};

int plan_add(struct plan *plan, enum plan_kind kind, const char *path, const char *other, struct error *error)
    MUST_CHECK;
void plan_free(struct plan *plan);

/* The record "plan", and the last one back. CSN_JOURNAL_BROKEN where there is none. */
int plan_record(const struct plan *plan, struct journal *journal, struct error *error) MUST_CHECK;
int plan_read(struct plan *plan, const struct journal *journal, struct error *error) MUST_CHECK;

#endif
