/*
 * intake.c - a snapshot of what comes as a stream: chunks are stored as they come, entries are held, sorted, and written at the end.
 */
#include <stdlib.h>
#include <string.h>

#include "repository/backup_session.h"
#include "repository/snapshot.h"
#include "tree/path.h"

struct repository_intake {
    struct backup_session session;
    struct strings names;
    struct snapshot_entry *entries; /* delivered, in the order of coming */
    size_t count;
    size_t allocated;
};

/* Moves the entry out of the queue. */
static int keep(void *context, struct snapshot_entry *entry, struct error *error)
{
    struct repository_intake *intake = context;
    if (intake->count == intake->allocated) {
        size_t wanted = intake->allocated == 0 ? 1024 : intake->allocated * 2;
        struct snapshot_entry *grown = realloc(intake->entries, wanted * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu entries", wanted);
        }
        intake->entries = grown;
        intake->allocated = wanted;
    }
    intake->entries[intake->count++] = *entry;
    *entry = (struct snapshot_entry){0};
    return 0;
}

struct repository_intake *repository_intake_new(struct repository *repository, const struct strings *names,
                                                const struct repository_backup_options *options, struct error *error)
{
    struct repository_intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL) {
        error_set(error, CSN_MEMORY, "no memory for a snapshot");
        return NULL;
    }
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i][0] != '/' || !tree_path_is_sound(names->items[i] + 1)) {
            error_set(error, CSN_INTERNAL, "%s is no name of a source", names->items[i]);
            goto failed;
        }
        if (strings_add(&intake->names, names->items[i], error) != 0) {
            goto failed;
        }
    }
    if (backup_session_open(&intake->session, repository, options, &intake->names, error) != 0) {
        goto failed;
    }
    intake->session.queue.deliver = keep;
    intake->session.queue.context = intake;
    backup_session_begin(&intake->session);
    return intake;
failed:
    repository_intake_free(intake);
    return NULL;
}

void repository_intake_free(struct repository_intake *intake)
{
    if (intake != NULL) {
        backup_session_close(&intake->session);
        for (size_t i = 0; i < intake->count; i++) {
            snapshot_entry_free(&intake->entries[i]);
        }
        free(intake->entries);
        strings_free(&intake->names);
        free(intake);
    }
}

int repository_intake_add(struct repository_intake *intake, const struct tree_entry *tree, repository_intake_read *read,
                          void *context, struct error *error)
{
    struct backup_queue *queue = &intake->session.queue;
    struct snapshot_entry entry = {.tree = *tree};
    if (!tree_path_is_sound(tree->path)) {
        return error_set(error, CSN_INTERNAL, "/%s is no path for a snapshot", tree->path);
    }
    if (backup_queue_begin(queue, &entry, error) != 0) {
        return -1;
    }
    if (tree->type == TREE_FILE && tree->size_bytes > 0) {
        uint64_t before = intake->session.file.read_bytes;
        if (backup_file_take(&intake->session.file, queue, tree->size_bytes, read, context, error) != 0) {
            return -1;
        }
        uint64_t came = intake->session.file.read_bytes - before;
        if (tree->size_bytes == REPOSITORY_SIZE_UNKNOWN) {
            backup_queue_entry(queue)->tree.size_bytes = came;
        } else if (came != tree->size_bytes) {
            return error_set(error, CSN_TREE_READ, "/%s ended after %llu of %llu bytes", tree->path,
                             (unsigned long long)came, (unsigned long long)tree->size_bytes);
        }
    }
    return backup_queue_end(queue, true, error);
}

static int compare(const void *a, const void *b)
{
    const struct snapshot_entry *first = a;
    const struct snapshot_entry *second = b;
    return tree_path_compare(first->tree.path, second->tree.path);
}

/* What a reader of the snapshot insists on: no path twice, each below a folder that is there or a source itself. */
static int check(const struct repository_intake *intake, const struct snapshot_entry *entry,
                 const struct snapshot_entry *before, struct error *error)
{
    const char *path = entry->tree.path;
    const char *slash = strrchr(path, '/');
    bool is_source = false;
    for (size_t i = 0; i < intake->names.count; i++) {
        is_source = is_source || strcmp(intake->names.items[i] + 1, path) == 0;
    }
    if (before != NULL && strcmp(before->tree.path, path) == 0) {
        return error_set(error, CSN_TREE_READ, "/%s came twice", path);
    }
    if (is_source) {
        return 0;
    }
    char *folder = slash == NULL ? strdup("") : strndup(path, (size_t)(slash - path));
    if (folder == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for /%s", path);
    }
    struct snapshot_entry wanted = {.tree = {.path = folder}};
    const struct snapshot_entry *found =
        bsearch(&wanted, intake->entries, intake->count, sizeof intake->entries[0], compare);
    free(folder);
    return found != NULL && found->tree.type == TREE_FOLDER
               ? 0
               : error_set(error, CSN_TREE_READ, "/%s came without the folder that it lies in", path);
}

int repository_intake_commit(struct repository_intake *intake, struct repository_backup_summary *summary,
                             struct error *error)
{
    *summary = (struct repository_backup_summary){0};
    if (backup_queue_finish(&intake->session.queue, error) != 0) {
        return -1;
    }
    if (intake->count == 0) {
        return error_set(error, CSN_INTERNAL, "a snapshot of nothing");
    }
    qsort(intake->entries, intake->count, sizeof intake->entries[0], compare);
    for (size_t i = 0; i < intake->count; i++) {
        if (check(intake, &intake->entries[i], i == 0 ? NULL : &intake->entries[i - 1], error) != 0 ||
            snapshot_writer_add(intake->session.snapshot, &intake->entries[i], error) != 0) {
            return -1;
        }
    }
    return backup_session_commit(&intake->session, summary, error);
}
