#include "caisson/database_dump.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <yyjson.h>

#include "lib/json.h"
#include "lib/screen.h"
#include "sequence/live_dump.h"

static int print_json(const struct live_dump_summary *dumped, const struct repository_backup_summary *summary,
                      struct error *error)
{
    const struct dump_server *server = &dumped->server;
    const struct {
        const char *key;
        const struct strings *list;
    } lists[] = {{"databases", &server->databases}, {"left_out", &server->closed}, {"remarks", &dumped->remarks}};
    struct buffer line = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    bool good = yyjson_mut_obj_add_str(document, root, "snapshot", summary->id) &&
                yyjson_mut_obj_add_int(document, root, "postgresql", server->version) &&
                yyjson_mut_obj_add_str(document, root, "system_identifier", server->system_identifier) &&
                yyjson_mut_obj_add_uint(document, root, "bytes", summary->bytes) &&
                yyjson_mut_obj_add_uint(document, root, "bytes_stored", summary->bytes_stored) &&
                yyjson_mut_obj_add_bool(document, root, "role_passwords", server->has_passwords);
    for (size_t i = 0; good && i < sizeof lists / sizeof lists[0]; i++) {
        yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, root, lists[i].key);
        good = list != NULL;
        for (size_t j = 0; good && j < lists[i].list->count; j++) {
            good = yyjson_mut_arr_add_str(document, list, lists[i].list->items[j]);
        }
    }
    int result = !good ? error_set(error, CSN_MEMORY, "no memory for a summary")
                 : json_mend(document, error) != 0 || json_append_line(&line, document, error) != 0 ? -1
                                                                                                    : 0;
    if (result == 0) {
        printf("%s\n", line.data);
    }
    buffer_free(&line);
    yyjson_mut_doc_free(document);
    return result;
}

static void print_text(const struct live_dump_summary *dumped, const struct repository_backup_summary *summary)
{
    const struct dump_server *server = &dumped->server;
    char bytes[CONSOLE_TEXT_SIZE];
    char stored[CONSOLE_TEXT_SIZE];
    console_bytes(bytes, summary->bytes);
    console_bytes(stored, summary->bytes_stored);
    screen_line(stdout, "snapshot %s", summary->id);
    screen_line(stdout, "PostgreSQL %d: %zu databases and the roles, %s; %s stored", server->version,
                server->databases.count, bytes, stored);
    screen_line(stdout, "each database is as it was at one moment, but not all at the same");
    if (!server->has_passwords) {
        screen_line(stdout, "without the roles' passwords: this role may not read them");
    }
    for (size_t i = 0; i < server->closed.count; i++) {
        if (strcmp(server->closed.items[i], "template0") != 0) {
            screen_line(stdout, "not in it, as it accepts no connections: %s", server->closed.items[i]);
        }
    }
    for (size_t i = 0; i < dumped->remarks.count; i++) {
        screen_line(stdout, "said of %s", dumped->remarks.items[i]);
    }
}

int database_dump(const struct options *options, struct repository *repository, const struct query_target *target,
                  const struct repository_backup_options *backup, struct console *console, struct error *error)
{
    struct live_dump_summary dumped = {0};
    struct repository_backup_summary summary = {0};
    int result = live_dump(target, options_text(options, "name"), repository, backup, &console->progress, &dumped,
                           &summary, error);
    console_finish_line(console);
    if (result == 0 && options_flag(options, "json")) {
        result = print_json(&dumped, &summary, error);
    } else if (result == 0) {
        print_text(&dumped, &summary);
    }
    live_dump_summary_free(&dumped);
    repository_backup_summary_free(&summary);
    return result;
}
