/*
 * repository.h - the backup store: a folder of packs (chunks, compressed) and snapshots (what a tree held, line by line).
 *
 * The format is in README.md beside this file and needs no tool of ours to be read. Nothing read from a repository is
 * used before its hash holds. Whatever a writer is stopped by, complete snapshots stay complete and the next writer
 * uses the packs that were finished. Reading a tree, its attributes and comparing two are tree/'s work.
 * One `struct repository` belongs to one thread.
 */
#ifndef CAISSON_REPOSITORY_REPOSITORY_H
#define CAISSON_REPOSITORY_REPOSITORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "age/identities.h"
#include "lib/error.h"
#include "lib/progress.h"
#include "lib/strings.h"
#include "tree/compare.h"
#include "tree/entry.h"

struct repository;

#define REPOSITORY_ID_SIZE 65 /* lower-case hex of a SHA-256, with the NUL */

enum repository_mode {
    REPOSITORY_READ,          /* works on a read-only disk too */
    REPOSITORY_WRITE,         /* several writers at once are fine */
    REPOSITORY_ALONE,         /* nobody else has it open: for repository_prune and repository_repair */
    REPOSITORY_ALONE_ASSURED, /* the same; who calls it knows it, where locks do not reach other machines */
};

/* Who may read an encrypted repository. */
struct repository_protection {
    const struct strings *recipients; /* age's: "age1..."; NULL or empty: none */
    const char *passphrase;           /* NULL: none. Opens a key of the repository's own, which lies in it */
};

/* Makes a repository in the folder path (made if it is not there; must be empty but for lost+found and the like).
 * protection NULL, or without either: not encrypted. CSN_AGE_KEY; CSN_REPOSITORY_EXISTS if something is there; then nothing was
 * written. */
int repository_init(const char *path, const struct repository_protection *protection, struct error *error) MUST_CHECK;

/* CSN_REPOSITORY_NOT, _VERSION, _DAMAGED. */
int repository_is_encrypted(const char *path, bool *encrypted, struct error *error) MUST_CHECK;

/* What a repository is opened with; it copies what it needs. */
struct repository_keys {
    const struct age_identities *identities; /* NULL: none */
    const char *passphrase;                  /* NULL: none */
    const struct age_identity
        *own;         /* of the machine that writes: reads what that machine has written, and nothing of other
                                       machines'. Without one, and without an identity, a writer stores everything anew. NULL: none */
    bool own_unasked; /* nobody named it: where it opens nothing that is as if there were no key */
    const struct progress *progress; /* told while somebody else has the repository alone (prune, repair); NULL */
};

/* Opens it, takes the shared lock, reads every pack's index. A writer that is alone removes what a killed one left.
 * A pack whose index is damaged is left out and remembered (repository_verify names it). NULL with CSN_REPOSITORY_NOT,
 * _VERSION, _DAMAGED, _LOCKED (it is encrypted, and no key is given; a writer needs none), _KEY (key.age is lost, and nothing else
 * would read it), CSN_BUSY (ALONE, and somebody has it
 * open), CSN_REPOSITORY_UNLOCKED (ALONE, on a file system whose locks other machines may not see), or a system error. keys may be NULL. Free with repository_close. */
struct repository *repository_open(const char *path, enum repository_mode mode, const struct repository_keys *keys,
                                   struct error *error) MUST_CHECK;
void repository_close(struct repository *repository);

/* 0 if it is encrypted to these recipients and to no others but the machine's own key. CSN_REPOSITORY_RECIPIENTS. */
int repository_check_recipients(const struct repository *repository, const struct strings *recipients,
                                struct error *error) MUST_CHECK;

/* The files of the repository that opening found damaged and left out, for a writer also key.age and its copy. Valid until the next call on it. */
const struct strings *repository_damaged(const struct repository *repository);

/* --- backup --- */

/* One tree or file to back up. Several must not lie within one another. */
struct repository_source {
    int root_fd;      /* the folder that path is resolved in: "/" itself, or a server's mounted root */
    const char *path; /* on that root */
    const char *name; /* absolute: the name it is recorded by ("/opt/app") */
};

struct repository_tag {
    const char *key; /* "run", "application", "version": free */
    const char *value;
};

struct repository_backup_options {
    const char *host;  /* NULL: this machine's name */
    const char *label; /* NULL: none */
    const struct repository_tag *tags;
    size_t tag_count;
    const struct strings
        *excludes;        /* patterns of tree/path.h on recorded names, each beginning with "/" or with two stars
                                       and a slash; else CSN_USAGE. NULL: none */
    const char *parent;   /* snapshot whose unchanged files are not read again (same device, inode, size, mtime, ctime);
                           NULL: the newest of the same host and sources */
    bool reread;          /* no parent: read every file */
    bool one_file_system; /* mount points are recorded, not entered */
    unsigned workers;     /* threads that hash, compress and write; 0: one a processor, at most 8 */
};

struct repository_backup_summary {
    char id[REPOSITORY_ID_SIZE];
    uint64_t entries;         /* lines of the snapshot: files, folders, links, devices */
    uint64_t files;           /* regular files */
    uint64_t files_unchanged; /* of these, taken over from the parent without reading */
    uint64_t vanished;        /* names that were gone before they could be read */
    uint64_t bytes;           /* sum of the files' sizes */
    uint64_t bytes_read;      /* read from disk; holes are not */
    uint64_t bytes_stored;    /* written to the repository by this backup */
    uint64_t chunks;          /* that the snapshot refers to */
    uint64_t chunks_new;      /* of these, stored by this backup */
    struct strings
        changed; /* files that changed while they were read, by recorded name; recorded in the snapshot too */
};

/* Backs the sources up into a new snapshot. 0 with *summary filled in (also when files changed while they were read: the
 * caller decides what that means); -1: no snapshot was made, packs that were finished stay and are used the next time.
 * CSN_REPOSITORY_FULL, CSN_TREE_READ, CSN_USAGE (nothing is left after the excludes), ... Free the summary with repository_backup_summary_free in each case. */
int repository_backup(struct repository *repository, const struct repository_source *sources, size_t source_count,
                      const struct repository_backup_options *options, const struct progress *progress,
                      struct repository_backup_summary *summary, struct error *error) MUST_CHECK;
void repository_backup_summary_free(struct repository_backup_summary *summary);

/* --- backup of what comes as a stream --- */

/* A snapshot whose entries the caller brings, in any order. Their content is stored as it comes; they themselves are held until the
 * end: some 300 bytes each, and 40 for each chunk. */
struct repository_intake;

/* names: of the sources, absolute; each must come as an entry, and every other entry lie in one. Of the options host, label, tags and workers
 * count. NULL with an error. The repository writes nothing else meanwhile. */
struct repository_intake *repository_intake_new(struct repository *repository, const struct strings *names,
                                                const struct repository_backup_options *options, struct error *error)
    MUST_CHECK;
void repository_intake_free(struct repository_intake *intake); /* NULL is fine; without a commit there is no snapshot */

/* Gives the next size_bytes of a file's content; fewer only at its end. -1 with error. */
typedef ssize_t repository_intake_read(void *context, uint8_t *into, size_t size_bytes, struct error *error);

/* As tree->size_bytes of a file whose end is known only when it has come. */
#define REPOSITORY_SIZE_UNKNOWN UINT64_MAX

/* An entry; tree->path is the recorded name without its leading '/'. For a file read is called until tree->size_bytes have come;
 * fewer are an error. After any error the intake can only be freed. CSN_REPOSITORY_FULL, CSN_TREE_READ, read's own. */
int repository_intake_add(struct repository_intake *intake, const struct tree_entry *tree, repository_intake_read *read,
                          void *context, struct error *error) MUST_CHECK;

/* The snapshot appears. CSN_TREE_READ: a path came twice, or without its folder. */
int repository_intake_commit(struct repository_intake *intake, struct repository_backup_summary *summary,
                             struct error *error) MUST_CHECK;

/* --- what is there --- */

struct repository_snapshot {
    char id[REPOSITORY_ID_SIZE];
    char *time; /* "2026-11-23T03:06:26.123Z", when the backup began */
    char *host;
    char *label;             /* "" where none */
    char *tool;              /* "caisson 0.1.0" */
    struct strings sources;  /* recorded names */
    struct strings tag_keys; /* and, by the same index, */
    struct strings tag_values;
    uint64_t entries;
    uint64_t files;
    uint64_t bytes;
    uint64_t changed; /* files that changed while they were read */
};

/* True for what a repair saved of a damaged one when something of it was lost. */
bool repository_is_incomplete(const struct repository_snapshot *snapshot);

struct repository_snapshots {
    struct repository_snapshot *items; /* oldest first */
    size_t count;
    struct strings damaged; /* ids (file names) of those that cannot be read */
    uint64_t locked;        /* how many none of the keys given opens */
};

/* CSN_AGE_NO_IDENTITY if there are some and the keys open none; where there is own_unasked alone, as without a key. */
int repository_list(struct repository *repository, struct repository_snapshots *snapshots, struct error *error)
    MUST_CHECK;
void repository_snapshots_free(struct repository_snapshots *snapshots);

/* The snapshot meant by `what`: an id, the first 4 or more digits of one, or "latest"; of those that have tag (NULL: of
 * all). CSN_REPOSITORY_NO_SNAPSHOT if there is none or the digits fit several, CSN_REPOSITORY_DAMAGED
 * if it is damaged, or which one is the latest cannot be told (tag: NULL). */
int repository_find(struct repository *repository, const char *what, const struct repository_tag *tag,
                    char id[REPOSITORY_ID_SIZE], struct error *error) MUST_CHECK;

/* --- reading --- */

struct repository_entry {
    const struct tree_entry
        *tree; /* path: the recorded name without the leading slash; the digest is known for files of one chunk */
    const char *hardlink; /* path of the first name of the same file, or NULL; then there is no size, digest, target */
    bool changed;         /* while it was read */
};

/* Calls visit for each entry of the snapshot in order (a folder before what is below it; names sorted as bytes within a
 * folder). paths: recorded names, each means all below it too, CSN_NOT_FOUND for one that is not there; NULL: everything.
 * Returning non-zero from visit, which fills error in, ends the iteration with -1. */
int repository_iterate(struct repository *repository, const char *id, const struct strings *paths,
                       int (*visit)(void *context, const struct repository_entry *entry, struct error *error),
                       void *context, struct error *error) MUST_CHECK;

/* Which entries, and where they lie on a root: strip is taken off the front of the recorded name, place put before. */
struct repository_selection {
    const struct strings *paths; /* recorded names; each means all below it too; NULL: everything */
    int root_fd;                 /* -1: they lie nowhere, only the snapshot is read */
    const char *strip;           /* NULL: nothing */
    const char *place;           /* NULL: nothing; a folder that exists on the root */
    bool tolerate_refusals;      /* restore without root: what may not be kept is counted, not an error */
    bool leave_unsynced;         /* the caller syncs, or does not care: a scratch place */
    /* Told of each file whose content is not all there, by its place: it lies there as NAME.damaged, with holes for what is lost,
     * and the rest is restored. NULL: the first is an error. */
    void (*damaged)(void *context, const char *place, const char *what);
    /* Told of each path that the root's file system cannot hold (a name, a kind of file, a size), before anything is written: it is
     * left out, and the rest is restored. NULL: CSN_REPOSITORY_NAME, and nothing is written. */
    void (*left_out)(void *context, const char *path, const char *what);
    void *context;
    /* A file of this name lies on the place, with a sentence in it, from before a restore's first entry until all is there. It
     * stays if the restore is stopped by anything. NULL: none. */
    const char *marker;
};

struct repository_restore_summary {
    uint64_t entries;
    uint64_t files;
    uint64_t bytes;
    uint64_t damaged;  /* files that are not whole */
    bool is_remnant;   /* the snapshot is what a repair saved of a damaged one, and not all of it */
    uint64_t left_out; /* as the file system cannot hold them */
    bool complete;     /* all of it is there (and durable, if it was to be), whatever is said of the marker */
    struct tree_tolerated tolerated;
};

/* Restores: owners, modes, ACLs, xattrs, capabilities, hard links, holes, devices, times to the nanosecond. Never writes
 * outside the root. Folders that are there are used and get their recorded attributes; anything else that is there
 * is CSN_REPOSITORY_TARGET. A path in the selection that is not in the snapshot is CSN_NOT_FOUND before anything is
 * written. On any other failure what has been restored so far stays, the entries are as many as the summary says or one less, and
 * files that were not finished are removed. */
int repository_restore(struct repository *repository, const char *id, const struct repository_selection *selection,
                       const struct progress *progress, struct repository_restore_summary *summary, struct error *error)
    MUST_CHECK;

/* What a restore would do. */
struct repository_plan {
    uint64_t entries;
    uint64_t files;
    uint64_t bytes;        /* sum of the files' sizes */
    uint64_t needed_bytes; /* on the disk: without holes, in its own blocks */
    uint64_t free_bytes;   /* there now */
    uint64_t needed_items; /* inodes */
    uint64_t free_items;   /* UINT64_MAX where the file system does not count */
    uint64_t left_out;
    uint64_t problems;
};

/* Goes through a restore and writes nothing (a file system of which nothing is known is asked by making a name, which goes again): are
 * all chunks there, does the root's file system hold the names and kinds of files, and
 * the attributes, has it the room, and may this process write there? problem is called for each path that would fail ("": for what is
 * not of one path); 0 also if there are some. Whether chunks hold is repository_verify's. */
int repository_restore_plan(struct repository *repository, const char *id, const struct repository_selection *selection,
                            void (*problem)(void *context, enum error_code code, const char *path, const char *what),
                            void *context, const struct progress *progress, struct repository_plan *plan,
                            struct error *error) MUST_CHECK;

struct repository_export_summary {
    uint64_t entries;
    uint64_t files;
    uint64_t bytes;
    uint64_t sockets; /* left out: tar has none */
};

/* Writes the entries as a tar archive (pax of IEEE 1003.1; xattrs, ACLs and capabilities among them, as SCHILY.xattr; holes as
 * GNU.sparse 1.0), compressed with zstd, to the descriptor, which stays the caller's. Names are without the leading slash. */
int repository_export(struct repository *repository, const char *id, const struct strings *paths, int fd,
                      const struct progress *progress, struct repository_export_summary *summary, struct error *error)
    MUST_CHECK;

/* Compares the snapshot (a), content included, with what lies on the root (b); for the rest it is tree_compare. Paths are
 * recorded names without the leading '/'. What the backup excluded is not looked at; nor is the repository itself. Times,
 * owners and so on are compared as the snapshot has them; content by the hashes of its pieces, so no pack is read. */
int repository_compare(struct repository *repository, const char *id, const struct repository_selection *selection,
                       const struct tree_compare_options *options,
                       int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                       void *context, const struct progress *progress, struct tree_compare_counts *counts,
                       struct error *error) MUST_CHECK;

/* Compares two snapshots, nothing else is read. paths: recorded names, none inside another, each means all below it too;
 * NULL: everything. differ is called for each difference in order; paths have no leading '/'. */
int repository_diff(struct repository *repository, const char *id_a, const char *id_b, const struct strings *paths,
                    int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                    void *context, struct error *error) MUST_CHECK;

/* --- prune --- */

struct repository_prune_options {
    uint64_t keep_last; /* so many of the newest of each host and its set of folders */
    uint64_t keep_days; /* and those of so many days before the newest of them; 0 and 0: CSN_USAGE */
    bool dry_run;       /* says what would go, and writes nothing */
    /* Told of each snapshot, the oldest first: why it is kept ("it is one of the newest 7"), or NULL: it goes. */
    void (*decided)(void *context, const struct repository_snapshot *snapshot, const char *kept);
    void *context;
};

struct repository_prune_summary {
    uint64_t snapshots_kept;
    uint64_t snapshots_removed;
    uint64_t packs_removed;   /* nothing needs them any more */
    uint64_t packs_rewritten; /* a fifth and more of them was needed by nothing */
    uint64_t bytes_freed;
    uint64_t bytes_kept; /* of packs */
};

/* Removes snapshots, and then what only they needed. Never removed are: the newest snapshot of each host and its set of folders
 * that is whole; and of each machine and application all that its newest run has made (the tags "run", "machine-id" and
 * "application"), as a rollback needs them. What it reads of packs it writes anew is checked; what is removed goes last.
 * Needs REPOSITORY_ALONE, and keys that read everything (CSN_AGE_NO_IDENTITY). Refuses a repository with damage that it comes upon
 * (CSN_REPOSITORY_DAMAGED). The repository can only be closed afterwards. */
int repository_prune(struct repository *repository, const struct repository_prune_options *options,
                     const struct progress *progress, struct repository_prune_summary *summary, struct error *error)
    MUST_CHECK;

/* --- verify --- */

/* How much of the chunks is read, decompressed and hashed, in millionths; indexes, snapshots, and that each chunk they need is
 * there, are checked in each case. */
#define REPOSITORY_VERIFY_STRUCTURE 0u
#define REPOSITORY_VERIFY_ALL 1000000u

struct repository_verification {
    uint64_t packs;
    uint64_t snapshots;
    uint64_t chunks;
    uint64_t bytes; /* decompressed and hashed */
    uint64_t damages;
    uint64_t locked_packs; /* that none of the keys given opens: other machines', or damaged in their head */
    uint64_t locked_snapshots;
    uint64_t incomplete_snapshots; /* saved by a repair, and not all of them */
};

struct repository_damage {
    const char *file;     /* of the repository: "packs/ab/ab01...zst" */
    const char *what;     /* a short English phrase */
    const char *snapshot; /* id that it costs something, or NULL where it costs none */
    const char *path;     /* recorded name of the file it costs, or NULL: the whole snapshot */
};

/* Calls damaged for each damage, also for a chunk that may be in a locked pack: once with the file of the repository, then once for each path of each snapshot that
 * it costs. 0 also if there is damage: see damages. -1 only if the check itself could not be done. */
int repository_verify(struct repository *repository, uint32_t share_ppm,
                      void (*damaged)(void *context, const struct repository_damage *damage), void *context,
                      const struct progress *progress, struct repository_verification *verification,
                      struct error *error) MUST_CHECK;

/* --- repair --- */

struct repository_repair_summary {
    uint64_t packs_rebuilt;
    uint64_t chunks_saved; /* in these */
    uint64_t snapshots_rebuilt;
    uint64_t entries_saved;  /* in these */
    uint64_t snapshots_lost; /* damaged ones of which something, or all, is lost */
    uint64_t set_aside;      /* files that are in damaged/ now */
};

/* Writes what can be had of damaged packs and snapshots into new ones, with new indexes, and puts the damaged files into the folder
 * damaged/: nothing is thrown away. A snapshot that was damaged comes back under a new id, with the tag "repaired" (the old id), and
 * what it has lost is not in it: between which paths that lay is told, and it has the tag "incomplete" (how many entries, if
 * that is known). The two pages, and repository.json and key.age from their copies, are written anew. done is called for each file.
 * What the damage costs, repository_verify says afterwards. Needs REPOSITORY_ALONE; the repository can only be closed afterwards.
 * What is rebuilt is for the repository's recipients alone: a machine's own key does not read it. */
int repository_repair(struct repository *repository, void (*done)(void *context, const char *file, const char *what),
                      void *context, const struct progress *progress, struct repository_repair_summary *summary,
                      struct error *error) MUST_CHECK;

#endif
