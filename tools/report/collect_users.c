/*
 * collect_users.c - each user's roles: before, what the role maps make of them, and after. Named are the users whose roles are not what
 * the maps make of them, then those whose roles changed; all users are grouped by equal sets. Both lists are cut, the numbers are whole.
 */
#include "report/collect.h"

#include <stdlib.h>
#include <string.h>

#define USERS_LISTED 200
#define GROUPS_LISTED 100

enum set { BEFORE, EXPECTED, AFTER, SETS };

static const char *const set_names[SETS] = {"before", "expected", "after"};

struct grant {
    const char *user;
    const char *role;
    enum set set;
};

/* A user's grants lie together, set by set, each sorted. */
struct user {
    const struct grant *grants;
    size_t counts[SETS];
    bool changed;
    bool wrong;
};

struct group {
    const struct user *first;
    size_t users;
};

struct users {
    struct grant *grants;
    size_t grant_count;
    struct user *items; /* by name */
    size_t count;
    struct group *groups;
    size_t group_count;
    size_t changed, wrong, named; /* named: either */
    bool have_after;
};

/* --- reading --- */

static size_t count_users(yyjson_val *roles)
{
    size_t i;
    size_t count;
    size_t sum = 0;
    yyjson_val *item;
    yyjson_arr_foreach(roles, i, count, item)
    {
        sum += yyjson_arr_size(yyjson_obj_get(item, "users"));
    }
    return sum;
}

/* key: the member that names the role which these users have in that set. Such as become "-", or what no line says, have none. */
static void take_grants(struct users *users, yyjson_val *roles, const char *key, enum set set)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(roles, i, count, item)
    {
        size_t k;
        size_t length;
        yyjson_val *user;
        const char *role = yyjson_get_str(yyjson_obj_get(item, key));
        if (role == NULL || (set == EXPECTED && strcmp(role, "-") == 0)) {
            continue;
        }
        yyjson_arr_foreach(yyjson_obj_get(item, "users"), k, length, user)
        {
            if (yyjson_is_str(user)) {
                users->grants[users->grant_count++] = (struct grant){yyjson_get_str(user), role, set};
            }
        }
    }
}

static int compare_grants(const void *a, const void *b)
{
    const struct grant *left = a;
    const struct grant *right = b;
    int order = strcmp(left->user, right->user);
    if (order == 0) {
        order = (int)left->set - (int)right->set;
    }
    return order != 0 ? order : strcmp(left->role, right->role);
}

static void sort_grants(struct users *users)
{
    size_t kept = 0;
    qsort(users->grants, users->grant_count, sizeof users->grants[0], compare_grants);
    for (size_t i = 0; i < users->grant_count; i++) {
        if (kept == 0 || compare_grants(&users->grants[kept - 1], &users->grants[i]) != 0) {
            users->grants[kept++] = users->grants[i];
        }
    }
    users->grant_count = kept;
}

/* --- users and groups --- */

static const struct grant *set_of(const struct user *user, enum set set)
{
    const struct grant *begin = user->grants;
    for (int i = 0; i < (int)set; i++) {
        begin += user->counts[i];
    }
    return begin;
}

static int compare_sets(const struct user *left, enum set of_left, const struct user *right, enum set of_right)
{
    const struct grant *a = set_of(left, of_left);
    const struct grant *b = set_of(right, of_right);
    for (size_t i = 0; i < left->counts[of_left] && i < right->counts[of_right]; i++) {
        int order = strcmp(a[i].role, b[i].role);
        if (order != 0) {
            return order;
        }
    }
    return left->counts[of_left] < right->counts[of_right] ? -1 : left->counts[of_left] > right->counts[of_right];
}

/* Where nobody has looked after the upgrade, changed is what the maps will change. */
static void judge(struct users *users, struct user *user)
{
    enum set end = users->have_after ? AFTER : EXPECTED;
    user->changed = compare_sets(user, BEFORE, user, end) != 0;
    user->wrong = compare_sets(user, EXPECTED, user, end) != 0;
    users->changed += user->changed;
    users->wrong += user->wrong;
    users->named += user->changed || user->wrong;
}

static void find_users(struct users *users)
{
    for (size_t i = 0; i < users->grant_count;) {
        const char *name = users->grants[i].user;
        struct user *user = &users->items[users->count++];
        *user = (struct user){.grants = &users->grants[i]};
        for (; i < users->grant_count && strcmp(users->grants[i].user, name) == 0; i++) {
            user->counts[users->grants[i].set]++;
        }
        judge(users, user);
    }
}

static int compare_users(const void *a, const void *b)
{
    const struct user *left = *(const struct user *const *)a;
    const struct user *right = *(const struct user *const *)b;
    int order = 0;
    for (int set = 0; order == 0 && set < SETS; set++) {
        order = compare_sets(left, (enum set)set, right, (enum set)set);
    }
    return order;
}

/* Those that do not hold first, then the largest. */
static int compare_groups(const void *a, const void *b)
{
    const struct group *left = a;
    const struct group *right = b;
    if (left->first->wrong != right->first->wrong) {
        return left->first->wrong ? -1 : 1;
    }
    if (left->users != right->users) {
        return left->users > right->users ? -1 : 1;
    }
    return compare_users(&left->first, &right->first);
}

/* sorted: room for a pointer a user. */
static void find_groups(struct users *users, const struct user **sorted)
{
    for (size_t i = 0; i < users->count; i++) {
        sorted[i] = &users->items[i];
    }
    qsort(sorted, users->count, sizeof sorted[0], compare_users);
    for (size_t i = 0; i < users->count; i++) {
        if (i == 0 || compare_users(&sorted[i - 1], &sorted[i]) != 0) {
            users->groups[users->group_count++] = (struct group){.first = sorted[i]};
        }
        users->groups[users->group_count - 1].users++;
    }
    qsort(users->groups, users->group_count, sizeof users->groups[0], compare_groups);
}

/* --- writing --- */

static void add_sets(struct collect *collect, yyjson_mut_val *item, const struct users *users, const struct user *user)
{
    for (int set = 0; set < (users->have_after ? SETS : AFTER); set++) {
        const struct grant *grants = set_of(user, (enum set)set);
        yyjson_mut_val *list = collect_list(collect, item, set_names[set]);
        for (size_t i = 0; i < user->counts[set]; i++) {
            collect->failed |= !yyjson_mut_arr_add_strcpy(collect->document, list, grants[i].role);
        }
    }
    if (users->have_after) {
        collect_bool(collect, item, "holds", !user->wrong);
    }
}

static void add_users(struct collect *collect, yyjson_mut_val *object, const struct users *users)
{
    size_t listed = 0;
    yyjson_mut_val *list = collect_list(collect, object, "items");
    for (int wrong = 1; wrong >= 0; wrong--) {
        for (size_t i = 0; i < users->count && listed < USERS_LISTED; i++) {
            const struct user *user = &users->items[i];
            if (user->wrong == (wrong != 0) && (user->wrong || user->changed)) {
                yyjson_mut_val *item = collect_item(collect, list);
                collect_text(collect, item, "user", user->grants[0].user);
                add_sets(collect, item, users, user);
                listed++;
            }
        }
    }
}

static void add_groups(struct collect *collect, yyjson_mut_val *object, const struct users *users)
{
    yyjson_mut_val *list = collect_list(collect, object, "groups");
    for (size_t i = 0; i < users->group_count && i < GROUPS_LISTED; i++) {
        yyjson_mut_val *item = collect_item(collect, list);
        collect_number(collect, item, "users", (int64_t)users->groups[i].users);
        add_sets(collect, item, users, users->groups[i].first);
    }
}

static void write_users(struct collect *collect, const struct users *users, yyjson_val *before, yyjson_val *after)
{
    yyjson_mut_val *object = collect_object(collect, collect->root, "user_roles");
    collect_seq(collect, object, "before_record", before);
    collect_seq(collect, object, "after_record", users->have_after ? after : NULL);
    collect_number(collect, object, "users", (int64_t)users->count);
    collect_number(collect, object, "changed", (int64_t)users->changed);
    if (users->have_after) {
        collect_number(collect, object, "wrong", (int64_t)users->wrong);
        collect_bool(collect, object, "holds", users->wrong == 0);
    }
    collect_number(collect, object, "items_all", (int64_t)users->named);
    collect_number(collect, object, "items_most", USERS_LISTED);
    add_users(collect, object, users);
    collect_number(collect, object, "groups_all", (int64_t)users->group_count);
    collect_number(collect, object, "groups_most", GROUPS_LISTED);
    add_groups(collect, object, users);
}

void collect_users(struct collect *collect)
{
    yyjson_val *before = collect_last(collect, "user-roles");
    yyjson_val *after = collect_last(collect, "user-roles-after");
    yyjson_val *old = yyjson_obj_get(before, "roles");
    yyjson_val *new = yyjson_obj_get(after, "roles");
    struct users users = {.have_after = new != NULL};
    size_t most = 2 * count_users(old) + count_users(new);
    if (before == NULL || most == 0) {
        return;
    }
    users.grants = calloc(most, sizeof *users.grants);
    users.items = calloc(most, sizeof *users.items);
    users.groups = calloc(most, sizeof *users.groups);
    const struct user **sorted = calloc(most, sizeof *sorted);
    if (users.grants == NULL || users.items == NULL || users.groups == NULL || sorted == NULL) {
        collect->failed = true;
    } else {
        take_grants(&users, old, "role", BEFORE);
        take_grants(&users, old, "becomes", EXPECTED);
        take_grants(&users, new, "role", AFTER);
        sort_grants(&users);
        find_users(&users);
        find_groups(&users, sorted);
        write_users(collect, &users, before, after);
    }
    free(users.grants);
    free(users.items);
    free(users.groups);
    free(sorted);
}
