#include "target/view.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/root.h"
#include "lib/text.h"
#include "target/view_child.h"
#include "target/view_internal.h"

#define LOG_LIMIT ((size_t)1 << 20)
#define WATCH_MS 1000
#define LINE_SIZE 200 /* of what is shown of the output */

struct view_program {
    char *name;
    pid_t relay_pid;
    int relay_pidfd;
    int control_fd;
    int log_fd;
    bool ended;
    int status;
};

/* LANG as the server's services have it. */
static void find_language(int root_fd, char *language, size_t size)
{
    static const char *const files[] = {"/etc/locale.conf", "/etc/default/locale"};
    snprintf(language, size, "LANG=C.UTF-8");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct buffer content = {0};
        char *text = root_read(root_fd, files[i], 65536, &content, NULL) == 0 ? content.data : NULL;
        for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n")) {
            if (strncmp(line, "LANG=", 5) == 0) {
                char *value = line + 5 + strspn(line + 5, "\"'");
                value[strcspn(value, "\"' \t\r")] = '\0';
                snprintf(language, size, "LANG=%s", value);
            }
        }
        buffer_free(&content);
    }
}

/* Sets NAME=value: over one of that name that is there. */
static int set_variable(struct strings *list, const char *variable, struct error *error)
{
    size_t length = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < list->count; i++) {
        if (strncmp(list->items[i], variable, length) == 0) {
            char *copy = strdup(variable);
            if (copy == NULL) {
                return error_set(error, CSN_MEMORY, "no memory for the environment");
            }
            free(list->items[i]);
            list->items[i] = copy;
            return 0;
        }
    }
    return strings_add(list, variable, error);
}

static int make_environment(int root_fd, const struct view_command *command, const struct account *account,
                            struct strings *list, struct error *error)
{
    char language[128];
    char text[512];
    find_language(root_fd, language, sizeof language);
    if (set_variable(list, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", error) != 0 ||
        set_variable(list, "SHELL=/bin/sh", error) != 0 || set_variable(list, language, error) != 0) {
        return -1;
    }
    static const char *const names[] = {"HOME", "USER", "LOGNAME"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(text, sizeof text, "%s=%s", names[i], i == 0 ? account->home : account->name);
        if (set_variable(list, text, error) != 0) {
            return -1;
        }
    }
    for (const char *const *variable = command->environment; variable != NULL && *variable != NULL; variable++) {
        if (set_variable(list, *variable, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static void free_program(struct view_program *program)
{
    file_drop(&program->relay_pidfd);
    file_drop(&program->control_fd);
    file_drop(&program->log_fd);
    free(program->name);
    free(program);
}

static void reap(struct view_program *program)
{
    int status = 0;
    while (!program->ended && waitpid(program->relay_pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!program->ended) {
        program->ended = true;
        program->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

/* Waits until the program runs or one of the processes before it says why not. */
static int take_report(struct view_program *program, int report_fd, struct error *error)
{
    struct error report;
    size_t have = 0;
    while (have < sizeof report) {
        ssize_t got = read(report_fd, (char *)&report + have, sizeof report - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        have += (size_t)got;
    }
    if (have == 0) {
        return 0;
    }
    reap(program);
    if (have == sizeof report && error != NULL) {
        *error = report;
    }
    return have == sizeof report ? -1
                                 : error_set(error, CSN_PROCESS, "starting %s in the server's root", program->name);
}

static int launch(struct view_program *program, struct view_plan *plan, struct error *error)
{
    int control[2] = {-1, -1};
    int report[2] = {-1, -1};
    int result = -1;
    program->log_fd = memfd_create("caisson-log", MFD_CLOEXEC);
    if (program->log_fd < 0 || pipe2(report, O_CLOEXEC) != 0 ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
        error_system(error, CSN_PROCESS, "preparing to start %s", program->name);
        goto out;
    }
    plan->control_fd = control[1];
    plan->report_fd = report[1];
    plan->log_fd = program->log_fd;
    fflush(NULL);
    program->relay_pid = fork();
    if (program->relay_pid == 0) {
        view_child(plan);
    }
    if (program->relay_pid < 0) {
        error_system(error, CSN_PROCESS, "starting %s", program->name);
        goto out;
    }
    file_drop(&report[1]);
    program->control_fd = control[0];
    control[0] = -1;
    program->relay_pidfd = view_pidfd_open(program->relay_pid);
    if (program->relay_pidfd < 0) {
        error_system(error, CSN_PROCESS, "watching %s", program->name);
        file_drop(&program->control_fd); /* kills it */
        file_drop(&control[1]);
        reap(program);
        goto out;
    }
    file_drop(&control[1]);
    result = take_report(program, report[0], error);
out:
    file_drop(&control[0]);
    file_drop(&control[1]);
    file_drop(&report[0]);
    file_drop(&report[1]);
    return result;
}

static int start(struct view *view, const struct view_command *command, size_t log_limit_bytes, bool stays,
                 struct view_program **program, struct error *error)
{
    struct strings environment = {0};
    struct view_plan plan = {.argv = command->argv,
                             .folder = command->folder,
                             .folder_asked = command->folder != NULL,
                             .stays = stays,
                             .room_pidfd = view->room_pidfd,
                             .log_limit_bytes = log_limit_bytes};
    int result = -1;
    *program = NULL;
    struct view_program *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to start a program");
    }
    made->relay_pidfd = made->control_fd = made->log_fd = -1;
    made->name = strdup(command->argv[0]);
    if (made->name == NULL) {
        error_set(error, CSN_MEMORY, "no memory to start a program");
        goto out;
    }
    if (account_find(view->root_fd, command->user == NULL ? "0" : command->user, &plan.account, error) != 0 ||
        make_environment(view->root_fd, command, &plan.account, &environment, error) != 0) {
        goto out;
    }
    plan.environment = (const char *const *)environment.items;
    if (plan.folder == NULL) {
        plan.folder = plan.account.home;
    }
    if (launch(made, &plan, error) != 0) {
        goto out;
    }
    *program = made;
    made = NULL;
    result = 0;
out:
    if (made != NULL) {
        free_program(made);
    }
    strings_free(&environment);
    return result;
}

int view_start(struct view *view, const struct view_command *command, size_t log_limit_bytes,
               struct view_program **program, struct error *error)
{
    return start(view, command, log_limit_bytes == 0 ? LOG_LIMIT : log_limit_bytes, true, program, error);
}

/* True when it has ended within that time; a negative one is none. */
static bool wait_end(struct view_program *program, int64_t timeout_ms)
{
    int64_t end_ms = clock_monotonic_ms() + timeout_ms;
    while (!program->ended) {
        int64_t left_ms = timeout_ms < 0 ? 60000 : end_ms - clock_monotonic_ms();
        struct pollfd poll_fd = {.fd = program->relay_pidfd, .events = POLLIN};
        if (poll(&poll_fd, 1, left_ms < 0 ? 0 : left_ms > 60000 ? 60000 : (int)left_ms) > 0) {
            reap(program);
        } else if (timeout_ms >= 0 && clock_monotonic_ms() >= end_ms) {
            break;
        }
    }
    return program->ended;
}

/* The last line of its output so far. */
static void tell_output(const struct view_program *program, const struct view_command *command)
{
    char end[LINE_SIZE];
    char line[LINE_SIZE];
    struct stat status;
    off_t size = fstat(program->log_fd, &status) == 0 ? status.st_size : 0;
    ssize_t got = pread(program->log_fd, end, sizeof end, size > LINE_SIZE ? size - LINE_SIZE : 0);
    size_t length = got < 0 ? 0 : (size_t)got;
    while (length > 0 && (end[length - 1] == '\n' || end[length - 1] == '\r')) {
        length--;
    }
    const char *newline = memrchr(end, '\n', length);
    const char *begin = newline == NULL ? end : newline + 1;
    text_one_line(begin, (size_t)(end + length - begin), line, sizeof line);
    const struct progress_state state = {.doing = command->doing, .item = line};
    progress_tell(command->progress, &state);
}

static bool wait_watched(struct view_program *program, const struct view_command *command, int64_t timeout_ms)
{
    int64_t begun_ms = clock_monotonic_ms();
    if (command->doing == NULL) {
        return wait_end(program, timeout_ms);
    }
    for (int64_t passed_ms = 0; timeout_ms < 0 || passed_ms < timeout_ms; passed_ms = clock_monotonic_ms() - begun_ms) {
        bool last = timeout_ms >= 0 && timeout_ms - passed_ms < WATCH_MS;
        if (wait_end(program, last ? timeout_ms - passed_ms : WATCH_MS)) {
            break;
        }
        tell_output(program, command);
    }
    return program->ended;
}

bool view_program_runs(struct view_program *program)
{
    return !wait_end(program, 0);
}

int view_program_log(const struct view_program *program, struct buffer *log, struct error *error)
{
    off_t at = 0;
    for (;;) {
        char *room = buffer_reserve(log, 65536);
        if (room == NULL) {
            return buffer_check(log, error);
        }
        ssize_t got = pread(program->log_fd, room, 65536, at);
        if (got < 0) {
            return error_system(error, CSN_IO, "reading the output of %s", program->name);
        }
        if (got == 0) {
            buffer_append(log, "", 0);
            return buffer_check(log, error);
        }
        log->size += (size_t)got;
        at += got;
    }
}

static int control(struct view_program *program, int signal_number, bool to_all, struct error *error)
{
    struct view_control message = {.signal_number = signal_number, .to_all = to_all};
    if (view_send(program->control_fd, &message, sizeof message, NULL, 0) != 0 && errno != EPIPE &&
        errno != ECONNRESET) {
        return error_system(error, CSN_PROCESS, "sending a signal to %s", program->name);
    }
    return 0;
}

int view_program_signal(struct view_program *program, int signal_number, struct error *error)
{
    return control(program, signal_number, false, error);
}

int view_program_wait(struct view_program *program, int timeout_sec, bool *ended, int *status, struct error *error)
{
    (void)error;
    *ended = wait_end(program, (int64_t)timeout_sec * 1000);
    if (*ended && status != NULL) {
        *status = program->status;
    }
    return 0;
}

int view_stop(struct view_program *program, int grace_sec, struct error *error)
{
    int result = 0;
    if (program == NULL) {
        return 0;
    }
    if (!program->ended) {
        result = control(program, SIGTERM, true, error);
    }
    if (result != 0 || !wait_end(program, (int64_t)grace_sec * 1000)) {
        file_drop(&program->control_fd); /* the minder kills it then */
        wait_end(program, -1);
    }
    free_program(program);
    return result;
}

int view_run(struct view *view, const struct view_command *command, struct buffer *output, int *status,
             struct error *error)
{
    struct view_program *program = NULL;
    if (start(view, command, LOG_LIMIT, false, &program, error) != 0 || program == NULL) {
        return -1;
    }
    int result = 0;
    bool ended = wait_watched(program, command, command->timeout_sec > 0 ? (int64_t)command->timeout_sec * 1000 : -1);
    if (!ended) {
        file_drop(&program->control_fd);
        wait_end(program, -1);
    }
    *status = program->status;
    if (output != NULL && view_program_log(program, output, error) != 0) {
        result = -1;
    }
    if (!ended && result == 0) {
        result = error_set(error, CSN_TIMEOUT, "%s did not end within %d seconds", program->name, command->timeout_sec);
    }
    free_program(program);
    return result;
}
