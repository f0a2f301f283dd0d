/*
 * backup_queue.h - entries on their way into the snapshot, in order, while the chunks of some are still with the store's
 * threads. For backup.c and intake.c.
 *
 * An entry is begun, gets its pieces (known ones at once, bytes through the batch at hand), and is ended; it is delivered
 * once all before it have been and its ids are known.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_QUEUE_H
#define CAISSON_REPOSITORY_BACKUP_QUEUE_H

#include "repository/snapshot.h"
#include "repository/store.h"

struct backup_queue {
    struct store *store;
    /* Takes an entry that is complete: of these, in the order in which they were begun. */
    int (*deliver)(void *context, struct snapshot_entry *entry, struct error *error);
    void *context;
    struct store_batch *batch; /* being filled; NULL: none yet */
    size_t uncut;              /* its bytes from here on are in no chunk yet */
    struct queued *first;
    struct queued *last;
    size_t count;
    uint64_t chunks; /* that delivered entries refer to */
};

/* An entry that is complete; it stays the caller's. */
int backup_queue_add(struct backup_queue *queue, struct snapshot_entry *entry, struct error *error) MUST_CHECK;

/* Takes a copy of the entry as it is; hardlink stays the caller's and must outlive the queue. CSN_MEMORY. */
int backup_queue_begin(struct backup_queue *queue, const struct snapshot_entry *entry, struct error *error) MUST_CHECK;

/* The entry that was begun last, for what is not known before its end. */
struct snapshot_entry *backup_queue_entry(const struct backup_queue *queue);

/* The entry that was begun last will be delivered, or (keep false) not. */
int backup_queue_end(struct backup_queue *queue, bool keep, struct error *error) MUST_CHECK;

/* Makes a batch with room for bytes the one at hand. What is uncut comes along and lies at its beginning. */
int backup_queue_renew(struct backup_queue *queue, struct error *error) MUST_CHECK;

/* The next size_bytes of what is uncut are a chunk of the entry that was begun last. */
int backup_queue_cut(struct backup_queue *queue, size_t size_bytes, struct error *error) MUST_CHECK;

/* Waits until everything is delivered. */
int backup_queue_finish(struct backup_queue *queue, struct error *error) MUST_CHECK;

/* Frees what was never delivered; the store's threads must have ended. */
void backup_queue_free(struct backup_queue *queue);

#endif
