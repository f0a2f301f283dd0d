/*
 * durable.h - what a step wrote on the server is on its disks: every file system concerned, not the root's alone.
 *
 * /opt, /srv and /var may each be a file system of its own. Which files there are is the steps' business.
 */
#ifndef CAISSON_SEQUENCE_DURABLE_H
#define CAISSON_SEQUENCE_DURABLE_H

#include "lib/error.h"
#include "lib/strings.h"
#include "sequence/run.h"

/* Writes out (syncfs) the root's file system and that of each path's holding folder, each once. CSN_IO, CSN_NO_SPACE:
 * something may be lost, the step has failed. */
int durable_sync(int root_fd, const struct strings *paths, struct error *error) MUST_CHECK;

/* The same for all that steps write: program tree, cluster with its folders elsewhere, configuration. */
int durable_sync_site(const struct run *run, const struct site *site, struct error *error) MUST_CHECK;

#endif
