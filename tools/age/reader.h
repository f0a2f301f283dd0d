/*
 * reader.h - reads a file of age v1 at any place: only the segments asked for are read and decrypted, and nothing is
 * given out before its tag holds.
 *
 * age_reader_open checks the header's MAC and decrypts the last segment. So a reader that is open has a file that
 * ends where its writer ended it, and its size is right; what lies between is checked when it is read. Where the
 * bytes come from is the callback's. A reader is one thread's at a time and holds about 1.1 MiB, whatever the file
 * says.
 */
#ifndef CAISSON_AGE_READER_H
#define CAISSON_AGE_READER_H

#include <stddef.h>
#include <stdint.h>

#include "age/stanza.h"
#include "lib/error.h"

/* Gives exactly size_bytes bytes of the encrypted file, up to about 1 MiB at a time. 0, or -1 with the error filled
 * in. */
typedef int age_source(void *context, uint64_t offset, void *data, size_t size_bytes, struct error *error);

struct age_reader;

/* size_bytes is the encrypted file's. keys are used only here. NULL with CSN_AGE_NOT, CSN_AGE_NO_IDENTITY,
 * CSN_AGE_PASSPHRASE, CSN_AGE_PASSPHRASE_WRONG, CSN_AGE_WORK, CSN_AGE_DAMAGED, CSN_MEMORY, or the source's error.
 * Messages do not name the file. */
struct age_reader *age_reader_open(age_source *source, void *context, uint64_t size_bytes, const struct age_keys *keys,
                                   struct error *error) MUST_CHECK;

/* The same for a file that may be cut short, or whose end is damaged, to save what is before: its size is a guess from the file's
 * own, and each segment that can be read is one that was written there. */
struct age_reader *age_reader_open_damaged(age_source *source, void *context, uint64_t size_bytes,
                                           const struct age_keys *keys, struct error *error) MUST_CHECK;

/* What was written, in bytes. */
uint64_t age_reader_size(const struct age_reader *reader);

/* Exactly these bytes of what was written; consecutive segments are asked of the source together, and the one that a
 * read ends in is kept for the next. CSN_AGE_DAMAGED if a tag does not hold or there are not so many; data is then
 * zeros. */
int age_reader_read(struct age_reader *reader, uint64_t offset, void *data, size_t size_bytes, struct error *error)
    MUST_CHECK;

void age_reader_free(struct age_reader *reader); /* wipes; NULL is fine */

#endif
