/*
 * cmd_verify.c - checks a repository and names what damage costs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "lib/json.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository"},
    {"structure", OPTION_FLAG, false, NULL, "indexes and snapshots only, and that each chunk they need is there"},
    {"all", OPTION_FLAG, false, NULL, "every byte of every chunk as well (this is the default)"},
    {"sample", OPTION_TEXT, false, "PERCENT", "as --structure, and this much of the chunks, chosen at random: 5, 0.5"},
    WATCHING_RULE,
    KEYS_RULES,
    {"json", OPTION_FLAG, false, NULL, "as lines of JSON on stdout: one for each damage, the sums last"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "verify",
    .operands = "",
    .summary = "Checks a repository. Damage is named: which file of the repository, and which paths of which snapshots "
               "it costs.",
    .operands_min = 0,
    .operands_max = 0,
};

struct listener {
    struct console *console;
    bool json;
};

static void print_line(yyjson_mut_doc *document)
{
    struct buffer line = {0};
    struct error error;
    if (json_append_line(&line, document, &error) == 0) {
        puts(buffer_text(&line));
    }
    buffer_free(&line);
    yyjson_mut_doc_free(document);
}

static void damaged(void *context, const struct repository_damage *damage)
{
    const struct listener *listener = context;
    console_finish_line(listener->console);
    if (!listener->json) {
        if (damage->snapshot == NULL) {
            screen_line(stdout, "damaged: %s: %s", damage->file, damage->what);
        } else if (damage->path == NULL) {
            screen_line(stdout, "  costs all of snapshot %.16s: %s: %s", damage->snapshot, damage->file, damage->what);
        } else {
            screen_line(stdout, "  costs snapshot %.16s %s: %s", damage->snapshot, damage->path, damage->what);
        }
        return;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    yyjson_mut_obj_add_str(document, object, "file", damage->file);
    yyjson_mut_obj_add_str(document, object, "damage", damage->what);
    if (damage->snapshot != NULL) {
        yyjson_mut_obj_add_str(document, object, "snapshot", damage->snapshot);
    }
    if (damage->path != NULL) {
        json_add_bytes(document, object, "path", damage->path, strlen(damage->path));
    }
    print_line(document);
}

/* Exactly one of the three; millionths. */
static int take_level(const struct options *options, uint32_t *share_ppm, struct error *error)
{
    const char *sample = options_text(options, "sample");
    bool structure = options_flag(options, "structure");
    *share_ppm = structure ? REPOSITORY_VERIFY_STRUCTURE : REPOSITORY_VERIFY_ALL;
    if ((structure ? 1 : 0) + (options_flag(options, "all") ? 1 : 0) + (sample != NULL ? 1 : 0) > 1) {
        return error_set(error, CSN_USAGE, "--structure, --sample and --all exclude one another");
    }
    if (sample == NULL) {
        return 0;
    }
    char *end = NULL;
    double percent = strtod(sample, &end);
    if (end == sample || (strcmp(end, "") != 0 && strcmp(end, "%") != 0) || !(percent >= 0.0001 && percent <= 100)) {
        return error_set(error, CSN_USAGE, "--sample takes a percentage above 0 and up to 100, not \"%s\"", sample);
    }
    *share_ppm = (uint32_t)(percent * 10000);
    return 0;
}

static const char *level_name(uint32_t share_ppm)
{
    return share_ppm == REPOSITORY_VERIFY_STRUCTURE ? "structure"
           : share_ppm == REPOSITORY_VERIFY_ALL     ? "all"
                                                    : "sample";
}

static void print_sums(const struct repository_verification *sums, bool json, uint32_t share_ppm)
{
    if (!json) {
        char bytes[CONSOLE_TEXT_SIZE];
        console_bytes(bytes, sums->bytes);
        bool read = share_ppm > 0;
        printf("%" PRIu64 " packs, %" PRIu64 " chunks, %" PRIu64 " snapshots checked%s%s%s; damages: %" PRIu64 "\n",
               sums->packs, sums->chunks, sums->snapshots, read ? ", " : "", read ? bytes : "", read ? " hashed" : "",
               sums->damages);
        return;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    yyjson_mut_obj_add_str(document, object, "level", level_name(share_ppm));
    yyjson_mut_obj_add_uint(document, object, "packs", sums->packs);
    yyjson_mut_obj_add_uint(document, object, "chunks", sums->chunks);
    yyjson_mut_obj_add_uint(document, object, "snapshots", sums->snapshots);
    yyjson_mut_obj_add_uint(document, object, "bytes", sums->bytes);
    yyjson_mut_obj_add_uint(document, object, "damages", sums->damages);
    yyjson_mut_obj_add_uint(document, object, "locked_packs", sums->locked_packs);
    yyjson_mut_obj_add_uint(document, object, "locked_snapshots", sums->locked_snapshots);
    yyjson_mut_obj_add_uint(document, object, "incomplete_snapshots", sums->incomplete_snapshots);
    print_line(document);
}

static void warn_of_incomplete(const struct repository_verification *sums)
{
    if (sums->incomplete_snapshots > 0) {
        fflush(stdout);
        screen_line(stderr,
                    "caisson: warning: %" PRIu64
                    " snapshots are what a repair saved of damaged ones, and not all of them "
                    "(`caisson snapshots`: the tag incomplete)",
                    sums->incomplete_snapshots);
    }
}

/* Not an error: where several machines share a repository it is so every day. */
static void warn_of_locked(const struct repository_verification *sums)
{
    if (sums->locked_packs + sums->locked_snapshots > 0) {
        fflush(stdout);
        screen_line(stderr,
                    "caisson: warning: NOT verified: %" PRIu64 " packs and %" PRIu64
                    " snapshots, which the keys given do not open: other machines', or damaged. An identity of one of "
                    "the repository's recipients verifies all (--identity)",
                    sums->locked_packs, sums->locked_snapshots);
    }
}

static int run(const struct options *options)
{
    struct error error;
    struct console console;
    struct repository_verification sums;
    uint32_t share_ppm = 0;
    struct listener listener = {.console = &console, .json = options_flag(options, "json")};
    const char *path = options_text(options, "repository");
    if (take_level(options, &share_ppm, &error) != 0) {
        return command_fail(&error);
    }
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, &error);
    if (repository == NULL) {
        return command_fail(&error);
    }
    watching_open(&console, options);
    int result = repository_verify(repository, share_ppm, damaged, &listener, &console.progress, &sums, &error);
    console_finish_line(&console);
    repository_close(repository);
    if (result != 0) {
        return command_fail(&error);
    }
    print_sums(&sums, listener.json, share_ppm);
    warn_of_locked(&sums);
    warn_of_incomplete(&sums);
    if (sums.damages > 0) {
        error_set(&error, CSN_REPOSITORY_DAMAGED, "%s: damages found: %" PRIu64 ", named above", path, sums.damages);
        return command_fail(&error);
    }
    return EXIT_DONE;
}

int cmd_verify(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
