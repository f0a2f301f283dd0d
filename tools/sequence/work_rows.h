/*
 * work_rows.h - before a rollback behind a release: which tables people have added rows to, or removed some from, since the upgrade was
 * verified. The snapshot of the work (rollback.h) has the rows themselves.
 */
#ifndef CAISSON_SEQUENCE_WORK_ROWS_H
#define CAISSON_SEQUENCE_WORK_ROWS_H

#include "sequence/run.h"

/* Starts the new version's cluster on its real files, counts, and writes the record "work-rows", once. What cannot be counted is said there
 * and is no error: it must keep nobody from going back. Nothing where there is no cluster, or verify did not count. */
int work_rows_count(struct run *run, struct error *error) MUST_CHECK;

#endif
