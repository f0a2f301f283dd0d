/*
 * view_internal.h - what the view_*.c files share; nobody else includes it.
 *
 * Processes of a view, each the parent of the next but for the first two groups, which are both our children:
 *   keeper -> room      the room is the PID 1 that holds the namespaces; the keeper stays so that we can wait for it
 *   relay -> minder -> first -> program     one such chain for each program, see view_program.c
 */
#ifndef CAISSON_TARGET_VIEW_INTERNAL_H
#define CAISSON_TARGET_VIEW_INTERNAL_H

#include <sys/types.h>

#include "lib/error.h"
#include "lib/strings.h"
#include "target/overlay.h"
#include "target/view.h"

#define VIEW_LAYERS_MAX 200 /* descriptors that fit one message */

struct view {
    pid_t keeper_pid; /* our child */
    int room_socket;  /* closing or writing ends the room */
    int room_pidfd;   /* names the namespaces for setns(2) */
    int root_fd;
    char root_path[40]; /* /proc/PID/root */
    char *base;         /* the empty folder where the room is put together; NULL once it stands */
    char *scratch;      /* our folder in the scratch place, or NULL */
    bool keep_upper;
    struct strings mounts; /* sorted: layer 0 is the root, layer i is mounts[i - 1] */
    int upper_fds[VIEW_LAYERS_MAX];
    size_t layer_count;
};

/* The room's first message; then its layers' upper folders come along as descriptors, -1 as a missing bit in shown. */
struct view_report {
    pid_t room_pid; /* in our PID namespace; sent by the keeper, alone */
    int failed;
    size_t layer_count;
    char has_upper[VIEW_LAYERS_MAX];
    struct error error;
};

/* Runs in the room's first process: makes the root, reports over socket, waits, never returns. */
void view_room(const struct view_layout *layout, const struct strings *mounts, const char *base, const char *scratch,
               int socket, int caller_pidfd) __attribute__((noreturn));

/* Fresh /proc with what could change the machine read-only, at proc_path. */
int view_mount_proc(const char *proc_path, struct error *error) MUST_CHECK;

/* /dev, /dev/pts, /dev/shm below root_fd, which is at root_path. */
int view_make_devices(int root_fd, struct error *error) MUST_CHECK;

/* Mounts a file system of the kernel at a path below root_fd, which is made where it is not there. */
int view_mount_at(int root_fd, const char *path, const char *type, unsigned long flags, const char *options,
                  struct error *error) MUST_CHECK;

/* The folders that programs expect in a fresh /run: what the server's tmpfiles.d says. */
int view_make_run_folders(int root_fd, struct error *error) MUST_CHECK;

/* The loopback of the present network namespace, up, with further addresses. */
int view_bring_up_loopback(const struct strings *addresses, struct error *error) MUST_CHECK;

/* Closes all descriptors but 0-2 and those kept (ascending or not, -1 ignored). Safe after fork. */
void view_close_others(const int *kept, size_t count);

int view_pidfd_open(pid_t pid);

/* Sends data and descriptors in one message; receives them. -1 with errno. */
int view_send(int socket, const void *data, size_t size_bytes, const int *fds, size_t fd_count);
ssize_t view_receive(int socket, void *data, size_t size_bytes, int *fds, size_t *fd_count);

#endif
