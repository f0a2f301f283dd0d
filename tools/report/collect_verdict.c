/*
 * collect_verdict.c - how the run ended. What the record "run-end" says counts only where no other record contradicts it.
 */
#include "report/collect.h"

#include <string.h>

#include "lib/error.h"
#include "lib/strings.h"

/* Index of the last run-end behind which nothing more was done; -1: the run is not finished. */
static int64_t find_end(const struct collect *collect)
{
    static const char *const work[] = {"resumed", "step-begin",     "intent",         "undone",
                                       "fence",   "rollback-asked", "rollback-begin", NULL};
    for (size_t i = collect->journal->count; i > 0; i--) {
        yyjson_val *record = journal_record(collect->journal, i - 1);
        if (journal_is(record, "run-end")) {
            return (int64_t)i - 1;
        }
        if (text_is_one_of(journal_get(record, "kind"), work)) {
            return -1;
        }
    }
    return -1;
}

static void contradict(struct collect *collect, yyjson_mut_val *verdict, const char *what, yyjson_val *record)
{
    yyjson_mut_val *list = yyjson_mut_obj_get(verdict, "contradictions");
    if (list == NULL) {
        list = collect_list(collect, verdict, "contradictions");
    }
    yyjson_mut_val *item = collect_item(collect, list);
    collect_text(collect, item, "what", what);
    collect_copy(collect, item, record, "deed", "path", NULL);
    collect_seq(collect, item, "record", record);
}

/* "As before" needs every deed undone; "upgraded" needs the fence away. True if something stands that must not. */
static bool check_deeds(struct collect *collect, yyjson_mut_val *verdict, const char *result)
{
    bool upgraded = strcmp(result, "upgraded") == 0;
    bool bad = false;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (!journal_is(record, "intent") || !collect_stands(collect, record)) {
            continue;
        }
        bool fence = strcmp(journal_get(record, "deed"), "fence") == 0;
        if (!upgraded || fence) {
            contradict(collect, verdict, fence ? "fence-stands" : "deed-stands", record);
            bad = true;
        }
    }
    return bad;
}

/* A code's remedy may say "the server is as before": not to be repeated before that is so. */
static void add_code(struct collect *collect, yyjson_mut_val *verdict, const char *code, bool finished)
{
    enum error_code found = error_find(code);
    collect_text(collect, verdict, "code", code);
    if (found != CSN_NONE) {
        collect_text(collect, verdict, "title", error_entry(found)->title);
        collect_text(collect, verdict, "remedy", finished ? error_entry(found)->remedy : "");
    }
}

/* Why: what the end says, else the last step that failed, else why the rollback began. */
static void add_reason(struct collect *collect, yyjson_mut_val *verdict, yyjson_val *end, bool finished)
{
    yyjson_val *failed = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "step-end") && strcmp(journal_get(record, "result"), "failed") == 0) {
            failed = record;
        }
    }
    if (collect_last(collect, "forced") != NULL && strcmp(journal_get(failed, "step"), "rehearse") == 0) {
        failed = NULL; /* gone past */
    }
    yyjson_val *rollback = collect_last(collect, "rollback-begin");
    yyjson_val *why = journal_get(end, "code")[0] != '\0' ? end : failed != NULL ? failed : rollback;
    if (why == NULL) {
        return;
    }
    add_code(collect, verdict, journal_get(why, "code"), finished);
    collect_copy(collect, verdict, why, journal_is(why, "rollback-begin") ? "reason" : "message", NULL);
    collect_seq(collect, verdict, "reason_record", why);
    if (failed != NULL) {
        collect_text(collect, verdict, "failed_step", journal_get(failed, "step"));
        collect_seq(collect, verdict, "failed_step_record", failed);
    }
}

/* Where an unfinished run stands. */
static void add_place(struct collect *collect, yyjson_mut_val *verdict)
{
    yyjson_val *step = collect_last(collect, "step-begin");
    bool rolling = collect_last(collect, "rollback-begin") != NULL || collect_last(collect, "rollback-asked") != NULL;
    bool fenced = false;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        fenced = fenced || (journal_is(record, "intent") && strcmp(journal_get(record, "deed"), "fence") == 0 &&
                            collect_stands(collect, record));
    }
    if (step != NULL) {
        collect_text(collect, verdict, "in_step", journal_get(step, "step"));
        collect_seq(collect, verdict, "in_step_record", step);
    }
    collect_bool(collect, verdict, "rolling_back", rolling);
    collect_bool(collect, verdict, "fence_stands", fenced);
}

void collect_verdict(struct collect *collect)
{
    static const char *const results[] = {"upgraded", "checked", "stopped", "rolled-back", "abandoned", NULL};
    yyjson_mut_val *verdict = collect_object(collect, collect->root, "verdict");
    int64_t index = find_end(collect);
    yyjson_val *end = index < 0 ? NULL : journal_record(collect->journal, (size_t)index);
    const char *recorded = journal_get(end, "result");
    const char *result = text_is_one_of(recorded, results) ? recorded : "unfinished";
    if (collect->journal->count == 0) {
        result = "empty";
    }
    if (end != NULL && strcmp(result, "unfinished") == 0) {
        contradict(collect, verdict, "result-unknown", end);
    } else if (end != NULL && check_deeds(collect, verdict, result)) {
        result = "unfinished";
    }
    collect_text(collect, verdict, "result", result);
    if (end != NULL) {
        collect_text(collect, verdict, "recorded", recorded);
        collect_seq(collect, verdict, "record", end);
        collect_text(collect, verdict, "time", journal_get(end, "time"));
    }
    if (strcmp(result, "upgraded") != 0 && strcmp(result, "checked") != 0) {
        add_reason(collect, verdict, end, strcmp(result, "unfinished") != 0);
    }
    if (strcmp(result, "unfinished") == 0) {
        add_place(collect, verdict);
    }
}
