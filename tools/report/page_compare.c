/*
 * page_compare.c - before and after side by side: versions, rows of every table, attachments. Roles and sizes have
 * files of their own.
 */
#include "report/page.h"

#include <string.h>

#include "report/html.h"

static bool is_upgraded(const struct page *page)
{
    return strcmp(journal_get(yyjson_obj_get(page->root, "verdict"), "result"), "upgraded") == 0;
}

void page_compared(const struct page *page, const char *key, yyjson_val *object)
{
    buffer_string(page->out, "<h3>");
    HTML_WORDS(page->out, key);
    html_record(page->out, journal_get_number(object, "before_record"));
    html_record(page->out, journal_get_number(object, "after_record"));
    buffer_string(page->out, "</h3>\n");
}

static void add_versions(const struct page *page, yyjson_val *versions)
{
    const char *after = is_upgraded(page) ? "wanted" : "before";
    buffer_string(page->out, "<div class=\"pair\"><p><span>");
    HTML_WORDS(page->out, "before");
    buffer_string(page->out, "</span><b>");
    html_member(page->out, versions, "before");
    buffer_string(page->out, "</b>");
    html_record(page->out, journal_get_number(versions, "before_record"));
    buffer_string(page->out, "</p><p><span>");
    HTML_WORDS(page->out, "after");
    buffer_string(page->out, "</span><b>");
    if (strcmp(journal_get(yyjson_obj_get(page->root, "verdict"), "result"), "unfinished") == 0 ||
        yyjson_obj_get(versions, after) == NULL) {
        buffer_string(page->out, "?");
    } else {
        html_member(page->out, versions, after);
    }
    buffer_string(page->out, "</b>");
    html_record(page->out, is_upgraded(page) ? journal_get_number(versions, "wanted_record")
                                             : journal_get_number(yyjson_obj_get(page->root, "verdict"), "record"));
    buffer_string(page->out, "</p></div>\n");
}

/* --- tables -------------------------------------------------------------------------------------------------------- */

enum change { SAME, CONTENT, MORE, FEWER, ADDED, REMOVED, ONLY_BEFORE };

static enum change change_of(yyjson_val *table, bool have_after)
{
    yyjson_val *before = yyjson_obj_get(table, "before");
    yyjson_val *after = yyjson_obj_get(table, "after");
    if (!have_after) {
        return ONLY_BEFORE;
    }
    if (before == NULL || after == NULL) {
        return before == NULL ? ADDED : REMOVED;
    }
    int64_t old = yyjson_get_sint(before);
    int64_t new = yyjson_get_sint(after);
    return new < old                                               ? FEWER
           : new > old                                             ? MORE
           : yyjson_is_true(yyjson_obj_get(table, "same_content")) ? SAME
                                                                   : CONTENT;
}

static void add_table_row(const struct page *page, yyjson_val *table, enum change change, bool have_after)
{
    static const char *const names[] = {[SAME] = "same",   [CONTENT] = "content", [MORE] = "more",   [FEWER] = "fewer",
                                        [ADDED] = "added", [REMOVED] = "removed", [ONLY_BEFORE] = ""};
    bool mind = change == FEWER || change == REMOVED;
    buffer_string(page->out, "<tr><td><code>");
    html_member(page->out, table, "name");
    buffer_string(page->out, "</code></td>");
    page_cell_number(page, table, "before");
    if (have_after) {
        page_cell_number(page, table, "after");
        buffer_string(page->out, mind ? "<td class=\"mind\">" : "<td>");
        page_name(page, "table", names[change]);
        buffer_string(page->out, "</td>");
    }
    buffer_string(page->out, "</tr>\n");
}

/* The rows of all tables that changed (wanted), or of those that did not. */
static void list_tables(const struct page *page, yyjson_val *items, bool changed, bool have_after)
{
    size_t i;
    size_t count;
    yyjson_val *table;
    if (have_after) {
        page_table(page, "column.table", "#column.rows-before", "#column.rows-after", "column.change", NULL);
    } else {
        page_table(page, "column.table", "#column.rows-before", NULL);
    }
    yyjson_arr_foreach(items, i, count, table)
    {
        enum change change = change_of(table, have_after);
        bool same = change == SAME || change == ONLY_BEFORE;
        if (same != changed) {
            add_table_row(page, table, change, have_after);
        }
    }
    page_table_end(page);
}

static void add_tables(const struct page *page, yyjson_val *tables)
{
    size_t i;
    size_t count;
    yyjson_val *table;
    yyjson_val *items = yyjson_obj_get(tables, "items");
    bool have_after = yyjson_obj_get(tables, "after_record") != NULL;
    size_t changed = 0;
    yyjson_arr_foreach(items, i, count, table)
    {
        enum change change = change_of(table, have_after);
        changed += change != SAME && change != ONLY_BEFORE;
    }
    size_t same = yyjson_arr_size(items) - changed;
    page_compared(page, "tables", tables);
    buffer_string(page->out, "<p class=\"note\">");
    if (have_after) {
        HTML_SAY(page->out, "tables.counts", html_of_number(journal_get_number(tables, "before")),
                 html_of_number(journal_get_number(tables, "after")),
                 html_of_number(journal_get_number(tables, "fewer_rows")),
                 html_of_number(journal_get_number(tables, "removed")));
    } else {
        HTML_SAY(page->out, "tables.before", html_of_number(journal_get_number(tables, "before")));
    }
    if (journal_get_number(tables, "in_other_databases") > 0) {
        buffer_string(page->out, " ");
        HTML_SAY(page->out, "tables.outside", html_of_number(journal_get_number(tables, "in_other_databases")));
    }
    buffer_string(page->out, "</p>\n");
    if (changed > 0) {
        list_tables(page, items, true, have_after);
    }
    if (same > 0) {
        buffer_string(page->out, "<details><summary>");
        HTML_SAY(page->out, have_after ? "tables.same" : "tables.all", html_of_number((int64_t)same));
        buffer_string(page->out, "</summary>\n");
        list_tables(page, items, false, have_after);
        buffer_string(page->out, "</details>\n");
    }
}

/* --- attachments ----------------------------------------------------------------------------------------------------- */

static void add_attachments(const struct page *page, yyjson_val *attachments)
{
    static const char *const members[] = {"files", "rows", "missing", "unknown"};
    yyjson_val *before = yyjson_obj_get(attachments, "before");
    yyjson_val *after = yyjson_obj_get(attachments, "after");
    page_compared(page, "attachments", attachments);
    page_table(page, "column.counted", "#before", "#after", NULL);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (yyjson_obj_get(before, members[i]) == NULL && yyjson_obj_get(after, members[i]) == NULL) {
            continue;
        }
        buffer_string(page->out, "<tr><td>");
        page_name(page, "attachments", members[i]);
        buffer_string(page->out, "</td>");
        page_cell_number(page, before, members[i]);
        page_cell_number(page, after, members[i]);
        buffer_string(page->out, "</tr>\n");
    }
    page_table_end(page);
}

void page_compare(const struct page *page)
{
    yyjson_val *versions = yyjson_obj_get(page->root, "versions");
    yyjson_val *tables = yyjson_obj_get(page->root, "tables");
    yyjson_val *sizes = yyjson_obj_get(page->root, "sizes");
    yyjson_val *roles = yyjson_obj_get(page->root, "roles");
    yyjson_val *users = yyjson_obj_get(page->root, "user_roles");
    yyjson_val *attachments = yyjson_obj_get(page->root, "attachments");
    yyjson_val *orphans = yyjson_obj_get(page->root, "orphans");
    if (versions == NULL && tables == NULL && roles == NULL && users == NULL && attachments == NULL && sizes == NULL &&
        orphans == NULL) {
        return;
    }
    page_open(page, "compare", "compare");
    if (versions != NULL) {
        add_versions(page, versions);
    }
    bool measured = yyjson_obj_get(sizes, "after_record") != NULL || yyjson_obj_get(tables, "after_record") != NULL ||
                    yyjson_obj_get(roles, "after_record") != NULL || yyjson_obj_get(users, "after_record") != NULL ||
                    yyjson_obj_get(orphans, "after_record") != NULL;
    if (measured && !is_upgraded(page)) {
        buffer_string(page->out, "<p class=\"mind\">");
        HTML_WORDS(page->out, "compare.undone");
        buffer_string(page->out, "</p>\n");
    }
    if (tables != NULL) {
        add_tables(page, tables);
    }
    if (sizes != NULL) {
        page_sizes(page, sizes);
    }
    if (roles != NULL) {
        page_roles(page, roles);
    }
    if (users != NULL) {
        page_users(page, users);
    }
    if (attachments != NULL) {
        add_attachments(page, attachments);
    }
    page_orphans(page);
    page_close(page);
}
