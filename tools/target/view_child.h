/*
 * view_child.h - the processes between us and a program in the room; for view_program.c only.
 *
 * relay   our child; stays in our PID namespace, so that we can wait for it
 * minder  in the room's PID namespace; keeps the log, hands signals on, and leaves the room's mounts in order at the end
 * first   PID 1 of a PID namespace for this program alone: when it ends, the kernel kills whatever the program started
 * program what was asked for, with no more rights than it needs
 */
#ifndef CAISSON_TARGET_VIEW_CHILD_H
#define CAISSON_TARGET_VIEW_CHILD_H

#include <stdbool.h>
#include <stddef.h>

#include "target/accounts.h"

struct view_plan {
    const char *const *argv;
    const char *const *environment;
    const char *folder;
    bool folder_asked; /* else "/" will do where it is missing */
    struct account account;
    bool stays; /* first waits until all the program's processes have ended, not only the program */
    int room_pidfd;
    int control_fd; /* messages to the minder; its end kills the program */
    int report_fd;  /* takes one struct error; closed when the program runs */
    int log_fd;     /* a memfd */
    size_t log_limit_bytes;
};

struct view_control {
    int signal_number;
    int to_all; /* all the program's processes, else itself */
};

/* The relay; called in a fresh child, never returns. Exit code: the program's, or 128 + signal. */
void view_child(const struct view_plan *plan) __attribute__((noreturn));

/* The program's own last steps; never returns. */
void view_exec(const struct view_plan *plan, int output_fd) __attribute__((noreturn));

/* Writes *error to report_fd and ends the process. */
void view_child_fail(int report_fd, const struct error *error) __attribute__((noreturn));

#endif
