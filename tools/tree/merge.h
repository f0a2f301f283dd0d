/*
 * merge.h - the three-way look at a program tree: the vendor's old manifest, the tree on the server, the vendor's new
 * manifest, and for each path who changed it.
 *
 * It only looks. What to do with each answer (keep, replace, ask, set aside) is the sequence's. Content (type, bytes, link
 * target, device) and attributes (mode, owner) are judged apart. Times and xattrs do not count.
 */
#ifndef CAISSON_TREE_MERGE_H
#define CAISSON_TREE_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"
#include "lib/strings.h"
#include "tree/manifest.h"

enum tree_change {
    TREE_CHANGE_NONE,           /* the same in all three */
    TREE_CHANGE_VENDOR_CHANGED, /* the site has the vendor's old one */
    TREE_CHANGE_VENDOR_ADDED,   /* new in the new version, not on the server */
    TREE_CHANGE_VENDOR_REMOVED, /* the site has the vendor's old one; the new version has none */
    TREE_CHANGE_SITE_CHANGED,   /* the vendor did not: the site's is kept */
    TREE_CHANGE_SITE_REMOVED,   /* a vendor's path, unchanged in the new version, that is not on the server */
    TREE_CHANGE_BOTH_SAME,      /* the site already has what the new version has (or both removed it) */
    TREE_CHANGE_CONFLICT,       /* changed (added, removed) by both, differently: needs an answer, site or vendor */
    TREE_CHANGE_FOREIGN,        /* nobody's: only on the server */
    TREE_CHANGE_UNKNOWN,        /* there is no old manifest, and the server differs from the new version */
    TREE_CHANGE_KEPT,           /* covered by a keep pattern: the site's own, not judged */
    TREE_CHANGE_GENERATED,      /* covered by a pattern of what the application makes by itself: not judged */
    TREE_CHANGE_COVERED, /* below what is a folder of the vendor's and on the server a link or a file: goes with that */
    TREE_CHANGE_COUNT
};

struct tree_merge_item {
    const char *path;                /* owned by one of the manifests */
    const struct tree_entry *before; /* in the vendor's old manifest, or NULL */
    const struct tree_entry *site;   /* on the server, or NULL */
    const struct tree_entry *after;  /* in the vendor's new manifest, or NULL */
    enum tree_change content;
    enum tree_change
        attributes;     /* NONE, VENDOR_CHANGED, SITE_CHANGED, BOTH_SAME, CONFLICT or UNKNOWN; NONE where a side
                                       lacks the path or the type differs */
    bool is_executable; /* a file on the server that a server might run: mode x, or a script by its name */
};

struct tree_merge {
    struct tree_merge_item *items; /* sorted by path, one for each path in any of the three but the start itself */
    size_t count;
    size_t content_counts[TREE_CHANGE_COUNT];
    size_t attribute_counts[TREE_CHANGE_COUNT];
    size_t covered_changes;     /* COVERED that the vendor added, changed or removed: the server does not get it */
    size_t foreign_executables; /* FOREIGN or UNKNOWN without `after`, and is_executable */
};

/* Looks. before may be NULL (the exact version is not known). site needs digests, and so do the others, for files.
 * keep, generated: patterns of path.h, NULL: none; keep comes first. The manifests must stay while *merge is used. CSN_MEMORY, or CSN_TREE_MANIFEST if a
 * file lacks its digest. */
int tree_merge_look(struct tree_merge *merge, const struct tree_manifest *before, const struct tree_manifest *site,
                    const struct tree_manifest *after, const struct strings *keep, const struct strings *generated,
                    struct error *error) MUST_CHECK;

void tree_merge_free(struct tree_merge *merge);

/* "vendor-changed", "conflict", ... for JSON and reports. */
const char *tree_change_name(enum tree_change change);

/* True if a server might run a file of this path and mode: any x bit, or .php .jsp .sh .pl .py and their like. */
bool tree_is_executable(const char *path, unsigned mode);

#endif
