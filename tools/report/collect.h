/*
 * collect.h - from a journal's records to the claims of report.json; each object of the result names its record. Private to
 * tools/report.
 *
 * Tolerant: a kind that is not known is left to the list of records, one that is missing leaves its part out, a field of another
 * type is left out. Memory that is used up is remembered in `failed` and asked for once, at the end.
 */
#ifndef CAISSON_REPORT_COLLECT_H
#define CAISSON_REPORT_COLLECT_H

#include <stdbool.h>
#include <stdint.h>

#include <yyjson.h>

#include "journal/journal.h"

struct collect {
    const struct journal *journal;
    yyjson_mut_doc *document;
    yyjson_mut_val *root;
    size_t *done;   /* by seq of an intent: seq of the record "done", 0: none */
    size_t *undone; /* likewise */
    bool failed;    /* memory ran out */
};

/* New members of an object, new items of a list. NULL when memory is used up, which all of these bear. */
yyjson_mut_val *collect_object(struct collect *collect, yyjson_mut_val *to, const char *key);
yyjson_mut_val *collect_list(struct collect *collect, yyjson_mut_val *to, const char *key);
yyjson_mut_val *collect_item(struct collect *collect, yyjson_mut_val *list);
void collect_text(struct collect *collect, yyjson_mut_val *to, const char *key, const char *text); /* "" : left out */
void collect_number(struct collect *collect, yyjson_mut_val *to, const char *key, int64_t number);
void collect_bool(struct collect *collect, yyjson_mut_val *to, const char *key, bool value);

/* The record's number in the journal, as `key`. */
void collect_seq(struct collect *collect, yyjson_mut_val *to, const char *key, yyjson_val *record);

/* Copies these members (and their key64 forms) where the record has them. The names end with NULL. */
void collect_copy(struct collect *collect, yyjson_mut_val *to, yyjson_val *from, ...) __attribute__((sentinel));

/* The last record of this kind, NULL if there is none; and the last before record `before` (by index). */
yyjson_val *collect_last(const struct collect *collect, const char *kind);
yyjson_val *collect_last_before(const struct collect *collect, const char *kind, size_t before);

/* A number that may stand as text, as some queries give it; otherwise -1. */
int64_t collect_as_number(yyjson_val *value);

/* True if the deed of this intent stands: it was not undone. */
bool collect_stands(const struct collect *collect, yyjson_val *intent);

/* The parts of the report. */
void collect_verdict(struct collect *collect);
void collect_run(struct collect *collect);     /* run, server, packages, versions */
void collect_steps(struct collect *collect);   /* steps, rollbacks, resumptions, migrations, checks */
void collect_compare(struct collect *collect); /* tables, attachments */
void collect_roles(struct collect *collect);   /* roles */
void collect_users(struct collect *collect);   /* user_roles */
void collect_sizes(struct collect *collect);   /* sizes */
void collect_orphans(struct collect *collect); /* orphans */
void collect_safety(struct collect *collect);  /* backup, proof, rehearsal, forced, kept work */
void collect_changes(struct collect *collect); /* findings, what the site changed, what was written elsewhere */
void collect_server(struct collect *collect);  /* deeds, what stays on the server */

#endif
