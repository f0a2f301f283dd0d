#include "repository/repository.h"

#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/snapshot.h"
#include "repository/verify_packs.h"
#include "tree/links.h"

struct verify {
    struct repository *repository;
    void (*damaged)(void *context, const struct repository_damage *damage);
    void *context;
    const struct progress *progress;
    struct repository_verification *sums;
    struct strings snapshots; /* file names */
    struct verified_packs packs;
};

/* Messages of readers begin with the file, which is told beside them: "FILE: ", "FILE in the repository: ", "the snapshot ID: ". */
static const char *without_name(const char *what, const char *file)
{
    static const char snapshot[] = "the snapshot ";
    static const char place[] = " in the repository";
    const char *rest = what;
    file += strncmp(file, REPOSITORY_PACKS "/", sizeof REPOSITORY_PACKS) == 0 ? sizeof REPOSITORY_PACKS : 0;
    size_t length = strlen(file);
    if (strncmp(what, file, length) == 0) {
        rest += length;
        rest += strncmp(rest, place, sizeof place - 1) == 0 ? sizeof place - 1 : 0;
    } else if (strncmp(what, snapshot, sizeof snapshot - 1) == 0 &&
               strncmp(what + sizeof snapshot - 1, file, 16) == 0) {
        rest += sizeof snapshot - 1 + 16;
    }
    return rest > what && strncmp(rest, ": ", 2) == 0 ? rest + 2 : what;
}

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
        .what = without_name(what, file),
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

static void tell(const struct verify *verify, const char *item)
{
    struct progress_state state = {
        .doing = "checking snapshots",
        .item = item,
        .done_items = verify->sums->snapshots,
        .total_items = verify->snapshots.count,
    };
    progress_tell(verify->progress, &state);
}

/* --- what it says of itself --- */

static void config_damaged(void *context, const char *file, const char *what)
{
    report(context, "", file, what, NULL, NULL);
}

/* --- packs --- */

static void pack_damaged(void *context, const char *pack, const char *what)
{
    report(context, REPOSITORY_PACKS "/", pack, what, NULL, NULL);
}

/* --- snapshots --- */

/* NULL if the piece can be had, else what is wrong; *pack is where it should have been. */
static const char *check_piece(const struct verify *verify, const struct snapshot_piece *piece, uint32_t *pack)
{
    const struct chunks *chunks = &verify->repository->chunks;
    const struct chunk_place *place = chunks_find(chunks, piece->id);
    const char *what = verify->repository->locked_packs == 0 ? "a chunk of it is in no pack that is whole"
                                                             : "a chunk of it is in no pack that the keys given open";
    for (; place != NULL; place = chunks_next(chunks, place)) {
        *pack = place->pack;
        if (place->size_bytes != piece->size_bytes) {
            what = "a chunk of it has another size";
        } else if (verified_packs_is_bad(&verify->packs, place)) {
            what = "a chunk of it is damaged";
        } else {
            return NULL;
        }
    }
    return what;
}

/* lost: the first names of files with several names whose content is lost. */
static int check_content(struct verify *verify, const char *id, const struct snapshot_entry *entry,
                         struct strings *lost, struct error *error)
{
    uint32_t pack = UINT32_MAX;
    const char *what = NULL;
    for (size_t i = 0; what == NULL && i < entry->piece_count; i++) {
        pack = UINT32_MAX;
        what = snapshot_piece_is_hole(&entry->pieces[i]) ? NULL : check_piece(verify, &entry->pieces[i], &pack);
    }
    if (what == NULL && entry->hardlink != NULL && strings_has(lost, entry->hardlink)) {
        what = "it is the same file as one that is lost";
    }
    if (what == NULL) {
        return 0;
    }
    char name[PACK_NAME_SIZE] = "";
    if (pack != UINT32_MAX) {
        pack_name(PACK_CHUNKS, verify->repository->packs[pack], repository_is_sealed(verify->repository), name);
    }
    report(verify, REPOSITORY_PACKS "/", name, what, id, entry->tree.path);
    return entry->tree.nlink > 1 && entry->hardlink == NULL ? strings_add(lost, entry->tree.path, error) : 0;
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
    struct strings lost = {0};
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
        result = check_content(verify, hex, entry, &lost, error) != 0
                     ? -1
                     : check_link(verify, hex, &links, entry, file_name, error);
        tell(verify, entry->tree.path);
    }
    if (reader != NULL && repository_is_incomplete(snapshot_reader_about(reader))) {
        verify->sums->incomplete_snapshots++;
    }
    snapshot_reader_close(reader);
    tree_links_free(&links);
    strings_free(&lost);
    if (reader == NULL && trouble.code == CSN_AGE_NO_IDENTITY && !verify->repository->reads_all) {
        verify->sums->locked_snapshots++;
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

static int check_all(struct verify *verify, uint32_t share_ppm, struct error *error)
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
    if (config_check(&repository->config, repository->folder_fd, config_damaged, verify, error) != 0) {
        return -1;
    }
    verify->sums->packs = repository->pack_count;
    verify->sums->chunks = repository->chunks.count;
    if (share_ppm > 0) {
        struct verify_packs_options options = {
            .share_ppm = share_ppm, .damaged = pack_damaged, .context = verify, .progress = verify->progress};
        if (verify_packs(repository, &options, &verify->packs, error) != 0) {
            return -1;
        }
        verify->sums->packs = verify->packs.packs;
        verify->sums->chunks = verify->packs.chunks;
        verify->sums->bytes = verify->packs.bytes;
    }
    for (size_t i = 0; i < verify->snapshots.count; i++) {
        if (check_snapshot(verify, verify->snapshots.items[i], error) != 0) {
            return -1;
        }
    }
    verify->sums->locked_packs = repository->locked_packs;
    bool locked = verify->sums->locked_packs + verify->sums->locked_snapshots > 0;
    return locked && repository->pack_count == 0 && verify->sums->snapshots == 0
               ? repository_refuse_locked(repository, "the packs", error)
               : 0;
}

int repository_verify(struct repository *repository, uint32_t share_ppm,
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
    int result = check_all(&verify, share_ppm, error);
    strings_free(&verify.snapshots);
    verified_packs_free(&verify.packs);
    return result;
}
