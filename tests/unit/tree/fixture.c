#include "tree/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #condition, strerror(errno));                                \
        }                                                                                                              \
    } while (0)

bool fixture_is_root(void)
{
    return geteuid() == 0;
}

static bool is_apart; /* in a mount namespace of our own */

/* Before anything is opened: a descriptor stays in the namespace it was opened in. */
static void go_apart(void)
{
    if (!is_apart && fixture_is_root()) {
        is_apart = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    }
}

int fixture_setup(void **state)
{
    go_apart();
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->path, sizeof fixture->path, "/tmp/caisson-tree-XXXXXX");
    if (mkdtemp(fixture->path) == NULL) {
        free(fixture);
        return -1;
    }
    fixture->fd = open(fixture->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!fixture_is_root()) {
        print_message("not root: owners, devices, capabilities and mounts are not tested\n");
    }
    *state = fixture;
    return fixture->fd < 0 ? -1 : 0;
}

/* By rm and not by tree_remove, which is under test itself. */
void fixture_empty(const struct fixture *fixture)
{
    char command[256];
    snprintf(command, sizeof command,
             "cd %s && chmod -R u+rwX . 2>/dev/null; find . -xdev -mindepth 1 -maxdepth 1 -exec rm -rf "
             "--one-file-system {} +",
             fixture->path);
    int result = system(command); // NOLINT(cert-env33-c)
    assert_int_equal(result, 0);
}

int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    fixture_empty(fixture);
    int result = rmdir(fixture->path);
    close(fixture->fd);
    free(fixture);
    return result;
}

void fixture_bytes(int dir_fd, const char *path, const void *content, size_t size_bytes, mode_t mode)
{
    int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0);
    must(write(fd, content, size_bytes) == (ssize_t)size_bytes);
    must(fchmod(fd, mode) == 0);
    must(close(fd) == 0);
}

void fixture_file(int dir_fd, const char *path, const char *content, mode_t mode)
{
    fixture_bytes(dir_fd, path, content, strlen(content), mode);
}

void fixture_folder(int dir_fd, const char *path, mode_t mode)
{
    must(mkdirat(dir_fd, path, 0700) == 0);
    must(fchmodat(dir_fd, path, mode, 0) == 0);
}

void fixture_link(int dir_fd, const char *path, const char *target)
{
    must(symlinkat(target, dir_fd, path) == 0);
}

void fixture_hardlink(int dir_fd, const char *path, const char *again)
{
    must(linkat(dir_fd, path, dir_fd, again, 0) == 0);
}

void fixture_xattr(int dir_fd, const char *path, const char *name, const void *value, size_t size_bytes)
{
    char proc[5000];
    snprintf(proc, sizeof proc, "/proc/self/fd/%d/%s", dir_fd, path);
    must(lsetxattr(proc, name, value, size_bytes, 0) == 0);
}

void fixture_time(int dir_fd, const char *path, int64_t sec, long nsec)
{
    const struct timespec times[2] = {{.tv_sec = sec, .tv_nsec = nsec}, {.tv_sec = sec, .tv_nsec = nsec}};
    must(utimensat(dir_fd, path, times, AT_SYMLINK_NOFOLLOW) == 0);
}

void fixture_unlink(int dir_fd, const char *path)
{
    must(unlinkat(dir_fd, path, 0) == 0);
}

bool fixture_exists(int dir_fd, const char *path)
{
    struct stat status;
    return fstatat(dir_fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static void put_acl_entry(unsigned char *at, unsigned tag, unsigned permissions, uint32_t id)
{
    const unsigned char bytes[8] = {
        (unsigned char)tag, (unsigned char)(tag >> 8), (unsigned char)permissions, 0,
        (unsigned char)id,  (unsigned char)(id >> 8),  (unsigned char)(id >> 16),  (unsigned char)(id >> 24)};
    memcpy(at, bytes, sizeof bytes);
}

/* Linux' include/uapi/linux/posix_acl_xattr.h: version 2, then entries of tag, permissions, id; little-endian. */
size_t fixture_acl(unsigned char acl[44], uint32_t uid, unsigned permissions)
{
    const unsigned char version[4] = {2, 0, 0, 0};
    memcpy(acl, version, sizeof version);
    put_acl_entry(acl + 4, 0x01, 6, UINT32_MAX);     /* the owner */
    put_acl_entry(acl + 12, 0x02, permissions, uid); /* one user */
    put_acl_entry(acl + 20, 0x04, 4, UINT32_MAX);    /* the group */
    put_acl_entry(acl + 28, 0x10, 7, UINT32_MAX);    /* the mask */
    put_acl_entry(acl + 36, 0x20, 0, UINT32_MAX);    /* others */
    return 44;
}

size_t fixture_deep(int dir_fd, size_t length)
{
    char name[201];
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    size_t count = 0;
    int fd = dup(dir_fd);
    must(fd >= 0);
    for (size_t used = 0; used <= length; used += sizeof name) {
        must(mkdirat(fd, name, 0755) == 0);
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(next >= 0);
        close(fd);
        fd = next;
        count++;
    }
    fixture_file(fd, "end", "the end\n", 0644);
    close(fd);
    return count;
}

static void make_names(int fd)
{
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = '\0';
    fixture_folder(fd, "names", 0755);
    int names = openat(fd, "names", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(names >= 0);
    fixture_file(names, longest, "longest\n", 0644);
    fixture_file(names, "new\nline", "newline\n", 0644);
    fixture_file(names, "\xff\xfe\x80", "not UTF-8\n", 0644);
    fixture_file(names, " blank and\ttab ", "blanks\n", 0644);
    fixture_file(names, "#[*]?=\\\"'", "signs\n", 0644);
    fixture_file(names, "-rf", "option\n", 0644);
    fixture_file(names, "\xe6\xb2\x89\xe7\xae\xb1", "UTF-8\n", 0644);
    fixture_file(names, "...", "dots\n", 0644);
    close(names);
}

static void make_sparse(int fd)
{
    int sparse = openat(fd, "sparse", O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    must(sparse >= 0);
    must(ftruncate(sparse, 24 << 20) == 0);
    must(pwrite(sparse, "start", 5, 0) == 5);
    must(pwrite(sparse, "middle", 6, (8 << 20) + 123) == 6);
    close(sparse);
}

static void make_attributes(int fd)
{
    unsigned char acl[44];
    fixture_file(fd, "with-acl", "acl\n", 0640);
    fixture_xattr(fd, "with-acl", "system.posix_acl_access", acl, fixture_acl(acl, 4711, 6));
    fixture_folder(fd, "default-acl", 0750);
    fixture_file(fd, "default-acl/before", "made before the ACL\n", 0600);
    fixture_xattr(fd, "default-acl", "system.posix_acl_default", acl, fixture_acl(acl, 4712, 7));
    fixture_file(fd, "with-xattrs", "xattrs\n", 0644);
    fixture_xattr(fd, "with-xattrs", "user.zebra", "z", 1);
    fixture_xattr(fd, "with-xattrs", "user.binary", "a\0b", 3);
    fixture_xattr(fd, "with-xattrs", "user.empty", "", 0);
    must(fchmodat(fd, "with-xattrs", 0444, 0) == 0);
    fixture_xattr(fd, "names", "user.on-folder", "yes", 3);
}

static void make_privileged(int fd)
{
    const unsigned char net_bind[20] = {1, 0, 0, 2, 0, 4}; /* cap_net_bind_service=ep, revision 2 */
    fixture_file(fd, "with-capability", "capability\n", 0755);
    must(fchownat(fd, "with-capability", 0, 0, 0) == 0);
    fixture_xattr(fd, "with-capability", "security.capability", net_bind, sizeof net_bind);
    fixture_xattr(fd, "with-capability", "trusted.caisson", "t", 1);
    fixture_file(fd, "setuid", "setuid\n", 0755);
    must(fchownat(fd, "setuid", 1234, 5678, 0) == 0);
    must(fchmodat(fd, "setuid", 06755, 0) == 0);
    must(mknodat(fd, "character", S_IFCHR | 0620, makedev(1, 300)) == 0);
    must(fchmodat(fd, "character", 0620, 0) == 0);
    must(mknodat(fd, "block", S_IFBLK | 0660, makedev(259, 70000)) == 0);
    must(fchmodat(fd, "block", 0660, 0) == 0);
    must(fchownat(fd, "link", 4294967294U, 77, AT_SYMLINK_NOFOLLOW) == 0);
}

void fixture_rich(int dir_fd)
{
    fixture_folder(dir_fd, "tree", 0755);
    int fd = openat(dir_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0);
    fixture_file(fd, "plain", "plain\n", 0644);
    fixture_file(fd, "empty", "", fixture_is_root() ? 0000 : 0400);
    fixture_folder(fd, "hollow", 01777);
    fixture_folder(fd, "closed", 0755);
    fixture_file(fd, "closed/inside", "inside\n", 0600);
    fixture_link(fd, "link", "plain");
    fixture_link(fd, "dangling", "/nowhere/\xff");
    fixture_hardlink(fd, "plain", "closed/plain-again");
    fixture_hardlink(fd, "plain", "zz-plain-again");
    fixture_hardlink(fd, "dangling", "hard-symlink");
    must(mknodat(fd, "fifo", S_IFIFO | 0600, 0) == 0);
    must(mknodat(fd, "socket", S_IFSOCK | 0600, 0) == 0);
    make_names(fd);
    make_sparse(fd);
    make_attributes(fd);
    if (fixture_is_root()) {
        make_privileged(fd);
    }
    must(fchmodat(fd, "closed", 0555, 0) == 0);
    fixture_time(fd, "plain", 1234567890, 987654321);
    fixture_time(fd, "link", 1, 1);
    fixture_time(fd, "sparse", -5, 999999999); /* before 1970 */
    fixture_time(fd, "closed", 1700000000, 5);
    fixture_time(fd, "names", 4102444800, 0); /* after 2038 */
    close(fd);
    fixture_time(dir_fd, "tree", 1600000000, 123456789);
}

bool fixture_tmpfs(const struct fixture *fixture, const char *path, size_t size_bytes)
{
    char target[256];
    char options[64];
    if (!is_apart) {
        print_message("mounts are not allowed here: not tested\n");
        return false;
    }
    snprintf(target, sizeof target, "%s/%s", fixture->path, path);
    snprintf(options, sizeof options, "size=%zu", size_bytes);
    must(mkdir(target, 0755) == 0 || errno == EEXIST);
    must(mount("caisson-test", target, "tmpfs", 0, options) == 0);
    return true;
}

void fixture_unmount(const struct fixture *fixture, const char *path)
{
    char target[256];
    snprintf(target, sizeof target, "%s/%s", fixture->path, path);
    must(umount2(target, MNT_DETACH) == 0);
}

void fixture_as_nobody(int (*check)(const struct fixture *fixture), const struct fixture *fixture)
{
    fflush(NULL);
    pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) {
            _exit(99);
        }
        _exit(check(fixture));
    }
    int status = 0;
    must(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
