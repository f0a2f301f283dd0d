/*
 * collect_sizes.c - how large the database was and is: totals, the largest tables, who was connected.
 */
#include "report/collect.h"

#include <stdlib.h>
#include <string.h>

#define TABLES_LISTED 20

struct measured {
    const char *name;
    yyjson_val *sides[2]; /* before, after; NULL: not there */
    int64_t largest;      /* bytes, of both sides */
};

struct measures {
    struct measured *items;
    size_t count;
};

static const char *const side_names[] = {"before", "after"};

static int64_t bytes_of(yyjson_val *table)
{
    int64_t sum = 0;
    static const char *const parts[] = {"table_bytes", "index_bytes", "toast_bytes"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        int64_t bytes = collect_as_number(yyjson_obj_get(table, parts[i]));
        sum += bytes > 0 && bytes < INT64_MAX / 4 ? bytes : 0;
    }
    return sum;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct measured *)a)->name, ((const struct measured *)b)->name);
}

static int by_size(const void *a, const void *b)
{
    const struct measured *left = a;
    const struct measured *right = b;
    return left->largest != right->largest ? (left->largest > right->largest ? -1 : 1) : by_name(a, b);
}

static void take_side(struct measures *measures, yyjson_val *record, int side)
{
    size_t i;
    size_t count;
    yyjson_val *table;
    yyjson_arr_foreach(yyjson_obj_get(record, "items"), i, count, table)
    {
        const char *key = yyjson_obj_get(table, "name") != NULL ? "name" : "name64";
        struct measured item = {.name = journal_get(table, key), .largest = bytes_of(table)};
        item.sides[side] = table;
        measures->items[measures->count++] = item;
    }
}

/* Both sides of a table become one; then the largest are in front. */
static void join_sides(struct measures *measures)
{
    size_t kept = 0;
    qsort(measures->items, measures->count, sizeof measures->items[0], by_name);
    for (size_t i = 0; i < measures->count; i++) {
        struct measured *last = kept == 0 ? NULL : &measures->items[kept - 1];
        const struct measured *item = &measures->items[i];
        if (last == NULL || strcmp(last->name, item->name) != 0) {
            measures->items[kept++] = *item;
            continue;
        }
        for (int side = 0; side < 2; side++) {
            last->sides[side] = last->sides[side] == NULL ? item->sides[side] : last->sides[side];
        }
        last->largest = last->largest < item->largest ? item->largest : last->largest;
    }
    measures->count = kept;
    qsort(measures->items, measures->count, sizeof measures->items[0], by_size);
}

/* Growth only where both records tell: a table that only one has is new, gone, or not among the largest there. */
static void add_tables(struct collect *collect, yyjson_mut_val *object, const struct measures *measures)
{
    yyjson_mut_val *list = collect_list(collect, object, "items");
    for (size_t i = 0; i < measures->count && i < TABLES_LISTED; i++) {
        const struct measured *table = &measures->items[i];
        yyjson_mut_val *item = collect_item(collect, list);
        collect_copy(collect, item, table->sides[0] != NULL ? table->sides[0] : table->sides[1], "name", NULL);
        for (int side = 0; side < 2; side++) {
            if (table->sides[side] != NULL) {
                yyjson_mut_val *of = collect_object(collect, item, side_names[side]);
                collect_number(collect, of, "bytes", bytes_of(table->sides[side]));
                collect_copy(collect, of, table->sides[side], "table_bytes", "index_bytes", "toast_bytes", "dead_rows",
                             "bloat_bytes", "bloat_by", NULL);
            }
        }
        if (table->sides[0] != NULL && table->sides[1] != NULL) {
            collect_number(collect, item, "growth_bytes", bytes_of(table->sides[1]) - bytes_of(table->sides[0]));
        }
    }
}

static void add_totals(struct collect *collect, yyjson_mut_val *object, yyjson_val *record, int side)
{
    yyjson_mut_val *totals = collect_object(collect, object, side_names[side]);
    collect_copy(collect, totals, record, "unknown", "server", "database_bytes", "tables", "table_bytes", "index_bytes",
                 "toast_bytes", "dead_rows", "bloat_bytes", "bloat_unknown", "bloat_measured", "connections", NULL);
}

static yyjson_val *last_sizes(const struct collect *collect, const char *when)
{
    size_t before = collect->journal->count;
    for (size_t i = before; i > 0; i--) {
        yyjson_val *record = journal_record(collect->journal, i - 1);
        if (journal_is(record, "sizes") && strcmp(journal_get(record, "when"), when) == 0) {
            return record;
        }
    }
    return NULL;
}

void collect_sizes(struct collect *collect)
{
    yyjson_val *records[] = {last_sizes(collect, "before"), last_sizes(collect, "after")};
    size_t most = 0;
    struct measures measures = {.items = NULL};
    if (records[0] == NULL && records[1] == NULL) {
        return;
    }
    for (int side = 0; side < 2; side++) {
        most += yyjson_arr_size(yyjson_obj_get(records[side], "items"));
    }
    measures.items = calloc(most + 1, sizeof *measures.items);
    if (measures.items == NULL) {
        collect->failed = true;
        return;
    }
    yyjson_mut_val *object = collect_object(collect, collect->root, "sizes");
    collect_seq(collect, object, "before_record", records[0]);
    collect_seq(collect, object, "after_record", records[1]);
    collect_copy(collect, object, records[0] != NULL ? records[0] : records[1], "database", NULL);
    for (int side = 0; side < 2; side++) {
        take_side(&measures, records[side], side);
        if (records[side] != NULL) {
            add_totals(collect, object, records[side], side);
        }
    }
    int64_t grown[2] = {-1, -1};
    for (int side = 0; side < 2; side++) {
        grown[side] = collect_as_number(yyjson_obj_get(records[side], "database_bytes"));
    }
    if (grown[0] >= 0 && grown[1] >= 0) {
        collect_number(collect, object, "growth_bytes", grown[1] - grown[0]);
    }
    join_sides(&measures);
    collect_number(collect, object, "items_most", TABLES_LISTED);
    add_tables(collect, object, &measures);
    free(measures.items);
}
