#include "target/view_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/mountinfo.h"
#include "lib/root.h"
#include "target/overlay_internal.h"

/* As in linux/mount.h, which cannot be included beside sys/mount.h with every C library. */
struct attributes {
    uint64_t set;
    uint64_t clear;
    uint64_t propagation;
    uint64_t user_namespace_fd;
};
#define ATTRIBUTE_RDONLY 1u

static int make_target(int root_fd, const struct view_bind *bind, bool is_folder, struct error *error)
{
    int fd = root_try_open(root_fd, bind->target, O_PATH, 0);
    if (fd >= 0) {
        return fd;
    }
    if (is_folder) {
        return root_make_dirs(root_fd, bind->target, 0755, error) != 0
                   ? -1
                   : root_open(root_fd, bind->target, O_PATH | O_DIRECTORY, 0, error);
    }
    const char *slash = strrchr(bind->target, '/');
    char *parent = strndup(bind->target, (size_t)(slash - bind->target));
    if (parent == NULL) {
        error_set(error, CSN_MEMORY, "no memory for the path %s", bind->target);
        return -1;
    }
    int result = parent[0] == '\0' ? 0 : root_make_dirs(root_fd, parent, 0755, error);
    free(parent);
    return result != 0 ? -1 : root_open(root_fd, bind->target, O_WRONLY | O_CREAT, 0644, error);
}

static int lay_bind(int root_fd, const struct view_bind *bind, struct error *error)
{
    struct stat status;
    char target[40];
    if (bind->target[0] != '/') {
        return error_set(error, CSN_TARGET_NAMESPACE, "the path %s in the room is not absolute", bind->target);
    }
    if (stat(bind->source, &status) != 0) {
        return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_TARGET_NAMESPACE, "opening %s for the room",
                            bind->source);
    }
    int fd = make_target(root_fd, bind, S_ISDIR(status.st_mode), error);
    if (fd < 0) {
        return error_wrap(error, "making the place for %s", bind->source);
    }
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    int result = 0;
    if (mount(bind->source, target, NULL, MS_BIND | MS_REC, NULL) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "laying %s over %s", bind->source, bind->target);
    }
    file_drop(&fd);
    if (result == 0 && !bind->writable) {
        struct attributes attributes = {.set = ATTRIBUTE_RDONLY};
        /* Opened anew: that is the mount now, no longer what lies under it. */
        fd = root_open(root_fd, bind->target, O_PATH, 0, error);
        if (fd < 0 ||
            syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) != 0) {
            result = error_system(error, CSN_TARGET_NAMESPACE, "making %s read-only", bind->target);
        }
        file_drop(&fd);
    }
    return result;
}

static int set_name(int root_fd, const char *hostname, struct error *error)
{
    struct buffer content = {0};
    const char *name = hostname;
    if (name == NULL && root_read(root_fd, "/etc/hostname", 4096, &content, NULL) == 0) {
        content.data[strcspn(content.data, " \t\r\n")] = '\0';
        name = content.data;
    }
    int result = 0;
    if (name != NULL && name[0] != '\0' && sethostname(name, strlen(name)) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "naming the room %s", name);
    }
    buffer_free(&content);
    return result;
}

/*
 * The room's root becomes the root of the mount namespace by being moved over the old one: pivot_root(2) refuses where
 * the old root is the kernel's own initramfs, as in our image. What else was mounted is then taken away from below, so
 * that the room keeps no file system of the server or of ours busy.
 */
static int move_to_root(const char *base, const struct strings *old_mounts, struct error *error)
{
    int result = -1;
    int old_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int new_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old_fd < 0 || new_fd < 0 || fchdir(new_fd) != 0 || mount(".", "/", NULL, MS_MOVE, NULL) != 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "moving the room to the root");
        goto out;
    }
    if (fchdir(old_fd) != 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "leaving the old root");
        goto out;
    }
    for (size_t i = old_mounts->count; i-- > 0;) {
        /* In a user namespace the mounts of outside are locked and stay, out of reach. */
        if (umount2(old_mounts->items[i], MNT_DETACH | UMOUNT_NOFOLLOW) != 0 && errno != EINVAL && errno != ENOENT &&
            errno != EPERM) {
            error_system(error, CSN_TARGET_NAMESPACE, "letting go of /%s", old_mounts->items[i]);
            goto out;
        }
    }
    if (fchdir(new_fd) != 0 || chroot(".") != 0 || chdir("/") != 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "entering the room");
        goto out;
    }
    result = 0;
out:
    file_drop(&old_fd);
    file_drop(&new_fd);
    return result;
}

/* Everything that is mounted now, without exception, relative to "/". */
static int list_all_mounts(struct strings *mounts, struct error *error)
{
    struct mountinfo all;
    int result = mountinfo_read(&all, error);
    for (size_t i = 0; result == 0 && i < all.count; i++) {
        const char *point = all.lines[i].point;
        result = point[0] == '/' && point[1] != '\0' ? strings_add(mounts, point + 1, error) : 0;
    }
    strings_sort(mounts);
    mountinfo_free(&all);
    return result;
}

static int furnish(const struct view_layout *layout, const char *base, struct error *error)
{
    char proc_path[300];
    int result = -1;
    int root_fd = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "opening %s", base);
    }
    if (view_mount_at(root_fd, "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755", error) != 0 ||
        view_mount_at(root_fd, "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", error) != 0 ||
        view_make_run_folders(root_fd, error) != 0) {
        goto out;
    }
    for (size_t i = 0; i < layout->bind_count; i++) {
        if (lay_bind(root_fd, &layout->binds[i], error) != 0) {
            goto out;
        }
    }
    if (!root_exists(root_fd, "/proc") && root_make_dirs(root_fd, "/proc", 0555, error) != 0) {
        goto out;
    }
    if (view_make_devices(root_fd, error) != 0 ||
        view_mount_at(root_fd, "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL, error) != 0) {
        goto out;
    }
    snprintf(proc_path, sizeof proc_path, "%s/proc", base);
    if (view_mount_proc(proc_path, error) != 0 || set_name(root_fd, layout->hostname, error) != 0) {
        goto out;
    }
    result = 0;
out:
    file_drop(&root_fd);
    return result;
}

static int build(const struct view_layout *layout, const struct strings *mounts, const char *base, const char *scratch,
                 struct overlay **overlay, struct error *error)
{
    struct strings old_mounts = {0};
    struct overlay_layout overlay_layout = {
        .root_path = layout->root_path, .mounts = mounts, .scratch_path = scratch, .at_path = base, .keep_upper = true};
    int result = -1;
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET) != 0) {
        return error_system(error, errno == EPERM ? CSN_PRIVILEGE : CSN_TARGET_NAMESPACE, "making namespaces");
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "parting the room's mounts from ours");
    }
    if (list_all_mounts(&old_mounts, error) != 0 || view_bring_up_loopback(layout->addresses, error) != 0 ||
        overlay_open(&overlay_layout, overlay, error) != 0 || furnish(layout, base, error) != 0 ||
        move_to_root(base, &old_mounts, error) != 0) {
        goto out;
    }
    result = 0;
out:
    strings_free(&old_mounts);
    return result;
}

/* Ends when the caller does, or says so. */
static void wait_for_end(int socket, int caller_pidfd)
{
    struct pollfd polls[2] = {{.fd = socket, .events = POLLIN}, {.fd = caller_pidfd, .events = POLLIN}};
    while (poll(polls, 2, -1) < 0 || (polls[0].revents == 0 && polls[1].revents == 0)) {
    }
}

/*
 * The last one out takes the mounts away, and does it before it ends: a process that is ending leaves that to a worker of
 * the kernel, some time later, and the server's file systems would still be busy when view_close has returned.
 */
static void leave(int outside_fd)
{
    int64_t end_ms = clock_monotonic_ms() + 5000;
    bool waited = false;
    while (kill(-1, SIGKILL) == 0 && clock_monotonic_ms() < end_ms) {
        poll(NULL, 0, 5);
        waited = true;
    }
    if (waited) {
        poll(NULL, 0, 50); /* for that worker, after programs that nobody has stopped in order */
    }
    if (setns(outside_fd, CLONE_NEWNS) != 0) {
        _exit(1); /* in a user namespace of ours alone: then the kernel does it in its own time */
    }
}

void view_room(const struct view_layout *layout, const struct strings *mounts, const char *base, const char *scratch,
               int socket, int caller_pidfd)
{
    struct view_report report = {0};
    struct overlay *overlay = NULL;
    int upper_fds[VIEW_LAYERS_MAX];
    size_t upper_count = 0;
    signal(SIGCHLD, SIG_IGN); /* the kernel reaps for us */
    prctl(PR_SET_NAME, "caisson-room");
    setsid();
    int outside_fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    report.failed = outside_fd < 0 || build(layout, mounts, base, scratch, &overlay, &report.error) != 0;
    if (!report.failed) {
        report.layer_count = overlay_count(overlay);
        for (size_t i = 0; i < report.layer_count; i++) {
            int fd = overlay_upper_fd(overlay, i);
            report.has_upper[i] = fd >= 0;
            if (fd >= 0) {
                upper_fds[upper_count++] = fd;
            }
        }
    }
    if (view_send(socket, &report, sizeof report, upper_fds, upper_count) != 0 || report.failed) {
        _exit(1);
    }
    const int kept[] = {socket, caller_pidfd, outside_fd};
    view_close_others(kept, 3);
    wait_for_end(socket, caller_pidfd);
    leave(outside_fd);
    _exit(0);
}
