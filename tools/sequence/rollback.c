#include "sequence/rollback.h"

#include <string.h>

#include "lib/clock.h"
#include "sequence/attachments.h"
#include "sequence/in_place.h"
#include "sequence/steps.h"
#include "sequence/work_rows.h"

static int note_ms(const struct site *site, const char *kind, int64_t milliseconds, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_sint(document, fields, "ms", milliseconds);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(site->place.journal, kind, fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static bool has_begun(const struct journal *journal)
{
    bool begun = false;
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        begun = journal_is(record, "rollback-begin") ? true : journal_is(record, "run-end") ? false : begun;
    }
    return begun;
}

/* Whatever stops a rollback, its code says that a person has to act. */
static int failed(struct error *error)
{
    if (error != NULL && error->code != CSN_SEQUENCE_BACKUP_AWAY) {
        error->code = CSN_SEQUENCE_ROLLBACK_FAILED;
    }
    return -1;
}

void rollback_need(struct journal *journal)
{
    journal_need(journal, journal_last(journal, "released") != NULL ? "server" : JOURNAL_ANY);
}

int rollback_site(struct run *run, struct site *site, const char *reason, const char *code,
                  struct rollback_times *times, struct error *error)
{
    int64_t begun_ms = clock_monotonic_ms();
    site->place.step = "rollback";
    if (!has_begun(site->place.journal) &&
        journal_note(site->place.journal, error, "rollback-begin", "reason", reason, "code", code, NULL) != 0) {
        return failed(error);
    }
    journal_need(site->place.journal, JOURNAL_ANY);
    if (in_place_reach(run, site, error) != 0 || deed_undo_renames(&site->place, error) != 0 ||
        in_place_undo(run, site, error) != 0 || deed_undo_fence(&site->place, error) != 0) {
        return failed(error);
    }
    times->back_ms = clock_monotonic_ms() - begun_ms;
    if (note_ms(site, "rolled-back", times->back_ms, error) != 0) {
        return failed(error);
    }
    begun_ms = clock_monotonic_ms();
    if (deed_undo_created(&site->place, &run->console->progress, error) != 0) {
        return failed(error);
    }
    times->cleanup_ms = clock_monotonic_ms() - begun_ms;
    return note_ms(site, "swept", times->cleanup_ms, error) != 0 ? failed(error) : 0;
}

/* The last record of this kind, or the last before the first one of the kind `before`. NULL: none. */
static yyjson_val *last_of(const struct journal *journal, const char *kind, const char *before)
{
    yyjson_val *found = NULL;
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        if (before != NULL && journal_is(record, before)) {
            break;
        }
        found = journal_is(record, kind) ? record : found;
    }
    return found;
}

static int keep_work(struct run *run, struct error *error)
{
    struct buffer detail = {0};
    console_say(run->console, "  what was done since the upgrade goes into the backup first");
    int result = step_backup(run, &run->site, &detail, error);
    if (result == 0) {
        result = journal_note(&run->journal, error, "work-kept", "snapshot", run->snapshot, NULL);
    }
    buffer_free(&detail);
    return result;
}

static int put_fence_up(struct run *run, struct error *error)
{
    struct buffer detail = {0};
    int result = step_fence(run, &run->site, &detail, error);
    buffer_free(&detail);
    return result;
}

/* Once: what was written there since is from after that. */
static int bring_attachments_back(struct run *run, struct error *error)
{
    if (last_of(&run->journal, "attachments-back", NULL) != NULL) {
        return 0;
    }
    const char *before = journal_get(last_of(&run->journal, "snapshot", "released"), "id");
    const char *since = journal_get(last_of(&run->journal, "work-kept", NULL), "snapshot");
    return before[0] == '\0' ? attachments_name_lost(run, error) : attachments_bring_back(run, before, since, error);
}

int rollback_prepare(struct run *run, struct error *error)
{
    yyjson_val *asked = last_of(&run->journal, "rollback-asked", NULL);
    yyjson_val *fence = last_of(&run->journal, "fence", NULL);
    run->site.place.step = "rollback";
    if (asked == NULL && (deed_check_undo(&run->site.place, error) != 0 ||
                          in_place_check(run, &run->site, error) != 0 || keep_work(run, error) != 0 ||
                          journal_note(&run->journal, error, "rollback-asked", "after", "release", NULL) != 0)) {
        return -1;
    }
    if (asked == NULL || journal_get_number(fence, "seq") < journal_get_number(asked, "seq")) {
        /* After a cut the server may have run once more, as long as the fence did not stand. */
        if (put_fence_up(run, error) != 0 || (asked != NULL && keep_work(run, error) != 0)) {
            return -1;
        }
    }
    return work_rows_count(run, error) != 0 ? -1 : bring_attachments_back(run, error);
}
