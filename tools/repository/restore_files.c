#include "repository/restore_files.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/workers.h"
#include "repository/restore_folders.h"

#define BATCH_BYTES (4u * 1024 * 1024)
#define BATCH_PARTS 64u     /* so few that not too many files are open at once */
#define BLOCK_BYTES 4096u   /* zeros of a sparse file are left out in blocks of this */
#define GIVER WORKERS_LIMIT /* the number of the thread that hands files over */

/* Freed with the last part of it. */
struct restored {
    int fd;
    char *place;
    struct snapshot_entry entry;
    atomic_uint parts;   /* that are not done, and one more until all are handed out */
    atomic_bool damaged; /* a chunk of it cannot be had */
    atomic_bool undone;  /* a part of it was not written */
};

/* A run of a file's pieces. */
struct part {
    struct restored *file;
    size_t first;
    size_t count;
    uint64_t offset; /* in the file */
};

struct batch {
    atomic_bool busy;
    struct part parts[BATCH_PARTS];
    size_t count;
    uint64_t bytes;
};

struct restore_files {
    struct restore_files_options options;
    struct workers *workers;
    unsigned worker_count;
    struct pack_cache *caches[WORKERS_LIMIT]; /* one a worker */
    struct tree_tolerated tolerated[WORKERS_LIMIT + 1];
    struct batch *batches;
    size_t batch_count;
    struct batch *filling; /* NULL: none */
    atomic_uint_least64_t bytes;
    pthread_mutex_t lock; /* guards the lists */
    struct strings damaged;
    struct strings damages;
    struct strings undone;
};

/* --- content --- */

static int write_at(int fd, const uint8_t *data, size_t size_bytes, uint64_t offset, const char *path,
                    struct error *error)
{
    while (size_bytes > 0) {
        ssize_t put = pwrite(fd, data, size_bytes, (off_t)offset);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            return restore_refused(error, "writing", path);
        }
        data += put;
        offset += (uint64_t)put;
        size_bytes -= (size_t)put;
    }
    return 0;
}

static bool is_zero(const uint8_t *data, size_t size_bytes)
{
    return data[0] == 0 && memcmp(data, data + 1, size_bytes - 1) == 0;
}

/* Writes the runs between blocks of zeros only: the file is new, so what is not written is a hole. */
static int write_sparse(int fd, const uint8_t *data, size_t size_bytes, uint64_t offset, const char *path,
                        struct error *error)
{
    size_t from = 0; /* of the run to be written */
    size_t at = 0;
    while (at < size_bytes) {
        size_t block = BLOCK_BYTES - (size_t)((offset + at) % BLOCK_BYTES);
        block = size_bytes - at < block ? size_bytes - at : block;
        if (is_zero(data + at, block)) {
            if (write_at(fd, data + from, at - from, offset + from, path, error) != 0) {
                return -1;
            }
            from = at + block;
        }
        at += block;
    }
    return write_at(fd, data + from, size_bytes - from, offset + from, path, error);
}

/* Once a file; the rest of it is still restored. */
static int note_damage(struct restore_files *files, struct restored *file, const struct error *what,
                       struct error *error)
{
    bool noted = atomic_exchange(&file->damaged, true);
    if (noted) {
        return 0;
    }
    pthread_mutex_lock(&files->lock);
    int result =
        strings_add(&files->damaged, file->place, error) != 0 ? -1 : strings_add(&files->damages, what->message, error);
    pthread_mutex_unlock(&files->lock);
    return result;
}

static int write_piece(struct restore_files *files, unsigned worker, struct restored *file,
                       const struct snapshot_piece *piece, uint64_t offset, struct error *error)
{
    const char *path = file->entry.tree.path;
    struct error trouble = {.code = CSN_NONE};
    if (snapshot_piece_is_hole(piece)) {
        return 0;
    }
    const uint8_t *data = pack_cache_chunk(files->caches[worker], piece->id, piece->size_bytes, &trouble);
    if (data == NULL) {
        bool lost = trouble.code == CSN_REPOSITORY_DAMAGED || trouble.code == CSN_IO;
        error_wrap(&trouble, "/%s", path);
        if (lost && files->options.skip_damaged) {
            return note_damage(files, file, &trouble, error);
        }
        *error = trouble;
        return -1;
    }
    return file->entry.sparse ? write_sparse(file->fd, data, (size_t)piece->size_bytes, offset, path, error)
                              : write_at(file->fd, data, (size_t)piece->size_bytes, offset, path, error);
}

static int write_part(struct restore_files *files, unsigned worker, const struct part *part, struct error *error)
{
    uint64_t offset = part->offset;
    for (size_t i = 0; i < part->count; i++) {
        const struct snapshot_piece *piece = &part->file->entry.pieces[part->first + i];
        if (write_piece(files, worker, part->file, piece, offset, error) != 0) {
            return -1;
        }
        offset += piece->size_bytes;
        atomic_fetch_add(&files->bytes, piece->size_bytes);
    }
    return 0;
}

/* --- the life of a file --- */

static void file_free(struct restored *file)
{
    file_drop(&file->fd);
    snapshot_entry_free(&file->entry);
    free(file->place);
    free(file);
}

/* Its content is there: holes at its end, attributes, and what close(2) has to say. */
static int complete(struct restore_files *files, unsigned worker, struct restored *file, struct error *error)
{
    const struct tree_entry *tree = &file->entry.tree;
    struct tree_tolerated *tolerated = files->options.tolerate_refusals ? &files->tolerated[worker] : NULL;
    if (ftruncate(file->fd, (off_t)tree->size_bytes) != 0) {
        return restore_refused(error, "writing", tree->path);
    }
    return tree_entry_apply_fd(file->fd, tree, tolerated, error) != 0 ? -1 : file_close(&file->fd, tree->path, error);
}

/* There is an error already, so what memory is short for is only the removal of this file. */
static void note_undone(struct restore_files *files, const char *place)
{
    struct error unused;
    pthread_mutex_lock(&files->lock);
    (void)!strings_add(&files->undone, place, &unused);
    pthread_mutex_unlock(&files->lock);
}

/* One part less. good: it was written. */
static int part_done(struct restore_files *files, unsigned worker, struct restored *file, bool good,
                     struct error *error)
{
    if (!good) {
        atomic_store(&file->undone, true);
    }
    if (atomic_fetch_sub(&file->parts, 1) != 1) {
        return 0;
    }
    bool undone = atomic_load(&file->undone);
    int result = undone ? 0 : complete(files, worker, file, error);
    if (undone || result != 0) {
        note_undone(files, file->place);
    }
    file_free(file);
    return result;
}

static int work(void *context, unsigned worker, void *job, struct error *error)
{
    struct restore_files *files = context;
    struct batch *batch = job;
    int result = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct error trouble = {.code = CSN_NONE};
        bool good = result == 0 && write_part(files, worker, &batch->parts[i], error) == 0;
        result = good ? 0 : -1;
        if (part_done(files, worker, batch->parts[i].file, good, &trouble) != 0 && good) {
            *error = trouble;
            result = -1;
        }
    }
    atomic_store(&batch->busy, false);
    return result;
}

/* --- handing out --- */

static int submit(struct restore_files *files, struct error *error)
{
    struct batch *batch = files->filling;
    if (batch == NULL) {
        return 0;
    }
    files->filling = NULL; /* if it is not taken it stays busy, and restore_files_free finds it */
    return workers_give(files->workers, batch, error);
}

/* There is always one: as many as can wait or be worked on, and one more. */
static struct batch *empty(struct restore_files *files)
{
    for (size_t i = 0; i < files->batch_count; i++) {
        struct batch *batch = &files->batches[i];
        if (!atomic_load(&batch->busy)) {
            batch->count = 0;
            batch->bytes = 0;
            atomic_store(&batch->busy, true);
            return batch;
        }
    }
    return NULL;
}

static int add_part(struct restore_files *files, struct restored *file, size_t first, size_t count, uint64_t offset,
                    uint64_t bytes, struct error *error)
{
    if (files->filling == NULL) {
        files->filling = empty(files);
    }
    struct batch *batch = files->filling;
    if (batch == NULL) {
        return error_set(error, CSN_INTERNAL, "no batch is empty");
    }
    atomic_fetch_add(&file->parts, 1);
    batch->parts[batch->count++] = (struct part){.file = file, .first = first, .count = count, .offset = offset};
    batch->bytes += bytes;
    return batch->count == BATCH_PARTS || batch->bytes >= BATCH_BYTES ? submit(files, error) : 0;
}

static int hand_out(struct restore_files *files, struct restored *file, struct error *error)
{
    const struct snapshot_entry *entry = &file->entry;
    uint64_t offset = 0;
    size_t first = 0;
    do { /* a file without content has one part, too: its attributes */
        uint64_t held = files->filling == NULL ? 0 : files->filling->bytes;
        uint64_t stored = 0; /* what is to be read of it */
        uint64_t bytes = 0;
        size_t count = 0;
        while (first + count < entry->piece_count && (count == 0 || held + stored < BATCH_BYTES)) {
            const struct snapshot_piece *piece = &entry->pieces[first + count++];
            stored += snapshot_piece_is_hole(piece) ? 0 : piece->size_bytes;
            bytes += piece->size_bytes;
        }
        if (add_part(files, file, first, count, offset, stored, error) != 0) {
            return -1;
        }
        first += count;
        offset += bytes;
        if (first < entry->piece_count) {
            files->options.went_on(files->options.context, entry->tree.path);
        }
    } while (first < entry->piece_count);
    return 0;
}

int restore_files_add(struct restore_files *files, int fd, const char *place, struct snapshot_entry *entry,
                      struct error *error)
{
    struct restored *file = calloc(1, sizeof *file);
    char *copy = strdup(place);
    if (file == NULL || copy == NULL) {
        free(file);
        free(copy);
        close(fd);
        note_undone(files, place);
        snapshot_entry_free(entry);
        return error_set(error, CSN_MEMORY, "no memory for restoring /%s", place);
    }
    *file = (struct restored){.fd = fd, .place = copy, .entry = *entry};
    atomic_init(&file->parts, 1);
    *entry = (struct snapshot_entry){0};
    struct error trouble = {.code = CSN_NONE};
    int result = hand_out(files, file, error);
    /* Mostly the threads are not through with it; if they are, its end is here. */
    if (part_done(files, GIVER, file, result == 0, &trouble) != 0) {
        *error = trouble;
        result = -1;
    }
    return result;
}

int restore_files_finish(struct restore_files *files, struct error *error)
{
    return submit(files, error) != 0 ? -1 : workers_wait(files->workers, error);
}

/* --- the whole --- */

struct restore_files *restore_files_new(struct repository *repository, const struct restore_files_options *options,
                                        struct error *error)
{
    struct restore_files *files = calloc(1, sizeof *files);
    if (files == NULL) {
        error_set(error, CSN_MEMORY, "no memory for restoring files");
        return NULL;
    }
    files->options = *options;
    pthread_mutex_init(&files->lock, NULL);
    files->worker_count = workers_usual();
    size_t queue = 2;
    files->batch_count = files->worker_count + queue + 1;
    files->batches = calloc(files->batch_count, sizeof *files->batches);
    bool good = files->batches != NULL;
    if (!good) {
        error_set(error, CSN_MEMORY, "no memory for restoring files");
    }
    for (unsigned i = 0; good && i < files->worker_count; i++) {
        files->caches[i] = pack_cache_new(repository, error);
        good = files->caches[i] != NULL;
    }
    if (good) {
        files->workers = workers_start(files->worker_count, queue, work, files, error);
    }
    if (files->workers == NULL) {
        restore_files_free(files);
        return NULL;
    }
    return files;
}

void restore_files_stop(struct restore_files *files)
{
    workers_end(files->workers);
    files->workers = NULL;
    for (size_t i = 0; files->batches != NULL && i < files->batch_count; i++) {
        struct batch *batch = &files->batches[i];
        for (size_t k = 0; atomic_load(&batch->busy) && k < batch->count; k++) {
            struct error unused;
            (void)part_done(files, GIVER, batch->parts[k].file, false, &unused);
        }
        batch->count = 0;
    }
}

void restore_files_free(struct restore_files *files)
{
    if (files == NULL) {
        return;
    }
    restore_files_stop(files);
    for (unsigned i = 0; i < files->worker_count; i++) {
        pack_cache_free(files->caches[i]);
    }
    free(files->batches);
    strings_free(&files->damaged);
    strings_free(&files->damages);
    strings_free(&files->undone);
    pthread_mutex_destroy(&files->lock);
    free(files);
}

uint64_t restore_files_bytes(const struct restore_files *files)
{
    return atomic_load(&files->bytes);
}

void restore_files_tolerated(const struct restore_files *files, struct tree_tolerated *tolerated)
{
    for (unsigned i = 0; i <= GIVER; i++) {
        tolerated->owners += files->tolerated[i].owners;
        tolerated->modes += files->tolerated[i].modes;
        tolerated->xattrs += files->tolerated[i].xattrs;
        tolerated->devices += files->tolerated[i].devices;
    }
}

const struct strings *restore_files_undone(const struct restore_files *files)
{
    return &files->undone;
}

const struct strings *restore_files_damaged(const struct restore_files *files)
{
    return &files->damaged;
}

const struct strings *restore_files_damages(const struct restore_files *files)
{
    return &files->damages;
}
