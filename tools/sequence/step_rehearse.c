/*
 * step_rehearse.c - the whole upgrade, its verification and its rollback on an overlay of the server, timed. The same steps as
 * the real ones, on another site, with a journal of its own. Nothing is left on the server.
 */
#include "sequence/steps.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "sequence/rollback.h"
#include "target/overlay.h"
#include "tree/compare.h"

#define REHEARSAL_MOUNT "/run/caisson/rehearsal"
#define REHEARSAL_JOURNAL "rehearsal.jsonl"

struct rehearsal {
    int64_t stage_ms;
    int64_t switch_ms;
    int64_t verify_ms;
    struct rollback_times rollback;
    bool equal; /* after the rollback */
    char head[SHA256_HEX_SIZE];
};

static int timed(struct run *run, struct site *site, const char *name, step_function *step, int64_t *milliseconds,
                 struct error *error)
{
    struct buffer detail = {0};
    console_say(run->console, "  rehearsing %s", name);
    site->place.step = name;
    int64_t begun_ms = clock_monotonic_ms();
    int result = step(run, site, &detail, error);
    *milliseconds = clock_monotonic_ms() - begun_ms;
    buffer_free(&detail);
    return result == 0 ? 0 : error_wrap(error, "%s", name);
}

static int on_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    return error_set(error, CSN_SEQUENCE_REHEARSED_ROLLBACK, "after the rehearsed rollback %s/%s is not as before",
                     (const char *)context, difference->path);
}

/* Goes back is only what went back: every path of the application against the untouched server. */
static int compare(struct run *run, const struct site *site, struct error *error)
{
    struct strings paths = {0};
    struct tree_compare_options options = {0};
    int result = run_paths(run, &paths, error);
    for (size_t i = 0; result == 0 && i < paths.count; i++) {
        struct tree_compare_counts counts;
        result = tree_compare(run->target.root_fd, paths.items[i], site->place.root_fd, paths.items[i], &options,
                              on_difference, paths.items[i], &run->console->progress, &counts, error);
    }
    strings_free(&paths);
    return result;
}

static int record(struct run *run, const struct rehearsal *rehearsal, const char *result_text, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "result", result_text);
    yyjson_mut_obj_add_sint(document, fields, "stage_ms", rehearsal->stage_ms);
    yyjson_mut_obj_add_sint(document, fields, "switch_ms", rehearsal->switch_ms);
    yyjson_mut_obj_add_sint(document, fields, "verify_ms", rehearsal->verify_ms);
    yyjson_mut_obj_add_sint(document, fields, "rollback_ms", rehearsal->rollback.back_ms);
    yyjson_mut_obj_add_sint(document, fields, "cleanup_ms", rehearsal->rollback.cleanup_ms);
    yyjson_mut_obj_add_uint(document, fields, "budget_ms", run->job.rollback_minutes * 60000);
    yyjson_mut_obj_add_bool(document, fields, "equal_after_rollback", rehearsal->equal);
    yyjson_mut_obj_add_str(document, fields, "journal", REHEARSAL_JOURNAL);
    yyjson_mut_obj_add_str(document, fields, "journal_head", rehearsal->head);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "rehearsal", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* Also what is missing that nobody named. */
static bool is_of_system(const struct error *error)
{
    return error_entry(error->code)->exit_code == EXIT_SYSTEM || error->code == CSN_NOT_FOUND;
}

/* The job may force past a failed upgrade whose way back was proven, and past nothing else: that one alone gets
 * CSN_SEQUENCE_REHEARSAL. A machine that failed us has proven nothing, and keeps its own code. */
static int fail_upgrade(const struct error *upgrading, struct error *error)
{
    enum error_code code = is_of_system(upgrading) ? upgrading->code : CSN_SEQUENCE_REHEARSAL;
    return error_set(error, code, "the rehearsal failed: %s", upgrading->message);
}

static int fail_going_back(const struct error *going_back, const struct error *upgrading, struct error *error)
{
    enum error_code code = is_of_system(going_back) ? going_back->code : CSN_SEQUENCE_REHEARSED_ROLLBACK;
    return upgrading->code == CSN_NONE
               ? error_set(error, code, "going back failed in the rehearsal: %s", going_back->message)
               : error_set(error, code, "going back failed in the rehearsal: %.450s (after \"%.400s\")",
                           going_back->message, upgrading->message);
}

/* The real steps on the overlay. The rollback is rehearsed also when the upgrade failed: that is when it will be needed. */
static int play(struct run *run, struct site *site, struct rehearsal *rehearsal, struct error *error)
{
    struct error upgrading = {0};
    struct error going_back = {0};
    int result = timed(run, site, "stage", step_stage, &rehearsal->stage_ms, &upgrading);
    if (result == 0) {
        result = timed(run, site, "switch", step_switch, &rehearsal->switch_ms, &upgrading);
    }
    if (result == 0) {
        result = timed(run, site, "verify", step_verify, &rehearsal->verify_ms, &upgrading);
    }
    console_say(run->console, "  rehearsing rollback");
    if (rollback_site(run, site, "the rehearsal of going back", NULL, &rehearsal->rollback, &going_back) != 0 ||
        compare(run, site, &going_back) != 0) {
        return fail_going_back(&going_back, &upgrading, error);
    }
    rehearsal->equal = true;
    return result == 0 ? 0 : fail_upgrade(&upgrading, error);
}

static int open_journal(const struct run *run, struct journal *journal, struct error *error)
{
    journal_init(journal);
    /* An earlier rehearsal of this run (it grew stale) is replaced: its head stands in the run's journal. */
    if (unlinkat(run->evidence.dir_fd, REHEARSAL_JOURNAL, 0) != 0 && errno != ENOENT) {
        return error_system(error, CSN_JOURNAL_WRITE, "the journal of the rehearsal");
    }
    return journal_attach(journal, run->evidence.dir_fd, REHEARSAL_JOURNAL, "stick", error);
}

int step_rehearse(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct rehearsal rehearsal = {0};
    struct overlay *overlay = NULL;
    struct journal journal;
    struct error closing;
    int root_fd = -1;
    struct overlay_layout layout = {.root_path = site->root_path,
                                    .scratch_path = run->scratch_path,
                                    .at_path = REHEARSAL_MOUNT,
                                    .stable_inodes = true};
    int result = open_journal(run, &journal, error);
    if (result == 0 &&
        (file_make_dirs(AT_FDCWD, REHEARSAL_MOUNT, 0700, error) != 0 || overlay_open(&layout, &overlay, error) != 0)) {
        result = -1;
    }
    if (result == 0) {
        root_fd = open(REHEARSAL_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        result = root_fd < 0 ? error_system(error, CSN_IO, "opening %s", REHEARSAL_MOUNT) : 0;
    }
    if (result == 0) {
        struct site overlaid = {REHEARSAL_MOUNT, {root_fd, &journal, "rehearse"}, true};
        result = play(run, &overlaid, &rehearsal, error);
    }
    file_drop(&root_fd);
    if (overlay_close(overlay, result == 0 ? error : &closing) != 0) {
        result = -1;
    }
    memcpy(rehearsal.head, journal.head, sizeof rehearsal.head);
    journal_free(&journal);
    struct error why = {0};
    if (result != 0 && error != NULL) {
        why = *error;
    }
    if (record(run, &rehearsal, result == 0 ? "passed" : "failed", error) != 0) {
        return -1;
    }
    char back[CONSOLE_TEXT_SIZE];
    console_duration(back, rehearsal.rollback.back_ms);
    run->rollback_ms = rehearsal.equal ? rehearsal.rollback.back_ms : -1;
    if (result != 0) {
        return error_set(error, why.code, "%s", why.message);
    }
    /* Equal is over: a budget of 0 stops every run, also where going back takes less than a millisecond. */
    if ((uint64_t)rehearsal.rollback.back_ms >= run->job.rollback_minutes * 60000) {
        return error_set(error, CSN_SEQUENCE_BUDGET, "the rehearsed rollback took %s, the budget is %llu min", back,
                         (unsigned long long)run->job.rollback_minutes);
    }
    char cleanup[CONSOLE_TEXT_SIZE];
    console_duration(cleanup, rehearsal.rollback.cleanup_ms);
    buffer_format(detail, "the upgrade held; going back (%s) took %s, removing the new version %s",
                  run->assessment.in_place ? "names, database and fence" : "names and fence", back, cleanup);
    return 0;
}
