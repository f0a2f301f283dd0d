/*
 * backup_manifest.h - PostgreSQL's manifest of a base backup ("Backup Manifest Format" of its documentation) against what came.
 */
#ifndef CAISSON_DATABASE_BACKUP_MANIFEST_H
#define CAISSON_DATABASE_BACKUP_MANIFEST_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/sha256.h"

struct manifest_file {
    char *path; /* relative to the data folder: "base/1/1259", "pg_tblspc/16385/PG_15_..." */
    uint64_t size_bytes;
    uint8_t digest[SHA256_SIZE];
};

struct manifest_files {
    struct manifest_file *items;
    size_t count;
    size_t allocated; /* private */
};

int manifest_files_add(struct manifest_files *files, const char *path, uint64_t size_bytes,
                       const uint8_t digest[SHA256_SIZE], struct error *error) MUST_CHECK;
void manifest_files_free(struct manifest_files *files);

/* The manifest's own checksum, then that each file it names came as it says, and no other but WAL. Sorts files. system_identifier: 0
 * where it has none (before 17). CSN_DATABASE_DIFFERS names the first; CSN_DATABASE_QUERY: it is no such manifest. */
int backup_manifest_check(const void *data, size_t size_bytes, struct manifest_files *files,
                          uint64_t *system_identifier, struct error *error) MUST_CHECK;

#endif
