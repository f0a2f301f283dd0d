/*
 * journal.h - the append-only, hash-chained record that is log, audit trail and resume state at once.
 *
 * One JSON object a line, each with "seq", "time", "prev" (SHA-256 of the line before, without its newline) and "kind";
 * README.md has the format. The same lines go to every sink (the stick's folder; the server's, while it may be written).
 * A record is durable in every sink that is needed when journal_append returns: what must not happen unjournaled is done after that.
 * What the records mean is the sequence's business.
 */
#ifndef CAISSON_JOURNAL_JOURNAL_H
#define CAISSON_JOURNAL_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/sha256.h"

#define JOURNAL_FILE "journal.jsonl"
#define JOURNAL_SINKS 2

struct journal_sink {
    int fd;            /* -1: not attached, or lost where it has a name: nothing more is written there */
    char *name;        /* NULL: not attached */
    size_t size_bytes; /* of the lines already there */
};

struct journal {
    struct buffer lines;  /* all complete lines, newlines included */
    yyjson_doc **records; /* parsed, in order; owned */
    size_t count;
    size_t allocated;           /* private */
    char head[SHA256_HEX_SIZE]; /* hash of the last line; 64 zeros before the first */
    struct journal_sink sinks[JOURNAL_SINKS];
    const char *needed; /* which sinks must take each record: journal_need. Not owned */
    void (*watch)(void *context, const struct journal *journal,
                  yyjson_val *record); /* after each append; may be NULL */
    void *watch_context;
};

void journal_init(struct journal *journal);
void journal_free(struct journal *journal); /* closes the sinks */

/* Reads dir_fd/file into an empty journal. A torn end (a power cut while a line was written) is left out; a line that
 * does not chain, with good lines behind it, is CSN_JOURNAL_BROKEN. CSN_NOT_FOUND where there is no file. */
int journal_read(struct journal *journal, int dir_fd, const char *file, struct error *error) MUST_CHECK;

/* True if dir_fd/file is damaged (CSN_JOURNAL_BROKEN) and this journal has its end, and so all of it: nothing
 * is told there that is not known here, but for one record that was never acted on. */
bool journal_covers(const struct journal *journal, int dir_fd, const char *file);

/* 0 if one of both is the beginning of the other; then *journal gets the longer one. Else CSN_JOURNAL_FORK. */
int journal_merge(struct journal *journal, const struct journal *other, struct error *error) MUST_CHECK;

/* From now on every record also goes to dir_fd/file. What the journal has and the file lacks is written first, durably;
 * a torn end is cut off; a damaged file that the journal covers is kept as file.damaged (.damaged-2, ...) and written anew; one that
 * tells something else is CSN_JOURNAL_FORK. name is for messages. */
int journal_attach(struct journal *journal, int dir_fd, const char *file, const char *name, struct error *error)
    MUST_CHECK;

/* Stops writing to the sink of that name (before its disk becomes read-only again). */
int journal_detach(struct journal *journal, const char *name, struct error *error) MUST_CHECK;

/* Which sinks must take each record from now on: every one (so it begins), any one, or the one of this name (a literal). Another
 * that fails lags, and catches up with the first write that succeeds. For undoing: a full disk must not keep anybody from it. */
#define JOURNAL_ALL NULL
#define JOURNAL_ANY ""
void journal_need(struct journal *journal, const char *name);
bool journal_may_lag(const struct journal *journal, const char *name);

/* The name of a sink that lacks records; NULL: none does. */
const char *journal_lagging(const struct journal *journal);

/* Adds one record of this kind. fields: an object whose members are added behind kind, or NULL; stays the caller's.
 * -1 with CSN_JOURNAL_WRITE: the record may be in some sinks and not in others; stop what you are doing. */
int journal_append(struct journal *journal, const char *kind, yyjson_mut_val *fields, struct error *error) MUST_CHECK;

/* The same with text fields: key, value, ..., NULL. A NULL value leaves the key out. Values need not be UTF-8. */
int journal_note(struct journal *journal, struct error *error, const char *kind, ...) MUST_CHECK
    __attribute__((sentinel));

/* The root object of record i. */
yyjson_val *journal_record(const struct journal *journal, size_t i);

/* The last record of that kind; NULL: none. */
yyjson_val *journal_last(const struct journal *journal, const char *kind);

/* Small readers of a record; "" and 0 where the field is not there. */
const char *journal_get(yyjson_val *record, const char *key);
int64_t journal_get_number(yyjson_val *record, const char *key);
bool journal_is(yyjson_val *record, const char *kind);

#endif
