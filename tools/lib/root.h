/*
 * root.h - files below a root folder that is not ours: a server's disk, a scratch root, an overlay.
 *
 * Every path is resolved by the kernel with openat2(RESOLVE_IN_ROOT): an absolute path or a link starts again at the
 * root, and "..", links or magic links never lead out of it. Paths may or may not start with "/". Errors as in file.h.
 */
#ifndef CAISSON_LIB_ROOT_H
#define CAISSON_LIB_ROOT_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/buffer.h"
#include "lib/error.h"

/* 0 if this kernel can resolve paths so: Linux 5.6 or newer. CSN_KERNEL. */
int root_check_kernel(struct error *error) MUST_CHECK;

/* Opens path below root_fd with open(2)'s flags; O_CLOEXEC is added. Returns the descriptor or -1 (errno kept). */
int root_open(int root_fd, const char *path, int flags, mode_t mode, struct error *error) MUST_CHECK;

/* The same without a message: -1 and errno. For asking whether something is there. */
int root_try_open(int root_fd, const char *path, int flags, mode_t mode);

/* lstat below the root (the last part is not followed). -1 with errno where there is nothing. */
int root_lstat(int root_fd, const char *path, struct stat *status);
bool root_exists(int root_fd, const char *path);

/* Opens the folder that holds path and points *name at path's last part (inside path). Returns the folder's descriptor:
 * the way to rename, unlink, link or make something below a root. A path without a last part is an error. */
int root_open_parent(int root_fd, const char *path, const char **name, struct error *error) MUST_CHECK;

int root_read(int root_fd, const char *path, size_t limit_bytes, struct buffer *content, struct error *error)
    MUST_CHECK;

/* file_replace below a root. */
int root_replace(int root_fd, const char *path, const void *data, size_t size_bytes, mode_t mode, struct error *error)
    MUST_CHECK;

/* mkdir -p below a root, durable. */
int root_make_dirs(int root_fd, const char *path, mode_t mode, struct error *error) MUST_CHECK;

#endif
