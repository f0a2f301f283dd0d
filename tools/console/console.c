#include "console/console.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/screen.h"

#define QUIET_MS 2000 /* what is shorter is not worth a line */
#define OVERWRITE_EVERY_MS 250
#define LINE_EVERY_MS 5000
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

/* "reading files: 512 MB of 2.1 GB (24 %), 81 MB/s, 20 s left, 1200 files" */
static void describe(char *line, size_t size, const struct progress_state *state, int64_t elapsed_ms)
{
    char done[CONSOLE_TEXT_SIZE];
    char total[CONSOLE_TEXT_SIZE];
    char rate[CONSOLE_TEXT_SIZE];
    snprintf(line, size, "  %s:", state->doing);
    bool by_bytes = state->done_bytes > 0;
    uint64_t so_far = by_bytes ? state->done_bytes : state->done_items;
    uint64_t all = by_bytes ? state->total_bytes : state->total_items;
    if (by_bytes) {
        console_bytes(done, state->done_bytes);
        snprintf(line + strlen(line), size - strlen(line), " %s", done);
        if (state->total_bytes > 0) {
            console_bytes(total, state->total_bytes);
            snprintf(line + strlen(line), size - strlen(line), " of %s", total);
        }
    } else if (so_far > 0) {
        snprintf(line + strlen(line), size - strlen(line), " %llu", (unsigned long long)so_far);
        if (all > 0) {
            snprintf(line + strlen(line), size - strlen(line), " of %llu", (unsigned long long)all);
        }
    }
    if (all > 0 && so_far <= all) {
        snprintf(line + strlen(line), size - strlen(line), " (%llu %%)", (unsigned long long)(so_far * 100 / all));
    }
    if (by_bytes && elapsed_ms > 0) {
        console_bytes(rate, state->done_bytes * 1000 / (uint64_t)elapsed_ms);
        snprintf(line + strlen(line), size - strlen(line), ", %s/s", rate);
    }
    /* An estimate from too little is a lie: none before 3 seconds and 2 percent. */
    if (all > 0 && so_far < all && elapsed_ms > 3000 && so_far * 50 > all) {
        console_duration(total, (int64_t)((double)elapsed_ms * (double)(all - so_far) / (double)so_far));
        snprintf(line + strlen(line), size - strlen(line), ", %s left", total);
    }
    if (state->item != NULL) {
        snprintf(line + strlen(line), size - strlen(line), "  %s", state->item);
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
    }
    int64_t pause_ms = console->overwrites ? OVERWRITE_EVERY_MS : LINE_EVERY_MS;
    if (now_ms - console->begun_ms < QUIET_MS || now_ms - console->shown_ms < pause_ms) {
        return;
    }
    console->shown_ms = now_ms;
    char line[256] = "";
    describe(line, sizeof line, state, now_ms - console->begun_ms);
    if (console->overwrites) {
        fputc('\r', console->out);
        screen_text(console->out, line, TERMINAL_COLUMNS - 1);
        fputs("\033[K", console->out);
        console->line_open = true;
    } else {
        screen_text(console->out, line, sizeof line * 4);
        fputc('\n', console->out);
    }
    fflush(console->out);
}

void console_open(struct console *console, FILE *out)
{
    *console = (struct console){.out = out, .overwrites = isatty(fileno(out)) != 0};
    console->progress = (struct progress){tell, console};
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
