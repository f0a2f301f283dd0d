/*
 * identities.h - the identities a person has: a list, read from a file as age-keygen(1) writes it (a line each, empty
 * lines and lines that begin with "#"), or from such a file encrypted by age to a passphrase.
 */
#ifndef CAISSON_AGE_IDENTITIES_H
#define CAISSON_AGE_IDENTITIES_H

#include <stddef.h>

#include "age/key.h"
#include "lib/error.h"

#define AGE_IDENTITIES_LIMIT 1000u

struct age_identities {
    struct age_identity *items;
    size_t count;
    size_t allocated; /* private */
};

/* Start with {0}. CSN_MEMORY. */
int age_identities_add(struct age_identities *list, const struct age_identity *identity, struct error *error)
    MUST_CHECK;

/* Adds those in the file, at least one; passphrase may be NULL and is not looked at where none is needed. Nothing is
 * added if it fails: CSN_AGE_KEY (a line that is none, or none at all), CSN_AGE_PASSPHRASE, CSN_AGE_PASSPHRASE_WRONG,
 * CSN_AGE_WORK, CSN_AGE_DAMAGED, or as file_read; the message names the file and the line. */
int age_identities_read(struct age_identities *list, int dir_fd, const char *path, const char *passphrase,
                        struct error *error) MUST_CHECK;

/* Adds those in a text, in the same way. name is for messages. */
int age_identities_parse(struct age_identities *list, const char *text, const char *name, struct error *error)
    MUST_CHECK;

void age_identities_free(struct age_identities *list); /* wipes */

#endif
