/*
 * sample.h - made-up journals, written the way the sequence writes them, for the tests of the report.
 */
#ifndef CAISSON_TESTS_REPORT_SAMPLE_H
#define CAISSON_TESTS_REPORT_SAMPLE_H

#include "journal/journal.h"

/* Appends a record whose fields are given as JSON. */
void sample_add(struct journal *journal, const char *kind, const char *fields);

/* Pieces of a run, in order. */
void sample_begin(struct journal *journal, const char *language); /* run, package, server, identify */
void sample_assess(struct journal *journal);
void sample_fence(struct journal *journal);  /* intents 1 and 2 of the fence */
void sample_safety(struct journal *journal); /* backup, prove, rehearse */
void sample_stage(struct journal *journal);
void sample_switch(struct journal *journal);
void sample_verify(struct journal *journal, bool good);
void sample_release(struct journal *journal);
void sample_undo_all(struct journal *journal, const char *reason, const char *code); /* rollback-begin … swept */
void sample_end(struct journal *journal, const char *result, const char *code, const char *message);

/* Whole runs. */
void sample_upgraded(struct journal *journal, const char *language);
void sample_rolled_back(struct journal *journal, const char *language);
void sample_stopped(struct journal *journal, const char *language);
void sample_unfinished(struct journal *journal, const char *language);

#endif
