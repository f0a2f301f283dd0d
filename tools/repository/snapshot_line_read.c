#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/json.h"
#include "repository/snapshot.h"
#include "tree/path.h"

/* The get_ functions return false where a line is not as it must be. */

static bool get_number(yyjson_val *object, const char *key, uint64_t limit, uint64_t *number)
{
    yyjson_val *value = yyjson_obj_get(object, key);
    *number = yyjson_get_uint(value);
    return yyjson_is_uint(value) && *number <= limit;
}

static bool get_pair(yyjson_val *object, const char *key, int64_t *first, uint64_t limit, uint32_t *second)
{
    yyjson_val *pair = yyjson_obj_get(object, key);
    yyjson_val *a = yyjson_arr_get(pair, 0);
    yyjson_val *b = yyjson_arr_get(pair, 1);
    if (yyjson_arr_size(pair) != 2 || !yyjson_is_int(a) || !yyjson_is_uint(b) || yyjson_get_uint(b) > limit ||
        (yyjson_is_uint(a) && yyjson_get_uint(a) > INT64_MAX)) {
        return false;
    }
    *first = yyjson_get_sint(a);
    *second = (uint32_t)yyjson_get_uint(b);
    return true;
}

/* The bytes under key or key64 as a new string without NUL inside; NULL where they are not that. */
static char *take_text(yyjson_val *object, const char *key)
{
    struct buffer bytes = {0};
    char *text = NULL;
    if (json_get_bytes(object, key, &bytes) && strlen(buffer_text(&bytes)) == bytes.size) {
        text = buffer_take(&bytes);
    }
    buffer_free(&bytes);
    return text;
}

static char *take_path(yyjson_val *object, const char *key)
{
    char *name = take_text(object, key);
    if (name == NULL || name[0] != '/' || !tree_path_is_sound(name + 1)) {
        free(name);
        return NULL;
    }
    memmove(name, name + 1, strlen(name));
    return name;
}

static bool get_type(yyjson_val *object, enum tree_type *type)
{
    const char *name = yyjson_get_str(yyjson_obj_get(object, "type"));
    for (int i = TREE_FILE; name != NULL && i <= TREE_BLOCK; i++) {
        *type = (enum tree_type)i;
        if (strcmp(name, tree_type_name(*type)) == 0) {
            return true;
        }
    }
    return false;
}

static bool get_mode(yyjson_val *object, unsigned *mode)
{
    const char *text = yyjson_get_str(yyjson_obj_get(object, "mode"));
    if (text == NULL || strlen(text) != 4 || strspn(text, "01234567") != 4) {
        return false;
    }
    *mode = (unsigned)strtoul(text, NULL, 8);
    return true;
}

static bool get_xattrs(yyjson_val *object, struct tree_entry *tree)
{
    yyjson_val *list = yyjson_obj_get(object, "xattrs");
    size_t count = yyjson_arr_size(list);
    if (count == 0) {
        return list == NULL || yyjson_is_arr(list);
    }
    tree->xattrs = calloc(count, sizeof *tree->xattrs);
    if (tree->xattrs == NULL) {
        return false;
    }
    size_t at, max;
    yyjson_val *one;
    yyjson_arr_foreach(list, at, max, one)
    {
        struct tree_xattr *xattr = &tree->xattrs[tree->xattr_count++];
        struct buffer value = {0};
        bool good = json_get_bytes(one, "value", &value);
        xattr->size_bytes = value.size;
        xattr->value = good ? buffer_take(&value) : NULL;
        buffer_free(&value);
        xattr->name = take_text(one, "name");
        if (xattr->value == NULL || xattr->name == NULL || xattr->name[0] == '\0' ||
            (tree->xattr_count > 1 && strcmp(xattr[-1].name, xattr->name) >= 0)) {
            return false;
        }
    }
    return true;
}

/* One [id or null, size]. */
static bool get_piece(yyjson_val *pair, struct snapshot_piece *piece)
{
    yyjson_val *id = yyjson_arr_get(pair, 0);
    yyjson_val *size = yyjson_arr_get(pair, 1);
    bool hole = yyjson_is_null(id);
    if (yyjson_arr_size(pair) != 2 || !yyjson_is_uint(size) || yyjson_get_uint(size) == 0 ||
        yyjson_get_uint(size) > (hole ? (uint64_t)INT64_MAX : CHUNK_LIMIT_BYTES)) {
        return false;
    }
    piece->size_bytes = yyjson_get_uint(size);
    if (hole) {
        memset(piece->id, 0, SHA256_SIZE);
        return true;
    }
    return yyjson_is_str(id) && strlen(yyjson_get_str(id)) == yyjson_get_len(id) &&
           hex_decode(yyjson_get_str(id), piece->id, SHA256_SIZE) && !snapshot_piece_is_hole(piece);
}

static bool get_content(yyjson_val *object, struct snapshot_entry *entry, bool *more, struct error *error)
{
    yyjson_val *list = yyjson_obj_get(object, "content");
    size_t at, max;
    yyjson_val *one;
    if (!yyjson_is_arr(list)) {
        return false;
    }
    yyjson_arr_foreach(list, at, max, one)
    {
        struct snapshot_piece piece;
        if (!get_piece(one, &piece) || snapshot_entry_add(entry, piece.id, piece.size_bytes, error) != 0) {
            return false;
        }
    }
    *more = yyjson_is_true(yyjson_obj_get(object, "more"));
    return !*more || max > 0;
}

static bool pieces_fill_size(const struct snapshot_entry *entry)
{
    uint64_t rest = entry->tree.size_bytes;
    for (size_t i = 0; i < entry->piece_count; i++) {
        if (entry->pieces[i].size_bytes > rest) {
            return false;
        }
        rest -= entry->pieces[i].size_bytes;
    }
    return rest == 0;
}

static bool get_kind(yyjson_val *object, struct snapshot_entry *entry, bool *more, struct error *error)
{
    struct tree_entry *tree = &entry->tree;
    int64_t major;
    if (yyjson_obj_get(object, "hardlink") != NULL || yyjson_obj_get(object, "hardlink64") != NULL) {
        entry->hardlink = take_path(object, "hardlink");
        return entry->hardlink != NULL && tree->type != TREE_FOLDER &&
               tree_path_compare(entry->hardlink, tree->path) < 0;
    }
    switch (tree->type) {
    case TREE_FILE:
        entry->sparse = yyjson_is_true(yyjson_obj_get(object, "sparse"));
        entry->changed = yyjson_is_true(yyjson_obj_get(object, "changed"));
        return get_number(object, "size", INT64_MAX, &tree->size_bytes) && get_content(object, entry, more, error);
    case TREE_LINK:
        tree->link_target = take_text(object, "target");
        tree->size_bytes = tree->link_target == NULL ? 0 : strlen(tree->link_target);
        tree->known |= TREE_ASPECT_TARGET;
        return tree->link_target != NULL && tree->link_target[0] != '\0';
    case TREE_CHARACTER:
    case TREE_BLOCK:
        if (!get_pair(object, "device", &major, UINT32_MAX, &tree->device_minor) || major < 0 || major > UINT32_MAX) {
            return false;
        }
        tree->device_major = (uint32_t)major;
        tree->known |= TREE_ASPECT_DEVICE;
        return true;
    case TREE_FOLDER:
    case TREE_FIFO:
    case TREE_SOCKET: break;
    }
    return true;
}

static bool get_entry(yyjson_val *object, struct snapshot_entry *entry, bool *more, struct error *error)
{
    struct tree_entry *tree = &entry->tree;
    uint64_t uid, gid;
    tree->path = take_path(object, "path");
    if (tree->path == NULL || !get_type(object, &tree->type) || !get_mode(object, &tree->mode) ||
        !get_number(object, "uid", UINT32_MAX, &uid) || !get_number(object, "gid", UINT32_MAX, &gid) ||
        !get_pair(object, "mtime", &tree->mtime_sec, 999999999, &tree->mtime_nsec) ||
        !get_pair(object, "ctime", &tree->ctime_sec, 999999999, &tree->ctime_nsec) ||
        !get_number(object, "dev", UINT64_MAX, &tree->dev) || !get_number(object, "ino", UINT64_MAX, &tree->ino) ||
        !get_number(object, "nlink", UINT64_MAX, &tree->nlink) || !get_xattrs(object, tree)) {
        return false;
    }
    tree->uid = (uint32_t)uid;
    tree->gid = (uint32_t)gid;
    tree->known = TREE_ASPECT_TYPE | TREE_ASPECT_MODE | TREE_ASPECT_OWNER | TREE_ASPECT_MTIME | TREE_ASPECT_XATTRS |
                  TREE_ASPECT_HARDLINKS;
    return get_kind(object, entry, more, error);
}

int snapshot_line_read(struct snapshot_entry *entry, yyjson_val *line, bool continued, bool *more, struct error *error)
{
    *more = false;
    if (!continued) {
        tree_entry_free(&entry->tree);
        free(entry->hardlink);
        entry->hardlink = NULL;
        entry->piece_count = 0;
        entry->sparse = false;
        entry->changed = false;
    }
    struct error trouble = {.code = CSN_NONE};
    bool good = continued ? get_content(line, entry, more, &trouble) : get_entry(line, entry, more, &trouble);
    if (!good && trouble.code == CSN_MEMORY) {
        return error_set(error, CSN_MEMORY, "%s", trouble.message);
    }
    if (!good) {
        return error_set(error, CSN_REPOSITORY_DAMAGED, "the line of %s%s in the snapshot is not as it must be",
                         entry->tree.path == NULL ? "" : "/", entry->tree.path == NULL ? "an entry" : entry->tree.path);
    }
    if (!*more && entry->tree.type == TREE_FILE && entry->hardlink == NULL) {
        if (!pieces_fill_size(entry)) {
            return error_set(error, CSN_REPOSITORY_DAMAGED, "the pieces of /%s in the snapshot do not make its size",
                             entry->tree.path);
        }
        /* A file of one chunk has that chunk's hash: nothing to compute. */
        if (entry->piece_count == 1 && !snapshot_piece_is_hole(&entry->pieces[0])) {
            memcpy(entry->tree.digest, entry->pieces[0].id, SHA256_SIZE);
            entry->tree.has_digest = true;
            entry->tree.known |= TREE_ASPECT_CONTENT;
        }
    }
    return 0;
}
