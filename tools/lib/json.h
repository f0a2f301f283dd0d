/*
 * json.h - what yyjson lacks for us: byte strings that need not be UTF-8, and reading one line.
 *
 * A path is bytes. Where it is valid UTF-8 it is written as "key"; else as "key64" in base64 (RFC 4648, padded), which
 * jq and base64(1) can read. yyjson itself is used directly everywhere.
 */
#ifndef CAISSON_LIB_JSON_H
#define CAISSON_LIB_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include <yyjson.h>

#include "lib/buffer.h"
#include "lib/error.h"

/* Adds bytes under key or key64; copies. False when memory is used up. */
bool json_add_bytes(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *bytes,
                    size_t size_bytes);

/* Appends the bytes under key or key64 to *bytes. False where there is neither or it is malformed. */
bool json_get_bytes(yyjson_val *object, const char *key, struct buffer *bytes);

/* Makes every text of the document UTF-8, so that it can be written: a member that is not becomes its key64; what has no key of
 * its own (an array's item, a key) gets \xNN for each of its bytes beyond ASCII. CSN_MEMORY. */
int json_mend(yyjson_mut_doc *document, struct error *error) MUST_CHECK;

/* Appends the document as one line without a newline. A text in it that is not UTF-8 is CSN_INTERNAL: json_mend first. */
int json_append_line(struct buffer *out, const yyjson_mut_doc *document, struct error *error) MUST_CHECK;

#endif
