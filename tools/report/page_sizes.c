/*
 * page_sizes.c - how large the database was and is: totals, the largest tables, who was connected.
 */
#include "report/page.h"

#include <string.h>

#include "report/html.h"

static void add_bytes(const struct page *page, yyjson_val *value)
{
    if (yyjson_is_int(value)) {
        html_value(page->out, html_of_bytes(yyjson_get_sint(value)));
    } else {
        buffer_string(page->out, "–");
    }
}

static void add_growth(const struct page *page, yyjson_val *growth)
{
    buffer_string(page->out, "<td class=\"n\">");
    if (yyjson_is_int(growth) && yyjson_get_sint(growth) > 0) {
        buffer_string(page->out, "+");
    }
    add_bytes(page, growth);
    buffer_string(page->out, "</td>");
}

/* "before → after" of a member, in bytes or as a number; only one side where only one was looked at. */
static void add_pair(const struct page *page, yyjson_val *object, const char *key, bool bytes)
{
    static const char *const sides[] = {"before", "after"};
    bool first = true;
    buffer_string(page->out, "<td class=\"n\">");
    for (int side = 0; side < 2; side++) {
        yyjson_val *of = yyjson_obj_get(object, sides[side]);
        yyjson_val *value = yyjson_obj_get(of, key);
        if (of == NULL) {
            continue;
        }
        buffer_string(page->out, first ? "" : " → ");
        first = false;
        if (bytes || !yyjson_is_int(value)) {
            add_bytes(page, value);
        } else {
            html_value(page->out, html_of_number(yyjson_get_sint(value)));
        }
    }
    buffer_string(page->out, "</td>");
}

static void add_totals(const struct page *page, yyjson_val *sizes)
{
    static const struct {
        const char *key;
        bool bytes;
    } members[] = {{"database_bytes", true}, {"tables", false},    {"table_bytes", true}, {"index_bytes", true},
                   {"toast_bytes", true},    {"dead_rows", false}, {"bloat_bytes", true}};
    page_table(page, "column.counted", "#column.before-after", NULL);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        buffer_string(page->out, "<tr><td>");
        page_name(page, "sizes", members[i].key);
        buffer_string(page->out, "</td>");
        add_pair(page, sizes, members[i].key, members[i].bytes);
        buffer_string(page->out, "</tr>\n");
    }
    buffer_string(page->out, "<tr><td>");
    HTML_WORDS(page->out, "sizes.growth");
    buffer_string(page->out, "</td>");
    add_growth(page, yyjson_obj_get(sizes, "growth_bytes"));
    buffer_string(page->out, "</tr>\n");
    page_table_end(page);
}

static void add_tables(const struct page *page, yyjson_val *sizes)
{
    size_t i;
    size_t count;
    yyjson_val *table;
    yyjson_val *items = yyjson_obj_get(sizes, "items");
    if (yyjson_arr_size(items) == 0) {
        return;
    }
    buffer_string(page->out, "<details><summary>");
    HTML_SAY(page->out, "sizes.largest", html_of_number((int64_t)yyjson_arr_size(items)));
    buffer_string(page->out, "</summary>\n");
    page_table(page, "column.table", "#column.bytes", "#column.growth", "#column.table-bytes", "#column.index-bytes",
               "#column.toast-bytes", "#column.dead-rows", "#column.bloat", NULL);
    yyjson_arr_foreach(items, i, count, table)
    {
        buffer_string(page->out, "<tr><td><code>");
        html_member(page->out, table, "name");
        buffer_string(page->out, "</code></td>");
        add_pair(page, table, "bytes", true);
        add_growth(page, yyjson_obj_get(table, "growth_bytes"));
        add_pair(page, table, "table_bytes", true);
        add_pair(page, table, "index_bytes", true);
        add_pair(page, table, "toast_bytes", true);
        add_pair(page, table, "dead_rows", false);
        add_pair(page, table, "bloat_bytes", true);
        buffer_string(page->out, "</tr>\n");
    }
    page_table_end(page);
    buffer_string(page->out, "</details>\n");
}

/* What is said of one side in words: why nothing is known, whence the bloat, who was connected. */
static void add_notes(const struct page *page, yyjson_val *side, const char *when)
{
    if (side == NULL) {
        return;
    }
    bool unknown = yyjson_obj_get(side, "unknown") != NULL || yyjson_obj_get(side, "unknown64") != NULL;
    buffer_string(page->out, unknown ? "<p class=\"mind\">" : "<p class=\"note\">");
    HTML_WORDS(page->out, when);
    buffer_string(page->out, ": ");
    if (unknown) {
        HTML_WORDS(page->out, "sizes.unknown");
        buffer_string(page->out, " ");
        html_member(page->out, side, "unknown");
    } else {
        HTML_SAY(page->out, "sizes.bloat-by", html_of_number(journal_get_number(side, "bloat_measured")),
                 html_of_number(journal_get_number(side, "tables") - journal_get_number(side, "bloat_measured") -
                                journal_get_number(side, "bloat_unknown")),
                 html_of_number(journal_get_number(side, "bloat_unknown")));
    }
    buffer_string(page->out, " ");
    if (strcmp(journal_get(side, "server"), "live") != 0) {
        HTML_WORDS(page->out, "sizes.cold");
    }
    buffer_string(page->out, "</p>\n");
}

static void add_connections(const struct page *page, yyjson_val *side, const char *when)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_val *list = yyjson_obj_get(side, "connections");
    if (list == NULL) {
        return;
    }
    buffer_string(page->out, "<details><summary>");
    HTML_SAY(page->out, "sizes.connections", html_of_words(when), html_of_number((int64_t)yyjson_arr_size(list)));
    buffer_string(page->out, "</summary>\n");
    page_table(page, "#column.connections", "column.state", "column.application", "column.client", NULL);
    yyjson_arr_foreach(list, i, count, item)
    {
        if (i == PAGE_LISTED) {
            break;
        }
        buffer_string(page->out, "<tr>");
        page_cell_number(page, item, "count");
        page_cell_member(page, item, "state");
        page_cell_member(page, item, "application");
        page_cell_member(page, item, "client");
        buffer_string(page->out, "</tr>\n");
    }
    page_table_end(page);
    page_more(page, yyjson_arr_size(list));
    buffer_string(page->out, "</details>\n");
}

void page_sizes(const struct page *page, yyjson_val *sizes)
{
    yyjson_val *before = yyjson_obj_get(sizes, "before");
    yyjson_val *after = yyjson_obj_get(sizes, "after");
    page_compared(page, "sizes", sizes);
    add_notes(page, before, "before");
    add_notes(page, after, "after");
    if (yyjson_obj_get(before, "database_bytes") != NULL || yyjson_obj_get(after, "database_bytes") != NULL) {
        add_totals(page, sizes);
    }
    add_tables(page, sizes);
    add_connections(page, before, "before");
    add_connections(page, after, "after");
}
