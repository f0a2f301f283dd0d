/*
 * fixture.h - real trees in a temporary folder, for the tests of tree/ and of whoever needs an awkward tree.
 *
 * Everything is made with plain system calls, not with the code under test. What needs root is left out without it, and
 * fixture_is_root says so.
 */
#ifndef CAISSON_TESTS_TREE_FIXTURE_H
#define CAISSON_TESTS_TREE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct fixture {
    char path[64];
    int fd;
};

/* A new empty folder, opened. For cmocka's setup and teardown: *state is a struct fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Removes everything in it. */
void fixture_empty(const struct fixture *fixture);

bool fixture_is_root(void);

/* Each of these fails the test when it fails. Paths are relative to dir_fd. */
void fixture_file(int dir_fd, const char *path, const char *content, mode_t mode);
void fixture_bytes(int dir_fd, const char *path, const void *content, size_t size_bytes, mode_t mode);
void fixture_folder(int dir_fd, const char *path, mode_t mode);
void fixture_link(int dir_fd, const char *path, const char *target);
void fixture_hardlink(int dir_fd, const char *path, const char *again);
void fixture_xattr(int dir_fd, const char *path, const char *name, const void *value, size_t size_bytes);
void fixture_time(int dir_fd, const char *path, int64_t sec, long nsec);
void fixture_unlink(int dir_fd, const char *path);
bool fixture_exists(int dir_fd, const char *path);

/* A POSIX ACL as the kernel stores it: user uid gets `permissions`, the mask is rwx. Returns its size. */
size_t fixture_acl(unsigned char acl[44], uint32_t uid, unsigned permissions);

/* A folder chain "d.../d.../..." longer than length bytes below dir_fd, with file "end" in the lowest. Returns the number of
 * folders. */
size_t fixture_deep(int dir_fd, size_t length);

/* A tree "tree" below dir_fd with everything in it that a file system can hold: names, links, holes, ACLs, xattrs, devices. */
void fixture_rich(int dir_fd);

/* Mounts a tmpfs of size_bytes at path below the fixture, in a mount namespace of the test's own; false (and said) where that
 * is not allowed. */
bool fixture_tmpfs(const struct fixture *fixture, const char *path, size_t size_bytes);
void fixture_unmount(const struct fixture *fixture, const char *path);

/* Runs check in a child process as nobody; fails the test if it does not return 0. */
void fixture_as_nobody(int (*check)(const struct fixture *fixture), const struct fixture *fixture);

#endif
