#include "caisson/job_command.h"

#include <stdio.h>

#include "caisson/commands.h"
#include "console/console.h"
#include "lib/options.h"

int job_command(int argc, char **argv, const char *summary,
                int (*act)(const struct run_options *options, const char *job_path, struct error *error))
{
    const struct option_usage usage = {argv[0], "JOB", summary, 1, 1};
    static const struct option_rule rules[] = {
        {"trust", OPTION_TEXT, false, "FILE",
         "root certificates (a file or a folder), /etc/caisson/trust if not given; in the image always that"},
        {"json", OPTION_FLAG, false, NULL,
         "each record of the journal on stdout as it is written (JSON lines); the rest on stderr"},
        {0},
    };
    struct options options;
    struct error error = {0};
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed < 0) {
        exit_code = command_fail(&error);
    } else if (parsed == 0) {
        struct console console;
        bool json = options_flag(&options, "json");
        console_open(&console, json ? stderr : stdout);
        struct protect protect = {0};
        struct run_options run_options = {
            .console = &console, .trust_path = options_text(&options, "trust"), .records = json ? stdout : NULL};
        if (protect_is_image()) {
            run_options.protect = &protect;
            exit_code = protect_start(&protect, NULL, &error) == 0 ? EXIT_DONE : error_entry(error.code)->exit_code;
        }
        if (exit_code == EXIT_DONE) {
            exit_code = act(&run_options, options.operands.items[0], &error);
        }
        protect_free(&protect);
        console_finish_line(&console);
        if (exit_code != EXIT_DONE) {
            command_fail(&error);
        }
    }
    options_free(&options);
    return exit_code;
}
