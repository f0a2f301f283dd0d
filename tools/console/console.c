#include "console/console.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/screen.h"

#define QUIET_MS 2000 /* what is shorter is not worth a line */
#define OVERWRITE_EVERY_MS 250
#define LINE_EVERY_MS 5000
#define JSON_EVERY_MS 1000
#define MARK_MS 1500
#define TERMINAL_COLUMNS 80
#define CONSOLE_LINE_SIZE 4096

void console_bytes(char text[CONSOLE_TEXT_SIZE], uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    snprintf(text, CONSOLE_TEXT_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

void console_duration(char text[CONSOLE_TEXT_SIZE], int64_t milliseconds)
{
    long long seconds = milliseconds / 1000;
    if (milliseconds < 60000) {
        snprintf(text, CONSOLE_TEXT_SIZE, "%.1f s", (double)milliseconds / 1000);
    } else if (seconds < 3600) {
        snprintf(text, CONSOLE_TEXT_SIZE, "%lld min %lld s", seconds / 60, seconds % 60);
    } else {
        snprintf(text, CONSOLE_TEXT_SIZE, "%lld h %lld min", seconds / 3600, seconds / 60 % 60);
    }
}

void console_finish_line(struct console *console)
{
    if (console->line_open) {
        fputc('\n', console->out);
        console->line_open = false;
    }
    fflush(console->out);
}

/* --- how fast, and how long it still takes --- */

struct estimate {
    uint64_t done; /* bytes, or items where bytes are not counted */
    uint64_t total;
    bool by_bytes;
    double rate;     /* a second; 0: not known */
    int64_t left_ms; /* -1: not known */
};

/* Work changes its pace (files that are unchanged fly by): what counts are the last MARKS * MARK_MS. */
static void mark(struct console *console, uint64_t done, int64_t now_ms)
{
    if (console->mark_count == 0 ||
        now_ms - console->marks[(console->mark_count - 1) % CONSOLE_MARKS].at_ms >= MARK_MS) {
        console->marks[console->mark_count++ % CONSOLE_MARKS] = (struct console_mark){now_ms, done};
    }
}

static struct estimate estimate(const struct console *console, const struct progress_state *state, int64_t now_ms)
{
    struct estimate found = {.by_bytes = state->done_bytes > 0, .left_ms = -1};
    found.done = found.by_bytes ? state->done_bytes : state->done_items;
    found.total = found.by_bytes ? state->total_bytes : state->total_items;
    unsigned oldest = console->mark_count > CONSOLE_MARKS ? console->mark_count - CONSOLE_MARKS : 0;
    const struct console_mark *then = &console->marks[oldest % CONSOLE_MARKS];
    if (console->mark_count > 0 && now_ms > then->at_ms && found.done >= then->done) {
        found.rate = (double)(found.done - then->done) * 1000 / (double)(now_ms - then->at_ms);
    }
    /* An estimate from too little is a lie: none before 3 seconds and 2 percent. */
    if (found.total > 0 && found.done <= found.total && found.rate > 0 && now_ms - console->begun_ms > 3000 &&
        found.done * 50 > found.total) {
        found.left_ms = (int64_t)((double)(found.total - found.done) * 1000 / found.rate);
    }
    return found;
}

/* "reading files: 512 MB of 2.1 GB (24 %), 81 MB/s, 20 s left  opt/app/x" */
static void describe(char *line, size_t size, const struct progress_state *state, const struct estimate *found)
{
    char text[CONSOLE_TEXT_SIZE];
    snprintf(line, size, "  %s:", state->doing);
    if (found->by_bytes) {
        console_bytes(text, found->done);
        snprintf(line + strlen(line), size - strlen(line), " %s", text);
        if (found->total > 0) {
            console_bytes(text, found->total);
            snprintf(line + strlen(line), size - strlen(line), " of %s", text);
        }
    } else if (found->done > 0) {
        snprintf(line + strlen(line), size - strlen(line), " %llu", (unsigned long long)found->done);
        if (found->total > 0) {
            snprintf(line + strlen(line), size - strlen(line), " of %llu", (unsigned long long)found->total);
        }
    }
    if (found->total > 0 && found->done <= found->total) {
        snprintf(line + strlen(line), size - strlen(line), " (%llu %%)",
                 (unsigned long long)(found->done * 100 / found->total));
    }
    if (found->by_bytes && found->rate > 0) {
        console_bytes(text, (uint64_t)found->rate);
        snprintf(line + strlen(line), size - strlen(line), ", %s/s", text);
    }
    if (found->left_ms > 0) {
        console_duration(text, found->left_ms);
        snprintf(line + strlen(line), size - strlen(line), ", %s left", text);
    }
    if (state->item != NULL) {
        snprintf(line + strlen(line), size - strlen(line), "  %s", state->item);
    }
}

static void add_known(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, uint64_t value)
{
    if (value > 0) {
        yyjson_mut_obj_add_uint(document, object, key, value);
    }
}

static void show_json(const struct console *console, const struct progress_state *state, const struct estimate *found)
{
    struct buffer line = {0};
    struct error unused;
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *object = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, object);
    yyjson_mut_obj_add_str(document, object, "doing", state->doing);
    add_known(document, object, "bytes", state->done_bytes);
    add_known(document, object, "total_bytes", state->total_bytes);
    add_known(document, object, "items", state->done_items);
    add_known(document, object, "total_items", state->total_items);
    add_known(document, object, "bytes_per_second", found->by_bytes ? (uint64_t)found->rate : 0);
    if (found->left_ms >= 0) {
        yyjson_mut_obj_add_uint(document, object, "seconds_left", (uint64_t)found->left_ms / 1000);
    }
    if (state->item != NULL) {
        json_add_bytes(document, object, "item", state->item, strlen(state->item));
    }
    if (document != NULL && json_append_line(&line, document, &unused) == 0) {
        fprintf(console->out, "%s\n", buffer_text(&line));
    }
    buffer_free(&line);
    yyjson_mut_doc_free(document);
}

static void show_text(struct console *console, const struct progress_state *state, const struct estimate *found)
{
    char line[256] = "";
    describe(line, sizeof line, state, found);
    if (console->overwrites) {
        fputc('\r', console->out);
        screen_text(console->out, line, TERMINAL_COLUMNS - 1);
        fputs("\033[K", console->out);
        console->line_open = true;
    } else {
        screen_text(console->out, line, sizeof line * 4);
        fputc('\n', console->out);
    }
}

static void tell(void *context, const struct progress_state *state)
{
    struct console *console = context;
    int64_t now_ms = clock_monotonic_ms();
    if (strncmp(console->doing, state->doing, sizeof console->doing - 1) != 0) {
        console_finish_line(console);
        snprintf(console->doing, sizeof console->doing, "%s", state->doing);
        console->begun_ms = now_ms;
        console->shown_ms = now_ms;
        console->mark_count = 0;
    }
    mark(console, state->done_bytes > 0 ? state->done_bytes : state->done_items, now_ms);
    int64_t pause_ms = console->json ? JSON_EVERY_MS : console->overwrites ? OVERWRITE_EVERY_MS : LINE_EVERY_MS;
    if (now_ms - console->begun_ms < QUIET_MS || now_ms - console->shown_ms < pause_ms) {
        return;
    }
    console->shown_ms = now_ms;
    struct estimate found = estimate(console, state, now_ms);
    if (console->json) {
        show_json(console, state, &found);
    } else {
        show_text(console, state, &found);
    }
    fflush(console->out);
}

/* A terminal that says of itself that it obeys nothing gets lines, as a log does. */
static bool can_overwrite(FILE *out)
{
    const char *kind = getenv("TERM");
    return isatty(fileno(out)) != 0 && kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0;
}

void console_open(struct console *console, FILE *out)
{
    *console = (struct console){.out = out, .overwrites = can_overwrite(out)};
    console->progress = (struct progress){tell, console};
}

void console_open_json(struct console *console, FILE *out)
{
    console_open(console, out);
    console->json = true;
    console->overwrites = false;
}

void console_say(struct console *console, const char *format, ...)
{
    console_finish_line(console);
    console->doing[0] = '\0';
    char line[CONSOLE_LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    screen_text(console->out, line, sizeof line * 4);
    fputc('\n', console->out);
    fflush(console->out);
}

void console_step_begin(struct console *console, int number, int count, const char *name, const char *summary)
{
    console_say(console, "[%d/%d] %s: %s", number, count, name, summary);
}

void console_step_end(struct console *console, int number, int count, const char *name, bool good, int64_t milliseconds,
                      const struct traffic *traffic, const char *detail)
{
    char duration[CONSOLE_TEXT_SIZE];
    char moved[3 * CONSOLE_TEXT_SIZE] = "";
    console_duration(duration, milliseconds);
    if (traffic->known) {
        char was_read[CONSOLE_TEXT_SIZE];
        char written[CONSOLE_TEXT_SIZE];
        console_bytes(was_read, traffic->read_bytes);
        console_bytes(written, traffic->written_bytes);
        snprintf(moved, sizeof moved, ", read %s, wrote %s", was_read, written);
    }
    console_say(console, "[%d/%d] %s: %s %s%s%s%s", number, count, name, good ? "done in" : "FAILED after", duration,
                moved, detail == NULL || detail[0] == '\0' ? "" : "; ", detail == NULL ? "" : detail);
}
