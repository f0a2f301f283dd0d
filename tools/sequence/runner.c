#include "sequence/runner.h"

#include <string.h>

#include "lib/clock.h"
#include "lib/traffic.h"
#include "sequence/rollback.h"
#include "sequence/steps.h"

#define ALL (1u << SEQUENCE_ALL)
#define IDENTIFY (1u << SEQUENCE_IDENTIFY)
#define ASSESS (1u << SEQUENCE_ASSESS)
#define INSTALL (1u << SEQUENCE_INSTALL)

struct step {
    const char *name;
    const char *summary;
    step_function *run;
    bool writes; /* the server is mounted for writing */
    enum runner_after_cut after_cut;
    unsigned kinds; /* set of sequence_kind that have it */
};

static const struct step steps[] = {
    {"identify", "find disks, application and path of packages", step_identify, false, CUT_ABANDON,
     ALL | IDENTIFY | ASSESS | INSTALL},
    {"assess", "run every check; nothing is written", step_assess, false, CUT_ABANDON, ALL | ASSESS | INSTALL},
    {"fence", "the application does not start by itself from here to release", step_fence, true, CUT_UNDO,
     ALL | INSTALL},
    {"backup", "program, configuration, attachments, database, boot areas", step_backup, false, CUT_UNDO, ALL},
    {"prove", "restore the backup, start its database, compare", step_prove, false, CUT_UNDO, ALL},
    {"rehearse", "upgrade, verify and roll back on an overlay", step_rehearse, false, CUT_UNDO, ALL},
    {"stage", "the new version beside the old, migrated there", step_stage, true, CUT_UNDO, ALL | INSTALL},
    {"switch", "a few renames: the point of commit", step_switch, true, CUT_GO_ON, ALL | INSTALL},
    {"verify", "start the application on the real data, check it", step_verify, true, CUT_GO_ON, ALL | INSTALL},
    {"release", "take the fence away, keep the old version", step_release, true, CUT_GO_ON, ALL | INSTALL},
    {"report", "the evidence, on the stick and on the server", step_report, true, CUT_GO_ON, ALL | INSTALL},
};

#define STEP_COUNT ((int)(sizeof steps / sizeof steps[0]))

int runner_step(const char *name)
{
    for (int i = 0; i < STEP_COUNT; i++) {
        if (strcmp(steps[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* --- one step ------------------------------------------------------------------------------------------------------ */

/* How a step ended. */
struct step_end {
    int64_t took_ms;
    struct traffic traffic;
    const char *detail;
    const struct error *failure; /* NULL: done */
};

/* end NULL: it begins. */
static int record_step(struct run *run, int index, const struct step_end *end, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", steps[index].name);
    yyjson_mut_obj_add_int(document, fields, "number", index + 1);
    if (end == NULL) {
        yyjson_mut_obj_add_str(document, fields, "summary", steps[index].summary);
    } else {
        yyjson_mut_obj_add_str(document, fields, "result", end->failure == NULL ? "done" : "failed");
        yyjson_mut_obj_add_sint(document, fields, "ms", end->took_ms);
    }
    if (end != NULL && end->traffic.known) {
        yyjson_mut_obj_add_uint(document, fields, "read_bytes", end->traffic.read_bytes);
        yyjson_mut_obj_add_uint(document, fields, "written_bytes", end->traffic.written_bytes);
    }
    if (end != NULL && end->detail[0] != '\0') {
        yyjson_mut_obj_add_str(document, fields, "detail", end->detail);
    }
    if (end != NULL && end->failure != NULL) {
        yyjson_mut_obj_add_str(document, fields, "code", error_entry(end->failure->code)->code);
        yyjson_mut_obj_add_str(document, fields, "message", end->failure->message);
    }
    int result = document == NULL
                     ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                     : journal_append(&run->journal, end == NULL ? "step-begin" : "step-end", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static int prepare_disks(struct run *run, const struct step *step, struct error *error)
{
    if (!run->target_is_open) {
        return 0;
    }
    if (run->protect != NULL && protect_check(run->protect, NULL, error) != 0) {
        return -1;
    }
    return step->writes ? run_make_writable(run, error) : run_make_read_only(run, error);
}

static int run_step(struct run *run, int index, struct error *error)
{
    const struct step *step = &steps[index];
    struct buffer detail = {0};
    struct error failure = {0};
    struct error recording;
    console_step_begin(run->console, index + 1, STEP_COUNT, step->name, step->summary);
    int64_t begun_ms = clock_monotonic_ms();
    struct traffic before = traffic_now();
    if (prepare_disks(run, step, error) != 0 || record_step(run, index, NULL, error) != 0) {
        return -1;
    }
    run->site.place.step = step->name;
    int result = step->run(run, &run->site, &detail, &failure);
    struct step_end end = {clock_monotonic_ms() - begun_ms, traffic_since(&before), buffer_text(&detail),
                           result == 0 ? NULL : &failure};
    console_step_end(run->console, index + 1, STEP_COUNT, step->name, result == 0, end.took_ms, &end.traffic,
                     result == 0 ? end.detail : failure.message);
    if (record_step(run, index, &end, &recording) != 0 && result == 0) {
        failure = recording;
        result = -1;
    }
    buffer_free(&detail);
    if (result != 0 && error != NULL) {
        *error = failure;
    }
    return result;
}

/* --- the end of a run ---------------------------------------------------------------------------------------------- */

/* True if going back ends with it, or nothing was done: then one good copy of journal and report suffices. */
static bool ends_as_before(const char *result_text)
{
    return strcmp(result_text, "upgraded") != 0 && strcmp(result_text, "checked") != 0;
}

static int write_last_report(struct run *run, const char *result_text, struct error *error)
{
    struct buffer detail = {0};
    struct error why;
    const char *lagging = journal_lagging(&run->journal);
    int result = step_report(run, &run->site, &detail, &why);
    if (result != 0 && ends_as_before(result_text)) {
        console_say(run->console, "note: %s; `caisson report` makes it from the journal", why.message);
        result = 0;
    } else if (result != 0) {
        *error = why;
    }
    if (lagging != NULL) {
        console_say(run->console,
                    "note: the journal on the %s lacks its end, which could not be written there; the other "
                    "copy is complete",
                    lagging);
    }
    console_say(run->console, "result: %s", result_text);
    if (detail.size > 0) {
        console_say(run->console, "report: %s", detail.data);
    }
    buffer_free(&detail);
    return result;
}

/* The record that ends a run, then the report once more, so that it tells the end. */
int runner_end(struct run *run, const char *result_text, const struct error *failure, struct error *error)
{
    if (ends_as_before(result_text)) {
        rollback_need(&run->journal);
    }
    return journal_note(&run->journal, error, "run-end", "result", result_text, "code",
                        failure == NULL ? NULL : error_entry(failure->code)->code, "message",
                        failure == NULL ? NULL : failure->message, NULL) != 0
               ? -1
               : write_last_report(run, result_text, error);
}

static bool server_was_touched(const struct journal *journal)
{
    for (size_t i = 0; i < journal->count; i++) {
        if (journal_is(journal_record(journal, i), "intent")) {
            return true;
        }
    }
    return false;
}

/* What a failing step leads to: undo what was done, and say which of both the operator has now. */
int runner_fail(struct run *run, bool staged, const struct error *failure, struct error *error)
{
    struct rollback_times times;
    *error = *failure;
    if (!server_was_touched(&run->journal)) {
        struct error ignored;
        (void)!runner_end(run, "stopped", failure, &ignored);
        return -1;
    }
    console_say(run->console, "%s: %s", error_entry(failure->code)->code, failure->message);
    console_say(run->console, "rolling back");
    struct error undoing = {0};
    rollback_need(&run->journal);
    if (run_make_writable(run, &undoing) != 0 ||
        rollback_site(run, &run->site, failure->message, error_entry(failure->code)->code, &times, &undoing) != 0) {
        undoing.code =
            undoing.code == CSN_SEQUENCE_BACKUP_AWAY ? CSN_SEQUENCE_BACKUP_AWAY : CSN_SEQUENCE_ROLLBACK_FAILED;
        *error = undoing;
        error_wrap(error, "after \"%.300s\"", failure->message);
        console_say(run->console, "the rollback did not end; boot this stick again");
        return -1;
    }
    char back[CONSOLE_TEXT_SIZE];
    console_duration(back, times.back_ms);
    console_say(run->console, "the server is as it was before; going back took %s", back);
    if (staged) {
        error->code = failure->code == CSN_SEQUENCE_VERIFY ? CSN_SEQUENCE_VERIFY : CSN_SEQUENCE_ROLLED_BACK;
    }
    struct error ending;
    if (runner_end(run, staged ? "rolled-back" : "stopped", error, &ending) != 0) {
        console_say(run->console, "the end of the run could not be written down: %s", ending.message);
    }
    return -1;
}

/* What the steps before stage have found out holds for the server as it was then. A change makes them invalid; age alone is
 * reason to look once more, and no longer: a backup may take longer than an assessment is valid. */
struct staleness {
    bool changed; /* has been the reason before */
    bool aged;
};

static int check_stale(struct run *run, struct staleness *before, bool *repeat, struct error *error)
{
    struct buffer path = {0};
    bool aged = clock_unix_sec() - run->assessed_sec > (int64_t)run->job.valid_hours * 3600;
    int result = target_compare_fingerprint(&run->target, &run->fingerprint, &path, error);
    *repeat = false;
    if (result == 0 && path.size > 0 && before->changed) {
        result =
            error_set(error, CSN_SEQUENCE_STALE, "%s has changed again while the upgrade was rehearsed", path.data);
    } else if (result == 0 && path.size > 0) {
        before->changed = *repeat = true;
        console_say(run->console, "%s has changed since the assessment: once more", path.data);
        result = journal_note(&run->journal, error, "stale", "reason", "changed", "path", path.data, NULL);
    } else if (result == 0 && aged && !before->aged) {
        before->aged = *repeat = true;
        console_say(run->console, "the assessment is more than %llu hours old: once more",
                    (unsigned long long)run->job.valid_hours);
        result = journal_note(&run->journal, error, "stale", "reason", "age", NULL);
    }
    buffer_free(&path);
    return result;
}

/* From step `first` on. The fence changes nothing that the fingerprint looks at. */
int runner_steps(struct run *run, int first, enum sequence_kind kind, struct error *error)
{
    int stage = runner_step("stage");
    struct staleness staleness = {0};
    for (int i = first; i < STEP_COUNT; i++) {
        if ((steps[i].kinds & (1u << kind)) == 0) {
            continue;
        }
        struct error failure = {0};
        bool repeat = false;
        if (i == stage && check_stale(run, &staleness, &repeat, &failure) != 0) {
            return runner_fail(run, false, &failure, error);
        }
        if (repeat) {
            i = runner_step("assess") - 1;
            continue;
        }
        if (run_step(run, i, &failure) == 0) {
            continue;
        }
        if (strcmp(steps[i].name, "rehearse") == 0 && run->job.force_rehearsal &&
            (failure.code == CSN_SEQUENCE_REHEARSAL || failure.code == CSN_SEQUENCE_BUDGET)) {
            console_say(run->console, "  forced past by the job, approved by %s", run->job.approved_by);
            if (journal_note(&run->journal, &failure, "forced", "step", "rehearse", "approved_by", run->job.approved_by,
                             NULL) == 0) {
                continue;
            }
        }
        if (evidence_is_released(&run->journal)) {
            /* People may already work with the new version: whatever fails now, it is not undone. */
            *error = failure;
            return -1;
        }
        return runner_fail(run, i >= stage, &failure, error);
    }
    return runner_end(run, kind == SEQUENCE_ALL || kind == SEQUENCE_INSTALL ? "upgraded" : "checked", NULL, error);
}

const char *runner_name(int index)
{
    return steps[index].name;
}

enum runner_after_cut runner_after_cut(int index)
{
    return steps[index].after_cut;
}
