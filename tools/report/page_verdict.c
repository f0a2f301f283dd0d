/*
 * page_verdict.c - what the reader wants to know first: how it ended, what that rests on, what to do now. Then whose server.
 */
#include "report/page.h"

#include <inttypes.h>
#include <string.h>

#include "report/html.h"
#include "report/words.h"

static yyjson_val *part(const struct page *page, const char *key)
{
    return yyjson_obj_get(page->root, key);
}

/* --- what the verdict rests on ------------------------------------------------------------------------------------- */

static void begin_line(const struct page *page, const char *mark)
{
    buffer_format(page->out, "<li class=\"%s\">", mark);
}

static void end_line(const struct page *page, int64_t seq)
{
    html_record(page->out, seq);
    buffer_string(page->out, "</li>\n");
}

static void say_proof(const struct page *page)
{
    yyjson_val *proof = part(page, "proof");
    if (proof != NULL) {
        begin_line(page, "good");
        HTML_SAY(page->out, "rests.proof", html_of_number(journal_get_number(proof, "entries")),
                 html_of_number(journal_get_number(proof, "rows")),
                 html_of_number(journal_get_number(proof, "tables")));
        end_line(page, journal_get_number(proof, "record"));
    }
    yyjson_val *rehearsal = part(page, "rehearsal");
    if (rehearsal == NULL) {
        return;
    }
    bool passed = strcmp(journal_get(rehearsal, "result"), "passed") == 0;
    bool equal = yyjson_is_true(yyjson_obj_get(rehearsal, "equal_after_rollback"));
    begin_line(page, passed && equal ? "good" : "bad");
    HTML_SAY(page->out,
             passed && equal ? "rests.rehearsal"
             : equal         ? "rests.rehearsal-failed"
                             : "rests.rehearsal-unequal",
             html_of_ms(page_ms(rehearsal, "rollback_ms")));
    end_line(page, journal_get_number(rehearsal, "record"));
}

static void say_checks(const struct page *page)
{
    size_t i;
    size_t count;
    size_t passed = 0;
    yyjson_val *check;
    yyjson_val *checks = part(page, "checks");
    int64_t seq = 0;
    yyjson_arr_foreach(checks, i, count, check)
    {
        bool good = strcmp(journal_get(check, "result"), "passed") == 0;
        passed += good;
        seq = !good || seq == 0 ? journal_get_number(check, "record") : seq;
    }
    if (yyjson_arr_size(checks) > 0) {
        begin_line(page, passed == yyjson_arr_size(checks) ? "good" : "bad");
        HTML_SAY(page->out, "rests.checks", html_of_number((int64_t)passed),
                 html_of_number((int64_t)yyjson_arr_size(checks)));
        end_line(page, seq);
    }
}

static void say_forced(const struct page *page)
{
    size_t i;
    size_t count;
    yyjson_val *forced;
    yyjson_arr_foreach(part(page, "forced"), i, count, forced)
    {
        const char *by = journal_get(forced, "approved_by");
        begin_line(page, "mind");
        if (by[0] != '\0') {
            HTML_SAY(page->out, "rests.forced", html_of(by));
        } else {
            HTML_WORDS(page->out, "rests.forced-nobody");
        }
        end_line(page, journal_get_number(forced, "record"));
    }
}

static void say_deeds(const struct page *page, const char *result)
{
    size_t i;
    size_t count;
    size_t undone = 0;
    int64_t last = 0;
    yyjson_val *deed;
    yyjson_val *deeds = part(page, "deeds");
    yyjson_arr_foreach(deeds, i, count, deed)
    {
        int64_t seq = journal_get_number(deed, "undone_record");
        undone += seq > 0;
        last = seq > last ? seq : last;
    }
    if (strcmp(result, "upgraded") == 0 || strcmp(result, "empty") == 0) {
        return;
    }
    begin_line(page, undone == yyjson_arr_size(deeds) ? "good" : "bad");
    if (yyjson_arr_size(deeds) == 0) {
        HTML_WORDS(page->out, "rests.no-deeds");
    } else {
        HTML_SAY(page->out, "rests.deeds", html_of_number((int64_t)yyjson_arr_size(deeds)),
                 html_of_number((int64_t)undone));
    }
    end_line(page, last);
}

/* True if going back left attachments as people had made them. */
static bool lacks_attachments(const struct page *page)
{
    yyjson_val *lost = part(page, "attachments_lost");
    return journal_get_number(lost, "lost") > 0 || yyjson_obj_get(lost, "unknown") != NULL;
}

/* True if going back left something else that people had done. */
static bool keeps_work(const struct page *page)
{
    yyjson_val *since = part(page, "configuration_since");
    return journal_get_number(since, "changed") > 0 || yyjson_obj_get(since, "unknown") != NULL ||
           journal_get_number(part(page, "attachments_back"), "added") > 0 ||
           journal_get_number(part(page, "attachments_lost"), "added") > 0;
}

static void list_paths(const struct page *page, yyjson_val *paths)
{
    size_t i;
    size_t count;
    yyjson_val *path;
    yyjson_arr_foreach(paths, i, count, path)
    {
        buffer_string(page->out, i == 0 ? " <code>" : ", <code>");
        html_text(page->out, yyjson_get_str(path), yyjson_get_len(path));
        buffer_string(page->out, "</code>");
    }
}

/* Which tables' rows the snapshot of the work has and the old version has not, or the other way round. */
static void say_rows(const struct page *page)
{
    yyjson_val *rows = part(page, "work_rows");
    size_t i;
    size_t count;
    yyjson_val *table;
    if (rows == NULL) {
        return;
    }
    begin_line(page, yyjson_obj_get(rows, "unknown") == NULL ? "good" : "mind");
    if (yyjson_obj_get(rows, "unknown") != NULL) {
        HTML_SAY(page->out, "rests.rows-unknown", html_of(journal_get(rows, "unknown")));
    } else {
        HTML_SAY(page->out, "rests.rows", html_of_number(journal_get_number(rows, "differ")),
                 html_of_number(journal_get_number(rows, "not_counted")));
    }
    yyjson_arr_foreach(yyjson_obj_get(rows, "tables"), i, count, table)
    {
        buffer_string(page->out, i == 0 ? " <code>" : ", <code>");
        html_member(page->out, table, "name");
        buffer_format(page->out, "</code> %" PRId64 " \xe2\x86\x92 %" PRId64, journal_get_number(table, "before"),
                      journal_get_number(table, "now"));
    }
    end_line(page, journal_get_number(rows, "record"));
}

static void say_configuration(const struct page *page)
{
    yyjson_val *since = part(page, "configuration_since");
    bool unknown = yyjson_obj_get(since, "unknown") != NULL;
    if (since == NULL) {
        return;
    }
    begin_line(page, unknown || journal_get_number(since, "changed") > 0 ? "bad" : "good");
    if (unknown) {
        HTML_SAY(page->out, "rests.configuration-unknown", html_of(journal_get(since, "unknown")));
    } else {
        HTML_SAY(page->out, "rests.configuration", html_of_number(journal_get_number(since, "changed")));
    }
    list_paths(page, yyjson_obj_get(since, "changed_paths"));
    end_line(page, journal_get_number(since, "record"));
}

static void say_attachments(const struct page *page)
{
    yyjson_val *back = part(page, "attachments_back");
    yyjson_val *lost = part(page, "attachments_lost");
    if (back != NULL) {
        begin_line(page, "good");
        HTML_SAY(page->out, "rests.attachments-back", html_of_number(journal_get_number(back, "restored")),
                 html_of_number(journal_get_number(back, "added")));
        end_line(page, journal_get_number(back, "record"));
    }
    if (lost == NULL) {
        return;
    }
    begin_line(page, lacks_attachments(page) ? "bad" : "good");
    if (yyjson_obj_get(lost, "unknown") != NULL) {
        HTML_SAY(page->out, "rests.attachments-unknown", html_of(journal_get(lost, "unknown")));
    } else {
        HTML_SAY(page->out, "rests.attachments-lost", html_of_number(journal_get_number(lost, "lost")),
                 html_of_number(journal_get_number(lost, "added")));
    }
    list_paths(page, yyjson_obj_get(lost, "lost_paths"));
    end_line(page, journal_get_number(lost, "record"));
}

static void say_way_back(const struct page *page, const char *result)
{
    yyjson_val *rollback = yyjson_arr_get_last(part(page, "rollbacks"));
    if (rollback != NULL && yyjson_obj_get(rollback, "back_record") != NULL) {
        begin_line(page, "good");
        HTML_SAY(page->out, "rests.back", html_of_ms(page_ms(rollback, "ms")));
        end_line(page, journal_get_number(rollback, "back_record"));
    }
    yyjson_val *kept = part(page, "work_kept");
    if (kept != NULL) {
        begin_line(page, "good");
        HTML_SAY(page->out, "rests.work-kept", html_of(journal_get(kept, "snapshot")));
        end_line(page, journal_get_number(kept, "record"));
    }
    say_rows(page);
    say_attachments(page);
    say_configuration(page);
    yyjson_val *server = part(page, "on_server");
    if (strcmp(result, "upgraded") == 0 && journal_get(server, "keep_until")[0] != '\0') {
        begin_line(page, "good");
        HTML_SAY(page->out, "rests.kept", html_of_time(journal_get(server, "keep_until")));
        end_line(page, journal_get_number(server, "released_record"));
    }
    yyjson_val *in_place = part(page, "in_place");
    if (strcmp(result, "upgraded") == 0 && in_place != NULL) {
        begin_line(page, "mind");
        HTML_SAY(page->out, "rests.in-place", html_of_bytes(journal_get_number(in_place, "bytes")),
                 html_of(journal_get(in_place, "snapshot")));
        end_line(page, journal_get_number(in_place, "record"));
    }
}

/* --- what went wrong, and what to do ------------------------------------------------------------------------------- */

static void say_place(const struct page *page, yyjson_val *verdict)
{
    const char *step = journal_get(verdict, "in_step");
    if (step[0] != '\0') {
        char key[48];
        snprintf(key, sizeof key, "step.%.40s", step);
        begin_line(page, "mind");
        HTML_SAY(page->out, "unfinished.step", html_of_words(key));
        end_line(page, journal_get_number(verdict, "in_step_record"));
    }
    if (yyjson_is_true(yyjson_obj_get(verdict, "rolling_back"))) {
        begin_line(page, "mind");
        HTML_WORDS(page->out, "unfinished.rolling");
        end_line(page, 0);
    }
    if (yyjson_is_true(yyjson_obj_get(verdict, "fence_stands"))) {
        begin_line(page, "mind");
        HTML_WORDS(page->out, "unfinished.fence");
        end_line(page, 0);
    }
}

static void say_contradictions(const struct page *page, yyjson_val *verdict)
{
    size_t i;
    size_t count;
    yyjson_val *item;
    yyjson_arr_foreach(yyjson_obj_get(verdict, "contradictions"), i, count, item)
    {
        if (i >= PAGE_LISTED) {
            break;
        }
        begin_line(page, "bad");
        HTML_SAY(page->out, "contradiction", html_of(journal_get(verdict, "recorded")));
        buffer_string(page->out, " ");
        page_name(page, "contradiction", journal_get(item, "what"));
        buffer_string(page->out, " <code>");
        html_member(page->out, item, "path");
        buffer_string(page->out, "</code>");
        end_line(page, journal_get_number(item, "record"));
    }
}

/* What the catalogue says of the code. An unfinished run has no remedy in it: what its code promises has not come about. */
static void say_code(const struct page *page, yyjson_val *verdict, const char *code)
{
    const struct words_code *chinese = words_find_code(code);
    const char *title = journal_get(verdict, "title");
    const char *remedy = journal_get(verdict, "remedy");
    buffer_string(page->out, "<p><code>");
    html_member(page->out, verdict, "code");
    buffer_string(page->out, "</code> ");
    html_both(page->out, title, chinese == NULL ? title : chinese->title);
    buffer_string(page->out, "</p>\n");
    if (remedy[0] != '\0') {
        buffer_string(page->out, "<p>");
        html_both(page->out, remedy, chinese == NULL ? remedy : chinese->remedy);
        buffer_string(page->out, "</p>\n");
    }
}

static void say_reason(const struct page *page, yyjson_val *verdict)
{
    const char *code = journal_get(verdict, "code");
    const char *key = yyjson_obj_get(verdict, "message") != NULL || yyjson_obj_get(verdict, "message64") != NULL
                          ? "message"
                          : "reason";
    if (journal_get_number(verdict, "reason_record") == 0) {
        return;
    }
    buffer_string(page->out, "<div class=\"why\">\n<h3>");
    HTML_WORDS(page->out, "why");
    buffer_string(page->out, "</h3>\n<p>");
    if (journal_get(verdict, "failed_step")[0] != '\0') {
        buffer_string(page->out, "<b>");
        page_name(page, "step", journal_get(verdict, "failed_step"));
        buffer_string(page->out, "</b>: ");
    }
    html_member(page->out, verdict, key);
    html_record(page->out, journal_get_number(verdict, "reason_record"));
    buffer_string(page->out, "</p>\n");
    if (code[0] != '\0') {
        say_code(page, verdict, code);
    }
    buffer_string(page->out, "</div>\n");
}

/* --- the section --------------------------------------------------------------------------------------------------- */

/* True if records say so: the step verify ended well, and the application was released. */
static bool was_released(const struct page *page)
{
    size_t i;
    size_t count;
    yyjson_val *step;
    bool verified = false;
    yyjson_arr_foreach(part(page, "steps"), i, count, step)
    {
        verified = strcmp(journal_get(step, "step"), "verify") == 0 ? strcmp(journal_get(step, "result"), "done") == 0
                                                                    : verified;
    }
    return verified && yyjson_obj_get(part(page, "on_server"), "released_record") != NULL;
}

static void say_title(const struct page *page, const char *result)
{
    yyjson_val *server = part(page, "server");
    yyjson_val *versions = part(page, "versions");
    char key[64];
    buffer_string(page->out, "<h1>");
    bool back = strcmp(result, "rolled-back") == 0;
    snprintf(key, sizeof key, "verdict.%.20s%s", result,
             back && lacks_attachments(page) ? "-but"
             : back && keeps_work(page)      ? "-since"
                                             : "");
    HTML_WORDS(page->out, key);
    buffer_string(page->out, "</h1>\n<p class=\"what\">");
    const char *title = journal_get(server, "title");
    const char *host = journal_get(server, "host");
    const char *before = journal_get(versions, "before");
    const char *wanted = journal_get(versions, "wanted");
    if (server != NULL && wanted[0] != '\0' && strcmp(result, "upgraded") == 0) {
        HTML_SAY(page->out, "what.upgraded", html_of(title), html_of(host), html_of(before), html_of(wanted));
    } else if (server != NULL && strcmp(result, "unfinished") != 0) {
        HTML_SAY(page->out, "what.same", html_of(title), html_of(host), html_of(before));
    } else if (server != NULL) {
        HTML_SAY(page->out, "what.unknown", html_of(title), html_of(host), html_of(before));
    }
    buffer_string(page->out, "</p>\n<p>");
    bool bare = strcmp(result, "upgraded") == 0 && !was_released(page);
    snprintf(key, sizeof key, "verdict.%.20s.%s", result, bare ? "bare" : "text");
    HTML_WORDS(page->out, key);
    html_record(page->out, journal_get_number(part(page, "verdict"), "record"));
    buffer_string(page->out, "</p>\n");
}

static const char *colour_of(const char *result)
{
    static const char *const colours[][2] = {
        {"upgraded", "good"}, {"checked", "good"}, {"rolled-back", "mind"}, {"stopped", "mind"}, {"abandoned", "mind"}};
    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++) {
        if (strcmp(result, colours[i][0]) == 0) {
            return colours[i][1];
        }
    }
    return "bad";
}

void page_verdict(const struct page *page)
{
    yyjson_val *verdict = part(page, "verdict");
    const char *result = journal_get(verdict, "result");
    buffer_format(page->out, "<section id=\"verdict\" class=\"%s\">\n", colour_of(result));
    say_title(page, result);
    buffer_string(page->out, "<ul class=\"rests\">\n");
    say_contradictions(page, verdict);
    if (strcmp(result, "unfinished") == 0) {
        say_place(page, verdict);
    }
    say_deeds(page, result);
    say_way_back(page, result);
    say_forced(page);
    say_checks(page);
    say_proof(page);
    buffer_string(page->out, "<li class=\"calm\">");
    HTML_SAY(page->out, "rests.journal", html_of_number((int64_t)page->journal->count));
    buffer_string(page->out, " <a href=\"#journal\">");
    HTML_WORDS(page->out, "rests.how");
    buffer_string(page->out, "</a></li>\n</ul>\n");
    say_reason(page, verdict);
    page_close(page);
}
