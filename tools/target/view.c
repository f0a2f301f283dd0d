#include "target/view.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "target/overlay_internal.h"
#include "target/view_internal.h"
#include "tree/remove.h"

/* A new empty folder from a pattern that ends in XXXXXX. */
static char *make_folder(const char *place, const char *pattern)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", place, pattern);
    if (buffer_check(&path, NULL) != 0 || mkdtemp(path.data) == NULL) {
        buffer_free(&path);
        return NULL;
    }
    return buffer_take(&path);
}

static int make_places(struct view *view, const struct view_layout *layout, struct error *error)
{
    static const char *const places[] = {"/run", "/tmp"};
    for (size_t i = 0; i < sizeof places / sizeof places[0] && view->base == NULL; i++) {
        view->base = make_folder(places[i], "caisson-view-XXXXXX");
    }
    if (view->base == NULL) {
        return error_system(error, CSN_TARGET_NAMESPACE, "making a mount point in /run or /tmp");
    }
    if (layout->scratch_path != NULL) {
        view->scratch = make_folder(layout->scratch_path, "view-XXXXXX");
        if (view->scratch == NULL) {
            return error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_TARGET_NAMESPACE,
                                "making a folder in the scratch place %s", layout->scratch_path);
        }
    }
    return 0;
}

/* The keeper: makes the PID namespace, whose first process is the room, and waits for that. */
static void keep(const struct view_layout *layout, const struct view *view, int socket, int caller_pidfd)
{
    struct view_report report = {0};
    const int kept[] = {socket, caller_pidfd};
    view_close_others(kept, 2);
    setsid(); /* a key pressed on our terminal is not for the room */
    if (unshare(CLONE_NEWPID) != 0) {
        report.failed = 1;
        error_system(&report.error, errno == EPERM ? CSN_PRIVILEGE : CSN_TARGET_NAMESPACE, "making a PID namespace");
        _exit(view_send(socket, &report, sizeof report, NULL, 0) != 0);
    }
    pid_t pid = fork();
    if (pid == 0) {
        view_room(layout, &view->mounts, view->base, view->scratch, socket, caller_pidfd);
    }
    report.room_pid = pid;
    report.failed = pid < 0;
    if (pid < 0) {
        error_system(&report.error, CSN_TARGET_NAMESPACE, "starting the room");
    }
    if (view_send(socket, &report, sizeof report, NULL, 0) != 0) {
        _exit(1);
    }
    close(socket);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/* Keeper and room report in any order, each once. */
static int take_reports(struct view *view, pid_t *room_pid, struct error *error)
{
    bool is_built = false;
    *room_pid = 0;
    while (!is_built || *room_pid == 0) {
        struct view_report report;
        int fds[VIEW_LAYERS_MAX];
        size_t fd_count = VIEW_LAYERS_MAX;
        if (view_receive(view->room_socket, &report, sizeof report, fds, &fd_count) != (ssize_t)sizeof report) {
            return error_set(error, CSN_TARGET_NAMESPACE, "the room ended before it was ready");
        }
        if (report.failed) {
            if (error != NULL) {
                *error = report.error;
            }
            return -1;
        }
        if (report.room_pid != 0) {
            *room_pid = report.room_pid;
            continue;
        }
        is_built = true;
        size_t next = 0;
        view->layer_count = report.layer_count;
        for (size_t i = 0; i < report.layer_count; i++) {
            view->upper_fds[i] = report.has_upper[i] && next < fd_count ? fds[next++] : -1;
        }
    }
    return 0;
}

static int enter(struct view *view, const struct view_layout *layout, struct error *error)
{
    int sockets[2] = {-1, -1};
    pid_t room_pid = 0;
    int result = -1;
    int self_pidfd = view_pidfd_open(getpid());
    if (self_pidfd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "preparing the room");
        goto out;
    }
    fflush(NULL);
    view->keeper_pid = fork();
    if (view->keeper_pid == 0) {
        keep(layout, view, sockets[1], self_pidfd);
    }
    if (view->keeper_pid < 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "starting the room's keeper");
        goto out;
    }
    file_drop(&sockets[1]);
    view->room_socket = sockets[0];
    sockets[0] = -1;
    if (take_reports(view, &room_pid, error) != 0) {
        goto out;
    }
    snprintf(view->root_path, sizeof view->root_path, "/proc/%ld/root", (long)room_pid);
    view->room_pidfd = view_pidfd_open(room_pid);
    view->root_fd = open(view->root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (view->room_pidfd < 0 || view->root_fd < 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "opening the room");
        goto out;
    }
    result = 0;
out:
    file_drop(&self_pidfd);
    file_drop(&sockets[0]);
    file_drop(&sockets[1]);
    return result;
}

/* The room has moved away from its mount point, so that can go at once: nothing of it is left if we are killed. */
static int drop_base(struct view *view, struct error *error)
{
    int result = 0;
    if (view->base != NULL && rmdir(view->base) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "removing the mount point %s", view->base);
    }
    free(view->base);
    view->base = NULL;
    return result;
}

int view_open(const struct view_layout *layout, struct view **view, struct error *error)
{
    struct strings found = {0};
    int result = -1;
    *view = NULL;
    struct view *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a view");
    }
    made->room_socket = made->room_pidfd = made->root_fd = -1;
    made->keep_upper = layout->keep_upper;
    if (layout->mounts == NULL && overlay_find_mounts(layout->root_path, &found, error) != 0) {
        goto out;
    }
    if (overlay_sort_mounts(layout->mounts == NULL ? &found : layout->mounts, &made->mounts, error) != 0) {
        goto out;
    }
    if (made->mounts.count >= VIEW_LAYERS_MAX) {
        error_set(error, CSN_TARGET_NAMESPACE, "%s has more than %d mounts", layout->root_path, VIEW_LAYERS_MAX - 1);
        goto out;
    }
    if (make_places(made, layout, error) != 0 || enter(made, layout, error) != 0 || drop_base(made, error) != 0) {
        goto out;
    }
    *view = made;
    made = NULL;
    result = 0;
out:
    strings_free(&found);
    if (made != NULL) {
        made->keep_upper = false;
        if (view_close(made, NULL) != 0) {
            result = -1; /* the first error is the one to tell */
        }
    }
    return result;
}

static int remove_scratch(const char *scratch, struct error *error)
{
    const char *name = strrchr(scratch, '/') + 1;
    char *parent = strndup(scratch, (size_t)(name - scratch));
    int fd = parent == NULL ? -1 : open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? error_system(error, CSN_TARGET_NAMESPACE, "opening the folder of %s", scratch)
                        : tree_remove(fd, name, NULL, error);
    file_drop(&fd);
    free(parent);
    return result;
}

int view_close(struct view *view, struct error *error)
{
    int result = 0;
    if (view == NULL) {
        return 0;
    }
    file_drop(&view->root_fd);
    file_drop(&view->room_pidfd);
    for (size_t i = 0; i < view->layer_count; i++) {
        file_drop(&view->upper_fds[i]);
    }
    file_drop(&view->room_socket); /* the room sees that, kills what is in it and ends */
    if (view->keeper_pid > 0) {
        while (waitpid(view->keeper_pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    if (view->scratch != NULL && !view->keep_upper && remove_scratch(view->scratch, error) != 0) {
        result = -1;
    }
    if (drop_base(view, result == 0 ? error : NULL) != 0) {
        result = -1;
    }
    strings_free(&view->mounts);
    free(view->scratch);
    free(view);
    return result;
}

int view_root_fd(const struct view *view)
{
    return view->root_fd;
}

const char *view_root_path(const struct view *view)
{
    return view->root_path;
}

size_t view_layer_count(const struct view *view)
{
    return view->layer_count;
}

const char *view_layer_mount(const struct view *view, size_t index)
{
    return index == 0 ? "" : view->mounts.items[index - 1];
}

int view_layer_upper_fd(const struct view *view, size_t index)
{
    return view->upper_fds[index];
}

const char *view_scratch(const struct view *view)
{
    return view->scratch;
}

int view_socket(const struct view *view, int domain, int type, struct error *error)
{
    int sockets[2] = {-1, -1};
    int made_fd = -1;
    size_t count = 1;
    int number = 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "preparing a socket in the room");
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        /* A socket stays in the network it was made in, whoever holds it. */
        int fd = setns(view->room_pidfd, CLONE_NEWNET) != 0 ? -1 : socket(domain, type, 0);
        number = fd < 0 ? errno : 0;
        _exit(view_send(sockets[1], &number, sizeof number, &fd, fd < 0 ? 0 : 1) != 0);
    }
    file_drop(&sockets[1]);
    bool received = pid > 0 && view_receive(sockets[0], &number, sizeof number, &made_fd, &count) == sizeof number;
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    file_drop(&sockets[0]);
    if (!received || count != 1) {
        errno = number;
        return error_system(error, CSN_TARGET_NAMESPACE, "making a socket in the room");
    }
    return made_fd;
}
