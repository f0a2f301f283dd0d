/*
 * orphans.h - rows whose owner is gone, as the profile's [orphans NAME] find them: counted before the upgrade and after, compared.
 *
 * Rows are counted as they come, the first are kept as examples. Whether a row is an orphan is the query's alone to say.
 */
#ifndef CAISSON_ASSESS_ORPHANS_H
#define CAISSON_ASSESS_ORPHANS_H

#include <stdint.h>

#include <yyjson.h>

#include "database/query.h"
#include "lib/error.h"
#include "lib/progress.h"
#include "lib/strings.h"
#include "target/profile.h"

#define ORPHANS_EXAMPLES 20

/* What one [orphans NAME] finds. */
struct orphans {
    const struct profile_orphans *asked; /* the profile's */
    uint64_t count;
    struct strings examples; /* the first column of the first ORPHANS_EXAMPLES rows, cut at 200 bytes */
};

struct orphans_list {
    struct orphans *items; /* in the order of the profile; freed by orphans_free */
    size_t count;
};

/* Asks all of the profile's, each for an hour at most, in a session that only reads. CSN_TARGET_PROFILE: a query without a column;
 * CSN_DATABASE_QUERY, CSN_TIMEOUT: the message names the section. *list is to be freed after an error, too. */
int orphans_read(const struct query_target *database, const struct profile *profile, const struct progress *progress,
                 struct orphans_list *list, struct error *error) MUST_CHECK;

/* [{name, title, count, examples[]}]; NULL when memory is used up. */
yyjson_mut_val *orphans_to_json(const struct orphans_list *list, yyjson_mut_doc *document);

/* CSN_SEQUENCE_VERIFY where a section has more than before (as orphans_to_json wrote it; one that is not in it is not compared). */
int orphans_compare(yyjson_val *before, const struct orphans_list *after, struct error *error) MUST_CHECK;

void orphans_free(struct orphans_list *list);

#endif
