#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/prune_policy.h"
#include "repository/repack.h"
#include "repository/snapshot.h"

#define REWRITE_ABOVE 5 /* a pack is written anew where one part in so many of it is needed by nothing */

/* What a pack holds that is needed. */
struct pack_use {
    uint64_t needed_bytes;
    uint64_t stored_bytes; /* all frames */
    uint32_t first;        /* number of its first chunk; they are numbered one after another */
    uint32_t count;
    bool shared; /* it has a chunk that other packs have, too, and machines have keys of their own */
};

struct prune {
    struct repository *repository;
    const struct repository_prune_options *options;
    const struct progress *progress;
    struct repository_prune_summary *summary;
    struct repository_snapshots snapshots;
    struct prune_item *items;
    struct pack_cache *cache;
    uint8_t *needed; /* one a chunk, by number */
    struct pack_use *packs;
    struct strings machines; /* recipients of machines' own keys that snapshots name */
    uint8_t *machine_bits;   /* of each pack: which of these machines have snapshots that need it */
    size_t machine_bytes;    /* bits of one pack */
};

static void tell(const struct prune *prune, const char *doing, const char *item, uint64_t done, uint64_t total)
{
    struct progress_state state = {.doing = doing, .item = item, .done_items = done, .total_items = total};
    progress_tell(prune->progress, &state);
}

/* --- what is there --- */

static int check_sound(struct prune *prune, struct error *error)
{
    const struct repository *repository = prune->repository;
    const struct repository_snapshots *snapshots = &prune->snapshots;
    if (!repository_is_alone(repository) || repository->spent) {
        return error_set(error, CSN_INTERNAL, "the repository is not open for pruning");
    }
    if (repository->config_damaged) {
        return error_set(error, CSN_REPOSITORY_DAMAGED, "%s: " CONFIG_FILE " and its copy; repair it first",
                         repository->path);
    }
    if (repository->damaged_files.count > 0) {
        return error_set(error, CSN_REPOSITORY_DAMAGED, "%s: %s; repair it first", repository->damaged_files.items[0],
                         repository->damaged_whats.items[0]);
    }
    if (snapshots->damaged.count > 0) {
        return error_set(error, CSN_REPOSITORY_DAMAGED,
                         "the snapshot %.16s cannot be read; repair the repository first", snapshots->damaged.items[0]);
    }
    if (snapshots->locked + repository->locked_packs > 0) {
        return error_set(
            error, CSN_AGE_NO_IDENTITY,
            "what the keys given do not open may need anything: an identity of the repository itself is needed");
    }
    return 0;
}

static const struct chunk_place *find_piece(const struct chunks *chunks, const struct snapshot_piece *piece)
{
    const struct chunk_place *place = chunks_find(chunks, piece->id);
    while (place != NULL && place->size_bytes != piece->size_bytes) {
        place = chunks_next(chunks, place);
    }
    return place;
}

static struct snapshot_reader *open_snapshot(const struct prune *prune, size_t at, struct error *error)
{
    uint8_t id[SHA256_SIZE];
    if (!hex_decode(prune->items[at].snapshot->id, id, SHA256_SIZE)) {
        error_set(error, CSN_INTERNAL, "the id of a snapshot is none");
        return NULL;
    }
    return snapshot_reader_open(&prune->repository->snapshots_folder, id, error);
}

static int look_at(struct prune *prune, size_t at, struct error *error)
{
    struct prune_item *item = &prune->items[at];
    const struct snapshot_entry *entry = NULL;
    struct snapshot_reader *reader = open_snapshot(prune, at, error);
    int got = -1;
    if (reader == NULL) {
        return -1;
    }
    item->began_sec = snapshot_reader_began_sec(reader);
    item->whole = !repository_is_incomplete(item->snapshot);
    while ((got = snapshot_reader_next(reader, &entry, error)) == 1) {
        for (size_t i = 0; item->whole && i < entry->piece_count; i++) {
            item->whole = snapshot_piece_is_hole(&entry->pieces[i]) ||
                          find_piece(&prune->repository->chunks, &entry->pieces[i]) != NULL;
        }
        tell(prune, "looking at snapshots", entry->tree.path, at, prune->snapshots.count);
    }
    const char *machine = snapshot_reader_machine(reader);
    if (got == 0 && machine != NULL && !strings_has(&prune->machines, machine)) {
        got = strings_add(&prune->machines, machine, error);
    }
    snapshot_reader_close(reader);
    return got;
}

/* --- proof --- */

/* Every byte of it is read and its hash compared; chunks that were proven for another one are not read again. */
static int prove_snapshot(struct prune *prune, size_t at, uint8_t *proven, struct error *error)
{
    const struct chunks *chunks = &prune->repository->chunks;
    const struct snapshot_entry *entry = NULL;
    struct snapshot_reader *reader = open_snapshot(prune, at, error);
    int got = reader == NULL ? -1 : 1;
    while (got == 1 && (got = snapshot_reader_next(reader, &entry, error)) == 1) {
        for (size_t i = 0; got == 1 && i < entry->piece_count; i++) {
            const struct snapshot_piece *piece = &entry->pieces[i];
            uint32_t first = snapshot_piece_is_hole(piece) ? CHUNKS_NONE : chunks_first(chunks, piece->id);
            if (first == CHUNKS_NONE || proven[first] != 0) {
                continue;
            }
            if (pack_cache_chunk(prune->cache, piece->id, piece->size_bytes, error) == NULL) {
                error_wrap(error,
                           "/%s of the snapshot %.16s, which would be the newest that stays; nothing was removed",
                           entry->tree.path, prune->items[at].snapshot->id);
                got = -1;
            } else {
                proven[first] = 1;
            }
        }
        tell(prune, "proving what stays", entry->tree.path, at, prune->snapshots.count);
    }
    snapshot_reader_close(reader);
    return got;
}

/* That all chunks of a snapshot are there does not say that they are good. Before an older one goes, the newest of its series that stays
 * is read. */
static int prove_what_stays(struct prune *prune, struct error *error)
{
    size_t count = prune->snapshots.count;
    bool *wanted = calloc(count + 1, sizeof *wanted);
    uint8_t *proven = calloc(prune->repository->chunks.count + 1, 1);
    int result = 0;
    if (wanted == NULL || proven == NULL) {
        free(wanted);
        free(proven);
        return error_set(error, CSN_MEMORY, "no memory for %zu snapshots", count);
    }
    for (size_t i = 0; i < count; i++) {
        size_t newest = count;
        for (size_t k = i; prune->items[i].why[0] == '\0' && k < count; k++) {
            newest = prune->items[k].whole && prune_same_series(&prune->items[i], &prune->items[k]) ? k : newest;
        }
        wanted[newest] = true;
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        result = wanted[i] ? prove_snapshot(prune, i, proven, error) : 0;
    }
    free(wanted);
    free(proven);
    return result;
}

static int decide(struct prune *prune, struct error *error)
{
    struct repository_snapshots *snapshots = &prune->snapshots;
    const struct repository_prune_options *options = prune->options;
    prune->items = calloc(snapshots->count + 1, sizeof *prune->items);
    if (prune->items == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for %zu snapshots", snapshots->count);
    }
    for (size_t i = 0; i < snapshots->count; i++) {
        prune->items[i].snapshot = &snapshots->items[i];
        if (look_at(prune, i, error) != 0) {
            return -1;
        }
    }
    prune_decide(prune->items, snapshots->count, options->keep_last, options->keep_days);
    if (prove_what_stays(prune, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < snapshots->count; i++) {
        bool stays = prune->items[i].why[0] != '\0';
        prune->summary->snapshots_kept += stays ? 1 : 0;
        prune->summary->snapshots_removed += stays ? 0 : 1;
        if (options->decided != NULL) {
            options->decided(options->context, prune->items[i].snapshot, stays ? prune->items[i].why : NULL);
        }
    }
    return 0;
}

/* --- what is needed --- */

/* Of a chunk that is there several times one place is enough: the first whose content holds. Where none does, the first one:
 * writing its pack anew will fail then, and say so. */
static uint32_t choose_place(struct prune *prune, const struct snapshot_piece *piece, uint32_t first)
{
    const struct chunks *chunks = &prune->repository->chunks;
    struct error unused;
    uint32_t fitting = CHUNKS_NONE;
    uint32_t chosen = CHUNKS_NONE;
    bool several = chunks_after(chunks, first) != CHUNKS_NONE;
    for (uint32_t number = first; number != CHUNKS_NONE; number = chunks_after(chunks, number)) {
        const struct chunk_place *place = chunks_at(chunks, number);
        if (prune->needed[number] != 0) {
            return number;
        }
        if (place->size_bytes == piece->size_bytes) {
            fitting = fitting == CHUNKS_NONE ? number : fitting;
            chosen = chosen == CHUNKS_NONE && (!several || pack_cache_place(prune->cache, place, &unused) != NULL)
                         ? number
                         : chosen;
        }
    }
    return chosen == CHUNKS_NONE ? fitting : chosen;
}

static void need(struct prune *prune, const struct snapshot_piece *piece, size_t machine)
{
    const struct chunks *chunks = &prune->repository->chunks;
    uint32_t first = chunks_first(chunks, piece->id);
    uint32_t number = first == CHUNKS_NONE ? CHUNKS_NONE : choose_place(prune, piece, first);
    if (number == CHUNKS_NONE) {
        return; /* lost before */
    }
    const struct chunk_place *place = chunks_at(chunks, number);
    if (prune->needed[number] == 0) {
        prune->needed[number] = 1;
        prune->packs[place->pack].needed_bytes += place->stored_bytes;
    }
    if (machine < prune->machines.count) {
        prune->machine_bits[place->pack * prune->machine_bytes + machine / 8] |= (uint8_t)(1u << machine % 8);
    }
}

static int need_snapshot(struct prune *prune, size_t at, struct error *error)
{
    const struct snapshot_entry *entry = NULL;
    struct snapshot_reader *reader = open_snapshot(prune, at, error);
    int got = -1;
    if (reader == NULL) {
        return -1;
    }
    size_t machine = 0;
    const char *name = snapshot_reader_machine(reader);
    while (machine < prune->machines.count && (name == NULL || strcmp(prune->machines.items[machine], name) != 0)) {
        machine++;
    }
    while ((got = snapshot_reader_next(reader, &entry, error)) == 1) {
        for (size_t i = 0; i < entry->piece_count; i++) {
            if (!snapshot_piece_is_hole(&entry->pieces[i])) {
                need(prune, &entry->pieces[i], machine);
            }
        }
        tell(prune, "finding what is needed", entry->tree.path, at, prune->snapshots.count);
    }
    snapshot_reader_close(reader);
    return got;
}

/* Of a chunk in several packs one place stays, and a machine's own key may open another one only: whom a pack is for cannot be told
 * from outside. So all packs that have such chunks are written anew: the place that stays for all machines that need it, the others
 * without it. After that the chunk is there once. */
static void mark_shared(struct prune *prune)
{
    const struct chunks *chunks = &prune->repository->chunks;
    for (uint32_t i = 0; prune->machines.count > 0 && i < chunks->count; i++) {
        const struct chunk_place *place = chunks_at(chunks, i);
        uint32_t first = chunks_first(chunks, place->id);
        if (chunks_after(chunks, first) != CHUNKS_NONE) {
            prune->packs[place->pack].shared = true;
        }
    }
}

static int find_needed(struct prune *prune, struct error *error)
{
    struct repository *repository = prune->repository;
    const struct chunks *chunks = &repository->chunks;
    prune->machine_bytes = prune->machines.count / 8 + 1;
    prune->needed = calloc(chunks->count + 1, 1);
    prune->packs = calloc(repository->pack_count + 1, sizeof *prune->packs);
    prune->machine_bits = calloc(repository->pack_count + 1, prune->machine_bytes);
    if (prune->needed == NULL || prune->packs == NULL || prune->machine_bits == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for %u chunks", chunks->count);
    }
    for (uint32_t i = 0; i < chunks->count; i++) {
        const struct chunk_place *place = chunks_at(chunks, i);
        struct pack_use *use = &prune->packs[place->pack];
        use->first = use->count++ == 0 ? i : use->first;
        use->stored_bytes += place->stored_bytes;
    }
    for (size_t i = 0; i < prune->snapshots.count; i++) {
        if (prune->items[i].why[0] != '\0' && need_snapshot(prune, i, error) != 0) {
            return -1;
        }
    }
    mark_shared(prune);
    return 0;
}

/* --- removing --- */

/* The lock does not keep everybody out where it is lost or does not reach: what came meanwhile may need any pack. */
static int check_alone(const struct prune *prune, struct error *error)
{
    struct repository_snapshots now;
    if (repository_list(prune->repository, &now, error) != 0) {
        return -1;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < now.count; i++) {
        bool known = false;
        for (size_t k = 0; !known && k < prune->snapshots.count; k++) {
            known = strcmp(now.items[i].id, prune->snapshots.items[k].id) == 0;
        }
        result = known ? 0 : error_set(error, CSN_BUSY, "the snapshot %.16s has come meanwhile", now.items[i].id);
    }
    repository_snapshots_free(&now);
    return result;
}

static int remove_snapshots(struct prune *prune, struct error *error)
{
    int folder_fd = prune->repository->snapshots_folder.fd;
    if (check_alone(prune, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < prune->snapshots.count; i++) {
        const struct prune_item *item = &prune->items[i];
        uint8_t id[SHA256_SIZE] = {0};
        char name[PACK_NAME_SIZE];
        if (item->why[0] != '\0') {
            continue;
        }
        (void)hex_decode(item->snapshot->id, id, SHA256_SIZE);
        pack_name(PACK_SNAPSHOT, id, repository_is_sealed(prune->repository), name);
        if (unlinkat(folder_fd, name, 0) != 0) {
            return error_system(error, CSN_IO, "removing " REPOSITORY_SNAPSHOTS "/%s", name);
        }
        tell(prune, "removing snapshots", name, i, prune->snapshots.count);
    }
    /* Before any pack goes: else a snapshot could come back after a power cut without what it needs. */
    return file_sync_parent(folder_fd, "x", error);
}

static int remove_pack(const struct prune *prune, uint32_t pack, struct error *error)
{
    char name[PACK_NAME_SIZE];
    pack_name(PACK_CHUNKS, prune->repository->packs[pack], repository_is_sealed(prune->repository), name);
    return unlinkat(prune->repository->packs_folder.fd, name, 0) == 0
               ? 0
               : error_system(error, CSN_IO, "removing " REPOSITORY_PACKS "/%s", name);
}

/* Whom the new pack is for: the repository's recipients, and each machine that has a snapshot which needs it. */
static int seal_of(const struct prune *prune, uint32_t pack, struct stored_seal *seal,
                   struct age_recipient **recipients, struct error *error)
{
    const struct repository_config *config = &prune->repository->config;
    const uint8_t *bits = prune->machine_bits + pack * prune->machine_bytes;
    size_t count = config->recipient_count;
    *recipients = calloc(count + prune->machines.count, sizeof **recipients);
    if (*recipients == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the recipients of a pack");
    }
    memcpy(*recipients, config->recipients, count * sizeof **recipients);
    for (size_t i = 0; i < prune->machines.count; i++) {
        if ((bits[i / 8] & (1u << i % 8)) != 0 &&
            age_recipient_parse(&(*recipients)[count++], prune->machines.items[i], error) != 0) {
            return -1;
        }
    }
    *seal = (struct stored_seal){.recipients = *recipients, .recipient_count = count};
    return 0;
}

static int rewrite_pack(struct prune *prune, uint32_t pack, struct error *error)
{
    struct stored_seal seal;
    struct age_recipient *recipients = NULL;
    uint64_t written = 0;
    bool sealed = repository_is_sealed(prune->repository);
    int result = sealed ? seal_of(prune, pack, &seal, &recipients, error) : 0;
    if (result == 0) {
        result = repack(prune->repository, pack, prune->needed + prune->packs[pack].first, sealed ? &seal : NULL,
                        &written, error);
    }
    free(recipients);
    return result == 0 ? remove_pack(prune, pack, error) : -1;
}

static bool is_to_be_rewritten(const struct pack_use *use)
{
    return use->needed_bytes > 0 &&
           (use->shared || (use->stored_bytes - use->needed_bytes) * REWRITE_ABOVE >= use->stored_bytes);
}

/* First those that nothing needs: on a full disk they make the room for the others. */
static int remove_packs(struct prune *prune, struct error *error)
{
    struct repository_prune_summary *summary = prune->summary;
    bool dry_run = prune->options->dry_run;
    uint32_t count = prune->repository->pack_count;
    for (uint32_t i = 0; i < count; i++) {
        const struct pack_use *use = &prune->packs[i];
        if (use->needed_bytes == 0) {
            if (!dry_run && remove_pack(prune, i, error) != 0) {
                return -1;
            }
            summary->packs_removed++;
            summary->bytes_freed += use->stored_bytes;
            tell(prune, "removing packs", NULL, i, count);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct pack_use *use = &prune->packs[i];
        bool rewritten = is_to_be_rewritten(use);
        if (rewritten && !dry_run && rewrite_pack(prune, i, error) != 0) {
            return -1;
        }
        summary->packs_rewritten += rewritten ? 1 : 0;
        summary->bytes_freed += rewritten ? use->stored_bytes - use->needed_bytes : 0;
        summary->bytes_kept += rewritten ? use->needed_bytes : use->needed_bytes > 0 ? use->stored_bytes : 0;
        tell(prune, "writing packs anew", NULL, i, count);
    }
    return dry_run ? 0 : file_sync_parent(prune->repository->packs_folder.fd, "x", error);
}

static int prune_all(struct prune *prune, struct error *error)
{
    if (prune->options->keep_last == 0 && prune->options->keep_days == 0) {
        return error_set(error, CSN_USAGE, "what is to be kept has to be said, by number or by age");
    }
    if (repository_list(prune->repository, &prune->snapshots, error) != 0 || check_sound(prune, error) != 0 ||
        (prune->cache = pack_cache_new(prune->repository, error)) == NULL || decide(prune, error) != 0 ||
        find_needed(prune, error) != 0) {
        return -1;
    }
    prune->repository->spent = true;
    return !prune->options->dry_run && remove_snapshots(prune, error) != 0 ? -1 : remove_packs(prune, error);
}

int repository_prune(struct repository *repository, const struct repository_prune_options *options,
                     const struct progress *progress, struct repository_prune_summary *summary, struct error *error)
{
    struct prune prune = {.repository = repository, .options = options, .progress = progress, .summary = summary};
    *summary = (struct repository_prune_summary){0};
    int result = prune_all(&prune, error);
    repository_snapshots_free(&prune.snapshots);
    pack_cache_free(prune.cache);
    strings_free(&prune.machines);
    free(prune.items);
    free(prune.needed);
    free(prune.packs);
    free(prune.machine_bits);
    return result;
}
