#include "package/package_payload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "lib/file.h"
#include "package/package_index.h"
#include "package/package_member.h"
#include "package/package_refuse.h"
#include "tree/path.h"

#define CHUNK ((size_t)256 << 10)
#define RECORDS_LIMIT ((size_t)64 << 10) /* of a foreign pax header that is looked at for a message */

struct payload {
    const struct package *package;
    const struct package_member *member;
    const struct tree_manifest *manifest;
    const struct payload_target *target; /* NULL: only compare */
    ZSTD_DCtx *decoder;
    char *packed; /* CHUNK bytes */
    ZSTD_inBuffer in;
    uint64_t taken_bytes; /* of the member */
    bool frame_open;      /* inside a zstd frame */
    struct sha256 hash;   /* of the member's bytes so far */
    bool hash_open;
    char *plain; /* CHUNK bytes */
    struct buffer header, name, parent;
    int parent_fd; /* the folder called parent, kept for the next file */
    struct progress_state state;
    const struct progress *progress;
};

int payload_entry(struct tar_entry *entry, struct buffer *name, const struct tree_entry *from, struct error *error)
{
    buffer_clear(name);
    buffer_string(name, from->path[0] == '\0' ? "." : from->path);
    if (from->type == TREE_FOLDER) {
        buffer_string(name, "/");
    }
    *entry = (struct tar_entry){
        .name = buffer_text(name),
        .type = '0',
        .mode = from->mode,
        .mtime_sec = (uint64_t)from->mtime_sec,
    };
    switch (from->type) {
    case TREE_FOLDER: entry->type = '5'; break;
    case TREE_LINK:
        entry->type = '2';
        entry->mode = 0777;
        entry->link = from->link_target;
        break;
    default: entry->size_bytes = from->size_bytes;
    }
    return buffer_check(name, error);
}

static int refill(struct payload *payload, struct error *error)
{
    uint64_t left = payload->member->size_bytes - payload->taken_bytes;
    size_t now = left < CHUNK ? (size_t)left : CHUNK;
    if (package_pread(payload->package, payload->packed, now, payload->member->offset + payload->taken_bytes, error) !=
        0) {
        return -1;
    }
    sha256_add(&payload->hash, payload->packed, now);
    payload->taken_bytes += now;
    payload->in = (ZSTD_inBuffer){payload->packed, now, 0};
    return 0;
}

/* Up to size_bytes of the tar; *got is less only at its end. */
static int get_some(struct payload *payload, void *data, size_t size_bytes, size_t *got, struct error *error)
{
    ZSTD_outBuffer out = {data, size_bytes, 0};
    while (out.pos < out.size) {
        bool drained = payload->in.pos == payload->in.size;
        if (drained && payload->taken_bytes < payload->member->size_bytes) {
            if (refill(payload, error) != 0) {
                return -1;
            }
        } else if (drained && !payload->frame_open) {
            break;
        }
        size_t before = out.pos;
        size_t hint = ZSTD_decompressStream(payload->decoder, &out, &payload->in);
        if (ZSTD_isError(hint)) {
            return error_set(error, CSN_PACKAGE_CONTENT, "%s in %s cannot be decompressed: %s", payload->member->name,
                             payload->package->path, ZSTD_getErrorName(hint));
        }
        payload->frame_open = hint != 0;
        if (drained && payload->taken_bytes == payload->member->size_bytes && payload->in.pos == payload->in.size &&
            payload->frame_open && out.pos == before) {
            return error_set(error, CSN_PACKAGE_CONTENT, "%s in %s ends inside a zstd frame", payload->member->name,
                             payload->package->path);
        }
    }
    *got = out.pos;
    return 0;
}

static int get(struct payload *payload, void *data, size_t size_bytes, struct error *error)
{
    size_t got = 0;
    if (get_some(payload, data, size_bytes, &got, error) != 0) {
        return -1;
    }
    return got == size_bytes ? 0
                             : error_set(error, CSN_PACKAGE_CONTENT, "%s in %s ends too early", payload->member->name,
                                         payload->package->path);
}

/* A block that is not the one expected. Where it is a pax header, the names of what follows are in its records. */
static int refuse(struct payload *payload, size_t at, const char block[TAR_BLOCK], struct error *error)
{
    char name[TAR_BLOCK];
    char link[TAR_BLOCK];
    unsigned mode;
    uint64_t size_bytes = 0;
    char next[TAR_BLOCK];
    struct buffer records = {0};
    char type = tar_peek(block, name, link, sizeof name, &mode, &size_bytes);
    if (type == 'x' && size_bytes <= RECORDS_LIMIT) {
        size_t length = (size_t)size_bytes + tar_padding(size_bytes);
        char *room = buffer_reserve(&records, length);
        if (room == NULL || get(payload, room, length, error) != 0 || get(payload, next, sizeof next, error) != 0) {
            buffer_free(&records);
            return room == NULL ? error_set(error, CSN_MEMORY, "no memory for a header of %s", payload->package->path)
                                : -1;
        }
        room[size_bytes] = '\0';
        block = next;
    }
    refuse_block(payload->manifest, at, block, buffer_text(&records), error);
    buffer_free(&records);
    return -1;
}

static int take_header(struct payload *payload, size_t at, struct error *error)
{
    struct tar_entry expected;
    if (payload_entry(&expected, &payload->name, &payload->manifest->entries[at], error) != 0) {
        return -1;
    }
    buffer_clear(&payload->header);
    tar_header(&payload->header, &expected);
    if (buffer_check(&payload->header, error) != 0) {
        return -1;
    }
    for (size_t done = 0; done < payload->header.size; done += TAR_BLOCK) {
        char block[TAR_BLOCK];
        if (get(payload, block, sizeof block, error) != 0) {
            return -1;
        }
        if (memcmp(block, payload->header.data + done, TAR_BLOCK) != 0) {
            return done == 0 || done + TAR_BLOCK == payload->header.size
                       ? refuse(payload, at, block, error)
                       : error_set(error, CSN_PACKAGE_CONTENT, "the payload: \"%s\" is in the manifest and not here",
                                   payload->manifest->entries[at].path);
        }
    }
    return 0;
}

/* The open folder that holds path, inside the target; *name is path's last part. Kept open, since the next one mostly has the same. */
static int open_parent(struct payload *payload, const char *path, const char **name, struct error *error)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    *name = slash == NULL ? path : slash + 1;
    if (payload->parent_fd >= 0 && payload->parent.size == length &&
        memcmp(buffer_text(&payload->parent), path, length) == 0) {
        return payload->parent_fd;
    }
    file_drop(&payload->parent_fd);
    buffer_clear(&payload->parent);
    buffer_append(&payload->parent, path, length);
    if (buffer_check(&payload->parent, error) != 0) {
        return -1;
    }
    payload->parent_fd = tree_path_open(payload->target->top_fd, buffer_text(&payload->parent), O_RDONLY | O_DIRECTORY);
    if (payload->parent_fd < 0) {
        return error_system(error, CSN_TREE_WRITE, "opening the folder of %s", path);
    }
    return payload->parent_fd;
}

/* Content of a file, compared with its hash, and written to fd unless that is negative. */
static int take_content(struct payload *payload, const struct tree_entry *entry, int fd, struct error *error)
{
    struct sha256 hash;
    sha256_begin(&hash);
    int result = 0;
    for (uint64_t done = 0; result == 0 && done < entry->size_bytes;) {
        uint64_t left = entry->size_bytes - done;
        size_t now = left < CHUNK ? (size_t)left : CHUNK;
        result = get(payload, payload->plain, now, error);
        if (result == 0) {
            sha256_add(&hash, payload->plain, now);
            result = fd < 0 ? 0 : file_write_fd(fd, entry->path, payload->plain, now, error);
            done += now;
            payload->state.done_bytes += now;
            progress_tell(payload->progress, &payload->state);
        }
    }
    uint8_t digest[SHA256_SIZE];
    sha256_end(&hash, digest);
    if (result != 0) {
        return -1;
    }
    if (memcmp(digest, entry->digest, sizeof digest) != 0) {
        return error_set(error, CSN_PACKAGE_CONTENT, "the payload: \"%s\" has not the content of the manifest",
                         entry->path);
    }
    char padding[TAR_BLOCK];
    static const char zeros[TAR_BLOCK];
    size_t length = tar_padding(entry->size_bytes);
    if (get(payload, padding, length, error) != 0) {
        return -1;
    }
    return memcmp(padding, zeros, length) == 0
               ? 0
               : error_set(error, CSN_PACKAGE_CONTENT, "the payload: something lies behind the content of \"%s\"",
                           entry->path);
}

/* The manifest's attributes with the owner that was asked for. *applied owns nothing. */
static void choose_attributes(struct tree_entry *applied, const struct tree_entry *entry,
                              const struct payload_target *target)
{
    *applied = *entry;
    applied->known &= ~(unsigned)(TREE_ASPECT_OWNER | TREE_ASPECT_XATTRS);
    if (target->owner != (uid_t)-1 || target->group != (gid_t)-1) {
        applied->known |= TREE_ASPECT_OWNER;
        applied->uid = target->owner == (uid_t)-1 ? geteuid() : target->owner;
        applied->gid = target->group == (gid_t)-1 ? getegid() : target->group;
    }
}

static int make_file(struct payload *payload, const struct tree_entry *entry, int parent_fd, const char *name,
                     struct error *error)
{
    int fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_system(error, errno == ENOSPC || errno == EDQUOT ? CSN_NO_SPACE : CSN_TREE_WRITE, "making %s",
                            entry->path);
    }
    int result = take_content(payload, entry, fd, error);
    if (result == 0) {
        result = file_close(&fd, entry->path, error);
    }
    file_drop(&fd);
    return result;
}

static int make_entry(struct payload *payload, const struct tree_entry *entry, struct error *error)
{
    const char *name = NULL;
    int parent_fd = open_parent(payload, entry->path, &name, error);
    if (parent_fd < 0) {
        return -1;
    }
    struct tree_entry applied;
    choose_attributes(&applied, entry, payload->target);
    if (entry->type == TREE_FILE) {
        return make_file(payload, entry, parent_fd, name, error) != 0
                   ? -1
                   : tree_entry_apply(parent_fd, name, &applied, NULL, error);
    }
    if (tree_entry_make(parent_fd, name, entry, error) != 0) {
        return -1;
    }
    /* A folder gets its attributes once it is full. */
    return entry->type == TREE_FOLDER ? 0 : tree_entry_apply(parent_fd, name, &applied, NULL, error);
}

static int take_entry(struct payload *payload, size_t at, struct error *error)
{
    const struct tree_entry *entry = &payload->manifest->entries[at];
    payload->state.item = entry->path;
    payload->state.done_items = at;
    progress_tell(payload->progress, &payload->state);
    if (take_header(payload, at, error) != 0) {
        return -1;
    }
    if (payload->target == NULL || entry->path[0] == '\0') {
        return entry->type == TREE_FILE ? take_content(payload, entry, -1, error) : 0;
    }
    return make_entry(payload, entry, error);
}

/* From the last to the first, so that nothing is made in a folder that has its time already. */
static int finish_folders(struct payload *payload, struct error *error)
{
    for (size_t i = payload->manifest->count; i-- > 0;) {
        const struct tree_entry *entry = &payload->manifest->entries[i];
        if (entry->type != TREE_FOLDER) {
            continue;
        }
        struct tree_entry applied;
        choose_attributes(&applied, entry, payload->target);
        const char *name = ".";
        int parent_fd =
            entry->path[0] == '\0' ? payload->target->top_fd : open_parent(payload, entry->path, &name, error);
        if (parent_fd < 0 || tree_entry_apply(parent_fd, name, &applied, NULL, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int take_end(struct payload *payload, struct error *error)
{
    for (size_t i = 0; i < TAR_END / TAR_BLOCK; i++) {
        static const char zeros[TAR_BLOCK];
        char block[TAR_BLOCK];
        if (get(payload, block, sizeof block, error) != 0) {
            return -1;
        }
        if (memcmp(block, zeros, sizeof block) != 0) {
            return refuse(payload, payload->manifest->count, block, error);
        }
    }
    size_t got = 0;
    char more = '\0';
    if (get_some(payload, &more, 1, &got, error) != 0) {
        return -1;
    }
    return got == 0 ? 0 : error_set(error, CSN_PACKAGE_CONTENT, "the payload goes on behind its end");
}

/* The hash over all of the member. Whatever was found wrong: if the bytes are not the signed ones, that is the cause. */
static int check_hash(struct payload *payload, int result, struct error *error)
{
    struct error reading = {0};
    while (payload->taken_bytes < payload->member->size_bytes) {
        if (refill(payload, &reading) != 0) {
            return result != 0 ? result : error_set(error, reading.code, "%s", reading.message);
        }
    }
    uint8_t digest[SHA256_SIZE];
    sha256_end(&payload->hash, digest);
    payload->hash_open = false;
    if (memcmp(digest, payload->member->sha256, sizeof digest) != 0) {
        return error_set(error, CSN_PACKAGE_DAMAGED, "%s in %s is not what was signed", payload->member->name,
                         payload->package->path);
    }
    return result;
}

static int prepare(struct payload *payload, struct error *error)
{
    payload->decoder = ZSTD_createDCtx();
    payload->packed = malloc(CHUNK);
    payload->plain = malloc(CHUNK);
    if (payload->decoder == NULL || payload->packed == NULL || payload->plain == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to read %s", payload->package->path);
    }
    sha256_begin(&payload->hash);
    payload->hash_open = true;
    return 0;
}

static void finish(struct payload *payload)
{
    if (payload->hash_open) {
        uint8_t digest[SHA256_SIZE];
        sha256_end(&payload->hash, digest);
    }
    file_drop(&payload->parent_fd);
    buffer_free(&payload->header);
    buffer_free(&payload->name);
    buffer_free(&payload->parent);
    free(payload->packed);
    free(payload->plain);
    ZSTD_freeDCtx(payload->decoder);
}

int payload_read(const struct package *package, const struct tree_manifest *manifest,
                 const struct payload_target *target, const struct progress *progress, struct error *error)
{
    struct payload payload = {
        .package = package,
        .member = package_member_find(package, PACKAGE_PAYLOAD_NAME),
        .manifest = manifest,
        .target = target,
        .parent_fd = -1,
        .progress = progress,
        .state = {.doing = target == NULL ? "checking the package's files" : "unpacking the package's files",
                  .total_bytes = tree_manifest_size_bytes(manifest),
                  .total_items = manifest->count},
    };
    int result = prepare(&payload, error);
    if (result == 0) {
        for (size_t i = 0; result == 0 && i < manifest->count; i++) {
            result = take_entry(&payload, i, error);
        }
        if (result == 0) {
            result = take_end(&payload, error);
        }
        result = check_hash(&payload, result, error);
    }
    if (result == 0 && target != NULL) {
        result = finish_folders(&payload, error);
    }
    finish(&payload);
    return result;
}
