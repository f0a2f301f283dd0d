/*
 * page_safety.c - the backup, its proof, and the rehearsal with the time it takes to go back.
 */
#include "report/page.h"

#include <string.h>

#include "report/html.h"

static void add_big(const struct page *page, struct html_value value, const char *key, int64_t seq)
{
    buffer_string(page->out, "<div class=\"big\"><b>");
    html_value(page->out, value);
    buffer_string(page->out, "</b><span>");
    HTML_WORDS(page->out, key);
    html_record(page->out, seq);
    buffer_string(page->out, "</span></div>\n");
}

/* Milliseconds that the step took in earnest; -1 where it was not done. */
static int64_t real_ms(const struct page *page, const char *name)
{
    size_t i;
    size_t count;
    yyjson_val *step;
    int64_t found = -1;
    yyjson_arr_foreach(yyjson_obj_get(page->root, "steps"), i, count, step)
    {
        if (strcmp(journal_get(step, "step"), name) == 0 && yyjson_obj_get(step, "end_record") != NULL) {
            found = page_ms(step, "ms");
        }
    }
    return found;
}

static void add_times_row(const struct page *page, const char *name, int64_t rehearsed, int64_t real)
{
    buffer_string(page->out, "<tr><td>");
    page_name(page, "step", name);
    buffer_string(page->out, "</td><td class=\"n\">");
    html_value(page->out, html_of_ms(rehearsed));
    buffer_string(page->out, "</td><td class=\"n\">");
    if (real >= 0) {
        html_value(page->out, html_of_ms(real));
    } else {
        buffer_string(page->out, "–");
    }
    buffer_string(page->out, "</td></tr>\n");
}

static void add_rehearsal(const struct page *page, yyjson_val *rehearsal)
{
    static const char *const steps[] = {"stage", "switch", "verify"};
    yyjson_val *rollback = yyjson_arr_get_last(yyjson_obj_get(page->root, "rollbacks"));
    bool back = yyjson_obj_get(rollback, "back_record") != NULL;
    buffer_string(page->out, "<h3>");
    HTML_WORDS(page->out, "rehearsal");
    html_record(page->out, journal_get_number(rehearsal, "record"));
    buffer_string(page->out, " ");
    bool passed = strcmp(journal_get(rehearsal, "result"), "passed") == 0;
    page_badge(page, passed ? "good" : "bad", "result", journal_get(rehearsal, "result"));
    buffer_string(page->out, "</h3>\n<p>");
    bool equal = yyjson_is_true(yyjson_obj_get(rehearsal, "equal_after_rollback"));
    HTML_SAY(page->out, equal ? "rehearsal.equal" : "rehearsal.unequal", html_of_ms(page_ms(rehearsal, "budget_ms")));
    buffer_string(page->out, "</p>\n");
    page_table(page, "column.step", "#column.rehearsed", "#column.real", NULL);
    for (size_t i = 0; i < 3; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_ms", steps[i]);
        add_times_row(page, steps[i], page_ms(rehearsal, key), real_ms(page, steps[i]));
    }
    add_times_row(page, "rollback", page_ms(rehearsal, "rollback_ms"), back ? page_ms(rollback, "ms") : -1);
    page_table_end(page);
    buffer_string(page->out, "<p class=\"note\">");
    HTML_SAY(page->out, "rehearsal.journal", html_of(journal_get(rehearsal, "journal")));
    buffer_string(page->out, " <code>");
    html_member(page->out, rehearsal, "journal_head");
    buffer_string(page->out, "</code></p>\n");
}

static void add_backup(const struct page *page, yyjson_val *backup, yyjson_val *proof)
{
    if (backup != NULL) {
        buffer_string(page->out, "<h3>");
        HTML_WORDS(page->out, "backup");
        html_record(page->out, journal_get_number(backup, "record"));
        buffer_string(page->out, "</h3>\n<p>");
        HTML_SAY(page->out, "backup.what", html_of_number(journal_get_number(backup, "files")),
                 html_of_bytes(journal_get_number(backup, "bytes")),
                 html_of_bytes(journal_get_number(backup, "bytes_stored")));
        buffer_string(page->out, "</p>\n<p><code>");
        html_member(page->out, backup, "id");
        buffer_string(page->out, "</code><br /><code>");
        html_member(page->out, backup, "repository");
        buffer_string(page->out, "</code></p>\n");
    }
    if (proof != NULL) {
        buffer_string(page->out, "<h3>");
        HTML_WORDS(page->out, "proof");
        html_record(page->out, journal_get_number(proof, "record"));
        buffer_string(page->out, "</h3>\n<p>");
        HTML_SAY(page->out, "proof.what", html_of_number(journal_get_number(proof, "entries")),
                 html_of_bytes(journal_get_number(proof, "bytes")), html_of_number(journal_get_number(proof, "tables")),
                 html_of_number(journal_get_number(proof, "rows")), html_of_ms(page_ms(proof, "ms")));
        buffer_string(page->out, "</p>\n");
    }
}

static void add_in_place(const struct page *page, yyjson_val *in_place)
{
    buffer_string(page->out, "<h3>");
    HTML_WORDS(page->out, "in-place");
    html_record(page->out, journal_get_number(in_place, "record"));
    buffer_string(page->out, "</h3>\n<p>");
    HTML_SAY(page->out, "in-place.what", html_of_bytes(journal_get_number(in_place, "bytes")),
             html_of_ms(page_ms(in_place, "estimate_ms")));
    buffer_string(page->out, "</p>\n<p><code>");
    html_member(page->out, in_place, "path");
    buffer_string(page->out, "</code><br /><code>");
    html_member(page->out, in_place, "snapshot");
    buffer_string(page->out, "</code></p>\n");
    if (yyjson_obj_get(in_place, "back_record") != NULL) {
        buffer_string(page->out, "<p>");
        HTML_SAY(page->out, "in-place.back", html_of_number(journal_get_number(in_place, "restored")),
                 html_of_number(journal_get_number(in_place, "removed")), html_of_ms(page_ms(in_place, "ms")));
        html_record(page->out, journal_get_number(in_place, "back_record"));
        buffer_string(page->out, "</p>\n");
    }
}

void page_safety(const struct page *page)
{
    yyjson_val *backup = yyjson_obj_get(page->root, "backup");
    yyjson_val *proof = yyjson_obj_get(page->root, "proof");
    yyjson_val *rehearsal = yyjson_obj_get(page->root, "rehearsal");
    yyjson_val *in_place = yyjson_obj_get(page->root, "in_place");
    if (backup == NULL && proof == NULL && rehearsal == NULL) {
        return;
    }
    yyjson_val *rollback = yyjson_arr_get_last(yyjson_obj_get(page->root, "rollbacks"));
    page_open(page, "safety", "safety");
    buffer_string(page->out, "<div class=\"bigs\">\n");
    if (yyjson_is_true(yyjson_obj_get(rehearsal, "equal_after_rollback"))) {
        add_big(page, html_of_ms(page_ms(rehearsal, "rollback_ms")), "big.rehearsed",
                journal_get_number(rehearsal, "record"));
    }
    if (yyjson_obj_get(rollback, "back_record") != NULL) {
        add_big(page, html_of_ms(page_ms(rollback, "ms")), "big.real", journal_get_number(rollback, "back_record"));
    }
    if (proof != NULL) {
        add_big(page, html_of_number(journal_get_number(proof, "rows")), "big.rows",
                journal_get_number(proof, "record"));
    }
    buffer_string(page->out, "</div>\n");
    add_backup(page, backup, proof);
    if (rehearsal != NULL) {
        add_rehearsal(page, rehearsal);
    }
    if (in_place != NULL) {
        add_in_place(page, in_place);
    }
    page_close(page);
}
