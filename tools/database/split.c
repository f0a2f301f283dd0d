#include "database/split.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void split_begin(struct split *split, const char *text, size_t size_bytes)
{
    *split = (struct split){.at = text, .end = text + size_bytes, .line = 1};
    if (size_bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        split->at += 3; /* an editor's mark, no SQL */
    }
}

const char *split_problem(const struct split *split, int *line)
{
    if (line != NULL) {
        *line = split->line;
    }
    return split->problem;
}

static void step(struct split *split)
{
    split->line += *split->at == '\n';
    split->at++;
}

static bool looks_at(const struct split *split, const char *text)
{
    size_t length = strlen(text);
    return (size_t)(split->end - split->at) >= length && memcmp(split->at, text, length) == 0;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* Past a comment if one begins here. */
static bool skip_comment(struct split *split)
{
    if (looks_at(split, "--")) {
        while (split->at < split->end && *split->at != '\n') {
            split->at++;
        }
        return true;
    }
    if (!looks_at(split, "/*")) {
        return false;
    }
    int begin_line = split->line;
    int depth = 0;
    while (split->at < split->end) {
        if (looks_at(split, "/*")) {
            depth++;
            split->at += 2;
        } else if (looks_at(split, "*/")) {
            depth--;
            split->at += 2;
            if (depth == 0) {
                return true;
            }
        } else {
            step(split);
        }
    }
    split->line = begin_line;
    split->problem = "a comment that is never closed";
    return true;
}

/* Past a quoted text or name; the quote is doubled inside, or with escapes also behind a backslash. */
static void skip_quote(struct split *split, bool escapes)
{
    char quote = *split->at;
    int begin_line = split->line;
    step(split);
    while (split->at < split->end) {
        char c = *split->at;
        if (escapes && c == '\\' && split->at + 1 < split->end) {
            step(split);
        } else if (c == quote) {
            if (split->at + 1 >= split->end || split->at[1] != quote) {
                split->at++;
                return;
            }
            split->at++;
        }
        step(split);
    }
    split->line = begin_line;
    split->problem = "a quote that is never closed";
}

/* Past $tag$ … $tag$ if one begins here; a parameter ($1) does not. */
static bool skip_dollar(struct split *split)
{
    const char *tag_end = split->at + 1;
    while (tag_end < split->end && *tag_end != '$' && is_name(*tag_end)) {
        tag_end++;
    }
    if (tag_end >= split->end || *tag_end != '$' || isdigit((unsigned char)split->at[1])) {
        return false;
    }
    const char *tag = split->at;
    size_t length = (size_t)(tag_end - tag) + 1;
    int begin_line = split->line;
    split->at += length;
    while (split->at < split->end) {
        if (*split->at == '$' && (size_t)(split->end - split->at) >= length && memcmp(split->at, tag, length) == 0) {
            split->at += length;
            return true;
        }
        step(split);
    }
    split->line = begin_line;
    split->problem = "a dollar quote that is never closed";
    return true;
}

/*
 * The body of an SQL-standard function, BEGIN ATOMIC … END, holds statements with ";". Within CREATE FUNCTION or
 * PROCEDURE, BEGIN and (inside) CASE open a level and END closes one.
 */
struct words {
    int count;
    bool creates; /* the first word is CREATE */
    bool routine; /* and then came FUNCTION or PROCEDURE */
    int depth;
};

static void take_word(struct words *words, const char *text, size_t length)
{
    struct {
        const char *word;
        size_t length;
    } const known[] = {{"create", 6}, {"function", 8}, {"procedure", 9}, {"begin", 5}, {"case", 4}, {"end", 3}};
    size_t which = 0;
    while (which < 6 && (known[which].length != length || strncasecmp(text, known[which].word, length) != 0)) {
        which++;
    }
    words->count++;
    switch (which) {
    case 0: words->creates = words->creates || words->count == 1; break;
    case 1:
    case 2: words->routine = words->routine || (words->creates && words->count <= 4); break; /* CREATE OR REPLACE … */
    case 3: words->depth += words->routine; break;
    case 4: words->depth += words->depth > 0; break;
    case 5: words->depth -= words->depth > 0; break;
    default: break;
    }
}

/* Past one token of a statement. */
static void skip_token(struct split *split, struct words *words, int *parentheses)
{
    char c = *split->at;
    if (skip_comment(split)) {
        return;
    }
    if (c == '\'' || c == '"') {
        skip_quote(split, false);
    } else if (c == '$') {
        if (!skip_dollar(split)) {
            split->at++;
        }
    } else if (is_name(c)) {
        const char *begin = split->at;
        while (split->at < split->end && is_name(*split->at)) {
            split->at++;
        }
        size_t length = (size_t)(split->at - begin);
        if (length == 1 && (c == 'e' || c == 'E') && split->at < split->end && *split->at == '\'') {
            skip_quote(split, true);
        } else {
            take_word(words, begin, length);
        }
    } else {
        *parentheses += c == '(';
        *parentheses -= c == ')' && *parentheses > 0;
        step(split);
    }
}

bool split_next(struct split *split, struct split_statement *statement)
{
    struct words words = {0};
    int parentheses = 0;
    while (split->problem == NULL && split->at < split->end &&
           (isspace((unsigned char)*split->at) || *split->at == ';' || skip_comment(split))) {
        if (split->at < split->end && (isspace((unsigned char)*split->at) || *split->at == ';')) {
            step(split);
        }
    }
    if (split->problem != NULL || split->at >= split->end) {
        return false;
    }
    if (*split->at == '\\') {
        split->problem = "a command of psql, which is not SQL";
        return false;
    }
    *statement = (struct split_statement){.text = split->at, .line = split->line, .number = ++split->number};
    while (split->problem == NULL && split->at < split->end) {
        if (*split->at == ';' && parentheses == 0 && words.depth == 0) {
            break;
        }
        skip_token(split, &words, &parentheses);
    }
    statement->size_bytes = (size_t)(split->at - statement->text);
    if (split->at < split->end) {
        split->at++;
    }
    return split->problem == NULL;
}
