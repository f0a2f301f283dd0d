/*
 * file.h - whole small files and honest writes: every byte written or an error, fsync where it must be durable.
 *
 * A path is taken relative to dir_fd as openat(2) does (AT_FDCWD for the current folder). For paths inside a server's
 * root use root.h, which never follows a link out of it. Errors are CSN_NOT_FOUND (no such file), CSN_NO_SPACE (full),
 * CSN_PRIVILEGE (no rights, or read-only), else CSN_IO; the message names the path.
 */
#ifndef CAISSON_LIB_FILE_H
#define CAISSON_LIB_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/buffer.h"
#include "lib/error.h"

/* Fills the error in by errno, as above: "DOING PATH: what errno says". Returns -1. */
int file_error(struct error *error, const char *doing, const char *path);

/* Appends the file's content to *content; refuses one larger than limit_bytes (CSN_IO). */
int file_read(int dir_fd, const char *path, size_t limit_bytes, struct buffer *content, struct error *error) MUST_CHECK;

/* The same from an open descriptor, from its position to its end; name is for messages. */
int file_read_fd(int fd, const char *name, size_t limit_bytes, struct buffer *content, struct error *error) MUST_CHECK;

/* Writes all of it; name is for messages. */
int file_write_fd(int fd, const char *name, const void *data, size_t size_bytes, struct error *error) MUST_CHECK;

/* The file becomes real at once and for good: temporary name beside it, fsync, rename, fsync of the folder. Whatever
 * fails, the file at path is the old one, whole; a temporary file may be left behind after a power cut. */
int file_replace(int dir_fd, const char *path, const void *data, size_t size_bytes, mode_t mode, struct error *error)
    MUST_CHECK;

/* fsync of the folder that holds path (or of path itself for ""/"."). */
int file_sync_parent(int dir_fd, const char *path, struct error *error) MUST_CHECK;

/* mkdir -p below dir_fd with this mode for new folders; each new name is made durable. */
int file_make_dirs(int dir_fd, const char *path, mode_t mode, struct error *error) MUST_CHECK;

/* close(2) that reports a late write error; sets *fd to -1. A negative *fd is fine. */
int file_close(int *fd, const char *name, struct error *error) MUST_CHECK;

/* close for reading ends: nothing to report; sets *fd to -1. */
void file_drop(int *fd);

#endif
