#include "caisson/database_sizes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "caisson/connection.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "database/sizes.h"
#include "lib/json.h"
#include "lib/screen.h"

#define TABLES_SHOWN 20
#define CONNECTIONS_SHOWN 50

static const char *bytes_of(char text[CONSOLE_TEXT_SIZE], int64_t bytes)
{
    if (bytes < 0) {
        return "not known";
    }
    console_bytes(text, (uint64_t)bytes);
    return text;
}

static void print_tables(const struct sizes *sizes)
{
    char table[CONSOLE_TEXT_SIZE];
    char indexes[CONSOLE_TEXT_SIZE];
    char toast[CONSOLE_TEXT_SIZE];
    char bloat[CONSOLE_TEXT_SIZE];
    screen_line(stdout, "database %s: %s; %" PRIu64 " tables: %s, indexes %s, TOAST %s", sizes->database,
                bytes_of(bloat, (int64_t)sizes->database_bytes), sizes->table_count,
                bytes_of(table, (int64_t)sizes->table_bytes), bytes_of(indexes, (int64_t)sizes->index_bytes),
                bytes_of(toast, (int64_t)sizes->toast_bytes));
    for (size_t i = 0; i < sizes->count && i < TABLES_SHOWN; i++) {
        const struct sizes_table *item = &sizes->tables[i];
        char dead[CONSOLE_TEXT_SIZE] = "not known";
        if (item->dead_rows >= 0) {
            snprintf(dead, sizeof dead, "%" PRId64, item->dead_rows);
        }
        screen_line(stdout, "  %s: %s, indexes %s, TOAST %s; dead rows %s; bloat %s%s", item->name,
                    bytes_of(table, (int64_t)item->table_bytes), bytes_of(indexes, (int64_t)item->index_bytes),
                    bytes_of(toast, (int64_t)item->toast_bytes), dead, bytes_of(bloat, item->bloat_bytes),
                    item->bloat_bytes < 0 ? ""
                    : item->measured      ? " (pgstattuple)"
                                          : " (estimate)");
    }
    if (sizes->table_count > TABLES_SHOWN) {
        screen_line(stdout, "  ... and %" PRIu64 " smaller ones: --json has %zu", sizes->table_count - TABLES_SHOWN,
                    sizes->count);
    }
}

static void print_connections(const struct sizes *sizes)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < sizes->connection_count; i++) {
        sum += sizes->connections[i].count;
    }
    screen_line(stdout, "connections to it: %" PRIu64, sum);
    for (size_t i = 0; i < sizes->connection_count && i < CONNECTIONS_SHOWN; i++) {
        const struct sizes_connection *item = &sizes->connections[i];
        screen_line(stdout, "  %" PRIu64 ": %s, application \"%s\", from %s", item->count,
                    item->state[0] == '\0' ? "state not told" : item->state, item->application,
                    item->client[0] == '\0' ? "an address not told" : item->client);
    }
    if (sizes->connection_count > CONNECTIONS_SHOWN) {
        screen_line(stdout, "  ... and %zu more kinds: --json has them", sizes->connection_count - CONNECTIONS_SHOWN);
    }
}

static int print_json(const struct sizes *sizes, struct error *error)
{
    struct buffer line = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    sizes_to_json(sizes, document, object);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for the sizes")
                                  : json_append_line(&line, document, error);
    if (result == 0) {
        puts(buffer_text(&line));
    }
    buffer_free(&line);
    yyjson_mut_doc_free(document);
    return result;
}

int database_sizes(const struct options *options, struct error *error)
{
    struct connection connection = {.password = NULL};
    struct console console;
    struct sizes sizes = {.count = 0};
    const char *name = options_text(options, "name");
    if (name == NULL) {
        return error_set(error, CSN_USAGE, "`caisson database sizes` needs --name NAME");
    }
    watching_open(&console, options);
    const struct sizes_options how = {.live = true, .progress = &console.progress};
    int result = connection_take(&connection, options, error);
    if (result == 0) {
        connection.target.database = name;
        result = sizes_take(&connection.target, &how, &sizes, error);
    }
    console_finish_line(&console);
    if (result == 0 && sizes.unknown.code != CSN_NONE) {
        result = error_set(error, sizes.unknown.code, "%s", sizes.unknown.message);
    }
    if (result == 0 && options_flag(options, "json")) {
        result = print_json(&sizes, error);
    } else if (result == 0) {
        print_tables(&sizes);
        print_connections(&sizes);
    }
    sizes_free(&sizes);
    connection_free(&connection);
    return result;
}
