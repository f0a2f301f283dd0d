/*
 * cmd_rollback.c - back to exactly what was there.
 */
#include "caisson/commands.h"
#include "caisson/job_command.h"
#include "sequence/sequence.h"

int cmd_rollback(int argc, char **argv)
{
    return job_command(argc, argv,
                       "Goes back from the last upgrade of the job's server, or undoes the one that is not finished.",
                       sequence_rollback);
}
