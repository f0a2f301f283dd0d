#include "repository/verify_packs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/workers.h"

#define BATCH_BYTES (4u * 1024 * 1024 + CHUNK_STORED_LIMIT_BYTES) /* of frames, read at once */
#define RUN_BYTES (4u * 1024 * 1024)                              /* of frames, chosen together for a sample */
#define ALL_PPM 1000000u

/* What one thread needs. */
struct reader {
    struct pack_index index;
    struct pack_decoder *decoder;
    uint8_t *batch;
};

struct verify {
    struct repository *repository;
    const struct verify_packs_options *options;
    struct verified_packs *verified;
    struct reader readers[WORKERS_LIMIT];
    uint64_t seed;
    uint32_t surely;      /* the pack whose first run is in every sample: one of nothing would say nothing */
    uint64_t total_bytes; /* stored, of all packs */
    uint64_t done_bytes;
    uint32_t done_packs;
    pthread_mutex_t lock; /* guards verified, done_*, and who is told of damage and progress */
};

/* A pack that one thread is at. */
struct pack_check {
    struct verify *verify;
    struct reader *reader;
    struct stored_reader file;
    uint32_t number;
    char name[PACK_NAME_SIZE];
    uint64_t batch_offset;
    size_t batch_size;
    bool reported;
    uint64_t random; /* splitmix64's state */
    uint64_t run_bytes;
    bool chosen; /* the run at hand is in the sample */
    uint64_t chunks;
    uint64_t bytes;
};

static uint64_t next_random(uint64_t *state)
{
    uint64_t mixed = (*state += 0x9E3779B97F4A7C15u);
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

/* --- what does not hold --- */

static int add_bad(struct verified_packs *verified, const struct chunk_place *place, struct error *error)
{
    if (verified->bad_count == verified->bad_allocated) {
        size_t more = verified->bad_allocated == 0 ? 64 : 2 * verified->bad_allocated;
        const struct chunk_place **grown = realloc(verified->bad, more * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu damaged chunks", more);
        }
        verified->bad = grown;
        verified->bad_allocated = more;
    }
    verified->bad[verified->bad_count++] = place;
    return 0;
}

static void report(struct pack_check *check, const struct error *what)
{
    const struct verify_packs_options *options = check->verify->options;
    if (!check->reported && options->damaged != NULL) {
        options->damaged(options->context, check->name, what->message);
    }
    check->reported = true;
}

static int bad_frame(struct pack_check *check, const struct pack_record *record, const struct error *what,
                     struct error *error)
{
    struct verify *verify = check->verify;
    const struct chunks *chunks = &verify->repository->chunks;
    if (!stored_is_lost(what)) {
        return error_set(error, what->code, "%s", what->message);
    }
    const struct chunk_place *place = chunks_find(chunks, record->id);
    while (place != NULL && (place->pack != check->number || place->offset != record->offset)) {
        place = chunks_next(chunks, place);
    }
    pthread_mutex_lock(&verify->lock);
    report(check, what);
    int result = place == NULL ? 0 : add_bad(verify->verified, place, error);
    pthread_mutex_unlock(&verify->lock);
    return result;
}

/* A pack that could be opened before and cannot now. */
static int bad_pack(struct pack_check *check, const struct error *what, struct error *error)
{
    struct verify *verify = check->verify;
    const struct chunks *chunks = &verify->repository->chunks;
    int result = 0;
    if (!stored_is_lost(what)) {
        return error_set(error, what->code, "%s", what->message);
    }
    pthread_mutex_lock(&verify->lock);
    report(check, what);
    for (uint32_t i = 0; result == 0 && i < chunks->count; i++) {
        result =
            chunks_at(chunks, i)->pack == check->number ? add_bad(verify->verified, chunks_at(chunks, i), error) : 0;
    }
    pthread_mutex_unlock(&verify->lock);
    return result;
}

/* --- one pack --- */

/* The frame, from a batch of them where the disk reads; by itself where it does not, so that only what is lost is lost. */
static const uint8_t *frame_of(struct pack_check *check, const struct pack_record *record, struct error *error)
{
    struct reader *reader = check->reader;
    uint64_t offset = record->offset;
    if (offset < check->batch_offset || offset + record->stored_bytes > check->batch_offset + check->batch_size) {
        uint64_t rest = reader->index.frames_bytes - offset;
        size_t size = rest < BATCH_BYTES ? (size_t)rest : BATCH_BYTES;
        check->batch_offset = offset;
        check->batch_size = size;
        if (stored_read(&check->file, check->name, offset, reader->batch, size, error) != 0) {
            check->batch_size = 0;
            if (stored_read(&check->file, check->name, offset, reader->batch, record->stored_bytes, error) != 0) {
                return NULL;
            }
            return reader->batch;
        }
    }
    return reader->batch + (offset - check->batch_offset);
}

static bool is_chosen(struct pack_check *check, const struct pack_record *record)
{
    if (check->run_bytes >= RUN_BYTES || record->offset == 0) {
        const struct verify *verify = check->verify;
        uint32_t share_ppm = verify->options->share_ppm;
        check->run_bytes = 0;
        check->chosen = next_random(&check->random) % ALL_PPM < share_ppm ||
                        (share_ppm > 0 && record->offset == 0 && check->number == verify->surely);
    }
    check->run_bytes += record->stored_bytes;
    return check->chosen;
}

/* Frame by frame: a pack can take a slow stick longer than a person waits for a word. */
static void tell(struct verify *verify, uint64_t more_bytes, uint32_t more_packs)
{
    pthread_mutex_lock(&verify->lock);
    verify->done_bytes += more_bytes;
    verify->done_packs += more_packs;
    struct progress_state state = {
        .doing = "checking packs",
        .done_bytes = verify->done_bytes,
        .total_bytes = verify->total_bytes,
        .done_items = verify->done_packs,
        .total_items = verify->repository->pack_count,
    };
    progress_tell(verify->options->progress, &state);
    pthread_mutex_unlock(&verify->lock);
}

/* Nobody needs it, but it has to be as it was written. */
static void check_padding(struct pack_check *check)
{
    struct verify *verify = check->verify;
    struct error trouble = {.code = CSN_NONE};
    if (verify->options->share_ppm == ALL_PPM &&
        pack_check_padding(&check->reader->index, &check->file, check->name, &trouble) != 0) {
        pthread_mutex_lock(&verify->lock);
        report(check, &trouble);
        pthread_mutex_unlock(&verify->lock);
    }
}

static int check_frames(struct pack_check *check, struct error *error)
{
    struct pack_record record = {0};
    uint32_t position = 0;
    while (pack_index_next(&check->reader->index, &position, &record)) {
        struct error trouble = {.code = CSN_NONE};
        tell(check->verify, record.stored_bytes, 0);
        if (!is_chosen(check, &record)) {
            continue;
        }
        const uint8_t *frame = frame_of(check, &record, &trouble);
        if (frame == NULL || pack_decode(check->reader->decoder, &record, frame, true, &trouble) == NULL) {
            if (bad_frame(check, &record, &trouble, error) != 0) {
                return -1;
            }
        } else {
            check->bytes += record.size_bytes;
        }
        check->chunks++;
    }
    check_padding(check);
    return 0;
}

static int check_pack(void *context, unsigned worker, void *job, struct error *error)
{
    struct verify *verify = context;
    struct repository *repository = verify->repository;
    struct error trouble = {.code = CSN_NONE};
    struct pack_check check = {
        .verify = verify,
        .reader = &verify->readers[worker],
        .file = {.fd = -1},
        .number = (uint32_t)((uint8_t(*)[SHA256_SIZE])job - repository->packs),
    };
    const uint8_t *id = repository->packs[check.number];
    int result = 0;
    check.random = verify->seed + check.number * 0x2545F4914F6CDD1Du;
    pack_name(PACK_CHUNKS, id, repository_is_sealed(repository), check.name);
    if (stored_open(&check.file, &repository->packs_folder, check.name, &trouble) != 0 ||
        pack_index_read(&check.reader->index, &check.file, PACK_CHUNKS, id, check.name, &trouble) != 0) {
        result = bad_pack(&check, &trouble, error);
    } else {
        result = check_frames(&check, error);
    }
    stored_close(&check.file);
    tell(verify, 0, 1);
    pthread_mutex_lock(&verify->lock);
    verify->verified->packs += check.reported && check.chunks == 0 ? 0 : 1;
    verify->verified->chunks += check.chunks;
    verify->verified->bytes += check.bytes;
    pthread_mutex_unlock(&verify->lock);
    return result;
}

/* --- all of them --- */

static int by_address(const void *a, const void *b)
{
    const struct chunk_place *first = *(const struct chunk_place *const *)a;
    const struct chunk_place *second = *(const struct chunk_place *const *)b;
    return first < second ? -1 : first > second ? 1 : 0;
}

static int make_readers(struct verify *verify, unsigned count, struct error *error)
{
    for (unsigned i = 0; i < count; i++) {
        struct reader *reader = &verify->readers[i];
        reader->batch = malloc(BATCH_BYTES);
        if (reader->batch == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for checking packs");
        }
        reader->decoder = pack_decoder_new(error);
        if (reader->decoder == NULL) {
            return -1;
        }
    }
    return 0;
}

static int check_packs(struct verify *verify, struct workers *workers, struct error *error)
{
    struct repository *repository = verify->repository;
    for (uint32_t i = 0; i < repository->pack_count; i++) {
        if (verify->options->share_ppm == ALL_PPM) {
            char name[PACK_NAME_SIZE];
            pack_name(PACK_CHUNKS, repository->packs[i], repository_is_sealed(repository), name);
            stored_expect(&repository->packs_folder, name);
        }
        if (workers_give(workers, &repository->packs[i], error) != 0) {
            return -1;
        }
    }
    return workers_wait(workers, error);
}

int verify_packs(struct repository *repository, const struct verify_packs_options *options,
                 struct verified_packs *verified, struct error *error)
{
    struct verify verify = {.repository = repository, .options = options, .verified = verified};
    unsigned count = workers_usual();
    *verified = (struct verified_packs){0};
    if (getrandom(&verify.seed, sizeof verify.seed, 0) != (ssize_t)sizeof verify.seed) {
        return error_system(error, CSN_INTERNAL, "random numbers");
    }
    verify.surely = repository->pack_count == 0 ? 0 : (uint32_t)(verify.seed % repository->pack_count);
    for (uint32_t i = 0; i < repository->chunks.count; i++) {
        verify.total_bytes += chunks_at(&repository->chunks, i)->stored_bytes;
    }
    pthread_mutex_init(&verify.lock, NULL);
    struct workers *workers =
        make_readers(&verify, count, error) != 0 ? NULL : workers_start(count, 1, check_pack, &verify, error);
    int result = workers == NULL ? -1 : check_packs(&verify, workers, error);
    workers_end(workers);
    for (unsigned i = 0; i < count; i++) {
        pack_index_free(&verify.readers[i].index);
        pack_decoder_free(verify.readers[i].decoder);
        free(verify.readers[i].batch);
    }
    pthread_mutex_destroy(&verify.lock);
    if (verified->bad_count > 1) {
        qsort(verified->bad, verified->bad_count, sizeof *verified->bad, by_address);
    }
    return result;
}

void verified_packs_free(struct verified_packs *verified)
{
    free(verified->bad);
    *verified = (struct verified_packs){0};
}

bool verified_packs_is_bad(const struct verified_packs *verified, const struct chunk_place *place)
{
    return verified->bad_count > 0 &&
           bsearch(&place, verified->bad, verified->bad_count, sizeof *verified->bad, by_address) != NULL;
}
