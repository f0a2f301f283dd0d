#include <archive.h>
#include <archive_entry.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tree/manifest.h"
#include "tree/path.h"

/*
 * libarchive is forgiving where a manifest must not be: it merges two lines of one path, drops a last line that was cut
 * short, ends a name at an escaped NUL, and trusts the form of /set. So the text is looked over first, and what could
 * be read in two ways is refused.
 */

#define LINE_LIMIT 65000 /* libarchive's own is 65536 */

struct reader {
    const char *name;
    size_t limit_entries;
    size_t entries; /* lines that libarchive has to give an entry for each */
    size_t line;
};

static int refuse(const struct reader *reader, const char *why, struct error *error)
{
    return error_set(error, CSN_TREE_MANIFEST, "%s, line %zu: %s", reader->name, reader->line, why);
}

static bool is_octal(char digit)
{
    return digit >= '0' && digit <= '7';
}

/* The bytes of one line: printable, and no escaped NUL. */
static int check_bytes(const struct reader *reader, const char *line, size_t size_bytes, struct error *error)
{
    for (size_t i = 0; i < size_bytes; i++) {
        char byte = line[i];
        if ((byte < ' ' && byte != '\t' && byte != '\r') || byte == 0x7f || (byte & 0x80) != 0) {
            return refuse(reader, "a byte that is not printable", error);
        }
        if (byte != '\\') {
            continue;
        }
        const char *next = line + i + 1;
        size_t left = size_bytes - i - 1;
        bool is_number = left > 2 && is_octal(next[0]) && is_octal(next[1]) && is_octal(next[2]);
        if (left > 0 && next[0] == '0' && (!is_number || (next[1] == '0' && next[2] == '0'))) {
            return refuse(reader, "an escaped NUL in a name", error);
        }
        i++;
    }
    return 0;
}

/* libarchive copies the words of /set to each entry: only known ones, each with a value, so that they cannot pile up. */
static int check_set(const struct reader *reader, const char *words, const char *end, struct error *error)
{
    static const char *const keys[] = {"type",  "mode", "uid",  "gid",   "uname",    "gname",
                                       "nlink", "time", "size", "flags", "optional", "nochange"};
    while (words < end) {
        size_t blank = strspn(words, " \t\r\n\\");
        words += blank;
        size_t length = strcspn(words, " \t\r\n\\");
        if (words >= end || length == 0) {
            return 0;
        }
        const char *equals = memchr(words, '=', length);
        bool is_known = false;
        for (size_t i = 0; i < sizeof keys / sizeof keys[0] && equals != NULL; i++) {
            is_known = is_known || (strlen(keys[i]) == (size_t)(equals - words) &&
                                    strncmp(keys[i], words, (size_t)(equals - words)) == 0);
        }
        if (!is_known) {
            return refuse(reader, "/set with something that is not known", error);
        }
        words += length;
    }
    return 0;
}

/* One line as libarchive sees it: its continuations are part of it. text is followed by a NUL. */
static int check_line(struct reader *reader, const char *line, size_t size_bytes, struct error *error)
{
    const char *end = line + size_bytes;
    if (size_bytes > LINE_LIMIT) {
        return refuse(reader, "too long", error);
    }
    while (line < end && (*line == ' ' || *line == '\t')) {
        line++;
    }
    if (line == end || *line == '#' || *line == '\r' || *line == '\n') {
        return 0;
    }
    size_t word = strcspn(line, " \t\r\n");
    if (*line == '/') {
        if (word == 4 && strncmp(line, "/set", 4) == 0) {
            return check_set(reader, line + 4, end, error);
        }
        if (word == 6 && strncmp(line, "/unset", 6) == 0) {
            return 0;
        }
        return refuse(reader, "an absolute path", error);
    }
    if (word == 2 && strncmp(line, "..", 2) == 0) {
        return 0;
    }
    if (++reader->entries > reader->limit_entries) {
        return refuse(reader, "more entries than allowed", error);
    }
    return 0;
}

static int check_text(struct reader *reader, const char *text, size_t size_bytes, struct error *error)
{
    reader->line = 1;
    if (size_bytes < 7 || strncmp(text, "#mtree", 6) != 0) {
        return refuse(reader, "it does not start with #mtree", error);
    }
    if (text[size_bytes - 1] != '\n') {
        return refuse(reader, "it is cut short: the last line has no end", error);
    }
    const char *start = text;
    for (const char *at = text; at < text + size_bytes;) {
        const char *end = memchr(at, '\n', (size_t)(text + size_bytes - at));
        if (check_bytes(reader, at, (size_t)(end - at), error) != 0) {
            return -1;
        }
        size_t backslashes = 0;
        while (end - backslashes > at && end[-1 - (ptrdiff_t)backslashes] == '\\') {
            backslashes++;
        }
        at = end + 1;
        if (backslashes % 2 == 0) {
            if (check_line(reader, start, (size_t)(at - start), error) != 0) {
                return -1;
            }
            start = at;
        }
        reader->line++;
    }
    return start == text + size_bytes ? 0 : refuse(reader, "it is cut short: the last line goes on", error);
}

static bool type_of(mode_t type, enum tree_type *result)
{
    switch (type) {
    case AE_IFREG: *result = TREE_FILE; return true;
    case AE_IFDIR: *result = TREE_FOLDER; return true;
    case AE_IFLNK: *result = TREE_LINK; return true;
    case AE_IFIFO: *result = TREE_FIFO; return true;
    case AE_IFCHR: *result = TREE_CHARACTER; return true;
    case AE_IFBLK: *result = TREE_BLOCK; return true;
    default: return false;
    }
}

/* What libarchive found about an entry; its path is there already. */
static int take_attributes(struct tree_entry *entry, struct archive_entry *from)
{
    static const uint8_t no_digest[SHA256_SIZE];
    entry->known = TREE_ASPECT_TYPE;
    if (archive_entry_perm_is_set(from) && entry->type != TREE_LINK) {
        entry->known |= TREE_ASPECT_MODE;
        entry->mode = archive_entry_perm(from) & 07777U;
    }
    if (archive_entry_uid_is_set(from) && archive_entry_gid_is_set(from)) {
        la_int64_t uid = archive_entry_uid(from);
        la_int64_t gid = archive_entry_gid(from);
        if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX) {
            return -1;
        }
        entry->known |= TREE_ASPECT_OWNER;
        entry->uid = (uint32_t)uid;
        entry->gid = (uint32_t)gid;
    }
    if (archive_entry_mtime_is_set(from)) {
        entry->known |= TREE_ASPECT_MTIME;
        entry->mtime_sec = archive_entry_mtime(from);
        entry->mtime_nsec = (uint32_t)archive_entry_mtime_nsec(from);
    }
    if (entry->type == TREE_CHARACTER || entry->type == TREE_BLOCK) {
        entry->known |= TREE_ASPECT_DEVICE;
        entry->device_major = (uint32_t)archive_entry_rdevmajor(from);
        entry->device_minor = (uint32_t)archive_entry_rdevminor(from);
    }
    if (entry->type == TREE_FILE) {
        const unsigned char *digest = archive_entry_digest(from, ARCHIVE_ENTRY_DIGEST_SHA256);
        entry->has_digest = digest != NULL && memcmp(digest, no_digest, sizeof no_digest) != 0;
        if (entry->has_digest) {
            memcpy(entry->digest, digest, sizeof entry->digest);
        }
        if (archive_entry_size(from) < 0) {
            return -1;
        }
        entry->size_bytes = (uint64_t)archive_entry_size(from);
        /* libarchive says size 0 where the manifest says nothing; the digest tells the two apart. */
        uint8_t empty[SHA256_SIZE];
        if (entry->size_bytes == 0 && entry->has_digest) {
            sha256_of("", 0, empty);
        }
        if (entry->size_bytes > 0 || !entry->has_digest || memcmp(entry->digest, empty, sizeof empty) == 0) {
            entry->known |= TREE_ASPECT_CONTENT;
        }
    }
    return 0;
}

static int take_entry(struct tree_manifest *manifest, const struct reader *reader, struct archive_entry *from,
                      struct error *error)
{
    struct tree_entry entry = {0};
    const char *path = archive_entry_pathname(from);
    if (path == NULL || path[0] == '/') {
        return error_set(error, CSN_TREE_MANIFEST, "%s: the path \"%s\" is absolute", reader->name,
                         path == NULL ? "" : path);
    }
    path = strcmp(path, ".") == 0 ? "" : strncmp(path, "./", 2) == 0 ? path + 2 : path;
    if (!tree_path_is_sound(path)) {
        return error_set(error, CSN_TREE_MANIFEST, "%s: the path \"%s\" leads outside or is malformed", reader->name,
                         path);
    }
    const char *target = archive_entry_symlink(from);
    if (!type_of(archive_entry_filetype(from), &entry.type) || take_attributes(&entry, from) != 0) {
        return error_set(error, CSN_TREE_MANIFEST, "%s: \"%s\" has a type or a number that cannot be", reader->name,
                         path);
    }
    if (entry.type == TREE_LINK && (target == NULL || target[0] == '\0')) {
        return error_set(error, CSN_TREE_MANIFEST, "%s: the link \"%s\" has no target", reader->name, path);
    }
    entry.path = strdup(path);
    entry.link_target = entry.type == TREE_LINK ? strdup(target) : NULL;
    if (entry.path == NULL || (entry.type == TREE_LINK && entry.link_target == NULL)) {
        tree_entry_free(&entry);
        return error_set(error, CSN_MEMORY, "no memory for the manifest %s", reader->name);
    }
    entry.known |= entry.type == TREE_LINK ? TREE_ASPECT_TARGET : 0U;
    return tree_manifest_add(manifest, &entry, error);
}

static int read_entries(struct tree_manifest *manifest, const struct reader *reader, struct archive *archive,
                        const char *text, size_t size_bytes, struct error *error)
{
    struct archive_entry *entry = NULL;
    if (archive_read_support_format_mtree(archive) != ARCHIVE_OK ||
        archive_read_open_memory(archive, text, size_bytes) != ARCHIVE_OK) {
        return error_set(error, CSN_TREE_MANIFEST, "%s: %s", reader->name, archive_error_string(archive));
    }
    for (;;) {
        int status = archive_read_next_header(archive, &entry);
        if (status == ARCHIVE_EOF) {
            break;
        }
        if (status != ARCHIVE_OK) { /* a warning is something that would be left out silently */
            const char *why = archive_error_string(archive);
            const char *path = status == ARCHIVE_WARN ? archive_entry_pathname(entry) : NULL;
            return error_set(error, CSN_TREE_MANIFEST, "%s: %s%s%s", reader->name, path == NULL ? "" : path,
                             path == NULL ? "" : ": ", why == NULL ? "not mtree" : why);
        }
        if (take_entry(manifest, reader, entry, error) != 0) {
            return -1;
        }
    }
    if (manifest->count != reader->entries) {
        return error_set(error, CSN_TREE_MANIFEST, "%s: a path is there twice (%zu lines, %zu paths)", reader->name,
                         reader->entries, manifest->count);
    }
    if (tree_manifest_sort(manifest, error) != 0) {
        return error_wrap(error, "%s", reader->name);
    }
    return 0;
}

int tree_manifest_read(struct tree_manifest *manifest, const char *name, const void *text, size_t size_bytes,
                       size_t limit_entries, struct error *error)
{
    struct reader reader = {.name = name, .limit_entries = limit_entries};
    *manifest = (struct tree_manifest){0};
    /* A copy, because the checks look at text as a string. */
    char *copy = malloc(size_bytes + 1);
    if (copy == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the manifest %s", name);
    }
    memcpy(copy, text, size_bytes);
    copy[size_bytes] = '\0';
    struct archive *archive = NULL;
    int result = check_text(&reader, copy, size_bytes, error);
    if (result == 0) {
        archive = archive_read_new();
        result = archive == NULL ? error_set(error, CSN_MEMORY, "no memory for the manifest %s", name)
                                 : read_entries(manifest, &reader, archive, copy, size_bytes, error);
    }
    if (result != 0) {
        tree_manifest_free(manifest);
    }
    archive_read_free(archive);
    free(copy);
    return result;
}
