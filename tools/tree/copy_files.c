#include <stdlib.h>

#include "lib/file.h"
#include "tree/internal.h"

#define LARGE_BYTES ((uint64_t)1 << 20) /* below, another thread costs more than it brings */
#define QUEUE 16                        /* files that wait, each with two descriptors */

struct job {
    int from_fd;
    int to_fd;
    struct tree_entry entry;
};

static int copy_one(struct tree_file_copies *copies, int from_fd, int *to_fd, const struct tree_entry *entry,
                    struct tree_tolerated *tolerated, struct error *error)
{
    if (tree_copy_content(from_fd, *to_fd, entry->path, &copies->copied, error) != 0 ||
        tree_entry_still(from_fd, entry, error) != 0 ||
        tree_entry_apply_fd(*to_fd, entry, copies->tolerate ? tolerated : NULL, error) != 0 ||
        file_close(to_fd, entry->path, error) != 0) {
        return -1;
    }
    atomic_fetch_add(&copies->copied.files, 1);
    return 0;
}

static void job_free(void *given)
{
    struct job *job = given;
    file_drop(&job->from_fd);
    file_drop(&job->to_fd);
    tree_entry_free(&job->entry);
    free(job);
}

static int work(void *context, unsigned worker, void *given, struct error *error)
{
    struct tree_file_copies *copies = context;
    struct job *job = given;
    int result = copy_one(copies, job->from_fd, &job->to_fd, &job->entry, &copies->tolerated_by[worker], error);
    job_free(job);
    return result;
}

static int start(struct tree_file_copies *copies, struct error *error)
{
    copies->workers = workers_start(workers_usual(), QUEUE, work, copies, error);
    if (copies->workers == NULL) {
        return -1;
    }
    workers_meanwhile(copies->workers, copies->meanwhile);
    return 0;
}

static int give(struct tree_file_copies *copies, int from_fd, int to_fd, const struct tree_entry *entry,
                struct error *error)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for copying %s", entry->path);
    }
    *job = (struct job){.from_fd = -1, .to_fd = -1};
    if (tree_entry_copy(&job->entry, entry, error) != 0) {
        job_free(job);
        return -1;
    }
    job->from_fd = from_fd;
    job->to_fd = to_fd;
    if (workers_give(copies->workers, job, error) != 0) {
        job->from_fd = -1;
        job->to_fd = -1;
        job_free(job);
        return -1;
    }
    return 0;
}

int tree_file_copies_add(struct tree_file_copies *copies, int from_fd, int to_fd, const struct tree_entry *entry,
                         struct error *error)
{
    int result = 0;
    if (entry->size_bytes < LARGE_BYTES) {
        result = copy_one(copies, from_fd, &to_fd, entry, &copies->tolerated, error);
    } else if ((copies->workers != NULL || start(copies, error) == 0) &&
               give(copies, from_fd, to_fd, entry, error) == 0) {
        return 0;
    } else {
        result = -1;
    }
    file_drop(&from_fd);
    file_drop(&to_fd);
    return result;
}

int tree_file_copies_finish(struct tree_file_copies *copies, struct error *error)
{
    if (copies->workers == NULL) {
        return 0;
    }
    int result = workers_wait(copies->workers, error);
    for (unsigned i = 0; i < WORKERS_LIMIT; i++) {
        const struct tree_tolerated *by = &copies->tolerated_by[i];
        copies->tolerated.owners += by->owners;
        copies->tolerated.modes += by->modes;
        copies->tolerated.xattrs += by->xattrs;
        copies->tolerated.devices += by->devices;
    }
    return result;
}

void tree_file_copies_end(struct tree_file_copies *copies)
{
    if (copies->workers != NULL) {
        workers_take_back(copies->workers, job_free);
    }
    workers_end(copies->workers);
    copies->workers = NULL;
}
