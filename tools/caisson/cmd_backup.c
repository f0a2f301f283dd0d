/*
 * cmd_backup.c - backs folders up into a repository.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "caisson/tags.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/options.h"
#include "lib/root.h"
#include "lib/screen.h"
#include "repository/own_key.h"
#include "repository/repository.h"
#include "target/installation.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository (`caisson repository init DIR` makes one)"},
    {"root", OPTION_TEXT, false, "DIR", "the server's file system, if it is mounted at DIR; PATHs are looked up in it"},
    {"label", OPTION_TEXT, false, "TEXT", "a few words that come with the snapshot"},
    {"tag", OPTION_LIST, false, "KEY=VALUE", "a tag, to find the snapshot by"},
    {"host", OPTION_TEXT, false, "NAME", "the server's name in the snapshot (default: this machine's)"},
    {"exclude", OPTION_LIST, false, "PATTERN",
     "leaves out what matches: a whole path (/var/cache/app) or, with **/ in front, a name at any depth; * and ? stay "
     "within a name"},
    {"one-file-system", OPTION_FLAG, false, NULL, "does not enter other file systems mounted inside"},
    WATCHING_RULE,
    KEYS_RULES,
    {"key", OPTION_TEXT, false, "FILE",
     "this machine's own key for an encrypted repository, made if it is not there (default: " OWN_KEY_FILE
     ", of a user in ~/.local/state/caisson). Servers share what they store only with one --key, or with --identity"},
    {"reread", OPTION_FLAG, false, NULL, "reads every file, also those that look unchanged"},
    {"json", OPTION_FLAG, false, NULL, "the summary as JSON on stdout"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "backup",
    .operands = "PATH...",
    .summary = "Backs the folders and files PATH up into a new snapshot; a PATH that is a link with what it leads to. "
               "Exit code 1: the snapshot is there, but files changed while they were read.",
    .operands_min = 1,
    .operands_max = 1024,
};

/* "/opt//app/" and, without --root, "app" become "/opt/app". NULL with CSN_USAGE or CSN_NOT_FOUND. */
static char *recorded_name(const char *path, bool has_root, struct error *error)
{
    struct buffer joined = {0};
    struct buffer name = {0};
    if (path[0] == '\0') {
        error_set(error, CSN_USAGE, "a PATH is empty");
        return NULL;
    }
    if (path[0] != '/' && has_root) {
        error_set(error, CSN_USAGE, "with --root, \"%s\" must start with /", path);
        return NULL;
    }
    char *folder = path[0] == '/' || has_root ? NULL : getcwd(NULL, 0);
    buffer_format(&joined, "%s/%s", folder == NULL ? "" : folder, path);
    free(folder);
    char *rest = joined.data;
    for (char *part = rest == NULL ? NULL : strsep(&rest, "/"); part != NULL; part = strsep(&rest, "/")) {
        if (strcmp(part, "..") == 0) {
            error_set(error, CSN_USAGE, "\"%s\" has \"..\" in it", path);
            buffer_free(&joined);
            buffer_free(&name);
            return NULL;
        }
        if (part[0] != '\0' && strcmp(part, ".") != 0) {
            buffer_format(&name, "/%s", part);
        }
    }
    if (name.size == 0) {
        buffer_string(&name, "/");
    }
    bool good = !joined.failed && buffer_check(&name, error) == 0;
    buffer_free(&joined);
    char *taken = good ? buffer_take(&name) : NULL;
    buffer_free(&name);
    return taken;
}

static int add_traced(int root_fd, const char *link, struct strings *paths, struct error *error)
{
    struct strings links = {0};
    char *real = NULL;
    int result = root_trace(root_fd, link, &links, &real, error);
    for (size_t i = 0; result == 0 && i < links.count; i++) {
        result = path_add_outer(paths, links.items[i], error);
    }
    if (result == 0 && real != NULL) {
        result = path_add_outer(paths, real, error);
    }
    strings_free(&links);
    free(real);
    return result;
}

/* The paths to record. A link that is named stands for itself and for what it leads to: who names it means the content. */
static int find_paths(int root_fd, const struct strings *operands, bool has_root, struct strings *paths,
                      struct error *error)
{
    struct strings links = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < operands->count; i++) {
        struct stat status;
        char *name = recorded_name(operands->items[i], has_root, error);
        bool is_link = name != NULL && root_lstat(root_fd, name, &status) == 0 && S_ISLNK(status.st_mode);
        result = name == NULL ? -1 : strings_add(is_link ? &links : paths, name, error);
        free(name);
    }
    for (size_t i = 0; result == 0 && i < links.count; i++) {
        result = add_traced(root_fd, links.items[i], paths, error);
    }
    strings_free(&links);
    return result;
}

static void print_json(const struct repository_backup_summary *summary)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    struct buffer line = {0};
    struct error error;
    yyjson_mut_doc_set_root(document, object);
    yyjson_mut_obj_add_str(document, object, "snapshot", summary->id);
    const struct {
        const char *key;
        uint64_t value;
    } numbers[] = {
        {"entries", summary->entries},
        {"files", summary->files},
        {"files_unchanged", summary->files_unchanged},
        {"vanished", summary->vanished},
        {"bytes", summary->bytes},
        {"bytes_read", summary->bytes_read},
        {"bytes_stored", summary->bytes_stored},
        {"chunks", summary->chunks},
        {"chunks_new", summary->chunks_new},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        yyjson_mut_obj_add_uint(document, object, numbers[i].key, numbers[i].value);
    }
    yyjson_mut_val *changed = yyjson_mut_obj_add_arr(document, object, "changed");
    for (size_t i = 0; i < summary->changed.count; i++) {
        const char *path = summary->changed.items[i];
        json_add_bytes(document, yyjson_mut_arr_add_obj(document, changed), "path", path, strlen(path));
    }
    if (json_append_line(&line, document, &error) == 0) {
        puts(buffer_text(&line));
    }
    buffer_free(&line);
    yyjson_mut_doc_free(document);
}

static void print_summary(const struct repository_backup_summary *summary)
{
    char all[CONSOLE_TEXT_SIZE];
    char read[CONSOLE_TEXT_SIZE];
    char stored[CONSOLE_TEXT_SIZE];
    console_bytes(all, summary->bytes);
    console_bytes(read, summary->bytes_read);
    console_bytes(stored, summary->bytes_stored);
    printf("snapshot %s\n  %" PRIu64 " entries, %" PRIu64 " files with %s; %s read, %" PRIu64
           " files unchanged; %s stored, %" PRIu64 " of %" PRIu64 " chunks new\n",
           summary->id, summary->entries, summary->files, all, read, summary->files_unchanged, stored,
           summary->chunks_new, summary->chunks);
}

/* The snapshot is there; what is wrong with it has to be heard. */
static int report_changed(const struct repository_backup_summary *summary)
{
    struct error error;
    if (summary->changed.count == 0) {
        return EXIT_DONE;
    }
    for (size_t i = 0; i < summary->changed.count; i++) {
        screen_line(stderr, "caisson: changed while it was read: %s", summary->changed.items[i]);
    }
    error_set(&error, CSN_REPOSITORY_CHANGED,
              "%zu of the files in snapshot %.16s changed while they were read, the first is %s",
              summary->changed.count, summary->id, summary->changed.items[0]);
    return command_fail(&error);
}

static int back_up(const struct options *options, int root_fd, const struct repository_source *sources, size_t count,
                   const struct repository_tag *tags)
{
    struct error error;
    struct console console;
    struct repository_backup_summary summary = {0};
    struct repository_backup_options backup = {
        .host = options_text(options, "host"),
        .label = options_text(options, "label"),
        .tags = tags,
        .tag_count = options_list(options, "tag")->count,
        .excludes = options_list(options, "exclude"),
        .reread = options_flag(options, "reread"),
        .one_file_system = options_flag(options, "one-file-system"),
    };
    int exit_code;
    struct keys keys = {0};
    struct repository *repository =
        keys_take(&keys, options, &error) != 0 || keys_take_own(&keys, options, root_fd, &error) != 0
            ? NULL
            : repository_open(options_text(options, "repository"), REPOSITORY_WRITE, &keys.given, &error);
    keys_free(&keys);
    if (repository == NULL) {
        return command_fail(&error);
    }
    const struct strings *damaged = repository_damaged(repository);
    for (size_t i = 0; i < damaged->count; i++) {
        screen_line(
            stderr,
            "caisson: warning: %s is damaged and left out; `caisson verify` says what it costs, `caisson repair` mends",
            damaged->items[i]);
    }
    watching_open(&console, options);
    int result = repository_backup(repository, sources, count, &backup, &console.progress, &summary, &error);
    console_finish_line(&console);
    repository_close(repository);
    if (result != 0) {
        exit_code = command_fail(&error);
    } else {
        if (options_flag(options, "json")) {
            print_json(&summary);
        } else {
            print_summary(&summary);
        }
        fflush(stdout);
        exit_code = report_changed(&summary);
    }
    repository_backup_summary_free(&summary);
    return exit_code;
}

static int run(const struct options *options)
{
    struct error error = {.code = CSN_NONE};
    const char *root = options_text(options, "root");
    struct strings paths = {0};
    struct repository_source *sources = NULL;
    struct repository_tag *tags = NULL;
    int root_fd = open(root == NULL ? "/" : root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int exit_code = EXIT_SYSTEM;
    if (root_fd < 0) {
        error_system(&error, CSN_NOT_FOUND, "opening %s", root == NULL ? "/" : root);
        goto out;
    }
    if (find_paths(root_fd, &options->operands, root != NULL, &paths, &error) != 0) {
        goto out;
    }
    sources = calloc(paths.count + 1, sizeof *sources);
    if (sources == NULL) {
        error_set(&error, CSN_MEMORY, "no memory for the command line");
        goto out;
    }
    for (size_t i = 0; i < paths.count; i++) {
        sources[i] = (struct repository_source){.root_fd = root_fd, .path = paths.items[i], .name = paths.items[i]};
    }
    if (tags_take(options, &tags, &error) == 0) {
        exit_code = back_up(options, root_fd, sources, paths.count, tags);
    }
out:
    if (error.code != CSN_NONE) {
        exit_code = command_fail(&error);
    }
    strings_free(&paths);
    free(sources);
    free(tags);
    file_drop(&root_fd);
    return exit_code;
}

int cmd_backup(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
