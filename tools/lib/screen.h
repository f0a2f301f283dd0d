/*
 * screen.h - words to a screen, a serial line or a log: the one way there for names that come from a disk.
 *
 * Such a name may hold anything, and must not move the cursor, forge a line of its own on a serial log, or hide one.
 */
#ifndef CAISSON_LIB_SCREEN_H
#define CAISSON_LIB_SCREEN_H

#include <stddef.h>
#include <stdio.h>

#include "lib/error.h"

/* Writes text, control characters (line ends, too) and bytes that are not UTF-8 as \xNN, up to so many columns. */
void screen_text(FILE *out, const char *text, size_t columns);

/* The same with what format makes, all of it. */
void screen_put(FILE *out, const char *format, ...) PRINTF_LIKE(2, 3);

/* The same, and ends the line. */
void screen_line(FILE *out, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
