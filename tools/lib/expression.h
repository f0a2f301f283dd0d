/*
 * expression.h - POSIX extended regular expressions (IEEE 1003.1, 9.4) from profiles and packages, within bounds: C libraries write
 * repetitions out, so that "((a{99}){99}){99}" takes all memory, and search back-references without end.
 */
#ifndef CAISSON_LIB_EXPRESSION_H
#define CAISSON_LIB_EXPRESSION_H

#include <regex.h>

#include "lib/error.h"

#define EXPRESSION_REASON_SIZE 160

/* regcomp with REG_EXTENDED and these flags. 0, to be freed with regfree; -1 and reason, a few English words. */
int expression_compile(regex_t *compiled, const char *pattern, int flags, char reason[EXPRESSION_REASON_SIZE])
    MUST_CHECK;

#endif
