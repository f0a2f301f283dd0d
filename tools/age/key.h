/*
 * key.h - age's X25519 keys: a recipient is what a file is encrypted to, an identity what reads it.
 *
 * Texts are as age(1) writes them (C2SP age.md, "The X25519 recipient type"): age1... and AGE-SECRET-KEY-1... An
 * identity is secret: wipe it with age_identity_wipe. Lists of identities from files are identities.h's.
 */
#ifndef CAISSON_AGE_KEY_H
#define CAISSON_AGE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "age/bech32.h"
#include "lib/error.h"

#define AGE_KEY_BYTES 32
#define AGE_RECIPIENT_TEXT_SIZE (BECH32_LENGTH(3, AGE_KEY_BYTES) + 1) /* with the NUL */
#define AGE_IDENTITY_TEXT_SIZE (BECH32_LENGTH(15, AGE_KEY_BYTES) + 1)

struct age_recipient {
    uint8_t point[AGE_KEY_BYTES];
};

struct age_identity {
    uint8_t scalar[AGE_KEY_BYTES]; /* secret */
    struct age_recipient recipient;
};

/* A secret key is somewhere in it, or what is left of one: not to be shown. */
bool age_key_is_secret(const char *text);

/* CSN_AGE_KEY: not "age1..." with a checksum that holds, or a point with which nothing would be secret. The message repeats only
 * what begins with "age1". */
int age_recipient_parse(struct age_recipient *recipient, const char *text, struct error *error) MUST_CHECK;
void age_recipient_print(const struct age_recipient *recipient, char text[AGE_RECIPIENT_TEXT_SIZE]);

/* From the kernel's random bytes; from 32 given ones; from a text (CSN_AGE_KEY, which does not repeat the text). */
int age_identity_make(struct age_identity *identity, struct error *error) MUST_CHECK;
int age_identity_from(struct age_identity *identity, const uint8_t scalar[AGE_KEY_BYTES], struct error *error)
    MUST_CHECK;
int age_identity_parse(struct age_identity *identity, const char *text, struct error *error) MUST_CHECK;
void age_identity_print(const struct age_identity *identity, char text[AGE_IDENTITY_TEXT_SIZE]);
void age_identity_wipe(struct age_identity *identity);

#endif
