#include "repository/repository.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/text.h"
#include "repository/backup_check.h"
#include "repository/backup_parent.h"
#include "repository/backup_read.h"
#include "repository/backup_scan.h"
#include "repository/backup_session.h"
#include "repository/internal.h"
#include "repository/source_walk.h"
#include "tree/links.h"
#include "tree/path.h"

struct backup {
    struct repository *repository;
    const struct repository_backup_options *options;
    const struct progress *progress;
    struct repository_backup_summary *summary;
    struct backup_session session;
    struct backup_parent *parent; /* NULL: none */
    struct tree_links links;
    struct snapshot_entry entry; /* at hand; its tree part is borrowed */
    const char *path;            /* of what is visited */
    struct backup_scan *scan;
    uint64_t done_items;
    uint64_t done_bytes; /* of entries that are on their way */
};

static void tell(void *context)
{
    struct backup *backup = context;
    uint64_t total_items = 0;
    uint64_t total_bytes = 0;
    (void)backup_scan_totals(backup->scan, &total_items, &total_bytes);
    struct progress_state state = {
        .doing = "backing up",
        .item = backup->path,
        .done_bytes = backup->done_bytes + backup->session.file.read_bytes - backup->session.file.before_bytes,
        .total_bytes = total_bytes,
        .done_items = backup->done_items,
        .total_items = total_items,
    };
    progress_tell(backup->progress, &state);
}

/* --- one file --- */

static int note_changed(struct backup *backup, const struct tree_entry *tree, struct error *error)
{
    struct buffer name = {0};
    buffer_format(&name, "/%s", tree->path);
    int result = buffer_check(&name, error) != 0 ? -1 : strings_add(&backup->summary->changed, name.data, error);
    buffer_free(&name);
    return result;
}

/* Tells an inode from another one that has taken its number over while the backup went on. */
static uint64_t life_of(const struct tree_entry *tree)
{
    return ((uint64_t)tree->born_sec * 1000000000u + tree->born_nsec) * 8 + (uint64_t)tree->type;
}

/* An entry is on its way: only now may a further name of the same file refer to it. */
static int remember_link(struct backup *backup, const struct tree_entry *tree, struct error *error)
{
    const char *first = NULL;
    if (tree->type == TREE_FOLDER || tree->nlink < 2) {
        return 0;
    }
    if (tree_links_seen(&backup->links, tree->dev, tree->ino, tree->path, &first, error) != 0) {
        return -1;
    }
    if (first == NULL) {
        tree_links_mark(&backup->links, tree->dev, tree->ino, life_of(tree));
    }
    return 0;
}

/* The name under which the same file was recorded before, or NULL. Borrowed. */
static const char *find_link(const struct backup *backup, const struct tree_entry *tree)
{
    return tree->type == TREE_FOLDER || tree->nlink < 2 ||
                   tree_links_marked(&backup->links, tree->dev, tree->ino) != life_of(tree)
               ? NULL
               : tree_links_find(&backup->links, tree->dev, tree->ino);
}

static int record(struct backup *backup, struct error *error)
{
    return backup_queue_add(&backup->session.queue, &backup->entry, error) != 0
               ? -1
               : remember_link(backup, &backup->entry.tree, error);
}

/* The file that was read goes on its way. */
static int end_file(struct backup *backup, bool changed, struct error *error)
{
    struct snapshot_entry *entry = backup_queue_entry(&backup->session.queue);
    entry->changed = changed;
    backup->done_bytes += entry->tree.size_bytes;
    backup->session.file.before_bytes = backup->session.file.read_bytes;
    if (remember_link(backup, &entry->tree, error) != 0 ||
        (changed && note_changed(backup, &entry->tree, error) != 0)) {
        return -1;
    }
    return backup_queue_end(&backup->session.queue, true, error);
}

/* One that is gone leaves no trace but a count. */
static int read_file(struct backup *backup, const struct tree_visit *visit, struct error *error)
{
    enum backup_reading reading =
        backup_read(&backup->session.file, &backup->session.queue, visit, &backup->entry, error);
    if (reading == READ_GONE) {
        backup->summary->vanished++;
        return 0;
    }
    return reading == READ_FAILED ? -1 : end_file(backup, reading == READ_CHANGED, error);
}

static int take_over(struct backup *backup, const struct snapshot_entry *from, struct error *error)
{
    struct snapshot_entry *entry = &backup->entry;
    for (size_t i = 0; i < from->piece_count; i++) {
        if (snapshot_entry_add(entry, from->pieces[i].id, from->pieces[i].size_bytes, error) != 0) {
            return -1;
        }
    }
    entry->sparse = from->sparse;
    backup->summary->files_unchanged++;
    backup->done_bytes += entry->tree.size_bytes;
    return record(backup, error);
}

static int add_file(struct backup *backup, const struct tree_visit *visit, struct error *error)
{
    const struct snapshot_entry *then =
        backup->parent == NULL ? NULL : backup_parent_match(backup->parent, backup->session.store, &backup->entry.tree);
    return then != NULL ? take_over(backup, then, error) : read_file(backup, visit, error);
}

/* --- one tree --- */

static int visit_entry(void *context, const char *path, const struct tree_visit *visit, struct error *error)
{
    struct backup *backup = context;
    struct snapshot_entry *entry = &backup->entry;
    const struct tree_entry *tree = visit->entry;
    if (visit->event == TREE_VANISHED) {
        backup->summary->vanished++;
        return 0;
    }
    backup->path = path;
    tell(backup);
    backup->done_items++;
    entry->tree = *tree;
    entry->tree.path = (char *)(uintptr_t)path;                   /* borrowed, like the rest */
    entry->hardlink = (char *)(uintptr_t)find_link(backup, tree); /* borrowed */
    entry->piece_count = 0;
    entry->sparse = false;
    entry->changed = false;
    return tree->type == TREE_FILE && entry->hardlink == NULL ? add_file(backup, visit, error) : record(backup, error);
}

/* --- the whole --- */

static int deliver(void *context, struct snapshot_entry *entry, struct error *error)
{
    return snapshot_writer_add(context, entry, error);
}

static int begin(struct backup *backup, const struct strings *names, struct error *error)
{
    struct backup_session *session = &backup->session;
    if (backup_session_open(session, backup->repository, backup->options, names, error) != 0 ||
        backup_parent_open(&backup->parent, backup->repository, backup->options, session->host, names, error) != 0) {
        return -1;
    }
    session->queue.deliver = deliver;
    session->queue.context = session->snapshot;
    session->file.watch = tell;
    session->file.context = backup;
    return 0;
}

static int commit(struct backup *backup, struct error *error)
{
    struct snapshot_totals totals;
    if (backup_queue_finish(&backup->session.queue, error) != 0) {
        return -1;
    }
    snapshot_writer_totals(backup->session.snapshot, &totals);
    return totals.entries == 0 ? error_set(error, CSN_USAGE, "the excludes leave nothing to back up")
                               : backup_session_commit(&backup->session, backup->summary, error);
}

int repository_backup(struct repository *repository, const struct repository_source *sources, size_t source_count,
                      const struct repository_backup_options *options, const struct progress *progress,
                      struct repository_backup_summary *summary, struct error *error)
{
    struct backup backup = {.repository = repository, .options = options, .progress = progress, .summary = summary};
    const struct repository_source **sorted = calloc(source_count == 0 ? 1 : source_count, sizeof *sorted);
    struct strings names = {0};
    int result = -1;
    *summary = (struct repository_backup_summary){0};
    if (sorted == NULL) {
        error_set(error, CSN_MEMORY, "no memory for %zu sources", source_count);
        goto out;
    }
    if (source_count == 0) {
        error_set(error, CSN_INTERNAL, "a backup of nothing");
        goto out;
    }
    if (backup_sort_sources(sorted, sources, source_count, &names, error) != 0 || begin(&backup, &names, error) != 0) {
        goto out;
    }
    backup_session_begin(&backup.session);
    backup.scan = progress == NULL ? NULL : backup_scan_start(repository, sorted, source_count, options);
    for (size_t i = 0; i < source_count; i++) {
        if (source_walk(repository, sorted[i], options, true, visit_entry, &backup, error) != 0) {
            goto out;
        }
    }
    result = commit(&backup, error);
out:
    backup_scan_end(backup.scan);
    backup_session_close(&backup.session);
    backup_parent_close(backup.parent);
    tree_links_free(&backup.links);
    free(backup.entry.pieces);
    strings_free(&names);
    free(sorted);
    return result;
}

void repository_backup_summary_free(struct repository_backup_summary *summary)
{
    strings_free(&summary->changed);
}
