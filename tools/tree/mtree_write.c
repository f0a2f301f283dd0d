#include <inttypes.h>
#include <string.h>

#include "tree/manifest.h"

/* libarchive's own mtree writer cannot be given a digest, only content to hash; these lines are what it would write. */

static const char *const type_words[] = {
    [TREE_FILE] = "file",     [TREE_FOLDER] = "dir",     [TREE_LINK] = "link",   [TREE_FIFO] = "fifo",
    [TREE_SOCKET] = "socket", [TREE_CHARACTER] = "char", [TREE_BLOCK] = "block",
};

/* vis(3) style: every byte that is not plain becomes a backslash and three octal digits. */
static void append_escaped(struct buffer *text, const char *bytes)
{
    for (const char *at = bytes; *at != '\0';) {
        size_t plain = 0;
        while (at[plain] > ' ' && at[plain] < 0x7f && strchr("\\#=*?[]", at[plain]) == NULL) {
            plain++;
        }
        buffer_append(text, at, plain);
        at += plain;
        if (*at != '\0') {
            buffer_format(text, "\\%03o", (unsigned)(unsigned char)*at);
            at++;
        }
    }
}

static void append_entry(struct buffer *text, const struct tree_entry *entry, unsigned aspects)
{
    unsigned wanted = aspects & entry->known;
    char hex[SHA256_HEX_SIZE];
    buffer_string(text, entry->path[0] == '\0' ? "." : "./");
    append_escaped(text, entry->path);
    buffer_format(text, " type=%s", type_words[entry->type]);
    if ((wanted & TREE_ASPECT_MODE) != 0) {
        buffer_format(text, " mode=%04o", entry->mode);
    }
    if ((wanted & TREE_ASPECT_OWNER) != 0) {
        buffer_format(text, " uid=%" PRIu32 " gid=%" PRIu32, entry->uid, entry->gid);
    }
    if ((wanted & TREE_ASPECT_DEVICE) != 0) {
        buffer_format(text, " device=native,%" PRIu32 ",%" PRIu32, entry->device_major, entry->device_minor);
    }
    if ((wanted & TREE_ASPECT_CONTENT) != 0) {
        buffer_format(text, " size=%" PRIu64, entry->size_bytes);
    }
    if ((wanted & TREE_ASPECT_TARGET) != 0) {
        buffer_string(text, " link=");
        append_escaped(text, entry->link_target);
    }
    if ((wanted & TREE_ASPECT_MTIME) != 0) {
        buffer_format(text, " time=%" PRId64 ".%09" PRIu32, entry->mtime_sec, entry->mtime_nsec);
    }
    if ((aspects & TREE_ASPECT_CONTENT) != 0 && entry->has_digest) {
        hex_encode(entry->digest, sizeof entry->digest, hex);
        buffer_format(text, " sha256digest=%s", hex);
    }
    buffer_append(text, "\n", 1);
}

int tree_manifest_write(struct tree_manifest *manifest, unsigned aspects, struct buffer *text, struct error *error)
{
    if (tree_manifest_sort(manifest, error) != 0) {
        return -1;
    }
    buffer_string(text, "#mtree\n");
    for (size_t i = 0; i < manifest->count; i++) {
        append_entry(text, &manifest->entries[i], aspects);
    }
    return buffer_check(text, error);
}

int tree_manifest_hash(struct tree_manifest *manifest, unsigned aspects, uint8_t digest[SHA256_SIZE],
                       struct error *error)
{
    struct sha256 hash;
    struct buffer line = {0};
    if (tree_manifest_sort(manifest, error) != 0) {
        return -1;
    }
    sha256_begin(&hash);
    sha256_add(&hash, "#mtree\n", 7);
    for (size_t i = 0; i < manifest->count; i++) {
        buffer_clear(&line);
        append_entry(&line, &manifest->entries[i], aspects);
        sha256_add(&hash, buffer_text(&line), line.size);
    }
    sha256_end(&hash, digest);
    int result = buffer_check(&line, error);
    buffer_free(&line);
    return result;
}
