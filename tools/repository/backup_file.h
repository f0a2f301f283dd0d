/*
 * backup_file.h - one open file, read, cut and put into the repository. For backup.c.
 */
#ifndef CAISSON_REPOSITORY_BACKUP_FILE_H
#define CAISSON_REPOSITORY_BACKUP_FILE_H

#include "repository/chunker.h"
#include "repository/snapshot.h"
#include "repository/store.h"

struct backup_file {
    struct chunker chunker;
    uint8_t *buffer;     /* room for two chunks of the largest size */
    uint64_t read_bytes; /* sum over all files */
};

/* False when memory is used up. */
bool backup_file_init(struct backup_file *file, const struct repository_config *config);
void backup_file_free(struct backup_file *file);

/* Reads the first size_bytes of fd into the store and adds the pieces to *entry; a file that ends earlier gives fewer. path
 * is for messages. sparse: look for holes. CSN_TREE_READ, or the store's errors. */
int backup_file_read(struct backup_file *file, struct store *store, int fd, const char *path, uint64_t size_bytes,
                     bool sparse, struct snapshot_entry *entry, struct error *error) MUST_CHECK;

#endif
