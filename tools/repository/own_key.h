/*
 * own_key.h - the key of a machine that backs itself up into an encrypted repository: it reads what that machine has written,
 * so that the next backup stores only what is new, and can be proven; it stays on that machine, and is never beside a backup.
 */
#ifndef CAISSON_REPOSITORY_OWN_KEY_H
#define CAISSON_REPOSITORY_OWN_KEY_H

#include "age/key.h"
#include "lib/error.h"

#define OWN_KEY_FILE "/var/lib/caisson/backup.key"

/* Reads it from path below root_fd (lib/root.h), an age identity file; 1, or 0 where there is none. CSN_AGE_KEY, ... */
int own_key_read(struct age_identity *identity, int root_fd, const char *path, struct error *error) MUST_CHECK;

/* Makes one, and its folders. Where it cannot be kept nothing is encrypted to it. */
int own_key_make(struct age_identity *identity, int root_fd, const char *path, struct error *error) MUST_CHECK;

/* Writes one down. */
int own_key_write(const struct age_identity *identity, int root_fd, const char *path, struct error *error) MUST_CHECK;

#endif
