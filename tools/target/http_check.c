#include "target/http.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/expression.h"

static int judge(const struct http_check *check, const struct http_response *response, struct error *error)
{
    regex_t pattern;
    char words[EXPRESSION_REASON_SIZE];
    const char *url = check->request.url;
    if (check->status != 0 ? response->status != check->status : response->status / 100 != 2) {
        char wanted[16];
        snprintf(wanted, sizeof wanted, check->status == 0 ? "2xx" : "%d", check->status);
        return error_set(error, CSN_TARGET_HTTP, "%s answered %d, not %s", url, response->status, wanted);
    }
    if (check->pattern == NULL) {
        return 0;
    }
    if (expression_compile(&pattern, check->pattern, REG_NOSUB | REG_NEWLINE, words) != 0) {
        return error_set(error, CSN_TARGET_PROFILE, "the pattern %s cannot be used: %s", check->pattern, words);
    }
    int result = 0;
    if (regexec(&pattern, buffer_text(&response->body), 0, NULL, 0) != 0) {
        result = error_set(error, CSN_TARGET_HTTP, "%s answered %d, but its %zu bytes do not match %s", url,
                           response->status, response->body.size, check->pattern);
    }
    regfree(&pattern);
    return result;
}

int http_check(const struct view *view, const struct http_check *check, struct http_response *response,
               struct error *error)
{
    struct http_response own = {0};
    struct http_response *answer = response == NULL ? &own : response;
    int result = http_get(view, &check->request, answer, error);
    if (result == 0) {
        result = judge(check, answer, error);
    }
    http_response_free(&own);
    return result;
}

int http_wait_ready(const struct view *view, const struct http_check *check, struct view_program *program,
                    int total_sec, int64_t *waited_ms, struct error *error)
{
    int64_t begin_ms = clock_monotonic_ms();
    int64_t end_ms = begin_ms + (int64_t)total_sec * 1000;
    int result;
    for (;;) {
        struct error last = {0};
        struct http_check now = *check;
        int64_t left_sec = (end_ms - clock_monotonic_ms()) / 1000 + 1;
        if (now.request.timeout_sec <= 0 || now.request.timeout_sec > left_sec) {
            now.request.timeout_sec = (int)left_sec;
        }
        result = http_check(view, &now, NULL, &last);
        if (waited_ms != NULL) {
            *waited_ms = clock_monotonic_ms() - begin_ms;
        }
        if (result == 0) {
            break;
        }
        if (program != NULL && !view_program_runs(program)) {
            result = error_set(error, CSN_TARGET_HTTP, "the program ended before it answered: %.900s", last.message);
            break;
        }
        if (last.code == CSN_TARGET_PROFILE || clock_monotonic_ms() + 250 >= end_ms) {
            if (error != NULL) {
                *error = last;
            }
            break;
        }
        poll(NULL, 0, 250);
    }
    return result;
}
