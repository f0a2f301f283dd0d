/*
 * package_member.h - the members of a package: which there may be, where they lie, and reading one with its hash. Private to
 * tools/package.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_MEMBER_H
#define CAISSON_PACKAGE_PACKAGE_MEMBER_H

#include "package/package.h"

/* Fills in package->members from [members] of its ini: names a package may have, in order, none twice. CSN_PACKAGE_CONTENT. */
int package_members_read(struct package *package, struct error *error) MUST_CHECK;

/* Where a member stands in the file: compare by rank, then by name in bytes. -1: no package has a member of this name. */
int package_member_rank(const char *name);

/* May it be a part of a path in a package: [a-z0-9][a-z0-9._-]*, at most 64 bytes? */
bool package_file_name_is_valid(const char *name);

/* Every file that a migration or check names is in names, every name below migrations/ and checks/ is named, and a note in one
 * language has the other too. what is "the folder" or "the package"; code is that of the error. */
int package_names_check(const struct package *package, const struct strings *names, const char *what,
                        enum error_code code, struct error *error) MUST_CHECK;

/* Sets the members' offsets for an index and a signature of these sizes; returns the size of the whole file. */
uint64_t package_layout(struct package *package, uint64_t index_bytes, uint64_t signature_bytes);

/* Reads exactly size_bytes at offset. CSN_PACKAGE_OPEN where the file ends before, CSN_IO. */
int package_pread(const struct package *package, void *data, size_t size_bytes, uint64_t offset, struct error *error)
    MUST_CHECK;

/* Hands the member's bytes in order to take (NULL: only hash them). Checks the hash at the end: CSN_PACKAGE_DAMAGED. So what
 * take has got counts only when this returns 0. */
int package_member_stream(const struct package *package, const struct package_member *member,
                          int (*take)(void *context, const void *data, size_t size_bytes, struct error *error),
                          void *context, struct error *error) MUST_CHECK;

#endif
