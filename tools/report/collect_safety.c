/*
 * collect_safety.c - why one could go back: the backup, its proof, the rehearsal; what a database upgraded in place costs; what was forced past.
 */
#include "report/collect.h"

#include <string.h>

/* The backup of before the upgrade: the one that was proven, or the last before the sequence went on; not the one made
 * before a later rollback, of what people did since. */
static yyjson_val *find_backup(const struct collect *collect)
{
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "released") || journal_is(record, "rollback-asked")) {
            return collect_last_before(collect, "snapshot", i);
        }
    }
    return collect_last(collect, "snapshot");
}

static void add_backup(struct collect *collect)
{
    yyjson_val *backup = find_backup(collect);
    if (backup != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "backup");
        collect_copy(collect, object, backup, "id", "repository", "entries", "files", "bytes", "bytes_read",
                     "bytes_stored", "chunks", "chunks_new", NULL);
        collect_seq(collect, object, "record", backup);
    }
    yyjson_val *kept = collect_last(collect, "work-kept");
    if (kept != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "work_kept");
        collect_copy(collect, object, kept, "snapshot", NULL);
        collect_seq(collect, object, "record", kept);
    }
    yyjson_val *rows = collect_last(collect, "work-rows");
    if (rows != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "work_rows");
        collect_copy(collect, object, rows, "tables", "differ", "not_counted", "unknown", NULL);
        collect_seq(collect, object, "record", rows);
    }
    yyjson_val *back = collect_last(collect, "attachments-back");
    if (back != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "attachments_back");
        collect_copy(collect, object, back, "snapshot", "restored", "restored_paths", "added", "added_paths", NULL);
        collect_seq(collect, object, "record", back);
    }
    yyjson_val *lost = collect_last(collect, "attachments-lost");
    if (lost != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "attachments_lost");
        collect_copy(collect, object, lost, "lost", "lost_paths", "added", "added_paths", "unknown", NULL);
        collect_seq(collect, object, "record", lost);
    }
    yyjson_val *since = collect_last(collect, "configuration-since");
    if (since != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "configuration_since");
        collect_copy(collect, object, since, "changed", "changed_paths", "unknown", NULL);
        collect_seq(collect, object, "record", since);
    }
}

static void add_proof(struct collect *collect)
{
    yyjson_val *proof = collect_last(collect, "proof");
    if (proof != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "proof");
        collect_copy(collect, object, proof, "snapshot", "trees_compared", "entries", "bytes", "boot_areas", "tables",
                     "rows", "ms", NULL);
        collect_seq(collect, object, "record", proof);
    }
}

static void add_rehearsal(struct collect *collect)
{
    yyjson_val *rehearsal = collect_last(collect, "rehearsal");
    if (rehearsal != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "rehearsal");
        collect_copy(collect, object, rehearsal, "result", "stage_ms", "switch_ms", "verify_ms", "rollback_ms",
                     "cleanup_ms", "budget_ms", "equal_after_rollback", "journal", "journal_head", NULL);
        collect_seq(collect, object, "record", rehearsal);
    }
}

/* The database was changed where it lies: what brings it back, what that takes, and whether it came back. */
static void add_in_place(struct collect *collect)
{
    yyjson_val *intent = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "intent") && strcmp(journal_get(record, "deed"), "in-place") == 0) {
            intent = record;
        }
    }
    if (intent == NULL) {
        return;
    }
    yyjson_mut_val *object = collect_object(collect, collect->root, "in_place");
    collect_copy(collect, object, intent, "path", "snapshot", "bytes", "estimate_ms", NULL);
    collect_seq(collect, object, "record", intent);
    yyjson_val *back = collect_last(collect, "cluster-back");
    if (back != NULL) {
        collect_copy(collect, object, back, "restored", "removed", "ms", NULL);
        collect_seq(collect, object, "back_record", back);
    }
}

static void add_forced(struct collect *collect)
{
    yyjson_mut_val *list = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "forced")) {
            list = list != NULL ? list : collect_list(collect, collect->root, "forced");
            yyjson_mut_val *item = collect_item(collect, list);
            collect_copy(collect, item, record, "step", "approved_by", NULL);
            collect_seq(collect, item, "record", record);
        }
    }
}

void collect_safety(struct collect *collect)
{
    add_backup(collect);
    add_proof(collect);
    add_rehearsal(collect);
    add_in_place(collect);
    add_forced(collect);
}
