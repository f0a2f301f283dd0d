#include "repository/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/repack.h"
#include "repository/salvage.h"
#include "repository/snapshot.h"
#include "repository/verify_packs.h"

static void tell_done(const struct repair *repair, const char *file, const char *what)
{
    if (repair->done != NULL) {
        repair->done(repair->context, file, what);
    }
}

/* --- setting aside --- */

int repair_set_aside(struct repair *repair, const struct stored_folder *folder, const char *folder_name,
                     const char *name, const char *what, struct error *error)
{
    int repository_fd = repair->repository->folder_fd;
    const char *slash = strrchr(name, '/');
    const char *file = slash == NULL ? name : slash + 1;
    struct buffer from = {0};
    struct buffer to = {0};
    struct buffer said = {0};
    buffer_format(&from, "%s/%s", folder_name, name);
    buffer_format(&to, REPOSITORY_DAMAGED "/%s", file);
    buffer_format(&said, "%s; the damaged file is " REPOSITORY_DAMAGED "/%s now", what, file);
    int result =
        buffer_check(&from, error) != 0 || buffer_check(&to, error) != 0 || buffer_check(&said, error) != 0 ? -1 : 0;
    if (result == 0 && mkdirat(repository_fd, REPOSITORY_DAMAGED, 0700) != 0 && errno != EEXIST) {
        result = error_system(error, errno == ENOSPC ? CSN_REPOSITORY_FULL : CSN_IO,
                              "making the folder " REPOSITORY_DAMAGED " in the repository");
    }
    if (result == 0 && renameat(folder->fd, name, repository_fd, to.data) != 0) {
        result = error_system(error, CSN_IO, "setting %s aside", from.data);
    }
    if (result == 0) {
        result = file_sync_parent(repository_fd, to.data, error) != 0 ||
                         file_sync_parent(repository_fd, from.data, error) != 0
                     ? -1
                     : 0;
    }
    if (result == 0) {
        repair->summary->set_aside++;
        tell_done(repair, from.data, said.data);
    }
    buffer_free(&from);
    buffer_free(&to);
    buffer_free(&said);
    return result;
}

/* --- packs without an index --- */

struct rebuild {
    struct pack_writer *writer;
    uint64_t saved;
};

static int take_chunk(void *context, const struct salvaged *salvaged, struct error *error)
{
    struct rebuild *rebuild = context;
    struct pack_record record = salvaged->record;
    rebuild->saved++;
    return pack_writer_add(rebuild->writer, &record, salvaged->frame, error);
}

/* A pack's name without "packs/". */
static int rebuild_pack(struct repair *repair, const char *name, const char *damage, struct error *error)
{
    struct repository *repository = repair->repository;
    const struct stored_folder *folder = &repository->packs_folder;
    struct stored_reader file = {.fd = -1};
    struct error trouble = {.code = CSN_NONE};
    struct buffer what = {0};
    uint8_t id[SHA256_SIZE];
    bool gap = false;
    uint64_t unused = 0;
    struct rebuild rebuild = {.writer = pack_writer_new(PACK_CHUNKS, folder, error)};
    if (rebuild.writer == NULL) {
        return -1;
    }
    int result = 0;
    if (stored_open_damaged(&file, folder, name, &trouble) == 0) {
        result = salvage_frames(&file, name, take_chunk, &rebuild, &gap, error);
    } else if (!stored_is_lost(&trouble)) {
        result = error_set(error, trouble.code, "%s", trouble.message);
    } /* else nothing of it can be had: its key is in its head */
    stored_close(&file);
    if (result == 0 && rebuild.saved > 0) {
        result = pack_writer_commit(rebuild.writer, id, &unused, error);
    }
    pack_writer_free(rebuild.writer);
    if (result == 0) {
        buffer_format(&what, "%s: %" PRIu64 " chunks of it are saved", damage, rebuild.saved);
        repair->summary->packs_rebuilt += rebuild.saved > 0 ? 1 : 0;
        repair->summary->chunks_saved += rebuild.saved;
        result = repair_set_aside(repair, folder, REPOSITORY_PACKS, name, buffer_text(&what), error);
    }
    buffer_free(&what);
    return result;
}

static int rebuild_packs(struct repair *repair, struct error *error)
{
    const struct repository *repository = repair->repository;
    size_t length = strlen(REPOSITORY_PACKS "/");
    for (size_t i = 0; i < repository->damaged_files.count; i++) {
        const char *file = repository->damaged_files.items[i];
        if (file[strlen(file) - 1] == '/') { /* what is in it may be whole */
            return error_set(error, CSN_IO, "%s in the repository: %s", file, repository->damaged_whats.items[i]);
        }
        if (strncmp(file, REPOSITORY_PACKS "/", length) == 0 &&
            rebuild_pack(repair, file + length, repository->damaged_whats.items[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- packs with damaged chunks --- */

/* first: number of the pack's first chunk; count: how many it has. */
static int copy_good(struct repair *repair, const struct verified_packs *verified, uint32_t pack, uint32_t first,
                     uint32_t count, struct error *error)
{
    struct repository *repository = repair->repository;
    const struct stored_seal *seal = repository->packs_folder.seal;
    char name[PACK_NAME_SIZE];
    struct buffer what = {0};
    uint64_t unused = 0;
    uint32_t good = 0;
    uint8_t *kept = calloc(count, 1);
    if (kept == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the chunks of a pack");
    }
    for (uint32_t i = 0; i < count; i++) {
        kept[i] = verified_packs_is_bad(verified, chunks_at(&repository->chunks, first + i)) ? 0 : 1;
        good += kept[i];
    }
    int result = good == count ? 0 : repack(repository, pack, kept, seal, &unused, error);
    free(kept);
    if (result != 0 || good == count) {
        return result;
    }
    pack_name(PACK_CHUNKS, repository->packs[pack], repository_is_sealed(repository), name);
    buffer_format(&what, "%u of its %u chunks are saved", good, count);
    repair->summary->packs_rebuilt += good > 0 ? 1 : 0;
    repair->summary->chunks_saved += good;
    result = repair_set_aside(repair, &repository->packs_folder, REPOSITORY_PACKS, name, buffer_text(&what), error);
    buffer_free(&what);
    return result;
}

static int mend_packs(struct repair *repair, struct error *error)
{
    const struct chunks *chunks = &repair->repository->chunks;
    const struct verify_packs_options options = {.share_ppm = REPOSITORY_VERIFY_ALL, .progress = repair->progress};
    struct verified_packs verified;
    int result = verify_packs(repair->repository, &options, &verified, error);
    for (uint32_t first = 0; result == 0 && verified.bad_count > 0 && first < chunks->count;) {
        uint32_t pack = chunks_at(chunks, first)->pack;
        uint32_t count = 1;
        while (first + count < chunks->count && chunks_at(chunks, first + count)->pack == pack) {
            count++;
        }
        result = copy_good(repair, &verified, pack, first, count, error);
        first += count;
    }
    verified_packs_free(&verified);
    return result;
}

/* --- snapshots --- */

static int mend_snapshots(struct repair *repair, struct error *error)
{
    struct repository_snapshots snapshots;
    struct repository *repository = repair->repository;
    if (repository_list(repository, &snapshots, error) != 0) {
        return -1;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < snapshots.damaged.count; i++) {
        uint8_t id[SHA256_SIZE];
        result = hex_decode(snapshots.damaged.items[i], id, SHA256_SIZE) ? repair_snapshot(repair, id, error) : 0;
    }
    for (size_t i = 0; result == 0 && i < snapshots.count; i++) {
        struct error trouble = {.code = CSN_NONE};
        const struct snapshot_entry *entry = NULL;
        uint8_t id[SHA256_SIZE] = {0};
        (void)hex_decode(snapshots.items[i].id, id, SHA256_SIZE);
        struct snapshot_reader *reader = snapshot_reader_open(&repository->snapshots_folder, id, &trouble);
        int got = reader == NULL ? -1 : 1;
        while (got == 1) {
            got = snapshot_reader_next(reader, &entry, &trouble);
        }
        snapshot_reader_close(reader);
        if (got < 0 && !stored_is_lost(&trouble)) {
            *error = trouble;
            result = -1;
        } else if (got < 0) {
            result = repair_snapshot(repair, id, error);
        }
    }
    repository_snapshots_free(&snapshots);
    return result;
}

/* --- the whole --- */

static int count_snapshot(void *context, const char *name, struct error *error)
{
    size_t *count = context;
    uint8_t id[SHA256_SIZE];
    (void)error;
    *count += pack_name_id(PACK_SNAPSHOT, name, false, id) ? 1 : 0;
    return 0;
}

/* One that is not encrypted can go on with other parameters: the next backup stores everything once more. Whether an empty one was to
 * be encrypted nobody knows: that stays as it is. */
static int make_config(struct repair *repair, struct error *error)
{
    struct repository *repository = repair->repository;
    const struct repository_config plain = {.recipient_count = 0};
    size_t files = repository->pack_count + repository->damaged_files.count;
    if (repository_each_file(repository->snapshots_folder.fd, false, count_snapshot, &files, error) != 0) {
        return -1;
    }
    if (files == 0) {
        return 0;
    }
    if (config_write(&plain, repository->folder_fd, error) != 0 ||
        config_read(&repository->config, repository->folder_fd, repository->path, error) != 0) {
        return -1;
    }
    repository->config_damaged = false;
    tell_done(repair, CONFIG_FILE, "written anew, with another id; the next backup stores everything once more");
    return 0;
}

static int repair_all(struct repair *repair, struct error *error)
{
    struct repository *repository = repair->repository;
    if (!repository_is_alone(repository) || repository->spent) {
        return error_set(error, CSN_INTERNAL, "the repository is not open for a repair");
    }
    repository->spent = true;
    if (repository->config_damaged && !repository_is_sealed(repository) && make_config(repair, error) != 0) {
        return -1;
    }
    if (repository->config_damaged) {
        return error_set(error, CSN_REPOSITORY_DAMAGED,
                         "%s: " CONFIG_FILE
                         " and its copy; whom it is encrypted to is not known any more, so nothing can be "
                         "written. What it holds can be restored",
                         repository->path);
    }
    return config_repair(&repository->config, repository->folder_fd, repair->done, repair->context, error) != 0 ||
                   rebuild_packs(repair, error) != 0 || mend_packs(repair, error) != 0 ||
                   mend_snapshots(repair, error) != 0
               ? -1
               : 0;
}

int repository_repair(struct repository *repository, void (*done)(void *context, const char *file, const char *what),
                      void *context, const struct progress *progress, struct repository_repair_summary *summary,
                      struct error *error)
{
    struct repair repair = {
        .repository = repository, .done = done, .context = context, .progress = progress, .summary = summary};
    *summary = (struct repository_repair_summary){0};
    return repair_all(&repair, error);
}
