/*
 * view.h - the closed room in which the server's own programs run: its postgres, its PHP, its Java.
 *
 * A view is the server's root under an overlay inside namespaces of its own (mount, PID, IPC, UTS, network with only a
 * loopback), with fresh /proc, /dev, /run, /tmp and read-only /sys. Whatever is written goes to the overlay's scratch,
 * except below the writable binds. The room's first process watches us: when we end, however we end, the kernel kills
 * everything inside and takes every mount away. What runs in it is the caller's; database and http modules stand on this.
 */
#ifndef CAISSON_TARGET_VIEW_H
#define CAISSON_TARGET_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/progress.h"
#include "lib/strings.h"

struct view_bind {
    const char *source; /* a folder or file, absolute, in OUR namespace */
    const char *target; /* absolute, inside; made (in the overlay) where it is not there; links are resolved inside */
    bool writable;      /* false: read-only */
};

struct view_layout {
    const char *root_path;        /* as in struct overlay_layout */
    const struct strings *mounts; /* as there; NULL: found by itself */
    const char *scratch_path;     /* as there; NULL: tmpfs */
    bool keep_upper;              /* view_close leaves what programs wrote in scratch_path */
    const struct view_bind *binds;
    size_t bind_count;               /* laid over the root in this order */
    const char *hostname;            /* NULL: the server's /etc/hostname */
    const struct strings *addresses; /* further IPv4 addresses for the loopback ("192.0.2.7"); NULL: none */
};

struct view;

/* Makes the room. On failure nothing is left (CSN_TARGET_NAMESPACE, CSN_NO_SPACE, CSN_NOT_FOUND for a bind's source). */
int view_open(const struct view_layout *layout, struct view **view, struct error *error) MUST_CHECK;

/* Kills all inside, takes all mounts away, removes what was written (unless keep_upper), frees it. NULL is fine.
 * Programs started with view_start must be stopped (freed) before. */
int view_close(struct view *view, struct error *error) MUST_CHECK;

/* The root as seen inside, for root.h and friends; "/proc/PID/root" for those who need a path (libpq). Owned by view. */
int view_root_fd(const struct view *view);
const char *view_root_path(const struct view *view);

/* What was written outside the binds: see overlay.h. Layer 0 is the root. Descriptors are owned by view. */
size_t view_layer_count(const struct view *view);
const char *view_layer_mount(const struct view *view, size_t index);
int view_layer_upper_fd(const struct view *view, size_t index);
const char *view_scratch(const struct view *view); /* NULL for tmpfs */

/* A socket of the view's network (AF_INET, AF_INET6), close-on-exec; the caller closes it. -1 with error. */
int view_socket(const struct view *view, int domain, int type, struct error *error) MUST_CHECK;

struct view_command {
    const char *const *argv; /* argv[0]: a path inside, or a name looked up in the room's PATH */
    const char *user;        /* a name or number in the server's /etc/passwd; NULL: root, with few capabilities */
    const char *const
        *environment;   /* "NAME=value", then NULL; on top of PATH, HOME, USER, LOGNAME, SHELL, LANG; or NULL */
    const char *folder; /* where it starts; NULL: the user's home, or "/" */
    int timeout_sec;    /* view_run only; 0: no limit */
    const char
        *doing; /* view_run only: what the progress says of it, with the last line of its output; NULL: nothing */
    const struct progress *progress;
};

/* Runs a program to its end. Its stdin is /dev/null; the last MiB of its stdout and stderr is appended to *output (or
 * NULL). *status is its exit code or 128 + signal. Whatever it leaves running is killed with it, also after timeout_sec
 * (CSN_TIMEOUT). CSN_PROCESS when it cannot be started. */
int view_run(struct view *view, const struct view_command *command, struct buffer *output, int *status,
             struct error *error) MUST_CHECK;

struct view_program;

/* Starts a program and returns. It counts as running until it and all that it started have ended, so a daemon may put
 * itself in the background. The last log_limit_bytes (0: 1 MiB) of its output are kept for view_program_log. */
int view_start(struct view *view, const struct view_command *command, size_t log_limit_bytes,
               struct view_program **program, struct error *error) MUST_CHECK;

bool view_program_runs(struct view_program *program);

/* Appends its kept output, oldest first; may be called at any time. */
int view_program_log(const struct view_program *program, struct buffer *log, struct error *error) MUST_CHECK;

/* Sends a signal to the program itself. */
int view_program_signal(struct view_program *program, int signal_number, struct error *error) MUST_CHECK;

/* Waits until it ends; *ended false after timeout_sec (0: looks once). *status as in view_run, where ended. */
int view_program_wait(struct view_program *program, int timeout_sec, bool *ended, int *status, struct error *error)
    MUST_CHECK;

/* SIGTERM to all its processes, SIGKILL after grace_sec; then frees it. It is gone when this returns. NULL is fine. */
int view_stop(struct view_program *program, int grace_sec, struct error *error) MUST_CHECK;

#endif
