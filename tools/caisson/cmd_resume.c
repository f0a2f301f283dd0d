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
        "Finishes or undoes the run that was cut off on the job's server; JOB may be a folder that holds "
        "caisson-runs/: "
        "then each one\nin it, by the job that it had. Ends with 0 if the run was finished or the folder has none, "
        "4 if it was undone.",
        sequence_resume);
}
