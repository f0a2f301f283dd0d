/*
 * writer.h - writes files of age v1, front to end: one writer for file after file, each with a key of its own, all to
 * the same recipients or passphrase.
 *
 * A file holds what was written once age_writer_finish has returned 0, not before. Where the bytes go is the sink's.
 * A writer is one thread's at a time, holds about 1 MiB and allocates little more.
 */
#ifndef CAISSON_AGE_WRITER_H
#define CAISSON_AGE_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "age/key.h"
#include "age/stanza.h"
#include "lib/error.h"

/* Takes the next bytes of the file, up to about 1 MiB at a time. 0, or -1 with the error filled in. */
typedef int age_sink(void *context, const void *data, size_t size_bytes, struct error *error);

struct age_writer;

/* Copies the recipients, of which there are 1 to AGE_RECIPIENTS_LIMIT; or the passphrase, not empty. log_n is
 * AGE_LOG_N or what the caller wants: 1 to AGE_LOG_N_LIMIT. CSN_MEMORY, CSN_AGE_KEY (none, too many, empty). NULL if
 * it fails. */
#define AGE_RECIPIENTS_LIMIT 500u
struct age_writer *age_writer_new(const struct age_recipient *recipients, size_t count, struct error *error) MUST_CHECK;
struct age_writer *age_writer_new_passphrase(const char *passphrase, unsigned log_n, struct error *error) MUST_CHECK;
void age_writer_free(struct age_writer *writer); /* wipes; NULL is fine */

/* Begins a file and gives its header to the sink; a file that was begun and not finished is forgotten. With a
 * passphrase it takes the scrypt of that: a second and 256 MiB at AGE_LOG_N. */
int age_writer_begin(struct age_writer *writer, age_sink *sink, void *context, struct error *error) MUST_CHECK;

/* After a failure of these two the file cannot be gone on with: CSN_INTERNAL. */
int age_writer_write(struct age_writer *writer, const void *data, size_t size_bytes, struct error *error) MUST_CHECK;
int age_writer_finish(struct age_writer *writer, struct error *error) MUST_CHECK;

#endif
