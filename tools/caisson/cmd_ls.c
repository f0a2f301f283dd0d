/*
 * cmd_ls.c - lists what a snapshot holds.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "lib/json.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository"},
    KEYS_RULES,
    {"json", OPTION_FLAG, false, NULL, "as lines of JSON on stdout, one an entry"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "ls",
    .operands = "SNAPSHOT|latest [PATH...]",
    .summary =
        "Lists what a snapshot holds: everything, or each PATH, as it is named in the snapshot, and all below it.",
    .operands_min = 1,
    .operands_max = 1024,
};

/* "drwxr-sr-x" */
static void mode_text(const struct tree_entry *entry, char text[11])
{
    static const char types[] = {[TREE_FILE] = '-',   [TREE_FOLDER] = 'd',    [TREE_LINK] = 'l', [TREE_FIFO] = 'p',
                                 [TREE_SOCKET] = 's', [TREE_CHARACTER] = 'c', [TREE_BLOCK] = 'b'};
    static const char letters[] = "rwxrwxrwx";
    text[0] = types[entry->type];
    for (unsigned i = 0; i < 9; i++) {
        text[i + 1] = (entry->mode & (0400u >> i)) != 0 ? letters[i] : '-';
    }
    text[3] = (entry->mode & 04000u) == 0 ? text[3] : text[3] == 'x' ? 's' : 'S';
    text[6] = (entry->mode & 02000u) == 0 ? text[6] : text[6] == 'x' ? 's' : 'S';
    text[9] = (entry->mode & 01000u) == 0 ? text[9] : text[9] == 'x' ? 't' : 'T';
    text[10] = '\0';
}

static int print_entry(void *context, const struct repository_entry *entry, struct error *error)
{
    const struct tree_entry *tree = entry->tree;
    char mode[11];
    char when[32] = "";
    char size[32];
    struct tm utc;
    time_t seconds = (time_t)tree->mtime_sec;
    (void)context;
    (void)error;
    mode_text(tree, mode);
    if (gmtime_r(&seconds, &utc) != NULL) {
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &utc);
    }
    if (tree->type == TREE_CHARACTER || tree->type == TREE_BLOCK) {
        snprintf(size, sizeof size, "%u,%u", tree->device_major, tree->device_minor);
    } else {
        snprintf(size, sizeof size, "%" PRIu64, tree->size_bytes);
    }
    screen_line(stdout, "%s %5" PRIu32 " %5" PRIu32 " %12s %s /%s%s%s%s%s%s", mode, tree->uid, tree->gid, size, when,
                tree->path, tree->link_target == NULL ? "" : " -> ", tree->link_target == NULL ? "" : tree->link_target,
                entry->hardlink == NULL ? "" : " = /", entry->hardlink == NULL ? "" : entry->hardlink,
                entry->changed ? " (changed while it was read)" : "");
    return 0;
}

static int print_json(void *context, const struct repository_entry *entry, struct error *error)
{
    const struct tree_entry *tree = entry->tree;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    struct buffer text = {0};
    char mode[8];
    (void)context;
    snprintf(mode, sizeof mode, "%04o", tree->mode);
    yyjson_mut_doc_set_root(document, object);
    buffer_format(&text, "/%s", tree->path);
    json_add_bytes(document, object, "path", buffer_text(&text), text.size);
    yyjson_mut_obj_add_str(document, object, "type", tree_type_name(tree->type));
    yyjson_mut_obj_add_str(document, object, "mode", mode);
    yyjson_mut_obj_add_uint(document, object, "uid", tree->uid);
    yyjson_mut_obj_add_uint(document, object, "gid", tree->gid);
    yyjson_mut_val *mtime = yyjson_mut_obj_add_arr(document, object, "mtime");
    yyjson_mut_arr_add_sint(document, mtime, tree->mtime_sec);
    yyjson_mut_arr_add_uint(document, mtime, tree->mtime_nsec);
    if (entry->hardlink != NULL) {
        buffer_free(&text);
        buffer_format(&text, "/%s", entry->hardlink);
        json_add_bytes(document, object, "hardlink", buffer_text(&text), text.size);
    } else if (tree->type == TREE_FILE) {
        yyjson_mut_obj_add_uint(document, object, "size", tree->size_bytes);
    } else if (tree->type == TREE_LINK) {
        json_add_bytes(document, object, "target", tree->link_target, strlen(tree->link_target));
    } else if (tree->type == TREE_CHARACTER || tree->type == TREE_BLOCK) {
        yyjson_mut_val *device = yyjson_mut_obj_add_arr(document, object, "device");
        yyjson_mut_arr_add_uint(document, device, tree->device_major);
        yyjson_mut_arr_add_uint(document, device, tree->device_minor);
    }
    if (entry->changed) {
        yyjson_mut_obj_add_bool(document, object, "changed", true);
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

static int list(const struct options *options, struct repository *repository, struct error *error)
{
    char id[REPOSITORY_ID_SIZE];
    struct strings paths = {0};
    int result = repository_find(repository, options->operands.items[0], NULL, id, error);
    for (size_t i = 1; result == 0 && i < options->operands.count; i++) {
        result = strings_add(&paths, options->operands.items[i], error);
    }
    if (result == 0) {
        result = repository_iterate(repository, id, paths.count == 0 ? NULL : &paths,
                                    options_flag(options, "json") ? print_json : print_entry, NULL, error);
    }
    strings_free(&paths);
    return result;
}

static int run(const struct options *options)
{
    struct error error;
    int exit_code = EXIT_DONE;
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, &error);
    if (repository == NULL || list(options, repository, &error) != 0) {
        exit_code = command_fail(&error);
    }
    repository_close(repository);
    return exit_code;
}

int cmd_ls(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
