/*
 * dump.h - the definitions and rows of a running server, by pg_dump and pg_dumpall: PostgreSQL's own, of packages/libpq, part of this
 * program (dump_program.h) and run as processes of it.
 *
 * They need no right but to read. What they write comes as a stream; where it goes is the caller's.
 */
#ifndef CAISSON_DATABASE_DUMP_H
#define CAISSON_DATABASE_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "database/query.h"
#include "lib/progress.h"
#include "lib/strings.h"

/* What there is to dump. Begins as {0}. */
struct dump_server {
    int version;                /* 15 */
    char system_identifier[24]; /* "" where the role may not ask */
    struct strings databases;   /* to be dumped, by their bytes at the server */
    struct strings closed;      /* accept no connections, so cannot be */
    bool has_passwords;         /* the role may read the hashes of the roles' passwords */
};

/* Asks the server through target->database. name: that one, to be dumped alone; NULL: all that accept connections. CSN_DATABASE_DUMP: the
 * server is newer than pg_dump; query_open's. Free it in each case. */
int dump_examine(const struct query_target *target, const char *name, struct dump_server *server, struct error *error)
    MUST_CHECK;
void dump_server_free(struct dump_server *server);

/* "17.11" into text. */
void dump_program_version(char *text, size_t size_bytes);

struct dump;

/* Begins to dump: the database named, in the custom format, not compressed, all of it in one transaction; NULL: roles, their settings and
 * memberships, and tablespaces, as SQL (with_passwords: with the hashes). Must be the process's main thread: the dump ends with it. */
int dump_open(const struct query_target *target, const char *database, bool with_passwords, struct dump **dump,
              struct error *error) MUST_CHECK;

/* progress is told of the bytes, twice a second also while none come: state->done_bytes and what has come since. */
void dump_watch(struct dump *dump, const struct progress *progress, const struct progress_state *state);

/* context is the dump. The next bytes; fewer than asked for only at the end, and then the program has ended well. CSN_DATABASE_DUMP
 * with its words, and what they mean. */
ssize_t dump_read(void *context, uint8_t *into, size_t size_bytes, struct error *error) MUST_CHECK;

/* So many have come, of this dump and before it (state). */
uint64_t dump_bytes(const struct dump *dump);

/* What it has said besides, at the end: "" mostly. Valid until dump_close. */
const char *dump_remarks(const struct dump *dump);

/* Ends the program where it still runs, and the query at the server. NULL is fine. */
void dump_close(struct dump *dump);

#endif
