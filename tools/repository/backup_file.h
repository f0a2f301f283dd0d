/*
 * backup_file.h - one file, read and cut. For backup.c and intake.c.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_FILE_H
#define CAISSON_REPOSITORY_BACKUP_FILE_H

#include <sys/types.h>

#include "repository/backup_queue.h"
#include "repository/chunker.h"

struct backup_file {
    struct chunker chunker;
    uint64_t read_bytes;          /* sum over all files */
    uint64_t before_bytes;        /* the same when the file at hand was begun */
    void (*watch)(void *context); /* after each read; NULL: nobody */
    void *context;
};

/* Gives the next size_bytes of a file; fewer only at its end. -1 with error. */
typedef ssize_t backup_read_function(void *context, uint8_t *into, size_t size_bytes, struct error *error);

/* Reads size_bytes into the entry that was begun last; where fewer come the entry has fewer. read's errors, or the store's. */
int backup_file_take(struct backup_file *file, struct backup_queue *queue, uint64_t size_bytes,
                     backup_read_function *read, void *context, struct error *error) MUST_CHECK;

/* Reads the first size_bytes of fd into the entry that was begun last; a file that ends earlier gives fewer. path is for
 * messages. sparse: look for holes. CSN_TREE_READ, or the store's errors. */
int backup_file_read(struct backup_file *file, struct backup_queue *queue, int fd, const char *path,
                     uint64_t size_bytes, bool sparse, struct error *error) MUST_CHECK;

#endif
