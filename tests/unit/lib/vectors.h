/*
 * vectors.h - what the standards say must come out of lib/crypto, for programs that run it with the processor's
 * instructions and without them.
 */
#ifndef CAISSON_TESTS_LIB_VECTORS_H
#define CAISSON_TESTS_LIB_VECTORS_H

/* Runs them all as cmocka's tests under this name; the result is the program's exit code. */
int vectors_run(const char *name);

#endif
