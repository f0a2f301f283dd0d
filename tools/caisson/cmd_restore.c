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
#include "console/console.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/options.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository"},
    {"target", OPTION_TEXT, true, "DIR",
     "the empty folder to restore into, which must be there; /opt/app becomes DIR/opt/app"},
    {"path", OPTION_LIST, false, "PATH", "restores this only, and all below it, as it is named in the snapshot"},
    {"strip", OPTION_TEXT, false, "PATH", "leaves this much out of the names: with /opt/app, /opt/app/x becomes DIR/x"},
    {"without-root", OPTION_FLAG, false, NULL,
     "goes on where an owner, an attribute or a device may not be kept, and counts them"},
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
    char id[REPOSITORY_ID_SIZE];
    if (repository_find(repository, options->operands.items[0], NULL, id, error) != 0) {
        return -1;
    }
    console_open(&console, stderr);
    int result = repository_restore(repository, id, &selection, &console.progress, &summary, error);
    console_finish_line(&console);
    if (result != 0) {
        return -1;
    }
    if (options_flag(options, "json")) {
        print_json(id, &summary);
    } else {
        print_summary(id, target, &summary);
    }
    return 0;
}

static int run(const struct options *options)
{
    struct error error;
    int exit_code = EXIT_DONE;
    int target_fd = -1;
    struct keys keys = {0};
    struct repository *repository =
        keys_take(&keys, options, &error) != 0
            ? NULL
            : repository_open(options_text(options, "repository"), REPOSITORY_READ, &keys.given, &error);
    keys_free(&keys);
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
