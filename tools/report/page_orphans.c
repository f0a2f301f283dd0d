/*
 * page_orphans.c - rows whose owner is gone, before and after, with the first of them.
 */
#include "report/page.h"

#include "report/html.h"

#define FIRST 5

static void add_row(const struct page *page, yyjson_val *item)
{
    yyjson_val *before = yyjson_obj_get(item, "before");
    yyjson_val *after = yyjson_obj_get(item, "after");
    bool mind = before != NULL && after != NULL && yyjson_get_sint(after) > yyjson_get_sint(before);
    size_t i;
    size_t count;
    yyjson_val *example;
    buffer_string(page->out, "<tr><td>");
    html_member(page->out, item, "title");
    buffer_string(page->out, mind ? " <span class=\"mind\">" : "");
    if (mind) {
        HTML_WORDS(page->out, "orphans.more");
        buffer_string(page->out, "</span>");
    }
    buffer_string(page->out, "</td>");
    page_cell_number(page, item, "before");
    page_cell_number(page, item, "after");
    buffer_string(page->out, "<td>");
    yyjson_arr_foreach(yyjson_obj_get(item, "examples"), i, count, example)
    {
        if (i < FIRST) {
            buffer_string(page->out, i == 0 ? "<code>" : " <code>");
            html_member(page->out, example, "row");
            buffer_string(page->out, "</code>");
        }
    }
    buffer_string(page->out, "</td></tr>\n");
}

void page_orphans(const struct page *page)
{
    yyjson_val *orphans = yyjson_obj_get(page->root, "orphans");
    size_t i;
    size_t count;
    yyjson_val *item;
    if (orphans == NULL) {
        return;
    }
    buffer_string(page->out, "<h3>");
    HTML_WORDS(page->out, "orphans");
    html_record(page->out, journal_get_number(orphans, "before_record"));
    html_record(page->out, journal_get_number(orphans, "after_record"));
    buffer_string(page->out, "</h3>\n");
    page_table(page, "column.orphans", "#before", "#after", "column.first", NULL);
    yyjson_arr_foreach(yyjson_obj_get(orphans, "items"), i, count, item)
    {
        add_row(page, item);
    }
    page_table_end(page);
}
