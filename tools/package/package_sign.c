#include "package/package_sign.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/process.h"
#include "package/package_index.h"

#define SIGNING_TIMEOUT_SEC 120 /* a key on a token may ask for a touch */
#define ARGUMENTS_MAX 24

/* The first line that openssl printed, which names the file it could not use. */
static int signing_failed(const struct buffer *output, struct error *error)
{
    const char *text = buffer_text(output);
    return error_set(error, CSN_PACKAGE_SIGNING, "openssl did not sign: %.*s", (int)strcspn(text, "\r\n"),
                     text[0] == '\0' ? "it said nothing" : text);
}

static int run_openssl(const struct package_build *build, const char *data_path, const char *signature_path,
                       struct error *error)
{
    struct buffer passphrase = {0};
    struct buffer output = {0};
    const char *arguments[ARGUMENTS_MAX] = {
        "openssl",          "cms",    "-sign",    "-binary", "-noattr", "-md",          "sha256",
        "-outform",         "DER",    "-in",      data_path, "-out",    signature_path, "-signer",
        build->certificate, "-inkey", build->key,
    };
    size_t count = 17;
    if (build->passphrase_file != NULL) {
        buffer_format(&passphrase, "file:%s", build->passphrase_file);
        arguments[count++] = "-passin";
        arguments[count++] = buffer_text(&passphrase);
    }
    int status = 0;
    int result = buffer_check(&passphrase, error);
    if (result == 0) {
        result = process_run(arguments, NULL, SIGNING_TIMEOUT_SEC, &output, &status, error);
    }
    if (result == 0 && status != 0) {
        result = signing_failed(&output, error);
    }
    buffer_free(&passphrase);
    buffer_free(&output);
    return result;
}

static int check(const struct package_build *build, const struct package_trust *trust, const void *data,
                 size_t size_bytes, const char *chain, size_t chain_bytes, const struct buffer *signature,
                 struct error *error)
{
    struct package_signer signer;
    if (package_trust_check(trust, "this package", data, size_bytes, signature->data, signature->size, chain,
                            chain_bytes, &signer, error) != 0) {
        if (error != NULL && error->code == CSN_PACKAGE_SIGNATURE_BAD) {
            error->code = CSN_PACKAGE_SIGNING;
        }
        return -1;
    }
    if (!signer.dates_hold) {
        return error_set(error, CSN_PACKAGE_SIGNING,
                         "the certificate %s (%s to %s), or one above it, is not valid today", build->certificate,
                         signer.not_before, signer.not_after);
    }
    return 0;
}

int package_sign(const struct package_build *build, const struct package_trust *trust, const void *data,
                 size_t size_bytes, const char *chain, size_t chain_bytes, struct buffer *signature,
                 struct error *error)
{
    const char *base = getenv("TMPDIR");
    struct buffer folder = {0};
    struct buffer data_path = {0};
    struct buffer signature_path = {0};
    int result = -1;
    bool made = false;
    buffer_format(&folder, "%s/caisson-sign.XXXXXX", base == NULL || base[0] == '\0' ? "/tmp" : base);
    if (buffer_check(&folder, error) != 0) {
        goto out;
    }
    if (mkdtemp(folder.data) == NULL) {
        error_system(error, CSN_IO, "making the folder %s", folder.data);
        goto out;
    }
    made = true;
    buffer_format(&data_path, "%s/index", folder.data);
    buffer_format(&signature_path, "%s/signature", folder.data);
    if (buffer_check(&data_path, error) != 0 || buffer_check(&signature_path, error) != 0 ||
        file_replace(AT_FDCWD, data_path.data, data, size_bytes, 0600, error) != 0 ||
        run_openssl(build, data_path.data, signature_path.data, error) != 0 ||
        file_read(AT_FDCWD, signature_path.data, PACKAGE_SIGNATURE_LIMIT, signature, error) != 0) {
        goto out;
    }
    result = check(build, trust, data, size_bytes, chain, chain_bytes, signature, error);
out:
    if (made) {
        /* Neither file is secret; a folder of /tmp that stays is no reason to fail. */
        unlink(buffer_text(&data_path));
        unlink(buffer_text(&signature_path));
        rmdir(folder.data);
    }
    buffer_free(&folder);
    buffer_free(&data_path);
    buffer_free(&signature_path);
    return result;
}
