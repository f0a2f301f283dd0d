/*
 * cmd_diff.c - says in what two snapshots differ.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "lib/json.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository"},
    {"path", OPTION_LIST, false, "PATH", "looks at this only, and all below it, as it is named in the snapshots"},
    KEYS_RULES,
    {"json", OPTION_FLAG, false, NULL, "as lines of JSON on stdout: one a difference, the sums last"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "diff",
    .operands = "SNAPSHOT SNAPSHOT|latest",
    .summary = "Says in what the second snapshot differs from the first: + is new, - is gone, M is different and in "
               "what. Exit "
               "code 1 if there is a difference.",
    .operands_min = 2,
    .operands_max = 2,
};

struct differing {
    bool json;
    uint64_t added;
    uint64_t removed;
    uint64_t modified;
};

static int print_difference(const struct tree_difference *difference, const char *aspects, bool json,
                            struct error *error)
{
    const char *kind = difference->a == NULL ? "added" : difference->b == NULL ? "removed" : "modified";
    const char *sign = difference->a == NULL ? "+" : difference->b == NULL ? "-" : "M";
    if (!json) {
        screen_line(stdout, "%s /%s%s%s%s", sign, difference->path, aspects[0] == '\0' ? "" : " (", aspects,
                    aspects[0] == '\0' ? "" : ")");
        return 0;
    }
    struct buffer text = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    buffer_format(&text, "/%s", difference->path);
    yyjson_mut_obj_add_str(document, object, "difference", kind);
    json_add_bytes(document, object, "path", buffer_text(&text), text.size);
    if (aspects[0] != '\0') {
        yyjson_mut_obj_add_str(document, object, "aspects", aspects);
    }
    buffer_free(&text);
    int result = json_append_line(&text, document, error);
    if (result == 0) {
        puts(buffer_text(&text));
    }
    buffer_free(&text);
    yyjson_mut_doc_free(document);
    return result;
}

static int on_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    struct differing *differing = context;
    char aspects[160] = "";
    if (difference->a == NULL) {
        differing->added++;
    } else if (difference->b == NULL) {
        differing->removed++;
    } else {
        differing->modified++;
        tree_aspects_text(difference->aspects, aspects, sizeof aspects);
    }
    return print_difference(difference, aspects, differing->json, error);
}

static int diff(const struct options *options, struct repository *repository, struct differing *differing,
                struct error *error)
{
    const struct strings *paths = options_list(options, "path");
    char first[REPOSITORY_ID_SIZE];
    char second[REPOSITORY_ID_SIZE];
    if (repository_find(repository, options->operands.items[0], NULL, first, error) != 0 ||
        repository_find(repository, options->operands.items[1], NULL, second, error) != 0 ||
        repository_diff(repository, first, second, paths->count == 0 ? NULL : paths, on_difference, differing, error) !=
            0) {
        return -1;
    }
    printf(differing->json ? "{\"added\":%" PRIu64 ",\"removed\":%" PRIu64 ",\"modified\":%" PRIu64 "}\n"
                           : "added: %" PRIu64 ", removed: %" PRIu64 ", modified: %" PRIu64 "\n",
           differing->added, differing->removed, differing->modified);
    return 0;
}

static int run(const struct options *options)
{
    struct error error;
    struct differing differing = {.json = options_flag(options, "json")};
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, &error);
    int exit_code = repository == NULL || diff(options, repository, &differing, &error) != 0 ? command_fail(&error)
                    : differing.added + differing.removed + differing.modified > 0           ? EXIT_BAD
                                                                                             : EXIT_DONE;
    repository_close(repository);
    return exit_code;
}

int cmd_diff(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
