/*
 * user_roles.c - who has which role, before and after: each user's own, not only how many there are of each.
 */
#include "assess/user_roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/json.h"

#define PAIRS_LIMIT 500000

/* --- reading --- */

struct reading {
    yyjson_mut_doc *document;
    yyjson_mut_val *roles; /* {role, users: [...]}, in the order of their first user */
    yyjson_mut_val *last;  /* the users of the role at hand: the rows need not be sorted, but mostly are */
    struct buffer name;    /* of that role */
    uint64_t pairs;
};

static yyjson_mut_val *users_of(struct reading *reading, const char *role, size_t size_bytes)
{
    size_t i;
    size_t count;
    yyjson_mut_val *item;
    if (reading->last != NULL && reading->name.size == size_bytes &&
        memcmp(reading->name.data, role, size_bytes) == 0) {
        return reading->last;
    }
    buffer_clear(&reading->name);
    buffer_append(&reading->name, role, size_bytes);
    reading->last = NULL;
    yyjson_mut_arr_foreach(reading->roles, i, count, item)
    {
        yyjson_mut_val *name = yyjson_mut_obj_get(item, "role");
        if (yyjson_mut_get_len(name) == size_bytes && memcmp(yyjson_mut_get_str(name), role, size_bytes) == 0) {
            reading->last = yyjson_mut_obj_get(item, "users");
            return reading->last;
        }
    }
    item = yyjson_mut_arr_add_obj(reading->document, reading->roles);
    yyjson_mut_obj_add_strncpy(reading->document, item, "role", role, size_bytes);
    reading->last = yyjson_mut_obj_add_arr(reading->document, item, "users");
    return reading->last;
}

static int take_pair(void *context, const struct query_row *row, struct error *error)
{
    struct reading *reading = context;
    if (row->column_count != 2) {
        return error_set(error, CSN_TARGET_PROFILE, "[queries] user-roles gives %d columns, expected are user and role",
                         row->column_count);
    }
    if (row->values[0] == NULL || row->values[1] == NULL) {
        return 0;
    }
    yyjson_mut_val *users = users_of(reading, row->values[1], row->sizes[1]);
    reading->pairs++;
    return users != NULL && yyjson_mut_arr_add_strncpy(reading->document, users, row->values[0], row->sizes[0])
               ? 0
               : error_set(error, CSN_MEMORY, "no memory for the roles of users");
}

int user_roles_read(const struct query_target *database, const char *query, yyjson_mut_doc *document,
                    yyjson_mut_val *object, struct error *error)
{
    struct reading reading = {.document = document};
    struct query_limits limits = {.timeout_sec = 600, .rows = PAIRS_LIMIT};
    struct query_session *session = NULL;
    reading.roles = yyjson_mut_obj_add_arr(document, object, "roles");
    if (reading.roles == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the roles of users");
    }
    int result = query_open(database, 0, &session, error) != 0
                     ? -1
                     : query_run(session, query, NULL, 0, &limits, take_pair, &reading, error);
    query_close(session);
    buffer_free(&reading.name);
    yyjson_mut_obj_add_uint(document, object, "pairs", reading.pairs);
    return result != 0 ? -1 : json_mend(document, error);
}

/* --- comparing --- */

struct pair {
    const char *user;
    const char *role;
};

struct pairs {
    struct pair *items; /* sorted, each once */
    size_t count;
};

static int compare(const void *a, const void *b)
{
    const struct pair *first = a;
    const struct pair *second = b;
    int order = strcmp(first->user, second->user);
    return order != 0 ? order : strcmp(first->role, second->role);
}

static void sort(struct pairs *pairs)
{
    size_t kept = 0;
    if (pairs->count > 1) {
        qsort(pairs->items, pairs->count, sizeof pairs->items[0], compare);
    }
    for (size_t i = 0; i < pairs->count; i++) {
        if (kept == 0 || compare(&pairs->items[kept - 1], &pairs->items[i]) != 0) {
            pairs->items[kept++] = pairs->items[i];
        }
    }
    pairs->count = kept;
}

/* becomes NULL: as it is. A role that becomes "-", or that no map has a line for, gives nothing: that is another check's. */
static int collect(yyjson_val *record, user_roles_becomes *becomes, void *context, struct pairs *pairs,
                   struct error *error)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    *pairs =
        (struct pairs){.items = calloc(yyjson_get_uint(yyjson_obj_get(record, "pairs")) + 1, sizeof *pairs->items)};
    if (pairs->items == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the roles of users");
    }
    size_t room = yyjson_get_uint(yyjson_obj_get(record, "pairs"));
    yyjson_arr_foreach(yyjson_obj_get(record, "roles"), i, count, item)
    {
        const char *role = yyjson_get_str(yyjson_obj_get(item, "role"));
        const char *end = role == NULL || becomes == NULL ? role : becomes(context, role);
        size_t k;
        size_t users;
        yyjson_val *user;
        yyjson_arr_foreach(yyjson_obj_get(item, "users"), k, users, user)
        {
            if (end != NULL && strcmp(end, "-") != 0 && yyjson_is_str(user) && pairs->count < room) {
                pairs->items[pairs->count++] = (struct pair){.user = yyjson_get_str(user), .role = end};
            }
        }
    }
    sort(pairs);
    return 0;
}

static void note(struct user_roles_differences *differences, const struct pair *pair, bool missing)
{
    uint64_t *number = missing ? &differences->missing : &differences->added;
    if ((*number)++ == 0) {
        snprintf(missing ? differences->first_missing : differences->first_added, USER_ROLES_TEXT_SIZE,
                 "%.80s: \"%.80s\"", pair->user, pair->role);
    }
}

int user_roles_compare(yyjson_val *before, yyjson_val *after, user_roles_becomes *becomes, void *context,
                       struct user_roles_differences *differences, struct error *error)
{
    struct pairs wanted = {.items = NULL};
    struct pairs there = {.items = NULL};
    *differences = (struct user_roles_differences){.missing = 0};
    int result =
        collect(before, becomes, context, &wanted, error) != 0 ? -1 : collect(after, NULL, NULL, &there, error);
    size_t i = 0;
    size_t k = 0;
    while (result == 0 && (i < wanted.count || k < there.count)) {
        int order = i == wanted.count ? 1 : k == there.count ? -1 : compare(&wanted.items[i], &there.items[k]);
        if (order < 0) {
            note(differences, &wanted.items[i], true);
        } else if (order > 0) {
            note(differences, &there.items[k], false);
        }
        i += order <= 0 ? 1 : 0;
        k += order >= 0 ? 1 : 0;
    }
    differences->compared = wanted.count;
    free(wanted.items);
    free(there.items);
    return result;
}
