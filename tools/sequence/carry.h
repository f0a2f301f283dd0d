/*
 * carry.h - the site's own in the program tree, carried over into the new tree: what the profile keeps, what only the site
 * changed, and what the job answered "site" for. What nobody knows stays in the old tree and is listed.
 */
#ifndef CAISSON_SEQUENCE_CARRY_H
#define CAISSON_SEQUENCE_CARRY_H

#include "sequence/run.h"

/* staged: the new tree on the site. kept_only: of an intermediate hop, which nobody will see. Writes the record "merge". */
int carry_over(struct run *run, const struct site *site, const char *staged, bool kept_only, struct error *error)
    MUST_CHECK;

#endif
