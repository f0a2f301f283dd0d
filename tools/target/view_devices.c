#include "target/view_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"

int view_mount_at(int root_fd, const char *path, const char *type, unsigned long flags, const char *options,
                  struct error *error)
{
    char target[40];
    int fd = root_try_open(root_fd, path, O_PATH | O_DIRECTORY, 0);
    if (fd < 0) {
        if (root_make_dirs(root_fd, path, 0755, error) != 0) {
            return -1;
        }
        fd = root_open(root_fd, path, O_PATH | O_DIRECTORY, 0, error);
    }
    if (fd < 0) {
        return -1;
    }
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    int result = 0;
    if (mount(type, target, type, flags, options) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "mounting a fresh %s at %s", type, path);
    }
    file_drop(&fd);
    return result;
}

int view_mount_proc(const char *proc_path, struct error *error)
{
    /* Files that root may write without any capability, and that reach the whole machine. */
    static const char *const protected[] = {"sys", "sysrq-trigger", "irq", "bus", "fs"};
    if (mount("proc", proc_path, "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "mounting a fresh proc at %s", proc_path);
    }
    for (size_t i = 0; i < sizeof protected / sizeof protected[0]; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", proc_path, protected[i]);
        if (mount(path, path, NULL, MS_BIND, NULL) != 0) {
            if (errno == ENOENT) {
                continue; /* this kernel has none */
            }
            return error_system(error, CSN_TARGET_NAMESPACE, "protecting %s", path);
        }
        if (mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) {
            return error_system(error, CSN_TARGET_NAMESPACE, "protecting %s", path);
        }
    }
    return 0;
}

/* In a user namespace nobody may make a device node: there ours is bound over an empty file. */
static int make_node(int dev_fd, const char *name, unsigned major_number, unsigned minor_number, struct error *error)
{
    char source[40];
    char target[40];
    if (mknodat(dev_fd, name, S_IFCHR | 0666, makedev(major_number, minor_number)) == 0) {
        return fchmodat(dev_fd, name, 0666, 0) == 0
                   ? 0
                   : error_system(error, CSN_TARGET_NAMESPACE, "giving /dev/%s its mode", name);
    }
    int fd = openat(dev_fd, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    snprintf(source, sizeof source, "/dev/%s", name);
    snprintf(target, sizeof target, "/proc/self/fd/%d", fd);
    int result = 0;
    if (fd < 0 || mount(source, target, NULL, MS_BIND, NULL) != 0) {
        result = error_system(error, CSN_TARGET_NAMESPACE, "making /dev/%s", name);
    }
    file_drop(&fd);
    return result;
}

int view_make_devices(int root_fd, struct error *error)
{
    static const struct node {
        const char *name;
        unsigned major_number;
        unsigned minor_number;
    } nodes[] = {{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"},
                                           {"pts/ptmx", "ptmx"}};
    if (view_mount_at(root_fd, "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m", error) != 0) {
        return -1;
    }
    int result = -1;
    int dev_fd = root_open(root_fd, "/dev", O_RDONLY | O_DIRECTORY, 0, error);
    if (dev_fd < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        if (make_node(dev_fd, nodes[i].name, nodes[i].major_number, nodes[i].minor_number, error) != 0) {
            goto out;
        }
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        if (symlinkat(links[i][0], dev_fd, links[i][1]) != 0) {
            error_system(error, CSN_TARGET_NAMESPACE, "making /dev/%s", links[i][1]);
            goto out;
        }
    }
    if (view_mount_at(root_fd, "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620",
                      error) != 0 ||
        view_mount_at(root_fd, "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777", error) != 0) {
        goto out;
    }
    result = 0;
out:
    file_drop(&dev_fd);
    return result;
}
