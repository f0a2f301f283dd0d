#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zstd.h>

#include "lib/file.h"
#include "package/package_index.h"
#include "package/package_member.h"
#include "package/package_payload.h"
#include "package/package_refuse.h"
#include "package/package_tar.h"

#define MANIFEST_BYTES_LIMIT ((size_t)1 << 30)
#define MANIFEST_ENTRIES_LIMIT ((size_t)8 << 20)

struct watching {
    const struct progress *progress;
    struct progress_state state;
};

static int count_bytes(void *context, const void *data, size_t size_bytes, struct error *error)
{
    struct watching *watching = context;
    (void)data;
    (void)error;
    watching->state.done_bytes += size_bytes;
    progress_tell(watching->progress, &watching->state);
    return 0;
}

static int damaged(const struct package *package, const char *what, struct error *error)
{
    return error_set(error, CSN_PACKAGE_DAMAGED, "%s of %s is not what was signed", what, package->path);
}

/* The header is the one that the index asks for, and between content and the next header there are only zeros. */
static int check_frame(const struct package *package, const struct package_member *member, struct error *error)
{
    static const char zeros[TAR_BLOCK];
    struct buffer header = {0};
    struct buffer found = {0};
    char padding[TAR_BLOCK];
    size_t padding_bytes = tar_padding(member->size_bytes);
    tar_member_header(&header, member->name, member->size_bytes);
    char *room = buffer_reserve(&found, header.size);
    int result = 0;
    if (header.failed || header.data == NULL || room == NULL) {
        error_set(error, CSN_MEMORY, "no memory to check the header of %s", member->name);
        result = -1;
    }
    if (result == 0) {
        result = package_pread(package, room, header.size, member->offset - header.size, error);
    }
    if (result == 0) {
        result = package_pread(package, padding, padding_bytes, member->offset + member->size_bytes, error);
    }
    if (result == 0 && (memcmp(room, header.data, header.size) != 0 || memcmp(padding, zeros, padding_bytes) != 0)) {
        result = error_set(error, CSN_PACKAGE_DAMAGED, "the header or padding of %s in %s is not what was signed",
                           member->name, package->path);
    }
    buffer_free(&header);
    buffer_free(&found);
    return result;
}

static int check_end(const struct package *package, struct error *error)
{
    static const char zeros[TAR_END];
    char end[TAR_END];
    if (package_pread(package, end, sizeof end, package->size_bytes - TAR_END, error) != 0) {
        return -1;
    }
    return memcmp(end, zeros, sizeof end) == 0 ? 0 : damaged(package, "the end", error);
}

static int check_bytes(const struct package *package, const struct progress *progress, struct error *error)
{
    struct watching watching = {
        .progress = progress,
        .state = {.doing = "checking the package",
                  .total_bytes = package->size_bytes,
                  .total_items = package->members_count},
    };
    for (size_t i = 0; i < package->members_count; i++) {
        const struct package_member *member = &package->members[i];
        watching.state.item = member->name;
        watching.state.done_items = i;
        if (check_frame(package, member, error) != 0 ||
            package_member_stream(package, member, count_bytes, &watching, error) != 0) {
            return -1;
        }
    }
    return check_end(package, error);
}

static int append(void *context, const void *data, size_t size_bytes, struct error *error)
{
    struct buffer *content = context;
    buffer_append(content, data, size_bytes);
    return buffer_check(content, error);
}

static const struct package_member *find_member(const struct package *package, const char *name, struct error *error)
{
    const struct package_member *member = package_member_find(package, name);
    if (member == NULL) {
        error_set(error, CSN_PACKAGE_CONTENT, "%s has no member %s", package->path, name);
    }
    return member;
}

int package_member_read(const struct package *package, const char *name, size_t limit_bytes, struct buffer *content,
                        struct error *error)
{
    const struct package_member *member = find_member(package, name, error);
    if (member == NULL) {
        return -1;
    }
    if (member->size_bytes > limit_bytes) {
        return error_set(error, CSN_PACKAGE_CONTENT, "%s in %s is larger than the %zu bytes it may have", name,
                         package->path, limit_bytes);
    }
    size_t before = content->size;
    int result = package_member_stream(package, member, append, content, error);
    if (result != 0 && content->data != NULL) {
        content->size = before;
        content->data[before] = '\0';
    }
    return result;
}

struct extraction {
    int fd;
    const char *name;
};

static int write_out(void *context, const void *data, size_t size_bytes, struct error *error)
{
    const struct extraction *extraction = context;
    return file_write_fd(extraction->fd, extraction->name, data, size_bytes, error);
}

int package_member_extract(const struct package *package, const char *name, int dir_fd, const char *file_name,
                           mode_t mode, struct error *error)
{
    if (!package->verified) {
        return error_set(error, CSN_INTERNAL, "%s was to be extracted from %s before all of it was verified", name,
                         package->path);
    }
    const struct package_member *member = find_member(package, name, error);
    if (member == NULL) {
        return -1;
    }
    struct extraction extraction = {
        openat(dir_fd, file_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), file_name};
    if (extraction.fd < 0) {
        return error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_IO, "making the file %s", file_name);
    }
    int result = package_member_stream(package, member, write_out, &extraction, error);
    /* Its mode comes last: until the hash has held it is not there to be run. */
    if (result == 0 && (fchmod(extraction.fd, mode) != 0 || fsync(extraction.fd) != 0)) {
        result = error_system(error, CSN_IO, "making %s durable", file_name);
    }
    if (result == 0) {
        result = file_close(&extraction.fd, file_name, error);
    }
    file_drop(&extraction.fd);
    if (result != 0) {
        unlinkat(dir_fd, file_name, 0);
    }
    return result;
}

static int unpack_frame(const struct package *package, const char *name, const struct buffer *packed,
                        struct buffer *text, struct error *error)
{
    unsigned long long size = ZSTD_getFrameContentSize(packed->data, packed->size);
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > MANIFEST_BYTES_LIMIT ||
        ZSTD_findFrameCompressedSize(packed->data, packed->size) != packed->size) {
        return error_set(error, CSN_PACKAGE_CONTENT, "%s in %s is not one zstd frame of known size", name,
                         package->path);
    }
    char *room = buffer_reserve(text, (size_t)size);
    if (room == NULL) {
        return buffer_check(text, error);
    }
    size_t got = ZSTD_decompress(room, (size_t)size, packed->data, packed->size);
    if (ZSTD_isError(got) || got != size) {
        return error_set(error, CSN_PACKAGE_CONTENT, "%s in %s cannot be decompressed", name, package->path);
    }
    text->size = got;
    text->data[got] = '\0';
    return 0;
}

static void manifest_member(char name[PACKAGE_MEMBER_NAME_SIZE], const char *version)
{
    if (version == NULL) {
        snprintf(name, PACKAGE_MEMBER_NAME_SIZE, "%s", PACKAGE_MANIFEST_NEW);
    } else {
        snprintf(name, PACKAGE_MEMBER_NAME_SIZE, "manifests/old-%s.mtree.zst", version);
    }
}

bool package_has_manifest(const struct package *package, const char *version)
{
    char name[PACKAGE_MEMBER_NAME_SIZE];
    manifest_member(name, version);
    return package_member_find(package, name) != NULL;
}

static int read_manifest(const struct package *package, const char *member, struct tree_manifest *manifest,
                         struct error *error)
{
    struct buffer packed = {0};
    struct buffer text = {0};
    int result = package_member_read(package, member, MANIFEST_BYTES_LIMIT, &packed, error);
    if (result == 0) {
        result = unpack_frame(package, member, &packed, &text, error);
    }
    if (result == 0 &&
        tree_manifest_read(manifest, member, buffer_text(&text), text.size, MANIFEST_ENTRIES_LIMIT, error) != 0) {
        result = -1;
        if (error != NULL && error->code == CSN_TREE_MANIFEST) {
            error->code = CSN_PACKAGE_CONTENT; /* it is signed: the vendor's to mend */
        }
    }
    buffer_free(&packed);
    buffer_free(&text);
    return result;
}

int package_manifest_read(const struct package *package, const char *version, struct tree_manifest *manifest,
                          struct error *error)
{
    char member[PACKAGE_MEMBER_NAME_SIZE];
    manifest_member(member, version);
    if (package_member_find(package, member) == NULL) {
        return error_set(error, CSN_PACKAGE_VERSION, "%s has no manifest of the vendor's tree of %s", package->path,
                         version == NULL ? package->version : version);
    }
    if (read_manifest(package, member, manifest, error) != 0) {
        return -1;
    }
    if (version == NULL && refuse_manifest(manifest, "the new tree", error) != 0) {
        tree_manifest_free(manifest);
        return -1;
    }
    return 0;
}

static int check_profile(const struct package *package, struct error *error)
{
    struct profile profile;
    int result = package_profile_read(package, &profile, error);
    profile_free(&profile);
    return result;
}

static int check_old_manifests(const struct package *package, struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < package->members_count; i++) {
        const char *name = package->members[i].name;
        if (strncmp(name, "manifests/old-", strlen("manifests/old-")) == 0) {
            struct tree_manifest manifest = {0};
            result = read_manifest(package, name, &manifest, error);
            if (result == 0) {
                result = refuse_old_manifest(&manifest, name, CSN_PACKAGE_CONTENT, error);
            }
            tree_manifest_free(&manifest);
        }
    }
    return result;
}

int package_verify(struct package *package, const struct progress *progress, struct error *error)
{
    struct tree_manifest manifest = {0};
    package->verified = false;
    int result = check_bytes(package, progress, error);
    if (result == 0) {
        result = check_profile(package, error);
    }
    if (result == 0) {
        result = check_old_manifests(package, error);
    }
    if (result == 0) {
        result = package_manifest_read(package, NULL, &manifest, error);
    }
    if (result == 0) {
        result = payload_read(package, &manifest, NULL, progress, error);
    }
    if (result == 0) {
        package->tree_bytes = tree_manifest_size_bytes(&manifest);
        package->tree_items = manifest.count;
        package->verified = true;
    }
    tree_manifest_free(&manifest);
    return result;
}
