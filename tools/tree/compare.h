/*
 * compare.h - do two trees differ, and in what: the judge of every proof, restore and rollback.
 *
 * Goes through both side by side and compares everything, file content byte by byte. Memory does not grow with the
 * trees (only with the number of hard links).
 */
#ifndef CAISSON_TREE_COMPARE_H
#define CAISSON_TREE_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/progress.h"
#include "lib/strings.h"
#include "tree/entry.h"
#include "tree/manifest.h"

struct tree_compare_options {
    unsigned ignored;               /* set of tree_aspect that does not count */
    bool ignore_folder_mtime;       /* folders' times do not count */
    bool one_file_system;           /* do not enter mount points on either side */
    uint64_t total_bytes;           /* for the progress; 0: not known */
    const struct strings *excludes; /* patterns of path.h, for both */
};

struct tree_difference {
    const char *path;
    unsigned aspects;           /* set of tree_aspect: what differs; ONLY_A or ONLY_B alone if one side lacks it */
    const struct tree_entry *a; /* NULL if only in b */
    const struct tree_entry *b;
};

struct tree_compare_counts {
    uint64_t both;      /* paths in both trees */
    uint64_t differing; /* of these, with a difference */
    uint64_t only_a;
    uint64_t only_b;
    uint64_t compared_bytes;
};

/* Compares path_a below root_a_fd with path_b below root_b_fd (resolved as lib/root.h does). differ is called for each
 * path that differs, in order (NULL: only counts); it returns 0, or -1 with *error set to stop. The trees are equal
 * if tree_compare_is_equal. -1 only if they could not be compared (CSN_NOT_FOUND, CSN_TREE_READ; a file that vanishes
 * meanwhile is CSN_TREE_READ). */
int tree_compare(int root_a_fd, const char *path_a, int root_b_fd, const char *path_b,
                 const struct tree_compare_options *options,
                 int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                 void *context, const struct progress *progress, struct tree_compare_counts *counts,
                 struct error *error) MUST_CHECK;

/* The same for two manifests, in what both know. */
int tree_compare_manifests(const struct tree_manifest *a, const struct tree_manifest *b,
                           const struct tree_compare_options *options,
                           int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                           void *context, struct tree_compare_counts *counts, struct error *error) MUST_CHECK;

bool tree_compare_is_equal(const struct tree_compare_counts *counts);

#endif
