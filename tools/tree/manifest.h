/*
 * manifest.h - the list of all entries of a tree with SHA-256 digests, in memory and as mtree text.
 *
 * mtree is read through libarchive (with our own bounds and refusals) and written here, always the same bytes for the
 * same tree; README.md has the format. mtree cannot carry xattrs: a manifest that was read does not know them.
 */
#ifndef CAISSON_TREE_MANIFEST_H
#define CAISSON_TREE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/progress.h"
#include "lib/strings.h"
#include "tree/entry.h"

struct tree_manifest {
    struct tree_entry *entries; /* sorted (tree_path_compare), no path twice */
    size_t count;
    size_t allocated; /* private */
    bool unsorted;    /* private */
};

/* What a program's manifest carries, and what a tree's. */
#define TREE_MANIFEST_PROGRAM                                                                                          \
    (TREE_ASPECT_TYPE | TREE_ASPECT_CONTENT | TREE_ASPECT_TARGET | TREE_ASPECT_DEVICE | TREE_ASPECT_MODE |             \
     TREE_ASPECT_OWNER)
#define TREE_MANIFEST_ALL (TREE_MANIFEST_PROGRAM | TREE_ASPECT_MTIME)

struct tree_scan_options {
    bool want_digests;
    bool want_xattrs;
    bool one_file_system;
    bool tolerate_vanished;         /* leaves out what disappears meanwhile; else CSN_TREE_READ */
    uint64_t total_bytes;           /* for the progress; 0: not known */
    const struct strings *excludes; /* patterns of path.h */
};

/* Adds path below root_fd (resolved as lib/root.h does) and everything in it to *manifest, which starts as {0}.
 * CSN_NOT_FOUND, CSN_TREE_READ (also for a file that changed while it was read), CSN_MEMORY. */
int tree_manifest_scan(struct tree_manifest *manifest, int root_fd, const char *path,
                       const struct tree_scan_options *options, const struct progress *progress, struct error *error)
    MUST_CHECK;

/* Reads mtree text. Order does not matter. Refuses with CSN_TREE_MANIFEST: more than limit_entries, "..", absolute or
 * otherwise unsound paths, a path twice, a type that is not one of tree_type, an entry without a type, a digest of the
 * wrong length, binary content. *manifest starts as {0} and is empty again on an error. name is for messages. */
int tree_manifest_read(struct tree_manifest *manifest, const char *name, const void *text, size_t size_bytes,
                       size_t limit_entries, struct error *error) MUST_CHECK;

/* Appends the manifest as mtree: one line an entry with what is in aspects (set of tree_aspect) and known. */
int tree_manifest_write(struct tree_manifest *manifest, unsigned aspects, struct buffer *text, struct error *error)
    MUST_CHECK;

/* The root hash: SHA-256 of what tree_manifest_write would write with these aspects. */
int tree_manifest_hash(struct tree_manifest *manifest, unsigned aspects, uint8_t digest[SHA256_SIZE],
                       struct error *error) MUST_CHECK;

/* Takes *entry over (it is zeroed), also on an error. Call tree_manifest_sort after the last. */
int tree_manifest_add(struct tree_manifest *manifest, struct tree_entry *entry, struct error *error) MUST_CHECK;

/* Sorts; a path that is there twice is CSN_TREE_MANIFEST. */
int tree_manifest_sort(struct tree_manifest *manifest, struct error *error) MUST_CHECK;

/* The entry of this path, or NULL. */
const struct tree_entry *tree_manifest_find(const struct tree_manifest *manifest, const char *path);

/* Sum of the files' sizes (each name of a hard link counts). */
uint64_t tree_manifest_size_bytes(const struct tree_manifest *manifest);

void tree_manifest_free(struct tree_manifest *manifest);

/* SHA-256 of a file's content from its position to its end; *read_bytes is added to (NULL allowed). CSN_TREE_READ. */
int tree_digest_fd(int fd, const char *name, uint8_t digest[SHA256_SIZE], uint64_t *read_bytes, struct error *error)
    MUST_CHECK;

#endif
