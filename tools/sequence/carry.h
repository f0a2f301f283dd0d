/*
 * carry.h - the site's own in the program tree, carried over into the new tree: what the profile keeps, what only the site
 * changed, and what the job answered "site" for. What nobody knows stays in the old tree and is listed; so does what the
 * application makes by itself, but for its folders, which the new tree gets empty.
 */
#ifndef CAISSON_SEQUENCE_CARRY_H
#define CAISSON_SEQUENCE_CARRY_H

#include "sequence/run.h"

/* staged: the tree of that hop on the site, as it was unpacked. Of a hop before the last, which nobody will see, only what the
 * profile keeps is carried. Everywhere the owners, ACLs and other attributes that the site gave to a path stay with it; uid and
 * gid are those the tree was unpacked with. Writes the record "merge" for the last hop. */
int carry_over(struct run *run, const struct site *site, size_t hop, const char *staged, struct error *error)
    MUST_CHECK;

#endif
