#include "lib/expression.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_LIMIT 4096u
#define DEPTH_LIMIT 100u
#define COST_LIMIT 20000u /* places in the pattern, repetitions written out */

/* A group: what it costs up to here, its last part apart, which a repetition may multiply. */
struct group {
    uint64_t before;
    uint64_t last;
};

/* The bracket expression at text, "[...]": its length. */
static size_t bracket_length(const char *text)
{
    size_t at = 1;
    at += text[at] == '^';
    at += text[at] == ']';
    while (text[at] != '\0' && text[at] != ']') {
        char class = text[at] == '[' && strchr(".:=", text[at + 1]) != NULL ? text[at + 1] : '\0';
        const char ending[] = {class, ']', '\0'};
        const char *end = class == '\0' ? NULL : strstr(text + at + 2, ending);
        at = end == NULL ? at + 1 : (size_t)(end - text) + 2;
    }
    return text[at] == '\0' ? at : at + 1;
}

/* How often "{m}", "{m,}" or "{m,n}" at text writes out what stands before; *length is its own. */
static uint64_t times_of(const char *text, size_t *length)
{
    char *end = NULL;
    unsigned long low = strtoul(text + 1, &end, 10);
    unsigned long high = *end == ',' ? strtoul(end + 1, &end, 10) : low;
    *length = (size_t)(end - text) + (*end == '}');
    unsigned long most = high > low ? high : low + 1;
    return most > COST_LIMIT ? COST_LIMIT + 1 : most;
}

/* One more part of the innermost group, or a repetition of the last one. The length of what was read. */
static size_t take(struct group *group, const char *text)
{
    size_t length = 1;
    uint64_t times = 1;
    switch (text[0]) {
    case '*':
    case '?': return 1;
    case '+': times = 2; break;
    case '{': times = times_of(text, &length); break;
    default:
        group->before += group->last;
        group->last = 1;
        return text[0] == '[' ? bracket_length(text) : text[0] == '\\' && text[1] != '\0' ? 2 : 1;
    }
    group->last *= times;
    return length;
}

static const char *look(const char *pattern)
{
    struct group groups[DEPTH_LIMIT] = {{0}};
    size_t depth = 0;
    const char *at = pattern;
    while (*at != '\0') {
        struct group *group = &groups[depth];
        if (at[0] == '\\' && at[1] >= '1' && at[1] <= '9') {
            return "it has a back-reference, which may be searched for without end";
        }
        if (*at == '(') {
            if (depth + 1 == DEPTH_LIMIT) {
                return "its groups are nested too deeply";
            }
            groups[++depth] = (struct group){0};
            at++;
        } else if (*at == ')' && depth > 0) {
            struct group *outer = &groups[--depth];
            outer->before += outer->last;
            outer->last = group->before + group->last + 1;
            at++;
        } else {
            at += take(group, at);
        }
        if (groups[depth].before + groups[depth].last > COST_LIMIT) {
            return "its repetitions, written out, are too long";
        }
    }
    return NULL;
}

int expression_compile(regex_t *compiled, const char *pattern, int flags, char reason[EXPRESSION_REASON_SIZE])
{
    const char *bad = strlen(pattern) > LENGTH_LIMIT ? "it is too long" : look(pattern);
    if (bad != NULL) {
        snprintf(reason, EXPRESSION_REASON_SIZE, "%s", bad);
        return -1;
    }
    int failed = regcomp(compiled, pattern, REG_EXTENDED | flags);
    if (failed != 0) {
        regerror(failed, compiled, reason, EXPRESSION_REASON_SIZE);
    }
    return failed != 0 ? -1 : 0;
}
