/*
 * words.h - every sentence of the page in English and Chinese: one table, words.c. Private to tools/report.
 *
 * {1}, {2} … stand for values; both languages have the same ones.
 */
#ifndef CAISSON_REPORT_WORDS_H
#define CAISSON_REPORT_WORDS_H

#include <stddef.h>

enum words_language { WORDS_EN, WORDS_ZH, WORDS_LANGUAGES };

struct words {
    const char *key;
    const char *text[WORDS_LANGUAGES];
};

extern const struct words words_table[];
extern const size_t words_count;

/* The catalogue's title and remedy of a code in Chinese: words_codes.c. */
struct words_code {
    const char *code;
    const char *title;
    const char *remedy;
};

extern const struct words_code words_codes[];
extern const size_t words_code_count;

/* The entry of that code, or NULL. */
const struct words_code *words_find_code(const char *code);

/* The entry of that key, or NULL. */
const struct words *words_find(const char *key);

#endif
