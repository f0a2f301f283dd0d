/*
 * cut.c - ends the program as a power cut would, at the Nth moment at which a journal record became durable or two names were
 * exchanged.
 *
 * Linked into a caisson of its own for the tests (out/test-cut), with --wrap for fdatasync (the journal's alone) and for the
 * renames of switch and rollback. CAISSON_CUT=N ends it right after the Nth; with 0 it only counts, into CAISSON_CUT_COUNT.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tree/exchange.h"

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

static void moment(void)
{
    const char *wanted = getenv("CAISSON_CUT");
    const char *file = getenv("CAISSON_CUT_COUNT");
    if (wanted == NULL || getpid() != counted_in) {
        return;
    }
    count++;
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
    moment();
    return result;
}

int __wrap_tree_exchange(int root_fd, const char *path_a, const char *path_b, struct error *error)
{
    int result = __real_tree_exchange(root_fd, path_a, path_b, error);
    moment();
    return result;
}

int __wrap_tree_move(int root_fd, const char *from, const char *to, struct error *error)
{
    int result = __real_tree_move(root_fd, from, to, error);
    moment();
    return result;
}
