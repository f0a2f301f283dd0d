#include "package/package.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "package/package_index.h"
#include "package/package_member.h"
#include "package/package_tar.h"
#include "package/package_version.h"

static int not_a_package(const struct package *package, const char *why, struct error *error)
{
    return error_set(error, CSN_PACKAGE_OPEN, "%s: %s", package->path, why);
}

static bool is_zero(const char *data, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (data[i] != '\0') {
            return false;
        }
    }
    return true;
}

static int open_file(struct package *package, int dir_fd, const char *path, struct error *error)
{
    package->path = strdup(path);
    if (package->path == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to open %s", path);
    }
    /* Non-blocking: opening a named pipe must not wait for its other end. */
    package->fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;
    if (package->fd < 0 || fstat(package->fd, &status) != 0) {
        return error_system(error, errno == ENOENT || errno == ENOTDIR ? CSN_NOT_FOUND : CSN_IO,
                            "opening the package %s", path);
    }
    if (!S_ISREG(status.st_mode)) {
        return not_a_package(package, "it is not a file", error);
    }
    package->size_bytes = (uint64_t)status.st_size;
    return 0;
}

/* A member in front of the index's knowledge: header, content up to limit_bytes, zeros. *at is moved behind it. */
static int read_early(const struct package *package, const char *name, size_t limit_bytes, uint64_t *at,
                      struct buffer *content, struct error *error)
{
    char block[TAR_BLOCK];
    uint64_t size_bytes = 0;
    if (package_pread(package, block, sizeof block, *at, error) != 0) {
        return -1;
    }
    if (!tar_member_read(block, name, &size_bytes) || size_bytes > limit_bytes) {
        return error_set(error, CSN_PACKAGE_OPEN, "%s: the header of %s is not one of an offline package",
                         package->path, name);
    }
    size_t length = (size_t)size_bytes + tar_padding(size_bytes);
    char *room = buffer_reserve(content, length);
    if (room == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to read %s of %s", name, package->path);
    }
    if (package_pread(package, room, length, *at + TAR_BLOCK, error) != 0) {
        return -1;
    }
    if (!is_zero(room + size_bytes, length - (size_t)size_bytes)) {
        return error_set(error, CSN_PACKAGE_OPEN, "%s: something lies behind %s", package->path, name);
    }
    content->size = (size_t)size_bytes;
    content->data[content->size] = '\0';
    *at += TAR_BLOCK + length;
    return 0;
}

/* Is the next member called so? Only the header's name is looked at. */
static int peek_name(const struct package *package, uint64_t at, const char *name, bool *is_next, struct error *error)
{
    char block[TAR_BLOCK];
    *is_next = false;
    if (package_pread(package, block, sizeof block, at, error) != 0) {
        return -1;
    }
    *is_next = strncmp(block, name, 100) == 0;
    return 0;
}

static int read_signature(const struct package *package, uint64_t *at, struct buffer *signature, struct buffer *chain,
                          struct error *error)
{
    bool is_next = false;
    if (peek_name(package, *at, PACKAGE_SIGNATURE_NAME, &is_next, error) != 0) {
        return -1;
    }
    if (is_next && read_early(package, PACKAGE_SIGNATURE_NAME, PACKAGE_SIGNATURE_LIMIT, at, signature, error) != 0) {
        return -1;
    }
    if (signature->size == 0) {
        return error_set(error, CSN_PACKAGE_SIGNATURE_MISSING, "%s has no signature (%s) behind its index",
                         package->path, PACKAGE_SIGNATURE_NAME);
    }
    if (peek_name(package, *at, PACKAGE_CHAIN_NAME, &is_next, error) != 0) {
        return -1;
    }
    uint64_t chain_at = *at;
    return is_next ? read_early(package, PACKAGE_CHAIN_NAME, PACKAGE_CHAIN_LIMIT, &chain_at, chain, error) : 0;
}

/* From the signed index everything else follows: where each member lies and how long the file is. */
static int check_layout(struct package *package, const struct buffer *index, const struct buffer *signature,
                        const struct buffer *chain, struct error *error)
{
    uint64_t expected = package_layout(package, index->size, signature->size);
    const struct package_member *member = package_member_find(package, PACKAGE_CHAIN_NAME);
    uint8_t digest[SHA256_SIZE];
    sha256_of(buffer_text(chain), chain->size, digest);
    if (member == NULL ? chain->size > 0 : memcmp(digest, member->sha256, sizeof digest) != 0) {
        return error_set(error, CSN_PACKAGE_DAMAGED, "%s in %s is not what was signed", PACKAGE_CHAIN_NAME,
                         package->path);
    }
    if (package->size_bytes < expected) {
        return error_set(error, CSN_PACKAGE_OPEN, "%s is cut short: it has %llu of %llu bytes", package->path,
                         (unsigned long long)package->size_bytes, (unsigned long long)expected);
    }
    if (package->size_bytes > expected) {
        return error_set(error, CSN_PACKAGE_OPEN, "%s is longer than it should be: it has %llu bytes where %llu belong",
                         package->path, (unsigned long long)package->size_bytes, (unsigned long long)expected);
    }
    return 0;
}

int package_open(struct package *package, int dir_fd, const char *path, const struct package_trust *trust,
                 struct error *error)
{
    *package = (struct package){.fd = -1};
    struct buffer index = {0};
    struct buffer signature = {0};
    struct buffer chain = {0};
    struct buffer name = {0};
    uint64_t at = 0;
    bool is_index = false;
    int result = -1;
    if (open_file(package, dir_fd, path, error) != 0) {
        goto out;
    }
    if (package->size_bytes < TAR_BLOCK || peek_name(package, 0, PACKAGE_INDEX_NAME, &is_index, error) != 0 ||
        !is_index) {
        not_a_package(package, "it is not an offline package: it does not begin with " PACKAGE_INDEX_NAME, error);
        goto out;
    }
    if (read_early(package, PACKAGE_INDEX_NAME, PACKAGE_INDEX_LIMIT, &at, &index, error) != 0 ||
        read_signature(package, &at, &signature, &chain, error) != 0 ||
        package_trust_check(trust, path, buffer_text(&index), index.size, buffer_text(&signature), signature.size,
                            buffer_text(&chain), chain.size, &package->signer, error) != 0) {
        goto out;
    }
    sha256_of(buffer_text(&index), index.size, package->index_sha256);
    buffer_format(&name, "%s in %s", PACKAGE_INDEX_NAME, path);
    if (buffer_check(&name, error) != 0 ||
        package_index_parse(package, PACKAGE_INDEX_SIGNED, buffer_text(&name), buffer_text(&index), index.size,
                            error) != 0 ||
        check_layout(package, &index, &signature, &chain, error) != 0) {
        goto out;
    }
    result = 0;
out:
    if (result != 0) {
        package_close(package);
    }
    buffer_free(&index);
    buffer_free(&signature);
    buffer_free(&chain);
    buffer_free(&name);
    return result;
}

void package_close(struct package *package)
{
    if (package->path != NULL) {
        file_drop(&package->fd);
    }
    package_index_free(package);
    free(package->path);
    *package = (struct package){.fd = -1};
}

int package_check_application(const struct package *package, const char *application, struct error *error)
{
    return strcmp(package->application, application) == 0
               ? 0
               : error_set(error, CSN_PACKAGE_APPLICATION, "%s is for %s, and this server has %s", package->path,
                           package->application, application);
}

int package_check_version(const struct package *package, const char *version, struct error *error)
{
    for (size_t i = 0; i < package->from.count; i++) {
        if (package_version_fits(version, package->from.items[i])) {
            return 0;
        }
    }
    return error_set(error, CSN_PACKAGE_VERSION, "%s upgrades %s from %s to %s, and this server has %s", package->path,
                     package->application, ini_get(&package->ini, "package", "from"), package->version, version);
}

const char *package_note(const struct package *package, const char *role, const char *language)
{
    char name[PACKAGE_MEMBER_NAME_SIZE];
    snprintf(name, sizeof name, "notes/%s.%s.md", role, language);
    const struct package_member *member = package_member_find(package, name);
    return member == NULL ? NULL : member->name;
}

const struct package_role *package_role(const struct package *package, const char *role)
{
    const struct package_role *others = NULL;
    for (size_t i = 0; i < package->roles_count; i++) {
        const struct package_role *line = &package->roles[i];
        if (strcmp(line->from, role) == 0) {
            return line;
        }
        others = strcmp(line->from, "*") == 0 ? line : others;
    }
    return others;
}
