#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "lib/file.h"
#include "package/package_payload.h"
#include "tree/path.h"

#define CHUNK ((size_t)256 << 10)
#define LEVEL 9 /* a tree is packed once and carried often; higher levels cost minutes a gigabyte for a few percent */

struct writing {
    int output_fd;
    int tree_fd;
    ZSTD_CCtx *encoder;
    char *packed; /* CHUNK bytes */
    char *plain;  /* CHUNK bytes */
    struct buffer header, name;
    struct progress_state state;
    const struct progress *progress;
};

static int put(struct writing *writing, const void *data, size_t size_bytes, ZSTD_EndDirective how, struct error *error)
{
    ZSTD_inBuffer in = {data, size_bytes, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {writing->packed, CHUNK, 0};
        left = ZSTD_compressStream2(writing->encoder, &out, &in, how);
        if (ZSTD_isError(left)) {
            return error_set(error, CSN_INTERNAL, "compressing the payload: %s", ZSTD_getErrorName(left));
        }
        if (file_write_fd(writing->output_fd, "the package", writing->packed, out.pos, error) != 0) {
            return -1;
        }
    } while (how == ZSTD_e_end ? left != 0 : in.pos < in.size);
    return 0;
}

static int put_content(struct writing *writing, const struct tree_entry *entry, struct error *error)
{
    static const char zeros[TAR_BLOCK];
    int fd = tree_path_open(writing->tree_fd, entry->path, O_RDONLY | O_NOCTTY);
    if (fd < 0) {
        return error_system(error, CSN_TREE_READ, "opening %s in the new tree", entry->path);
    }
    struct sha256 hash;
    sha256_begin(&hash);
    int result = 0;
    uint64_t done = 0;
    for (ssize_t got = 1; result == 0 && got > 0;) {
        got = read(fd, writing->plain, CHUNK);
        if (got < 0) {
            result = error_system(error, CSN_TREE_READ, "reading %s in the new tree", entry->path);
        } else if (got > 0 && (uint64_t)got <= entry->size_bytes - done) {
            sha256_add(&hash, writing->plain, (size_t)got);
            result = put(writing, writing->plain, (size_t)got, ZSTD_e_continue, error);
            done += (uint64_t)got;
            writing->state.done_bytes += (uint64_t)got;
            progress_tell(writing->progress, &writing->state);
        } else if (got > 0) {
            done = UINT64_MAX;
            break;
        }
    }
    file_drop(&fd);
    uint8_t digest[SHA256_SIZE];
    sha256_end(&hash, digest);
    if (result == 0 && (done != entry->size_bytes || memcmp(digest, entry->digest, sizeof digest) != 0)) {
        return error_set(error, CSN_PACKAGE_INPUT, "%s in the new tree changed while it was packed", entry->path);
    }
    return result == 0 ? put(writing, zeros, tar_padding(entry->size_bytes), ZSTD_e_continue, error) : -1;
}

static int put_entry(struct writing *writing, const struct tree_entry *entry, struct error *error)
{
    struct tar_entry header;
    if (payload_entry(&header, &writing->name, entry, error) != 0) {
        return -1;
    }
    writing->state.item = entry->path;
    writing->state.done_items++;
    progress_tell(writing->progress, &writing->state);
    buffer_clear(&writing->header);
    tar_header(&writing->header, &header);
    if (buffer_check(&writing->header, error) != 0 ||
        put(writing, writing->header.data, writing->header.size, ZSTD_e_continue, error) != 0) {
        return -1;
    }
    return entry->type == TREE_FILE ? put_content(writing, entry, error) : 0;
}

int payload_write(int output_fd, int tree_fd, const struct tree_manifest *manifest, const struct progress *progress,
                  struct error *error)
{
    static const char end[TAR_END];
    struct writing writing = {
        .output_fd = output_fd,
        .tree_fd = tree_fd,
        .encoder = ZSTD_createCCtx(),
        .packed = malloc(CHUNK),
        .plain = malloc(CHUNK),
        .progress = progress,
        .state = {.doing = "packing the new tree",
                  .total_bytes = tree_manifest_size_bytes(manifest),
                  .total_items = manifest->count},
    };
    int result = -1;
    if (writing.encoder == NULL || writing.packed == NULL || writing.plain == NULL) {
        error_set(error, CSN_MEMORY, "no memory to pack the new tree");
        goto out;
    }
    if (ZSTD_isError(ZSTD_CCtx_setParameter(writing.encoder, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writing.encoder, ZSTD_c_checksumFlag, 1))) {
        error_set(error, CSN_INTERNAL, "zstd refuses its settings");
        goto out;
    }
    for (size_t i = 0; i < manifest->count; i++) {
        if (put_entry(&writing, &manifest->entries[i], error) != 0) {
            goto out;
        }
    }
    result = put(&writing, end, sizeof end, ZSTD_e_end, error);
out:
    buffer_free(&writing.header);
    buffer_free(&writing.name);
    free(writing.packed);
    free(writing.plain);
    ZSTD_freeCCtx(writing.encoder);
    return result;
}
