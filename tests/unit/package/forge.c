#include "package/forge.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "lib/file.h"
#include "lib/sha256.h"
#include "package/package_tar.h"

const char forge_index[] = "[package]\nformat = 1\nname = tiny\napplication = tiny\ntitle = Tiny 2.0\nversion = 2.0\n"
                           "from = 1.0, 1.2.*\n\n"
                           "[migration 10-schema]\nkind = sql\nfile = migrations/10-schema.sql\n\n"
                           "[check page]\nkind = http\npath = /\n";

const struct forge_entry forge_tree[] = {
    {"./", '5', 0755, NULL, NULL},
    {"bin/", '5', 0750, NULL, NULL},
    {"bin/run", '0', 0755, "#!/bin/sh\n", NULL},
    {"bin/start", '2', 0777, NULL, "run"},
    {"empty", '0', 0644, "", NULL},
    {"lib/", '5', 0755, NULL, NULL},
    {"lib/to-bin", '2', 0777, NULL, "../bin"},
    {NULL, 0, 0, NULL, NULL},
};

static char folder[64];

/* Certificates as three vendors' offices might make them. $1 is the folder. */
static const char make_certificates[] =
    "set -e; cd \"$1\"\n"
    "key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }\n"
    "ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n'\n"
    "code='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=codeSigning\n'\n"
    "web='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n'\n"
    "agree='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyAgreement\nextendedKeyUsage=codeSigning\n'\n"
    "plain='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n'\n"
    "root() { key $1; openssl req -x509 -new -key $1.key -utf8 -subj \"/CN=$2/O=\345\214\227\344\272\254\" -days 3650 "
    "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -out $1.pem; }\n"
    "make() { [ -e $1.key ] || key $1; openssl req -new -key $1.key -subj \"/CN=$1\" -out $1.csr; printf \"$3\" "
    ">$1.ext; shift; }\n"
    "sign() { make \"$@\"; openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -set_serial 0x$(openssl rand -hex 8) "
    "-days 3000 -extfile $1.ext -out $1.pem; }\n"
    "dated() { make $1 x \"$code\"; mkdir db-$1; : >db-$1/index; echo 01 >db-$1/serial\n"
    "printf "
    "'[ca]\\ndefault_ca=d\\n[d]\\ndatabase=db-%s/index\\nserial=db-%s/"
    "serial\\nnew_certs_dir=db-%s\\ndefault_md=sha256\\n"
    "policy=p\\n[p]\\ncommonName=supplied\\n' $1 $1 $1 >db-$1/conf\n"
    "openssl ca -batch -notext -config db-$1/conf -cert root.pem -keyfile root.key -in $1.csr -startdate $2 -enddate "
    "$3 "
    "-extfile $1.ext -out $1.pem; }\n"
    "root root Root; root other-root Other\n"
    "sign signer root \"$code\"; sign middle root \"$ca\"; sign below middle \"$code\"; sign web root \"$web\"\n"
    "sign agree root \"$agree\"; sign plain root \"$plain\"; sign stranger other-root \"$code\"\n"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key; sign rsa root \"$code\"\n"
    "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out weak.key; sign weak root \"$code\"\n"
    "dated expired 20100101000000Z 20110101000000Z; dated future 20900101000000Z 20910101000000Z\n"
    "cp root.pem impostor.key.pem; key impostor; cp signer.pem impostor.pem\n"
    "openssl x509 -in root.pem -outform DER -out root.der\n";

static int run_shell(const char *script, const char *argument)
{
    char *command = NULL;
    if (asprintf(&command, "set -- '%s'\n%s", argument, script) < 0) {
        return -1;
    }
    char *log = NULL;
    char *whole = NULL;
    int result = -1;
    if (asprintf(&log, "%s/log", folder) >= 0 && asprintf(&whole, "exec >'%s' 2>&1\n%s", log, command) >= 0) {
        result = system(whole); // NOLINT(cert-env33-c)
    }
    if (result != 0) {
        struct buffer said = {0};
        if (log != NULL && file_read(AT_FDCWD, log, 65536, &said, NULL) == 0) {
            print_error("%s\n", buffer_text(&said));
        }
        buffer_free(&said);
    }
    free(command);
    free(whole);
    free(log);
    return result;
}

int forge_setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/caisson-forge-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : run_shell(make_certificates, folder);
}

int forge_teardown(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command); // NOLINT(cert-env33-c)
}

const char *forge_file(const char *name)
{
    static char paths[4][256];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void forge_trust(struct package_trust *trust, const char *root)
{
    struct error error = {0};
    if (package_trust_load(trust, forge_file(root), &error) != 0) {
        fail_msg("%s", error.message);
    }
}

static void must(int result, const struct error *error)
{
    if (result != 0) {
        fail_msg("%s", error->message);
    }
}

void forge_signature(struct buffer *signature, const void *data, size_t size_bytes, const char *signer,
                     const char *options)
{
    struct error error = {0};
    char *command = NULL;
    must(file_replace(AT_FDCWD, forge_file("data"), data, size_bytes, 0600, &error), &error);
    assert_true(
        asprintf(&command,
                 "cd \"$1\" && openssl cms -sign -binary -noattr -md sha256 -outform DER -in data -out signature "
                 "-signer %s.pem -inkey %s.key %s",
                 signer, signer, options == NULL ? "" : options) > 0);
    assert_int_equal(run_shell(command, folder), 0);
    free(command);
    must(file_read(AT_FDCWD, forge_file("signature"), 1 << 20, signature, &error), &error);
}

void forge_compress(struct buffer *packed, const void *data, size_t size_bytes)
{
    size_t bound = ZSTD_compressBound(size_bytes);
    char *room = buffer_reserve(packed, bound);
    assert_non_null(room);
    size_t got = ZSTD_compress(room, bound, data, size_bytes, 1);
    assert_false(ZSTD_isError(got));
    packed->size += got;
}

static void append_zeros(struct buffer *out, size_t size_bytes)
{
    static const char zeros[TAR_END];
    buffer_append(out, zeros, size_bytes);
}

void forge_payload(struct buffer *packed, const struct forge_entry *entries)
{
    struct buffer tar = {0};
    for (const struct forge_entry *entry = entries; entry->name != NULL; entry++) {
        size_t size = entry->content == NULL ? 0 : strlen(entry->content);
        struct tar_entry header = {
            .name = entry->name, .type = entry->type, .mode = entry->mode, .size_bytes = size, .link = entry->link};
        tar_header(&tar, &header);
        buffer_append(&tar, entry->content == NULL ? "" : entry->content, size);
        append_zeros(&tar, tar_padding(size));
    }
    append_zeros(&tar, TAR_END);
    assert_false(tar.failed);
    forge_compress(packed, tar.data, tar.size);
    buffer_free(&tar);
}

void forge_manifest(struct buffer *text, const struct forge_entry *entries)
{
    buffer_string(text, "#mtree\n");
    for (const struct forge_entry *entry = entries; entry->name != NULL; entry++) {
        bool top = strcmp(entry->name, "./") == 0;
        size_t length = strlen(entry->name) - (entry->type == '5' ? 1 : 0);
        buffer_format(text, "%s%.*s", top ? "" : "./", (int)length, entry->name);
        if (entry->type == '5') {
            buffer_format(text, " type=dir mode=%04o time=0.0\n", entry->mode);
        } else if (entry->type == '2') {
            buffer_format(text, " type=link link=%s time=0.0\n", entry->link);
        } else {
            uint8_t digest[SHA256_SIZE];
            char hex[SHA256_HEX_SIZE];
            sha256_of(entry->content, strlen(entry->content), digest);
            hex_encode(digest, sizeof digest, hex);
            buffer_format(text, " type=file mode=%04o size=%zu time=0.0 sha256digest=%s\n", entry->mode,
                          strlen(entry->content), hex);
        }
    }
}

static void append_member(struct buffer *out, const char *name, const char *content, size_t size_bytes)
{
    tar_member_header(out, name, size_bytes);
    buffer_append(out, content, size_bytes);
    append_zeros(out, tar_padding(size_bytes));
}

void forge_package(const char *path, const char *index, const struct forge_member *members, size_t count,
                   const char *signer)
{
    struct buffer text = {0};
    struct buffer signature = {0};
    struct buffer out = {0};
    struct error error = {0};
    buffer_format(&text, "%s\n[members]\n", index);
    for (size_t i = 0; i < count; i++) {
        uint8_t digest[SHA256_SIZE];
        char hex[SHA256_HEX_SIZE];
        sha256_of(members[i].content, members[i].size_bytes, digest);
        hex_encode(digest, sizeof digest, hex);
        buffer_format(&text, "%s = %s %zu\n", members[i].name, hex, members[i].size_bytes);
    }
    append_member(&out, "package.ini", buffer_text(&text), text.size);
    if (signer != NULL) {
        forge_signature(&signature, buffer_text(&text), text.size, signer, NULL);
        append_member(&out, "package.ini.p7s", buffer_text(&signature), signature.size);
    }
    for (size_t i = 0; i < count; i++) {
        append_member(&out, members[i].name, members[i].content, members[i].size_bytes);
    }
    append_zeros(&out, TAR_END);
    must(buffer_check(&out, &error), &error);
    must(file_replace(AT_FDCWD, path, out.data, out.size, 0600, &error), &error);
    buffer_free(&text);
    buffer_free(&signature);
    buffer_free(&out);
}

void forge_usual(const char *path, const struct buffer *manifest, const struct buffer *payload)
{
    static const char migration[] = "SELECT 1;\n";
    static const struct forge_entry old[] = {{"./", '5', 0755, NULL, NULL}, {NULL, 0, 0, NULL, NULL}};
    struct buffer old_text = {0};
    struct buffer old_packed = {0};
    struct buffer new_packed = {0};
    forge_manifest(&old_text, old);
    forge_compress(&old_packed, old_text.data, old_text.size);
    forge_compress(&new_packed, manifest->data, manifest->size);
    const struct forge_member members[] = {
        {"manifests/new.mtree.zst", new_packed.data, new_packed.size},
        {"manifests/old-1.0.mtree.zst", old_packed.data, old_packed.size},
        {"migrations/10-schema.sql", migration, strlen(migration)},
        {"payload.tar.zst", payload->data, payload->size},
    };
    forge_package(path, forge_index, members, sizeof members / sizeof members[0], "signer");
    buffer_free(&old_text);
    buffer_free(&old_packed);
    buffer_free(&new_packed);
}
