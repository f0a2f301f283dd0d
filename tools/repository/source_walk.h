/*
 * source_walk.h - through one source of a backup, by recorded names, without what is left out. For backup.c and backup_scan.c.
 */
#ifndef CAISSON_REPOSITORY_SOURCE_WALK_H
#define CAISSON_REPOSITORY_SOURCE_WALK_H

#include "repository/internal.h"
#include "tree/walk.h"

/* path: the recorded name without its leading '/', valid until it returns; what it returns is tree/walk.h's. */
typedef int source_visitor(void *context, const char *path, const struct tree_visit *visit, struct error *error);

/* Calls visitor for each entry of the source, and for what vanished meanwhile; not for what the options exclude, nor the repository
 * itself. Errors: tree_walk's. */
int source_walk(const struct repository *repository, const struct repository_source *source,
                const struct repository_backup_options *options, bool want_xattrs, source_visitor *visitor,
                void *context, struct error *error) MUST_CHECK;

#endif
