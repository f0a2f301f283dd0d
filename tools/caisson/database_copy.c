#include "caisson/database_copy.h"

#include <stdio.h>
#include <string.h>

#include "caisson/connection.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "database/live_copy.h"
#include "lib/clock.h"
#include "lib/screen.h"

struct copying {
    const struct options *options;
    struct query_target target;
    struct live_copy names;
    struct console console;
};

static int copy(struct copying *copying, struct error *error)
{
    uint64_t wait_sec = options_number(copying->options, "wait-sec", 60);
    if (wait_sec > 86400) {
        return error_set(error, CSN_USAGE, "--wait-sec takes up to a day");
    }
    if (live_copy_close(&copying->target, copying->names.database, (int)wait_sec,
                        options_flag(copying->options, "end-sessions"), &copying->console.progress, error) != 0) {
        return -1;
    }
    if (live_copy_make(&copying->target, &copying->names, &copying->console.progress, error) != 0) {
        live_copy_open_again(&copying->target, copying->names.database, error);
        return -1;
    }
    console_finish_line(&copying->console);
    screen_line(stdout, "%s is closed, and its copy %s is there to be migrated", copying->names.database,
                copying->names.copy);
    return 0;
}

static int exchange(struct copying *copying, bool back, struct error *error)
{
    const struct live_copy *names = &copying->names;
    int64_t begun_ms = clock_monotonic_ms();
    if ((back ? live_copy_back(&copying->target, names, error) : live_copy_switch(&copying->target, names, error)) !=
        0) {
        return -1;
    }
    screen_line(stdout, "%s is the %s one now, and open; the %s one stands beside, closed, as %s (%lld ms)",
                names->database, back ? "old" : "new", back ? "new" : "old", back ? names->copy : names->old,
                (long long)(clock_monotonic_ms() - begun_ms));
    return 0;
}

static int drop(struct copying *copying, struct error *error)
{
    bool old = options_flag(copying->options, "old");
    if (live_copy_drop(&copying->target, &copying->names, old, error) != 0) {
        return -1;
    }
    if (old) {
        screen_line(stdout, "%s is gone; there is no way back to it", copying->names.old);
    } else {
        screen_line(stdout, "%s is gone, and %s is open", copying->names.copy, copying->names.database);
    }
    return 0;
}

static const char *const whats[] = {"copy", "switch", "back", "drop", NULL};

bool database_copy_knows(const char *what)
{
    return text_is_one_of(what, whats);
}

/* What stands there decides what can be done; the rest is refused before anything is touched. */
static int check_state(const struct copying *copying, const char *what, struct error *error)
{
    static const char *const there[] = {
        [LIVE_COPY_NONE] = "there is no copy of it, and no old one",
        [LIVE_COPY_BEGUN] = "it is closed, or a copy of it is unfinished (`drop` opens it)",
        [LIVE_COPY_STAGED] = "a copy of it stands beside, not exchanged",
        [LIVE_COPY_SWITCHED] = "it is exchanged, and the old one stands beside (`drop --old` removes that)",
        [LIVE_COPY_OTHER] = "it is not there, or both a copy and an old one are: look at the server's databases",
    };
    enum live_copy_state state;
    if (live_copy_examine(&copying->target, &copying->names, &state, error) != 0) {
        return -1;
    }
    bool old = options_flag(copying->options, "old");
    bool good = strcmp(what, "copy") == 0     ? state == LIVE_COPY_NONE || state == LIVE_COPY_BEGUN
                : strcmp(what, "switch") == 0 ? state == LIVE_COPY_STAGED
                : strcmp(what, "back") == 0   ? state == LIVE_COPY_SWITCHED
                : old                         ? state == LIVE_COPY_SWITCHED
                                              : state == LIVE_COPY_BEGUN || state == LIVE_COPY_STAGED;
    return good ? 0
                : error_set(error, CSN_USAGE, "nothing was done to the database %s, as %s", copying->names.database,
                            there[state]);
}

int database_copy(const char *what, const struct options *options, struct error *error)
{
    struct copying copying = {.options = options};
    struct connection connection = {.password = NULL};
    const char *name = options_text(options, "name");
    const char *run = options_text(options, "run");
    if (name == NULL) {
        return error_set(error, CSN_USAGE, "`caisson database %s` needs --name NAME", what);
    }
    watching_open(&copying.console, options);
    int result = connection_take(&connection, options, error);
    copying.target = connection.target;
    if (result == 0 && (live_copy_name(&copying.names, name, run == NULL ? "caisson" : run, error) != 0 ||
                        check_state(&copying, what, error) != 0)) {
        result = -1;
    }
    if (result == 0) {
        result = strcmp(what, "copy") == 0     ? copy(&copying, error)
                 : strcmp(what, "switch") == 0 ? exchange(&copying, false, error)
                 : strcmp(what, "back") == 0   ? exchange(&copying, true, error)
                                               : drop(&copying, error);
    }
    console_finish_line(&copying.console);
    connection_free(&connection);
    return result;
}
