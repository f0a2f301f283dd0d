#include "repository/vault.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/buffer.h"
#include "repository/pack.h"
#include "tree/compare.h"

#define must(condition)                                                                                                \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #condition, strerror(errno));                                \
        }                                                                                                              \
    } while (0)

#define good(call)                                                                                                     \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s:%d: %s: %s", __FILE__, __LINE__, #call, error.message);                                       \
        }                                                                                                              \
    } while (0)

static void path_of(const struct fixture *fixture, char path[512], const char *name)
{
    snprintf(path, 512, "%s/%s", fixture->path, name);
}

void vault_init(const struct fixture *fixture)
{
    struct error error;
    char path[512];
    path_of(fixture, path, "vault");
    good(repository_init(path, NULL, &error));
}

struct repository *vault_open(const struct fixture *fixture, enum repository_mode mode)
{
    struct error error;
    char path[512];
    path_of(fixture, path, "vault");
    struct repository *repository = repository_open(path, mode, NULL, &error);
    if (repository == NULL) {
        fail_msg("opening the repository: %s", error.message);
    }
    return repository;
}

void vault_backup_with(const struct fixture *fixture, const struct repository_backup_options *options,
                       struct repository_backup_summary *summary)
{
    struct error error;
    struct repository *repository = vault_open(fixture, REPOSITORY_WRITE);
    const struct repository_source source = {.root_fd = fixture->fd, .path = "tree", .name = "/opt/tree"};
    good(repository_backup(repository, &source, 1, options, NULL, summary, &error));
    repository_close(repository);
}

void vault_backup(const struct fixture *fixture, struct repository_backup_summary *summary)
{
    const struct repository_backup_options options = {.host = "server"};
    vault_backup_with(fixture, &options, summary);
}

enum error_code vault_restore(const struct fixture *fixture, const char *id, struct error *error)
{
    struct repository_restore_summary summary;
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    must(mkdirat(fixture->fd, "back", 0755) == 0 || errno == EEXIST);
    const struct repository_selection selection = {.root_fd = fixture->fd, .strip = "/opt/tree", .place = "/back"};
    int result = repository_restore(repository, id, &selection, NULL, &summary, error);
    repository_close(repository);
    return result == 0 ? CSN_NONE : error->code;
}

static int print_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    char aspects[128];
    (void)context;
    (void)error;
    tree_aspects_text(difference->aspects, aspects, sizeof aspects);
    print_message("differs: %s: %s\n", difference->path, aspects);
    return 0;
}

void vault_assert_back(const struct fixture *fixture)
{
    struct error error;
    struct tree_compare_options options = {0};
    struct tree_compare_counts counts;
    good(tree_compare(fixture->fd, "tree", fixture->fd, "back", &options, print_difference, NULL, NULL, &counts,
                      &error));
    assert_true(tree_compare_is_equal(&counts));
}

static void add_damage(void *context, const struct repository_damage *damage)
{
    buffer_format(context, "%s|%s|%s|%s\n", damage->file, damage->what,
                  damage->snapshot == NULL ? "" : damage->snapshot, damage->path == NULL ? "" : damage->path);
}

char *vault_verify(const struct fixture *fixture, uint32_t share_ppm, uint64_t *damages)
{
    struct error error;
    struct buffer said = {0};
    struct repository_verification sums;
    struct repository *repository = vault_open(fixture, REPOSITORY_READ);
    good(repository_verify(repository, share_ppm, add_damage, &said, NULL, &sums, &error));
    repository_close(repository);
    *damages = sums.damages;
    char *text = buffer_take(&said);
    must(text != NULL);
    return text;
}

void vault_flip(const struct fixture *fixture, const char *path, uint64_t bit)
{
    unsigned char byte;
    int fd = openat(fixture->fd, path, O_RDWR | O_CLOEXEC);
    must(fd >= 0);
    must(pread(fd, &byte, 1, (off_t)(bit / 8)) == 1);
    byte = (unsigned char)(byte ^ 1U << bit % 8);
    must(pwrite(fd, &byte, 1, (off_t)(bit / 8)) == 1);
    must(close(fd) == 0);
}

void vault_truncate(const struct fixture *fixture, const char *path, uint64_t size_bytes)
{
    int fd = openat(fixture->fd, path, O_WRONLY | O_CLOEXEC);
    must(fd >= 0);
    must(ftruncate(fd, (off_t)size_bytes) == 0);
    must(close(fd) == 0);
}

uint64_t vault_size(const struct fixture *fixture, const char *path)
{
    struct stat status;
    must(fstatat(fixture->fd, path, &status, 0) == 0);
    return (uint64_t)status.st_size;
}

size_t vault_files(const struct fixture *fixture, const char *folder, const char *ending, char path[512])
{
    size_t count = 0;
    int fd = openat(fixture->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    must(directory != NULL);
    struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        char name[512];
        struct stat status;
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.' ||
            snprintf(name, sizeof name, "%s/%s", folder, entry->d_name) >= (int)sizeof name) {
            continue;
        }
        must(fstatat(fixture->fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0);
        if (S_ISDIR(status.st_mode)) {
            count += vault_files(fixture, name, ending, path);
        } else if (length >= strlen(ending) && strcmp(entry->d_name + length - strlen(ending), ending) == 0) {
            count++;
            if (path != NULL) {
                memcpy(path, name, sizeof name);
            }
        }
    }
    closedir(directory);
    return count;
}

void vault_noise(uint8_t *bytes, size_t size_bytes, uint64_t seed)
{
    for (size_t i = 0; i < size_bytes; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        bytes[i] = (uint8_t)(seed >> 56);
    }
}

int vault_add_frame(struct pack_writer *writer, const void *data, size_t size_bytes, struct error *error)
{
    struct pack_record record;
    uint8_t id[SHA256_SIZE];
    sha256_of(data, size_bytes, id);
    struct pack_compressor *compressor = pack_compressor_new(PACK_CHUNKS, error);
    must(compressor != NULL);
    const uint8_t *frame = pack_compress(compressor, id, data, size_bytes, &record, error);
    int result = frame == NULL ? -1 : pack_writer_add(writer, &record, frame, error);
    pack_compressor_free(compressor);
    return result;
}

void vault_forge(const struct fixture *fixture, const char *const *lines, size_t count, char id[REPOSITORY_ID_SIZE])
{
    struct error error;
    struct buffer line = {0};
    struct sha256 hash;
    uint8_t digest[SHA256_SIZE];
    char hex[SHA256_HEX_SIZE];
    int fd = openat(fixture->fd, "vault/snapshots", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0);
    struct pack_writer *writer = pack_writer_new(PACK_SNAPSHOT, &(struct stored_folder){.fd = fd}, &error);
    must(writer != NULL);
    sha256_begin(&hash);
    for (size_t i = 0; i < count; i++) {
        const char *mark = i + 1 == count ? strstr(lines[i], "HASH") : NULL;
        buffer_clear(&line);
        if (mark != NULL) {
            sha256_end(&hash, digest);
            sha256_begin(&hash);
            hex_encode(digest, SHA256_SIZE, hex);
            buffer_format(&line, "%.*s%s%s\n", (int)(mark - lines[i]), lines[i], hex, mark + 4);
        } else {
            buffer_format(&line, "%s\n", lines[i]);
        }
        sha256_add(&hash, line.data, line.size);
        good(vault_add_frame(writer, line.data, line.size, &error));
    }
    sha256_end(&hash, digest);
    good(pack_writer_commit(writer, digest, NULL, &error));
    hex_encode(digest, SHA256_SIZE, id);
    pack_writer_free(writer);
    buffer_free(&line);
    close(fd);
}
