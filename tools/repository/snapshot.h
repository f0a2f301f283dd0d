/*
 * snapshot.h - a snapshot's lines: one JSON object a line, first what it is of, then each entry of the trees in the order
 * of tree/path.h, last the sums. README.md has every field.
 *
 * Written once from front to end; read from front to end, or from the line of one path. What is handed out has been
 * checked: hashes, limits, order, no path twice, nothing below what is no folder, no ".." and no absolute surprises.
 */
#ifndef CAISSON_REPOSITORY_SNAPSHOT_H
#define CAISSON_REPOSITORY_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/sha256.h"
#include "lib/strings.h"
#include "repository/pack.h"
#include "repository/repository.h"
#include "tree/entry.h"

/* A run of a file's bytes: a chunk, or a hole (an id of zeros). */
struct snapshot_piece {
    uint8_t id[SHA256_SIZE];
    uint64_t size_bytes;
};

bool snapshot_piece_is_hole(const struct snapshot_piece *piece);

struct snapshot_entry {
    struct tree_entry tree;        /* path: the recorded name without its leading '/' */
    char *hardlink;                /* path of the first name of the same file, or NULL; then there are no pieces */
    struct snapshot_piece *pieces; /* of a file: its content from front to end */
    size_t piece_count;
    size_t pieces_allocated; /* private */
    bool sparse;             /* it took less room than its size: leave holes for zeros */
    bool changed;            /* while it was read */
};

/* Adds a piece (id NULL: a hole). CSN_MEMORY. */
int snapshot_entry_add(struct snapshot_entry *entry, const uint8_t *id, uint64_t size_bytes, struct error *error)
    MUST_CHECK;
void snapshot_entry_free(struct snapshot_entry *entry);

/* The first line. */
struct snapshot_header {
    const char *time;
    int64_t began_sec; /* the same as a number, by the clock of the machine */
    const char *host;
    const char *label;
    const char *tool;
    const struct strings *sources; /* recorded names */
    const struct strings *excludes;
    const struct repository_tag *tags;
    size_t tag_count;
    const char *reader; /* age's recipient of the machine's own key, which reads this snapshot, too; NULL: none */
};

/* What the last line sums up. */
struct snapshot_totals {
    uint64_t entries;
    uint64_t files;
    uint64_t bytes;
    uint64_t changed;
};

/* --- writing --- */

struct snapshot_writer;

struct snapshot_writer *snapshot_writer_new(const struct stored_folder *folder, const struct snapshot_header *header,
                                            struct error *error) MUST_CHECK;
void snapshot_writer_free(struct snapshot_writer *writer); /* what was not committed is gone */

/* The entries must come in order. CSN_REPOSITORY_FULL, CSN_IO, CSN_TREE_READ (one that is too large for a line). */
int snapshot_writer_add(struct snapshot_writer *writer, const struct snapshot_entry *entry, struct error *error)
    MUST_CHECK;
void snapshot_writer_totals(const struct snapshot_writer *writer, struct snapshot_totals *totals);

/* Writes the last line and makes the snapshot real. stored_bytes is added to. */
int snapshot_writer_commit(struct snapshot_writer *writer, uint8_t id[SHA256_SIZE], uint64_t *stored_bytes,
                           struct error *error) MUST_CHECK;

/* --- reading --- */

struct snapshot_reader;

/* Opens the snapshot and reads its first and last line. CSN_REPOSITORY_NO_SNAPSHOT, _DAMAGED, _VERSION, CSN_IO. */
struct snapshot_reader *snapshot_reader_open(const struct stored_folder *folder, const uint8_t id[SHA256_SIZE],
                                             struct error *error) MUST_CHECK;
void snapshot_reader_close(struct snapshot_reader *reader);

/* 1 and *entry (owned by the reader, valid until the next call); 0 at the end, when the sums hold; -1. */
int snapshot_reader_next(struct snapshot_reader *reader, const struct snapshot_entry **entry, struct error *error)
    MUST_CHECK;

/* Moves the entry that snapshot_reader_next has given out of the reader: to be freed with snapshot_entry_free. */
void snapshot_reader_take_entry(struct snapshot_reader *reader, struct snapshot_entry *entry);

/* The next entry will be that of path, or the first after it. Sums over all lines are not checked from then on. */
int snapshot_reader_seek(struct snapshot_reader *reader, const char *path, struct error *error) MUST_CHECK;

/* Valid until the reader is closed. */
const struct snapshot_totals *snapshot_reader_totals(const struct snapshot_reader *reader);
const struct repository_snapshot *snapshot_reader_about(const struct snapshot_reader *reader);

/* Hands what it is over: to be freed with snapshot_free (snapshot_about.h). */
void snapshot_reader_take_about(struct snapshot_reader *reader, struct repository_snapshot *snapshot);
const struct strings *snapshot_reader_excludes(const struct snapshot_reader *reader);
int64_t snapshot_reader_began_sec(const struct snapshot_reader *reader);

/* The recipient of the machine's own key: see struct snapshot_header. NULL: none. */
const char *snapshot_reader_machine(const struct snapshot_reader *reader);

/* --- one line; snapshot_line.c --- */

#define SNAPSHOT_VERSION 1
#define SNAPSHOT_PIECES_A_LINE 4096

/* Appends the line of the entry, and as many more as its pieces need. */
int snapshot_line_write(struct buffer *lines, const struct snapshot_entry *entry, yyjson_alc *memory,
                        struct error *error) MUST_CHECK;

/* Reads one line into *entry (emptied first), or, if continued, adds its pieces to it. *more: the next line has further
 * pieces. CSN_REPOSITORY_DAMAGED. */
int snapshot_line_read(struct snapshot_entry *entry, yyjson_val *line, bool continued, bool *more, struct error *error)
    MUST_CHECK;

#endif
