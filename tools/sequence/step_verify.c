/*
 * step_verify.c - the switched application on its real data, in a closed network: does it do what the package promises?
 *
 * The database is the real one (bound writable: what the application writes there at its start stays); everything else is
 * under an overlay and gone afterwards.
 */
#include "sequence/steps.h"

#include <stdlib.h>
#include <string.h>

#include "assess/orphans.h"
#include "lib/json.h"
#include "sequence/checks.h"
#include "sequence/growth.h"
#include "sequence/room.h"

static int check_version(const struct run *run, const struct site *site, struct error *error)
{
    char *version = NULL;
    const struct installation *server = &run->target.installation;
    const char *wanted = run->hops[run->hop_count - 1]->version;
    if (target_read_version(site->place.root_fd, run->target.profile, server->program_root, &version, error) != 0) {
        return -1;
    }
    int result = strcmp(version, wanted) == 0
                     ? 0
                     : error_set(error, CSN_SEQUENCE_VERIFY, "%s says it is %s, expected is %s", server->program_root,
                                 version, wanted);
    free(version);
    return result;
}

/* What is in the database now, for the report; that it can be read at all is part of the proof. */
static int record_inventory(struct room *room, const struct run *run, const struct site *site, struct error *error)
{
    struct query_target target = room_database(room, run);
    if (target.host == NULL) {
        return 0;
    }
    struct inventory inventory = {0};
    struct inventory_options options = {.database = target.database, .progress = &run->console->progress};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    int result = inventory_take(&target, &options, &inventory, error);
    if (result == 0) {
        yyjson_mut_obj_add_str(document, fields, "step", site->place.step);
        yyjson_mut_obj_add_str(document, fields, "when", "after");
        yyjson_mut_val *items = inventory_to_json(&inventory, document);
        result = items == NULL || !yyjson_mut_obj_add_val(document, fields, "items", items)
                     ? error_set(error, CSN_MEMORY, "no memory for the inventory")
                     : journal_append(site->place.journal, "inventory", fields, error);
    }
    yyjson_mut_doc_free(document);
    inventory_free(&inventory);
    return result;
}

/* How large it has become. Where that cannot be told, it is said, and stops nothing. */
static int record_sizes(struct room *room, const struct run *run, const struct site *site, struct error *error)
{
    struct query_target target = room_database(room, run);
    const struct sizes_options options = {.progress = &run->console->progress};
    struct sizes sizes = {.count = 0};
    if (target.host == NULL) {
        return 0;
    }
    int result = sizes_take(&target, &options, &sizes, error);
    if (result == 0 && sizes.unknown.code != CSN_NONE) {
        console_say(run->console, "  remark sizes: the sizes of the database's tables are not known: %s",
                    sizes.unknown.message);
    }
    if (result == 0) {
        result = growth_record(site->place.journal, site->place.step, "after", &sizes, error);
    }
    sizes_free(&sizes);
    return result;
}

/* --- roles: what became of each user's ----------------------------------------------------------------------------- */

static int record_roles(const struct site *site, const struct assessment *after, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, fields, "roles");
    for (size_t i = 0; i < after->role_count; i++) {
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(document, list);
        json_add_bytes(document, item, "role", after->roles[i].role, strlen(after->roles[i].role));
        yyjson_mut_obj_add_uint(document, item, "users", after->roles[i].users);
    }
    yyjson_mut_obj_add_str(document, fields, "step", site->place.step);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(site->place.journal, "roles-after", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* Those before are the journal's: after a cut nobody has looked again. */
static int check_roles(struct room *room, const struct run *run, const struct site *site, struct error *error)
{
    struct query_target database = room_database(room, run);
    struct assess_subject subject = {
        .target = &run->target,
        .hops = run->hops,
        .hop_count = run->hop_count,
        .database = &database,
        .job = &run->job.ini,
    };
    struct assessment after = {0};
    yyjson_val *before = yyjson_obj_get(journal_last(&run->journal, "assessment"), "roles");
    if (database.host == NULL || run->target.profile->query_roles == NULL) {
        return 0;
    }
    int result = assess_read_roles(&subject, &after, error);
    if (result == 0) {
        result = record_roles(site, &after, error);
    }
    if (result == 0) {
        result = assess_check_roles(&subject, before, &after, error);
    }
    assess_free(&after);
    return result;
}

/* Each user's own, where the profile asks. What was found is recorded first, then judged: the report shows who has what. */
static int check_user_roles(struct room *room, const struct run *run, const struct site *site, struct error *error)
{
    struct query_target database = room_database(room, run);
    const char *query = run->target.profile->query_user_roles;
    yyjson_val *before = journal_last(&run->journal, "user-roles");
    const struct assess_subject subject = {.hops = run->hops, .hop_count = run->hop_count, .job = &run->job.ini};
    struct user_roles_differences differences = {.compared = 0};
    if (database.host == NULL || query == NULL || before == NULL) {
        return 0;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *read = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, read);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for the roles of users")
                                  : user_roles_read(&database, query, document, read, error);
    yyjson_doc *after = result == 0 ? yyjson_mut_doc_imut_copy(document, NULL) : NULL;
    if (result == 0 && after == NULL) {
        result = error_set(error, CSN_MEMORY, "no memory for the roles of users");
    }
    if (result == 0) {
        struct error why = {.code = CSN_NONE};
        int judged = assess_check_user_roles(&subject, before, yyjson_doc_get_root(after), &differences, &why);
        yyjson_mut_obj_add_str(document, read, "step", site->place.step);
        yyjson_mut_obj_add_uint(document, read, "compared", differences.compared);
        yyjson_mut_obj_add_uint(document, read, "missing", differences.missing);
        yyjson_mut_obj_add_uint(document, read, "added", differences.added);
        result = journal_append(site->place.journal, "user-roles-after", read, error);
        if (result == 0 && judged != 0) {
            result = error_set(error, why.code, "%s", why.message);
        }
    }
    yyjson_doc_free(after);
    yyjson_mut_doc_free(document);
    return result;
}

/* --- attachments --------------------------------------------------------------------------------------------------- */

static int check_attachments(struct room *room, const struct run *run, const struct site *site, struct error *error)
{
    struct query_target target = room_database(room, run);
    if (target.host == NULL || run->target.profile->query_attachments == NULL) {
        return 0;
    }
    struct assess_attachments counts = {0};
    int result = assess_count_attachments(view_root_fd(room->view), run->target.profile, &target,
                                          &run->console->progress, &counts, error);
    if (result == 0) {
        yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
        yyjson_mut_val *fields = yyjson_mut_obj(document);
        yyjson_mut_obj_add_str(document, fields, "step", site->place.step);
        yyjson_mut_obj_add_uint(document, fields, "files", counts.files);
        yyjson_mut_obj_add_uint(document, fields, "rows", counts.rows);
        yyjson_mut_obj_add_uint(document, fields, "duplicates", counts.duplicates);
        yyjson_mut_obj_add_uint(document, fields, "missing", counts.missing);
        yyjson_mut_obj_add_uint(document, fields, "unknown", counts.unknown);
        result = journal_append(site->place.journal, "attachments-after", fields, error);
        yyjson_mut_doc_free(document);
    }
    if (result == 0 && counts.missing > run->attachments_missing) {
        result = error_set(error, CSN_SEQUENCE_VERIFY, "%llu rows have no attachment file, %llu before the upgrade",
                           (unsigned long long)counts.missing, (unsigned long long)run->attachments_missing);
    }
    assess_attachments_free(&counts);
    return result;
}

/* --- orphans ------------------------------------------------------------------------------------------------------- */

/* Those before are the journal's. Both numbers are in it before they are compared. */
static int check_orphans(struct room *room, const struct run *run, const struct site *site, struct error *error)
{
    struct query_target target = room_database(room, run);
    yyjson_val *before = yyjson_obj_get(journal_last(&run->journal, "assessment"), "orphans");
    struct orphans_list after = {0};
    if (target.host == NULL || run->target.profile->orphan_count == 0) {
        return 0;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    int result = orphans_read(&target, run->target.profile, &run->console->progress, &after, error);
    if (result == 0) {
        yyjson_mut_obj_add_str(document, fields, "step", site->place.step);
        result = !yyjson_mut_obj_add_val(document, fields, "orphans", orphans_to_json(&after, document))
                     ? error_set(error, CSN_MEMORY, "no memory for the orphans")
                     : journal_append(site->place.journal, "orphans-after", fields, error);
    }
    if (result == 0) {
        result = orphans_compare(before, &after, error);
    }
    yyjson_mut_doc_free(document);
    orphans_free(&after);
    return result;
}

int step_verify(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct room_binds binds = {0};
    struct room room = {0};
    struct error closing;
    const struct package *package = run->hops[run->hop_count - 1];
    int result = check_version(run, site, error);
    if (result == 0) {
        result = room_bind_cluster(run, site, &binds, error);
    }
    if (result == 0) {
        result = room_open(run, site, &binds, DATABASE_APPLICATION, &room, error);
    }
    if (result == 0 && (room_start_application(&room, run, error) != 0 || checks_health(&room, run, site, error) != 0 ||
                        checks_run(&room, run, site, package, PACKAGE_CHECK_VERIFY, error) != 0 ||
                        check_roles(&room, run, site, error) != 0 || check_user_roles(&room, run, site, error) != 0 ||
                        check_attachments(&room, run, site, error) != 0 ||
                        check_orphans(&room, run, site, error) != 0 || record_inventory(&room, run, site, error) != 0 ||
                        record_sizes(&room, run, site, error) != 0 || room_record_writes(&room, site, error) != 0)) {
        result = -1;
    }
    if (room_close(&room, result == 0 ? error : &closing) != 0) {
        result = -1;
    }
    room_binds_free(&binds);
    if (result == 0) {
        buffer_format(detail, "%s %s answers and holds", run->target.profile->title, package->version);
    }
    return result;
}
