/*
 * package_sign.h - the detached CMS signature, made by the vendor machine's `openssl`. Private to tools/package.
 *
 * The key stays with openssl: Caisson never reads it.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_SIGN_H
#define CAISSON_PACKAGE_PACKAGE_SIGN_H

#include "lib/buffer.h"
#include "package/package_build.h"
#include "package/package_trust.h"

/* Appends the DER signature over data to *signature, and checks it as package_open will; also that today is within the dates of all
 * certificates. CSN_PACKAGE_SIGNING with openssl's words; nothing is left on disk. */
int package_sign(const struct package_build *build, const struct package_trust *trust, const void *data,
                 size_t size_bytes, const char *chain, size_t chain_bytes, struct buffer *signature,
                 struct error *error) MUST_CHECK;

#endif
