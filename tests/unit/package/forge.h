/*
 * forge.h - certificates and packages for tests: good ones, and those that no vendor should sign but one might.
 *
 * Everything is put together here, byte by byte, not with package_build: so that a package may say what pack would refuse.
 * Each function fails the test when it fails.
 */
#ifndef CAISSON_TESTS_PACKAGE_FORGE_H
#define CAISSON_TESTS_PACKAGE_FORGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buffer.h"
#include "package/package_trust.h"

/* A folder with certificates and keys, made once for a test program: root.pem, signer.pem/.key (good), middle.pem with
 * below.pem/.key under it, web.pem/.key (no code signing), agree.pem/.key (no digital signature), other-root.pem with
 * stranger.pem/.key, expired.pem/.key, future.pem/.key, rsa.pem/.key. For cmocka's group setup and teardown. */
int forge_setup(void **state);
int forge_teardown(void **state);

/* "<the folder>/name"; valid until the next call but three. */
const char *forge_file(const char *name);

void forge_trust(struct package_trust *trust, const char *root);

/* openssl cms over data, with these options behind the usual ones (NULL: none), "signer" meaning signer.pem and signer.key. */
void forge_signature(struct buffer *signature, const void *data, size_t size_bytes, const char *signer,
                     const char *options);

/* One entry of a payload. */
struct forge_entry {
    const char *name; /* NULL ends a list */
    char type;
    unsigned mode;
    const char *content; /* of type '0', else NULL */
    const char *link;
};

/* The tar of these entries with its end, compressed. */
void forge_payload(struct buffer *packed, const struct forge_entry *entries);

/* One zstd frame. */
void forge_compress(struct buffer *packed, const void *data, size_t size_bytes);

/* The mtree text of these entries (times 0), as a good vendor would write it for a payload of theirs. */
void forge_manifest(struct buffer *text, const struct forge_entry *entries);

struct forge_member {
    const char *name;
    const char *content;
    size_t size_bytes;
};

/* Writes a package of this index (without [members]) and these members to path. signer NULL: no signature. */
void forge_package(const char *path, const char *index, const struct forge_member *members, size_t count,
                   const char *signer);

/* The usual one: forge_index, this manifest text and this payload, an old manifest, a migration; signed by "signer". */
void forge_usual(const char *path, const struct buffer *manifest, const struct buffer *payload);

extern const char forge_index[];
extern const struct forge_entry forge_tree[]; /* a small good tree */

#endif
