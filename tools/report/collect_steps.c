/*
 * collect_steps.c - what was done when and for how long: steps, rollbacks, resumptions, migrations, checks.
 */
#include "report/collect.h"

#include <string.h>

/* The record that ends the step begun at `begin`; NULL if it was cut off (the next step-begin or a resumption comes first). */
static yyjson_val *find_end(const struct collect *collect, size_t begin)
{
    const char *step = journal_get(journal_record(collect->journal, begin), "step");
    for (size_t i = begin + 1; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "step-end") && strcmp(journal_get(record, "step"), step) == 0) {
            return record;
        }
        if (journal_is(record, "step-begin") || journal_is(record, "resumed") || journal_is(record, "run-end")) {
            return NULL;
        }
    }
    return NULL;
}

static bool is_last_begun(const struct collect *collect, size_t begin)
{
    for (size_t i = begin + 1; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "step-begin") || journal_is(record, "resumed") || journal_is(record, "run-end") ||
            journal_is(record, "rollback-begin")) {
            return false;
        }
    }
    return true;
}

static void add_steps(struct collect *collect)
{
    yyjson_mut_val *list = collect_list(collect, collect->root, "steps");
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *begin = journal_record(collect->journal, i);
        if (!journal_is(begin, "step-begin")) {
            continue;
        }
        yyjson_val *end = find_end(collect, i);
        yyjson_mut_val *item = collect_item(collect, list);
        collect_copy(collect, item, begin, "step", "number", NULL);
        collect_text(collect, item, "begun", journal_get(begin, "time"));
        if (end != NULL) {
            collect_copy(collect, item, end, "result", "ms", "read_bytes", "written_bytes", "detail", "code", "message",
                         NULL);
        } else {
            collect_text(collect, item, "result", is_last_begun(collect, i) ? "open" : "cut-off");
        }
        collect_seq(collect, item, "begin_record", begin);
        collect_seq(collect, item, "end_record", end);
    }
}

static void add_rollbacks(struct collect *collect)
{
    yyjson_mut_val *list = NULL;
    yyjson_mut_val *item = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "rollback-begin")) {
            list = list != NULL ? list : collect_list(collect, collect->root, "rollbacks");
            item = collect_item(collect, list);
            collect_text(collect, item, "begun", journal_get(record, "time"));
            collect_copy(collect, item, record, "reason", "code", NULL);
            collect_seq(collect, item, "begin_record", record);
        } else if (item != NULL && journal_is(record, "rolled-back")) {
            collect_copy(collect, item, record, "ms", NULL);
            collect_seq(collect, item, "back_record", record);
        } else if (item != NULL && journal_is(record, "swept")) {
            collect_number(collect, item, "cleanup_ms", journal_get_number(record, "ms"));
            collect_seq(collect, item, "swept_record", record);
        }
    }
}

/* All records of a kind as a list of their members. */
static void add_resumptions(struct collect *collect)
{
    yyjson_mut_val *list = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "resumed") || journal_is(record, "rollback-asked")) {
            list = list != NULL ? list : collect_list(collect, collect->root, "interruptions");
            yyjson_mut_val *item = collect_item(collect, list);
            collect_copy(collect, item, record, "kind", "time", "step", NULL);
            collect_seq(collect, item, "record", record);
        }
    }
}

static void add_work(struct collect *collect)
{
    yyjson_mut_val *migrations = NULL;
    yyjson_mut_val *checks = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "migration")) {
            migrations = migrations != NULL ? migrations : collect_list(collect, collect->root, "migrations");
            yyjson_mut_val *item = collect_item(collect, migrations);
            collect_copy(collect, item, record, "package", "name", "title", "result", "ms", "output", NULL);
            collect_seq(collect, item, "record", record);
        } else if (journal_is(record, "check")) {
            checks = checks != NULL ? checks : collect_list(collect, collect->root, "checks");
            yyjson_mut_val *item = collect_item(collect, checks);
            collect_copy(collect, item, record, "step", "name", "title", "check_kind", "result", "detail", "ms", NULL);
            collect_seq(collect, item, "record", record);
        }
    }
}

void collect_steps(struct collect *collect)
{
    add_steps(collect);
    add_rollbacks(collect);
    add_resumptions(collect);
    add_work(collect);
}
