#include "database/base_backup_tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "tree/path.h"

#define CONTROL_FILE "global/pg_control"
#define CONTROL_BYTES 8192

/* --- libarchive --- */

static la_ssize_t give(struct archive *archive, void *context, const void **bytes)
{
    struct base_backup_tar *tar = context;
    size_t size = 0;
    int got = tar->more(tar->more_context, &tar->data, &size, tar->why);
    if (got < 0) {
        tar->failed = true;
        archive_set_error(archive, EIO, "the stream broke");
        return ARCHIVE_FATAL;
    }
    *bytes = tar->data;
    return got == 0 ? 0 : (la_ssize_t)size;
}

static int refuse(const struct base_backup_tar *tar, struct archive *archive, struct error *error)
{
    const char *what = archive_error_string(archive);
    return tar->failed ? -1
                       : error_set(error, CSN_DATABASE_QUERY, "the server's base backup is no archive: %s",
                                   what == NULL ? "it cannot be read" : what);
}

/* --- one entry --- */

struct content {
    struct base_backup_tar *tar;
    struct archive *archive;
    struct sha256 hash;
    bool keep; /* it is pg_control */
    uint64_t came;
};

static ssize_t read_content(void *context, uint8_t *into, size_t size_bytes, struct error *error)
{
    struct content *content = context;
    size_t have = 0;
    while (have < size_bytes) {
        la_ssize_t got = archive_read_data(content->archive, into + have, size_bytes - have);
        if (got < 0) {
            return refuse(content->tar, content->archive, error);
        }
        if (got == 0) {
            break;
        }
        have += (size_t)got;
    }
    if (content->tar->files != NULL) {
        sha256_add(&content->hash, into, have);
    }
    if (content->keep && content->tar->control->size + have <= CONTROL_BYTES) {
        buffer_append(content->tar->control, into, have);
    }
    content->came += have;
    content->tar->bytes += have;
    return (ssize_t)have;
}

/* As the manifest names it. */
static void name_of(const struct base_backup_tar *tar, const char *path, struct buffer *name)
{
    if (tar->oid != 0) {
        buffer_format(name, "pg_tblspc/%u/", tar->oid);
    }
    buffer_string(name, path);
}

static int take_file(struct base_backup_tar *tar, struct archive *archive, const struct tree_entry *entry,
                     struct error *error)
{
    struct content content = {.tar = tar, .archive = archive};
    uint8_t digest[SHA256_SIZE];
    content.keep = tar->control != NULL && tar->oid == 0 && strcmp(entry->path, CONTROL_FILE) == 0;
    if (tar->files != NULL) {
        sha256_begin(&content.hash);
    }
    int result = tar->take(tar->take_context, tar->oid, entry, read_content, &content, error);
    if (tar->files != NULL) {
        struct buffer name = {0};
        sha256_end(&content.hash, digest);
        name_of(tar, entry->path, &name);
        if (result == 0) {
            result = buffer_check(&name, error) != 0
                         ? -1
                         : manifest_files_add(tar->files, name.data, content.came, digest, error);
        }
        buffer_free(&name);
    }
    tar->file_count++;
    return result;
}

/* The path without "./" and a closing "/"; false where it is none that belongs below a folder. */
static bool clean(const char *given, char path[4096])
{
    while (strncmp(given, "./", 2) == 0) {
        given += 2;
    }
    if (snprintf(path, 4096, "%s", strcmp(given, ".") == 0 ? "" : given) >= 4096) {
        return false;
    }
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        path[--length] = '\0';
    }
    return tree_path_is_sound(path);
}

static int take_folder_itself(const struct base_backup_tar *tar, const struct tree_entry *like, struct error *error)
{
    struct tree_entry folder = *like;
    folder.path = (char *)(uintptr_t) "";
    folder.type = TREE_FOLDER;
    folder.mode = 0700;
    folder.size_bytes = 0;
    folder.link_target = NULL;
    return tar->take(tar->take_context, tar->oid, &folder, NULL, NULL, error);
}

static int take_entry(struct base_backup_tar *tar, struct archive *archive, struct archive_entry *head, bool *first,
                      struct error *error)
{
    char path[4096];
    const char *given = archive_entry_pathname(head);
    struct tree_entry entry = {
        .path = path,
        .known = TREE_ASPECT_TYPE | TREE_ASPECT_MODE | TREE_ASPECT_OWNER | TREE_ASPECT_MTIME,
        .mode = (unsigned)archive_entry_perm(head),
        .uid = (uint32_t)archive_entry_uid(head),
        .gid = (uint32_t)archive_entry_gid(head),
        .mtime_sec = archive_entry_mtime(head),
        .ctime_sec = archive_entry_mtime(head),
        .nlink = 1,
    };
    if (given == NULL || archive_entry_hardlink(head) != NULL || !clean(given, path)) {
        return error_set(error, CSN_DATABASE_QUERY,
                         "the server's base backup has an entry of an impossible name: %.200s",
                         given == NULL ? "(none)" : given);
    }
    switch (archive_entry_filetype(head)) {
    case AE_IFREG:
        entry.type = TREE_FILE;
        entry.size_bytes = (uint64_t)archive_entry_size(head);
        entry.known |= TREE_ASPECT_CONTENT;
        break;
    case AE_IFDIR: entry.type = TREE_FOLDER; break;
    case AE_IFLNK:
        entry.type = TREE_LINK;
        entry.link_target = (char *)(uintptr_t)archive_entry_symlink(head);
        entry.size_bytes = entry.link_target == NULL ? 0 : strlen(entry.link_target);
        entry.mode = 0777;
        entry.known |= TREE_ASPECT_TARGET;
        break;
    default:
        return error_set(error, CSN_DATABASE_QUERY, "%s of the server's base backup is of no kind that a cluster has",
                         path);
    }
    if (entry.type == TREE_LINK && entry.link_target == NULL) {
        return error_set(error, CSN_DATABASE_QUERY, "the link %s of the server's base backup leads nowhere", path);
    }
    if (*first && take_folder_itself(tar, &entry, error) != 0) {
        return -1;
    }
    *first = false;
    return path[0] == '\0'           ? 0
           : entry.type == TREE_FILE ? take_file(tar, archive, &entry, error)
                                     : tar->take(tar->take_context, tar->oid, &entry, NULL, NULL, error);
}

int base_backup_tar_read(struct base_backup_tar *tar, struct error *error)
{
    struct archive_entry *head = NULL;
    struct archive *archive = archive_read_new();
    bool first = true;
    int result = 0;
    tar->failed = false;
    tar->why = error;
    if (archive == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to read an archive");
    }
    if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
        archive_read_open(archive, tar, NULL, give, NULL) != ARCHIVE_OK) {
        result = refuse(tar, archive, error);
    }
    while (result == 0) {
        int got = archive_read_next_header(archive, &head);
        if (got == ARCHIVE_EOF) {
            break;
        }
        result = got != ARCHIVE_OK && got != ARCHIVE_WARN ? refuse(tar, archive, error)
                                                          : take_entry(tar, archive, head, &first, error);
    }
    archive_read_free(archive);
    size_t size = 0;
    int got = 1;
    while (result == 0 && (got = tar->more(tar->more_context, &tar->data, &size, error)) > 0) {
        /* what fills the archive's last block */
    }
    return got < 0 ? -1 : result;
}
