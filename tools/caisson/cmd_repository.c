/*
 * cmd_repository.c - `caisson repository init DIR`: makes a repository.
 */
#include <stdio.h>
#include <string.h>

#include "caisson/commands.h"
#include "lib/options.h"
#include "repository/repository.h"

int cmd_repository(int argc, char **argv)
{
    static const struct option_rule rules[] = {{.name = NULL}};
    static const struct option_usage usage = {
        .command = "repository",
        .operands = "init DIR",
        .summary = "Makes a repository in the folder DIR, which must be empty or is made. Any file system will do; "
                   "back up into it "
                   "with `caisson backup`.",
        .operands_min = 2,
        .operands_max = 2,
    };
    struct options options;
    struct error error;
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed != 0) {
        exit_code = parsed > 0 ? EXIT_DONE : command_fail(&error);
    } else if (strcmp(options.operands.items[0], "init") != 0) {
        error_set(&error, CSN_USAGE, "`caisson repository` knows init, not \"%s\"", options.operands.items[0]);
        exit_code = command_fail(&error);
    } else if (repository_init(options.operands.items[1], &error) != 0) {
        exit_code = command_fail(&error);
    } else {
        printf("%s is a repository now\n", options.operands.items[1]);
    }
    options_free(&options);
    return exit_code;
}
