/*
 * backup_scan.h - counts what a backup will have to do while it has begun already, so that the time left can be said. For backup.c.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_SCAN_H
#define CAISSON_REPOSITORY_BACKUP_SCAN_H

#include "repository/internal.h"

struct backup_scan;

/* Starts counting in a thread of its own. All that is pointed to stays until backup_scan_end. NULL where there is no memory or no
 * thread for it: then nothing is known, and the backup goes on all the same. */
struct backup_scan *backup_scan_start(const struct repository *repository,
                                      const struct repository_source *const *sources, size_t source_count,
                                      const struct repository_backup_options *options);

/* Once all is counted; false before, and where it could not be. Bytes are sums of files' sizes, each file once. */
bool backup_scan_totals(struct backup_scan *scan, uint64_t *entries, uint64_t *bytes);

void backup_scan_end(struct backup_scan *scan); /* waits for no more than an entry; NULL is fine */

#endif
