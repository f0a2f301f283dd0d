/*
 * page_roles.c - old roles and new ones by the lines of the maps; each user's roles before, by the map, and after. Names are cut here,
 * not in report.json.
 */
#include "report/page.h"

#include <string.h>

#include "lib/json.h"
#include "lib/text.h"
#include "report/html.h"

#define NAME_SHOWN 120 /* bytes */
#define ROLES_SHOWN 20 /* of one set */

static void show(const struct page *page, const char *name, size_t size_bytes)
{
    size_t shown = size_bytes <= NAME_SHOWN ? size_bytes : (size_t)utf8_cut(name, NAME_SHOWN);
    buffer_string(page->out, "<bdi>");
    html_text(page->out, name, shown);
    buffer_string(page->out, shown < size_bytes ? "…</bdi>" : "</bdi>");
}

static void show_member(const struct page *page, yyjson_val *object, const char *key)
{
    struct buffer bytes = {0};
    if (json_get_bytes(object, key, &bytes) && bytes.size > 0) {
        show(page, bytes.data, bytes.size);
    }
    buffer_free(&bytes);
}

static void add_cell(const struct page *page, yyjson_val *object, const char *key)
{
    buffer_string(page->out, "<td>");
    show_member(page, object, key);
    buffer_string(page->out, "</td>");
}

/* --- roles --------------------------------------------------------------------------------------------------------- */

static void add_lines(const struct page *page, yyjson_val *role)
{
    size_t i;
    size_t count;
    yyjson_val *line;
    buffer_string(page->out, "<td>");
    yyjson_arr_foreach(yyjson_obj_get(role, "lines"), i, count, line)
    {
        buffer_string(page->out, i == 0 ? "" : "<br />");
        if (yyjson_obj_get(line, "package") == NULL && yyjson_obj_get(line, "package64") == NULL) {
            HTML_WORDS(page->out, "role.job");
        } else {
            show_member(page, line, "package");
        }
        buffer_string(page->out, ": ");
        show_member(page, line, "from");
        buffer_string(page->out, " = ");
        show_member(page, line, "to");
    }
    if (yyjson_obj_get(role, "lines") == NULL) {
        buffer_string(page->out, "–");
    } else if (yyjson_obj_get(role, "becomes") == NULL) {
        buffer_string(page->out, count > 0 ? "<br />" : "");
        HTML_WORDS(page->out, "role.no-line");
    }
    buffer_string(page->out, "</td>");
}

void page_roles(const struct page *page, yyjson_val *roles)
{
    size_t i;
    size_t count;
    yyjson_val *role;
    page_compared(page, "roles", roles);
    page_table(page, "column.role", "#column.users-before", "column.becomes", "column.line", "#column.users-after",
               NULL);
    yyjson_arr_foreach(yyjson_obj_get(roles, "items"), i, count, role)
    {
        buffer_string(page->out, "<tr>");
        add_cell(page, role, "role");
        page_cell_number(page, role, "users_before");
        if (strcmp(journal_get(role, "becomes"), "-") == 0) {
            buffer_string(page->out, "<td class=\"mind\">");
            HTML_WORDS(page->out, "role.gone");
            buffer_string(page->out, "</td>");
        } else {
            add_cell(page, role, "becomes");
        }
        add_lines(page, role);
        page_cell_number(page, role, "users_after");
        buffer_string(page->out, "</tr>\n");
    }
    page_table_end(page);
}

/* --- users --------------------------------------------------------------------------------------------------------- */

static void add_set(const struct page *page, yyjson_val *item, const char *key)
{
    size_t i;
    size_t count;
    yyjson_val *role;
    yyjson_val *set = yyjson_obj_get(item, key);
    buffer_string(page->out, "<td>");
    yyjson_arr_foreach(set, i, count, role)
    {
        if (i == ROLES_SHOWN) {
            buffer_string(page->out, ", ");
            HTML_SAY(page->out, "users.more", html_of_number((int64_t)(count - i)));
            break;
        }
        buffer_string(page->out, i == 0 ? "" : ", ");
        show(page, yyjson_get_str(role), yyjson_get_len(role));
    }
    if (set != NULL && yyjson_arr_size(set) == 0) {
        HTML_WORDS(page->out, "users.none");
    }
    buffer_string(page->out, "</td>");
}

/* The three sets of a user or a group, and whether they hold, which nobody knows who has not looked after the upgrade. */
static void add_sets(const struct page *page, yyjson_val *item, bool have_after)
{
    add_set(page, item, "before");
    add_set(page, item, "expected");
    if (have_after) {
        bool holds = yyjson_is_true(yyjson_obj_get(item, "holds"));
        add_set(page, item, "after");
        buffer_string(page->out, "<td>");
        page_badge(page, holds ? "good" : "bad", "users", holds ? "holds" : "wrong");
        buffer_string(page->out, "</td>");
    }
    buffer_string(page->out, "</tr>\n");
}

static void open_table(const struct page *page, const char *first, bool have_after)
{
    if (have_after) {
        page_table(page, first, "column.roles-before", "column.roles-expected", "column.roles-after", "column.holds",
                   NULL);
    } else {
        page_table(page, first, "column.roles-before", "column.roles-expected", NULL);
    }
}

static void add_users(const struct page *page, yyjson_val *users, bool have_after)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_val *items = yyjson_obj_get(users, "items");
    if (yyjson_arr_size(items) == 0) {
        return;
    }
    buffer_string(page->out, "<p class=\"note\">");
    HTML_SAY(page->out, "users.listed", html_of_number(journal_get_number(users, "items_most")),
             html_of_number((int64_t)yyjson_arr_size(items)), html_of_number(journal_get_number(users, "items_all")));
    buffer_string(page->out, "</p>\n");
    open_table(page, "column.user", have_after);
    yyjson_arr_foreach(items, i, count, item)
    {
        buffer_string(page->out, "<tr>");
        add_cell(page, item, "user");
        add_sets(page, item, have_after);
    }
    page_table_end(page);
}

static void add_groups(const struct page *page, yyjson_val *users, bool have_after)
{
    size_t i;
    size_t count;
    yyjson_val *group;
    yyjson_val *groups = yyjson_obj_get(users, "groups");
    buffer_string(page->out, "<details><summary>");
    HTML_SAY(page->out, "users.groups", html_of_number((int64_t)yyjson_arr_size(groups)),
             html_of_number(journal_get_number(users, "groups_all")));
    buffer_string(page->out, "</summary>\n");
    open_table(page, "#column.users", have_after);
    yyjson_arr_foreach(groups, i, count, group)
    {
        buffer_string(page->out, "<tr>");
        page_cell_number(page, group, "users");
        add_sets(page, group, have_after);
    }
    page_table_end(page);
    buffer_string(page->out, "</details>\n");
}

void page_users(const struct page *page, yyjson_val *users)
{
    bool have_after = yyjson_obj_get(users, "holds") != NULL;
    bool wrong = have_after && !yyjson_is_true(yyjson_obj_get(users, "holds"));
    page_compared(page, "users", users);
    buffer_string(page->out, wrong ? "<p class=\"mind\">" : "<p class=\"note\">");
    if (have_after) {
        HTML_SAY(page->out, "users.counts", html_of_number(journal_get_number(users, "users")),
                 html_of_number(journal_get_number(users, "changed")),
                 html_of_number(journal_get_number(users, "wrong")));
    } else {
        HTML_SAY(page->out, "users.before", html_of_number(journal_get_number(users, "users")),
                 html_of_number(journal_get_number(users, "changed")));
    }
    buffer_string(page->out, "</p>\n");
    add_users(page, users, have_after);
    add_groups(page, users, have_after);
}
