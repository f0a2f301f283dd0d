#include "sequence/work_rows.h"

#include <string.h>

#include "database/inventory.h"
#include "lib/json.h"
#include "sequence/room.h"

#define TABLE_TIMEOUT_SEC 60
#define TABLES_NAMED 200

struct counting {
    struct run *run;
    struct inventory before;
    struct inventory now;
    uint64_t differ;
    uint64_t not_counted;
};

/* What verify saw of the new version; NULL where it did not look. */
static yyjson_val *verified(const struct journal *journal)
{
    yyjson_val *found = NULL;
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        found = journal_is(record, "inventory") && strcmp(journal_get(record, "when"), "after") == 0 ? record : found;
    }
    return found;
}

static int count_now(struct counting *counting, struct error *error)
{
    struct run *run = counting->run;
    struct room_binds binds = {0};
    struct room room = {0};
    struct error closing;
    int result = room_bind_cluster(run, &run->site, &binds, error) != 0 ||
                         room_open(run, &run->site, &binds, DATABASE_PRIVATE, &room, error) != 0
                     ? -1
                     : 0;
    if (result == 0) {
        struct query_target target = room_database(&room, run);
        const struct inventory_options options = {.database = target.database,
                                                  .table_timeout_sec = TABLE_TIMEOUT_SEC,
                                                  .rows_only = true,
                                                  .progress = &run->console->progress};
        result = inventory_take(&target, &options, &counting->now, error);
        if (room_close(&room, result == 0 ? error : &closing) != 0) {
            result = -1;
        }
    }
    room_binds_free(&binds);
    return result;
}

static void add_table(struct counting *counting, yyjson_mut_doc *document, yyjson_mut_val *tables, const char *name,
                      const struct inventory_item *before, const struct inventory_item *now)
{
    struct console *console = counting->run->console;
    uint64_t rows_before = before == NULL ? 0 : before->rows;
    uint64_t rows_now = now == NULL ? 0 : now->rows;
    if (counting->differ++ >= TABLES_NAMED) {
        return;
    }
    yyjson_mut_val *table = yyjson_mut_arr_add_obj(document, tables);
    json_add_bytes(document, table, "name", name, strlen(name));
    yyjson_mut_obj_add_uint(document, table, "before", rows_before);
    yyjson_mut_obj_add_uint(document, table, "now", rows_now);
    console_say(console, "  since the upgrade: %s has %llu rows, it had %llu", name, (unsigned long long)rows_now,
                (unsigned long long)rows_before);
}

static void compare(struct counting *counting, yyjson_mut_doc *document, yyjson_mut_val *tables)
{
    for (size_t i = 0; i < counting->now.count; i++) {
        const struct inventory_item *now = &counting->now.items[i];
        const struct inventory_item *before =
            inventory_find(&counting->before, INVENTORY_TABLE, now->database, now->name);
        if (strcmp(now->checksum, INVENTORY_NOT_COUNTED) == 0) {
            counting->not_counted++;
        } else if (before == NULL || before->rows != now->rows) {
            add_table(counting, document, tables, now->name, before, now);
        }
    }
    for (size_t i = 0; i < counting->before.count; i++) {
        const struct inventory_item *before = &counting->before.items[i];
        if (before->kind == INVENTORY_TABLE &&
            inventory_find(&counting->now, INVENTORY_TABLE, before->database, before->name) == NULL) {
            add_table(counting, document, tables, before->name, before, NULL);
        }
    }
}

int work_rows_count(struct run *run, struct error *error)
{
    struct counting counting = {.run = run};
    struct error why = {0};
    yyjson_val *record = verified(&run->journal);
    if (record == NULL || run->cluster.data_path == NULL || journal_last(&run->journal, "work-rows") != NULL) {
        return 0;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    if (inventory_from_json(yyjson_obj_get(record, "items"), &counting.before, &why) != 0 ||
        count_now(&counting, &why) != 0) {
        console_say(run->console, "  rows that were added since are not counted: %s", why.message);
        json_add_bytes(document, fields, "unknown", why.message, strlen(why.message));
    } else {
        compare(&counting, document, yyjson_mut_obj_add_arr(document, fields, "tables"));
        yyjson_mut_obj_add_uint(document, fields, "differ", counting.differ);
        yyjson_mut_obj_add_uint(document, fields, "not_counted", counting.not_counted);
    }
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "work-rows", fields, error);
    yyjson_mut_doc_free(document);
    inventory_free(&counting.before);
    inventory_free(&counting.now);
    return result;
}
