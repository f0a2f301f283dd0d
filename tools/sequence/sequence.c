#include "sequence/sequence.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/root.h"
#include "sequence/attachments.h"
#include "sequence/configuration.h"
#include "sequence/rollback.h"
#include "sequence/runner.h"

#define OF_ANOTHER "is of another server"
#define LEFT_NOTHING "left nothing on this server, which is another one or was put back as it was before the run"

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
            index = runner_step(journal_get(record, "step"));
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

/* What people did since the release and going back leaves alone, makes it another server than before. */
static const char *how_it_is(const struct journal *journal)
{
    return attachments_are_lost(journal) ? "the old version is back, the attachments are not all as they were"
           : configuration_is_changed(journal) || attachments_were_added(journal)
               ? "the old version is back; what people changed or added since and stays is named above"
               : "the server is as it was before";
}

static int undo_run(struct run *run, const char *reason, const char *code, const char *result_text, struct error *error)
{
    struct rollback_times times;
    rollback_need(&run->journal);
    if (rollback_site(run, &run->site, reason, code, &times, error) != 0 ||
        (journal_last(&run->journal, "rollback-asked") != NULL && configuration_name_changed(run, error) != 0)) {
        return -1;
    }
    char back[CONSOLE_TEXT_SIZE];
    console_duration(back, times.back_ms);
    console_say(run->console, "%s; going back took %s", how_it_is(&run->journal), back);
    return runner_end(run, result_text, NULL, error);
}

/* What the steps behind the switch need to know and the journal remembers. */
static int recall(struct run *run, struct error *error)
{
    run->attachments_missing =
        (uint64_t)journal_get_number(journal_last(&run->journal, "baseline"), "attachments_missing");
    snprintf(run->snapshot, sizeof run->snapshot, "%s", journal_get(journal_last(&run->journal, "snapshot"), "id"));
    const char *version = journal_get(journal_last(&run->journal, "server"), "version");
    if (run_open_backup(run, error) != 0 || run_open_scratch(run, error) != 0 || run_open_packages(run, error) != 0) {
        return -1;
    }
    return run_find_path(run, version, error);
}

static int go_on(struct run *run, int step, struct error *error)
{
    struct error failure = {0};
    journal_need(&run->journal, JOURNAL_ALL);
    console_say(run->console, "the switch had begun: going on with \"%s\"", runner_name(step));
    /* Release and report need nothing but the journal: they must not fail for a package that has left the stick. */
    if (!evidence_is_released(&run->journal) && recall(run, &failure) != 0) {
        return runner_fail(run, true, &failure, error);
    }
    return runner_steps(run, step, SEQUENCE_ALL, error);
}

/* Goes back from an upgrade that people may have worked with, or goes on with that. */
static int roll_back_released(struct run *run, struct error *error)
{
    if (journal_last(&run->journal, "rollback-begin") == NULL &&
        (run_open_backup(run, error) != 0 || run_open_scratch(run, error) != 0 || rollback_prepare(run, error) != 0)) {
        return -1;
    }
    return undo_run(run, "asked for by the operator", NULL, "rolled-back", error);
}

enum outcome { OUTCOME_FAILED = -1, OUTCOME_ENDED, OUTCOME_UNDONE, OUTCOME_OTHER_SERVER, OUTCOME_PASSED_OVER };

/* A stick goes from server to server. What opening another one's disks or root comes to on this machine: it is not here, or
 * holds nothing of the kind. */
static bool is_elsewhere(const struct run *run, const struct error *error)
{
    return error->code == CSN_TARGET_DISK_MISSING || error->code == CSN_TARGET_NONE ||
           (error->code == CSN_NOT_FOUND && run->job.root_folder != NULL);
}

static enum outcome leave_alone(const struct run *run, const char *why)
{
    console_say(run->console, "run %s %s: left alone", run->evidence.run, why);
    return OUTCOME_OTHER_SERVER;
}

/* Opens the server that the adopted run is about: OUTCOME_UNDONE if that is this one. */
static enum outcome open_its_server(struct run *run, struct error *error)
{
    struct error unclean;
    run_try_packages(run);
    if (run_open_target(run, error) != 0) {
        return is_elsewhere(run, error) ? leave_alone(run, OF_ANOTHER) : OUTCOME_FAILED;
    }
    if (!run_is_its_server(run)) {
        return leave_alone(run, OF_ANOTHER);
    }
    if (!run_left_nothing(run) || target_check_clean(&run->target, &unclean) != 0) {
        return OUTCOME_UNDONE;
    }
    /* What is not mounted here may hold what it left. */
    return target_check_seen(&run->target, error) != 0 ? OUTCOME_FAILED : leave_alone(run, LEFT_NOTHING);
}

/* The server for writing; a journal of a file system that was not played back hides nothing any more. */
static enum outcome make_its_server_writable(struct run *run, struct error *error)
{
    rollback_need(&run->journal);
    if (run_make_writable(run, error) == 0) {
        rollback_need(&run->journal); /* now with what the server's copy of the journal adds */
        return OUTCOME_UNDONE;
    }
    return error->code == CSN_JOURNAL_NONE ? leave_alone(run, LEFT_NOTHING) : OUTCOME_FAILED;
}

/* True if the server may hold more of the run than the stick says: its folder is there, or a file system's own journal is not
 * played back, so that nothing recent can be seen. */
static bool server_may_know_more(const struct run *run)
{
    struct error ignored;
    return evidence_on_server(run->target.root_fd, run->evidence.run) ||
           target_check_clean(&run->target, &ignored) != 0;
}

static enum outcome abandon(struct run *run, struct error *error)
{
    return run_attach_stick(run, error) != 0 || runner_end(run, "abandoned", NULL, error) != 0 ? OUTCOME_FAILED
                                                                                               : OUTCOME_UNDONE;
}

static void say_ended(const struct run *run)
{
    const char *lagging = journal_lagging(&run->journal);
    console_say(run->console, "run %s had ended; %s%s", run->evidence.run,
                lagging == NULL ? "both copies of its journal are complete now" : "its end cannot be written to the ",
                lagging == NULL ? "" : lagging);
}

/* What to do with a run whose copies of the journal have been brought together. */
static enum outcome finish_or_undo(struct run *run, struct error *error)
{
    int last = last_step(&run->journal);
    bool rolling = was_rolling_back(&run->journal);
    enum run_state state = evidence_state(&run->journal);
    if (state != RUN_UNFINISHED) {
        say_ended(run);
        return state == RUN_RELEASED ? OUTCOME_ENDED : OUTCOME_UNDONE;
    }
    console_say(run->console, "run %s was cut off in \"%s\"%s", run->evidence.run,
                last < 0 ? "its beginning" : runner_name(last), rolling ? ", while rolling back" : "");
    if (journal_note(&run->journal, error, "resumed", "step", last < 0 ? "" : runner_name(last), NULL) != 0) {
        return OUTCOME_FAILED;
    }
    if (rolling && journal_last(&run->journal, "rollback-asked") != NULL) {
        return roll_back_released(run, error) == 0 ? OUTCOME_UNDONE : OUTCOME_FAILED;
    }
    if (!rolling && last >= 0 && runner_after_cut(last) == CUT_GO_ON) {
        return go_on(run, last, error) == 0 ? OUTCOME_ENDED : OUTCOME_FAILED;
    }
    if (!rolling && (last < 0 || runner_after_cut(last) == CUT_ABANDON)) {
        return runner_end(run, "abandoned", NULL, error) == 0 ? OUTCOME_UNDONE : OUTCOME_FAILED;
    }
    return undo_run(run, "the run was cut off", NULL, "rolled-back", error) == 0 ? OUTCOME_UNDONE : OUTCOME_FAILED;
}

/* Finishes or undoes the adopted run. */
static enum outcome take_up(struct run *run, struct error *error)
{
    int last = last_step(&run->journal);
    bool untouched = !was_rolling_back(&run->journal) && (last < 0 || runner_after_cut(last) == CUT_ABANDON);
    if (journal_last(&run->journal, "server") == NULL) {
        return abandon(run, error); /* it had not even found its server */
    }
    enum outcome whose = open_its_server(run, error);
    if (whose != OUTCOME_UNDONE) {
        return whose;
    }
    if (untouched && !server_may_know_more(run)) {
        return abandon(run, error);
    }
    whose = make_its_server_writable(run, error);
    return whose == OUTCOME_UNDONE ? finish_or_undo(run, error) : whose;
}

/* --- finding the run that is meant --------------------------------------------------------------------------------- */

static int find_on_stick(const struct run *run, unsigned states, const struct strings *skipped, struct journal *journal,
                         bool *found, struct error *error)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", run->base, EVIDENCE_STICK);
    int runs_fd = open(buffer_text(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = evidence_find(runs_fd, states, skipped, journal, found, error);
    file_drop(&runs_fd);
    buffer_free(&path);
    return result;
}

/* The server is opened for it: the run's target stays open. */
static int find_on_server(struct run *run, unsigned states, const struct strings *skipped, struct journal *journal,
                          bool *found, struct error *error)
{
    run_try_packages(run);
    if (run_open_target(run, error) != 0 || target_check_seen(&run->target, error) != 0) {
        return -1;
    }
    int runs_fd = root_try_open(run->target.root_fd, EVIDENCE_SERVER, O_RDONLY | O_DIRECTORY, 0);
    int result = evidence_find(runs_fd, states, skipped, journal, found, error);
    file_drop(&runs_fd);
    return result;
}

/* Which run is looked for, and where. */
struct place {
    unsigned states;
    bool on_server;
};

/* The newest run of that kind is found and adopted; its server is not open yet. close_with in each case. */
static int adopt_one(struct run *run, const struct run_options *options, const char *job_path,
                     const struct place *place, const struct strings *skipped, bool *found, struct error *error)
{
    struct journal journal;
    journal_init(&journal);
    *found = false;
    int result = run_prepare(run, options, job_path, error);
    if (result == 0) {
        result = place->on_server ? find_on_server(run, place->states, skipped, &journal, found, error)
                                  : find_on_stick(run, place->states, skipped, &journal, found, error);
    }
    if (result == 0 && run_close_target(run, error) != 0) {
        result = -1;
    }
    run_close_packages(run); /* the adopted job may list others */
    if (result == 0 && *found) {
        result = run_adopt(run, &journal, place->on_server, error);
    }
    journal_free(&journal);
    return result;
}

static enum outcome close_with(struct run *run, enum outcome outcome, struct error *error)
{
    struct error closing;
    if (run_close(run, &closing) != 0 && outcome != OUTCOME_FAILED) {
        *error = closing;
        outcome = OUTCOME_FAILED;
    }
    return outcome;
}

static enum outcome resume_one(const struct run_options *options, const char *job_path, const struct strings *skipped,
                               bool on_server, bool *found, char name[EVIDENCE_RUN_SIZE], struct error *error)
{
    const struct place place = {RUN_UNFINISHED, on_server};
    struct run run;
    enum outcome outcome = OUTCOME_FAILED;
    int result = adopt_one(&run, options, job_path, &place, skipped, found, error);
    if (result == 0 && *found) {
        snprintf(name, EVIDENCE_RUN_SIZE, "%s", run.evidence.run);
        outcome = take_up(&run, error);
        if (on_server && outcome == OUTCOME_OTHER_SERVER) {
            error_set(error, CSN_JOURNAL_FORK,
                      "the server holds the journal of run %s, which was begun on another machine", name);
            outcome = OUTCOME_FAILED;
        }
    } else if (result == 0) {
        outcome = OUTCOME_ENDED;
    }
    return close_with(&run, outcome, error);
}

/* Every unfinished run of this server on the stick, once. *upgraded: the last of them was finished (not undone). */
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
        } else if (found) {
            *any = *any || outcome != OUTCOME_OTHER_SERVER;
            *upgraded = outcome == OUTCOME_OTHER_SERVER ? *upgraded : outcome == OUTCOME_ENDED;
            result = strings_add(&skipped, name, error); /* on a full stick it stays what it was */
        }
    }
    strings_free(&skipped);
    return result;
}

/* --- the three ways in --------------------------------------------------------------------------------------------- */

static int run_new(const struct run_options *options, const char *job_path, enum sequence_kind kind,
                   struct error *error)
{
    struct run run;
    int result = run_prepare(&run, options, job_path, error);
    if (result == 0) {
        result = run_create(&run, error);
    }
    if (result == 0) {
        console_say(options->console, "run %s: %s", run.evidence.run, run.job.name);
        result = runner_steps(&run, 0, kind, error);
    }
    return finish(&run, result, error);
}

/* The whole sequence, after what an earlier run left undone. */
static int run_all(const struct run_options *options, const char *job_path, enum sequence_kind kind,
                   struct error *error)
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
    case OUTCOME_UNDONE: return run_new(options, job_path, kind, error);
    case OUTCOME_ENDED: return EXIT_DONE;
    default: return error_entry(error->code)->exit_code;
    }
}

/* What the job itself asks for counts only where the command leaves it open. */
static int job_kind(const struct run_options *options, const char *job_path, enum sequence_kind *kind, bool *rollback,
                    struct error *error)
{
    struct job job;
    if (job_read(&job, job_path, options->command, error) != 0) {
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
    bool only_looks = kind == SEQUENCE_IDENTIFY || kind == SEQUENCE_ASSESS;
    if (job_kind(options, job_path, &kind, &rollback, error) != 0) {
        return error_entry(error->code)->exit_code;
    }
    if (rollback) {
        return sequence_rollback(options, job_path, error);
    }
    return only_looks ? run_new(options, job_path, kind, error) : run_all(options, job_path, kind, error);
}

int sequence_resume(const struct run_options *options, const char *job_path, struct error *error)
{
    bool any = false;
    bool upgraded = false;
    struct stat status;
    struct run_options own = *options;
    own.stick_alone = stat(job_path, &status) == 0 && S_ISDIR(status.st_mode);
    struct error damaged = {0}; /* the stick's copy: the server's may be whole */
    if (resume_all(&own, job_path, &any, &upgraded, error) != 0) {
        if (error->code != CSN_JOURNAL_BROKEN || own.stick_alone) {
            return error_entry(error->code)->exit_code;
        }
        damaged = *error;
    }
    if (!any && own.stick_alone) {
        console_say(options->console, "no run on %s was cut off on this server", job_path);
        return EXIT_DONE;
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
        *error = damaged.code != CSN_NONE ? damaged : *error;
        return EXIT_BAD;
    }
    if (!upgraded) {
        error_set(error, CSN_SEQUENCE_ROLLED_BACK, "the run that was cut off has been undone");
        return EXIT_ROLLED_BACK;
    }
    return EXIT_DONE;
}

/* Only the newest run can be gone back from: an older one's version stands below what the newer ones made. */
static int check_newest(const struct run *run, struct error *error)
{
    struct journal newest;
    bool found = false;
    journal_init(&newest);
    int runs_fd = root_try_open(run->target.root_fd, EVIDENCE_SERVER, O_RDONLY | O_DIRECTORY, 0);
    int result = evidence_find(runs_fd, RUN_UNFINISHED | RUN_RELEASED, NULL, &newest, &found, error);
    const char *name = found ? journal_get(journal_record(&newest, 0), "run") : "";
    if (result == 0 && found && evidence_compare(&newest, &run->journal) > 0) {
        result = error_set(error, CSN_JOURNAL_NEWER, "run %s is not the newest of this server: that is %s",
                           run->evidence.run, name);
    }
    journal_free(&newest);
    file_drop(&runs_fd);
    return result;
}

/* Undoes an adopted run whose server is open. */
static enum outcome go_back(struct run *run, struct error *error)
{
    enum outcome whose = make_its_server_writable(run, error);
    if (whose != OUTCOME_UNDONE) {
        return whose;
    }
    if (check_newest(run, error) != 0) {
        return OUTCOME_FAILED;
    }
    /* Now with what the server's copy of the journal adds. */
    if (evidence_state(&run->journal) == RUN_ENDED) {
        say_ended(run);
        return OUTCOME_PASSED_OVER;
    }
    console_say(run->console, "rolling back run %s", run->evidence.run);
    bool after_release = evidence_is_released(&run->journal) || journal_last(&run->journal, "rollback-asked") != NULL;
    int result = after_release ? roll_back_released(run, error)
                               : undo_run(run, "asked for by the operator", NULL, "rolled-back", error);
    return result == 0 ? OUTCOME_UNDONE : OUTCOME_FAILED;
}

/* Goes back from the newest run there. A run that is not the one to go back from is named in *skipped: OUTCOME_PASSED_OVER. */
static enum outcome roll_back_one(const struct run_options *options, const char *job_path, const struct place *place,
                                  struct strings *skipped, struct error *error)
{
    struct run run;
    bool found = false;
    enum outcome outcome = OUTCOME_FAILED;
    int result = adopt_one(&run, options, job_path, place, skipped, &found, error);
    if (result == 0 && found) {
        outcome = open_its_server(&run, error);
        if (outcome == OUTCOME_UNDONE) {
            outcome = go_back(&run, error);
        }
        if (outcome == OUTCOME_FAILED && error->code == CSN_JOURNAL_NEWER && !place->on_server) {
            console_say(options->console, "%s", error->message); /* the server has its journal */
            outcome = OUTCOME_PASSED_OVER;
        } else if (outcome == OUTCOME_OTHER_SERVER) {
            outcome = OUTCOME_PASSED_OVER;
        }
        if (outcome == OUTCOME_PASSED_OVER && strings_add(skipped, run.evidence.run, error) != 0) {
            outcome = OUTCOME_FAILED;
        }
    } else if (result == 0) {
        outcome = OUTCOME_ENDED;
    }
    return close_with(&run, outcome, error);
}

int sequence_rollback(const struct run_options *options, const char *job_path, struct error *error)
{
    struct strings skipped = {0};
    struct error damaged = {0}; /* the stick's copy: the server's may be whole */
    enum outcome outcome = OUTCOME_ENDED;
    for (int i = 0; i < 2 && outcome == OUTCOME_ENDED; i++) {
        const struct place place = {RUN_UNFINISHED | RUN_RELEASED, i == 1};
        do {
            outcome = roll_back_one(options, job_path, &place, &skipped, error);
        } while (outcome == OUTCOME_PASSED_OVER);
        if (i == 0 && outcome == OUTCOME_FAILED && error->code == CSN_JOURNAL_BROKEN) {
            damaged = *error;
            outcome = OUTCOME_ENDED;
        }
    }
    strings_free(&skipped);
    if (outcome == OUTCOME_ENDED) {
        error_set(error, CSN_JOURNAL_NONE,
                  "neither the stick nor the server holds the journal of a run of this server to go back from");
        *error = damaged.code != CSN_NONE ? damaged : *error;
    }
    return outcome == OUTCOME_UNDONE ? EXIT_DONE : error_entry(error->code)->exit_code;
}
