#include "package/package_sql.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "database/split.h"

#define WORDS_MAX 4
#define WORD_SIZE 24

/* The first words of a statement in small letters; comments in between are passed over. */
struct words {
    char items[WORDS_MAX][WORD_SIZE];
    size_t count;
};

static const char *skip_blank(const char *at, const char *end)
{
    while (at < end) {
        if (isspace((unsigned char)*at)) {
            at++;
        } else if (end - at >= 2 && memcmp(at, "--", 2) == 0) {
            at = memchr(at, '\n', (size_t)(end - at));
            at = at == NULL ? end : at;
        } else if (end - at >= 2 && memcmp(at, "/*", 2) == 0) {
            const char *close = memmem(at, (size_t)(end - at), "*/", 2);
            at = close == NULL ? end : close + 2;
        } else {
            break;
        }
    }
    return at;
}

static void take_words(const struct split_statement *statement, struct words *words)
{
    const char *at = statement->text;
    const char *end = statement->text + statement->size_bytes;
    *words = (struct words){0};
    while (words->count < WORDS_MAX) {
        size_t length = 0;
        at = skip_blank(at, end);
        for (; at < end && (isalpha((unsigned char)*at) || *at == '_'); at++) {
            if (length + 1 < WORD_SIZE) {
                words->items[words->count][length++] = (char)tolower((unsigned char)*at);
            }
        }
        if (length == 0) {
            break;
        }
        words->count++;
    }
}

/* pattern: words, "*" for any one of them; more may follow. */
static bool begins(const struct words *words, const char *const *pattern)
{
    for (size_t i = 0; pattern[i] != NULL; i++) {
        if (i == words->count || (strcmp(pattern[i], "*") != 0 && strcmp(words->items[i], pattern[i]) != 0)) {
            return false;
        }
    }
    return true;
}

static bool begins_one_of(const struct words *words, const char *const patterns[][WORDS_MAX + 1], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (begins(words, patterns[i])) {
            return true;
        }
    }
    return false;
}

/* Those that PostgreSQL refuses in a transaction block (its manual says so of each). */
static bool needs_no_transaction(const struct words *words)
{
    static const char *const patterns[][WORDS_MAX + 1] = {
        {"vacuum"},
        {"alter", "system"},
        {"create", "database"},
        {"drop", "database"},
        {"create", "tablespace"},
        {"drop", "tablespace"},
        {"create", "index", "concurrently"},
        {"create", "unique", "index", "concurrently"},
        {"drop", "index", "concurrently"},
        {"reindex", "*", "concurrently"},
        {"reindex", "database"},
        {"reindex", "system"},
        {"reindex", "schema"},
    };
    return begins_one_of(words, patterns, sizeof patterns / sizeof patterns[0]);
}

static bool begins_transaction(const struct words *words)
{
    static const char *const patterns[][WORDS_MAX + 1] = {{"begin"}, {"start", "transaction"}};
    return begins_one_of(words, patterns, sizeof patterns / sizeof patterns[0]);
}

/* ROLLBACK TO a savepoint ends none. */
static bool ends_transaction(const struct words *words)
{
    static const char *const patterns[][WORDS_MAX + 1] = {
        {"commit"}, {"end"}, {"abort"}, {"rollback"}, {"prepare", "transaction"}};
    static const char *const back[][WORDS_MAX + 1] = {
        {"rollback", "to"}, {"rollback", "work", "to"}, {"rollback", "transaction", "to"}};
    return begins_one_of(words, patterns, sizeof patterns / sizeof patterns[0]) &&
           !begins_one_of(words, back, sizeof back / sizeof back[0]);
}

static bool is_copy_from_stdin(const struct split_statement *statement, const struct words *words)
{
    if (words->count == 0 || strcmp(words->items[0], "copy") != 0) {
        return false;
    }
    for (size_t i = 0; i + 5 <= statement->size_bytes; i++) {
        if (strncasecmp(statement->text + i, "stdin", 5) == 0) {
            return true;
        }
    }
    return false;
}

/* What is wrong with the statement wherever it stands, or NULL. */
static const char *find_wrong(const struct split_statement *statement, const struct words *words,
                              enum package_sql_transaction wanted)
{
    if (is_copy_from_stdin(statement, words)) {
        return "COPY FROM STDIN has no input here: write INSERT, or let a program do it";
    }
    if (begins_transaction(words) || ends_transaction(words)) {
        return wanted == PACKAGE_SQL_NONE ? "it begins or ends a transaction in a file that runs in none"
                                          : "it begins or ends a transaction; the whole file runs in one";
    }
    if (wanted == PACKAGE_SQL_IN_ONE && needs_no_transaction(words)) {
        return "it cannot run in a transaction, and the file says nothing of that";
    }
    return NULL;
}

static int refuse(const char *name, int line, const char *why, struct error *error)
{
    return error_set(error, CSN_PACKAGE_INPUT, "%s, line %d: %s", name, line, why);
}

int package_sql_check(const char *name, const char *text, size_t size_bytes, enum package_sql_transaction wanted,
                      bool *transaction, struct error *error)
{
    struct split split;
    struct split_statement statement;
    int line = 0;
    int first_without = 0; /* line of the first statement that needs none */
    int first_within = 0;  /* and of the first other one */
    split_begin(&split, text, size_bytes);
    while (split_next(&split, &statement)) {
        struct words words;
        take_words(&statement, &words);
        const char *wrong = find_wrong(&statement, &words, wanted);
        if (wrong != NULL) {
            return refuse(name, statement.line, wrong, error);
        }
        int *first = needs_no_transaction(&words) ? &first_without : &first_within;
        *first = *first == 0 ? statement.line : *first;
    }
    if (split_problem(&split, &line) != NULL) {
        return refuse(name, line, split_problem(&split, NULL), error);
    }
    if (memchr(text, '\0', size_bytes) != NULL) {
        return error_set(error, CSN_PACKAGE_INPUT, "%s: there is a NUL byte in it", name);
    }
    if (wanted == PACKAGE_SQL_EITHER && first_without > 0 && first_within > 0) {
        return refuse(name, first_without, "it cannot run in a transaction, and stands beside statements that can",
                      error);
    }
    if (transaction != NULL) {
        *transaction = wanted == PACKAGE_SQL_IN_ONE || (wanted == PACKAGE_SQL_EITHER && first_without == 0);
    }
    return 0;
}
