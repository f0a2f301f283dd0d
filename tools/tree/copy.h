/*
 * copy.h - a second tree that nothing tells from the first: hard links, holes, ACLs, xattrs, capabilities, owners,
 * setuid, nanosecond times, devices and odd names survive.
 *
 * Blocks are shared where the file system can (FICLONE); else large files are copied several at a time. The copy is made under the name given, which must not exist:
 * callers copy beside and rename (exchange.h). Repositories and packages unpack by themselves, with entry.h.
 */
#ifndef CAISSON_TREE_COPY_H
#define CAISSON_TREE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/progress.h"
#include "lib/strings.h"
#include "tree/entry.h"
#include "tree/links.h"

#define TREE_COPY_DOING "copying files" /* what the progress is told; at its end it waits for the disk (lib/flush.h) */

struct tree_copy_options {
    bool one_file_system;   /* mount points inside become empty folders */
    bool into_existing;     /* the destination is an empty folder (but for lost+found), such as a mount point */
    bool tolerate_refusals; /* for use without root: count what may not be kept instead of failing */
    bool leave_unsynced;    /* the caller syncs; else all is durable when 0 is returned */
    uint64_t total_bytes;   /* for the progress; 0: not known */
    uint64_t total_items;
    const struct strings *excludes; /* patterns of path.h */
};

struct tree_copy_report {
    uint64_t items;        /* names made */
    uint64_t files;        /* with content of their own */
    uint64_t hardlinks;    /* further names of files made before */
    uint64_t copied_bytes; /* read and written (holes not counted) */
    uint64_t shared_bytes; /* of files cloned without copying */
    struct tree_tolerated tolerated;
};

/* Copies source_path below source_fd (resolved as lib/root.h does; a folder with all in it, or a single file or link) to
 * destination_path below destination_fd. The folder to hold it must exist; its time changes, nothing else. Durable when 0
 * is returned: one syncfs(2) and an fsync of the holding folder.
 * *report (NULL allowed) is filled in, also on an error. Errors: CSN_NOT_FOUND (no source), CSN_TREE_READ (also for a
 * file that changed while it was copied), CSN_TREE_WRITE (also if the destination exists), CSN_NO_SPACE,
 * CSN_TREE_ATTRIBUTE, CSN_PRIVILEGE, CSN_MEMORY. On an error the half-made copy stays: the caller removes it (remove.h)
 * before trying again. */
int tree_copy(int source_fd, const char *source_path, int destination_fd, const char *destination_path,
              const struct tree_copy_options *options, const struct progress *progress, struct tree_copy_report *report,
              struct error *error) MUST_CHECK;

#endif
