/*
 * commands.h - one function a command: options in, a module called, an exit code out.
 *
 * argv[0] is the command's name. A command prints its errors itself (command_fail) and returns enum exit_code.
 */
#ifndef CAISSON_CAISSON_COMMANDS_H
#define CAISSON_CAISSON_COMMANDS_H

#include "lib/error.h"

int cmd_identify(int argc, char **argv);
int cmd_assess(int argc, char **argv);
int cmd_repository(int argc, char **argv);
int cmd_backup(int argc, char **argv);
int cmd_database(int argc, char **argv);
int cmd_snapshots(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_prune(int argc, char **argv);
int cmd_repair(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_restore(int argc, char **argv);
int cmd_pack(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_install(int argc, char **argv);
int cmd_rollback(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_explain(int argc, char **argv);

/* Prints the error on stderr and returns its exit code: `return command_fail(&error)`. */
int command_fail(const struct error *error);

#endif
