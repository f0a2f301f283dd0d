/*
 * cmd_snapshots.c - lists the snapshots of a repository.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "console/console.h"
#include "lib/json.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/repository.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository"},
    KEYS_RULES,
    {"json", OPTION_FLAG, false, NULL, "as JSON on stdout"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "snapshots",
    .operands = "",
    .summary = "Lists the snapshots of a repository, the oldest first.",
    .operands_min = 0,
    .operands_max = 0,
};

static void add_snapshot(yyjson_mut_doc *document, yyjson_mut_val *list, const struct repository_snapshot *snapshot)
{
    yyjson_mut_val *object = yyjson_mut_arr_add_obj(document, list);
    yyjson_mut_obj_add_str(document, object, "id", snapshot->id);
    yyjson_mut_obj_add_str(document, object, "time", snapshot->time);
    yyjson_mut_obj_add_str(document, object, "host", snapshot->host);
    yyjson_mut_obj_add_str(document, object, "label", snapshot->label);
    yyjson_mut_obj_add_str(document, object, "tool", snapshot->tool);
    yyjson_mut_val *sources = yyjson_mut_obj_add_arr(document, object, "sources");
    for (size_t i = 0; i < snapshot->sources.count; i++) {
        const char *name = snapshot->sources.items[i];
        json_add_bytes(document, yyjson_mut_arr_add_obj(document, sources), "name", name, strlen(name));
    }
    yyjson_mut_val *tags = yyjson_mut_obj_add_obj(document, object, "tags");
    for (size_t i = 0; i < snapshot->tag_keys.count; i++) {
        yyjson_mut_obj_add_str(document, tags, snapshot->tag_keys.items[i], snapshot->tag_values.items[i]);
    }
    yyjson_mut_obj_add_uint(document, object, "entries", snapshot->entries);
    yyjson_mut_obj_add_uint(document, object, "files", snapshot->files);
    yyjson_mut_obj_add_uint(document, object, "bytes", snapshot->bytes);
    yyjson_mut_obj_add_uint(document, object, "changed", snapshot->changed);
}

static void print_json(const struct repository_snapshots *snapshots)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    struct buffer line = {0};
    struct error error;
    yyjson_mut_doc_set_root(document, object);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "snapshots");
    for (size_t i = 0; i < snapshots->count; i++) {
        add_snapshot(document, list, &snapshots->items[i]);
    }
    yyjson_mut_val *damaged = yyjson_mut_obj_add_arr(document, object, "damaged");
    for (size_t i = 0; i < snapshots->damaged.count; i++) {
        yyjson_mut_arr_add_str(document, damaged, snapshots->damaged.items[i]);
    }
    if (json_append_line(&line, document, &error) == 0) {
        puts(buffer_text(&line));
    }
    buffer_free(&line);
    yyjson_mut_doc_free(document);
}

static void print_snapshot(const struct repository_snapshot *snapshot)
{
    char size[CONSOLE_TEXT_SIZE];
    console_bytes(size, snapshot->bytes);
    screen_put(stdout, "%.16s  %.19sZ  %-16s %8" PRIu64 " files %10s ", snapshot->id, snapshot->time, snapshot->host,
               snapshot->files, size);
    for (size_t i = 0; i < snapshot->sources.count; i++) {
        screen_put(stdout, " %s", snapshot->sources.items[i]);
    }
    for (size_t i = 0; i < snapshot->tag_keys.count; i++) {
        screen_put(stdout, " %s=%s", snapshot->tag_keys.items[i], snapshot->tag_values.items[i]);
    }
    screen_line(stdout, "%s%s%s%s", snapshot->label[0] == '\0' ? "" : " \"", snapshot->label,
                snapshot->label[0] == '\0' ? "" : "\"",
                snapshot->changed > 0 ? " (files changed while they were read)" : "");
}

static int run(const struct options *options)
{
    struct error error;
    struct repository_snapshots snapshots;
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, &error);
    if (repository == NULL) {
        return command_fail(&error);
    }
    int exit_code = EXIT_DONE;
    if (repository_list(repository, &snapshots, &error) != 0) {
        repository_close(repository);
        return command_fail(&error);
    }
    if (options_flag(options, "json")) {
        print_json(&snapshots);
    } else {
        for (size_t i = 0; i < snapshots.count; i++) {
            print_snapshot(&snapshots.items[i]);
        }
    }
    if (snapshots.locked > 0) {
        screen_line(stderr, "caisson: %" PRIu64 " more snapshots are for other keys", snapshots.locked);
    }
    if (snapshots.damaged.count > 0) {
        error_set(&error, CSN_REPOSITORY_DAMAGED, "%zu snapshots cannot be read, the first is %.16s",
                  snapshots.damaged.count, snapshots.damaged.items[0]);
        exit_code = command_fail(&error);
    }
    repository_snapshots_free(&snapshots);
    repository_close(repository);
    return exit_code;
}

int cmd_snapshots(int argc, char **argv)
{
    struct options options;
    struct error error;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    int exit_code = parsed > 0 ? EXIT_DONE : parsed < 0 ? command_fail(&error) : run(&options);
    options_free(&options);
    return exit_code;
}
