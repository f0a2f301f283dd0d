#include "sequence/sequence.h"

#include <fcntl.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/root.h"
#include "sequence/rollback.h"
#include "sequence/steps.h"

#define ALL (1u << SEQUENCE_ALL)
#define IDENTIFY (1u << SEQUENCE_IDENTIFY)
#define ASSESS (1u << SEQUENCE_ASSESS)
#define INSTALL (1u << SEQUENCE_INSTALL)

/* What the next boot does with a run that was cut off in this step. */
enum after_cut {
    CUT_ABANDON, /* nothing was written to the server: end it */
    CUT_UNDO,    /* the old version was still in its place: undo */
    CUT_GO_ON,   /* the switch had begun: finish from this step on */
};

struct step {
    const char *name;
    const char *summary;
    step_function *run;
    bool writes; /* the server is mounted for writing */
    enum after_cut after_cut;
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

static int step_index(const char *name)
{
    for (int i = 0; i < STEP_COUNT; i++) {
        if (strcmp(steps[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

/* --- one step ------------------------------------------------------------------------------------------------------ */

static int record_step(struct run *run, const char *kind, int index, const char *result_text, int64_t milliseconds,
                       const char *detail, const struct error *failure, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", steps[index].name);
    yyjson_mut_obj_add_int(document, fields, "number", index + 1);
    if (result_text == NULL) {
        yyjson_mut_obj_add_str(document, fields, "summary", steps[index].summary);
    } else {
        yyjson_mut_obj_add_str(document, fields, "result", result_text);
        yyjson_mut_obj_add_sint(document, fields, "ms", milliseconds);
        if (detail[0] != '\0') {
            yyjson_mut_obj_add_str(document, fields, "detail", detail);
        }
    }
    if (failure != NULL) {
        yyjson_mut_obj_add_str(document, fields, "code", error_entry(failure->code)->code);
        yyjson_mut_obj_add_str(document, fields, "message", failure->message);
    }
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, kind, fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static int prepare_disks(struct run *run, const struct step *step, struct error *error)
{
    if (!run->target_is_open) {
        return 0;
    }
    if (run->image && protect_check(&run->protect, NULL, error) != 0) {
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
    if (prepare_disks(run, step, error) != 0 || record_step(run, "step-begin", index, NULL, 0, "", NULL, error) != 0) {
        return -1;
    }
    run->site.place.step = step->name;
    int result = step->run(run, &run->site, &detail, &failure);
    int64_t took_ms = clock_monotonic_ms() - begun_ms;
    console_step_end(run->console, index + 1, STEP_COUNT, step->name, result == 0, took_ms,
                     result == 0 ? buffer_text(&detail) : failure.message);
    if (record_step(run, "step-end", index, result == 0 ? "done" : "failed", took_ms, buffer_text(&detail),
                    result == 0 ? NULL : &failure, &recording) != 0 &&
        result == 0) {
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

/* The record that ends a run, then the report once more, so that it tells the end. */
static int end_run(struct run *run, const char *result_text, const struct error *failure, struct error *error)
{
    struct buffer detail = {0};
    int result = journal_note(&run->journal, error, "run-end", "result", result_text, "code",
                              failure == NULL ? NULL : error_entry(failure->code)->code, "message",
                              failure == NULL ? NULL : failure->message, NULL);
    if (result == 0) {
        result = step_report(run, &run->site, &detail, error);
    }
    console_say(run->console, "result: %s", result_text);
    if (run->evidence.path != NULL) {
        console_say(run->console, "report: %s/report.html", run->evidence.path);
    }
    buffer_free(&detail);
    return result;
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
static int fail_run(struct run *run, bool staged, const struct error *failure, struct error *error)
{
    struct rollback_times times;
    *error = *failure;
    if (!server_was_touched(&run->journal)) {
        struct error ignored;
        (void)!end_run(run, "stopped", failure, &ignored);
        return -1;
    }
    console_say(run->console, "%s: %s", error_entry(failure->code)->code, failure->message);
    console_say(run->console, "rolling back");
    struct error undoing = {0};
    if (run_make_writable(run, &undoing) != 0 ||
        rollback_site(run, &run->site, failure->message, error_entry(failure->code)->code, &times, &undoing) != 0) {
        undoing.code = CSN_SEQUENCE_ROLLBACK_FAILED;
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
    if (end_run(run, staged ? "rolled-back" : "stopped", error, &ending) != 0) {
        *error = ending;
    }
    return -1;
}

static bool is_stale(const struct run *run)
{
    uint8_t now[SHA256_SIZE];
    struct error ignored;
    if (clock_unix_sec() - run->assessed_sec > (int64_t)run->job.valid_hours * 3600) {
        return true;
    }
    return target_fingerprint(&run->target, now, &ignored) != 0 || memcmp(now, run->fingerprint, sizeof now) != 0;
}

/* From step `first` on. The fence changes nothing that the fingerprint looks at. */
static int run_steps(struct run *run, int first, enum sequence_kind kind, struct error *error)
{
    int stage = step_index("stage");
    bool repeated = false;
    for (int i = first; i < STEP_COUNT; i++) {
        if ((steps[i].kinds & (1u << kind)) == 0) {
            continue;
        }
        struct error failure = {0};
        if (i == stage && is_stale(run)) {
            if (repeated) {
                error_set(&failure, CSN_SEQUENCE_STALE, "the server keeps changing while it is rehearsed");
                return fail_run(run, false, &failure, error);
            }
            console_say(run->console, "the assessment has grown stale: once more");
            repeated = true;
            i = step_index("assess") - 1;
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
        return fail_run(run, i >= stage, &failure, error);
    }
    return end_run(run, kind == SEQUENCE_ALL || kind == SEQUENCE_INSTALL ? "upgraded" : "checked", NULL, error);
}

static int finish(struct run *run, int result, struct error *error)
{
    struct error closing = {0};
    if (run_close(run, &closing) != 0 && result == 0) {
        *error = closing;
        result = -1;
    }
    return result == 0 ? EXIT_DONE : error_entry(error->code)->exit_code;
}

/* --- after a cut --------------------------------------------------------------------------------------------------- */

/* The last step that was begun; -1 if none. */
static int last_step(const struct journal *journal)
{
    int index = -1;
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        if (journal_is(record, "step-begin")) {
            index = step_index(journal_get(record, "step"));
        }
    }
    return index;
}

static bool was_rolling_back(const struct journal *journal)
{
    bool rolling = false;
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        rolling = journal_is(record, "rollback-begin") || journal_is(record, "rollback-asked") ? true : rolling;
    }
    return rolling;
}

static int undo_run(struct run *run, const char *reason, const char *code, const char *result_text, struct error *error)
{
    struct rollback_times times;
    if (rollback_site(run, &run->site, reason, code, &times, error) != 0) {
        return -1;
    }
    char back[CONSOLE_TEXT_SIZE];
    console_duration(back, times.back_ms);
    console_say(run->console, "the server is as it was before; going back took %s", back);
    return end_run(run, result_text, NULL, error);
}

static yyjson_val *find_record(const struct journal *journal, const char *kind)
{
    for (size_t i = journal->count; i > 0; i--) {
        if (journal_is(journal_record(journal, i - 1), kind)) {
            return journal_record(journal, i - 1);
        }
    }
    return NULL;
}

/* What the steps behind the switch need to know and the journal remembers. */
static int recall(struct run *run, struct error *error)
{
    run->attachments_missing =
        (uint64_t)journal_get_number(find_record(&run->journal, "baseline"), "attachments_missing");
    snprintf(run->snapshot, sizeof run->snapshot, "%s", journal_get(find_record(&run->journal, "snapshot"), "id"));
    const char *version = journal_get(find_record(&run->journal, "server"), "version");
    if (run_open_backup(run, error) != 0 || run_open_scratch(run, error) != 0 || run_open_packages(run, error) != 0) {
        return -1;
    }
    return run_find_path(run, version, error);
}

static int go_on(struct run *run, int step, struct error *error)
{
    struct error failure = {0};
    console_say(run->console, "the switch had begun: going on with \"%s\"", steps[step].name);
    if (recall(run, &failure) != 0) {
        return fail_run(run, true, &failure, error);
    }
    return run_steps(run, step, SEQUENCE_ALL, error);
}

/* Takes up what a rollback after release had begun. */
static int roll_back_released(struct run *run, struct error *error)
{
    if (find_record(&run->journal, "work-kept") == NULL && find_record(&run->journal, "rollback-begin") == NULL &&
        (run_open_backup(run, error) != 0 || run_open_scratch(run, error) != 0 ||
         rollback_keep_work(run, error) != 0)) {
        return -1;
    }
    return undo_run(run, "asked for by the operator", NULL, "rolled-back", error);
}

enum outcome { OUTCOME_FAILED = -1, OUTCOME_ENDED, OUTCOME_UNDONE, OUTCOME_OTHER_SERVER };

/* Finishes or undoes the adopted run. */
static enum outcome take_up(struct run *run, struct error *error)
{
    int last = last_step(&run->journal);
    bool rolling = was_rolling_back(&run->journal);
    console_say(run->console, "run %s was cut off in \"%s\"%s", run->evidence.run,
                last < 0 ? "its beginning" : steps[last].name, rolling ? ", while rolling back" : "");
    if (!rolling && (last < 0 || steps[last].after_cut == CUT_ABANDON)) {
        return run_attach_stick(run, error) != 0 || end_run(run, "abandoned", NULL, error) != 0 ? OUTCOME_FAILED
                                                                                                : OUTCOME_UNDONE;
    }
    if (run_open_target(run, error) != 0) {
        return OUTCOME_FAILED;
    }
    if (strcmp(evidence_machine(&run->journal), run->target.installation.machine_id) != 0) {
        return OUTCOME_OTHER_SERVER;
    }
    if (run_make_writable(run, error) != 0) {
        return OUTCOME_FAILED;
    }
    if (journal_note(&run->journal, error, "resumed", "step", last < 0 ? "" : steps[last].name, NULL) != 0) {
        return OUTCOME_FAILED;
    }
    if (rolling && find_record(&run->journal, "rollback-asked") != NULL) {
        return roll_back_released(run, error) == 0 ? OUTCOME_UNDONE : OUTCOME_FAILED;
    }
    if (!rolling && steps[last].after_cut == CUT_GO_ON) {
        return go_on(run, last, error) == 0 ? OUTCOME_ENDED : OUTCOME_FAILED;
    }
    return undo_run(run, "the run was cut off", NULL, "rolled-back", error) == 0 ? OUTCOME_UNDONE : OUTCOME_FAILED;
}

/* --- finding the run that is meant --------------------------------------------------------------------------------- */

static int find_on_stick(const struct run *run, enum run_state state, const struct strings *skipped,
                         struct journal *journal, bool *found, struct error *error)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", run->base, EVIDENCE_STICK);
    int runs_fd = open(buffer_text(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = evidence_find(runs_fd, state, skipped, journal, found, error);
    file_drop(&runs_fd);
    buffer_free(&path);
    return result;
}

/* The server is opened for it: the run's target stays open. */
static int find_on_server(struct run *run, enum run_state state, struct journal *journal, bool *found,
                          struct error *error)
{
    if (run_open_target(run, error) != 0) {
        return -1;
    }
    int runs_fd = root_try_open(run->target.root_fd, EVIDENCE_SERVER, O_RDONLY | O_DIRECTORY, 0);
    int result = evidence_find(runs_fd, state, NULL, journal, found, error);
    file_drop(&runs_fd);
    return result;
}

static enum outcome resume_one(const struct run_options *options, const char *job_path, const struct strings *skipped,
                               bool on_server, bool *found, char name[EVIDENCE_RUN_SIZE], struct error *error)
{
    struct run run;
    struct journal journal;
    enum outcome outcome = OUTCOME_FAILED;
    journal_init(&journal);
    *found = false;
    int result = run_prepare(&run, options, job_path, error);
    if (result == 0) {
        result = on_server ? find_on_server(&run, RUN_UNFINISHED, &journal, found, error)
                           : find_on_stick(&run, RUN_UNFINISHED, skipped, &journal, found, error);
    }
    if (result == 0 && run.target_is_open) {
        result = run_close_target(&run, error);
    }
    if (result == 0 && *found && run_adopt(&run, &journal, error) == 0) {
        snprintf(name, EVIDENCE_RUN_SIZE, "%s", run.evidence.run);
        outcome = take_up(&run, error);
    } else if (result == 0 && !*found) {
        outcome = OUTCOME_ENDED;
    }
    journal_free(&journal);
    struct error closing;
    if (run_close(&run, &closing) != 0 && outcome != OUTCOME_FAILED) {
        *error = closing;
        outcome = OUTCOME_FAILED;
    }
    return outcome;
}

/* Every unfinished run of this server on the stick. *resumed: one was finished (not undone). */
static int resume_all(const struct run_options *options, const char *job_path, bool *any, bool *upgraded,
                      struct error *error)
{
    struct strings skipped = {0};
    int result = 0;
    for (bool found = true; result == 0 && found;) {
        char name[EVIDENCE_RUN_SIZE] = "";
        enum outcome outcome = resume_one(options, job_path, &skipped, false, &found, name, error);
        if (outcome == OUTCOME_FAILED) {
            result = -1;
        } else if (found && outcome == OUTCOME_OTHER_SERVER) {
            console_say(options->console, "run %s is of another server: left alone", name);
            result = strings_add(&skipped, name, error);
        } else if (found) {
            *any = true;
            *upgraded = outcome == OUTCOME_ENDED;
        }
    }
    strings_free(&skipped);
    return result;
}

/* --- the three ways in --------------------------------------------------------------------------------------------- */

static int run_new(const struct run_options *options, const char *job_path, enum sequence_kind kind, struct error *error)
{
    struct run run;
    int result = run_prepare(&run, options, job_path, error);
    if (result == 0) {
        result = run_create(&run, error);
    }
    if (result == 0) {
        console_say(options->console, "run %s: %s", run.evidence.run, run.job.name);
        result = run_steps(&run, 0, kind, error);
    }
    return finish(&run, result, error);
}

/* The whole sequence, after what an earlier run left undone. */
static int run_all(const struct run_options *options, const char *job_path, enum sequence_kind kind, struct error *error)
{
    bool any = false;
    bool upgraded = false;
    if (resume_all(options, job_path, &any, &upgraded, error) != 0) {
        return error_entry(error->code)->exit_code;
    }
    if (upgraded) {
        return EXIT_DONE;
    }
    int exit_code = run_new(options, job_path, kind, error);
    if (exit_code == EXIT_DONE || error->code != CSN_JOURNAL_UNFINISHED) {
        return exit_code;
    }
    /* Another stick began a run on this server. */
    char name[EVIDENCE_RUN_SIZE];
    bool found = false;
    switch (resume_one(options, job_path, NULL, true, &found, name, error)) {
    case OUTCOME_UNDONE:
        return run_new(options, job_path, kind, error);
    case OUTCOME_ENDED:
        return EXIT_DONE;
    default:
        return error_entry(error->code)->exit_code;
    }
}

/* What the job itself asks for counts only where the command leaves it open. */
static int job_kind(const char *job_path, enum sequence_kind *kind, bool *rollback, struct error *error)
{
    struct job job;
    if (job_read(&job, job_path, error) != 0) {
        return -1;
    }
    *rollback = *kind == SEQUENCE_ALL && strcmp(job.command, "rollback") == 0;
    if (*kind == SEQUENCE_ALL && strcmp(job.command, "identify") == 0) {
        *kind = SEQUENCE_IDENTIFY;
    } else if (*kind == SEQUENCE_ALL && strcmp(job.command, "assess") == 0) {
        *kind = SEQUENCE_ASSESS;
    }
    job_free(&job);
    return 0;
}

int sequence_run(const struct run_options *options, const char *job_path, enum sequence_kind kind, struct error *error)
{
    bool rollback = false;
    if (job_kind(job_path, &kind, &rollback, error) != 0) {
        return error_entry(error->code)->exit_code;
    }
    if (rollback) {
        return sequence_rollback(options, job_path, error);
    }
    if (kind == SEQUENCE_ALL || kind == SEQUENCE_INSTALL) {
        return run_all(options, job_path, kind, error);
    }
    return run_new(options, job_path, kind, error);
}

int sequence_resume(const struct run_options *options, const char *job_path, struct error *error)
{
    bool any = false;
    bool upgraded = false;
    if (resume_all(options, job_path, &any, &upgraded, error) != 0) {
        return error_entry(error->code)->exit_code;
    }
    if (!any) {
        char name[EVIDENCE_RUN_SIZE];
        enum outcome outcome = resume_one(options, job_path, NULL, true, &any, name, error);
        if (outcome == OUTCOME_FAILED) {
            return error_entry(error->code)->exit_code;
        }
        upgraded = any && outcome == OUTCOME_ENDED;
    }
    if (!any) {
        error_set(error, CSN_JOURNAL_NONE, "neither the stick nor the server holds the journal of an unfinished run");
        return EXIT_BAD;
    }
    if (!upgraded) {
        error_set(error, CSN_SEQUENCE_ROLLED_BACK, "the run that was cut off has been undone");
        return EXIT_ROLLED_BACK;
    }
    return EXIT_DONE;
}

static int find_to_roll_back(struct run *run, struct journal *journal, struct error *error)
{
    static const enum run_state states[] = {RUN_UNFINISHED, RUN_RELEASED};
    bool found = false;
    for (size_t i = 0; !found && i < 2; i++) {
        if (find_on_stick(run, states[i], NULL, journal, &found, error) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; !found && i < 2; i++) {
        if (find_on_server(run, states[i], journal, &found, error) != 0 || run_close_target(run, error) != 0) {
            return -1;
        }
    }
    return found ? 0
                 : error_set(error, CSN_JOURNAL_NONE,
                             "neither the stick nor the server holds the journal of a run to go back from");
}

int sequence_rollback(const struct run_options *options, const char *job_path, struct error *error)
{
    struct run run;
    struct journal journal;
    journal_init(&journal);
    int result = run_prepare(&run, options, job_path, error);
    if (result == 0 && (find_to_roll_back(&run, &journal, error) != 0 || run_adopt(&run, &journal, error) != 0 ||
                        run_open_target(&run, error) != 0)) {
        result = -1;
    }
    if (result == 0 && strcmp(evidence_machine(&run.journal), run.target.installation.machine_id) != 0) {
        result = error_set(error, CSN_JOURNAL_NONE, "the journal on the stick is of another server (machine id %s)",
                           evidence_machine(&run.journal));
    }
    if (result == 0) {
        console_say(options->console, "rolling back run %s", run.evidence.run);
        result = run_make_writable(&run, error);
    }
    if (result == 0 && evidence_state(&run.journal) == RUN_RELEASED) {
        result = journal_note(&run.journal, error, "rollback-asked", "after", "release", NULL);
    }
    if (result == 0) {
        result = find_record(&run.journal, "rollback-asked") != NULL
                     ? roll_back_released(&run, error)
                     : undo_run(&run, "asked for by the operator", NULL, "rolled-back", error);
    }
    journal_free(&journal);
    return finish(&run, result, error);
}
