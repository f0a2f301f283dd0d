/*
 * keys.h - the options by which a command is given the keys of an encrypted repository.
 */
#ifndef CAISSON_CAISSON_KEYS_H
#define CAISSON_CAISSON_KEYS_H

#include "age/identities.h"
#include "lib/error.h"
#include "lib/options.h"
#include "repository/repository.h"

#define KEYS_RULES                                                                                                     \
    {"identity", OPTION_LIST, false, "FILE",                                                                           \
     "an identity that reads the repository, if it is encrypted: as age-keygen writes it (default, to read: this "     \
     "machine's own key, if it has one)"},                                                                             \
    {                                                                                                                  \
        "passphrase-file", OPTION_TEXT, false, "FILE",                                                                 \
            "the first line is the passphrase of the repository, or of the "                                           \
            "identity's file"                                                                                          \
    }

#define ALONE_RULE                                                                                                     \
    {                                                                                                                  \
        "alone", OPTION_FLAG, false, NULL,                                                                             \
            "no other machine uses it: where the file system does not tell (some network ones)"                        \
    }

/* Begins as {0}. */
struct keys {
    struct age_identities identities;
    char *passphrase;
    struct age_identity own;
    struct repository_keys given; /* points into this */
    struct progress waiting;      /* says once that somebody else has the repository alone */
    bool said_waiting;
};

/* Reads what the options name. CSN_AGE_..., CSN_NOT_FOUND, ... */
int keys_take(struct keys *keys, const struct options *options, struct error *error) MUST_CHECK;

/* The repository that the option "repository" names, opened with the keys that the options name; to read, without any, with this
 * machine's own from its usual place; closed with repository_close. NULL:
 * as keys_take and repository_open. */
struct repository *keys_open_repository(const struct options *options, enum repository_mode mode, struct error *error)
    MUST_CHECK;

/* The same as the only one, with what ALONE_RULE says. */
struct repository *keys_open_alone(const struct options *options, struct error *error) MUST_CHECK;

/* The key of this machine (or of the server mounted at root_fd) for writing into an encrypted repository: from the option "key", or
 * its usual place; made where there is none. A plain repository needs none. */
int keys_take_own(struct keys *keys, const struct options *options, int root_fd, struct error *error) MUST_CHECK;

/* The first line of a file: a passphrase. CSN_USAGE if it is empty. */
int keys_read_passphrase(const char *path, char **passphrase, struct error *error) MUST_CHECK;

void keys_free(struct keys *keys); /* wipes */

#endif
