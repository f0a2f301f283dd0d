#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <archive.h>
#include <archive_entry.h>

#include "lib/workers.h"
#include "repository/internal.h"
#include "repository/selected.h"

struct export
{
    struct selected selected;
    struct pack_cache *cache;
    struct archive *archive;
    struct archive_entry *entry;
    const struct progress *progress;
    struct repository_export_summary *summary;
    uint64_t total_bytes;
    struct strings first_paths;  /* first names that are not selected, and by the same index, */
    struct strings first_places; /* the name under which the file was exported instead */
};

/* path: of the entry at hand; "" for none. */
static int archive_failed(struct export *export, const char *path, struct error *error)
{
    int code = archive_errno(export->archive);
    enum error_code kind = code == ENOSPC || code == EDQUOT ? CSN_NO_SPACE : CSN_IO;
    const char *what = code == ENOSPC || code == EDQUOT ? strerror(code) : archive_error_string(export->archive);
    what = what == NULL ? strerror(code) : what;
    return path[0] == '\0' ? error_set(error, kind, "writing the archive: %s", what)
                           : error_set(error, kind, "writing the archive, at /%s: %s", path, what);
}

static void tell(const struct export *export, const char *item)
{
    struct progress_state state = {
        .doing = "exporting",
        .item = item,
        .done_bytes = export->summary->bytes,
        .total_bytes = export->total_bytes,
        .done_items = export->summary->entries,
    };
    progress_tell(export->progress, &state);
}

/* --- heads --- */

static mode_t type_bits(enum tree_type type)
{
    static const mode_t bits[] = {
        [TREE_FILE] = S_IFREG,    [TREE_FOLDER] = S_IFDIR,    [TREE_LINK] = S_IFLNK, [TREE_FIFO] = S_IFIFO,
        [TREE_SOCKET] = S_IFSOCK, [TREE_CHARACTER] = S_IFCHR, [TREE_BLOCK] = S_IFBLK};
    return bits[type];
}

/* What is between the holes. The archive takes a file without any as a whole. */
static void set_sparse(struct archive_entry *head, const struct snapshot_entry *entry)
{
    uint64_t offset = 0;
    uint64_t from = 0;
    bool holes = false;
    for (size_t i = 0; i < entry->piece_count; i++) {
        if (snapshot_piece_is_hole(&entry->pieces[i])) {
            if (offset > from) {
                archive_entry_sparse_add_entry(head, (la_int64_t)from, (la_int64_t)(offset - from));
            }
            from = offset + entry->pieces[i].size_bytes;
            holes = true;
        }
        offset += entry->pieces[i].size_bytes;
    }
    if (holes && (offset > from || archive_entry_sparse_count(head) == 0)) {
        archive_entry_sparse_add_entry(head, (la_int64_t)(offset > from ? from : offset),
                                       (la_int64_t)(offset > from ? offset - from : 0));
    }
}

/* The library writes "seconds.nanoseconds" whatever the sign, and a reader takes that for a decimal number. What lies within the
 * second before 1970 cannot be said so, and becomes that second's beginning. */
static void set_time(struct archive_entry *head, int64_t seconds, uint32_t nanoseconds)
{
    bool before = seconds < 0 && nanoseconds > 0;
    bool within = before && seconds == -1;
    archive_entry_set_mtime(head, (time_t)(before && !within ? seconds + 1 : seconds),
                            within   ? 0
                            : before ? 1000000000L - (long)nanoseconds
                                     : (long)nanoseconds);
}

static void fill_head(struct archive_entry *head, const struct snapshot_entry *entry)
{
    const struct tree_entry *tree = &entry->tree;
    archive_entry_clear(head);
    archive_entry_copy_pathname(head, tree->path);
    archive_entry_set_mode(head, type_bits(tree->type) | tree->mode);
    archive_entry_set_uid(head, tree->uid);
    archive_entry_set_gid(head, tree->gid);
    set_time(head, tree->mtime_sec, tree->mtime_nsec);
    if (entry->hardlink != NULL) {
        archive_entry_copy_hardlink(head, entry->hardlink);
        return;
    }
    for (size_t i = 0; i < tree->xattr_count; i++) {
        archive_entry_xattr_add_entry(head, tree->xattrs[i].name, tree->xattrs[i].value, tree->xattrs[i].size_bytes);
    }
    if (tree->type == TREE_FILE) {
        archive_entry_set_size(head, (la_int64_t)tree->size_bytes);
        set_sparse(head, entry);
    } else if (tree->type == TREE_LINK) {
        archive_entry_copy_symlink(head, tree->link_target);
    } else if (tree->type == TREE_CHARACTER || tree->type == TREE_BLOCK) {
        archive_entry_set_rdev(head, makedev(tree->device_major, tree->device_minor));
    }
}

/* --- content --- */

static int write_content(struct export *export, const struct snapshot_entry *entry, struct error *error)
{
    static const uint8_t zeros[65536];
    const char *path = entry->tree.path;
    for (size_t i = 0; i < entry->piece_count; i++) {
        const struct snapshot_piece *piece = &entry->pieces[i];
        bool hole = snapshot_piece_is_hole(piece);
        const uint8_t *data = hole ? zeros : pack_cache_chunk(export->cache, piece->id, piece->size_bytes, error);
        if (data == NULL) {
            return error_wrap(error, "/%s", path);
        }
        for (uint64_t left = piece->size_bytes;
             left > 0;) { /* libarchive itself leaves out what was said to be a hole */
            size_t size = hole && left > sizeof zeros ? sizeof zeros : (size_t)left;
            if (archive_write_data(export->archive, data, size) != (la_ssize_t)size) {
                return archive_failed(export, path, error);
            }
            left -= size;
        }
        export->summary->bytes += piece->size_bytes;
        tell(export, path);
    }
    export->summary->files++;
    return 0;
}

static int export_entry(struct export *export, const struct snapshot_entry *entry, struct error *error)
{
    const struct tree_entry *tree = &entry->tree;
    if (tree->type == TREE_SOCKET) {
        export->summary->sockets++;
        return 0;
    }
    fill_head(export->entry, entry);
    if (archive_write_header(export->archive, export->entry) < ARCHIVE_WARN) {
        return archive_failed(export, tree->path, error);
    }
    export->summary->entries++;
    tell(export, tree->path);
    return tree->type == TREE_FILE && entry->hardlink == NULL ? write_content(export, entry, error) : 0;
}

/* A further name of a file whose first name is not selected: the first of these that comes gets the content. */
static int export_orphan(struct export *export, const struct snapshot_entry *entry, struct error *error)
{
    const struct snapshot_entry *first = NULL;
    for (size_t i = 0; i < export->first_paths.count; i++) {
        if (strcmp(export->first_paths.items[i], entry->hardlink) == 0) {
            struct snapshot_entry link = *entry;
            link.hardlink = export->first_places.items[i];
            return export_entry(export, &link, error);
        }
    }
    if (selected_first(&export->selected, entry->hardlink, entry->tree.type, &first, error) != 0 ||
        strings_add(&export->first_paths, entry->hardlink, error) != 0 ||
        strings_add(&export->first_places, entry->tree.path, error) != 0) {
        return -1;
    }
    struct snapshot_entry file = *first;
    file.tree.path = entry->tree.path; /* borrowed, like the rest */
    return export_entry(export, &file, error);
}

/* --- the whole --- */

static int open_archive(struct export *export, int fd, struct error *error)
{
    char threads[8];
    snprintf(threads, sizeof threads, "%u", workers_usual());
    export->entry = archive_entry_new();
    export->archive = archive_write_new();
    if (export->archive == NULL || export->entry == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for an archive");
    }
    /* Names that are not ASCII are written as the bytes they are: the library does so by itself where it knows no character set. */
    if (archive_write_set_format_pax(export->archive) != ARCHIVE_OK ||
        archive_write_set_format_option(export->archive, "pax", "xattrheader", "SCHILY") != ARCHIVE_OK ||
        archive_write_add_filter_zstd(export->archive) != ARCHIVE_OK ||
        archive_write_set_bytes_in_last_block(export->archive, 1) != ARCHIVE_OK) {
        return archive_failed(export, "", error);
    }
    (void)archive_write_set_filter_option(export->archive, "zstd", "threads", threads); /* a library without: one */
    return archive_write_open_fd(export->archive, fd) != ARCHIVE_OK ? archive_failed(export, "", error) : 0;
}

static int write_entries(struct export *export, struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    int got;
    while ((got = selected_next(&export->selected, &entry, error)) == 1) {
        bool orphan = entry->hardlink != NULL && !selected_has(&export->selected, entry->hardlink);
        if ((orphan ? export_orphan(export, entry, error) : export_entry(export, entry, error)) != 0) {
            return -1;
        }
    }
    return got < 0 ? -1 : archive_write_close(export->archive) != ARCHIVE_OK ? archive_failed(export, "", error) : 0;
}

int repository_export(struct repository *repository, const char *id, const struct strings *paths, int fd,
                      const struct progress *progress, struct repository_export_summary *summary, struct error *error)
{
    struct export export = {.progress = progress, .summary = summary};
    const struct repository_selection selection = {.paths = paths, .root_fd = -1};
    int result = -1;
    *summary = (struct repository_export_summary){0};
    if (selected_open(&export.selected, repository, id, &selection, error) != 0) {
        return -1;
    }
    export.total_bytes = paths == NULL ? snapshot_reader_totals(export.selected.reader)->bytes : 0;
    if (repository_refresh(repository, error) == 0 && (export.cache = pack_cache_new(repository, error)) != NULL &&
        open_archive(&export, fd, error) == 0) {
        result = write_entries(&export, error);
    }
    archive_entry_free(export.entry);
    archive_write_free(export.archive);
    pack_cache_free(export.cache);
    selected_close(&export.selected);
    strings_free(&export.first_paths);
    strings_free(&export.first_places);
    return result;
}
