/*
 * clock.h - the two clocks: one for how long (monotonic), one for when (UTC, RFC 3339).
 */
#ifndef CAISSON_LIB_CLOCK_H
#define CAISSON_LIB_CLOCK_H

#include <stdint.h>

#define CLOCK_TEXT_SIZE 32

int64_t clock_monotonic_ms(void);

/* Seconds since 1970 now, and "2026-11-23T03:06:26.123Z" of now. */
int64_t clock_unix_sec(void);
void clock_text(char text[CLOCK_TEXT_SIZE]);

#endif
