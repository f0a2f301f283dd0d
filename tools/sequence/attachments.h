/*
 * attachments.h - going back after people have worked with the new version: the attachments that they changed or removed are
 * again what the old rows say.
 *
 * Attachments are not switched; they stay where they are. What the old version's backup holds and the work's backup does not
 * is brought back from the repository; files that were added stay (no old row knows them) and are told.
 */
#ifndef CAISSON_SEQUENCE_ATTACHMENTS_H
#define CAISSON_SEQUENCE_ATTACHMENTS_H

#include "lib/error.h"
#include "sequence/run.h"

/* before, since: the snapshots of before the upgrade and of now. The server is fenced and writable. Record
 * "attachments-back". May be done again after any cut. */
int attachments_bring_back(struct run *run, const char *before, const char *since, struct error *error) MUST_CHECK;

/* A run without a backup lists them before it changes anything, in its folder on the server (attachments.mtree, without digests), so
 * that going back can name what it cannot bring back: record "attachments-lost". Done again after a cut it says the same. */
int attachments_list(struct run *run, struct error *error) MUST_CHECK;
int attachments_name_lost(struct run *run, struct error *error) MUST_CHECK;

/* True if that record says that some are, or may be, not as they were. */
bool attachments_are_lost(const struct journal *journal);

/* True if some were added since, which stay. */
bool attachments_were_added(const struct journal *journal);

#endif
