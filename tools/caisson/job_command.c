#include "caisson/job_command.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "caisson/commands.h"
#include "console/console.h"
#include "lib/file.h"
#include "lib/options.h"
#include "sequence/job.h"

/* What the job wants done with the machine afterwards. */
static int write_after(const char *path, const char *job_path, const char *command, struct error *error)
{
    struct job job;
    int result = job_read(&job, job_path, command, error);
    if (result == 0) {
        result = file_replace(AT_FDCWD, path, job.after, strlen(job.after), 0644, error);
    }
    job_free(&job);
    return result;
}

int job_command(int argc, char **argv, const char *summary,
                int (*act)(const struct run_options *options, const char *job_path, struct error *error))
{
    const struct option_usage usage = {argv[0], "JOB", summary, 1, 1};
    static const struct option_rule rules[] = {
        {"trust", OPTION_TEXT, false, "FILE",
         "root certificates (a file or a folder), /etc/caisson/trust if not given; in the image always that"},
        {"json", OPTION_FLAG, false, NULL,
         "each record of the journal on stdout as it is written (JSON lines); the rest on stderr"},
        {"after", OPTION_TEXT, false, "FILE",
         "for the image: the job's [job] after goes into FILE before anything else"},
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
            .command = strcmp(argv[0], "run") == 0 ? NULL : argv[0], /* run: what the job says */
            .console = &console,
            .trust_path = options_text(&options, "trust"),
            .records = json ? stdout : NULL,
        };
        if (protect_is_image()) {
            run_options.protect = &protect;
            exit_code = protect_start(&protect, NULL, &error) == 0 ? EXIT_DONE : error_entry(error.code)->exit_code;
        }
        const char *after = options_text(&options, "after");
        if (exit_code == EXIT_DONE && after != NULL &&
            write_after(after, options.operands.items[0], run_options.command, &error) != 0) {
            exit_code = error_entry(error.code)->exit_code;
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
