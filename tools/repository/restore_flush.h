/*
 * restore_flush.h - has the disk write while a restore still makes files, so that little is left to wait for at its end. For restore.c.
 */
#ifndef CAISSON_REPOSITORY_RESTORE_FLUSH_H
#define CAISSON_REPOSITORY_RESTORE_FLUSH_H

#include "lib/error.h"
#include "repository/restore_files.h"

struct restore_flush;

/* A thread that has the file system of fd made durable whenever a good deal has been written since. Both stay the caller's until the end.
 * NULL: there is none; all is then written at the end. */
struct restore_flush *restore_flush_start(const struct restore_files *files, int fd);

/* 0, or errno of what it could not write: the caller's own syncfs(2) on that descriptor does not say it again. NULL is fine. */
int restore_flush_end(struct restore_flush *flush);

#endif
