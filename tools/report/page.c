#include "report/page.h"

#include <stdarg.h>
#include <string.h>

#include "report/html.h"
#include "report/report.h"
#include "report/words.h"

#define DURATION_LIMIT_MS ((int64_t)1000 * 86400 * 3660) /* ten years */

/* --- pieces of sections -------------------------------------------------------------------------------------------- */

void page_open(const struct page *page, const char *id, const char *key)
{
    buffer_format(page->out, "<section id=\"%s\">\n<h2>", id);
    HTML_WORDS(page->out, key);
    buffer_string(page->out, "</h2>\n");
}

void page_close(const struct page *page)
{
    buffer_string(page->out, "</section>\n");
}

void page_table(const struct page *page, ...)
{
    va_list keys;
    va_start(keys, page);
    buffer_string(page->out, "<div class=\"wide\"><table>\n<thead><tr>");
    for (const char *key = va_arg(keys, const char *); key != NULL; key = va_arg(keys, const char *)) {
        buffer_string(page->out, key[0] == '#' ? "<th class=\"n\">" : "<th>");
        HTML_WORDS(page->out, key[0] == '#' ? key + 1 : key);
        buffer_string(page->out, "</th>");
    }
    va_end(keys);
    buffer_string(page->out, "</tr></thead>\n<tbody>\n");
}

void page_table_end(const struct page *page)
{
    buffer_string(page->out, "</tbody></table></div>\n");
}

void page_cell_member(const struct page *page, yyjson_val *object, const char *key)
{
    buffer_string(page->out, "<td>");
    html_member(page->out, object, key);
    buffer_string(page->out, "</td>");
}

void page_cell_number(const struct page *page, yyjson_val *object, const char *key)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    buffer_string(page->out, "<td class=\"n\">");
    if (yyjson_is_int(value)) {
        html_value(page->out, html_of_number(yyjson_get_sint(value)));
    } else {
        buffer_string(page->out, "–");
    }
    buffer_string(page->out, "</td>");
}

void page_name(const struct page *page, const char *prefix, const char *name)
{
    char key[80];
    int length = snprintf(key, sizeof key, "%s.%s", prefix, name);
    if (length < (int)sizeof key && words_find(key) != NULL) {
        HTML_WORDS(page->out, key);
    } else {
        html_text(page->out, name, strlen(name));
    }
}

int64_t page_ms(yyjson_val *object, const char *key)
{
    int64_t milliseconds = journal_get_number(object, key);
    return milliseconds < 0 || milliseconds > DURATION_LIMIT_MS ? 0 : milliseconds;
}

void page_more(const struct page *page, size_t count)
{
    if (count > PAGE_LISTED) {
        buffer_string(page->out, "<p class=\"note\">");
        HTML_SAY(page->out, "more", html_of_number((int64_t)(count - PAGE_LISTED)));
        buffer_string(page->out, "</p>\n");
    }
}

void page_badge(const struct page *page, const char *colour, const char *prefix, const char *name)
{
    buffer_format(page->out, "<span class=\"badge %s\">", colour);
    page_name(page, prefix, name);
    buffer_string(page->out, "</span>");
}

/* --- the page ------------------------------------------------------------------------------------------------------ */

static bool is_chinese(const struct page *page)
{
    return strcmp(journal_get(yyjson_obj_get(page->root, "run"), "language"), "zh") == 0;
}

/* The title cannot hold both languages: it has the run's. */
static void add_title(const struct page *page)
{
    char key[64];
    snprintf(key, sizeof key, "verdict.%s.short", journal_get(yyjson_obj_get(page->root, "verdict"), "result"));
    const struct words *words = words_find(key);
    const char *verdict = words == NULL ? "" : words->text[is_chinese(page) ? WORDS_ZH : WORDS_EN];
    const char *host = journal_get(yyjson_obj_get(page->root, "server"), "host");
    const char *run = journal_get(yyjson_obj_get(page->root, "run"), "run");
    struct buffer text = {0};
    buffer_format(&text, "%s%s%s · %s · Caisson", host, host[0] == '\0' ? "" : " · ", verdict, run);
    buffer_string(page->out, "<title>");
    /* In a title no element may stand: characters that must be shown by one are left out with it. */
    for (const char *byte = buffer_text(&text); *byte != '\0'; byte++) {
        switch (*byte) {
        case '<': buffer_string(page->out, "&lt;"); break;
        case '>': buffer_string(page->out, "&gt;"); break;
        case '&': buffer_string(page->out, "&amp;"); break;
        default:
            if ((unsigned char)*byte >= 0x20 && *byte != 0x7F) {
                buffer_append(page->out, byte, 1);
            }
        }
    }
    buffer_string(page->out, "</title>\n");
    buffer_free(&text);
}

/* No script at all: two radio buttons switch the language by style, and the policy forbids whatever else might get in. */
static void add_head(const struct page *page)
{
    const char *language = is_chinese(page) ? "zh" : "en";
    buffer_format(page->out, "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\" />\n", language);
    buffer_string(
        page->out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'\" />\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\" />\n"
        "<meta name=\"referrer\" content=\"no-referrer\" />\n<link rel=\"icon\" href=\"data:,\" />\n");
    add_title(page);
    buffer_string(page->out, "<style>\n");
    buffer_string(page->out, page_style);
    buffer_string(page->out, "</style>\n</head>\n<body>\n");
    buffer_format(page->out,
                  "<input type=\"radio\" name=\"language\" id=\"en\" aria-label=\"English\"%s />"
                  "<input type=\"radio\" name=\"language\" id=\"zh\" aria-label=\"中文\"%s />\n",
                  is_chinese(page) ? "" : " checked=\"checked\"", is_chinese(page) ? " checked=\"checked\"" : "");
}

static void add_banner(const struct page *page)
{
    buffer_string(page->out, "<header class=\"top\"><p class=\"name\"><b>Caisson</b> ");
    HTML_WORDS(page->out, "report");
    buffer_string(page->out, "</p><p class=\"switch\"><label for=\"en\" class=\"en\">English</label>"
                             "<label for=\"zh\" class=\"zh\">中文</label></p></header>\n<main>\n");
}

static void add_foot(const struct page *page)
{
    yyjson_val *run = yyjson_obj_get(page->root, "run");
    buffer_string(page->out, "</main>\n<footer><p>");
    HTML_SAY(page->out, "foot", html_of(journal_get(run, "tool")), html_of(journal_get(run, "run")),
             html_of_number((int64_t)page->journal->count));
    buffer_string(page->out, "</p></footer>\n</body>\n</html>\n");
}

int report_html(const struct journal *journal, const struct buffer *json, struct buffer *text, struct error *error)
{
    static void (*const sections[])(const struct page *) = {
        page_verdict,      page_server,    page_steps,  page_compare, page_checks,   page_findings,
        page_site_changes, page_on_server, page_safety, page_journal, page_sign_off, page_records,
    };
    yyjson_doc *document = yyjson_read(buffer_text(json), json->size, 0);
    if (document == NULL) {
        return error_set(error, CSN_INTERNAL, "the report's own JSON does not read back, or there is no memory for it");
    }
    struct page page = {.out = text, .root = yyjson_doc_get_root(document), .journal = journal};
    add_head(&page);
    add_banner(&page);
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        sections[i](&page);
    }
    add_foot(&page);
    yyjson_doc_free(document);
    return buffer_check(text, error);
}
