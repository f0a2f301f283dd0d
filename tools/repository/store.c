#include "repository/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/workers.h"

enum { EMPTY, FILLING, GIVEN, DONE };

/* At most so many full packs: each thread's, one that waits, one that is made durable. */
#define FULL_PACKS (WORKERS_LIMIT + 2)

/* A pack that is being written. */
struct open_pack {
    struct pack_writer *writer; /* NULL: none */
    uint32_t number;            /* if the writer is not empty */
};

struct store {
    struct repository *repository;
    struct workers *workers;
    struct workers
        *finisher; /* one thread that makes full packs durable, so that those that compute do not wait for the disk */
    unsigned worker_count;
    struct pack_compressor *compressors[WORKERS_LIMIT]; /* one a worker */
    pthread_mutex_t lock;                               /* guards all below, and the repository's index */
    pthread_cond_t done;
    struct error failure;
    struct store_batch *batches; /* a ring, in the order in which they are filled */
    size_t batch_count;
    size_t oldest;                     /* of those that are not EMPTY */
    size_t busy;                       /* how many are not EMPTY */
    struct open_pack pack;             /* that chunks go into */
    struct open_pack full[FULL_PACKS]; /* on their way to the finisher, where there is a writer */
    bool *leans_on;                    /* of each pack that was there before: a chunk of it need not be stored again */
    uint32_t before;                   /* how many those are */
    struct pack_writer *spare;         /* NULL: none */
    struct store_counts counts;
};

/* --- what a thread does --- */

/* Makes a pack that was taken out of the store durable. Without the lock, but for its end. */
static int finish_pack(struct store *store, struct open_pack *pack, struct error *error)
{
    uint8_t id[SHA256_SIZE];
    uint64_t stored_bytes = 0;
    int result = pack_writer_commit(pack->writer, id, &stored_bytes, error);
    pthread_mutex_lock(&store->lock);
    struct pack_writer *further = pack->writer;
    pack->writer = NULL;
    if (result == 0) {
        memcpy(store->repository->packs[pack->number], id, SHA256_SIZE);
        store->counts.stored_bytes += stored_bytes;
        if (store->spare == NULL) {
            store->spare = further;
            further = NULL;
        }
    }
    pthread_mutex_unlock(&store->lock);
    pack_writer_free(further);
    return result;
}

/* Whoever waits for a batch learns it. */
static int note_failure(struct store *store, const struct error *error)
{
    pthread_mutex_lock(&store->lock);
    if (store->failure.code == CSN_NONE) {
        store->failure = *error;
    }
    pthread_cond_signal(&store->done);
    pthread_mutex_unlock(&store->lock);
    return -1;
}

static int finish(void *context, unsigned worker, void *job, struct error *error)
{
    struct store *store = context;
    (void)worker;
    return finish_pack(store, job, error) == 0 ? 0 : note_failure(store, error);
}

/* Takes the full pack out, for the finisher. With the lock. */
static struct open_pack *take_full(struct store *store)
{
    for (size_t i = 0; i < FULL_PACKS; i++) {
        if (store->full[i].writer == NULL) {
            store->full[i] = store->pack;
            store->pack.writer = NULL;
            return &store->full[i];
        }
    }
    return NULL; /* cannot be: each thread has one at most */
}

/* A pack to go on with. With the lock. */
static int begin_pack(struct store *store, struct error *error)
{
    static const uint8_t not_yet[SHA256_SIZE];
    if (store->pack.writer == NULL) {
        store->pack.writer = store->spare;
        store->spare = NULL;
    }
    if (store->pack.writer == NULL) {
        store->pack.writer = pack_writer_new(PACK_CHUNKS, &store->repository->packs_folder, error);
    }
    return store->pack.writer == NULL ? -1
           : pack_writer_is_empty(store->pack.writer)
               ? repository_add_pack(store->repository, not_yet, &store->pack.number, error)
               : 0;
}

/* Whether the chunk is there, or on its way; remembers the pack that it is in. With the lock. */
static bool find(struct store *store, const uint8_t id[SHA256_SIZE], uint64_t size_bytes)
{
    const struct chunk_place *place = chunks_find(&store->repository->chunks, id);
    bool found = place != NULL && place->size_bytes == size_bytes;
    if (found && place->stored_bytes > 0 && place->pack < store->before) {
        store->leans_on[place->pack] = true;
    }
    return found;
}

/* 1: the chunk is now the caller's to store, as number *chunk of the index; 0: it is there, or another thread has it; -1. */
static int claim(struct store *store, const uint8_t id[SHA256_SIZE], uint32_t size_bytes, uint32_t *chunk,
                 struct error *error)
{
    struct chunks *chunks = &store->repository->chunks;
    int result = 0;
    pthread_mutex_lock(&store->lock);
    if (!find(store, id, size_bytes)) {
        struct chunk_place place = {.size_bytes = size_bytes};
        memcpy(place.id, id, SHA256_SIZE);
        *chunk = chunks->count;
        result = chunks_add(chunks, &place, error) != 0 ? -1 : 1;
        store->counts.chunks_new++;
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* Puts a frame into the pack. *full: the pack, if this has filled it. A pack that something was not put into is not gone on with:
 * what it holds by then is not known. */
static int append(struct store *store, uint32_t chunk, struct pack_record *record, const uint8_t *frame,
                  struct open_pack **full, struct error *error)
{
    pthread_mutex_lock(&store->lock);
    int result = begin_pack(store, error) != 0 ? -1 : pack_writer_add(store->pack.writer, record, frame, error);
    if (result == 0) {
        chunks_settle(&store->repository->chunks, chunk, store->pack.number, record->offset, record->stored_bytes);
        *full = pack_writer_is_full(store->pack.writer) ? take_full(store) : NULL;
    } else {
        pack_writer_free(store->pack.writer);
        store->pack.writer = NULL;
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

static int put(struct store *store, unsigned worker, const uint8_t *data, struct store_chunk *chunk,
               struct error *error)
{
    struct pack_record record;
    struct open_pack *full = NULL;
    uint32_t number = 0;
    sha256_of(data, chunk->size_bytes, chunk->id);
    int claimed = claim(store, chunk->id, chunk->size_bytes, &number, error);
    if (claimed <= 0) {
        return claimed;
    }
    const uint8_t *frame =
        pack_compress(store->compressors[worker], chunk->id, data, chunk->size_bytes, &record, error);
    if (frame == NULL || append(store, number, &record, frame, &full, error) != 0) {
        return -1;
    }
    return full != NULL ? workers_give(store->finisher, full, error) : 0;
}

static int work(void *context, unsigned worker, void *job, struct error *error)
{
    struct store *store = context;
    struct store_batch *batch = job;
    int result = 0;
    for (size_t i = 0; result == 0 && i < batch->count; i++) {
        result = put(store, worker, batch->bytes + batch->chunks[i].offset, &batch->chunks[i], error);
    }
    if (result != 0) {
        (void)note_failure(store, error);
    }
    pthread_mutex_lock(&store->lock);
    batch->state = DONE;
    pthread_cond_signal(&store->done);
    pthread_mutex_unlock(&store->lock);
    return result;
}

/* --- the pool --- */

static int make_room(struct store *store, struct error *error)
{
    store->before = store->repository->pack_count;
    store->leans_on = calloc((size_t)store->before + 1, sizeof *store->leans_on);
    store->batch_count = 2 * (size_t)store->worker_count + 2;
    store->batches = calloc(store->batch_count, sizeof *store->batches);
    bool good = store->batches != NULL && store->leans_on != NULL;
    for (size_t i = 0; good && i < store->batch_count; i++) {
        struct store_batch *batch = &store->batches[i];
        batch->bytes = malloc(STORE_BATCH_BYTES);
        batch->chunks = malloc(STORE_BATCH_CHUNKS * sizeof *batch->chunks);
        good = batch->bytes != NULL && batch->chunks != NULL;
    }
    return good ? 0 : error_set(error, CSN_MEMORY, "no memory for writing packs");
}

static int make_compressors(struct store *store, struct error *error)
{
    for (unsigned i = 0; i < store->worker_count; i++) {
        store->compressors[i] = pack_compressor_new(PACK_CHUNKS, error);
        if (store->compressors[i] == NULL) {
            return -1;
        }
    }
    return 0;
}

struct store *store_new(struct repository *repository, unsigned workers, struct error *error)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        error_set(error, CSN_MEMORY, "no memory for writing packs");
        return NULL;
    }
    store->repository = repository;
    store->worker_count = workers == 0 ? workers_usual() : workers > WORKERS_LIMIT ? WORKERS_LIMIT : workers;
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->done, NULL);
    if (make_room(store, error) == 0 && make_compressors(store, error) == 0 &&
        (store->finisher = workers_start(1, 1, finish, store, error)) != NULL) {
        store->workers = workers_start(store->worker_count, store->batch_count, work, store, error);
    }
    if (store->workers == NULL) {
        store_free(store);
        return NULL;
    }
    return store;
}

void store_free(struct store *store)
{
    if (store == NULL) {
        return;
    }
    workers_end(store->workers);
    workers_end(store->finisher);
    for (unsigned i = 0; i < store->worker_count; i++) {
        pack_compressor_free(store->compressors[i]);
    }
    for (size_t i = 0; i < FULL_PACKS; i++) {
        pack_writer_free(store->full[i].writer);
    }
    pack_writer_free(store->pack.writer);
    pack_writer_free(store->spare);
    for (size_t i = 0; store->batches != NULL && i < store->batch_count; i++) {
        free(store->batches[i].bytes);
        free(store->batches[i].chunks);
    }
    free(store->batches);
    free(store->leans_on);
    pthread_cond_destroy(&store->done);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

struct store_batch *store_empty(struct store *store)
{
    struct store_batch *batch = NULL;
    pthread_mutex_lock(&store->lock);
    if (store->busy < store->batch_count) {
        batch = &store->batches[(store->oldest + store->busy) % store->batch_count];
        batch->state = FILLING;
        batch->used = 0;
        batch->count = 0;
        store->busy++;
    }
    pthread_mutex_unlock(&store->lock);
    return batch;
}

void store_submit(struct store *store, struct store_batch *batch)
{
    struct error unused;
    batch->state = GIVEN;
    /* There is room for all; a failure is told by store_take_back. */
    (void)!workers_give(store->workers, batch, &unused);
}

int store_take_back(struct store *store, bool wait, struct store_batch **batch, struct error *error)
{
    int result = 0;
    pthread_mutex_lock(&store->lock);
    struct store_batch *oldest = store->busy == 0 ? NULL : &store->batches[store->oldest];
    while (wait && oldest != NULL && oldest->state == GIVEN && store->failure.code == CSN_NONE) {
        pthread_cond_wait(&store->done, &store->lock);
    }
    if (store->failure.code != CSN_NONE) {
        result = error_set(error, store->failure.code, "%s", store->failure.message);
    } else if (oldest != NULL && oldest->state == DONE) {
        *batch = oldest;
        result = 1;
    }
    pthread_mutex_unlock(&store->lock);
    return result;
}

void store_release(struct store *store, struct store_batch *batch)
{
    pthread_mutex_lock(&store->lock);
    batch->state = EMPTY;
    store->oldest = (store->oldest + 1) % store->batch_count;
    store->busy--;
    pthread_mutex_unlock(&store->lock);
}

/* No lock lasts for certain: that of a network file system ends with its server. */
static int check_packs(const struct store *store, struct error *error)
{
    const struct repository *repository = store->repository;
    char name[PACK_NAME_SIZE];
    for (uint32_t i = 0; i < repository->pack_count; i++) {
        pack_name(PACK_CHUNKS, repository->packs[i], repository_is_sealed(repository), name);
        bool needed = i >= store->before || store->leans_on[i];
        if (needed && faccessat(repository->packs_folder.fd, name, F_OK, 0) != 0) {
            return errno != ENOENT ? error_system(error, CSN_IO, "looking for the pack %s", name)
                                   : error_set(error, CSN_REPOSITORY_PRUNED,
                                               "the pack %s is gone, and files backed up just now need it", name);
        }
    }
    return 0;
}

int store_finish(struct store *store, struct error *error)
{
    bool empty = store->pack.writer == NULL || pack_writer_is_empty(store->pack.writer);
    if (workers_wait(store->finisher, error) != 0 || (!empty && finish_pack(store, &store->pack, error) != 0)) {
        return -1;
    }
    return check_packs(store, error);
}

bool store_has(struct store *store, const uint8_t id[SHA256_SIZE], uint64_t size_bytes)
{
    pthread_mutex_lock(&store->lock);
    bool has = find(store, id, size_bytes);
    pthread_mutex_unlock(&store->lock);
    return has;
}

void store_counts(struct store *store, struct store_counts *counts)
{
    pthread_mutex_lock(&store->lock);
    *counts = store->counts;
    pthread_mutex_unlock(&store->lock);
}
