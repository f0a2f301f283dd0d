/*
 * split.h - cutting an SQL script into its statements, as psql does: quotes, dollar quotes, comments, parentheses and
 * BEGIN ATOMIC bodies are minded. Reading only; nothing is judged here.
 */
#ifndef CAISSON_DATABASE_SPLIT_H
#define CAISSON_DATABASE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>

struct split_statement {
    const char *text;  /* first byte that is neither blank nor comment */
    size_t size_bytes; /* without the ";" */
    int line;          /* of text, from 1 */
    int number;        /* from 1 */
};

struct split {
    const char *at; /* private from here */
    const char *end;
    int line;
    int number;
    const char *problem;
};

void split_begin(struct split *split, const char *text, size_t size_bytes);

/* The next statement; false at the end. Check split_problem then. */
bool split_next(struct split *split, struct split_statement *statement);

/* What ended the reading before its end ("a quote that is never closed", a psql command), or NULL. *line is where. */
const char *split_problem(const struct split *split, int *line);

#endif
