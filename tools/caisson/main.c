/*
 * main.c - the command table. `caisson NAME …` and a link called caisson-NAME are the same; so is one called pg_NAME, as PostgreSQL calls them.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "caisson/commands.h"
#include "database/dump_program.h"
#include "lib/root.h"
#include "lib/version.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    {"identify", cmd_identify, "find disks and the application, write nothing"},
    {"assess", cmd_assess, "run every check on a server against a package"},
    {"backup", cmd_backup, "back folders up into a repository"},
    {"database", cmd_database, "back a running PostgreSQL server up; copy and exchange a database of it"},
    {"snapshots", cmd_snapshots, "list the snapshots of a repository"},
    {"ls", cmd_ls, "list what a snapshot holds"},
    {"diff", cmd_diff, "say in what two snapshots differ"},
    {"verify", cmd_verify, "check every byte of a repository"},
    {"restore", cmd_restore, "bring a snapshot back, or a part of it"},
    {"export", cmd_export, "write a snapshot as a plain tar.zst"},
    {"prune", cmd_prune, "remove old snapshots and what only they needed"},
    {"repair", cmd_repair, "save what can be had of a damaged repository"},
    {"repository", cmd_repository, "make a repository"},
    {"pack", cmd_pack, "build and sign an offline package"},
    {"inspect", cmd_inspect, "show an offline package and whether it holds"},
    {"install", cmd_install, "stage, switch and verify a package on a server"},
    {"rollback", cmd_rollback, "bring the version that was there before back"},
    {"run", cmd_run, "run the whole sequence of a job"},
    {"resume", cmd_resume, "finish or undo a run that was cut off"},
    {"report", cmd_report, "make the report of a run from its journal"},
    {"pg_dump", dump_program, "PostgreSQL's own, of release 17, with Caisson's TLS"},
    {"pg_dumpall", dump_program, "the same"},
    {"pg_restore", dump_program, "the same: brings a dump into a server, or makes SQL of it"},
    {"explain", cmd_explain, "say what a code means and what to do"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

int command_fail(const struct error *error)
{
    fflush(stdout);
    error_print(stderr, error);
    return error_entry(error->code)->exit_code;
}

static void print_help(FILE *stream)
{
    fprintf(stream,
            "caisson %s\nusage: caisson COMMAND [options]; `caisson COMMAND --help` says more; `caisson --version`\n\n",
            CAISSON_VERSION);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        fprintf(stream, "  %-11s %s\n", commands[i].name, commands[i].summary);
    }
    fprintf(
        stream,
        "\nexit codes: %d done, %d checked and found bad (nothing changed), %d usage or not there, %d system failure,\n"
        "            %d rolled back (the old version stands), %d a person has to act\n",
        EXIT_DONE, EXIT_BAD, EXIT_USAGE, EXIT_SYSTEM, EXIT_ROLLED_BACK, EXIT_NEEDS_PERSON);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* A command whose output could not be written has not done what it says. */
static int finish(int exit_code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "caisson: the output could not be written\n");
        return exit_code == EXIT_DONE ? EXIT_SYSTEM : exit_code;
    }
    return exit_code;
}

/* Looking codes up works everywhere. */
static int run_command(const struct command *command, int argc, char **argv)
{
    struct error error;
    if (command->run != cmd_explain && root_check_kernel(&error) != 0) {
        return command_fail(&error);
    }
    return finish(command->run(argc, argv));
}

int main(int argc, char **argv)
{
    const char *called = argc > 0 ? strrchr(argv[0], '/') : NULL;
    called = called != NULL ? called + 1 : argc > 0 ? argv[0] : "caisson";
    bool is_link = strncmp(called, "caisson-", 8) == 0;
    if (is_link || strncmp(called, "pg_", 3) == 0) {
        const struct command *command = find_command(is_link ? called + 8 : called);
        if (command != NULL) {
            argv[0] = (char *)command->name;
            return run_command(command, argc, argv);
        }
    }
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return finish(EXIT_DONE);
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("caisson %s\n", CAISSON_VERSION);
        return finish(EXIT_DONE);
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL) {
        struct error error;
        error_set(&error, CSN_USAGE, "there is no command \"%s\"", argv[1]);
        return command_fail(&error);
    }
    return run_command(command, argc - 1, argv + 1);
}
