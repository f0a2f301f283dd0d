#include "package/package_build.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "package/package_collect.h"
#include "package/package_index.h"
#include "package/package_sign.h"
#include "package/package_tar.h"

#define CHUNK ((size_t)256 << 10)

struct building {
    const struct package_build *build;
    struct package_trust trust;
    struct package_collection collection;
    struct buffer path;      /* of the package */
    struct buffer temporary; /* its name until it holds */
    int output_fd;
    int payload_fd; /* a file without a name */
    struct buffer index;
    struct buffer signature;
    char *chunk; /* CHUNK bytes */
};

static const struct package_source *find_source(const struct package_collection *collection, const char *name)
{
    for (size_t i = 0; i < collection->count; i++) {
        if (strcmp(collection->sources[i].name, name) == 0) {
            return &collection->sources[i];
        }
    }
    return NULL;
}

static int sign(struct building *building, const struct buffer *data, struct buffer *signature, struct error *error)
{
    const struct package_source *chain = find_source(&building->collection, PACKAGE_CHAIN_NAME);
    return package_sign(building->build, &building->trust, buffer_text(data), data->size,
                        chain == NULL ? "" : buffer_text(&chain->content), chain == NULL ? 0 : chain->content.size,
                        signature, error);
}

/* A key or certificate that does not do is found before gigabytes are packed. */
static int try_signing(struct building *building, struct error *error)
{
    struct buffer signature = {0};
    int result = sign(building, &building->collection.index_text, &signature, error);
    buffer_free(&signature);
    return result;
}

static int choose_path(struct building *building, struct error *error)
{
    const char *output = building->build->output;
    const struct package *index = &building->collection.index;
    struct stat status;
    if (stat(output, &status) == 0 && S_ISDIR(status.st_mode)) {
        buffer_format(&building->path, "%s/%s-%s.cpkg", output, index->name, index->version);
    } else {
        buffer_string(&building->path, output);
    }
    buffer_format(&building->temporary, "%s.%ld.tmp", buffer_text(&building->path), (long)getpid());
    return buffer_check(&building->path, error) != 0 ? -1 : buffer_check(&building->temporary, error);
}

static int make_file(const char *path, struct error *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd >= 0 ? fd : file_error(error, "making", path);
}

/* Its size and hash stand in the index, which comes before it: so it is made first, in a file beside that has no name. */
static int build_payload(struct building *building, struct error *error)
{
    struct buffer path = {0};
    buffer_format(&path, "%s.payload", buffer_text(&building->temporary));
    int result = buffer_check(&path, error);
    if (result == 0) {
        building->payload_fd = make_file(path.data, error);
        result = building->payload_fd < 0 ? -1 : 0;
    }
    if (result == 0) {
        unlink(path.data);
        result = payload_write(building->payload_fd, building->collection.tree_fd, &building->collection.tree,
                               building->build->progress, error);
    }
    uint8_t digest[SHA256_SIZE];
    uint64_t size_bytes = 0;
    if (result == 0) {
        result = lseek(building->payload_fd, 0, SEEK_SET) != 0
                     ? error_system(error, CSN_IO, "reading the payload")
                     : tree_digest_fd(building->payload_fd, path.data, digest, &size_bytes, error);
    }
    if (result == 0) {
        result = package_collect_payload(&building->collection, digest, size_bytes, error);
    }
    buffer_free(&path);
    return result;
}

static int build_index(struct building *building, struct error *error)
{
    const struct package_collection *collection = &building->collection;
    const struct buffer *given = &collection->index_text;
    bool ends = given->size > 0 && given->data[given->size - 1] == '\n';
    buffer_append(&building->index, buffer_text(given), given->size);
    buffer_string(&building->index, ends ? "\n[members]\n" : "\n\n[members]\n");
    for (size_t i = 0; i < collection->count; i++) {
        char hex[SHA256_HEX_SIZE];
        hex_encode(collection->sources[i].sha256, SHA256_SIZE, hex);
        buffer_format(&building->index, "%s = %s %" PRIu64 "\n", collection->sources[i].name, hex,
                      collection->sources[i].size_bytes);
    }
    if (buffer_check(&building->index, error) != 0) {
        return -1;
    }
    return building->index.size <= PACKAGE_INDEX_LIMIT
               ? 0
               : error_set(error, CSN_PACKAGE_INPUT, "the index has %zu bytes, more than the %zu it may have",
                           building->index.size, PACKAGE_INDEX_LIMIT);
}

static int put(struct building *building, const void *data, size_t size_bytes, struct error *error)
{
    return file_write_fd(building->output_fd, buffer_text(&building->temporary), data, size_bytes, error);
}

static int put_header(struct building *building, const char *name, uint64_t size_bytes, struct error *error)
{
    struct buffer header = {0};
    tar_member_header(&header, name, size_bytes);
    int result = buffer_check(&header, error);
    if (result == 0) {
        result = put(building, header.data, header.size, error);
    }
    buffer_free(&header);
    return result;
}

static int put_padding(struct building *building, uint64_t size_bytes, struct error *error)
{
    static const char zeros[TAR_BLOCK];
    return put(building, zeros, tar_padding(size_bytes), error);
}

static int put_buffer(struct building *building, const char *name, const struct buffer *content, struct error *error)
{
    if (put_header(building, name, content->size, error) != 0 ||
        put(building, buffer_text(content), content->size, error) != 0) {
        return -1;
    }
    return put_padding(building, content->size, error);
}

/* Exactly size_bytes; that they are the right ones is found out when the result is verified. */
static int put_file(struct building *building, int fd, const char *name, uint64_t size_bytes, struct error *error)
{
    for (uint64_t left = size_bytes; left > 0;) {
        ssize_t got = read(fd, building->chunk, left < CHUNK ? (size_t)left : CHUNK);
        if (got < 0) {
            return error_system(error, CSN_IO, "reading %s", name);
        }
        if (got == 0) {
            return error_set(error, CSN_PACKAGE_INPUT, "%s changed while it was packed", name);
        }
        if (put(building, building->chunk, (size_t)got, error) != 0) {
            return -1;
        }
        left -= (uint64_t)got;
    }
    return 0;
}

static int put_source(struct building *building, const struct package_source *source, struct error *error)
{
    if (source->from == SOURCE_CONTENT) {
        return put_buffer(building, source->name, &source->content, error);
    }
    int opened_fd = -1;
    int fd = building->payload_fd;
    if (source->from == SOURCE_INPUT) {
        fd = opened_fd =
            openat(building->collection.input_fd, source->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    }
    if (fd < 0 || lseek(fd, 0, SEEK_SET) != 0) {
        error_system(error, CSN_IO, "opening %s", source->name);
        file_drop(&opened_fd);
        return -1;
    }
    int result = put_header(building, source->name, source->size_bytes, error);
    if (result == 0) {
        result = put_file(building, fd, source->name, source->size_bytes, error);
    }
    if (result == 0) {
        result = put_padding(building, source->size_bytes, error);
    }
    file_drop(&opened_fd);
    return result;
}

static int write_package(struct building *building, struct error *error)
{
    static const char end[TAR_END];
    building->output_fd = make_file(building->temporary.data, error);
    if (building->output_fd < 0 || put_buffer(building, PACKAGE_INDEX_NAME, &building->index, error) != 0 ||
        put_buffer(building, PACKAGE_SIGNATURE_NAME, &building->signature, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < building->collection.count; i++) {
        if (put_source(building, &building->collection.sources[i], error) != 0) {
            return -1;
        }
    }
    if (put(building, end, sizeof end, error) != 0) {
        return -1;
    }
    if (fsync(building->output_fd) != 0) {
        return error_system(error, CSN_IO, "making %s durable", building->temporary.data);
    }
    return file_close(&building->output_fd, building->temporary.data, error);
}

/* As a server will open it: what would be refused there must not leave here. */
static int verify_package(const struct building *building, struct error *error)
{
    struct package package;
    if (package_open(&package, AT_FDCWD, building->temporary.data, &building->trust, error) != 0) {
        return error_wrap(error, "the package just made does not hold");
    }
    int result = package_verify(&package, building->build->progress, error);
    package_close(&package);
    return result == 0 ? 0 : error_wrap(error, "the package just made does not hold");
}

static int make_real(const struct building *building, struct error *error)
{
    if (rename(building->temporary.data, building->path.data) != 0) {
        return error_system(error, CSN_IO, "renaming into place %s", building->path.data);
    }
    return file_sync_parent(AT_FDCWD, building->path.data, error);
}

static int build_all(struct building *building, struct error *error)
{
    building->chunk = malloc(CHUNK);
    if (building->chunk == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to pack");
    }
    if (package_collect(&building->collection, building->build, error) != 0 || choose_path(building, error) != 0 ||
        try_signing(building, error) != 0 || build_payload(building, error) != 0 || build_index(building, error) != 0 ||
        sign(building, &building->index, &building->signature, error) != 0) {
        return -1;
    }
    int result = write_package(building, error);
    if (result == 0) {
        result = verify_package(building, error);
    }
    if (result == 0) {
        result = make_real(building, error);
    }
    if (result != 0) {
        unlink(building->temporary.data);
    }
    return result;
}

int package_build(const struct package_build *build, char **path, struct error *error)
{
    struct building building = {.build = build, .output_fd = -1, .payload_fd = -1};
    building.collection = (struct package_collection){.input_fd = -1, .tree_fd = -1};
    int result = package_trust_load(&building.trust, build->trust, error);
    if (result == 0) {
        result = build_all(&building, error);
    }
    if (result == 0) {
        *path = buffer_take(&building.path);
    }
    package_trust_free(&building.trust);
    package_collection_free(&building.collection);
    file_drop(&building.output_fd);
    file_drop(&building.payload_fd);
    buffer_free(&building.path);
    buffer_free(&building.temporary);
    buffer_free(&building.index);
    buffer_free(&building.signature);
    free(building.chunk);
    return result;
}
