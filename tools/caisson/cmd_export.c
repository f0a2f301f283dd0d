/*
 * cmd_export.c - a snapshot as a plain tar.zst, for tools that know nothing of ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "lib/file.h"
#include "lib/options.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository"},
    {"output", OPTION_TEXT, true, "FILE", "the archive to write, which must not be there; - is stdout"},
    {"path", OPTION_LIST, false, "PATH", "exports this only, and all below it, as it is named in the snapshot"},
    WATCHING_RULE,
    KEYS_RULES,
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "export",
    .operands = "SNAPSHOT|latest",
    .summary =
        "Writes a snapshot as a plain tar archive compressed with zstd (`tar --xattrs -xf FILE`). It is not encrypted.",
    .operands_min = 1,
    .operands_max = 1,
};

static int open_output(const char *path, struct error *error)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDOUT_FILENO) : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        error_set(error, CSN_EXISTS, "%s is there already", path);
    } else if (fd < 0) {
        file_error(error, "making", path);
    } else if (isatty(fd)) {
        error_set(error, CSN_USAGE, "an archive is nothing for a screen");
        file_drop(&fd);
    }
    return fd;
}

static int export(const struct options *options, struct repository *repository, int fd, struct error *error)
{
    const char *output = options_text(options, "output");
    const struct strings *paths = options_list(options, "path");
    struct repository_export_summary summary;
    struct console console;
    char id[REPOSITORY_ID_SIZE];
    char bytes[CONSOLE_TEXT_SIZE];
    if (repository_find(repository, options->operands.items[0], NULL, id, error) != 0) {
        return -1;
    }
    watching_open(&console, options);
    int result =
        repository_export(repository, id, paths->count == 0 ? NULL : paths, fd, &console.progress, &summary, error);
    console_finish_line(&console);
    if (result == 0 && fsync(fd) != 0 && errno != EINVAL && errno != EROFS) { /* a pipe has nothing to make durable */
        result = error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_IO, "making %s durable", output);
    }
    if (result == 0) {
        console_bytes(bytes, summary.bytes);
        console_say(&console, "snapshot %.16s: %" PRIu64 " entries, %" PRIu64 " files with %s are in %s", id,
                    summary.entries, summary.files, bytes, output);
        if (summary.sockets > 0) {
            console_say(&console, "left out, as tar has none: %" PRIu64 " sockets", summary.sockets);
        }
    }
    return result;
}

static int run(const struct options *options)
{
    struct error error;
    int exit_code = EXIT_DONE;
    const char *output = options_text(options, "output");
    int fd = -1;
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, &error);
    if (repository == NULL || (fd = open_output(output, &error)) < 0) {
        exit_code = command_fail(&error);
    } else if (export(options, repository, fd, &error) != 0) {
        if (strcmp(output, "-") != 0) {
            (void)unlink(output); /* half an archive is none */
            error_wrap(&error, "%s was not made", output);
        }
        exit_code = command_fail(&error);
    }
    file_drop(&fd);
    repository_close(repository);
    return exit_code;
}

int cmd_export(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
