/*
 * job_command.h - what the commands that take a JOB share: their options, the console, the last line.
 */
#ifndef CAISSON_CAISSON_JOB_COMMAND_H
#define CAISSON_CAISSON_JOB_COMMAND_H

#include "lib/error.h"
#include "sequence/run.h"

/* Parses argv, calls act with the job's path, prints its error. summary is what `--help` says. */
int job_command(int argc, char **argv, const char *summary,
                int (*act)(const struct run_options *options, const char *job_path, struct error *error));

#endif
