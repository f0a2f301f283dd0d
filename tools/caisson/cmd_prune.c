/*
 * cmd_prune.c - removes old snapshots and what only they needed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository; nobody else may have it open"},
    {"keep-last", OPTION_NUMBER, false, "N", "keeps the N newest of each host and its set of folders"},
    {"keep-days", OPTION_NUMBER, false, "N", "keeps those that are less than N days older than the newest of them"},
    {"dry-run", OPTION_FLAG, false, NULL, "says what would go, and writes nothing"},
    ALONE_RULE,
    WATCHING_RULE,
    KEYS_RULES,
    {"json", OPTION_FLAG, false, NULL, "as lines of JSON on stdout: one a snapshot, the sums last"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "prune",
    .operands = "",
    .summary =
        "Removes the snapshots that are not to be kept, and what only they needed. The newest whole one of each host "
        "and "
        "its folders always stays, and what the newest run of an installation backed up, as a rollback may need it.",
    .operands_min = 0,
    .operands_max = 0,
};

struct listener {
    struct console *console;
    bool json;
    bool dry_run;
};

static void decided(void *context, const struct repository_snapshot *snapshot, const char *kept)
{
    const struct listener *listener = context;
    console_finish_line(listener->console);
    if (listener->json) {
        printf("{\"snapshot\":\"%s\",\"kept\":%s", snapshot->id, kept == NULL ? "false" : "true");
        printf(kept == NULL ? "}\n" : ",\"why\":\"%s\"}\n", kept);
    } else {
        const char *verb = kept != NULL ? "stays" : listener->dry_run ? "would go" : "goes";
        screen_line(stdout, "%.16s  %.19sZ  %s %s%s%s", snapshot->id, snapshot->time, snapshot->host, verb,
                    kept == NULL ? "" : ": ", kept == NULL ? "" : kept);
    }
}

static void print_sums(const struct repository_prune_summary *summary, const struct listener *listener)
{
    char freed[CONSOLE_TEXT_SIZE];
    char kept[CONSOLE_TEXT_SIZE];
    if (listener->json) {
        printf("{\"snapshots_kept\":%" PRIu64 ",\"snapshots_removed\":%" PRIu64 ",\"packs_removed\":%" PRIu64
               ",\"packs_rewritten\":%" PRIu64 ",\"bytes_freed\":%" PRIu64 ",\"bytes_kept\":%" PRIu64
               ",\"dry_run\":%s}\n",
               summary->snapshots_kept, summary->snapshots_removed, summary->packs_removed, summary->packs_rewritten,
               summary->bytes_freed, summary->bytes_kept, listener->dry_run ? "true" : "false");
        return;
    }
    console_bytes(freed, summary->bytes_freed);
    console_bytes(kept, summary->bytes_kept);
    printf("%s: %" PRIu64 " snapshots and %" PRIu64 " packs; written anew: %" PRIu64 " packs; %s freed, %s stay\n",
           listener->dry_run ? "would be removed" : "removed", summary->snapshots_removed, summary->packs_removed,
           summary->packs_rewritten, freed, kept);
}

static int prune(const struct options *options, struct repository *repository, struct error *error)
{
    struct console console;
    struct repository_prune_summary summary;
    struct listener listener = {
        .console = &console, .json = options_flag(options, "json"), .dry_run = options_flag(options, "dry-run")};
    const struct repository_prune_options wanted = {
        .keep_last = options_number(options, "keep-last", 0),
        .keep_days = options_number(options, "keep-days", 0),
        .dry_run = listener.dry_run,
        .decided = decided,
        .context = &listener,
    };
    watching_open(&console, options);
    int result = repository_prune(repository, &wanted, &console.progress, &summary, error);
    console_finish_line(&console);
    if (result == 0) {
        print_sums(&summary, &listener);
    }
    return result;
}

static int run(const struct options *options)
{
    struct error error;
    int exit_code = EXIT_DONE;
    struct repository *repository = keys_open_alone(options, &error);
    if (repository == NULL || prune(options, repository, &error) != 0) {
        exit_code = command_fail(&error);
    }
    repository_close(repository);
    return exit_code;
}

int cmd_prune(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
