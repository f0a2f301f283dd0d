#include "repository/key_file.h"

#include <stdbool.h>
#include <string.h>

#include "lib/file.h"

#define LIMIT_BYTES 65536u
#define FILES 2

static const char *const files[FILES] = {KEY_FILE, KEY_FILE_COPY};

int key_file_write(int folder_fd, const struct buffer *bytes, struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < FILES; i++) {
        result = file_replace(folder_fd, files[i], bytes->data, bytes->size, 0600, error);
    }
    if (result != 0 && error != NULL && error->code == CSN_NO_SPACE) {
        error->code = CSN_REPOSITORY_FULL;
    }
    return result;
}

/* Its bytes, if their hash holds. 0; 1: it is damaged (*what says how); -1. */
static int read_whole(const struct repository_config *config, int folder_fd, const char *file, struct buffer *bytes,
                      const char **what, struct error *error)
{
    struct error trouble = {.code = CSN_NONE};
    uint8_t digest[SHA256_SIZE];
    buffer_free(bytes);
    if (file_read(folder_fd, file, LIMIT_BYTES, bytes, &trouble) != 0) {
        *what = trouble.code == CSN_NOT_FOUND ? "it is not there" : "it cannot be read";
        return trouble.code == CSN_MEMORY || trouble.code == CSN_PRIVILEGE
                   ? error_set(error, trouble.code, "%s", trouble.message)
                   : 1;
    }
    sha256_of(buffer_text(bytes), bytes->size, digest);
    *what = "it is not as it was written";
    return memcmp(digest, config->key_hash, SHA256_SIZE) == 0 ? 0 : 1;
}

/* The first whose hash holds. */
static int find_whole(const struct repository_config *config, int folder_fd, const char **file, struct error *error)
{
    struct buffer bytes = {0};
    const char *unused = NULL;
    int got = 1;
    for (size_t i = 0; got == 1 && i < FILES; i++) {
        got = read_whole(config, folder_fd, files[i], &bytes, &unused, error);
        *file = files[i];
    }
    buffer_free(&bytes);
    return got != 1 ? got : error_set(error, CSN_REPOSITORY_KEY, "neither " KEY_FILE " nor " KEY_FILE_COPY " is whole");
}

int key_file_is_there(const struct repository_config *config, int folder_fd, struct error *error)
{
    const char *unused = NULL;
    return find_whole(config, folder_fd, &unused, error);
}

int key_file_rescue(struct age_identities *identities, int folder_fd, const char *passphrase, struct error *error)
{
    int result = -1;
    bool there = false;
    for (size_t i = 0; result != 0 && i < FILES; i++) {
        struct error trouble = {.code = CSN_NONE};
        result = age_identities_read(identities, folder_fd, files[i], passphrase, &trouble);
        if (result != 0 && trouble.code != CSN_NOT_FOUND) {
            there = true;
            error_set(error, trouble.code, "%s", trouble.message);
        }
    }
    return there ? result : 0;
}

int key_file_read(struct age_identities *identities, const struct repository_config *config, int folder_fd,
                  const char *passphrase, struct error *error)
{
    const char *file = NULL;
    return find_whole(config, folder_fd, &file, error) != 0
               ? -1
               : age_identities_read(identities, folder_fd, file, passphrase, error);
}

int key_file_check(const struct repository_config *config, int folder_fd,
                   void (*damaged)(void *context, const char *file, const char *what), void *context,
                   struct error *error)
{
    struct buffer bytes = {0};
    int got = 0;
    for (size_t i = 0; got >= 0 && config->has_passphrase && i < FILES; i++) {
        const char *what = NULL;
        got = read_whole(config, folder_fd, files[i], &bytes, &what, error);
        if (got == 1) {
            damaged(context, files[i], what);
        }
    }
    buffer_free(&bytes);
    return got < 0 ? -1 : 0;
}

int key_file_repair(const struct repository_config *config, int folder_fd,
                    void (*done)(void *context, const char *file, const char *what), void *context, struct error *error)
{
    struct buffer bytes = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && config->has_passphrase && i < FILES; i++) {
        const char *unused = NULL;
        int got = read_whole(config, folder_fd, files[i], &bytes, &unused, error);
        if (got == 1) {
            got = read_whole(config, folder_fd, files[FILES - 1 - i], &bytes, &unused, error);
            result = got == 0 ? file_replace(folder_fd, files[i], bytes.data, bytes.size, 0600, error) : 0;
            if (got >= 0 && result == 0) {
                done(context, files[i],
                     got == 0 ? "written anew" : "it cannot be written anew: both copies are damaged");
            }
        }
        result = got < 0 ? -1 : result;
    }
    buffer_free(&bytes);
    return result;
}
