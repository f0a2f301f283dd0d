#include "sequence/checks.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "database/query.h"
#include "lib/clock.h"
#include "lib/expression.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/root.h"
#include "lib/text.h"
#include "target/http.h"

#define CHECK_FOLDER "/run/caisson-checks"
#define SQL_LIMIT ((size_t)1 << 20)
#define WAIT_EVERY_SEC 2
#define STOP_GRACE_SEC 20

static int record_check(const struct site *site, const char *name, const char *title, const char *kind,
                        const struct outcome *outcome, int64_t milliseconds, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", site->place.step);
    yyjson_mut_obj_add_str(document, fields, "name", name);
    yyjson_mut_obj_add_str(document, fields, "title", title);
    yyjson_mut_obj_add_str(document, fields, "check_kind", kind);
    yyjson_mut_obj_add_str(document, fields, "result", outcome->passed ? "passed" : "failed");
    json_add_bytes(document, fields, "detail", outcome->detail, strlen(outcome->detail));
    yyjson_mut_obj_add_sint(document, fields, "ms", milliseconds);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(site->place.journal, "check", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* "http://127.0.0.1:8080" of the profile's first address. */
static bool base_address(const struct profile *profile, struct buffer *address)
{
    const char *url = profile->health_count > 0 ? profile->healths[0].url : NULL;
    for (size_t i = 0; url == NULL && i < profile->start_count; i++) {
        url = profile->starts[i].ready_url;
    }
    const char *host = url == NULL ? NULL : strstr(url, "://");
    if (host == NULL) {
        return false;
    }
    buffer_append(address, url, (size_t)(host - url) + 3 + strcspn(host + 3, "/?#"));
    return !address->failed;
}

static bool matches(const char *pattern, const char *text)
{
    regex_t expression;
    char reason[EXPRESSION_REASON_SIZE];
    if (expression_compile(&expression, pattern, REG_NOSUB, reason) != 0) {
        return false;
    }
    bool found = regexec(&expression, text, 0, NULL, 0) == 0;
    regfree(&expression);
    return found;
}

static void judge_text(const struct package_check *check, const char *text, struct outcome *outcome)
{
    char said[200];
    text_one_line(text, strlen(text), said, sizeof said);
    outcome->passed = true;
    snprintf(outcome->detail, sizeof outcome->detail, "%s", said);
    if (check->equals != NULL && strcmp(check->equals, text) != 0) {
        outcome->passed = false;
        snprintf(outcome->detail, sizeof outcome->detail, "is \"%s\", expected is \"%.*s\"", said,
                 utf8_cut(check->equals, 150), check->equals);
    } else if (check->match != NULL && !matches(check->match, text)) {
        outcome->passed = false;
        snprintf(outcome->detail, sizeof outcome->detail, "does not match \"%.*s\"; is: %s",
                 utf8_cut(check->match, 200), check->match, said);
    } else if (check->match_not != NULL && matches(check->match_not, text)) {
        outcome->passed = false;
        snprintf(outcome->detail, sizeof outcome->detail, "matches \"%.*s\", which it must not",
                 utf8_cut(check->match_not, 200), check->match_not);
    }
}

static void check_http(struct room *room, const struct run *run, const struct package_check *check,
                       struct outcome *outcome)
{
    struct buffer url = {0};
    struct error error = {0};
    struct http_response response = {0};
    if (!base_address(run->target.profile, &url)) {
        snprintf(outcome->detail, sizeof outcome->detail, "the profile names no address to ask");
    } else {
        buffer_string(&url, check->path);
        struct http_request request = {.url = buffer_text(&url), .timeout_sec = check->timeout_sec};
        if (http_get(room->view, &request, &response, &error) != 0) {
            snprintf(outcome->detail, sizeof outcome->detail, "%.*s", utf8_cut(error.message, 500), error.message);
        } else if (response.status != check->status) {
            char said[300];
            text_one_line(buffer_text(&response.body), response.body.size, said, sizeof said);
            snprintf(outcome->detail, sizeof outcome->detail, "answered %d, expected is %d: %s", response.status,
                     check->status, said);
        } else {
            judge_text(check, buffer_text(&response.body), outcome);
            if (outcome->passed) {
                snprintf(outcome->detail, sizeof outcome->detail, "%d, %zu bytes in %lld ms", response.status,
                         response.body.size, (long long)response.milliseconds);
            }
        }
    }
    http_response_free(&response);
    buffer_free(&url);
}

static void check_sql(struct room *room, const struct run *run, const struct package *package,
                      const struct package_check *check, struct outcome *outcome)
{
    struct buffer text = {0};
    struct buffer value = {0};
    struct error error = {0};
    struct query_session *session = NULL;
    struct query_target target = room_database(room, run);
    struct query_limits limits = {.timeout_sec = check->timeout_sec, .rows = 1};
    const char *sql = check->query;
    bool good = target.host != NULL;
    if (good && sql == NULL) {
        good = package_member_read(package, check->file, SQL_LIMIT, &text, &error) == 0;
        sql = buffer_text(&text);
    }
    good = good && query_open(&target, 0, &session, &error) == 0 &&
           query_value(session, sql, &limits, &value, &error) == 0;
    if (good) {
        judge_text(check, buffer_text(&value), outcome);
    } else {
        const char *why = target.host == NULL ? "the application has no database" : error.message;
        snprintf(outcome->detail, sizeof outcome->detail, "%.*s", utf8_cut(why, 500), why);
    }
    query_close(session);
    buffer_free(&value);
    buffer_free(&text);
}

/* Puts the member into the room as an executable and gives its path there. */
static int place_member(struct room *room, const struct package *package, const char *member, char *path,
                        size_t path_size, struct error *error)
{
    const char *slash = strrchr(member, '/');
    const char *name = slash == NULL ? member : slash + 1;
    snprintf(path, path_size, "%s/%s", CHECK_FOLDER, name);
    if (root_make_dirs(view_root_fd(room->view), CHECK_FOLDER, 0755, error) != 0) {
        return -1;
    }
    int folder_fd = root_open(view_root_fd(room->view), CHECK_FOLDER, O_RDONLY | O_DIRECTORY, 0, error);
    int result = folder_fd < 0 ? -1 : package_member_extract(package, member, folder_fd, name, 0755, error);
    file_drop(&folder_fd);
    return result;
}

static const char *default_user(const struct run *run, const char *user)
{
    const struct profile *profile = run->target.profile;
    return user != NULL ? user : profile->start_count > 0 ? profile->starts[0].user : NULL;
}

static void check_command(struct room *room, const struct run *run, const struct package *package,
                          const struct package_check *check, struct outcome *outcome)
{
    struct error error = {0};
    struct buffer output = {0};
    char path[256] = "";
    int status = -1;
    bool good = check->file == NULL || place_member(room, package, check->file, path, sizeof path, &error) == 0;
    const char *const argv[] = {"/bin/sh", "-c", check->file == NULL ? check->command : path, NULL};
    struct view_command command = {
        .argv = argv,
        .user = default_user(run, check->user),
        .folder = run->target.installation.program_root,
        .timeout_sec = check->timeout_sec,
    };
    good = good && view_run(room->view, &command, &output, &status, &error) == 0;
    if (!good) {
        snprintf(outcome->detail, sizeof outcome->detail, "%.*s", utf8_cut(error.message, 500), error.message);
    } else if (status != check->status) {
        char said[400];
        text_one_line(buffer_text(&output), output.size, said, sizeof said);
        snprintf(outcome->detail, sizeof outcome->detail, "ended with %d, expected is %d: %s", status, check->status,
                 said);
    } else {
        judge_text(check, buffer_text(&output), outcome);
    }
    buffer_free(&output);
}

static void run_one(struct room *room, const struct run *run, const struct package *package,
                    const struct package_check *check, struct outcome *outcome)
{
    *outcome = (struct outcome){0};
    switch (check->kind) {
    case PACKAGE_CHECK_HTTP: check_http(room, run, check, outcome); break;
    case PACKAGE_CHECK_SQL: check_sql(room, run, package, check, outcome); break;
    case PACKAGE_CHECK_COMMAND: check_command(room, run, package, check, outcome); break;
    }
}

/* --- waiting ------------------------------------------------------------------------------------------------------- */

static void tell_waiting(const struct run *run, const struct package_check *check, const struct outcome *outcome)
{
    char item[700];
    snprintf(item, sizeof item, "%s: %s", check->name, outcome->detail);
    const struct progress_state state = {.doing = "waiting for background jobs", .item = item};
    progress_tell(&run->console->progress, &state);
}

/* What runs while it is waited has ended by itself: with its last words, since nobody does the work any more. */
static void tell_ended(struct view_program *program, int status, struct outcome *outcome)
{
    struct buffer log = {0};
    char before[200];
    char said[250];
    (void)!view_program_log(program, &log, NULL);
    text_one_line(buffer_text(&log), log.size, said, sizeof said);
    snprintf(before, sizeof before, "%.*s", utf8_cut(outcome->detail, sizeof before - 1), outcome->detail);
    snprintf(outcome->detail, sizeof outcome->detail, "%s; \"meanwhile\" ended with %d: %s", before, status, said);
    buffer_free(&log);
}

/* Asks until it holds, the time is over, or what should bring it about has ended: then once more, and no longer. */
static void ask_again(struct room *room, const struct run *run, const struct package *package,
                      const struct package_check *check, struct view_program *program, struct outcome *outcome)
{
    int64_t begun_ms = clock_monotonic_ms();
    bool ended = false;
    int status = 0;
    for (;;) {
        tell_waiting(run, check, outcome);
        if (program == NULL) {
            nanosleep(&(struct timespec){.tv_sec = WAIT_EVERY_SEC}, NULL);
        } else {
            (void)!view_program_wait(program, WAIT_EVERY_SEC, &ended, &status, NULL);
        }
        run_one(room, run, package, check, outcome);
        if (outcome->passed || ended || clock_monotonic_ms() - begun_ms >= (int64_t)check->wait_sec * 1000) {
            break;
        }
    }
    console_finish_line(run->console);
    if (!outcome->passed && ended) {
        tell_ended(program, status, outcome);
    } else if (!outcome->passed) {
        size_t length = strlen(outcome->detail);
        snprintf(outcome->detail + length, sizeof outcome->detail - length, " (after %d minutes of waiting)",
                 check->wait_sec / 60);
    }
}

static void run_waiting(struct room *room, const struct run *run, const struct package *package,
                        const struct package_check *check, struct outcome *outcome)
{
    const char *const argv[] = {"/bin/sh", "-c", check->meanwhile, NULL};
    struct view_command command = {
        .argv = argv,
        .user = default_user(run, check->user),
        .folder = run->target.installation.program_root,
    };
    struct view_program *program = NULL;
    struct error error = {0};
    run_one(room, run, package, check, outcome);
    if (outcome->passed) {
        return; /* nothing to wait for */
    }
    if (check->meanwhile != NULL && view_start(room->view, &command, 0, &program, &error) != 0) {
        snprintf(outcome->detail, sizeof outcome->detail, "%.*s", utf8_cut(error.message, 500), error.message);
        return;
    }
    ask_again(room, run, package, check, program, outcome);
    if (view_stop(program, STOP_GRACE_SEC, &error) != 0 && outcome->passed) {
        outcome->passed = false;
        snprintf(outcome->detail, sizeof outcome->detail, "%.*s", utf8_cut(error.message, 500), error.message);
    }
}

int checks_ask(struct room *room, const struct run *run, const struct site *site, const struct package *package,
               const struct package_check *check, struct outcome *outcome, struct error *error)
{
    static const char *const kinds[] = {
        [PACKAGE_CHECK_HTTP] = "http", [PACKAGE_CHECK_SQL] = "sql", [PACKAGE_CHECK_COMMAND] = "command"};
    int64_t begun_ms = clock_monotonic_ms();
    if (check->wait_sec > 0) {
        run_waiting(room, run, package, check, outcome);
    } else {
        run_one(room, run, package, check, outcome);
    }
    int64_t took_ms = clock_monotonic_ms() - begun_ms;
    console_say(run->console, "  check %s: %s: %s", check->name, outcome->passed ? "passed" : "FAILED",
                outcome->detail);
    return record_check(site, check->name, check->title, kinds[check->kind], outcome, took_ms, error);
}

int checks_run(struct room *room, const struct run *run, const struct site *site, const struct package *package,
               enum package_check_when when, struct error *error)
{
    struct error recording;
    size_t failed = 0;
    for (size_t i = 0; i < package->checks_count; i++) {
        const struct package_check *check = &package->checks[i];
        struct outcome outcome;
        if (check->when != when) {
            continue;
        }
        if (checks_ask(room, run, site, package, check, &outcome, &recording) != 0) {
            if (error != NULL) {
                *error = recording;
            }
            return -1;
        }
        if (!outcome.passed && failed++ == 0) {
            error_set(error, CSN_SEQUENCE_VERIFY, "the check \"%s\" failed: %s", check->title, outcome.detail);
        }
    }
    return failed == 0 ? 0 : -1;
}

int checks_health(struct room *room, const struct run *run, const struct site *site, struct error *error)
{
    const struct profile *profile = run->target.profile;
    for (size_t i = 0; i < profile->health_count; i++) {
        const struct profile_health *health = &profile->healths[i];
        struct http_check check = {.request = {.url = health->url, .timeout_sec = (int)health->timeout_sec},
                                   .status = (int)health->status,
                                   .pattern = health->match};
        struct outcome outcome = {0};
        struct http_response response = {0};
        struct error checking = {0};
        int64_t begun_ms = clock_monotonic_ms();
        outcome.passed = http_check(room->view, &check, &response, &checking) == 0;
        const char *said = outcome.passed ? health->url : checking.message;
        snprintf(outcome.detail, sizeof outcome.detail, "%.*s", utf8_cut(said, 500), said);
        http_response_free(&response);
        const char *name = health->name[0] == '\0' ? "health" : health->name;
        console_say(run->console, "  check %s: %s: %s", name, outcome.passed ? "passed" : "FAILED", outcome.detail);
        if (record_check(site, name, "the application is healthy", "http", &outcome, clock_monotonic_ms() - begun_ms,
                         error) != 0) {
            return -1;
        }
        if (!outcome.passed) {
            return error_set(error, CSN_SEQUENCE_VERIFY, "the application is not healthy: %s", outcome.detail);
        }
    }
    return 0;
}
