/*
 * error.h - how a function says what went wrong, to a tired person.
 *
 * A function that can fail takes a `struct error *` last, returns 0 or -1 (or NULL), and fills the error in exactly once.
 * Every error an operator can see has a stable code from the one table in error_catalogue.h; the message says what and
 * where, the catalogue says what to do. Nothing here prints by itself or exits: only main does.
 */
#ifndef CAISSON_LIB_ERROR_H
#define CAISSON_LIB_ERROR_H

#include <stddef.h>
#include <stdio.h>

/* Exit codes of the program; the table in the README is this one. */
enum exit_code {
    EXIT_DONE = 0,         /* what was asked is done */
    EXIT_BAD = 1,          /* checked, and found bad; or refused; nothing was changed */
    EXIT_USAGE = 2,        /* the command line or the job cannot be understood, or names what is not there */
    EXIT_SYSTEM = 3,       /* the machine failed us: a disk, memory, the kernel */
    EXIT_ROLLED_BACK = 4,  /* the upgrade failed and the server is exactly as it was */
    EXIT_NEEDS_PERSON = 5, /* neither done nor undone: a person has to act; the journal says how far it came */
};

#define ERROR_ENUM(code, text, exit_code, title, remedy) code,
enum error_code {
    CSN_NONE = 0,
#include "lib/error_catalogue.h"
    CSN_COUNT
};
#undef ERROR_ENUM

struct error_entry {
    const char *code;   /* "CSN-J001" */
    int exit_code;      /* enum exit_code */
    const char *title;  /* what it is, a short clause */
    const char *remedy; /* what to do, one or two sentences */
};

struct error {
    enum error_code code;
    char message[1024]; /* what and where, one sentence, no code and no remedy in it */
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Fills *error (which may be NULL) in and returns -1, so that `return error_set(...)` reads well. */
int error_set(struct error *error, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same with ": " and the text of errno behind. A full disk (ENOSPC, EDQUOT) and a failing one (EIO) keep the
 * given code: say it well in the message. */
int error_system(struct error *error, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "<text>: " before the message: context added on the way up. Returns -1. */
int error_wrap(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* The catalogue's entry; never NULL (an unknown code gives that of CSN_INTERNAL). */
const struct error_entry *error_entry(enum error_code code);

/* The code whose text is `text` ("CSN-J001", case does not matter), or CSN_NONE. */
enum error_code error_find(const char *text);

/* Writes `caisson: CSN-J001: message` and `  do: remedy` to stream; what is no text in the message as \xNN (screen.h). */
void error_print(FILE *stream, const struct error *error);

#endif
