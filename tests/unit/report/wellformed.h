/*
 * wellformed.h - a small checker of the XML form of HTML: every tag closed in order, every attribute quoted, every entity known,
 * no bare markup character, no control character, UTF-8 throughout, no id twice. And nothing that loads or runs anything: no
 * such element, no such attribute, links only within the page, no address in a style.
 */
#ifndef CAISSON_TESTS_REPORT_WELLFORMED_H
#define CAISSON_TESTS_REPORT_WELLFORMED_H

#include <stdbool.h>
#include <stddef.h>

/* False with the reason and the place in why. */
bool is_wellformed(const char *text, size_t size, char *why, size_t why_size);

#endif
