/*
 * cmd_install.c - the sequence without backup, proof and rehearsal.
 */
#include "caisson/commands.h"
#include "caisson/job_command.h"
#include "sequence/sequence.h"

static int act(const struct run_options *options, const char *job_path, struct error *error)
{
    return sequence_run(options, job_path, SEQUENCE_INSTALL, error);
}

int cmd_install(int argc, char **argv)
{
    return job_command(
        argc, argv,
        "Stages, switches and verifies the job's packages; for a server that has its backup by other means.", act);
}
