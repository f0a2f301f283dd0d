/*
 * collect_server.c - every change made to the server's names, and what of it is still there.
 */
#include "report/collect.h"

#include <string.h>

#define EVIDENCE_FOLDER "/var/lib/caisson/runs" /* as ../sequence/evidence.h has it, which is above us */

static void add_deeds(struct collect *collect)
{
    yyjson_mut_val *list = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (!journal_is(record, "intent")) {
            continue;
        }
        list = list != NULL ? list : collect_list(collect, collect->root, "deeds");
        yyjson_mut_val *item = collect_item(collect, list);
        collect_copy(collect, item, record, "step", "deed", "path", "other", NULL);
        collect_seq(collect, item, "record", record);
        if (collect->done[i + 1] != 0) {
            collect_number(collect, item, "done_record", (int64_t)collect->done[i + 1]);
        }
        if (collect->undone[i + 1] != 0) {
            collect_number(collect, item, "undone_record", (int64_t)collect->undone[i + 1]);
        }
    }
}

/* The run's first record that is in the server's copy as well: from here on there is a folder of the run on the server. */
static yyjson_val *find_first_write(const struct collect *collect)
{
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        const char *step = journal_get(record, "step");
        bool looks = strcmp(step, "identify") == 0 || strcmp(step, "assess") == 0;
        if (journal_is(record, "intent") || journal_is(record, "resumed") || journal_is(record, "rollback-begin") ||
            (journal_is(record, "step-begin") && !looks)) {
            return record;
        }
    }
    return NULL;
}

/* The path whose old version stands at `path` since they were exchanged; NULL if none. */
static yyjson_val *find_exchange(const struct collect *collect, const char *path)
{
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "intent") && strcmp(journal_get(record, "deed"), "exchange") == 0 &&
            strcmp(journal_get(record, "other"), path) == 0 && collect_stands(collect, record) &&
            collect->done[i + 1] != 0) {
            return record;
        }
    }
    return NULL;
}

static void add_standing(struct collect *collect, yyjson_mut_val *list)
{
    yyjson_val *released = collect_last(collect, "released");
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        const char *deed = journal_get(record, "deed");
        if (!journal_is(record, "intent") || !collect_stands(collect, record) ||
            (strcmp(deed, "create") != 0 && strcmp(deed, "fence") != 0)) {
            continue;
        }
        yyjson_mut_val *item = collect_item(collect, list);
        yyjson_val *exchange = strcmp(deed, "create") == 0 ? find_exchange(collect, journal_get(record, "path")) : NULL;
        collect_copy(collect, item, record, "path", NULL);
        collect_text(collect, item, "what",
                     exchange != NULL             ? "old-version"
                     : strcmp(deed, "fence") == 0 ? "fence"
                                                  : "beside");
        if (exchange != NULL) {
            collect_text(collect, item, "of", journal_get(exchange, "path"));
            collect_text(collect, item, "keep_until", journal_get(released, "keep_until"));
        }
        collect_seq(collect, item, "record", exchange != NULL ? exchange : record);
    }
}

void collect_server(struct collect *collect)
{
    add_deeds(collect);
    yyjson_val *first = find_first_write(collect);
    yyjson_mut_val *object = collect_object(collect, collect->root, "on_server");
    collect_bool(collect, object, "touched", first != NULL);
    yyjson_mut_val *list = collect_list(collect, object, "stays");
    if (first != NULL) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", EVIDENCE_FOLDER, journal_get(journal_record(collect->journal, 0), "run"));
        yyjson_mut_val *item = collect_item(collect, list);
        collect_text(collect, item, "path", path);
        collect_text(collect, item, "what", "evidence");
        collect_seq(collect, item, "record", first);
    }
    add_standing(collect, list);
    yyjson_val *released = collect_last(collect, "released");
    if (released != NULL) {
        collect_copy(collect, object, released, "keep_until", NULL);
        collect_seq(collect, object, "released_record", released);
    }
}
