/*
 * cmd_resume.c - a run that was cut off.
 */
#include "caisson/commands.h"
#include "caisson/job_command.h"
#include "sequence/sequence.h"

int cmd_resume(int argc, char **argv)
{
    return job_command(
        argc, argv,
        "Finishes or undoes the run that was cut off on the job's server; JOB may be the stick's folder: then "
        "each one on it, by the job that it had.",
        sequence_resume);
}
