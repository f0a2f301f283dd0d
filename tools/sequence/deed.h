/*
 * deed.h - the few things the sequence does to a server, each in the journal before it is done, each undone from there.
 *
 * A deed is two records: "intent" (what, where, and what tells later whether it has happened) and "done". Undoing adds
 * "undone". Whether a deed has happened is asked of the disk, not of the journal: a cut between the record and the deed
 * changes nothing. The times of the folders touched are put back too. Which deeds there are, and when, is the steps'
 * business (step_*.c). A cluster that is migrated where it lies is a deed, too, of a kind of its own: in_place.h.
 */
#ifndef CAISSON_SEQUENCE_DEED_H
#define CAISSON_SEQUENCE_DEED_H

#include <stdbool.h>

#include "journal/journal.h"
#include "lib/error.h"
#include "lib/progress.h"
#include "target/services.h"

/* Where deeds are done: a server's root, or the rehearsal's overlay of it, with the journal that belongs to it. */
struct deed_place {
    int root_fd;
    struct journal *journal;
    const char *step; /* name of the step that acts */
};

/* A new file or folder will stand at path (nothing does yet, or only what an earlier try of this run left: that is
 * removed first). After it was made and is durable, call deed_create_end with *seq. */
int deed_create_begin(const struct deed_place *place, const char *path, int64_t *seq, struct error *error) MUST_CHECK;
int deed_create_end(const struct deed_place *place, int64_t seq, struct error *error) MUST_CHECK;

/* Makes the folder that holds path, if this run has not yet: root's alone, so that nobody gets at what lies in it. */
int deed_folder_of(const struct deed_place *place, const char *path, struct error *error) MUST_CHECK;

/* Makes one file of the fence (target/services.h says which and how). */
int deed_fence(const struct deed_place *place, const struct fence_file *file, struct error *error) MUST_CHECK;

/* Exchanges the names of two things on one file system: RENAME_EXCHANGE. */
int deed_exchange(const struct deed_place *place, const char *path, const char *other, struct error *error) MUST_CHECK;

/* Renames; nothing stands at `to` yet. */
int deed_move(const struct deed_place *place, const char *from, const char *to, struct error *error) MUST_CHECK;

/* Asks the disk, of a run that was released, whether every rename can be undone as it stands: the old versions are where they were
 * kept, and nothing is in the way of attachments that go back. What people made of the new version does not matter.
 * Changes nothing. CSN_SEQUENCE_TERM: an old version is not kept any more. CSN_SEQUENCE_NO_WAY_BACK. */
int deed_check_undo(const struct deed_place *place, struct error *error) MUST_CHECK;

/* Undoes the renames, the last one first. After a release what was exchanged away for the new version counts, not what stands in its place
 * by now: that goes to the place beside, where deed_undo_created removes it. May be called again after any cut. */
int deed_undo_renames(const struct deed_place *place, struct error *error) MUST_CHECK;

/* Undoes the fence, after all else that the server needs to run as before: whoever boots it until then finds the application at rest. */
int deed_undo_fence(const struct deed_place *place, struct error *error) MUST_CHECK;

/* Then removes what deed_create made. Refuses (CSN_SEQUENCE_ROLLBACK_FAILED) while a rename is not undone. */
int deed_undo_created(const struct deed_place *place, const struct progress *progress, struct error *error) MUST_CHECK;

/* Undoes the creation of one path, which is not needed after all, and of the folder made for it, if nothing else lies there. */
int deed_drop(const struct deed_place *place, const char *path, const struct progress *progress, struct error *error)
    MUST_CHECK;

/* Undoes the deeds of one step only (release takes the fence of "fence" away). */
int deed_undo_step(const struct deed_place *place, const char *step, struct error *error) MUST_CHECK;

#endif
