/*
 * rollback.h - back to exactly what was there: the renames undone, a cluster migrated in place brought back, the fence off, what was made beside removed.
 *
 * The same on the real server and on the rehearsal's overlay. It may be cut anywhere and called again.
 */
#ifndef CAISSON_SEQUENCE_ROLLBACK_H
#define CAISSON_SEQUENCE_ROLLBACK_H

#include "sequence/run.h"

struct rollback_times {
    int64_t back_ms;    /* until the old version stands and may start */
    int64_t cleanup_ms; /* removing what was made beside, after that */
};

/* Which copies of the journal must say where going back begins, and that it has ended: any one, since a full disk must keep nobody
 * from it; the server's, where people may have worked with the new version: no other stick may count on what it said before, and
 * bring attachments back over what they wrote since. */
void rollback_need(struct journal *journal);

/* Undoes whatever of the steps has happened on the site. rollback_need comes first; in between any copy of the journal suffices.
 * reason goes into the journal (code may be NULL). A cluster that was migrated in place needs the backup: where that is not at hand,
 * CSN_SEQUENCE_BACKUP_AWAY, and nothing has been undone yet. On any other failure
 * CSN_SEQUENCE_ROLLBACK_FAILED; what has been undone is in the journal. */
int rollback_site(struct run *run, struct site *site, const char *reason, const char *code,
                  struct rollback_times *times, struct error *error) MUST_CHECK;

/* Before going back from an upgrade that people have worked with: the disk is asked whether it can be done (deed_check_undo; of a cluster
 * that was migrated in place the backup, in_place_check), and everything as it is now goes into the repository (record "work-kept"), so that nobody's work is lost. Only then it is promised
 * (record "rollback-asked"): the fence goes up again, and the attachments are brought back (attachments.h). The backup disk is
 * open. May be called again after any cut. */
int rollback_prepare(struct run *run, struct error *error) MUST_CHECK;

#endif
