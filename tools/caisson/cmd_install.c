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
    return job_command(argc, argv,
                       "Assesses, fences, stages, switches, verifies and releases, without backup, proof and "
                       "rehearsal: for a server that "
                       "has its backup by\nother means. [backup] must be in the job all the same: a rollback saves "
                       "there what people did, but "
                       "does not bring\nback attachments that they changed or removed: it names them.",
                       act);
}
