#include "target/view_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/file.h"
#include "target/view_internal.h"

#define FAILED_CODE 127

void view_child_fail(int report_fd, const struct error *error)
{
    if (write(report_fd, error, sizeof *error) != (ssize_t)sizeof *error) {
        _exit(FAILED_CODE + 1);
    }
    _exit(FAILED_CODE);
}

__attribute__((noreturn)) static void fail(const struct view_plan *plan, const char *doing)
{
    struct error error;
    error_system(&error, CSN_TARGET_NAMESPACE, "%s", doing);
    view_child_fail(plan->report_fd, &error);
}

static int wait_code(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return FAILED_CODE;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- first ---- */

/* Reaps what has ended. True when first may end too. */
static bool reap(pid_t program, bool stays, int *code)
{
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == program) {
            *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            if (!stays) {
                return true;
            }
        }
    }
    return pid < 0 && errno == ECHILD;
}

static void be_first(const struct view_plan *plan, int output_fd, int go_fd)
{
    struct error error;
    sigset_t all;
    char byte;
    int code = FAILED_CODE;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    /* If the minder dies, so does all of this; the byte comes from a minder that was still there after the prctl. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || read(go_fd, &byte, 1) != 1) {
        _exit(FAILED_CODE);
    }
    const int kept[] = {output_fd, plan->report_fd};
    view_close_others(kept, 2);
    prctl(PR_SET_NAME, "caisson-first");
    if (view_mount_proc("/proc", &error) != 0) {
        view_child_fail(plan->report_fd, &error);
    }
    pid_t program = fork();
    if (program == 0) {
        view_exec(plan, output_fd);
    }
    if (program < 0) {
        fail(plan, "starting the program");
    }
    close(output_fd);
    close(plan->report_fd);
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number == SIGCHLD) {
            if (reap(program, plan->stays, &code)) {
                _exit(code);
            }
        } else if (number > 0 && info.si_code == SI_QUEUE && info.si_pid == 0) {
            /* From outside this namespace, so from the minder; what comes from inside is not for us. */
            kill(info.si_value.sival_int != 0 ? -1 : program, number);
        }
    }
}

/* ---- minder ---- */

struct log {
    int fd;
    off_t size;
    off_t limit;
};

/* Drops all but the last half: the last words of a failing program are the ones that matter. */
static void keep_tail(struct log *log)
{
    static char chunk[65536];
    off_t from = log->size - log->limit / 2;
    off_t to = 0;
    while (from < log->size) {
        ssize_t got = pread(log->fd, chunk, sizeof chunk, from);
        if (got <= 0 || pwrite(log->fd, chunk, (size_t)got, to) != got) {
            break;
        }
        from += got;
        to += got;
    }
    log->size = ftruncate(log->fd, to) == 0 ? to : log->size;
}

/* False at the end of the output. */
static bool pump(int output_fd, struct log *log)
{
    static char chunk[16384];
    ssize_t got = read(output_fd, chunk, sizeof chunk);
    if (got <= 0) {
        return got < 0 && (errno == EINTR || errno == EAGAIN);
    }
    if (pwrite(log->fd, chunk, (size_t)got, log->size) == got) {
        log->size += got;
    }
    if (log->size > log->limit) {
        keep_tail(log);
    }
    return true;
}

static void take_control(int *control_fd, pid_t first)
{
    struct view_control control;
    ssize_t got = recv(*control_fd, &control, sizeof control, MSG_DONTWAIT);
    if (got == (ssize_t)sizeof control) {
        union sigval value = {.sival_int = control.to_all};
        sigqueue(first, control.signal_number, value);
    } else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        kill(first, SIGKILL); /* nobody wants it any more */
        file_drop(control_fd);
    }
}

static void watch(pid_t first, int first_pidfd, int control_fd, int output_fd, struct log *log)
{
    bool ended = false;
    while (!ended) {
        struct pollfd polls[3] = {{.fd = first_pidfd, .events = POLLIN},
                                  {.fd = control_fd, .events = POLLIN},
                                  {.fd = output_fd, .events = POLLIN}};
        if (poll(polls, 3, -1) < 0) {
            continue;
        }
        if (polls[2].revents != 0 && !pump(output_fd, log)) {
            file_drop(&output_fd);
        }
        if (polls[1].revents != 0) {
            take_control(&control_fd, first);
        }
        ended = polls[0].revents != 0;
    }
    while (output_fd >= 0) {
        struct pollfd rest = {.fd = output_fd, .events = POLLIN};
        if (poll(&rest, 1, 0) <= 0 || !pump(output_fd, log)) {
            file_drop(&output_fd);
        }
    }
}

static void mind(const struct view_plan *plan)
{
    int output[2];
    int go[2];
    struct log log = {.fd = plan->log_fd, .limit = (off_t)plan->log_limit_bytes};
    int outside_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_NAME, "caisson-minder");
    if (outside_fd < 0 || setns(plan->room_pidfd, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) != 0 ||
        unshare(CLONE_NEWPID | CLONE_NEWNS) != 0 || pipe2(output, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0) {
        fail(plan, "entering the room");
    }
    pid_t first = fork();
    if (first == 0) {
        close(go[1]);
        be_first(plan, output[1], go[0]);
    }
    if (first < 0) {
        fail(plan, "starting a process in the room");
    }
    int first_pidfd = view_pidfd_open(first);
    close(output[1]);
    close(go[0]);
    if (first_pidfd < 0 || write(go[1], "", 1) != 1) {
        fail(plan, "watching a process in the room");
    }
    close(go[1]);
    close(plan->report_fd);
    watch(first, first_pidfd, plan->control_fd, output[0], &log);
    int code = wait_code(first);
    /* Leaves the mounts before it ends, for the reason given in view_room.c. */
    if (setns(outside_fd, CLONE_NEWNS) != 0) {
        _exit(code);
    }
    _exit(code);
}

/* ---- relay ---- */

void view_child(const struct view_plan *plan)
{
    const int kept[] = {plan->room_pidfd, plan->control_fd, plan->report_fd, plan->log_fd};
    view_close_others(kept, 4);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    setsid(); /* a key pressed on our terminal is not for the server's programs */
    if (setns(plan->room_pidfd, CLONE_NEWPID) != 0) {
        fail(plan, "finding the room");
    }
    pid_t minder = fork();
    if (minder == 0) {
        mind(plan);
    }
    if (minder < 0) {
        fail(plan, "starting a process for the room");
    }
    view_close_others(NULL, 0);
    prctl(PR_SET_NAME, "caisson-relay");
    _exit(wait_code(minder));
}
