#include <stdio.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/json.h"
#include "repository/snapshot.h"

static bool add_path(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, const char *path,
                     struct buffer *room)
{
    buffer_clear(room);
    buffer_append(room, "/", 1);
    buffer_string(room, path);
    return !room->failed && json_add_bytes(document, object, key, room->data, room->size);
}

static bool add_pair(yyjson_mut_doc *document, yyjson_mut_val *object, const char *key, int64_t first, uint64_t second)
{
    yyjson_mut_val *pair = yyjson_mut_arr(document);
    return pair != NULL && yyjson_mut_arr_add_sint(document, pair, first) &&
           yyjson_mut_arr_add_uint(document, pair, second) && yyjson_mut_obj_add_val(document, object, key, pair);
}

static bool add_xattrs(yyjson_mut_doc *document, yyjson_mut_val *object, const struct tree_entry *entry)
{
    yyjson_mut_val *list = yyjson_mut_arr(document);
    bool good = list != NULL;
    for (size_t i = 0; good && i < entry->xattr_count; i++) {
        const struct tree_xattr *xattr = &entry->xattrs[i];
        yyjson_mut_val *one = yyjson_mut_obj(document);
        good = one != NULL && json_add_bytes(document, one, "name", xattr->name, strlen(xattr->name)) &&
               json_add_bytes(document, one, "value", xattr->value, xattr->size_bytes) &&
               yyjson_mut_arr_append(list, one);
    }
    return good && yyjson_mut_obj_add_val(document, object, "xattrs", list);
}

static bool add_content(yyjson_mut_doc *document, yyjson_mut_val *object, const struct snapshot_entry *entry,
                        size_t from)
{
    size_t end =
        entry->piece_count - from > SNAPSHOT_PIECES_A_LINE ? from + SNAPSHOT_PIECES_A_LINE : entry->piece_count;
    yyjson_mut_val *list = yyjson_mut_arr(document);
    bool good = list != NULL;
    for (size_t i = from; good && i < end; i++) {
        const struct snapshot_piece *piece = &entry->pieces[i];
        char hex[SHA256_HEX_SIZE];
        hex_encode(piece->id, SHA256_SIZE, hex);
        yyjson_mut_val *one = yyjson_mut_arr_add_arr(document, list);
        good = one != NULL &&
               (snapshot_piece_is_hole(piece) ? yyjson_mut_arr_add_null(document, one)
                                              : yyjson_mut_arr_add_strncpy(document, one, hex, SHA256_HEX_SIZE - 1)) &&
               yyjson_mut_arr_add_uint(document, one, piece->size_bytes);
    }
    return good && yyjson_mut_obj_add_val(document, object, "content", list) &&
           (end == entry->piece_count || yyjson_mut_obj_add_true(document, object, "more"));
}

static bool add_kind(yyjson_mut_doc *document, yyjson_mut_val *object, const struct snapshot_entry *entry,
                     struct buffer *room)
{
    const struct tree_entry *tree = &entry->tree;
    if (entry->hardlink != NULL) {
        return add_path(document, object, "hardlink", entry->hardlink, room);
    }
    switch (tree->type) {
    case TREE_FILE:
        return yyjson_mut_obj_add_uint(document, object, "size", tree->size_bytes) &&
               (!entry->sparse || yyjson_mut_obj_add_true(document, object, "sparse")) &&
               (!entry->changed || yyjson_mut_obj_add_true(document, object, "changed")) &&
               add_content(document, object, entry, 0);
    case TREE_LINK: return json_add_bytes(document, object, "target", tree->link_target, strlen(tree->link_target));
    case TREE_CHARACTER:
    case TREE_BLOCK: return add_pair(document, object, "device", tree->device_major, tree->device_minor);
    case TREE_FOLDER:
    case TREE_FIFO:
    case TREE_SOCKET: break;
    }
    return true;
}

static bool add_entry(yyjson_mut_doc *document, yyjson_mut_val *object, const struct snapshot_entry *entry,
                      struct buffer *room)
{
    const struct tree_entry *tree = &entry->tree;
    char mode[8];
    snprintf(mode, sizeof mode, "%04o", tree->mode & 07777);
    return add_path(document, object, "path", tree->path, room) &&
           yyjson_mut_obj_add_str(document, object, "type", tree_type_name(tree->type)) &&
           yyjson_mut_obj_add_strcpy(document, object, "mode", mode) &&
           yyjson_mut_obj_add_uint(document, object, "uid", tree->uid) &&
           yyjson_mut_obj_add_uint(document, object, "gid", tree->gid) &&
           add_pair(document, object, "mtime", tree->mtime_sec, tree->mtime_nsec) &&
           add_pair(document, object, "ctime", tree->ctime_sec, tree->ctime_nsec) &&
           yyjson_mut_obj_add_uint(document, object, "dev", tree->dev) &&
           yyjson_mut_obj_add_uint(document, object, "ino", tree->ino) &&
           yyjson_mut_obj_add_uint(document, object, "nlink", tree->nlink) &&
           (tree->xattr_count == 0 || add_xattrs(document, object, tree)) && add_kind(document, object, entry, room);
}

static int append(struct buffer *lines, yyjson_mut_doc *document, yyjson_alc *memory, struct error *error)
{
    size_t length = 0;
    char *text = yyjson_mut_write_opts(document, YYJSON_WRITE_NOFLAG, memory, &length, NULL);
    if (text == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to write a line of a snapshot");
    }
    buffer_append(lines, text, length);
    buffer_append(lines, "\n", 1);
    memory->free(memory->ctx, text);
    return buffer_check(lines, error);
}

int snapshot_line_write(struct buffer *lines, const struct snapshot_entry *entry, yyjson_alc *memory,
                        struct error *error)
{
    struct buffer room = {0};
    int result = 0;
    size_t from = 0;
    do {
        yyjson_mut_doc *document = yyjson_mut_doc_new(memory);
        yyjson_mut_val *object = yyjson_mut_obj(document);
        yyjson_mut_doc_set_root(document, object);
        bool good = object != NULL && (from == 0 ? add_entry(document, object, entry, &room)
                                                 : add_content(document, object, entry, from));
        result = good ? append(lines, document, memory, error)
                      : error_set(error, CSN_MEMORY, "no memory to write a line of a snapshot");
        yyjson_mut_doc_free(document);
        from += SNAPSHOT_PIECES_A_LINE;
    } while (result == 0 && from < entry->piece_count);
    buffer_free(&room);
    return result;
}
