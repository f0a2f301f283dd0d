/*
 * cmd_rollback.c - back to exactly what was there.
 */
#include "caisson/commands.h"
#include "caisson/job_command.h"
#include "sequence/sequence.h"

int cmd_rollback(int argc, char **argv)
{
    return job_command(
        argc, argv,
        "Goes back from the last upgrade of the job's server, or undoes the one that is not finished. Ends with 0 once "
        "the old version\nis back. It must still be there: in folders .caisson-RUN beside the new one.",
        sequence_rollback);
}
