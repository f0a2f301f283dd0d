/*
 * cmd_report.c - makes the report of a run again from its journal, and says whether the journal's chain holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "caisson/commands.h"
#include "lib/file.h"
#include "lib/options.h"
#include "lib/sha256.h"
#include "report/report.h"

static const struct option_rule rules[] = {
    {"output", OPTION_TEXT, false, "DIR", "where the report goes; without it, beside the journal"},
    {"head", OPTION_TEXT, false, "HASH", "a hash that a printed report names: some record of the journal must have it"},
    {"json", OPTION_FLAG, false, NULL, "report.json on stdout; without --output nothing is written"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "report",
    .operands = "JOURNAL",
    .summary = "Makes report.html and report.json of a run from its journal (a file, or the run's folder), and says "
               "whether the journal's chain of hashes holds.",
    .operands_min = 1,
    .operands_max = 1,
};

/* The folder that holds the journal and the journal's name in it, both the caller's to free. */
static int split_path(const char *path, char **folder, char **file, struct error *error)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        error_system(error, errno == ENOENT || errno == ENOTDIR ? CSN_NOT_FOUND : CSN_IO, "looking at %s", path);
        return -1;
    }
    if (S_ISDIR(status.st_mode)) {
        *folder = strdup(path);
        *file = strdup(JOURNAL_FILE);
    } else {
        const char *slash = strrchr(path, '/');
        *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
        *file = strdup(slash == NULL ? path : slash + 1);
    }
    if (*folder == NULL || *file == NULL) {
        error_set(error, CSN_MEMORY, "no memory for the path %s", path);
        return -1;
    }
    return 0;
}

static int read_journal(struct journal *journal, int folder_fd, const char *path, const char *file, struct error *error)
{
    if (journal_read(journal, folder_fd, file, error) != 0) {
        return -1;
    }
    return journal->count > 0 ? 0 : error_set(error, CSN_JOURNAL_NONE, "%s holds no whole record of a run", path);
}

/* Finds the record whose line has this hash: the journal then holds, unchanged, all that the printed report was made from. */
static int check_head(const struct journal *journal, const char *wanted, struct error *error)
{
    uint8_t digest[SHA256_SIZE];
    uint8_t found[SHA256_SIZE];
    if (strlen(wanted) != SHA256_HEX_SIZE - 1 || !hex_decode(wanted, digest, sizeof digest)) {
        return error_set(error, CSN_USAGE, "--head takes the 64 hexadecimal digits of a SHA-256, not \"%.80s\"",
                         wanted);
    }
    const char *line = buffer_text(&journal->lines);
    for (size_t i = 0; i < journal->count; i++) {
        size_t length = strcspn(line, "\n");
        sha256_of(line, length, found);
        if (memcmp(found, digest, sizeof found) == 0) {
            fprintf(stderr, "record %zu has this hash: it and all before it are unchanged\n", i + 1);
            return 0;
        }
        line += length + 1;
    }
    return error_set(error, CSN_JOURNAL_BROKEN, "no record has the hash %s: this is not the journal that report is of",
                     wanted);
}

static int write_report(const struct journal *journal, const char *folder, struct error *error)
{
    if (file_make_dirs(AT_FDCWD, folder, 0755, error) != 0) {
        return -1;
    }
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result =
        folder_fd < 0 ? error_system(error, CSN_IO, "opening %s", folder) : report_write(journal, folder_fd, error);
    file_drop(&folder_fd);
    if (result == 0) {
        fprintf(stderr, "%s/%s\n%s/%s\n", folder, REPORT_HTML, folder, REPORT_JSON);
    }
    return result;
}

static int print_json(const struct journal *journal, struct error *error)
{
    struct buffer json = {0};
    int result = report_json(journal, &json, error);
    if (result == 0) {
        fputs(buffer_text(&json), stdout);
    }
    buffer_free(&json);
    return result;
}

static int run(const struct options *options, struct error *error)
{
    const char *path = options->operands.items[0];
    const char *output = options_text(options, "output");
    const char *head = options_text(options, "head");
    bool json = options_flag(options, "json");
    char *folder = NULL;
    char *file = NULL;
    int folder_fd = -1;
    struct journal journal;
    journal_init(&journal);
    int result = split_path(path, &folder, &file, error);
    if (result == 0) {
        folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = folder_fd < 0 ? error_system(error, CSN_IO, "opening %s", folder) : 0;
    }
    if (result != 0 || read_journal(&journal, folder_fd, path, file, error) != 0) {
        result = -1;
        goto out;
    }
    fprintf(stderr, "the chain holds: %zu records, head %s\n", journal.count, journal.head);
    if ((head != NULL && check_head(&journal, head, error) != 0) || (json && print_json(&journal, error) != 0) ||
        ((!json || output != NULL) && write_report(&journal, output == NULL ? folder : output, error) != 0)) {
        result = -1;
    }
out:
    file_drop(&folder_fd);
    journal_free(&journal);
    free(folder);
    free(file);
    return result;
}

int cmd_report(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = EXIT_DONE;
    if (parsed < 0 || (parsed == 0 && run(&options, &error) != 0)) {
        exit_code = command_fail(&error);
    }
    options_free(&options);
    return exit_code;
}
