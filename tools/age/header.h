/*
 * header.h - the text at the head of an age file: its stanzas, each of which wraps the file's key for one who may
 * read it, and the MAC over them. Source: C2SP age.md, "Header"; read strictly, as that page asks.
 *
 * Nothing secret is here. What a stanza wraps is stanza.h's.
 */
#ifndef CAISSON_AGE_HEADER_H
#define CAISSON_AGE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define AGE_HEADER_LIMIT_BYTES 65536u /* some 1,000 recipients; a longer one is refused */
#define AGE_STANZAS_LIMIT 1000u

#define AGE_VERSION_LINE "age-encryption.org/v1\n"
#define AGE_MAC_BYTES 32
#define AGE_BODY_BYTES 32 /* a file key and its tag */
#define AGE_SALT_BYTES 16

enum age_stanza_kind {
    AGE_STANZA_X25519,
    AGE_STANZA_SCRYPT,
};

struct age_stanza {
    enum age_stanza_kind kind;
    union {
        uint8_t share[32];            /* X25519: the ephemeral public key */
        uint8_t salt[AGE_SALT_BYTES]; /* scrypt */
    };
    unsigned log_n; /* scrypt: as it is written, but a greater one is UINT_MAX */
    uint8_t body[AGE_BODY_BYTES];
};

struct age_header {
    struct age_stanza *stanzas; /* those of the kinds above, in their order */
    size_t count;
    size_t signed_bytes; /* from the file's begin, what the MAC is over */
    uint8_t mac[AGE_MAC_BYTES];
};

/* True if these first bytes of a file may go on to a file of age v1; to one of any age, in armor too. */
bool age_header_begins(const char *bytes, size_t size_bytes);
bool age_header_is_meant(const char *bytes, size_t size_bytes);

/* How long the header is that these bytes begin with, its last newline included; 0 if its end is not among them. */
size_t age_header_size(const char *bytes, size_t size_bytes);

/* Exactly these bytes. CSN_AGE_NOT: another thing, or another version; CSN_AGE_DAMAGED: against the rules. */
int age_header_parse(struct age_header *header, const char *bytes, size_t size_bytes, struct error *error) MUST_CHECK;
void age_header_free(struct age_header *header);

#endif
