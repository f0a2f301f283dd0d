/*
 * sequence.h - the fixed sequence: one table of steps, one runner, and what follows when a step fails or a run was cut off.
 *
 * A package or job brings data, never a step. The runner knows of a step only what stands in its row.
 */
#ifndef CAISSON_SEQUENCE_SEQUENCE_H
#define CAISSON_SEQUENCE_SEQUENCE_H

#include "sequence/run.h"

enum sequence_kind {
    SEQUENCE_ALL,      /* run: every step */
    SEQUENCE_IDENTIFY, /* identify only */
    SEQUENCE_ASSESS,   /* identify and assess */
    SEQUENCE_INSTALL,  /* without backup, proof and rehearsal: for a server that has them by other means */
};

/* The job at path, from its first step to its last, or to the one that fails: then what was done is undone. Returns EXIT_DONE, or
 * the exit code of *error. An unfinished run of the same evidence folder or server is resumed first, also where the job asks only to
 * look; but not where `kind` does. */
int sequence_run(const struct run_options *options, const char *job_path, enum sequence_kind kind, struct error *error);

/* Finishes or undoes the run that was cut off; CSN_JOURNAL_NONE if there is none. job_path may be the stick's folder: then every run
 * on it that was cut off here, with the job of its own journal, and none is no error. */
int sequence_resume(const struct run_options *options, const char *job_path, struct error *error);

/* Goes back from the newest run that was released, or undoes the one that is not finished. */
int sequence_rollback(const struct run_options *options, const char *job_path, struct error *error);

#endif
