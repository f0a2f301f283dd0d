#include "assess/looking.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

static const char *own_line(const struct assess_subject *subject, const char *role)
{
    return subject->job == NULL ? NULL : ini_get(subject->job, "roles", role);
}

static void note(struct assessment_role *into, const struct package *package, const char *from, const char *to)
{
    if (into != NULL) {
        into->lines[into->line_count++] = (struct assessment_line){package, from, to};
    }
}

/* Through the maps of all hops, the job's own lines first. NULL: some hop has no line for it. "*": what a role without a line of
 * its own becomes. The result is borrowed. into (may be NULL) gets the lines; it has room for one more than hops. */
static const char *follow(const struct assess_subject *subject, const char *role, struct assessment_role *into)
{
    const char *others = own_line(subject, "*");
    const char *own = strcmp(role, "*") == 0 ? NULL : own_line(subject, role);
    if (own != NULL) {
        note(into, NULL, role, own);
        return own;
    }
    for (size_t hop = 0; hop < subject->hop_count; hop++) {
        const struct package_role *line = package_role(subject->hops[hop], role);
        const char *from = line != NULL ? line->from : "*";
        const char *to = line != NULL ? line->to : others;
        if (to == NULL) {
            return NULL;
        }
        note(into, line != NULL ? subject->hops[hop] : NULL, from, to);
        if (strcmp(to, "-") == 0) {
            return to;
        }
        role = strcmp(from, "*") == 0 && strcmp(to, "*") == 0 ? role : to;
    }
    return role;
}

static const char *becomes(const struct assess_subject *subject, const char *role)
{
    return follow(subject, role, NULL);
}

struct reading {
    const struct assess_subject *subject;
    struct assessment *assessment;
};

static int take_role(void *context, const struct query_row *row, struct error *error)
{
    const struct reading *reading = context;
    struct assessment *assessment = reading->assessment;
    if (row->column_count != 2) {
        return error_set(error, CSN_TARGET_PROFILE,
                         "[queries] roles gives %d columns, expected are role and number of users", row->column_count);
    }
    if (row->values[0] == NULL) {
        return 0;
    }
    struct assessment_role *grown = realloc(assessment->roles, (assessment->role_count + 1) * sizeof *grown);
    if (grown == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the roles");
    }
    assessment->roles = grown;
    struct assessment_role *role = &grown[assessment->role_count++];
    *role = (struct assessment_role){
        .role = strdup(row->values[0]),
        .users = row->values[1] == NULL ? 0 : strtoull(row->values[1], NULL, 10),
        .lines = calloc(reading->subject->hop_count + 1, sizeof *role->lines),
    };
    if (role->role == NULL || role->lines == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the roles");
    }
    const char *next = follow(reading->subject, role->role, role);
    role->becomes = next == NULL ? NULL : strdup(next);
    return next != NULL && role->becomes == NULL ? error_set(error, CSN_MEMORY, "no memory for the roles") : 0;
}

int assess_read_roles(const struct assess_subject *subject, struct assessment *assessment, struct error *error)
{
    struct reading reading = {subject, assessment};
    struct query_limits limits = {.timeout_sec = 600, .rows = 100000};
    struct query_session *session = NULL;
    int result = query_open(subject->database, 0, &session, error);
    if (result == 0) {
        result =
            query_run(session, subject->target->profile->query_roles, NULL, 0, &limits, take_role, &reading, error);
    }
    query_close(session);
    return result;
}

int check_roles(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct error why = {0};
    int result = 0;
    if (subject->database == NULL || subject->target->profile->query_roles == NULL || subject->hop_count == 0) {
        return 0;
    }
    if (assess_read_roles(subject, looking->assessment, &why) != 0) {
        result = why.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", why.message)
                                        : look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    for (size_t i = 0; result == 0 && i < looking->assessment->role_count; i++) {
        const struct assessment_role *role = &looking->assessment->roles[i];
        struct buffer key = {0};
        if (role->becomes == NULL) {
            ini_append_key(&key, role->role);
            result =
                look_add(looking, FINDING_BLOCKER, CSN_ASSESS_ROLE, error,
                         "the role \"%s\" of %llu users has no line in the role map; add to the job: [roles] %s = NEW",
                         role->role, (unsigned long long)role->users, buffer_text(&key));
        }
        buffer_free(&key);
    }
    return result;
}

/* --- after the upgrade --------------------------------------------------------------------------------------------- */

/* The entry of the list in which this key has this text; NULL: none. */
static yyjson_val *find(yyjson_val *list, const char *key, const char *text)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, count, item)
    {
        yyjson_val *value = yyjson_obj_get(item, key);
        if (yyjson_is_str(value) && strcmp(yyjson_get_str(value), text) == 0) {
            return item;
        }
    }
    return NULL;
}

static bool leads_to(const struct assess_subject *subject, const char *from, const char *role)
{
    const char *end = becomes(subject, from);
    return end != NULL && strcmp(end, role) == 0;
}

/* A line counts for what its role becomes in the end: not where the job says otherwise, or another hop's map goes on. */
static bool some_line_leads_to(const struct assess_subject *subject, const char *role)
{
    for (size_t hop = 0; hop < subject->hop_count; hop++) {
        for (size_t i = 0; i < subject->hops[hop]->roles_count; i++) {
            if (leads_to(subject, subject->hops[hop]->roles[i].from, role)) {
                return true;
            }
        }
    }
    for (size_t i = 0; subject->job != NULL && i < subject->job->count; i++) {
        const struct ini_entry *entry = &subject->job->entries[i];
        if (strcmp(entry->section, "roles") == 0 && leads_to(subject, entry->key, role)) {
            return true;
        }
    }
    return false;
}

/* Roles in use that nobody should have: none becomes them; or, where nobody had them before, no line leads to them. */
static int check_unexpected(const struct assess_subject *subject, yyjson_val *before, const struct assessment *after,
                            struct error *error)
{
    size_t unknown = 0;
    const char *first = NULL;
    for (size_t i = 0; i < after->role_count; i++) {
        const char *role = after->roles[i].role;
        if (find(before, "becomes", role) == NULL &&
            (find(before, "role", role) != NULL || !some_line_leads_to(subject, role))) {
            first = unknown++ == 0 ? role : first;
        }
    }
    return unknown == 0 ? 0
                        : error_set(error, CSN_SEQUENCE_VERIFY,
                                    "%zu roles are in use that no line of the role map leads to, the first is \"%s\"",
                                    unknown, first);
}

static const char *becomes_of(void *context, const char *role)
{
    return becomes(context, role);
}

void assess_map_user_roles(const struct assess_subject *subject, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    size_t i;
    size_t count;
    yyjson_mut_val *item;
    yyjson_mut_arr_foreach(yyjson_mut_obj_get(object, "roles"), i, count, item)
    {
        const char *role = yyjson_mut_get_str(yyjson_mut_obj_get(item, "role"));
        const char *end = role == NULL ? NULL : becomes(subject, role);
        if (end != NULL) {
            json_add_bytes(document, item, "becomes", end, strlen(end));
        }
    }
}

int assess_check_user_roles(const struct assess_subject *subject, yyjson_val *before, yyjson_val *after,
                            struct user_roles_differences *differences, struct error *error)
{
    struct assess_subject borrowed = *subject;
    if (user_roles_compare(before, after, becomes_of, &borrowed, differences, error) != 0) {
        return -1;
    }
    if (differences->missing > 0) {
        return error_set(error, CSN_SEQUENCE_VERIFY,
                         "%llu of %llu roles that users should have after the upgrade are missing, the first is %s",
                         (unsigned long long)differences->missing, (unsigned long long)differences->compared,
                         differences->first_missing);
    }
    return differences->added == 0
               ? 0
               : error_set(error, CSN_SEQUENCE_VERIFY,
                           "users have %llu roles after the upgrade that they should not have, the first is %s",
                           (unsigned long long)differences->added, differences->first_added);
}

static uint64_t users_of(const struct assessment *after, const char *role)
{
    for (size_t i = 0; i < after->role_count; i++) {
        if (strcmp(after->roles[i].role, role) == 0) {
            return after->roles[i].users;
        }
    }
    return 0;
}

int assess_check_roles(const struct assess_subject *subject, yyjson_val *before, const struct assessment *after,
                       struct error *error)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    /* Several may become one, and a user may have had two of them: no sum can be asked for. */
    yyjson_arr_foreach(before, i, count, item)
    {
        uint64_t users = yyjson_get_uint(yyjson_obj_get(item, "users"));
        const char *role = yyjson_get_str(yyjson_obj_get(item, "role"));
        const char *end = yyjson_get_str(yyjson_obj_get(item, "becomes"));
        uint64_t now = end == NULL || strcmp(end, "-") == 0 ? users : users_of(after, end);
        if (now < users) {
            return error_set(error, CSN_SEQUENCE_VERIFY,
                             "the %llu users of the role \"%s\" should have become \"%s\", which %llu users have",
                             (unsigned long long)users, role == NULL ? "" : role, end, (unsigned long long)now);
        }
    }
    return check_unexpected(subject, before, after, error);
}
