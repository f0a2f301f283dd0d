/*
 * cut.c - moments at which tests end the program, or the machine it runs in: each time a journal record has become durable in
 * one place, two names have been exchanged, or one has been moved.
 *
 * Linked into a caisson of its own for the tests (out/test-cut), with --wrap for fdatasync (the journal's alone) and for the
 * renames of switch and rollback. The environment variable CAISSON_CUT says what a moment does:
 * - N: the Nth one ends the program as a power cut would. With 0 it only counts, into the file CAISSON_CUT_COUNT.
 * - wait: it says "cut: moment N: WHAT" on standard output and waits for a line from the console, so that a virtual machine can
 *   be ended from outside there (tests/boot/ended). The kernel hands CAISSON_CUT=wait on its command line to init as a variable.
 * The environment variable CAISSON_AHEAD says by how many seconds the clock is wrong (--wrap for clock_gettime).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "tree/exchange.h"

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_tree_exchange(int root_fd, const char *path_a, const char *path_b, struct error *error);
int __wrap_tree_exchange(int root_fd, const char *path_a, const char *path_b, struct error *error);
int __real_tree_move(int root_fd, const char *from, const char *to, struct error *error);
int __wrap_tree_move(int root_fd, const char *from, const char *to, struct error *error);

/* Children of the program (they may sync, too) do not count. */
static pid_t counted_in;
static long count;

__attribute__((constructor)) static void begin(void)
{
    counted_in = getpid();
}

static void wait_for_a_line(void)
{
    static int console = -1;
    struct termios how;
    char byte = 0;
    if (console < 0) {
        console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (tcgetattr(console, &how) == 0) {
            how.c_lflag &= ~(tcflag_t)ECHO;
            tcsetattr(console, TCSANOW, &how);
        }
    }
    while (byte != '\n' && read(console, &byte, 1) == 1) {
    }
}

static void moment(const char *what)
{
    const char *wanted = getenv("CAISSON_CUT");
    const char *file = getenv("CAISSON_CUT_COUNT");
    if (wanted == NULL || getpid() != counted_in) {
        return;
    }
    count++;
    if (strcmp(wanted, "wait") == 0) {
        fflush(stdout);
        dprintf(STDOUT_FILENO, "cut: moment %ld: %s\n", count, what);
        wait_for_a_line();
        return;
    }
    if (count == strtol(wanted, NULL, 10)) {
        syscall(SYS_exit_group, 137);
    }
    if (file != NULL) {
        int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        dprintf(fd, "%ld\n", count);
        close(fd);
    }
}

int __wrap_fdatasync(int fd)
{
    int result = __real_fdatasync(fd);
    char link[64];
    char path[512] = "";
    char what[600];
    struct stat status = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 0 && fstat(fd, &status) == 0) {
        snprintf(what, sizeof what, "%s has %lld bytes", path, (long long)status.st_size);
        moment(what);
    }
    return result;
}

int __wrap_tree_exchange(int root_fd, const char *path_a, const char *path_b, struct error *error)
{
    int result = __real_tree_exchange(root_fd, path_a, path_b, error);
    char what[600];
    snprintf(what, sizeof what, "exchanged %s", path_a);
    moment(what);
    return result;
}

int __wrap_tree_move(int root_fd, const char *from, const char *to, struct error *error)
{
    int result = __real_tree_move(root_fd, from, to, error);
    char what[600];
    snprintf(what, sizeof what, "moved %s", from);
    moment(what);
    return result;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    const char *ahead = getenv("CAISSON_AHEAD");
    int result = __real_clock_gettime(clock, now);
    if (clock == CLOCK_REALTIME && ahead != NULL) {
        now->tv_sec += strtol(ahead, NULL, 10);
    }
    return result;
}
