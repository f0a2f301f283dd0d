/*
 * collect_changes.c - what the assessment found and who accepted it; what the site had changed in the program and what
 * became of it; what programs wrote where it was thrown away.
 */
#include "report/collect.h"

#include <string.h>

static void add_findings(struct collect *collect)
{
    yyjson_val *assessment = collect_last(collect, "assessment");
    yyjson_val *findings = yyjson_obj_get(assessment, "findings");
    if (assessment == NULL) {
        return;
    }
    yyjson_val *run = journal_record(collect->journal, 0);
    yyjson_mut_val *object = collect_object(collect, collect->root, "findings");
    collect_seq(collect, object, "record", assessment);
    int64_t times = 0;
    for (size_t i = 0; i < collect->journal->count; i++) {
        times += journal_is(journal_record(collect->journal, i), "assessment");
    }
    collect_number(collect, object, "assessments", times);
    collect_copy(collect, object, run, "approved_by", NULL);
    yyjson_mut_val *list = collect_list(collect, object, "items");
    size_t i;
    size_t count;
    yyjson_val *finding;
    yyjson_arr_foreach(findings, i, count, finding)
    {
        yyjson_mut_val *item = collect_item(collect, list);
        collect_copy(collect, item, finding, "check", "severity", "code", "what", "accepted", NULL);
    }
}

/* --- the site's changes -------------------------------------------------------------------------------------------- */

/* Name of the list in the record "merge"; of the change in the record "assessment". */
static const char *const lists[][2] = {
    {"conflicts", "conflict"},
    {"site_changed", "site-changed"},
    {"site_removed", "site-removed"},
    {"site_attributes", ""},
    {"kept", "kept"},
    {"foreign", "foreign"},
    {"unknown", "unknown"},
};

#define LIST_COUNT (sizeof lists / sizeof lists[0])

static void add_path(struct collect *collect, yyjson_mut_val *to, const char *key, yyjson_val *from)
{
    yyjson_mut_val *list = yyjson_mut_obj_get(to, key);
    yyjson_mut_val *item = collect_item(collect, list != NULL ? list : collect_list(collect, to, key));
    collect_copy(collect, item, from, "path", "answer", NULL);
    if (yyjson_is_true(yyjson_obj_get(from, "executable"))) {
        collect_bool(collect, item, "executable", true);
    }
}

static void lists_of_merge(struct collect *collect, yyjson_mut_val *to, yyjson_val *merge)
{
    for (size_t k = 0; k < LIST_COUNT; k++) {
        size_t i;
        size_t count;
        yyjson_val *item;
        yyjson_arr_foreach(yyjson_obj_get(merge, lists[k][0]), i, count, item)
        {
            add_path(collect, to, lists[k][0], item);
        }
    }
}

static void lists_of_assessment(struct collect *collect, yyjson_mut_val *to, yyjson_val *assessment)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(assessment, "changes"), i, count, item)
    {
        for (size_t k = 0; k < LIST_COUNT; k++) {
            if (lists[k][1][0] != '\0' && strcmp(journal_get(item, "change"), lists[k][1]) == 0) {
                add_path(collect, to, lists[k][0], item);
            }
        }
    }
}

/* Whole counts by kind of change, also where the lists are cut. */
static void add_counts(struct collect *collect, yyjson_mut_val *to, yyjson_val *from, const char *prefix)
{
    size_t i;
    size_t count;
    yyjson_val *key;
    yyjson_val *value;
    yyjson_mut_val *counts = collect_object(collect, to, "counts");
    yyjson_obj_foreach(from, i, count, key, value)
    {
        const char *text = yyjson_get_str(key);
        if (strncmp(text, prefix, strlen(prefix)) == 0 && collect_as_number(value) >= 0) {
            collect_number(collect, counts, text + strlen(prefix), collect_as_number(value));
        }
    }
}

static void add_site_changes(struct collect *collect)
{
    yyjson_val *merge = collect_last(collect, "merge");
    yyjson_val *assessment = collect_last(collect, "assessment");
    yyjson_val *program = yyjson_obj_get(assessment, "program");
    if (merge == NULL && yyjson_obj_size(program) == 0) {
        return;
    }
    yyjson_mut_val *object = collect_object(collect, collect->root, "site_changes");
    collect_bool(collect, object, "carried_over", merge != NULL);
    collect_seq(collect, object, "record", merge != NULL ? merge : assessment);
    add_counts(collect, object, merge != NULL ? merge : program, merge != NULL ? "count_" : "");
    yyjson_mut_val *found = collect_object(collect, object, "lists");
    if (merge != NULL) {
        lists_of_merge(collect, found, merge);
    } else {
        lists_of_assessment(collect, found, assessment);
    }
}

static void add_writes(struct collect *collect)
{
    yyjson_mut_val *list = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "written-elsewhere")) {
            list = list != NULL ? list : collect_list(collect, collect->root, "written_elsewhere");
            yyjson_mut_val *item = collect_item(collect, list);
            collect_copy(collect, item, record, "step", "count", "paths", NULL);
            collect_seq(collect, item, "record", record);
        }
    }
}

void collect_changes(struct collect *collect)
{
    add_findings(collect);
    add_site_changes(collect);
    add_writes(collect);
}
