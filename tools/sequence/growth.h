/*
 * growth.h - the sizes of the application's database in the journal, before and after the upgrade: the record "sizes". How they are taken is
 * ../database's, what is said of them the report's.
 */
#ifndef CAISSON_SEQUENCE_GROWTH_H
#define CAISSON_SEQUENCE_GROWTH_H

#include "database/sizes.h"
#include "journal/journal.h"

/* when: "before", "after". step: who took them; NULL: left out. Nothing is written of sizes that were never taken. */
int growth_record(struct journal *journal, const char *step, const char *when, const struct sizes *sizes,
                  struct error *error) MUST_CHECK;

#endif
