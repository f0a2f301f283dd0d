/*
 * step_assess.c - every check of assess/, with the old version's database running in a room. Nothing is left on the server.
 */
#include "sequence/steps.h"

#include <string.h>
#include <sys/statvfs.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/text.h"
#include "sequence/boot_areas.h"
#include "sequence/checks.h"
#include "sequence/growth.h"
#include "sequence/media.h"
#include "sequence/room.h"

#define SCRATCH_LEAST_MB 64
#define ROLES_SHOWN 50
#define NAME_SHOWN 80 /* bytes */

/* A room with the old version, and what is asked in it. */
struct asking {
    struct run *run;
    const struct site *site;
    struct room room;
};

static const char *answer(void *context, const char *path)
{
    const struct asking *asking = context;
    return job_answer(&asking->run->job, path);
}

static int ask(void *context, const struct package *package, const struct package_check *check, bool *holds,
               struct buffer *why, struct error *error)
{
    struct asking *asking = context;
    struct outcome outcome;
    int result = checks_ask(&asking->room, asking->run, asking->site, package, check, &outcome, error);
    *holds = outcome.passed;
    buffer_string(why, outcome.detail);
    return result;
}

static int record_assessment(struct run *run, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = document == NULL ? NULL : assess_to_json(&run->assessment, document);
    int result = fields == NULL ? error_set(error, CSN_MEMORY, "no memory for the assessment")
                                : journal_append(&run->journal, "assessment", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static int record_inventory(struct run *run, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_val *items = document == NULL ? NULL : inventory_to_json(&run->assessment.inventory, document);
    char digest[65];
    inventory_digest(&run->assessment.inventory, digest);
    yyjson_mut_obj_add_str(document, fields, "when", "before");
    yyjson_mut_obj_add_str(document, fields, "digest", digest);
    int result = items == NULL || !yyjson_mut_obj_add_val(document, fields, "items", items)
                     ? error_set(error, CSN_MEMORY, "no memory for the inventory")
                     : journal_append(&run->journal, "inventory", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* What a later step, also after a cut, compares with. */
static int record_baseline(struct run *run, struct error *error)
{
    run->attachments_missing = run->assessment.attachments_missing;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_uint(document, fields, "attachments_missing", run->attachments_missing);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "baseline", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* Who has which role; nothing where the profile does not ask. */
static int record_user_roles(struct run *run, const struct query_target *database, struct error *error)
{
    const char *query = run->target.profile->query_user_roles;
    const struct assess_subject subject = {.hops = run->hops, .hop_count = run->hop_count, .job = &run->job.ini};
    if (database->host == NULL || query == NULL) {
        return 0;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, fields);
    yyjson_mut_obj_add_str(document, fields, "when", "before");
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : user_roles_read(database, query, document, fields, error);
    if (result == 0) {
        assess_map_user_roles(&subject, document, fields);
        result = journal_append(&run->journal, "user-roles", fields, error);
    }
    yyjson_mut_doc_free(document);
    return result;
}

/* A cluster that was not shut down in order recovers in the room, on its overlay; where it does not, *why says so. A standby, and one
 * without its programs, is not started. */
static int open_room(struct run *run, const struct site *site, struct room *room, struct query_target *database,
                     struct error *why, struct error *error)
{
    struct room_binds none = {0};
    bool recovers = run->cluster.data_path != NULL && cluster_is_recoverable(&run->cluster);
    *why = (struct error){.code = CSN_NONE};
    if (run->cluster.data_path != NULL &&
        ((run->cluster.control.state != CLUSTER_SHUT_DOWN && !recovers) || run->cluster.binaries == NULL)) {
        return 0;
    }
    if (room_open(run, site, &none, DATABASE_PRIVATE, room, why) != 0) {
        return recovers && why->code == CSN_DATABASE_START ? 0 : error_set(error, why->code, "%s", why->message);
    }
    *database = room_database(room, run);
    return 0;
}

/* The room's database writes to the scratch folder before any check is made: on a full disk it would not even start. The check
 * of space asks for more than this in each case. */
static int check_scratch(const struct run *run, struct error *error)
{
    const uint64_t mebibyte = 1 << 20;
    struct statvfs status;
    if (run->backup_path == NULL || run->job.scratch_in_memory || !media_carries_overlays(run->backup_path)) {
        return 0;
    }
    if (statvfs(run->backup_path, &status) != 0) {
        return error_system(error, CSN_IO, "looking at the backup disk (%s)", run->backup_path);
    }
    uint64_t free_mb = (uint64_t)status.f_bavail * status.f_frsize / mebibyte;
    return free_mb >= SCRATCH_LEAST_MB ? 0
                                       : error_set(error, CSN_ASSESS_SPACE,
                                                   "the backup disk (%s): more than %d MB are needed, %llu MB are free",
                                                   run->backup_path, SCRATCH_LEAST_MB, (unsigned long long)free_mb);
}

/* In the booted image a folder without a disk is memory: a backup there is none. */
static int check_backup_lasts(const struct run *run, struct error *error)
{
    if (run->protect == NULL || run->backup_path == NULL || !evidence_is_volatile(run->backup_path)) {
        return 0;
    }
    return error_set(error, CSN_JOB_VALUE,
                     "\"folder\" in [backup] is \"%s\" without \"disk\": that is in this machine's memory and gone at "
                     "power-off; expected is the disk it lies on",
                     run->job.backup_folder);
}

static void show_findings(struct run *run)
{
    static const char *const words[] = {"remark", "warning", "BLOCKER"};
    for (size_t i = 0; i < run->assessment.finding_count; i++) {
        const struct finding *finding = &run->assessment.findings[i];
        console_say(run->console, "  %s %s: %s%s", words[finding->severity], finding->check, finding->what,
                    finding->accepted ? " (accepted by the job)" : "");
    }
}

/* Which role becomes which, and by whose line; the report has those that the screen leaves out. */
static void show_roles(struct run *run)
{
    const struct assessment *assessment = &run->assessment;
    for (size_t i = 0; i < assessment->role_count && i < ROLES_SHOWN; i++) {
        const struct assessment_role *role = &assessment->roles[i];
        struct buffer by = {0};
        for (size_t k = 0; k < role->line_count; k++) {
            const struct assessment_line *line = &role->lines[k];
            buffer_format(&by, "%s%s: %.*s = %.*s", k == 0 ? "" : "; ",
                          line->package == NULL ? "job" : line->package->name, utf8_cut(line->from, NAME_SHOWN),
                          line->from, utf8_cut(line->to, NAME_SHOWN), line->to);
        }
        const char *end = role->becomes == NULL ? "" : role->becomes;
        const char *how = role->becomes == NULL   ? "no line of the map"
                          : strcmp(end, "-") == 0 ? "gone on purpose"
                                                  : "becomes ";
        console_say(run->console, "  role %.*s: %llu users, %s%.*s%s%s%s", utf8_cut(role->role, NAME_SHOWN), role->role,
                    (unsigned long long)role->users, how, strcmp(end, "-") == 0 ? 0 : utf8_cut(end, NAME_SHOWN), end,
                    by.size == 0 ? "" : " (", buffer_text(&by), by.size == 0 ? "" : ")");
        buffer_free(&by);
    }
    if (assessment->role_count > ROLES_SHOWN) {
        console_say(run->console, "  ... and %zu more roles: the report has all", assessment->role_count - ROLES_SHOWN);
    }
}

int step_assess(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct asking asking = {.run = run, .site = site};
    struct query_target database = {0};
    struct strings paths = {0};
    uint64_t boot_bytes = 0;
    struct error closing;
    struct error not_recovered;
    buffer_clear(&run->fingerprint);
    if ((run->job.server_disks.count > 0 && run_check_disks_named(run, error) != 0) ||
        run_check_backup_apart(run, error) != 0 || run_open_backup(run, error) != 0 ||
        check_backup_lasts(run, error) != 0 || check_scratch(run, error) != 0 || run_open_scratch(run, error) != 0 ||
        boot_areas_size(run, &boot_bytes, error) != 0 ||
        target_fingerprint(&run->target, &run->fingerprint, error) != 0 ||
        open_room(run, site, &asking.room, &database, &not_recovered, error) != 0) {
        return -1;
    }
    struct assess_subject subject = {
        .target = &run->target,
        .hops = run->hops,
        .hop_count = run->hop_count,
        .cluster = run->cluster.data_path == NULL ? NULL : &run->cluster,
        .database = database.host == NULL ? NULL : &database,
        .not_recovered = not_recovered.code == CSN_NONE ? NULL : not_recovered.message,
        .recover = run->job.recover_database,
        .in_place_if_needed = strcmp(run->job.in_place, "if-needed") == 0,
        .in_place_always = strcmp(run->job.in_place, "yes") == 0,
        .backup_path = run->backup_path,
        .scratch_path = run->scratch_path,
        .boot_bytes = boot_bytes,
        .evidence_path = run->evidence.path,
        .paths = &paths,
        .accepted = &run->job.accepted,
        .answer = answer,
        .job = &run->job.ini,
        .ask = asking.room.view == NULL ? NULL : ask,
        .context = &asking,
        .progress = &run->console->progress,
    };
    assess_free(&run->assessment);
    int result = run_paths(run, &paths, error);
    if (result == 0) {
        result = assess_make(&subject, &run->assessment, error);
    }
    strings_free(&paths);
    if (result == 0) {
        result = record_user_roles(run, &database, error);
    }
    if (room_close(&asking.room, result == 0 ? error : &closing) != 0) {
        result = -1;
    }
    if (result != 0 || record_assessment(run, error) != 0 || record_inventory(run, error) != 0 ||
        growth_record(&run->journal, NULL, "before", &run->assessment.sizes, error) != 0 ||
        record_baseline(run, error) != 0) {
        return -1;
    }
    show_roles(run);
    show_findings(run);
    run->assessed_sec = clock_unix_sec();
    size_t counts[3] = {0};
    for (size_t i = 0; i < run->assessment.finding_count; i++) {
        counts[run->assessment.findings[i].severity]++;
    }
    buffer_format(detail, "%zu blockers, %zu warnings, %zu remarks", counts[FINDING_BLOCKER], counts[FINDING_WARNING],
                  counts[FINDING_REMARK]);
    return assess_judge(&run->assessment, error);
}
