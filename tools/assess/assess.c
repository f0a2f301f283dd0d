#include "assess/looking.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

#define LISTED 200

/* The order is that of a person's questions: may we at all, is the database sound, what did the site do, is there room. */
static const struct check {
    const char *name;
    check_function *look;
    const char *doing;
} checks[] = {
    {"at-rest", check_at_rest, "nothing of the server runs"},
    {"file-systems", check_file_systems, "file systems were unmounted cleanly"},
    {"profile-paths", check_profile_paths, "the profile's paths are there, none inside of another"},
    {"clock", check_clock, "the clock is plausible"},
    {"database", check_database, "the database is at rest; its inventory"},
    {"sizes", check_sizes, "how large its tables are"},
    {"database-integrity", check_integrity, "the database's tables and indexes are sound"},
    {"other-databases", check_other_databases, "what else the cluster holds"},
    {"replication", check_replication, "whom the cluster's changes go to"},
    {"requirements", check_requirements, "what the packages ask of the server"},
    {"schema", check_schema, "the database's schema is of the program's version"},
    {"package-checks", check_package_checks, "the packages' own questions to the old version"},
    {"program", check_program, "the program tree against the vendor's manifests"},
    {"interfaces", check_interfaces, "removed interfaces that the site still uses"},
    {"roles", check_roles, "every role in use has a line in the map"},
    {"attachments", check_attachments, "attachments against rows"},
    {"links-outside", check_links, "links that lead to where nothing is backed up"},
    {"fence", check_fence, "the application can be kept from starting"},
    {"renames", check_renames, "old and new can be exchanged by name"},
    {"space", check_space, "room for the new version, the backup and the rehearsal"},
    {"in-place", check_in_place, "what an upgrade of the database in place costs"},
};

/* Findings that a check has under a name of their own. */
static const char *const more_names[] = {
    "vendor-manifest", "unknown-executables", "replaced-folders",    "site-changes",
    "foreign-files",   "attachments-missing", "attachments-unknown",
};

int assess_check_name(const char *name, struct error *error)
{
    struct buffer names = {0};
    bool known = false;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        known = known || strcmp(checks[i].name, name) == 0;
        buffer_format(&names, "%s, ", checks[i].name);
    }
    for (size_t i = 0; i < sizeof more_names / sizeof more_names[0]; i++) {
        known = known || strcmp(more_names[i], name) == 0;
        buffer_format(&names, "%s%s", i == 0 ? "" : ", ", more_names[i]);
    }
    int result = known ? 0
                       : error_set(error, CSN_JOB_VALUE, "no check is called \"%s\", expected is one of: %s", name,
                                   buffer_text(&names));
    buffer_free(&names);
    return result;
}

int look_add(struct looking *looking, enum finding_severity severity, enum error_code code, struct error *error,
             const char *format, ...)
{
    struct assessment *assessment = looking->assessment;
    struct finding *grown = realloc(assessment->findings, (assessment->finding_count + 1) * sizeof *grown);
    char *what = malloc(1024);
    if (grown == NULL || what == NULL) {
        free(what);
        assessment->findings = grown != NULL ? grown : assessment->findings;
        return error_set(error, CSN_MEMORY, "no memory for a finding");
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, 1024, format, arguments);
    va_end(arguments);
    assessment->findings = grown;
    assessment->findings[assessment->finding_count++] = (struct finding){
        .check = looking->check,
        .severity = severity,
        .code = code,
        .what = what,
        .accepted = severity == FINDING_WARNING && looking->subject->accepted != NULL &&
                    strings_has(looking->subject->accepted, looking->check),
    };
    return 0;
}

int assess_make(const struct assess_subject *subject, struct assessment *assessment, struct error *error)
{
    struct looking looking = {.subject = subject, .assessment = assessment};
    *assessment = (struct assessment){0};
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        struct progress_state state = {.doing = checks[i].doing};
        progress_tell(subject->progress, &state);
        looking.check = checks[i].name;
        if (checks[i].look(&looking, error) != 0) {
            return error_wrap(error, "the check \"%s\"", checks[i].name);
        }
    }
    return 0;
}

void assess_free(struct assessment *assessment)
{
    for (size_t i = 0; i < assessment->finding_count; i++) {
        free(assessment->findings[i].what);
    }
    free(assessment->findings);
    for (size_t i = 0; i < assessment->role_count; i++) {
        free(assessment->roles[i].role);
        free(assessment->roles[i].becomes);
        free(assessment->roles[i].lines);
    }
    free(assessment->roles);
    inventory_free(&assessment->inventory);
    sizes_free(&assessment->sizes);
    if (assessment->merge_made) {
        tree_merge_free(&assessment->merge);
    }
    tree_manifest_free(&assessment->vendor_before);
    tree_manifest_free(&assessment->site);
    tree_manifest_free(&assessment->vendor_after);
    *assessment = (struct assessment){0};
}

int assess_judge(const struct assessment *assessment, struct error *error)
{
    const struct finding *first = NULL;
    size_t blockers = 0;
    size_t warnings = 0;
    bool same_code = true;
    for (size_t i = 0; i < assessment->finding_count; i++) {
        const struct finding *finding = &assessment->findings[i];
        if (finding->severity == FINDING_BLOCKER) {
            first = blockers++ == 0 ? finding : first;
            same_code = same_code && finding->code == first->code;
        } else if (finding->severity == FINDING_WARNING && !finding->accepted) {
            first = blockers == 0 && warnings++ == 0 ? finding : first;
        }
    }
    if (blockers > 0) {
        enum error_code code = same_code && first->code != CSN_NONE ? first->code : CSN_ASSESS_BLOCKED;
        return blockers == 1 ? error_set(error, code, "%s: %s", first->check, first->what)
                             : error_set(error, code, "%zu findings stop the upgrade, the first is %s: %s", blockers,
                                         first->check, first->what);
    }
    if (warnings > 0) {
        return error_set(error, CSN_ASSESS_WARNING, "%zu warnings are not accepted, the first is %s: %s", warnings,
                         first->check, first->what);
    }
    return 0;
}

/* --- the record ---------------------------------------------------------------------------------------------------- */

static void add_findings(const struct assessment *assessment, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    static const char *const severities[] = {"remark", "warning", "blocker"};
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "findings");
    for (size_t i = 0; i < assessment->finding_count; i++) {
        const struct finding *finding = &assessment->findings[i];
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_str(document, item, "check", finding->check);
        yyjson_mut_obj_add_str(document, item, "severity", severities[finding->severity]);
        yyjson_mut_obj_add_str(document, item, "code",
                               finding->code == CSN_NONE ? "" : error_entry(finding->code)->code);
        json_add_bytes(document, item, "what", finding->what, strlen(finding->what));
        yyjson_mut_obj_add_bool(document, item, "accepted", finding->accepted);
    }
}

static void add_roles(const struct assessment *assessment, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "roles");
    for (size_t i = 0; i < assessment->role_count; i++) {
        const struct assessment_role *role = &assessment->roles[i];
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(document, list);
        json_add_bytes(document, item, "role", role->role, strlen(role->role));
        yyjson_mut_obj_add_uint(document, item, "users", role->users);
        if (role->becomes != NULL) {
            json_add_bytes(document, item, "becomes", role->becomes, strlen(role->becomes));
        }
        yyjson_mut_val *lines = yyjson_mut_obj_add_arr(document, item, "lines");
        for (size_t k = 0; k < role->line_count; k++) {
            const struct assessment_line *line = &role->lines[k];
            yyjson_mut_val *added = yyjson_mut_arr_add_obj(document, lines);
            if (line->package != NULL) {
                json_add_bytes(document, added, "package", line->package->name, strlen(line->package->name));
            }
            json_add_bytes(document, added, "from", line->from, strlen(line->from));
            json_add_bytes(document, added, "to", line->to, strlen(line->to));
        }
    }
}

/* Paths that are not simply the vendor's, by what they are; the lists are cut, the counts are whole. */
static void add_changes(const struct assessment *assessment, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_val *counts = yyjson_mut_obj_add_obj(document, object, "program");
    for (int i = 0; assessment->merge_made && i < TREE_CHANGE_COUNT; i++) {
        yyjson_mut_obj_add_uint(document, counts, tree_change_name((enum tree_change)i),
                                assessment->merge.content_counts[i]);
    }
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "changes");
    for (size_t i = 0; assessment->merge_made && i < assessment->merge.count; i++) {
        const struct tree_merge_item *change = &assessment->merge.items[i];
        bool of_site = change->content == TREE_CHANGE_SITE_CHANGED || change->content == TREE_CHANGE_SITE_REMOVED ||
                       change->content == TREE_CHANGE_CONFLICT || change->content == TREE_CHANGE_FOREIGN ||
                       change->content == TREE_CHANGE_UNKNOWN || change->content == TREE_CHANGE_KEPT;
        if (of_site && yyjson_mut_arr_size(list) < LISTED) {
            yyjson_mut_val *item = yyjson_mut_arr_add_obj(document, list);
            json_add_bytes(document, item, "path", change->path, strlen(change->path));
            yyjson_mut_obj_add_str(document, item, "change", tree_change_name(change->content));
            yyjson_mut_obj_add_bool(document, item, "executable", change->is_executable);
        }
    }
}

yyjson_mut_val *assess_to_json(const struct assessment *assessment, yyjson_mut_doc *document)
{
    yyjson_mut_val *object = yyjson_mut_obj(document);
    add_findings(assessment, document, object);
    add_roles(assessment, document, object);
    add_changes(assessment, document, object);
    if (assessment->in_place) {
        yyjson_mut_obj_add_bool(document, object, "in_place", true);
    }
    yyjson_mut_val *counts = yyjson_mut_obj_add_obj(document, object, "counts");
    yyjson_mut_obj_add_uint(document, counts, "program_bytes", assessment->program_bytes);
    yyjson_mut_obj_add_uint(document, counts, "cluster_bytes", assessment->cluster_bytes);
    yyjson_mut_obj_add_uint(document, counts, "attachment_bytes", assessment->attachment_bytes);
    yyjson_mut_obj_add_uint(document, counts, "attachment_files", assessment->attachment_files);
    yyjson_mut_obj_add_uint(document, counts, "attachments_missing", assessment->attachments_missing);
    yyjson_mut_obj_add_uint(document, counts, "attachments_unknown", assessment->attachments_unknown);
    return object;
}
