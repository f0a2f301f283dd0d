/*
 * cmd_assess.c - the first two steps of a job.
 */
#include "caisson/commands.h"
#include "caisson/job_command.h"
#include "sequence/sequence.h"

static int act(const struct run_options *options, const char *job_path, struct error *error)
{
    return sequence_run(options, job_path, SEQUENCE_ASSESS, error);
}

int cmd_assess(int argc, char **argv)
{
    return job_command(
        argc, argv,
        "Finds the server and runs every check against the job's packages. Writes nothing to the server; journal and "
        "report go into\ncaisson-runs/ beside the job.",
        act);
}
