/*
 * stanza.h - a file's key, wrapped for a recipient or a passphrase and taken out again; and the MAC that it puts on a
 * header. Source: C2SP age.md, "Native recipient types" and "Header MAC". How a header is written down is header.h's.
 *
 * A file key is secret and the caller's to wipe. The cipher is used with other keys here: key it again afterwards.
 */
#ifndef CAISSON_AGE_STANZA_H
#define CAISSON_AGE_STANZA_H

#include <stddef.h>
#include <stdint.h>

#include "age/header.h"
#include "age/key.h"
#include "lib/buffer.h"
#include "lib/crypto.h"
#include "lib/error.h"

#define AGE_FILE_KEY_BYTES 16
#define AGE_LOG_N 18u       /* what age(1) writes: 256 MiB and about a second */
#define AGE_LOG_N_LIMIT 22u /* what it reads: 4 GiB */

/* What a file may be read with; all borrowed. */
struct age_keys {
    const struct age_identity *identities;
    size_t count;
    const char *passphrase; /* NULL: none */
    unsigned log_n_limit;   /* a greater work factor is refused before it is worked off; 0: AGE_LOG_N_LIMIT */
};

/* Appends the stanza that wraps the key so. CSN_AGE_KEY: no secret can be shared with this recipient. */
int age_stanza_recipient(struct buffer *header, struct crypto_cipher *cipher, const struct age_recipient *recipient,
                         const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error) MUST_CHECK;
int age_stanza_passphrase(struct buffer *header, struct crypto_cipher *cipher, const char *passphrase, unsigned log_n,
                          const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error) MUST_CHECK;

/* Appends the header's last line. */
int age_stanza_sign(struct buffer *header, const uint8_t key[AGE_FILE_KEY_BYTES], struct error *error) MUST_CHECK;

/* Finds the key and checks the MAC over bytes, which are those that header was parsed from. CSN_AGE_NO_IDENTITY,
 * CSN_AGE_PASSPHRASE (it takes one), CSN_AGE_PASSPHRASE_WRONG, CSN_AGE_WORK, CSN_AGE_DAMAGED. */
int age_stanza_unwrap(const struct age_header *header, const char *bytes, struct crypto_cipher *cipher,
                      const struct age_keys *keys, uint8_t key[AGE_FILE_KEY_BYTES], struct error *error) MUST_CHECK;

#endif
