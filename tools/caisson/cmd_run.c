/*
 * cmd_run.c - the whole sequence of a job.
 */
#include "caisson/commands.h"
#include "caisson/job_command.h"
#include "sequence/sequence.h"

static int act(const struct run_options *options, const char *job_path, struct error *error)
{
    return sequence_run(options, job_path, SEQUENCE_ALL, error);
}

int cmd_run(int argc, char **argv)
{
    return job_command(
        argc, argv,
        "Runs the sequence of the job: look, back up, prove, rehearse, upgrade, verify; or what its [job] command "
        "says. A "
        "run that was\ncut off is finished or undone first. Journal and report go into caisson-runs/ beside the job.",
        act);
}
