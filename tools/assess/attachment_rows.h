/*
 * attachment_rows.h - the rows of the profile's query for attachments, as paths in the order of a walk (tree/path.h), so that
 * they can be merged with one. Private to tools/assess.
 *
 * The server brings the paths into one form and sorts them; its sort goes to its own temporary files where it is large. Here one
 * row is held at a time.
 */
#ifndef CAISSON_ASSESS_ATTACHMENT_ROWS_H
#define CAISSON_ASSESS_ATTACHMENT_ROWS_H

#include "database/query.h"
#include "lib/error.h"

/* Rows that begin with path and a slash are meant below folder number `folder` (from 1), there below `inner`. */
struct attachment_place {
    const char *path; /* absolute, no slash at its end */
    size_t folder;
    const char *inner; /* "" or "a/b" */
};

/* A row: its path below that folder, or below any of them if folder is 0. Each begins with no slash, has no "." and no empty part
 * but perhaps the last; ".." stays. Rows that are NULL or empty are not given; equal ones come one after another, each. */
typedef int attachment_row_function(void *context, const char *path, size_t folder, struct error *error);

/* Gives every row of query (one SELECT, whose first column is text, taken as UTF-8 but from a database in SQL_ASCII, or bytea, taken
 * as it is). The first of places that fits counts. CSN_TARGET_PROFILE: query is no single statement; CSN_DATABASE_QUERY. */
int attachment_rows_read(const struct query_target *database, const char *query, const struct attachment_place *places,
                         size_t place_count, attachment_row_function *take, void *context, struct error *error)
    MUST_CHECK;

#endif
