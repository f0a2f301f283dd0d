#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/internal.h"
#include "repository/key_file.h"

/* What may lie in a folder that becomes a repository: what file systems put into an empty one, and what an init that
 * was cut off has left. */
static bool is_no_hindrance(const char *name)
{
    static const char *const names[] = {
        ".",
        "..",
        "lost+found",
        "System Volume Information",
        "$RECYCLE.BIN",
        REPOSITORY_LOCK,
        "README.txt",
        "restore.sh",
        KEY_FILE,
        KEY_FILE_COPY,
        CONFIG_COPY,
    };
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return length > strlen(STORED_TEMPORARY_SUFFIX) &&
           strcmp(name + length - strlen(STORED_TEMPORARY_SUFFIX), STORED_TEMPORARY_SUFFIX) == 0;
}

/* What stands in the way is somebody's; a disk that is full or read-only has codes of its own. */
static int place_error(struct error *error, const char *doing, const char *path)
{
    return errno == ENOTDIR  ? error_system(error, CSN_REPOSITORY_EXISTS, "%s %s", doing, path)
           : errno == ENOSPC ? error_system(error, CSN_REPOSITORY_FULL, "%s %s", doing, path)
                             : file_error(error, doing, path);
}

/* 1 if nothing is in it but that; folder names an empty folder is allowed by. */
static int is_empty(int folder_fd, const char *path, bool inside, struct error *error)
{
    int fd = openat(folder_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) {
        place_error(error, "reading the folder", path);
        file_drop(&fd);
        return -1;
    }
    int empty = 1;
    while (empty == 1) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            /* What cannot be seen may be a repository. */
            empty = errno == 0 ? 1 : place_error(error, "reading the folder", path);
            break;
        }
        bool ours = !inside &&
                    (strcmp(entry->d_name, REPOSITORY_PACKS) == 0 || strcmp(entry->d_name, REPOSITORY_SNAPSHOTS) == 0);
        if (ours) {
            empty = is_empty(fd, entry->d_name, true, error);
        } else if (!is_no_hindrance(entry->d_name)) {
            empty = 0;
        }
    }
    closedir(directory);
    return empty;
}

/* 0: nothing is there that this would write over. */
static int check_free(int folder_fd, const char *path, struct error *error)
{
    struct buffer text = {0};
    size_t unused = 0;
    int empty = is_empty(folder_fd, ".", false, error);
    if (empty != 1) {
        return empty < 0 ? -1 : error_set(error, CSN_REPOSITORY_EXISTS, "%s is not empty", path);
    }
    int copy = config_read_text(folder_fd, CONFIG_COPY, &text, &unused, error);
    buffer_free(&text);
    if (copy == 0) {
        return error_set(error, CSN_REPOSITORY_EXISTS, "%s has a whole " CONFIG_COPY ": it is a repository", path);
    }
    return copy < 0 ? -1 : 0;
}

static int make_folder(int folder_fd, const char *name, struct error *error)
{
    if (mkdirat(folder_fd, name, 0700) != 0 && errno != EEXIST) {
        return place_error(error, "making the folder", name);
    }
    return 0;
}

/* --- who may read it --- */

static int add_recipient(struct repository_config *config, const struct age_recipient *recipient, struct error *error)
{
    struct age_recipient *grown =
        realloc(config->recipients, (config->recipient_count + 1) * sizeof *config->recipients);
    if (grown == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the recipients");
    }
    config->recipients = grown;
    config->recipients[config->recipient_count++] = *recipient;
    return 0;
}

static int append_to(void *context, const void *data, size_t size_bytes, struct error *error)
{
    buffer_append(context, data, size_bytes);
    return buffer_check(context, error);
}

/* The file that the passphrase opens, as age itself would write it. */
static int encrypt_identity(const struct age_identity *identity, const char *passphrase, struct buffer *file,
                            struct error *error)
{
    char text[AGE_IDENTITY_TEXT_SIZE + 1];
    struct age_writer *writer = age_writer_new_passphrase(passphrase, AGE_LOG_N, error);
    age_identity_print(identity, text);
    size_t length = strlen(text);
    text[length++] = '\n';
    int result = writer == NULL || age_writer_begin(writer, append_to, file, error) != 0 ||
                         age_writer_write(writer, text, length, error) != 0 || age_writer_finish(writer, error) != 0
                     ? -1
                     : 0;
    explicit_bzero(text, sizeof text);
    age_writer_free(writer);
    return result;
}

static int protect(struct repository_config *config, const struct repository_protection *protection,
                   struct buffer *key_file, struct error *error)
{
    const struct strings *recipients = protection->recipients;
    for (size_t i = 0; recipients != NULL && i < recipients->count; i++) {
        struct age_recipient recipient;
        if (age_recipient_parse(&recipient, recipients->items[i], error) != 0 ||
            add_recipient(config, &recipient, error) != 0) {
            return -1;
        }
    }
    if (protection->passphrase == NULL) {
        return 0;
    }
    struct age_identity identity;
    int result = age_identity_make(&identity, error);
    if (result == 0 && (add_recipient(config, &identity.recipient, error) != 0 ||
                        encrypt_identity(&identity, protection->passphrase, key_file, error) != 0)) {
        result = -1;
    }
    age_identity_wipe(&identity);
    config->has_passphrase = true;
    sha256_of(buffer_text(key_file), key_file->size, config->key_hash);
    return result;
}

/* The key first: with repository.json, or its copy, the folder is a repository. */
static int write_files(const struct repository_config *config, const struct buffer *key_file, int folder_fd,
                       struct error *error)
{
    return key_file->size > 0 && key_file_write(folder_fd, key_file, error) != 0
               ? -1
               : config_write(config, folder_fd, error);
}

static int make_repository(const char *path, const struct repository_config *config, const struct buffer *key_file,
                           struct error *error)
{
    int result = -1;
    int folder_fd = -1;
    int lock_fd = -1;
    if (mkdir(path, 0700) == 0) {
        if (file_sync_parent(AT_FDCWD, path, error) != 0) {
            return -1;
        }
    } else if (errno != EEXIST) {
        return place_error(error, "making the folder", path);
    }
    folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        place_error(error, "opening the folder", path);
        goto out;
    }
    if (check_free(folder_fd, path, error) != 0 || make_folder(folder_fd, REPOSITORY_PACKS, error) != 0 ||
        make_folder(folder_fd, REPOSITORY_SNAPSHOTS, error) != 0) {
        goto out;
    }
    lock_fd = openat(folder_fd, REPOSITORY_LOCK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd < 0) {
        place_error(error, "making the lock of", path);
        goto out;
    }
    if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        error_set(error, CSN_BUSY, "somebody else is making the repository %s", path);
        goto out;
    }
    if (check_free(folder_fd, path, error) != 0) { /* who had the lock before may have made it */
        goto out;
    }
    result = write_files(config, key_file, folder_fd, error);
out:
    file_drop(&lock_fd);
    file_drop(&folder_fd);
    return result;
}

int repository_is_encrypted(const char *path, bool *encrypted, struct error *error)
{
    struct repository_config config;
    int folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        return error_system(error, CSN_REPOSITORY_NOT, "opening the repository %s", path);
    }
    int result = config_read(&config, folder_fd, path, error);
    *encrypted = result == 0 && config.recipient_count > 0;
    config_free(&config);
    file_drop(&folder_fd);
    return result;
}

int repository_init(const char *path, const struct repository_protection *protection, struct error *error)
{
    struct repository_config config = {0};
    struct buffer key_file = {0};
    int result = protection == NULL ? 0 : protect(&config, protection, &key_file, error);
    if (result == 0) {
        result = make_repository(path, &config, &key_file, error);
    }
    config_free(&config);
    buffer_free(&key_file);
    return result;
}
