/*
 * listed.h - lists (mtree) of what stands at some paths of the server, kept in the run's folder there, so that going back can name
 * what people have changed since.
 */
#ifndef CAISSON_SEQUENCE_LISTED_H
#define CAISSON_SEQUENCE_LISTED_H

#include "lib/error.h"
#include "sequence/run.h"
#include "tree/manifest.h"

#define LISTED_TOLD 100 /* paths of a kind that a record names; the rest is counted */

/* Adds the real paths of these, in order and none inside another, to *tops. One that is not there is added as it is. */
int listed_tops(int root_fd, const struct strings *paths, struct strings *tops, struct error *error) MUST_CHECK;

/* What stands there now; paths are below the root, without the leading '/'. What is not there is left out. */
int listed_scan(const struct run *run, const struct strings *tops, bool digests, struct tree_manifest *manifest,
                struct error *error) MUST_CHECK;

/* Writes that into the run's folder on the server, which is writable, and reads it from there. CSN_NOT_FOUND. */
int listed_write(const struct run *run, const char *file, const struct strings *tops, bool digests, struct error *error)
    MUST_CHECK;
int listed_read(const struct run *run, const char *file, struct tree_manifest *manifest, struct error *error)
    MUST_CHECK;

/* Adds the first LISTED_TOLD of the paths as an array. */
void listed_add_paths(yyjson_mut_doc *document, yyjson_mut_val *fields, const char *key, const struct strings *paths);

/* The first paths on the console, a line each. */
void listed_show(struct console *console, const struct strings *paths);

#endif
