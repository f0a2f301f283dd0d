/*
 * html.h - pieces of the page: text that cannot become markup, sentences in both languages, references to records. Private to
 * tools/report.
 *
 * Whatever comes from the journal goes through html_text: markup characters are escaped, bytes that are not UTF-8 and characters
 * that are invisible or turn the direction of text are shown as \xNN and \u{NNNN}. The page is well-formed XML too.
 */
#ifndef CAISSON_REPORT_HTML_H
#define CAISSON_REPORT_HTML_H

#include <stddef.h>
#include <stdint.h>

#include <yyjson.h>

#include "lib/buffer.h"

enum html_kind { HTML_TEXT, HTML_NUMBER, HTML_DURATION, HTML_BYTES, HTML_TIME, HTML_WORDS };

/* A value within a sentence. */
struct html_value {
    enum html_kind kind;
    const char *text; /* TEXT, TIME (RFC 3339), WORDS (a key of words.h) */
    int64_t number;   /* NUMBER, DURATION (milliseconds), BYTES */
};

struct html_value html_of(const char *text);
struct html_value html_of_number(int64_t number);
struct html_value html_of_ms(int64_t milliseconds);
struct html_value html_of_bytes(int64_t bytes);
struct html_value html_of_time(const char *time);
struct html_value html_of_words(const char *key);

/* Bytes as text. */
void html_text(struct buffer *out, const char *bytes, size_t size_bytes);

/* The member key (or key64) of an object as text apart from its surroundings (bdi); nothing where there is none. */
void html_member(struct buffer *out, yyjson_val *object, const char *key);

/* The sentence of that key in both languages with {1}, {2} … replaced by values. A key that is not in the table is shown as
 * it is. */
void html_say(struct buffer *out, const char *key, const struct html_value *values, size_t count);

#define HTML_WORDS(out, key) html_say(out, key, NULL, 0)
#define HTML_SAY(out, key, ...)                                                                                        \
    html_say(out, key, (const struct html_value[]){__VA_ARGS__},                                                       \
             sizeof((const struct html_value[]){__VA_ARGS__}) / sizeof(struct html_value))

/* A text that stands in both languages already. */
void html_both(struct buffer *out, const char *english, const char *chinese);

/* A value by itself, in both languages where they differ. */
void html_value(struct buffer *out, struct html_value value);

/* "#12", leading to the record in the list at the end; nothing for 0. */
void html_record(struct buffer *out, int64_t seq);

#endif
