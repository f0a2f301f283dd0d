/*
 * page_changes.c - what was found and who accepted it, what the site had changed and what became of it, what was done to the
 * server and what of it stays.
 */
#include "report/page.h"

#include <string.h>

#include "report/html.h"

/* --- findings ------------------------------------------------------------------------------------------------------ */

static void add_finding(const struct page *page, yyjson_val *finding, yyjson_val *findings)
{
    const char *severity = journal_get(finding, "severity");
    bool warning = strcmp(severity, "warning") == 0;
    const char *colour = strcmp(severity, "blocker") == 0 ? "bad" : warning ? "mind" : "calm";
    buffer_string(page->out, "<tr><td>");
    page_badge(page, colour, "severity", severity);
    buffer_string(page->out, " <b>");
    page_name(page, "finding", journal_get(finding, "check"));
    buffer_string(page->out, "</b> <code class=\"calm\">");
    html_member(page->out, finding, "check");
    buffer_string(page->out, "</code><br />");
    html_member(page->out, finding, "what");
    if (journal_get(finding, "code")[0] != '\0') {
        buffer_string(page->out, " <code>");
        html_member(page->out, finding, "code");
        buffer_string(page->out, "</code>");
    }
    buffer_string(page->out, "</td><td>");
    const char *by = journal_get(findings, "approved_by");
    if (warning && yyjson_is_true(yyjson_obj_get(finding, "accepted"))) {
        if (by[0] != '\0') {
            HTML_SAY(page->out, "accepted.by", html_of(by));
        } else {
            HTML_WORDS(page->out, "accepted.job");
        }
    } else if (warning) {
        HTML_WORDS(page->out, "accepted.not");
    }
    buffer_string(page->out, "</td></tr>\n");
}

void page_findings(const struct page *page)
{
    static const char *const order[] = {"blocker", "warning", "remark"};
    size_t i;
    size_t count;
    yyjson_val *finding;
    yyjson_val *findings = yyjson_obj_get(page->root, "findings");
    yyjson_val *items = yyjson_obj_get(findings, "items");
    if (findings == NULL) {
        return;
    }
    page_open(page, "findings", "findings");
    buffer_string(page->out, "<p class=\"note\">");
    HTML_SAY(page->out, yyjson_arr_size(items) == 0 ? "findings.none" : "findings.count",
             html_of_number((int64_t)yyjson_arr_size(items)));
    html_record(page->out, journal_get_number(findings, "record"));
    if (journal_get_number(findings, "assessments") > 1) {
        buffer_string(page->out, " ");
        HTML_SAY(page->out, "findings.again", html_of_number(journal_get_number(findings, "assessments")));
    }
    buffer_string(page->out, "</p>\n");
    if (yyjson_arr_size(items) > 0) {
        page_table(page, "column.finding", "column.accepted", NULL);
        for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
            yyjson_arr_foreach(items, i, count, finding)
            {
                if (strcmp(journal_get(finding, "severity"), order[k]) == 0) {
                    add_finding(page, finding, findings);
                }
            }
        }
        page_table_end(page);
    }
    page_close(page);
}

/* --- the site's changes -------------------------------------------------------------------------------------------- */

static void add_paths(const struct page *page, const char *name, yyjson_val *list, int64_t whole)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    size_t listed = yyjson_arr_size(list);
    size_t total = whole > (int64_t)listed ? (size_t)whole : listed;
    if (listed == 0) {
        return;
    }
    buffer_string(page->out, "<h3>");
    page_name(page, "site", name);
    buffer_string(page->out, " <span class=\"count\">");
    html_value(page->out, html_of_number((int64_t)total));
    buffer_string(page->out, "</span></h3>\n<p class=\"note\">");
    char key[64];
    snprintf(key, sizeof key, "site.%s.means", name);
    HTML_WORDS(page->out, key);
    buffer_string(page->out, "</p>\n<ul class=\"paths\">\n");
    yyjson_arr_foreach(list, i, count, item)
    {
        if (i >= PAGE_LISTED) {
            break;
        }
        buffer_string(page->out, "<li><code>");
        html_member(page->out, item, "path");
        buffer_string(page->out, "</code>");
        if (journal_get(item, "answer")[0] != '\0') {
            buffer_string(page->out, " ");
            page_badge(page, "calm", "answer", journal_get(item, "answer"));
        }
        if (yyjson_is_true(yyjson_obj_get(item, "executable"))) {
            buffer_string(page->out, " ");
            page_badge(page, "mind", "site", "executable");
        }
        buffer_string(page->out, "</li>\n");
    }
    buffer_string(page->out, "</ul>\n");
    page_more(page, total);
}

void page_site_changes(const struct page *page)
{
    static const char *const names[][2] = {
        /* list, its count */
        {"conflicts", "conflict"},
        {"site_changed", "site-changed"},
        {"site_removed", "site-removed"},
        {"site_attributes", ""},
        {"kept", "kept"},
        {"foreign", "foreign"},
        {"unknown", "unknown"},
    };
    yyjson_val *changes = yyjson_obj_get(page->root, "site_changes");
    if (changes == NULL) {
        return;
    }
    yyjson_val *lists = yyjson_obj_get(changes, "lists");
    yyjson_val *counts = yyjson_obj_get(changes, "counts");
    page_open(page, "site", "site");
    buffer_string(page->out, "<p class=\"note\">");
    bool carried = yyjson_is_true(yyjson_obj_get(changes, "carried_over"));
    HTML_WORDS(page->out, yyjson_obj_size(lists) == 0 ? "site.none" : carried ? "site.carried" : "site.found");
    html_record(page->out, journal_get_number(changes, "record"));
    buffer_string(page->out, "</p>\n");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        add_paths(page, names[i][0], yyjson_obj_get(lists, names[i][0]), journal_get_number(counts, names[i][1]));
    }
    page_close(page);
}

/* --- what stays on the server -------------------------------------------------------------------------------------- */

static void add_stays(const struct page *page, yyjson_val *stays)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    page_table(page, "column.path", "column.is", NULL);
    yyjson_arr_foreach(stays, i, count, item)
    {
        buffer_string(page->out, "<tr><td><code>");
        html_member(page->out, item, "path");
        buffer_string(page->out, "</code>");
        html_record(page->out, journal_get_number(item, "record"));
        buffer_string(page->out, "</td><td>");
        page_name(page, "stays", journal_get(item, "what"));
        if (yyjson_obj_get(item, "of") != NULL) {
            buffer_string(page->out, " <code>");
            html_member(page->out, item, "of");
            buffer_string(page->out, "</code>");
        }
        if (journal_get(item, "keep_until")[0] != '\0') {
            buffer_string(page->out, "<br />");
            HTML_SAY(page->out, "stays.until", html_of_time(journal_get(item, "keep_until")));
        }
        buffer_string(page->out, "</td></tr>\n");
    }
    page_table_end(page);
}

static void add_deed(const struct page *page, yyjson_val *deed)
{
    int64_t done = journal_get_number(deed, "done_record");
    int64_t undone = journal_get_number(deed, "undone_record");
    buffer_string(page->out, "<tr><td>");
    page_name(page, "step", journal_get(deed, "step"));
    html_record(page->out, journal_get_number(deed, "record"));
    buffer_string(page->out, "</td><td>");
    page_name(page, "deed", journal_get(deed, "deed"));
    buffer_string(page->out, "<br /><code>");
    html_member(page->out, deed, "path");
    buffer_string(page->out, "</code>");
    if (journal_get(deed, "other")[0] != '\0') {
        buffer_string(page->out, " ⇄ <code>");
        html_member(page->out, deed, "other");
        buffer_string(page->out, "</code>");
    }
    buffer_string(page->out, "</td><td>");
    page_badge(page,
               undone > 0 ? "calm"
               : done > 0 ? "good"
                          : "mind",
               "state",
               undone > 0 ? "undone"
               : done > 0 ? "done"
                          : "begun");
    html_record(page->out, undone > 0 ? undone : done);
    buffer_string(page->out, "</td></tr>\n");
}

static void add_deeds(const struct page *page, yyjson_val *deeds)
{
    size_t i;
    size_t count;
    yyjson_val *deed;
    buffer_string(page->out, "<details><summary>");
    HTML_SAY(page->out, "deeds", html_of_number((int64_t)yyjson_arr_size(deeds)));
    buffer_string(page->out, "</summary>\n");
    page_table(page, "column.step", "column.deed", "column.state", NULL);
    yyjson_arr_foreach(deeds, i, count, deed)
    {
        if (i >= 10 * PAGE_LISTED) {
            break;
        }
        add_deed(page, deed);
    }
    page_table_end(page);
    buffer_string(page->out, "</details>\n");
}

static void add_writes(const struct page *page)
{
    size_t i;
    size_t count;
    size_t k;
    size_t paths;
    yyjson_val *item;
    yyjson_val *path;
    yyjson_arr_foreach(yyjson_obj_get(page->root, "written_elsewhere"), i, count, item)
    {
        buffer_string(page->out, "<details><summary>");
        HTML_SAY(page->out, "written", html_of_number(journal_get_number(item, "count")));
        html_record(page->out, journal_get_number(item, "record"));
        buffer_string(page->out, "</summary>\n<ul class=\"paths\">\n");
        yyjson_arr_foreach(yyjson_obj_get(item, "paths"), k, paths, path)
        {
            if (k < PAGE_LISTED) {
                buffer_string(page->out, "<li><code>");
                html_member(page->out, path, "path");
                buffer_string(page->out, "</code></li>\n");
            }
        }
        buffer_string(page->out, "</ul></details>\n");
    }
}

void page_on_server(const struct page *page)
{
    yyjson_val *server = yyjson_obj_get(page->root, "on_server");
    yyjson_val *stays = yyjson_obj_get(server, "stays");
    yyjson_val *deeds = yyjson_obj_get(page->root, "deeds");
    const char *result = journal_get(yyjson_obj_get(page->root, "verdict"), "result");
    if (strcmp(result, "empty") == 0) {
        return;
    }
    page_open(page, "stays", "stays");
    buffer_string(page->out, "<p>");
    HTML_WORDS(page->out, yyjson_arr_size(stays) == 0         ? "stays.nothing"
                          : strcmp(result, "upgraded") == 0   ? "stays.upgraded"
                          : strcmp(result, "unfinished") == 0 ? "stays.unfinished"
                                                              : "stays.as-before");
    buffer_string(page->out, "</p>\n");
    if (yyjson_arr_size(stays) > 0) {
        add_stays(page, stays);
    }
    if (yyjson_arr_size(deeds) > 0) {
        add_deeds(page, deeds);
    }
    add_writes(page);
    page_close(page);
}
