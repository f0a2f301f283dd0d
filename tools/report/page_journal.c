/*
 * page_journal.c - the journal's hash and how anybody checks it, the boxes to sign, and every record as it stands.
 */
#include "report/page.h"

#include <inttypes.h>
#include <string.h>

#include "report/html.h"

#define RECORDS_SHOWN 20000
#define LINE_SHOWN 4000

void page_journal(const struct page *page)
{
    yyjson_val *journal = yyjson_obj_get(page->root, "journal");
    page_open(page, "journal", "journal");
    buffer_string(page->out, "<p>");
    HTML_SAY(page->out, "journal.what", html_of_number((int64_t)page->journal->count));
    buffer_string(page->out, "</p>\n<p class=\"hash\"><code>");
    html_member(page->out, journal, "head");
    buffer_string(page->out, "</code></p>\n<p>");
    HTML_WORDS(page->out, "journal.check");
    buffer_string(page->out, "</p>\n<pre>");
    if (page->journal->count > 0) {
        buffer_format(page->out, "sed -n %zup journal.jsonl | tr -d '\\n' | sha256sum\n", page->journal->count);
    }
    buffer_format(page->out, "caisson report journal.jsonl --json --head %s</pre>\n<p class=\"note\">",
                  page->journal->head);
    HTML_WORDS(page->out, "journal.means");
    buffer_string(page->out, "</p>\n");
    page_close(page);
}

void page_sign_off(const struct page *page)
{
    static const char *const roles[] = {"engineer", "operator", "approver", "auditor"};
    if (page->journal->count == 0) {
        return;
    }
    page_open(page, "sign", "sign");
    buffer_string(page->out, "<p class=\"note\">");
    HTML_WORDS(page->out, "sign.what");
    buffer_string(page->out, "</p>\n<div class=\"boxes\">\n");
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        buffer_string(page->out, "<div class=\"box\"><b>");
        page_name(page, "sign", roles[i]);
        buffer_string(page->out, "</b><p>");
        HTML_WORDS(page->out, "sign.name");
        buffer_string(page->out, " <span class=\"fill\">");
        if (strcmp(roles[i], "approver") == 0) {
            html_member(page->out, yyjson_obj_get(page->root, "run"), "approved_by");
        }
        buffer_string(page->out, "</span></p><p>");
        HTML_WORDS(page->out, "sign.date");
        buffer_string(page->out, " <span class=\"fill\"></span></p><p>");
        HTML_WORDS(page->out, "sign.signature");
        buffer_string(page->out, " <span class=\"fill\"></span></p></div>\n");
    }
    buffer_string(page->out, "</div>\n");
    page_close(page);
}

/* The bytes of a line as they are in the file, so that its hash can be made from the page as well; very long ones cut. */
static void add_record(const struct page *page, size_t index, const char *line, size_t length)
{
    yyjson_val *record = journal_record(page->journal, index);
    size_t shown = length;
    if (length > LINE_SHOWN) {
        shown = LINE_SHOWN;
        while (shown > 0 && ((unsigned char)line[shown] & 0xC0) == 0x80) {
            shown--;
        }
    }
    buffer_format(page->out, "<li id=\"r%zu\"><p><b>#%zu</b> ", index + 1, index + 1);
    html_member(page->out, record, "kind");
    buffer_string(page->out, " <span class=\"when\">");
    html_value(page->out, html_of_time(journal_get(record, "time")));
    buffer_string(page->out, "</span></p><code>");
    html_text(page->out, line, shown);
    buffer_string(page->out, "</code>");
    if (shown < length) {
        buffer_string(page->out, "<p class=\"note\">");
        HTML_SAY(page->out, "records.cut", html_of_number((int64_t)(length - shown)));
        buffer_string(page->out, "</p>");
    }
    buffer_string(page->out, "</li>\n");
}

void page_records(const struct page *page)
{
    const char *line = buffer_text(&page->journal->lines);
    if (page->journal->count == 0) {
        return;
    }
    page_open(page, "records", "records");
    buffer_string(page->out, "<details><summary>");
    HTML_SAY(page->out, "records.all", html_of_number((int64_t)page->journal->count));
    buffer_string(page->out, "</summary>\n<ol class=\"records\">\n");
    for (size_t i = 0; i < page->journal->count && i < RECORDS_SHOWN; i++) {
        size_t length = strcspn(line, "\n");
        add_record(page, i, line, length);
        line += length + 1;
    }
    buffer_string(page->out, "</ol></details>\n");
    page_close(page);
}
