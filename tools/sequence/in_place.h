/*
 * in_place.h - a cluster that is migrated where it lies, for a server without room for a clone, and brought back from this run's backup.
 *
 * One deed: its intent (the cluster's folders, the snapshot that brings them back) is in the journal before their first byte
 * changes. Undoing it, everything that differs from the snapshot goes and comes anew, in the room that is there; the cluster's control
 * file is under another name meanwhile (database/cluster.h), so that no PostgreSQL starts on what is not whole, and gets its own name back
 * last, once all else has been compared with the snapshot. The undoing may be cut anywhere and simply runs again. Whether a run does it
 * is decided by assess; which backup is to be trusted, by prove.
 */
#ifndef CAISSON_SEQUENCE_IN_PLACE_H
#define CAISSON_SEQUENCE_IN_PLACE_H

#include "lib/error.h"
#include "sequence/run.h"

/* Before the cluster is changed: the intent, and what going back will cost is said. CSN_SEQUENCE_PROOF if this run has not proven its
 * backup, CSN_SEQUENCE_STALE if the cluster is not as in that, CSN_DATABASE_UNCLEAN. */
int in_place_begin(struct run *run, struct site *site, struct error *error) MUST_CHECK;

/* All of it is changed, and durable. Nothing to do where there is no such intent. */
int in_place_end(const struct site *site, struct error *error) MUST_CHECK;

/* The intent of the journal that is not undone; NULL: none. */
yyjson_val *in_place_intent(const struct journal *journal);

/* With such an intent: adds the cluster's folders, as it found them. */
int in_place_add_paths(const struct journal *journal, struct strings *paths, struct error *error) MUST_CHECK;

/* With such an intent: 0 if the backup is at hand and holds its snapshot; the backup disk is open then. CSN_SEQUENCE_BACKUP_AWAY. */
int in_place_reach(struct run *run, const struct site *site, struct error *error) MUST_CHECK;

/* The same, and every byte of the snapshot's cluster is read and checked, before an upgrade that people work with is given up for it.
 * CSN_SEQUENCE_NO_WAY_BACK. The backup is open. */
int in_place_check(struct run *run, const struct site *site, struct error *error) MUST_CHECK;

/* Undoes the deed, if there is one: the cluster is as in the snapshot, compared and durable. Records "cluster-back" and "undone". On an
 * error the deed stays open. */
int in_place_undo(struct run *run, struct site *site, struct error *error) MUST_CHECK;

#endif
