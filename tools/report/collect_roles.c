/*
 * collect_roles.c - roles before and after: which became which by whose line of the map, and how many users had and have it.
 */
#include "report/collect.h"

#include <string.h>

/* How many users: the number, or the length of the list of their names. */
static int64_t count_users(yyjson_val *role)
{
    yyjson_val *users = yyjson_obj_get(role, "users");
    return yyjson_is_arr(users) ? (int64_t)yyjson_arr_size(users) : collect_as_number(users);
}

/* Users of the role after the upgrade; -1 where it is not in the list. */
static int64_t users_after(yyjson_val *list, const char *role)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, count, item)
    {
        if (strcmp(journal_get(item, "role"), role) == 0) {
            return count_users(item);
        }
    }
    return -1;
}

static bool is_led_to(yyjson_val *list, const char *role)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, count, item)
    {
        if (strcmp(journal_get(item, "becomes"), role) == 0) {
            return true;
        }
    }
    return false;
}

static void add_old_roles(struct collect *collect, yyjson_mut_val *list, yyjson_val *old, yyjson_val *new)
{
    size_t i;
    size_t count;
    yyjson_val *role;
    yyjson_arr_foreach(old, i, count, role)
    {
        yyjson_mut_val *item = collect_item(collect, list);
        collect_copy(collect, item, role, "role", "becomes", "lines", NULL);
        int64_t before = count_users(role);
        int64_t after = new == NULL ? -1 : users_after(new, journal_get(role, "becomes"));
        if (before >= 0) {
            collect_number(collect, item, "users_before", before);
        }
        if (after >= 0) {
            collect_number(collect, item, "users_after", after);
        }
    }
}

static void add_new_roles(struct collect *collect, yyjson_mut_val *list, yyjson_val *old, yyjson_val *new)
{
    size_t i;
    size_t count;
    yyjson_val *role;
    yyjson_arr_foreach(new, i, count, role)
    {
        if (!is_led_to(old, journal_get(role, "role"))) {
            yyjson_mut_val *item = collect_item(collect, list);
            int64_t users = count_users(role);
            collect_text(collect, item, "becomes", journal_get(role, "role"));
            if (users >= 0) {
                collect_number(collect, item, "users_after", users);
            }
        }
    }
}

void collect_roles(struct collect *collect)
{
    yyjson_val *before = collect_last(collect, "assessment");
    yyjson_val *after = collect_last(collect, "roles-after");
    if (yyjson_arr_size(yyjson_obj_get(before, "roles")) == 0) { /* the profile asks for each user's only */
        before = collect_last(collect, "user-roles");
        after = collect_last(collect, "user-roles-after");
    }
    yyjson_val *old = yyjson_obj_get(before, "roles");
    yyjson_val *new = yyjson_obj_get(after, "roles");
    if (yyjson_arr_size(old) + yyjson_arr_size(new) == 0) {
        return;
    }
    yyjson_mut_val *object = collect_object(collect, collect->root, "roles");
    collect_seq(collect, object, "before_record", before);
    collect_seq(collect, object, "after_record", after);
    yyjson_mut_val *list = collect_list(collect, object, "items");
    add_old_roles(collect, list, old, new);
    add_new_roles(collect, list, old, new);
}
