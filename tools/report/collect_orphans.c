/*
 * collect_orphans.c - rows whose owner is gone, before and after, by the sections of the profile.
 */
#include "report/collect.h"

#include <string.h>

static yyjson_val *of_name(yyjson_val *list, const char *name)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, count, item)
    {
        if (strcmp(journal_get(item, "name"), name) == 0) {
            return item;
        }
    }
    return NULL;
}

/* One section; what was found last has the examples. */
static void add_section(struct collect *collect, yyjson_mut_val *list, yyjson_val *before, yyjson_val *after)
{
    yyjson_val *last = after != NULL ? after : before;
    yyjson_mut_val *item = collect_item(collect, list);
    collect_copy(collect, item, last, "name", "title", NULL);
    if (before != NULL) {
        collect_number(collect, item, "before", collect_as_number(yyjson_obj_get(before, "count")));
    }
    if (after != NULL) {
        collect_number(collect, item, "after", collect_as_number(yyjson_obj_get(after, "count")));
    }
    size_t i;
    size_t count;
    yyjson_val *example;
    yyjson_mut_val *examples = collect_list(collect, item, "examples");
    yyjson_arr_foreach(yyjson_obj_get(last, "examples"), i, count, example)
    {
        collect_copy(collect, collect_item(collect, examples), example, "row", NULL);
    }
}

void collect_orphans(struct collect *collect)
{
    yyjson_val *assessment = collect_last(collect, "assessment");
    yyjson_val *after = collect_last(collect, "orphans-after");
    yyjson_val *old = yyjson_obj_get(assessment, "orphans");
    yyjson_val *new = yyjson_obj_get(after, "orphans");
    size_t i;
    size_t count;
    yyjson_val *item;
    if (yyjson_arr_size(old) + yyjson_arr_size(new) == 0) {
        return;
    }
    yyjson_mut_val *object = collect_object(collect, collect->root, "orphans");
    collect_seq(collect, object, "before_record", old == NULL ? NULL : assessment);
    collect_seq(collect, object, "after_record", after);
    yyjson_mut_val *list = collect_list(collect, object, "items");
    yyjson_arr_foreach(old, i, count, item)
    {
        add_section(collect, list, item, of_name(new, journal_get(item, "name")));
    }
    yyjson_arr_foreach(new, i, count, item)
    {
        if (of_name(old, journal_get(item, "name")) == NULL) {
            add_section(collect, list, NULL, item);
        }
    }
}
