/*
 * package_version.h - versions of applications: compare them, and ask whether one fits a pattern. Rules: README.md.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_VERSION_H
#define CAISSON_PACKAGE_PACKAGE_VERSION_H

#include <stdbool.h>

/* Below, equal or above 0. 1.43rc1 < 1.43 < 1.43.1, 1.9 < 1.10, 8.0 < 8.0sp1; "1.0" and "1-0" are equal. */
int package_version_compare(const char *one, const char *other);

/* Does version fit pattern: equal, or a series ("1.39.*": 1.39 and all that begins with "1.39.")? */
bool package_version_fits(const char *version, const char *pattern);

/* May it be a version, a pattern? Versions are [A-Za-z0-9][A-Za-z0-9._+~-]*, at most 47 bytes. */
bool package_version_is_valid(const char *version);
bool package_pattern_is_valid(const char *pattern);

#endif
