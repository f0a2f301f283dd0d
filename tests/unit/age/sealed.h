/*
 * sealed.h - age files in memory for the tests of age/: each of these fails the test when it fails, but what returns
 * a code.
 */
#ifndef CAISSON_TESTS_AGE_SEALED_H
#define CAISSON_TESTS_AGE_SEALED_H

#include "age/reader.h"
#include "age/writer.h"
#include "lib/buffer.h"

#define SEALED_SEGMENT 65536u

/* The same identity every time. */
void sealed_identity(struct age_identity *identity, uint8_t seed);

/* A sink and a source; the context is a struct buffer. sealed_requests counts what the source was asked, sealed_asked
 * the bytes. */
int sealed_sink(void *context, const void *data, size_t size_bytes, struct error *error);
int sealed_source(void *context, uint64_t offset, void *data, size_t size_bytes, struct error *error);
extern size_t sealed_requests;
extern uint64_t sealed_asked;

/* Writes one file in steps of so many bytes, into an empty buffer. */
void sealed_write(struct age_writer *writer, const void *data, size_t size_bytes, size_t step_bytes,
                  struct buffer *file);

/* A small file of these bytes to one identity. */
void sealed_small(const struct age_identity *identity, const void *data, size_t size_bytes, struct buffer *file);

/* Reads it whole, appending to plain (NULL: none). The code, and CSN_NONE if it could be read. */
enum error_code sealed_read(struct buffer *file, const struct age_keys *keys, struct buffer *plain,
                            struct error *error);

/* A file whose header is forged: text stands for the stanzas, "*" in it for one that fits the identity. Everything
 * else in it is as it should be, MAC too. The payload is what payload_nonce and sizes say: one segment for each size,
 * ended by SIZE_MAX; the one with number `final` is marked as the last. */
void sealed_forge(const struct age_identity *identity, const char *text, const size_t *sizes, size_t final,
                  struct buffer *file);

#endif
