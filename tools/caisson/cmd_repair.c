/*
 * cmd_repair.c - saves what can be had of a damaged repository, and says what the damage costs.
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
    ALONE_RULE,
    WATCHING_RULE,
    KEYS_RULES,
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "repair",
    .operands = "",
    .summary = "Rebuilds the indexes of damaged packs and snapshots from what they hold, and puts the damaged files "
               "into DIR/damaged. "
               "Then it says which paths of which snapshots are lost: exit code 1 if there are some (`caisson restore "
               "--skip-damaged` restores the rest).",
    .operands_min = 0,
    .operands_max = 0,
};

static void done(void *context, const char *file, const char *what)
{
    console_finish_line(context);
    screen_line(stdout, "%s: %s", file, what);
}

static void damaged(void *context, const struct repository_damage *damage)
{
    console_finish_line(context);
    if (damage->snapshot == NULL) {
        screen_line(stdout, "still damaged: %s: %s", damage->file, damage->what);
    } else if (damage->path == NULL) {
        screen_line(stdout, "lost: snapshot %.16s: %s", damage->snapshot, damage->what);
    } else {
        screen_line(stdout, "lost: snapshot %.16s %s: %s", damage->snapshot, damage->path, damage->what);
    }
}

static int repair(const struct options *options, struct console *console, uint64_t *lost_snapshots, struct error *error)
{
    struct repository_repair_summary summary;
    struct repository *repository = keys_open_alone(options, error);
    if (repository == NULL) {
        return -1;
    }
    int result = repository_repair(repository, done, console, &console->progress, &summary, error);
    repository_close(repository);
    console_finish_line(console);
    if (result == 0) {
        *lost_snapshots = summary.snapshots_lost;
        printf("rebuilt: %" PRIu64 " packs with %" PRIu64 " chunks, %" PRIu64 " snapshots with %" PRIu64
               " entries; set aside: %" PRIu64 " files\n",
               summary.packs_rebuilt, summary.chunks_saved, summary.snapshots_rebuilt, summary.entries_saved,
               summary.set_aside);
    }
    return result;
}

/* Opened anew: what was rebuilt has to hold for whoever comes next. */
static int name_losses(const struct options *options, struct console *console, uint64_t lost_snapshots,
                       struct error *error)
{
    struct repository_verification sums;
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, error);
    if (repository == NULL) {
        return -1;
    }
    int result =
        repository_verify(repository, REPOSITORY_VERIFY_STRUCTURE, damaged, console, &console->progress, &sums, error);
    repository_close(repository);
    console_finish_line(console);
    if (result == 0 && sums.locked_packs + sums.locked_snapshots > 0) {
        printf("not looked into, as the keys given do not open them: %" PRIu64 " packs and %" PRIu64
               " snapshots; they are for other keys, or damaged: only the site's own key (--identity) tells\n",
               sums.locked_packs, sums.locked_snapshots);
    }
    if (result == 0 && sums.damages + lost_snapshots > 0) {
        result = error_set(error, CSN_REPOSITORY_DAMAGED,
                           "what is lost for good is named above: %" PRIu64 " paths and files, and of %" PRIu64
                           " snapshots what lay between the paths named",
                           sums.damages, lost_snapshots);
    }
    return result;
}

static int run(const struct options *options)
{
    struct error error;
    struct console console;
    uint64_t lost_snapshots = 0;
    watching_open(&console, options);
    return repair(options, &console, &lost_snapshots, &error) != 0 ||
                   name_losses(options, &console, lost_snapshots, &error) != 0
               ? command_fail(&error)
               : EXIT_DONE;
}

int cmd_repair(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
