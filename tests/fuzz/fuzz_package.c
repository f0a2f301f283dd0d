/*
 * fuzz_package.c - what a package's reader makes of any bytes. The first byte says which part of it gets the rest:
 * the file as a whole, the signature, the signed index, or the payload.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "package/package_index.h"
#include "package/package_payload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A root for tests; its key was thrown away, but for the signatures in the corpus. */
static const char root[] = "-----BEGIN CERTIFICATE-----\n"
                           "MIIBhTCCASugAwIBAgIUUdzkhs62CTnOYLGhjm4XMd3whIgwCgYIKoZIzj0EAwIw\n"
                           "DzENMAsGA1UEAwwERnV6ejAgFw0yNjExMjMwNDI1NDZaGA8yMTI2MTAzMDA0MjU0\n"
                           "NlowDzENMAsGA1UEAwwERnV6ejBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABFtD\n"
                           "ZKAyAjQ9WMMHZ8AkXsu7js1FZZHTjpa3bcfRiV6za9N5kkE4JeC7ZNgn4isl/iEq\n"
                           "t8mWUNIUuXoG1mWxXNOjYzBhMB0GA1UdDgQWBBSZiKjkHPaNv1y/2Dfrxrlfyj5J\n"
                           "EDAfBgNVHSMEGDAWgBSZiKjkHPaNv1y/2Dfrxrlfyj5JEDAPBgNVHRMBAf8EBTAD\n"
                           "AQH/MA4GA1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNIADBFAiAd3g34bsMY/Qzn\n"
                           "X8J6shh8xTsEwJwH0b+GeZg96jLi2QIhAMmK0RU+CI8i/kkETy7x3X+3U3NMJvVV\n"
                           "bYFGdktlMA2G\n"
                           "-----END CERTIFICATE-----\n";

static void fuzz_file(const struct package_trust *trust, int fd)
{
    char path[64];
    struct package package;
    struct error error;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (package_open(&package, AT_FDCWD, path, trust, &error) == 0) {
        int result = package_verify(&package, NULL, &error);
        if (package.verified != (result == 0)) {
            abort();
        }
        package_close(&package);
    }
}

static void fuzz_signature(const struct package_trust *trust, const void *data, size_t size_bytes)
{
    struct package_signer signer;
    struct error error;
    int result =
        package_trust_check(trust, "x", "what is signed", 14, data, size_bytes, root, strlen(root), &signer, &error);
    if (result == 0 && signer.subject[0] == '\0') {
        abort();
    }
}

static void fuzz_index(const char *data, size_t size_bytes)
{
    struct package package = {.fd = -1};
    struct error error;
    for (size_t i = 0; i < size_bytes; i++) {
        if (data[i] == '\0') {
            return;
        }
    }
    int result = package_index_parse(&package, PACKAGE_INDEX_SIGNED, "x", data, size_bytes, &error);
    if (result != 0 && error.code != CSN_PACKAGE_CONTENT && error.code != CSN_MEMORY) {
        abort();
    }
    package_index_free(&package);
}

/* Against the manifest of a small tree: whatever the bytes are, they have not the hash of the index. */
static void fuzz_payload(int fd, size_t size_bytes)
{
    static const char text[] = "#mtree\n. type=dir mode=0755 time=0.0\n./a type=file mode=0644 size=3 time=0.0 "
                               "sha256digest=ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n./b "
                               "type=link link=a time=0.0\n";
    struct tree_manifest manifest = {0};
    struct error error;
    if (tree_manifest_read(&manifest, "x", text, strlen(text), 10, &error) != 0) {
        abort();
    }
    struct package_member member = {.name = PACKAGE_PAYLOAD_NAME, .size_bytes = size_bytes};
    struct package package = {.fd = fd, .path = (char *)(uintptr_t) "x", .members = &member, .members_count = 1};
    if (payload_read(&package, &manifest, NULL, NULL, &error) == 0) {
        abort();
    }
    tree_manifest_free(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct package_trust trust;
    struct error error;
    if (size == 0 || (trust.count == 0 && package_trust_parse(&trust, "root", root, strlen(root), &error) != 0)) {
        return 0;
    }
    const char *rest = (const char *)data + 1;
    size_t rest_bytes = size - 1;
    if (data[0] == 's') {
        fuzz_signature(&trust, rest, rest_bytes);
    } else if (data[0] == 'i') {
        fuzz_index(rest, rest_bytes);
    } else if (data[0] == 'f' || data[0] == 'p') {
        int fd = memfd_create("fuzz", MFD_CLOEXEC);
        if (fd < 0 || write(fd, rest, rest_bytes) != (ssize_t)rest_bytes) {
            abort();
        }
        if (data[0] == 'f') {
            fuzz_file(&trust, fd);
        } else {
            fuzz_payload(fd, rest_bytes);
        }
        close(fd);
    }
    return 0;
}
