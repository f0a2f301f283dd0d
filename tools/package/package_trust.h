/*
 * package_trust.h - who may sign: the root certificates, and the check of a detached CMS signature against them.
 *
 * Everything X.509 and CMS of the project is behind this file (mbedTLS). What must hold, and why dates of certificates
 * do not refuse: README.md, "Trust". Jobs are signed the same way and may use it too.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_TRUST_H
#define CAISSON_PACKAGE_PACKAGE_TRUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mbedtls/x509_crt.h>

#include "lib/error.h"

#define PACKAGE_TRUST_FOLDER "/etc/caisson/trust" /* in the image */

struct package_trust {
    mbedtls_x509_crt roots; /* private */
    size_t count;
};

/* Who signed; texts are UTF-8 made safe for a screen. */
struct package_signer {
    char subject[256]; /* "CN=Release, O=Vendor" */
    char issuer[256];
    char serial[64];                    /* hex with colons */
    char fingerprint[65];               /* SHA-256 of the certificate, hex */
    char not_before[24], not_after[24]; /* RFC 3339, UTC */
    bool dates_hold;                    /* the signer's and its issuers', by this machine's clock; for people only */
};

/* Roots from a PEM or DER file, or from every *.pem, *.crt, *.der of a folder; others are not looked at. CSN_TRUST_NONE if there
 * is none, CSN_TRUST_NONE with the file's name if one is not a CA certificate. Free in each case. */
int package_trust_load(struct package_trust *trust, const char *path, struct error *error) MUST_CHECK;

/* The same from memory (PEM, any number, or one DER); name is for messages. */
int package_trust_parse(struct package_trust *trust, const char *name, const void *data, size_t size_bytes,
                        struct error *error) MUST_CHECK;
void package_trust_free(struct package_trust *trust);

/* Does the DER signature over data hold, made by a code-signing certificate that chains through chain (PEM, may be empty) to a
 * root? CSN_PACKAGE_SIGNATURE_BAD with the reason. name is for messages. */
int package_trust_check(const struct package_trust *trust, const char *name, const void *data, size_t size_bytes,
                        const void *signature, size_t signature_bytes, const char *chain, size_t chain_bytes,
                        struct package_signer *signer, struct error *error) MUST_CHECK;

#endif
