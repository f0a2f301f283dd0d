/*
 * cmd_restore.c - brings a snapshot, or a part of one, back into an empty folder.
 */
#include <dirent.h>
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
#include "lib/json.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository"},
    {"target", OPTION_TEXT, true, "DIR",
     "the empty folder to restore into, which must be there; /opt/app becomes DIR/opt/app"},
    {"path", OPTION_LIST, false, "PATH", "restores this only, and all below it, as it is named in the snapshot"},
    {"strip", OPTION_TEXT, false, "PATH", "leaves this much out of the names: with /opt/app, /opt/app/x becomes DIR/x"},
    {"without-root", OPTION_FLAG, false, NULL,
     "goes on where an owner, an attribute or a device may not be kept, and counts them"},
    {"dry-run", OPTION_FLAG, false, NULL,
     "writes nothing: says what would be restored, whether there is room, and what would fail"},
    {"skip-unsupported", OPTION_FLAG, false, NULL,
     "leaves out what the target's file system cannot hold (names, links, sizes), and names it; exit code 1 then"},
    {"skip-damaged", OPTION_FLAG, false, NULL,
     "restores what can be had: a file with lost content becomes NAME.damaged, with holes there; exit code 1 if there "
     "is one"},
    {"no-sync", OPTION_FLAG, false, NULL,
     "for a scratch place: does not wait until the disk has it all; a power cut soon after may cost files"},
    WATCHING_RULE,
    KEYS_RULES,
    {"json", OPTION_FLAG, false, NULL, "the summary as JSON on stdout"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "restore",
    .operands = "SNAPSHOT|latest",
    .summary = "Restores a snapshot with everything it has: owners, modes, ACLs, attributes, hard links, holes, "
               "devices, times.",
    .operands_min = 1,
    .operands_max = 1,
};

/* Opens the target; CSN_REPOSITORY_TARGET if anything but lost+found is in it. */
static int open_target(const char *path, struct error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int again = fd < 0 ? -1 : dup(fd);
    DIR *directory = again < 0 ? NULL : fdopendir(again);
    if (directory == NULL) {
        bool gone = errno == ENOENT || errno == ENOTDIR;
        error_system(error, gone ? CSN_NOT_FOUND : CSN_IO, "opening the target %s", path);
        file_drop(&again);
        file_drop(&fd);
        return -1;
    }
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL && fd >= 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0) {
            error_set(error, CSN_REPOSITORY_TARGET, "%s holds %s", path, entry->d_name);
            file_drop(&fd);
        }
    }
    closedir(directory);
    return fd;
}

static uint64_t refusals(const struct tree_tolerated *tolerated)
{
    return tolerated->owners + tolerated->modes + tolerated->xattrs + tolerated->devices;
}

static void print_json(const char *id, const struct repository_restore_summary *summary)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    struct buffer line = {0};
    struct error error;
    yyjson_mut_doc_set_root(document, object);
    yyjson_mut_obj_add_str(document, object, "snapshot", id);
    yyjson_mut_obj_add_uint(document, object, "entries", summary->entries);
    yyjson_mut_obj_add_uint(document, object, "files", summary->files);
    yyjson_mut_obj_add_uint(document, object, "bytes", summary->bytes);
    yyjson_mut_obj_add_uint(document, object, "not_kept", refusals(&summary->tolerated));
    yyjson_mut_obj_add_uint(document, object, "damaged", summary->damaged);
    yyjson_mut_obj_add_uint(document, object, "left_out", summary->left_out);
    if (json_append_line(&line, document, &error) == 0) {
        puts(buffer_text(&line));
    }
    buffer_free(&line);
    yyjson_mut_doc_free(document);
}

static void print_summary(const char *id, const char *target, const struct repository_restore_summary *summary)
{
    const struct tree_tolerated *tolerated = &summary->tolerated;
    char bytes[CONSOLE_TEXT_SIZE];
    console_bytes(bytes, summary->bytes);
    printf("snapshot %.16s: %" PRIu64 " entries, %" PRIu64 " files with %s are back in %s\n", id, summary->entries,
           summary->files, bytes, target);
    if (refusals(tolerated) > 0) {
        printf("  not kept: %" PRIu64 " owners, %" PRIu64 " modes, %" PRIu64 " attributes; not made: %" PRIu64
               " devices\n",
               tolerated->owners, tolerated->modes, tolerated->xattrs, tolerated->devices);
    }
}

struct listener {
    struct console *console;
    enum error_code first; /* of the problems */
};

static void on_damaged(void *context, const char *place, const char *what)
{
    const struct listener *listener = context;
    console_finish_line(listener->console);
    screen_line(stderr, "damaged: /%s.damaged: %s", place, what);
}

static void on_left_out(void *context, const char *path, const char *what)
{
    const struct listener *listener = context;
    console_finish_line(listener->console);
    screen_line(stderr, "left out: /%s: %s", path, what);
}

static void on_problem(void *context, enum error_code code, const char *path, const char *what)
{
    struct listener *listener = context;
    listener->first = listener->first == CSN_NONE ? code : listener->first;
    console_finish_line(listener->console);
    screen_line(stderr, path[0] == '\0' ? "would fail: %s%s" : "would fail: /%s: %s", path, what);
}

static void print_plan_json(const char *id, const struct repository_plan *plan)
{
    printf("{\"snapshot\":\"%s\",\"entries\":%" PRIu64 ",\"files\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"needed_bytes\":%" PRIu64 ",\"free_bytes\":%" PRIu64 ",\"needed_inodes\":%" PRIu64
           ",\"left_out\":%" PRIu64 ",\"problems\":%" PRIu64 "}\n",
           id, plan->entries, plan->files, plan->bytes, plan->needed_bytes, plan->free_bytes, plan->needed_items,
           plan->left_out, plan->problems);
}

static void print_plan(const char *id, const char *target, const struct repository_plan *plan)
{
    char bytes[CONSOLE_TEXT_SIZE];
    char needed[CONSOLE_TEXT_SIZE];
    char available[CONSOLE_TEXT_SIZE];
    console_bytes(bytes, plan->bytes);
    console_bytes(needed, plan->needed_bytes);
    console_bytes(available, plan->free_bytes);
    printf("snapshot %.16s: %" PRIu64 " entries, %" PRIu64
           " files with %s would come to %s; needed there: %s, free: %s\n",
           id, plan->entries, plan->files, bytes, target, needed, available);
}

static int plan(const struct options *options, struct repository *repository, const char *id,
                const struct repository_selection *selection, struct listener *listener, struct error *error)
{
    struct repository_plan made;
    const char *target = options_text(options, "target");
    int result = repository_restore_plan(repository, id, selection, on_problem, listener, &listener->console->progress,
                                         &made, error);
    console_finish_line(listener->console);
    if (result != 0) {
        return -1;
    }
    if (options_flag(options, "json")) {
        print_plan_json(id, &made);
    } else {
        print_plan(id, target, &made);
    }
    if (made.problems > 0) {
        return error_set(error, listener->first,
                         "the restore to %s would fail: %" PRIu64 " problems, named above; nothing was written", target,
                         made.problems);
    }
    return made.left_out == 0
               ? 0
               : error_set(error, CSN_REPOSITORY_NAME,
                           "the restore to %s would leave out %" PRIu64 " paths, named above; nothing was written",
                           target, made.left_out);
}

/* What is not there, or not whole, after a restore that went through. */
static int tell_missing(const struct repository_restore_summary *summary, struct error *error)
{
    if (summary->damaged > 0) {
        return error_set(error, CSN_REPOSITORY_DAMAGED,
                         "files that are not whole: %" PRIu64 ", left out: %" PRIu64
                         ", named above; all others are restored",
                         summary->damaged, summary->left_out);
    }
    return summary->left_out == 0
               ? 0
               : error_set(error, CSN_REPOSITORY_NAME,
                           "left out: %" PRIu64 " paths, named above; all others are restored", summary->left_out);
}

static int restore(const struct options *options, struct repository *repository, int target_fd, struct error *error)
{
    const char *target = options_text(options, "target");
    const struct strings *paths = options_list(options, "path");
    struct repository_selection selection = {
        .paths = paths->count == 0 ? NULL : paths,
        .root_fd = target_fd,
        .strip = options_text(options, "strip"),
        .tolerate_refusals = options_flag(options, "without-root"),
    };
    struct repository_restore_summary summary;
    struct console console;
    struct listener listener = {.console = &console, .first = CSN_NONE};
    char id[REPOSITORY_ID_SIZE];
    char marker[64];
    if (repository_find(repository, options->operands.items[0], NULL, id, error) != 0) {
        return -1;
    }
    watching_open(&console, options);
    selection.context = &listener;
    selection.leave_unsynced = options_flag(options, "no-sync");
    selection.damaged = options_flag(options, "skip-damaged") ? on_damaged : NULL;
    selection.left_out = options_flag(options, "skip-unsupported") ? on_left_out : NULL;
    snprintf(marker, sizeof marker, "INCOMPLETE-%.16s.txt", id);
    selection.marker = marker;
    if (options_flag(options, "dry-run")) {
        return plan(options, repository, id, &selection, &listener, error);
    }
    int result = repository_restore(repository, id, &selection, &console.progress, &summary, error);
    console_finish_line(&console);
    if (result != 0) {
        return summary.entries == 0 || summary.complete
                   ? -1
                   : error_wrap(error, "%s is incomplete (see %s there)", target, marker);
    }
    if (options_flag(options, "json")) {
        print_json(id, &summary);
    } else {
        print_summary(id, target, &summary);
    }
    if (summary.is_remnant) {
        fflush(stdout);
        screen_line(stderr,
                    "caisson: warning: this snapshot is what a repair saved of a damaged one, and not all of it "
                    "(`caisson snapshots`: the tag incomplete)");
    }
    return tell_missing(&summary, error);
}

static int run(const struct options *options)
{
    struct error error;
    int exit_code = EXIT_DONE;
    int target_fd = -1;
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, &error);
    if (repository == NULL || (target_fd = open_target(options_text(options, "target"), &error)) < 0 ||
        restore(options, repository, target_fd, &error) != 0) {
        exit_code = command_fail(&error);
    }
    file_drop(&target_fd);
    repository_close(repository);
    return exit_code;
}

int cmd_restore(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
