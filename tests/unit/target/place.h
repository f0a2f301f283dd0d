/*
 * place.h - what the tests of target/ share: a folder of their own, files in it, programs run, and real disks of files.
 * Everything fails the test at hand by itself.
 */
#ifndef CAISSON_TEST_TARGET_PLACE_H
#define CAISSON_TEST_TARGET_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/* A new empty folder; its path stays valid until place_remove. */
const char *place_make(void);
void place_remove(void);

/* "<folder>/<path>"; valid until the eighth next call. */
const char *place_path(const char *path);

/* Writes a file, with the folders it needs; folders; a link. */
void place_write(const char *path, const char *content);
void place_folder(const char *path);
void place_link(const char *path, const char *target);

/* Runs `sh -c script` in the folder and fails unless it ends with 0; its first line is returned, valid until the next. */
const char *place_run(const char *script);

/* One line a file below path: type, mode, owner, size, modification time (ns), name, content's hash; sorted. The caller's. */
char *place_snapshot(const char *path);

/* True if this process may attach loop devices; says "needs root" and skips the test at hand if not. */
void place_need_root(void);

/* From now on what this process mounts is in no other namespace, not even in those that others make meanwhile: these would keep the
 * device. Of root only; place_make does it. */
void place_own_mounts(void);

#endif
