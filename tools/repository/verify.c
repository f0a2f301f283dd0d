#include "repository/repository.h"

#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/snapshot.h"
#include "tree/links.h"

#define BATCH_BYTES (4u * 1024 * 1024 + CHUNK_STORED_LIMIT_BYTES) /* of frames, read at once */
#define PAGE_LIMIT_BYTES (1024u * 1024)

struct verify {
    struct repository *repository;
    void (*damaged)(void *context, const struct repository_damage *damage);
    void *context;
    const struct progress *progress;
    struct repository_verification *sums;
    struct strings snapshots; /* file names */
    uint64_t total_bytes;     /* stored, of all packs */
    uint64_t done_bytes;
    struct pack_index index;
    struct pack_decoder *decoder;
    uint8_t *batch;
    const struct chunk_place **bad; /* places that do not hold */
    size_t bad_count;
    size_t bad_allocated;
};

static void report(struct verify *verify, const char *folder, const char *file, const char *what, const char *snapshot,
                   const char *path)
{
    struct buffer name = {0};
    struct buffer recorded = {0};
    buffer_format(&name, "%s%s", folder, file);
    if (path != NULL) {
        buffer_format(&recorded, "/%s", path);
    }
    struct repository_damage damage = {
        .file = buffer_text(&name),
        .what = what,
        .snapshot = snapshot,
        .path = path == NULL ? NULL : buffer_text(&recorded),
    };
    verify->sums->damages++;
    if (verify->damaged != NULL) {
        verify->damaged(verify->context, &damage);
    }
    buffer_free(&name);
    buffer_free(&recorded);
}

static void tell(const struct verify *verify, const char *doing, const char *item)
{
    struct progress_state state = {
        .doing = doing,
        .item = item,
        .done_bytes = verify->done_bytes,
        .total_bytes = verify->total_bytes,
        .done_items = verify->sums->packs + verify->sums->snapshots,
        .total_items = verify->repository->pack_count + verify->snapshots.count,
    };
    progress_tell(verify->progress, &state);
}

/* --- the pages --- */

static int check_pages(struct verify *verify, struct error *error)
{
    struct repository *repository = verify->repository;
    for (size_t i = 0; i < CONFIG_PAGES && !repository->config_damaged; i++) {
        struct buffer text = {0};
        struct error trouble;
        uint8_t digest[SHA256_SIZE] = {0};
        int got = file_read(repository->folder_fd, config_pages[i].name, PAGE_LIMIT_BYTES, &text, &trouble);
        if (got == 0) {
            sha256_of(buffer_text(&text), text.size, digest);
        }
        buffer_free(&text);
        if (got != 0 && trouble.code == CSN_MEMORY) {
            return error_set(error, CSN_MEMORY, "%s", trouble.message);
        }
        if (got != 0 || memcmp(digest, repository->config.page_hashes[i], SHA256_SIZE) != 0) {
            report(verify, "", config_pages[i].name, "it is not as it was written", NULL, NULL);
        }
    }
    return 0;
}

/* --- packs --- */

static int add_bad(struct verify *verify, const struct chunk_place *place, struct error *error)
{
    if (verify->bad_count == verify->bad_allocated) {
        size_t more = verify->bad_allocated == 0 ? 64 : 2 * verify->bad_allocated;
        const struct chunk_place **grown = realloc(verify->bad, more * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu damaged chunks", more);
        }
        verify->bad = grown;
        verify->bad_allocated = more;
    }
    verify->bad[verify->bad_count++] = place;
    return 0;
}

static int add_bad_frame(struct verify *verify, uint32_t pack, const struct pack_record *record, struct error *error)
{
    const struct chunk_place *place = chunks_find(&verify->repository->chunks, record->id);
    while (place != NULL && (place->pack != pack || place->offset != record->offset)) {
        place = chunks_next(&verify->repository->chunks, place);
    }
    return place == NULL ? 0 : add_bad(verify, place, error);
}

/* A pack that could be opened before and cannot now. */
static int add_bad_pack(struct verify *verify, uint32_t pack, struct error *error)
{
    const struct chunks *chunks = &verify->repository->chunks;
    for (uint32_t i = 0; i < chunks->count; i++) {
        if (chunks_at(chunks, i)->pack == pack && add_bad(verify, chunks_at(chunks, i), error) != 0) {
            return -1;
        }
    }
    return 0;
}

struct pack_check {
    struct stored_reader file;
    uint32_t number;
    char name[PACK_NAME_SIZE];
    uint64_t batch_offset;
    size_t batch_size;
    bool reported;
};

/* The frame, from a batch of them where the disk reads; by itself where it does not, so that only what is lost is lost. */
static const uint8_t *frame_of(struct verify *verify, struct pack_check *check, const struct pack_record *record,
                               struct error *error)
{
    uint64_t offset = record->offset;
    if (offset < check->batch_offset || offset + record->stored_bytes > check->batch_offset + check->batch_size) {
        uint64_t rest = verify->index.frames_bytes - offset;
        size_t size = rest < BATCH_BYTES ? (size_t)rest : BATCH_BYTES;
        check->batch_offset = offset;
        check->batch_size = size;
        if (stored_read(&check->file, check->name, offset, verify->batch, size, error) != 0) {
            check->batch_size = 0;
            if (stored_read(&check->file, check->name, offset, verify->batch, record->stored_bytes, error) != 0) {
                return NULL;
            }
            return verify->batch;
        }
    }
    return verify->batch + (offset - check->batch_offset);
}

static int check_frames(struct verify *verify, struct pack_check *check, struct error *error)
{
    struct pack_record record = {0};
    uint32_t position = 0;
    while (pack_index_next(&verify->index, &position, &record)) {
        struct error trouble = {.code = CSN_NONE};
        const uint8_t *frame = frame_of(verify, check, &record, &trouble);
        if (frame == NULL || pack_decode(verify->decoder, &record, frame, true, &trouble) == NULL) {
            if (!check->reported) {
                report(verify, REPOSITORY_PACKS "/", check->name, trouble.message, NULL, NULL);
                check->reported = true;
            }
            if (add_bad_frame(verify, check->number, &record, error) != 0) {
                return -1;
            }
        } else {
            verify->sums->bytes += record.size_bytes;
        }
        verify->sums->chunks++;
        verify->done_bytes += record.stored_bytes;
        tell(verify, "checking packs", check->name);
    }
    return 0;
}

static int check_pack(struct verify *verify, uint32_t number, struct error *error)
{
    struct repository *repository = verify->repository;
    struct pack_check check = {.file = {.fd = -1}, .number = number};
    struct error trouble = {.code = CSN_NONE};
    int result = 0;
    pack_name(PACK_CHUNKS, repository->packs[number], repository_is_sealed(repository), check.name);
    if (stored_open(&check.file, &repository->packs_folder, check.name, &trouble) != 0 ||
        pack_index_read(&verify->index, &check.file, PACK_CHUNKS, repository->packs[number], check.name, &trouble) !=
            0) {
        report(verify, REPOSITORY_PACKS "/", check.name, trouble.message, NULL, NULL);
        result = add_bad_pack(verify, number, error);
    } else {
        result = check_frames(verify, &check, error);
        verify->sums->packs++;
    }
    stored_close(&check.file);
    return result;
}

static int by_address(const void *a, const void *b)
{
    const struct chunk_place *first = *(const struct chunk_place *const *)a;
    const struct chunk_place *second = *(const struct chunk_place *const *)b;
    return first < second ? -1 : first > second ? 1 : 0;
}

static int check_packs(struct verify *verify, struct error *error)
{
    struct repository *repository = verify->repository;
    for (uint32_t i = 0; i < repository->chunks.count; i++) {
        verify->total_bytes += chunks_at(&repository->chunks, i)->stored_bytes;
    }
    for (uint32_t i = 0; i < repository->pack_count; i++) {
        if (check_pack(verify, i, error) != 0) {
            return -1;
        }
    }
    if (verify->bad_count > 1) {
        qsort(verify->bad, verify->bad_count, sizeof *verify->bad, by_address);
    }
    return 0;
}

/* --- snapshots --- */

/* NULL if the piece can be had, else what is wrong; *pack is where it should have been. */
static const char *check_piece(const struct verify *verify, const struct snapshot_piece *piece, uint32_t *pack)
{
    const struct chunks *chunks = &verify->repository->chunks;
    const struct chunk_place *place = chunks_find(chunks, piece->id);
    const char *what = "a chunk of it is in no pack that is whole";
    for (; place != NULL; place = chunks_next(chunks, place)) {
        *pack = place->pack;
        if (place->size_bytes != piece->size_bytes) {
            what = "a chunk of it has another size";
        } else if (verify->bad_count > 0 &&
                   bsearch(&place, verify->bad, verify->bad_count, sizeof *verify->bad, by_address) != NULL) {
            what = "a chunk of it is damaged";
        } else {
            return NULL;
        }
    }
    return what;
}

static void check_content(struct verify *verify, const char *id, const struct snapshot_entry *entry)
{
    for (size_t i = 0; i < entry->piece_count; i++) {
        uint32_t pack = UINT32_MAX;
        const char *what =
            snapshot_piece_is_hole(&entry->pieces[i]) ? NULL : check_piece(verify, &entry->pieces[i], &pack);
        if (what != NULL) {
            char name[PACK_NAME_SIZE] = "";
            if (pack != UINT32_MAX) {
                pack_name(PACK_CHUNKS, verify->repository->packs[pack], repository_is_sealed(verify->repository), name);
            }
            report(verify, REPOSITORY_PACKS "/", name, what, id, entry->tree.path);
            return;
        }
    }
}

/* Each further name of a file must follow a first one. */
static int check_link(struct verify *verify, const char *id, struct tree_links *links,
                      const struct snapshot_entry *entry, const char *file_name, struct error *error)
{
    const struct tree_entry *tree = &entry->tree;
    const char *first = NULL;
    if (tree->type == TREE_FOLDER || (tree->nlink < 2 && entry->hardlink == NULL)) {
        return 0;
    }
    if (tree_links_seen(links, tree->dev, tree->ino, tree->path, &first, error) != 0) {
        return -1;
    }
    if (entry->hardlink != NULL && (first == NULL || strcmp(first, entry->hardlink) != 0)) {
        report(verify, REPOSITORY_SNAPSHOTS "/", file_name, "it is a link to what is not in the snapshot", id,
               tree->path);
    }
    return 0;
}

static int check_snapshot(struct verify *verify, const char *file_name, struct error *error)
{
    struct tree_links links = {0};
    struct error trouble = {.code = CSN_NONE};
    const struct snapshot_entry *entry = NULL;
    uint8_t id[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    int result = 0;
    int got = -1;
    if (!pack_name_id(PACK_SNAPSHOT, file_name, repository_is_sealed(verify->repository), id)) {
        return 0;
    }
    hex_encode(id, SHA256_SIZE, hex);
    struct snapshot_reader *reader = snapshot_reader_open(&verify->repository->snapshots_folder, id, &trouble);
    while (reader != NULL && result == 0 && (got = snapshot_reader_next(reader, &entry, &trouble)) == 1) {
        check_content(verify, hex, entry);
        result = check_link(verify, hex, &links, entry, file_name, error);
        tell(verify, "checking snapshots", entry->tree.path);
    }
    snapshot_reader_close(reader);
    tree_links_free(&links);
    if (reader == NULL && trouble.code == CSN_AGE_NO_IDENTITY && !verify->repository->reads_all) {
        verify->sums->locked++;
        return 0;
    }
    if (result == 0 && got < 0) {
        if (trouble.code == CSN_MEMORY) {
            return error_set(error, trouble.code, "%s", trouble.message);
        }
        report(verify, REPOSITORY_SNAPSHOTS "/", file_name, trouble.message, hex, NULL);
    }
    verify->sums->snapshots++;
    return result;
}

static int note_snapshot(void *context, const char *name, struct error *error)
{
    struct verify *verify = context;
    uint8_t id[SHA256_SIZE];
    return pack_name_id(PACK_SNAPSHOT, name, repository_is_sealed(verify->repository), id)
               ? strings_add(&verify->snapshots, name, error)
               : 0;
}

/* --- the whole --- */

static int check_all(struct verify *verify, enum repository_verify_level level, struct error *error)
{
    struct repository *repository = verify->repository;
    /* The snapshots first, the packs after: a backup that ends meanwhile must not look like damage. */
    if (repository_each_file(repository->snapshots_folder.fd, false, note_snapshot, verify, error) != 0 ||
        repository_refresh(repository, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < repository->damaged_files.count; i++) {
        report(verify, "", repository->damaged_files.items[i], repository->damaged_whats.items[i], NULL, NULL);
    }
    if (check_pages(verify, error) != 0) {
        return -1;
    }
    if (level == REPOSITORY_VERIFY_ALL) {
        verify->batch = malloc(BATCH_BYTES);
        verify->decoder = pack_decoder_new(error);
        if (verify->batch == NULL || verify->decoder == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for checking packs");
        }
        if (check_packs(verify, error) != 0) {
            return -1;
        }
    } else {
        verify->sums->packs = repository->pack_count;
        verify->sums->chunks = repository->chunks.count;
    }
    for (size_t i = 0; i < verify->snapshots.count; i++) {
        if (check_snapshot(verify, verify->snapshots.items[i], error) != 0) {
            return -1;
        }
    }
    verify->sums->locked += repository->locked_packs;
    if (verify->sums->locked > 0 && repository->pack_count == 0) {
        return error_set(error, CSN_AGE_NO_IDENTITY, "the packs of %s", repository->path);
    }
    return 0;
}

int repository_verify(struct repository *repository, enum repository_verify_level level,
                      void (*damaged)(void *context, const struct repository_damage *damage), void *context,
                      const struct progress *progress, struct repository_verification *verification,
                      struct error *error)
{
    struct verify verify = {
        .repository = repository, .damaged = damaged, .context = context, .progress = progress, .sums = verification};
    *verification = (struct repository_verification){0};
    if (repository->spent) {
        return error_set(error, CSN_INTERNAL, "the repository is verified by a writer that failed");
    }
    int result = check_all(&verify, level, error);
    strings_free(&verify.snapshots);
    pack_index_free(&verify.index);
    pack_decoder_free(verify.decoder);
    free(verify.batch);
    free(verify.bad);
    return result;
}
