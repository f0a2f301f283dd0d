/*
 * steps.h - the steps of the sequence, one step_<name>.c each. Their order is the table in runner.c.
 *
 * A step acts on `site`: the real server, or (stage, switch, verify) the rehearsal's overlay of it. detail (a buffer for
 * one clause) says what it found, for the console and the record step-end.
 */
#ifndef CAISSON_SEQUENCE_STEPS_H
#define CAISSON_SEQUENCE_STEPS_H

#include "lib/buffer.h"
#include "sequence/run.h"

typedef int step_function(struct run *run, struct site *site, struct buffer *detail, struct error *error);

step_function step_identify;
step_function step_assess;
step_function step_fence;
step_function step_backup;
step_function step_prove;
step_function step_rehearse;
step_function step_stage;
step_function step_switch;
step_function step_verify;
step_function step_release;
step_function step_report;

#endif
