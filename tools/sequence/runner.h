/*
 * runner.h - the table of steps and what runs it: one step after the other, and what follows when one fails.
 *
 * The ways into it (a new job, a run that was cut off, a rollback) are sequence.h's.
 */
#ifndef CAISSON_SEQUENCE_RUNNER_H
#define CAISSON_SEQUENCE_RUNNER_H

#include "sequence/run.h"
#include "sequence/sequence.h"

/* What the next boot does with a run that was cut off in this step. */
enum runner_after_cut {
    CUT_ABANDON, /* nothing was written to the server: end it */
    CUT_UNDO,    /* the old version was still in its place: undo */
    CUT_GO_ON,   /* the switch had begun: finish from this step on */
};

/* Steps by their place in the table; -1: there is none of that name. */
int runner_step(const char *name);
const char *runner_name(int index);
enum runner_after_cut runner_after_cut(int index);

/* Runs the steps of this kind from `first` on and ends the run. A step that fails: runner_fail. */
int runner_steps(struct run *run, int first, enum sequence_kind kind, struct error *error) MUST_CHECK;

/* Undoes what was done after *failure, ends the run, fills *error in with what the operator is told. staged: the new version
 * had been made beside the old, so that it is "rolled back" and no longer just "stopped". Always -1. */
int runner_fail(struct run *run, bool staged, const struct error *failure, struct error *error);

/* The record that ends the run, then the report, so that it tells the end. */
int runner_end(struct run *run, const char *result, const struct error *failure, struct error *error) MUST_CHECK;

#endif
