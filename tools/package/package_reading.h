/*
 * package_reading.h - small questions while package.ini is read, each with its message. Private to package_index.c and
 * package_plan.c.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_READING_H
#define CAISSON_PACKAGE_PACKAGE_READING_H

#include "package/package.h"

#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define SECTION_NAME_MAX 31

struct reading {
    struct package *package; /* filled in */
    const struct ini *ini;
    enum error_code code; /* of what is wrong with a value */
    struct error *error;
};

/* Says that key in section is not what is expected; -1. */
int reading_wrong(const struct reading *reading, const char *section, const char *key, const char *expected);

/* Is text of these characters only, and not empty? A name, that is [a-z0-9][a-z0-9-]* of at most SECTION_NAME_MAX? */
bool reading_is_of(const char *text, const char *allowed);
bool reading_is_name(const char *text);

/* Adds the sections that begin with prefix, each once, in order of appearance; what follows has to be a name. */
int reading_find_sections(const struct reading *reading, const char *prefix, struct strings *sections) MUST_CHECK;

/* The section's name behind prefix, owned by the ini. */
const char *reading_section_name(const struct reading *reading, const char *section, const char *prefix);

/* Zeroed memory, NULL with the error set; count may be 0. */
void *reading_allocate(const struct reading *reading, size_t count, size_t size_bytes) MUST_CHECK;

/* The value is the name of an account or is not there. */
int reading_check_account(const struct reading *reading, const char *section, const char *key) MUST_CHECK;

/* package_plan.c: what the package does, [migration *] and [check *]. */
int reading_migrations(const struct reading *reading) MUST_CHECK;
int reading_checks(const struct reading *reading) MUST_CHECK;

#endif
