/*
 * text.h - text that came from elsewhere: whether it is UTF-8, a part of it, all of it on one line.
 */
#ifndef CAISSON_LIB_TEXT_H
#define CAISSON_LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* True if bytes are well-formed UTF-8 (RFC 3629) without NUL. */
bool utf8_is_valid(const char *bytes, size_t size_bytes);

/* What a program said, on one line: " | " for a new line, blanks for other control characters. Where it is longer than line_size
 * its begin and, mostly, its end. */
void text_one_line(const char *text, size_t size_bytes, char *line, size_t line_size);

/* How many bytes of text to show where at most `most` fit: no character is cut in its middle. For "%.*s". */
int utf8_cut(const char *text, size_t most);

#endif
