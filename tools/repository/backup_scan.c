#include "repository/backup_scan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "repository/source_walk.h"

struct backup_scan {
    const struct repository *repository;
    const struct repository_source *const *sources;
    size_t source_count;
    const struct repository_backup_options *options;
    pthread_t thread;
    atomic_bool stop;
    atomic_bool done; /* both sums are final */
    uint64_t entries;
    uint64_t bytes; /* of files with several names: a part for each */
};

static int count(void *context, const char *path, const struct tree_visit *visit, struct error *error)
{
    struct backup_scan *scan = context;
    const struct tree_entry *tree = visit->entry;
    if (atomic_load(&scan->stop)) {
        return error_set(error, CSN_BUSY, "%s is not counted any more", path);
    }
    if (visit->event == TREE_ENTER) {
        scan->entries++;
        scan->bytes += tree->type != TREE_FILE ? 0
                       : tree->nlink > 1       ? tree->size_bytes / tree->nlink
                                               : tree->size_bytes;
    }
    return 0;
}

static void *run(void *context)
{
    struct backup_scan *scan = context;
    struct error unused;
    int result = 0;
    for (size_t i = 0; result == 0 && i < scan->source_count; i++) {
        result = source_walk(scan->repository, scan->sources[i], scan->options, false, count, scan, &unused);
    }
    if (result == 0) {
        atomic_store(&scan->done, true);
    }
    return NULL;
}

struct backup_scan *backup_scan_start(const struct repository *repository,
                                      const struct repository_source *const *sources, size_t source_count,
                                      const struct repository_backup_options *options)
{
    struct backup_scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL) {
        return NULL;
    }
    scan->repository = repository;
    scan->sources = sources;
    scan->source_count = source_count;
    scan->options = options;
    if (pthread_create(&scan->thread, NULL, run, scan) != 0) {
        free(scan);
        return NULL;
    }
    return scan;
}

bool backup_scan_totals(struct backup_scan *scan, uint64_t *entries, uint64_t *bytes)
{
    if (scan == NULL || !atomic_load(&scan->done)) {
        return false;
    }
    *entries = scan->entries;
    *bytes = scan->bytes;
    return true;
}

void backup_scan_end(struct backup_scan *scan)
{
    if (scan != NULL) {
        atomic_store(&scan->stop, true);
        pthread_join(scan->thread, NULL);
        free(scan);
    }
}
