/*
 * key_file.h - key.age and its copy: the repository's own identity, encrypted to its passphrase. Whoever has only the passphrase
 * has lost the repository with it; so it lies there twice, and repository.json has its hash.
 */
#ifndef CAISSON_REPOSITORY_KEY_FILE_H
#define CAISSON_REPOSITORY_KEY_FILE_H

#include "age/identities.h"
#include "lib/buffer.h"
#include "lib/error.h"
#include "repository/config.h"

#define KEY_FILE "key.age"
#define KEY_FILE_COPY "key.age.copy" /* the same bytes */

/* Writes both, durably. */
int key_file_write(int folder_fd, const struct buffer *bytes, struct error *error) MUST_CHECK;

/* Adds the identity in the first of the two whose hash holds. CSN_REPOSITORY_KEY: neither does; as age_identities_read. */
int key_file_read(struct age_identities *identities, const struct repository_config *config, int folder_fd,
                  const char *passphrase, struct error *error) MUST_CHECK;

/* The same where repository.json is lost, and the hash with it: of the first that opens. 0 also where there is none. */
int key_file_rescue(struct age_identities *identities, int folder_fd, const char *passphrase, struct error *error)
    MUST_CHECK;

/* CSN_REPOSITORY_KEY if neither is as it was written. */
int key_file_is_there(const struct repository_config *config, int folder_fd, struct error *error) MUST_CHECK;

/* Calls damaged for each of the two that is missing, or not as it was written; a repository without a passphrase has none.
 * CSN_PRIVILEGE, CSN_MEMORY. */
int key_file_check(const struct repository_config *config, int folder_fd,
                   void (*damaged)(void *context, const char *file, const char *what), void *context,
                   struct error *error) MUST_CHECK;

/* Writes one from the other; done is called for each. */
int key_file_repair(const struct repository_config *config, int folder_fd,
                    void (*done)(void *context, const char *file, const char *what), void *context, struct error *error)
    MUST_CHECK;

#endif
