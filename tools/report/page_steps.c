/*
 * page_steps.c - the steps on a time line (an SVG bar a row, each beginning where the one before ended, so that hours in which
 * nothing ran take no room), then migrations and checks.
 */
#include "report/page.h"

#include <string.h>

#include "report/html.h"

#define LINE 1000.0 /* length of the time line in SVG units */

struct line {
    double total_ms;
    double at_ms;
};

static void add_bar(const struct page *page, struct line *line, double ms, const char *colour)
{
    double begin = line->total_ms <= 0 ? 0 : line->at_ms / line->total_ms * LINE;
    double length = line->total_ms <= 0 ? 0 : ms / line->total_ms * LINE;
    length = length < 4 ? 4 : length;
    begin = begin + length > LINE ? LINE - length : begin;
    buffer_format(page->out,
                  "<svg class=\"bar %s\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
                  "<rect class=\"track\" x=\"0\" y=\"4\" width=\"1000\" height=\"2\" />"
                  "<rect class=\"took\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"10\" /></svg>\n",
                  colour, begin, length);
    line->at_ms += ms;
}

static const char *colour_of(const char *result)
{
    return strcmp(result, "done") == 0 || strcmp(result, "passed") == 0 ? "good"
           : strcmp(result, "failed") == 0                              ? "bad"
                                                                        : "mind";
}

static void add_times(const struct page *page, yyjson_val *item, const char *first, const char *second)
{
    buffer_string(page->out, " · ");
    html_value(page->out, html_of_time(journal_get(item, "begun")));
    html_record(page->out, journal_get_number(item, first));
    html_record(page->out, journal_get_number(item, second));
}

/* An older journal, or one of a kernel that does not count, does not say. */
static bool has_traffic(yyjson_val *step)
{
    return yyjson_is_uint(yyjson_obj_get(step, "read_bytes")) && yyjson_is_uint(yyjson_obj_get(step, "written_bytes"));
}

static bool any_has_traffic(yyjson_val *steps)
{
    size_t i;
    size_t count;
    yyjson_val *step;
    yyjson_arr_foreach(steps, i, count, step)
    {
        if (has_traffic(step)) {
            return true;
        }
    }
    return false;
}

static void add_step(const struct page *page, struct line *line, yyjson_val *step)
{
    const char *result = journal_get(step, "result");
    const char *name = journal_get(step, "step");
    bool ended = yyjson_obj_get(step, "end_record") != NULL;
    buffer_string(page->out, "<li>\n<p class=\"row\"><span class=\"no\">");
    html_value(page->out, html_of_number(journal_get_number(step, "number")));
    buffer_string(page->out, "</span><b>");
    page_name(page, "step", name);
    buffer_string(page->out, "</b> ");
    page_badge(page, colour_of(result), "result", result);
    buffer_string(page->out, "<span class=\"ms\">");
    if (ended) {
        html_value(page->out, html_of_ms(page_ms(step, "ms")));
    }
    buffer_string(page->out, "</span></p>\n");
    add_bar(page, line, (double)page_ms(step, "ms"), colour_of(result));
    buffer_string(page->out, "<p class=\"does\">");
    page_name(page, "does", name[0] == '\0' ? "?" : name);
    if (has_traffic(step)) {
        buffer_string(page->out, " · ");
        HTML_SAY(page->out, "step.traffic", html_of_bytes(journal_get_number(step, "read_bytes")),
                 html_of_bytes(journal_get_number(step, "written_bytes")));
    }
    add_times(page, step, "begin_record", "end_record");
    buffer_string(page->out, "</p>\n<p class=\"detail\">");
    html_member(page->out, step, "detail");
    if (journal_get(step, "code")[0] != '\0') {
        buffer_string(page->out, "<code>");
        html_member(page->out, step, "code");
        buffer_string(page->out, "</code> ");
    }
    html_member(page->out, step, "message");
    buffer_string(page->out, "</p>\n</li>\n");
}

static void add_rollback(const struct page *page, struct line *line, yyjson_val *rollback)
{
    bool back = yyjson_obj_get(rollback, "back_record") != NULL;
    buffer_string(page->out, "<li>\n<p class=\"row\"><span class=\"no\">↩</span><b>");
    HTML_WORDS(page->out, "step.rollback");
    buffer_string(page->out, "</b> ");
    page_badge(page, back ? "good" : "mind", "result", back ? "done" : "open");
    buffer_string(page->out, "<span class=\"ms\">");
    if (back) {
        html_value(page->out, html_of_ms(page_ms(rollback, "ms")));
    }
    buffer_string(page->out, "</span></p>\n");
    add_bar(page, line, (double)(page_ms(rollback, "ms") + page_ms(rollback, "cleanup_ms")), "mind");
    buffer_string(page->out, "<p class=\"does\">");
    HTML_WORDS(page->out, "does.rollback");
    if (yyjson_obj_get(rollback, "swept_record") != NULL) {
        buffer_string(page->out, " · ");
        HTML_SAY(page->out, "rollback.swept", html_of_ms(page_ms(rollback, "cleanup_ms")));
        html_record(page->out, journal_get_number(rollback, "swept_record"));
    }
    add_times(page, rollback, "begin_record", "back_record");
    buffer_string(page->out, "</p>\n<p class=\"detail\">");
    html_member(page->out, rollback, "reason");
    buffer_string(page->out, "</p>\n</li>\n");
}

static void add_interruptions(const struct page *page)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_val *list = yyjson_obj_get(page->root, "interruptions");
    if (yyjson_arr_size(list) == 0) {
        return;
    }
    buffer_string(page->out, "<ul class=\"rests\">\n");
    yyjson_arr_foreach(list, i, count, item)
    {
        bool asked = strcmp(journal_get(item, "kind"), "rollback-asked") == 0;
        buffer_string(page->out, "<li class=\"mind\">");
        HTML_SAY(page->out, asked ? "interruption.asked" : "interruption.resumed",
                 html_of_time(journal_get(item, "time")));
        html_record(page->out, journal_get_number(item, "record"));
        buffer_string(page->out, "</li>\n");
    }
    buffer_string(page->out, "</ul>\n");
}

static double sum(yyjson_val *list, const char *key)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    double total = 0;
    yyjson_arr_foreach(list, i, count, item)
    {
        total += (double)page_ms(item, key);
    }
    return total;
}

void page_steps(const struct page *page)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_val *steps = yyjson_obj_get(page->root, "steps");
    yyjson_val *rollbacks = yyjson_obj_get(page->root, "rollbacks");
    if (yyjson_arr_size(steps) + yyjson_arr_size(rollbacks) == 0) {
        return;
    }
    struct line line = {.total_ms = sum(steps, "ms") + sum(rollbacks, "ms") + sum(rollbacks, "cleanup_ms")};
    page_open(page, "steps", "steps");
    buffer_string(page->out, "<p class=\"note\">");
    HTML_SAY(page->out, "steps.total", html_of_ms((int64_t)line.total_ms));
    if (any_has_traffic(steps)) {
        buffer_string(page->out, " ");
        HTML_WORDS(page->out, "steps.traffic");
    }
    buffer_string(page->out, "</p>\n");
    add_interruptions(page);
    buffer_string(page->out, "<ol class=\"line\">\n");
    yyjson_arr_foreach(steps, i, count, item)
    {
        add_step(page, &line, item);
    }
    yyjson_arr_foreach(rollbacks, i, count, item)
    {
        add_rollback(page, &line, item);
    }
    buffer_string(page->out, "</ol>\n");
    page_close(page);
}

/* --- migrations and checks ----------------------------------------------------------------------------------------- */

static void add_result(const struct page *page, yyjson_val *item)
{
    const char *result = journal_get(item, "result");
    buffer_string(page->out, "<td>");
    page_badge(page, colour_of(result), "result", result);
    buffer_string(page->out, "</td><td class=\"n\">");
    html_value(page->out, html_of_ms(page_ms(item, "ms")));
    buffer_string(page->out, "</td>");
}

static void add_named(const struct page *page, yyjson_val *item)
{
    buffer_string(page->out, "<tr><td><b>");
    html_member(page->out, item, "name");
    buffer_string(page->out, "</b>");
    html_record(page->out, journal_get_number(item, "record"));
    buffer_string(page->out, "<br />");
    html_member(page->out, item, "title");
    buffer_string(page->out, "</td>");
}

static void add_migrations(const struct page *page, yyjson_val *migrations)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    buffer_string(page->out, "<h3>");
    HTML_WORDS(page->out, "migrations");
    buffer_string(page->out, "</h3>\n");
    page_table(page, "column.migration", "column.package", "column.result", "#column.took", NULL);
    yyjson_arr_foreach(migrations, i, count, item)
    {
        add_named(page, item);
        page_cell_member(page, item, "package");
        add_result(page, item);
        buffer_string(page->out, "</tr>\n");
    }
    page_table_end(page);
}

void page_checks(const struct page *page)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_val *checks = yyjson_obj_get(page->root, "checks");
    yyjson_val *migrations = yyjson_obj_get(page->root, "migrations");
    if (yyjson_arr_size(checks) + yyjson_arr_size(migrations) == 0) {
        return;
    }
    page_open(page, "checks", "checks");
    if (yyjson_arr_size(migrations) > 0) {
        add_migrations(page, migrations);
    }
    if (yyjson_arr_size(checks) > 0) {
        buffer_string(page->out, "<h3>");
        HTML_WORDS(page->out, "checks.made");
        buffer_string(page->out, "</h3>\n");
        page_table(page, "column.check", "column.found", "column.result", "#column.took", NULL);
        yyjson_arr_foreach(checks, i, count, item)
        {
            add_named(page, item);
            page_cell_member(page, item, "detail");
            add_result(page, item);
            buffer_string(page->out, "</tr>\n");
        }
        page_table_end(page);
    }
    page_close(page);
}
