/*
 * cmd_repository.c - `caisson repository init DIR`: makes a repository.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "lib/options.h"
#include "repository/repository.h"

/* Who can read it is said once more: a recipient that was copied wrong but is one is noticed now or never. */
static void print_made(const char *path, const struct repository_protection *protection)
{
    bool encrypted = protection->recipients->count > 0 || protection->passphrase != NULL;
    if (!encrypted) {
        printf("%s is a repository now; it is not encrypted (--recipient, --passphrase-file)\n", path);
        return;
    }
    printf("%s is an encrypted repository now; it can be read with%s\n", path,
           protection->passphrase == NULL ? "" : "\n  the passphrase");
    for (size_t i = 0; i < protection->recipients->count; i++) {
        printf("  the identity of %s\n", protection->recipients->items[i]);
    }
}

static int init(const struct options *options, struct error *error)
{
    const char *path = options->operands.items[1];
    const char *passphrase_file = options_text(options, "passphrase-file");
    char *passphrase = NULL;
    struct repository_protection protection = {.recipients = options_list(options, "recipient")};
    int result = passphrase_file == NULL ? 0 : keys_read_passphrase(passphrase_file, &passphrase, error);
    protection.passphrase = passphrase;
    if (result == 0) {
        result = repository_init(path, &protection, error);
    }
    if (result == 0) {
        print_made(path, &protection);
    }
    if (passphrase != NULL) {
        explicit_bzero(passphrase, strlen(passphrase));
    }
    free(passphrase);
    return result;
}

int cmd_repository(int argc, char **argv)
{
    static const struct option_rule rules[] = {
        {"recipient", OPTION_LIST, false, "age1...",
         "who may read it: age's recipient. None, and no passphrase: everybody"},
        {"passphrase-file", OPTION_TEXT, false, "FILE", "the first line is a passphrase that reads it, too"},
        {.name = NULL},
    };
    static const struct option_usage usage = {
        .command = "repository",
        .operands = "init DIR",
        .summary = "Makes a repository in the folder DIR, which must be empty or is made. Any file system will do; "
                   "back up into it with `caisson backup`.",
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
    } else if (init(&options, &error) != 0) {
        exit_code = command_fail(&error);
    }
    options_free(&options);
    return exit_code;
}
