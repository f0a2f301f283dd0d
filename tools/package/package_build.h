/*
 * package_build.h - making an offline package from a folder, on the vendor's machine, with its `openssl` for the signature.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_BUILD_H
#define CAISSON_PACKAGE_PACKAGE_BUILD_H

#include "lib/error.h"
#include "lib/progress.h"
#include "lib/strings.h"

struct package_build {
    const char *input;           /* the folder */
    const char *new_tree;        /* the folder of the new tree */
    const char *flyway;          /* the folder of Flyway's scripts; NULL: none */
    struct strings *notes;       /* with flyway: what of it was left out, and why, is added here */
    const struct strings *old;   /* "VERSION=DIR-OR-MANIFEST" */
    const char *key;             /* PEM */
    const char *passphrase_file; /* first line unlocks the key; NULL: it is not locked */
    const char *certificate;     /* PEM */
    const char *chain;           /* PEM, intermediates; NULL: none */
    const char *trust;           /* root certificates as the image will have them: package_trust_load */
    const char *output; /* the file to make (one that is there is replaced), or a folder for NAME-VERSION.cpkg */
    const struct progress *progress;
};

/* Builds, signs, then opens and verifies its own result as a server would, under a temporary name; the output appears by one
 * rename; *path is its path, the caller's to free. Refuses at once what a later open or unpack would refuse. On failure the output is as it was. CSN_PACKAGE_INPUT and
 * CSN_JOB_* (package.ini), CSN_PACKAGE_UNSAFE (a tree's file), CSN_PACKAGE_SIGNING, CSN_IO, CSN_NO_SPACE. */
int package_build(const struct package_build *build, char **path, struct error *error) MUST_CHECK;

#endif
