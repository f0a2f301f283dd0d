/*
 * lock.h - who else has the repository open.
 *
 * Everyone holds flock(2) on the file "lock", shared; who can have it alone knows that nobody writes. That holds on one machine, and
 * between machines where the file system takes locks to its server, as NFS does unless it is told not to. Where it does not, a
 * machine knows nothing of the others: writers do not disturb one another, but what needs the repository alone must be told that it is.
 */
#ifndef CAISSON_REPOSITORY_LOCK_H
#define CAISSON_REPOSITORY_LOCK_H

#include "repository/internal.h"

/* Takes the lock as the repository's mode says; a writer that is alone removes what a killed one left. CSN_BUSY (ALONE, and somebody
 * has it open), CSN_REPOSITORY_UNLOCKED (ALONE, and locks do not reach other machines), or a system error. */
int lock_take(struct repository *repository, struct error *error) MUST_CHECK;

/* From a line of mountinfo: the file system's type and its own options, as "nfs4", "rw,vers=4.2,local_lock=none". True: a lock there is
 * seen by everybody who has that file system. */
bool lock_reaches_all(const char *type, const char *options);

#endif
