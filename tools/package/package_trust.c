#include "package/package_trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/pkcs7.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/sha256.h"
#include "lib/text.h"

#define CERTIFICATE_FILE_LIMIT ((size_t)1 << 20)
#define DATE_FLAGS ((uint32_t)(MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE))

/* "-0x2180" becomes the library's words for it. */
static const char *tls_text(int code, char text[128])
{
    mbedtls_strerror(code, text, 128);
    return text;
}

/* PEM (which mbedTLS wants with its NUL) or one DER; a file in which one of several certificates is broken is refused. */
static int parse_certificates(mbedtls_x509_crt *list, const void *data, size_t size_bytes)
{
    struct buffer copy = {0};
    buffer_append(&copy, data, size_bytes);
    if (copy.failed || size_bytes == 0) {
        buffer_free(&copy);
        return copy.failed ? MBEDTLS_ERR_X509_ALLOC_FAILED : MBEDTLS_ERR_X509_CERT_UNKNOWN_FORMAT;
    }
    bool pem = strstr(copy.data, "-----BEGIN CERTIFICATE-----") != NULL;
    int result = mbedtls_x509_crt_parse(list, (const unsigned char *)copy.data, copy.size + (pem ? 1 : 0));
    buffer_free(&copy);
    return result > 0 ? MBEDTLS_ERR_X509_INVALID_FORMAT : result;
}

static size_t count_certificates(const mbedtls_x509_crt *list)
{
    size_t count = 0;
    for (; list != NULL && list->raw.p != NULL; list = list->next) {
        count++;
    }
    return count;
}

static int add_roots(struct package_trust *trust, const char *name, const void *data, size_t size_bytes,
                     struct error *error)
{
    char text[128];
    int result = parse_certificates(&trust->roots, data, size_bytes);
    if (result != 0) {
        return error_set(error, CSN_TRUST_NONE, "%s holds no certificate that can be read: %s", name,
                         tls_text(result, text));
    }
    trust->count = count_certificates(&trust->roots);
    return 0;
}

static int add_root_file(struct package_trust *trust, int dir_fd, const char *path, struct error *error)
{
    struct buffer content = {0};
    int result = file_read(dir_fd, path, CERTIFICATE_FILE_LIMIT, &content, error);
    if (result == 0) {
        result = add_roots(trust, path, buffer_text(&content), content.size, error);
    }
    buffer_free(&content);
    return result;
}

static bool is_certificate_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && dot != name &&
           (strcmp(dot, ".pem") == 0 || strcmp(dot, ".crt") == 0 || strcmp(dot, ".der") == 0);
}

static int add_root_folder(struct package_trust *trust, const char *path, struct error *error)
{
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return error_system(error, CSN_TRUST_NONE, "opening the folder %s", path);
    }
    int result = 0;
    for (struct dirent *entry; result == 0;) {
        errno = 0;
        entry = readdir(folder);
        if (entry == NULL) {
            result = errno != 0 ? error_system(error, CSN_IO, "reading the folder %s", path) : 0;
            break;
        }
        if (is_certificate_name(entry->d_name)) {
            result = add_root_file(trust, dirfd(folder), entry->d_name, error);
        }
    }
    closedir(folder);
    return result;
}

int package_trust_load(struct package_trust *trust, const char *path, struct error *error)
{
    *trust = (struct package_trust){0};
    mbedtls_x509_crt_init(&trust->roots);
    struct stat status;
    if (stat(path, &status) != 0) {
        return error_system(error, CSN_TRUST_NONE, "the trust anchor %s", path);
    }
    int result =
        S_ISDIR(status.st_mode) ? add_root_folder(trust, path, error) : add_root_file(trust, AT_FDCWD, path, error);
    if (result == 0 && trust->count == 0) {
        return error_set(error, CSN_TRUST_NONE, "no certificate (*.pem, *.crt, *.der) is in the folder %s", path);
    }
    return result;
}

int package_trust_parse(struct package_trust *trust, const char *name, const void *data, size_t size_bytes,
                        struct error *error)
{
    *trust = (struct package_trust){0};
    mbedtls_x509_crt_init(&trust->roots);
    return add_roots(trust, name, data, size_bytes, error);
}

void package_trust_free(struct package_trust *trust)
{
    mbedtls_x509_crt_free(&trust->roots);
    *trust = (struct package_trust){0};
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

/* mbedTLS writes every byte over 126 of a name as \HH: a Chinese vendor's name gets readable again, unless it would not be text
 * or would hold control characters (U+0080 to U+009F). */
static void unescape_name(char *text)
{
    char plain[256];
    size_t length = 0;
    for (const char *at = text; *at != '\0'; at++) {
        uint8_t byte;
        char digits[3] = {at[0] == '\\' ? at[1] : '\0', at[0] == '\\' && at[1] != '\0' ? at[2] : '\0', '\0'};
        if (is_hex(digits[0]) && is_hex(digits[1]) && hex_decode(digits, &byte, 1) && byte >= 0x80) {
            plain[length++] = (char)byte;
            at += 2;
        } else {
            plain[length++] = *at;
        }
    }
    plain[length] = '\0';
    for (size_t i = 0; i + 1 < length; i++) {
        if ((uint8_t)plain[i] == 0xC2 && (uint8_t)plain[i + 1] < 0xA0) {
            return;
        }
    }
    if (utf8_is_valid(plain, length)) {
        memcpy(text, plain, length + 1);
    }
}

static void time_text(char *text, size_t room, const mbedtls_x509_time *time)
{
    snprintf(text, room, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)time->year % 10000, (unsigned)time->mon % 100,
             (unsigned)time->day % 100, (unsigned)time->hour % 100, (unsigned)time->min % 100,
             (unsigned)time->sec % 100);
}

static void describe_signer(struct package_signer *signer, const mbedtls_x509_crt *certificate)
{
    *signer = (struct package_signer){.dates_hold = true};
    mbedtls_x509_dn_gets(signer->subject, sizeof signer->subject, &certificate->subject);
    mbedtls_x509_dn_gets(signer->issuer, sizeof signer->issuer, &certificate->issuer);
    mbedtls_x509_serial_gets(signer->serial, sizeof signer->serial, &certificate->serial);
    unescape_name(signer->subject);
    unescape_name(signer->issuer);
    uint8_t digest[SHA256_SIZE];
    sha256_of(certificate->raw.p, certificate->raw.len, digest);
    hex_encode(digest, sizeof digest, signer->fingerprint);
    time_text(signer->not_before, sizeof signer->not_before, &certificate->valid_from);
    time_text(signer->not_after, sizeof signer->not_after, &certificate->valid_to);
}

static int refuse(struct error *error, const char *name, const char *why)
{
    return error_set(error, CSN_PACKAGE_SIGNATURE_BAD, "the signature of %s: %s", name, why);
}

static bool same_bytes(const mbedtls_asn1_buf *one, const mbedtls_asn1_buf *other)
{
    return one->len == other->len && one->len > 0 && memcmp(one->p, other->p, one->len) == 0;
}

/* Exactly one signer, SHA-256, naming the one certificate inside. What mbedTLS would let pass beyond that is refused. */
static const char *wrong_structure(const mbedtls_pkcs7_signed_data *signed_data)
{
    const mbedtls_pkcs7_signer_info *info = &signed_data->MBEDTLS_PRIVATE(signers);
    const mbedtls_x509_crt *certificate = &signed_data->MBEDTLS_PRIVATE(certs);
    if (signed_data->MBEDTLS_PRIVATE(no_of_signers) != 1) {
        return "it has not exactly one signer";
    }
    if (signed_data->MBEDTLS_PRIVATE(no_of_certs) != 1) {
        return "it has not exactly one certificate, the signer's, inside";
    }
    if (MBEDTLS_OID_CMP(MBEDTLS_OID_DIGEST_ALG_SHA256, &signed_data->MBEDTLS_PRIVATE(digest_alg_identifiers)) != 0 ||
        MBEDTLS_OID_CMP(MBEDTLS_OID_DIGEST_ALG_SHA256, &info->MBEDTLS_PRIVATE(alg_identifier)) != 0) {
        return "it is not over SHA-256";
    }
    if (!same_bytes(&info->MBEDTLS_PRIVATE(serial), &certificate->serial) ||
        !same_bytes(&info->MBEDTLS_PRIVATE(issuer_raw), &certificate->issuer_raw)) {
        return "the certificate inside is not the signer's";
    }
    return NULL;
}

/* mbedTLS looks at the key only; what the signature calls itself has to agree with it. */
static bool names_its_algorithm(const mbedtls_pkcs7_signed_data *signed_data, const mbedtls_x509_crt *certificate)
{
    const mbedtls_pkcs7_buf *named = &signed_data->MBEDTLS_PRIVATE(signers).MBEDTLS_PRIVATE(sig_alg_identifier);
    switch (mbedtls_pk_get_type(&certificate->pk)) {
    case MBEDTLS_PK_ECKEY: return MBEDTLS_OID_CMP(MBEDTLS_OID_ECDSA_SHA256, named) == 0;
    case MBEDTLS_PK_RSA:
        return MBEDTLS_OID_CMP(MBEDTLS_OID_PKCS1_RSA, named) == 0 ||
               MBEDTLS_OID_CMP(MBEDTLS_OID_PKCS1_SHA256, named) == 0;
    default: return false;
    }
}

static const char *wrong_usage(const mbedtls_x509_crt *certificate)
{
    if (!mbedtls_x509_crt_has_ext_type(certificate, MBEDTLS_X509_EXT_EXTENDED_KEY_USAGE) ||
        mbedtls_x509_crt_check_extended_key_usage(certificate, MBEDTLS_OID_CODE_SIGNING,
                                                  MBEDTLS_OID_SIZE(MBEDTLS_OID_CODE_SIGNING)) != 0) {
        return "the signer's certificate is not meant for code signing";
    }
    if (mbedtls_x509_crt_check_key_usage(certificate, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) != 0) {
        return "the signer's certificate is not meant for digital signatures";
    }
    return NULL;
}

/* Dates are noted, never counted: README.md says why. */
static int forgive_dates(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
    struct package_signer *signer = context;
    (void)certificate;
    (void)depth;
    if ((*flags & DATE_FLAGS) != 0) {
        signer->dates_hold = false;
    }
    *flags &= ~DATE_FLAGS;
    return 0;
}

static int check_chain(const struct package_trust *trust, const char *name, mbedtls_x509_crt *certificates,
                       struct package_signer *signer, struct error *error)
{
    uint32_t flags = 0;
    /* The trusted list is only read; mbedTLS's signature lacks the const. */
    int result =
        mbedtls_x509_crt_verify_with_profile(certificates, (mbedtls_x509_crt *)(uintptr_t)&trust->roots, NULL,
                                             &mbedtls_x509_crt_profile_default, NULL, &flags, forgive_dates, signer);
    if (result == 0) {
        return 0;
    }
    if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
        return error_set(
            error, CSN_PACKAGE_SIGNATURE_BAD,
            "the signature of %s: the signer \"%s\", certified by \"%s\", does not lead to a root that is trusted here",
            name, signer->subject, signer->issuer);
    }
    char reasons[256] = "";
    if (mbedtls_x509_crt_verify_info(reasons, sizeof reasons, "", flags) <= 0) {
        tls_text(result, reasons);
    }
    reasons[strcspn(reasons, "\n")] = '\0';
    return refuse(error, name, reasons);
}

static int check_signature(const struct package_trust *trust, const char *name, const void *data, size_t size_bytes,
                           mbedtls_pkcs7 *pkcs7, const char *chain, size_t chain_bytes, struct package_signer *signer,
                           struct error *error)
{
    mbedtls_pkcs7_signed_data *signed_data = &pkcs7->MBEDTLS_PRIVATE(signed_data);
    const char *wrong = wrong_structure(signed_data);
    if (wrong != NULL) {
        return refuse(error, name, wrong);
    }
    int result = -1;
    char text[128];
    const mbedtls_x509_buf *raw = &signed_data->MBEDTLS_PRIVATE(certs).raw;
    mbedtls_x509_crt certificates; /* the signer's, then those between it and the root */
    mbedtls_x509_crt_init(&certificates);
    int code = mbedtls_x509_crt_parse_der(&certificates, raw->p, raw->len);
    if (code == 0 && chain_bytes > 0) {
        code = parse_certificates(&certificates, chain, chain_bytes);
    }
    if (code != 0) {
        refuse(error, name, tls_text(code, text));
        goto out;
    }
    describe_signer(signer, &certificates);
    if (!names_its_algorithm(signed_data, &certificates)) {
        refuse(error, name, "it is not ECDSA or RSA (PKCS #1 v1.5) with SHA-256, or not of the signer's kind of key");
        goto out;
    }
    /* Not mbedtls_pkcs7_signed_data_verify: it would refuse by the machine's clock. */
    uint8_t digest[SHA256_SIZE];
    sha256_of(data, size_bytes, digest);
    const mbedtls_pkcs7_buf *signature = &signed_data->MBEDTLS_PRIVATE(signers).MBEDTLS_PRIVATE(sig);
    if (mbedtls_pk_verify(&certificates.pk, MBEDTLS_MD_SHA256, digest, sizeof digest, signature->p, signature->len) !=
        0) {
        refuse(error, name,
               "it does not fit the content, which was changed after signing, or is signed in an unknown way");
        goto out;
    }
    if (check_chain(trust, name, &certificates, signer, error) != 0) {
        goto out;
    }
    wrong = wrong_usage(&certificates);
    if (wrong != NULL) {
        refuse(error, name, wrong);
        goto out;
    }
    result = 0;
out:
    mbedtls_x509_crt_free(&certificates);
    return result;
}

int package_trust_check(const struct package_trust *trust, const char *name, const void *data, size_t size_bytes,
                        const void *signature, size_t signature_bytes, const char *chain, size_t chain_bytes,
                        struct package_signer *signer, struct error *error)
{
    *signer = (struct package_signer){0};
    if (trust->count == 0) {
        return error_set(error, CSN_TRUST_NONE, "%s cannot be checked: no root certificate is trusted here", name);
    }
    char text[128];
    mbedtls_pkcs7 pkcs7;
    mbedtls_pkcs7_init(&pkcs7);
    int code = mbedtls_pkcs7_parse_der(&pkcs7, signature, signature_bytes);
    int result;
    if (code != MBEDTLS_PKCS7_SIGNED_DATA) {
        result = refuse(error, name, code < 0 ? tls_text(code, text) : "it is not CMS SignedData");
    } else {
        result = check_signature(trust, name, data, size_bytes, &pkcs7, chain, chain_bytes, signer, error);
    }
    mbedtls_pkcs7_free(&pkcs7);
    return result;
}
