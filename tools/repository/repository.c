#include "repository/repository.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/key_file.h"
#include "repository/lock.h"

/* --- files in it --- */

/* A folder that cannot be read, or not to its end. One below costs only what is in it. */
static int bad_folder(int folder_fd, const char *part,
                      int (*file)(void *context, const char *name, struct error *error), void *context,
                      struct error *error)
{
    struct stat status;
    char name[8];
    if (strcmp(part, ".") == 0) {
        return error_system(error, CSN_IO, "reading a folder of the repository");
    }
    bool folder = fstatat(folder_fd, part, &status, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(status.st_mode);
    snprintf(name, sizeof name, "%.2s%s", part, folder ? "/" : "");
    return file(context, name, error);
}

static int each_in(int folder_fd, const char *part, bool deep,
                   int (*file)(void *context, const char *name, struct error *error), void *context,
                   struct error *error)
{
    int fd = openat(folder_fd, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) {
        int result = bad_folder(folder_fd, part, file, context, error);
        file_drop(&fd);
        return result;
    }
    int result = 0;
    struct dirent *entry;
    errno = 0;
    while (result == 0 && (entry = readdir(directory)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
            if (deep && strlen(name) == 2) {
                result = each_in(folder_fd, name, false, file, context, error);
            } else {
                char path[sizeof entry->d_name + 4];
                bool top = strcmp(part, ".") == 0;
                snprintf(path, sizeof path, "%.2s%s%s", top ? "" : part, top ? "" : "/", name);
                result = file(context, path, error);
            }
        }
        errno = 0;
    }
    if (result == 0 && errno != 0) {
        result = bad_folder(folder_fd, part, file, context, error);
    }
    closedir(directory);
    return result;
}

int repository_each_file(int folder_fd, bool deep, int (*file)(void *context, const char *name, struct error *error),
                         void *context, struct error *error)
{
    return each_in(folder_fd, ".", deep, file, context, error);
}

/* --- the index --- */

int repository_add_pack(struct repository *repository, const uint8_t id[SHA256_SIZE], uint32_t *number,
                        struct error *error)
{
    if (repository->pack_count == repository->packs_allocated) {
        uint32_t more = repository->packs_allocated == 0 ? 64 : 2 * repository->packs_allocated;
        uint8_t(*grown)[SHA256_SIZE] = realloc(repository->packs, more * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %u packs", more);
        }
        repository->packs = grown;
        repository->packs_allocated = more;
    }
    *number = repository->pack_count++;
    memcpy(repository->packs[*number], id, SHA256_SIZE);
    return 0;
}

struct loading {
    struct repository *repository;
    struct pack_index index;
    uint8_t (*known)[SHA256_SIZE]; /* sorted ids of the packs that are loaded already; NULL: none are */
    size_t known_count;
};

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, SHA256_SIZE);
}

static int add_index(struct repository *repository, const struct pack_index *index, const uint8_t id[SHA256_SIZE],
                     struct error *error)
{
    uint32_t number = 0;
    uint32_t position = 0;
    struct pack_record record = {0};
    if (repository_add_pack(repository, id, &number, error) != 0) {
        return -1;
    }
    while (pack_index_next(index, &position, &record)) {
        struct chunk_place place = {
            .pack = number,
            .offset = record.offset,
            .stored_bytes = record.stored_bytes,
            .size_bytes = record.size_bytes,
        };
        memcpy(place.id, record.id, SHA256_SIZE);
        if (chunks_add(&repository->chunks, &place, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int note_damage(struct repository *repository, const char *file, const char *what, struct error *error)
{
    return strings_add(&repository->damaged_files, file, error) != 0
               ? -1
               : strings_add(&repository->damaged_whats, what, error);
}

static int note_bad_pack(struct repository *repository, const char *name, const char *what, struct error *error)
{
    struct buffer path = {0};
    buffer_format(&path, REPOSITORY_PACKS "/%s", name);
    int result = buffer_check(&path, error) != 0 ? -1 : note_damage(repository, path.data, what, error);
    buffer_free(&path);
    return result;
}

static int load_pack(void *context, const char *name, struct error *error)
{
    struct loading *loading = context;
    struct stored_reader file = {.fd = -1};
    struct error trouble = {.code = CSN_NONE};
    uint8_t id[SHA256_SIZE];
    const char *slash = strchr(name, '/');
    char expected[PACK_NAME_SIZE];
    if (slash != NULL && slash[1] == '\0') {
        return note_bad_pack(loading->repository, name, "the folder cannot be read", error);
    }
    if (slash == NULL || !pack_name_id(PACK_CHUNKS, slash + 1, repository_is_sealed(loading->repository), id)) {
        return 0; /* no pack: a leftover, or somebody's file */
    }
    pack_name(PACK_CHUNKS, id, repository_is_sealed(loading->repository), expected);
    if (strcmp(expected, name) != 0 || (loading->known_count > 0 && bsearch(id, loading->known, loading->known_count,
                                                                            SHA256_SIZE, compare_ids) != NULL)) {
        return 0;
    }
    if (stored_open(&file, &loading->repository->packs_folder, name, &trouble) != 0 ||
        pack_index_read(&loading->index, &file, PACK_CHUNKS, id, name, &trouble) != 0) {
        stored_close(&file);
        if (trouble.code == CSN_AGE_NO_IDENTITY && !loading->repository->reads_all) {
            loading->repository->locked_packs++; /* another machine's */
            return 0;
        }
        return stored_is_lost(&trouble) ? note_bad_pack(loading->repository, name, trouble.message, error)
                                        : error_set(error, trouble.code, "%s", trouble.message);
    }
    stored_close(&file);
    return add_index(loading->repository, &loading->index, id, error);
}

int repository_refresh(struct repository *repository, struct error *error)
{
    struct loading loading = {.repository = repository, .known_count = repository->pack_count};
    if (loading.known_count > 0) {
        loading.known = malloc(loading.known_count * SHA256_SIZE);
        if (loading.known == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu packs", loading.known_count);
        }
        memcpy(loading.known, repository->packs, loading.known_count * SHA256_SIZE);
        qsort(loading.known, loading.known_count, SHA256_SIZE, compare_ids);
    }
    /* Damage is found anew. */
    strings_free(&repository->damaged_files);
    strings_free(&repository->damaged_whats);
    repository->locked_packs = 0;
    if (repository->folder_is_gone != NULL && repository->mode == REPOSITORY_READ &&
        note_damage(repository, repository->folder_is_gone, "the folder is gone", error) != 0) {
        free(loading.known);
        return -1;
    }
    int result = repository_each_file(repository->packs_folder.fd, true, load_pack, &loading, error);
    pack_index_free(&loading.index);
    free(loading.known);
    return result;
}

/* --- the key --- */

struct noting {
    struct repository *repository;
    struct error *error;
    int result;
};

static void note_key(void *context, const char *file, const char *what)
{
    struct noting *noting = context;
    noting->result = noting->result != 0 ? -1 : note_damage(noting->repository, file, what, noting->error);
}

/* Who writes for years into what nobody can read any more has to hear of it. Rights to read the key it needs none. */
static int check_key(struct repository *repository, struct error *error)
{
    const struct repository_config *config = &repository->config;
    struct noting noting = {.repository = repository, .error = error};
    if (!config->has_passphrase) {
        return 0;
    }
    if (key_file_check(config, repository->folder_fd, note_key, &noting, error) != 0) {
        return error->code == CSN_PRIVILEGE ? 0 : -1;
    }
    if (noting.result == 0 && config->recipient_count == 1 &&
        key_file_is_there(config, repository->folder_fd, error) != 0) {
        return error_wrap(error, "%s", repository->path);
    }
    return noting.result;
}

/* --- opening --- */

/* One that is gone is empty for whoever reads or repairs: what that costs is to be found out. */
static int open_folder(struct repository *repository, const char *name, struct stored_folder *folder,
                       struct error *error)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    folder->fd = openat(repository->folder_fd, name, flags);
    if (folder->fd < 0 && errno == ENOENT && repository->mode != REPOSITORY_WRITE) {
        repository->folder_is_gone = name;
        if (repository->mode != REPOSITORY_READ && mkdirat(repository->folder_fd, name, 0700) == 0) {
            folder->fd = openat(repository->folder_fd, name, flags);
        } else {
            folder->fd = openat(repository->folder_fd, ".", flags); /* which has no file of such a name either */
        }
    }
    return folder->fd >= 0 ? 0
           : errno == EACCES
               ? file_error(error, "opening the folders of", repository->path)
               : error_system(error, CSN_REPOSITORY_DAMAGED, "opening the folder %s of %s", name, repository->path);
}

static int open_folders(struct repository *repository, struct error *error)
{
    const char *path = repository->path;
    struct stat status;
    repository->folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (repository->folder_fd < 0 || fstat(repository->folder_fd, &status) != 0) {
        bool gone = errno == ENOENT || errno == ENOTDIR;
        return gone ? error_system(error, CSN_REPOSITORY_NOT, "opening the repository %s", path)
                    : file_error(error, "opening the repository", path);
    }
    repository->folder_dev = status.st_dev;
    repository->folder_ino = status.st_ino;
    struct error trouble = {.code = CSN_NONE};
    if (config_read(&repository->config, repository->folder_fd, path, &trouble) != 0) {
        if (trouble.code != CSN_REPOSITORY_DAMAGED || repository->mode == REPOSITORY_WRITE) {
            return error_set(error, trouble.code, "%s", trouble.message);
        }
        repository->config_damaged = true;
    }
    return open_folder(repository, REPOSITORY_PACKS, &repository->packs_folder, error) != 0
               ? -1
               : open_folder(repository, REPOSITORY_SNAPSHOTS, &repository->snapshots_folder, error);
}

struct repository *repository_open(const char *path, enum repository_mode mode, const struct repository_keys *keys,
                                   struct error *error)
{
    struct repository *repository = calloc(1, sizeof *repository);
    if (repository == NULL || (repository->path = strdup(path)) == NULL) {
        free(repository);
        error_set(error, CSN_MEMORY, "no memory for the repository %s", path);
        return NULL;
    }
    repository->mode = mode;
    repository->progress = keys == NULL ? NULL : keys->progress;
    repository->folder_fd = repository->packs_folder.fd = repository->snapshots_folder.fd = repository->lock_fd = -1;
    if (open_folders(repository, error) != 0 || repository_unlock(repository, keys, error) != 0 ||
        lock_take(repository, error) != 0 || repository_refresh(repository, error) != 0 ||
        (mode == REPOSITORY_WRITE && check_key(repository, error) != 0)) {
        goto failed;
    }
    /* A snapshot will rely on packs that another writer has renamed into place but perhaps not yet made durable. */
    if (mode != REPOSITORY_READ && syncfs(repository->folder_fd) != 0) {
        error_system(error, CSN_IO, "making the repository %s durable", path);
        goto failed;
    }
    repository->progress = NULL; /* the caller's */
    return repository;
failed:
    repository_close(repository);
    return NULL;
}

const struct strings *repository_damaged(const struct repository *repository)
{
    return &repository->damaged_files;
}

void repository_close(struct repository *repository)
{
    if (repository == NULL) {
        return;
    }
    chunks_free(&repository->chunks);
    strings_free(&repository->damaged_files);
    strings_free(&repository->damaged_whats);
    file_drop(&repository->packs_folder.fd);
    file_drop(&repository->snapshots_folder.fd);
    file_drop(&repository->folder_fd);
    file_drop(&repository->lock_fd);
    age_identities_free(&repository->identities);
    free(repository->recipients);
    config_free(&repository->config);
    free(repository->packs);
    free(repository->path);
    free(repository);
}
