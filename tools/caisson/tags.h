/*
 * tags.h - the option --tag KEY=VALUE of the commands that make snapshots.
 */
#ifndef CAISSON_CAISSON_TAGS_H
#define CAISSON_CAISSON_TAGS_H

#include "lib/error.h"
#include "lib/options.h"
#include "repository/repository.h"

/* *tags: as many as the option was given, pointing into the options; the caller frees the array. CSN_USAGE: one is no KEY=VALUE, or a
 * key is given twice. */
int tags_take(const struct options *options, struct repository_tag **tags, struct error *error) MUST_CHECK;

#endif
