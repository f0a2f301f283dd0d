/*
 * package_index.h - package.ini: its rules as a table, and reading it into a struct package. Private to tools/package.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_INDEX_H
#define CAISSON_PACKAGE_PACKAGE_INDEX_H

#include "package/package.h"

#define PACKAGE_INDEX_LIMIT ((size_t)4 << 20)
#define PACKAGE_SIGNATURE_LIMIT ((size_t)64 << 10)
#define PACKAGE_CHAIN_LIMIT ((size_t)256 << 10)
#define PACKAGE_PROFILE_LIMIT ((size_t)1 << 20)

#define PACKAGE_INDEX_NAME "package.ini"
#define PACKAGE_SIGNATURE_NAME "package.ini.p7s"
#define PACKAGE_CHAIN_NAME "chain.pem"
#define PACKAGE_PROFILE_NAME "application.profile"
#define PACKAGE_MANIFEST_NEW "manifests/new.mtree.zst"
#define PACKAGE_PAYLOAD_NAME "payload.tar.zst"

extern const struct ini_rule package_index_rules[];

enum package_index_source {
    PACKAGE_INDEX_INPUT,  /* a folder's, before packing: no [members]; errors are CSN_JOB_* and CSN_PACKAGE_INPUT */
    PACKAGE_INDEX_SIGNED, /* a package's: with [members]; every error is CSN_PACKAGE_CONTENT */
};

/* Fills in everything of *package that comes from the index, and package->ini; member offsets are left 0. name is for messages.
 * On failure free with package_index_free all the same. */
int package_index_parse(struct package *package, enum package_index_source source, const char *name, const char *text,
                        size_t size_bytes, struct error *error) MUST_CHECK;
void package_index_free(struct package *package);

/* Parses the profile that goes with this index; name is for messages. Errors are those of profile_parse; CSN_PACKAGE_INPUT
 * where it is another application's. *profile is empty after an error. */
int package_profile_parse(const struct package *index, const char *name, const struct buffer *text,
                          struct profile *profile, struct error *error) MUST_CHECK;

#endif
