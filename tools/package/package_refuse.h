/*
 * package_refuse.h - what no package's tree may have, and finding words for it. Private to tools/package.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_REFUSE_H
#define CAISSON_PACKAGE_PACKAGE_REFUSE_H

#include <stdbool.h>

#include "lib/error.h"
#include "package/package_tar.h"
#include "tree/manifest.h"

/* May the tree of this manifest be in a package: begins with its top folder; only files, folders and symbolic links, each in a folder that
 * is there; links that stay inside; everything known that a tar needs. CSN_PACKAGE_UNSAFE or CSN_PACKAGE_CONTENT with the path.
 * what is for messages ("the new tree"). */
int refuse_manifest(const struct tree_manifest *manifest, const char *what, struct error *error) MUST_CHECK;

/* Can a server compare its files with this manifest of an old tree: each file has size and SHA-256, or else code with its path. */
int refuse_old_manifest(const struct tree_manifest *manifest, const char *what, enum error_code code,
                        struct error *error) MUST_CHECK;

/* Does a symbolic link at path, with this target, stay inside the tree wherever it is resolved? ".." only in front, and no more of
 * them than folders above; not absolute, not empty. */
bool refuse_link_is_inside(const char *path, const char *target);

/* Says why a block that stands in the payload where entry `at` of the manifest should is refused; returns -1. records are the
 * pax records in front of it ("" for none). */
int refuse_block(const struct tree_manifest *manifest, size_t at, const char block[TAR_BLOCK], const char *records,
                 struct error *error);

#endif
