/*
 * backup_parent.h - the snapshot a backup leans on: a file that is as it was then is not read again. Both run through the
 * tree in the same order, so it is read along, and never held in memory. For backup.c.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_PARENT_H
#define CAISSON_REPOSITORY_BACKUP_PARENT_H

#include "repository/internal.h"
#include "repository/snapshot.h"
#include "repository/store.h"

struct backup_parent;

/* The snapshot options->parent names, or the newest of the same host and sources; *parent is NULL where there is none
 * or nothing is to be taken over. CSN_REPOSITORY_NO_SNAPSHOT (one that was named), _DAMAGED, ... */
int backup_parent_open(struct backup_parent **parent, struct repository *repository,
                       const struct repository_backup_options *options, const char *host, const struct strings *sources,
                       struct error *error) MUST_CHECK;
void backup_parent_close(struct backup_parent *parent);

/* The entry of the same file if it is unchanged (device, inode, size, mtime, ctime, and not so young that it could have
 * changed again unseen) and all its chunks are there; else NULL. Must be asked in the order of the walk. */
const struct snapshot_entry *backup_parent_match(struct backup_parent *parent, struct store *store,
                                                 const struct tree_entry *tree);

#endif
