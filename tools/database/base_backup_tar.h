/*
 * base_backup_tar.h - one tar archive of a base backup, as it comes, entry by entry. For base_backup.c.
 */
#ifndef CAISSON_DATABASE_BASE_BACKUP_TAR_H
#define CAISSON_DATABASE_BASE_BACKUP_TAR_H

#include "database/backup_manifest.h"
#include "database/base_backup.h"

/* The next bytes of the archive, valid until the next call: 1; 0: its end; -1. */
typedef int base_backup_more(void *context, const uint8_t **data, size_t *size_bytes, struct error *error);

struct base_backup_tar {
    uint32_t oid; /* 0: the data folder's */
    base_backup_more *more;
    void *more_context;
    base_backup_take *take;
    void *take_context;
    struct manifest_files *files; /* what came is added; NULL: nothing is hashed */
    struct buffer *control;       /* global/pg_control is kept here; NULL: not */
    uint64_t file_count;
    uint64_t bytes;
    bool failed; /* private: *why has the error */
    struct error *why;
    const uint8_t *data; /* private: at hand */
};

/* Takes every entry, the folder itself first. CSN_DATABASE_QUERY: it is no such archive. */
int base_backup_tar_read(struct base_backup_tar *tar, struct error *error) MUST_CHECK;

#endif
