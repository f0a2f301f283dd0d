#include "lib/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"

#define OUTPUT_LIMIT (1u << 20)

/* Drops the older half once there is too much: the last words of a failing program are the ones that matter. */
static void keep_tail(struct buffer *output)
{
    if (output != NULL && output->size > OUTPUT_LIMIT) {
        size_t drop = output->size - OUTPUT_LIMIT / 2;
        memmove(output->data, output->data + drop, output->size - drop);
        output->size -= drop;
        output->data[output->size] = '\0';
    }
}

/* 1: end of output, 0: more may come, -1: failed. */
static int drain(int fd, struct buffer *output)
{
    char chunk[16384];
    ssize_t got = read(fd, chunk, sizeof chunk);
    if (got < 0) {
        return errno == EINTR || errno == EAGAIN ? 0 : -1;
    }
    if (got == 0) {
        return 1;
    }
    if (output != NULL) {
        buffer_append(output, chunk, (size_t)got);
        keep_tail(output);
    }
    return 0;
}

static int reap(int pid, const char *name, int *status, struct error *error)
{
    int raw = 0;
    while (waitpid(pid, &raw, 0) < 0) {
        if (errno != EINTR) {
            return error_system(error, CSN_PROCESS, "waiting for %s", name);
        }
    }
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    return 0;
}

int process_collect(int pid, int output_fd, const char *name, int timeout_sec, struct buffer *output, int *status,
                    struct error *error)
{
    int64_t end_ms = timeout_sec > 0 ? clock_monotonic_ms() + (int64_t)timeout_sec * 1000 : INT64_MAX;
    bool ended = false;
    while (!ended && clock_monotonic_ms() < end_ms) {
        if (output_fd >= 0) {
            struct pollfd poll_fd = {.fd = output_fd, .events = POLLIN};
            if (poll(&poll_fd, 1, 200) > 0 && drain(output_fd, output) != 0) {
                file_drop(&output_fd); /* the end of its output; now wait for the program itself */
            }
        } else {
            poll(NULL, 0, 20);
        }
        siginfo_t info = {0};
        ended = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
    }
    if (!ended) {
        kill(pid, SIGKILL);
    }
    /* What is left in the pipe. A grandchild may hold the other end open: do not wait for it. */
    while (output_fd >= 0) {
        struct pollfd poll_fd = {.fd = output_fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 0) <= 0 || drain(output_fd, output) != 0) {
            file_drop(&output_fd);
        }
    }
    if (reap(pid, name, status, error) != 0) {
        return -1;
    }
    if (!ended) {
        return error_set(error, CSN_TIMEOUT, "%s did not end within %d seconds", name, timeout_sec);
    }
    return output == NULL ? 0 : buffer_check(output, error);
}

static void run_child(const char *const argv[], int input_fd, int output_fd)
{
    if (dup2(input_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0) {
        _exit(127);
    }
    execvp(argv[0], (char *const *)argv);
    dprintf(2, "cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

int process_run(const char *const argv[], const char *input, int timeout_sec, struct buffer *output, int *status,
                struct error *error)
{
    int pipe_fds[2] = {-1, -1};
    int result = -1;
    int input_fd = open(input == NULL ? "/dev/null" : input, O_RDONLY | O_CLOEXEC);
    if (input_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) != 0) {
        error_system(error, CSN_PROCESS, "preparing to start %s", argv[0]);
        goto out;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        error_system(error, CSN_PROCESS, "starting %s", argv[0]);
        goto out;
    }
    if (pid == 0) {
        run_child(argv, input_fd, pipe_fds[1]);
    }
    file_drop(&pipe_fds[1]);
    int output_fd = pipe_fds[0];
    pipe_fds[0] = -1;
    result = process_collect(pid, output_fd, argv[0], timeout_sec, output, status, error);
out:
    file_drop(&input_fd);
    file_drop(&pipe_fds[0]);
    file_drop(&pipe_fds[1]);
    return result;
}
