/*
 * collect_compare.c - before and after side by side: tables row for row, attachments.
 */
#include "report/collect.h"

#include <stdlib.h>
#include <string.h>

/* --- tables -------------------------------------------------------------------------------------------------------- */

struct table {
    yyjson_val *item; /* of the record's list */
    const char *database;
    const char *name;
};

struct tables {
    struct table *items; /* sorted by database and name */
    size_t count;
};

static int compare_tables(const void *a, const void *b)
{
    const struct table *left = a;
    const struct table *right = b;
    int order = strcmp(left->database, right->database);
    return order != 0 ? order : strcmp(left->name, right->name);
}

static void take_tables(struct collect *collect, yyjson_val *record, struct tables *tables)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_val *list = yyjson_obj_get(record, "items");
    *tables = (struct tables){.items = calloc(yyjson_arr_size(list) + 1, sizeof *tables->items)};
    if (tables->items == NULL) {
        collect->failed = true;
        return;
    }
    yyjson_arr_foreach(list, i, count, item)
    {
        if (strcmp(journal_get(item, "kind"), "table") == 0) {
            tables->items[tables->count++] =
                (struct table){item, journal_get(item, "database"), journal_get(item, "name")};
        }
    }
    qsort(tables->items, tables->count, sizeof *tables->items, compare_tables);
}

static bool has_database(const struct tables *tables, const char *database)
{
    for (size_t i = 0; i < tables->count; i++) {
        if (strcmp(tables->items[i].database, database) == 0) {
            return true;
        }
    }
    return false;
}

struct table_counts {
    int64_t before, after, fewer, more, added, removed, outside;
};

static void add_table(struct collect *collect, yyjson_mut_val *list, const struct table *before,
                      const struct table *after, struct table_counts *counts)
{
    const struct table *either = before != NULL ? before : after;
    if (either == NULL) {
        return;
    }
    int64_t rows_before = before == NULL ? -1 : collect_as_number(yyjson_obj_get(before->item, "rows"));
    int64_t rows_after = after == NULL ? -1 : collect_as_number(yyjson_obj_get(after->item, "rows"));
    yyjson_mut_val *item = collect_item(collect, list);
    collect_copy(collect, item, either->item, "database", "name", NULL);
    if (before != NULL) {
        collect_number(collect, item, "before", rows_before);
        counts->before++;
    }
    if (after != NULL) {
        collect_number(collect, item, "after", rows_after);
        counts->after++;
    }
    if (before != NULL && after != NULL) {
        counts->fewer += rows_after < rows_before;
        counts->more += rows_after > rows_before;
        collect_bool(collect, item, "same_content",
                     strcmp(journal_get(before->item, "checksum"), journal_get(after->item, "checksum")) == 0);
    }
}

/* Databases that were not counted afterwards (they are not the application's) are left out and only numbered. */
static void merge_tables(struct collect *collect, yyjson_mut_val *object, const struct tables *before,
                         const struct tables *after, bool have_after)
{
    struct table_counts counts = {0};
    yyjson_mut_val *list = collect_list(collect, object, "items");
    size_t i = 0;
    size_t k = 0;
    while (i < before->count || k < after->count) {
        const struct table *left = i < before->count ? &before->items[i] : NULL;
        const struct table *right = k < after->count ? &after->items[k] : NULL;
        int order = left == NULL ? 1 : right == NULL ? -1 : compare_tables(left, right);
        i += order <= 0;
        k += order >= 0;
        if (order < 0 && have_after && !has_database(after, left->database)) {
            counts.outside++;
            continue;
        }
        counts.removed += order < 0 && have_after;
        counts.added += order > 0;
        add_table(collect, list, order <= 0 ? left : NULL, order >= 0 ? right : NULL, &counts);
    }
    collect_number(collect, object, "before", counts.before);
    if (have_after) {
        collect_number(collect, object, "after", counts.after);
        collect_number(collect, object, "fewer_rows", counts.fewer);
        collect_number(collect, object, "more_rows", counts.more);
        collect_number(collect, object, "added", counts.added);
        collect_number(collect, object, "removed", counts.removed);
        collect_number(collect, object, "in_other_databases", counts.outside);
    }
}

static yyjson_val *last_inventory(const struct collect *collect, const char *when)
{
    yyjson_val *found = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "inventory") && strcmp(journal_get(record, "when"), when) == 0) {
            found = record;
        }
    }
    return found;
}

static void add_tables(struct collect *collect)
{
    yyjson_val *before = last_inventory(collect, "before");
    yyjson_val *after = last_inventory(collect, "after");
    struct tables old;
    struct tables new;
    if (before == NULL && after == NULL) {
        return;
    }
    take_tables(collect, before, &old);
    take_tables(collect, after, &new);
    if (old.count + new.count > 0) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "tables");
        collect_seq(collect, object, "before_record", before);
        collect_seq(collect, object, "after_record", after);
        merge_tables(collect, object, &old, &new, after != NULL);
    }
    free(old.items);
    free(new.items);
}

/* --- attachments --------------------------------------------------------------------------------------------------- */

static void add_attachments(struct collect *collect)
{
    yyjson_val *assessment = collect_last(collect, "assessment");
    yyjson_val *counts = yyjson_obj_get(assessment, "counts");
    yyjson_val *after = collect_last(collect, "attachments-after");
    if (after == NULL && collect_as_number(yyjson_obj_get(counts, "attachment_files")) <= 0) {
        return;
    }
    static const char *const names[][2] = {{"attachment_files", "files"},
                                           {"attachment_rows", "rows"},
                                           {"attachments_missing", "missing"},
                                           {"attachments_unknown", "unknown"}};
    yyjson_mut_val *object = collect_object(collect, collect->root, "attachments");
    collect_seq(collect, object, "before_record", counts == NULL ? NULL : assessment);
    collect_seq(collect, object, "after_record", after);
    yyjson_mut_val *old = collect_object(collect, object, "before");
    yyjson_mut_val *new = collect_object(collect, object, "after");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        int64_t number = collect_as_number(yyjson_obj_get(counts, names[i][0]));
        if (number >= 0) {
            collect_number(collect, old, names[i][1], number);
        }
    }
    int64_t bytes = collect_as_number(yyjson_obj_get(counts, "attachment_bytes"));
    if (bytes >= 0) {
        collect_number(collect, old, "bytes", bytes);
    }
    collect_copy(collect, new, after, "files", "rows", "missing", "unknown", NULL);
}

void collect_compare(struct collect *collect)
{
    add_tables(collect);
    add_attachments(collect);
}
