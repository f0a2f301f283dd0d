/*
 * backup_read.h - one file of a running server on its way into a snapshot: read until it holds still. For backup.c.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_READ_H
#define CAISSON_REPOSITORY_BACKUP_READ_H

#include "repository/backup_file.h"
#include "tree/walk.h"

/* SAME: it stayed all the time as it was listed; CHANGED: it never did, the pieces are what came; GONE: it is no file any more. */
enum backup_reading { READ_FAILED = -1, READ_SAME, READ_CHANGED, READ_GONE };

/* Reads the file of the visit. SAME and CHANGED: an entry like this one, or as it was listed anew, is begun in the queue with its pieces,
 * to be ended; else none is. */
enum backup_reading backup_read(struct backup_file *file, struct backup_queue *queue, const struct tree_visit *visit,
                                const struct snapshot_entry *entry, struct error *error) MUST_CHECK;

#endif
