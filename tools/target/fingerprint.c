#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/identify.h"

#define CONTROL_LIMIT_BYTES ((size_t)64 * 1024)

/* Every text and number is hashed with its length, so that no two states read the same. */
static void add_bytes(struct sha256 *hash, const void *data, size_t size_bytes)
{
    uint64_t length = size_bytes;
    sha256_add(hash, &length, sizeof length);
    sha256_add(hash, data, size_bytes);
}

static void add_status(struct sha256 *hash, const char *name, const struct stat *status)
{
    /* A folder's size is the file system's own affair. ctime tells of changes that put mtime back. */
    uint64_t facts[] = {
        status->st_mode,
        status->st_uid,
        status->st_gid,
        S_ISDIR(status->st_mode) ? 0 : (uint64_t)status->st_size,
        (uint64_t)status->st_mtim.tv_sec,
        (uint64_t)status->st_mtim.tv_nsec,
        (uint64_t)status->st_ctim.tv_sec,
        (uint64_t)status->st_ctim.tv_nsec,
    };
    add_bytes(hash, name, strlen(name));
    add_bytes(hash, facts, sizeof facts);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int list_names(int folder_fd, struct strings *names, struct error *error)
{
    int listing_fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = listing_fd < 0 ? NULL : fdopendir(listing_fd);
    if (listing == NULL) {
        file_drop(&listing_fd);
        return error_system(error, CSN_TREE_READ, "listing a folder of the program tree");
    }
    int result = 0;
    errno = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(listing)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = strings_add(names, entry->d_name, error);
        }
    }
    if (result == 0 && errno != 0) {
        result = error_system(error, CSN_TREE_READ, "listing a folder of the program tree");
    }
    closedir(listing);
    if (names->count > 1) {
        qsort(names->items, names->count, sizeof names->items[0], by_text);
    }
    return result;
}

/* Takes folder_fd over. Depth is bounded by PATH_MAX on any real system; 200 is far above what applications have. */
static int add_folder(struct sha256 *hash, int folder_fd, int depth, struct error *error)
{
    struct strings names = {0};
    int result = depth > 200 ? error_set(error, CSN_TREE_READ, "the program tree is more than 200 folders deep")
                             : list_names(folder_fd, &names, error);
    uint64_t count = names.count;
    sha256_add(hash, &count, sizeof count);
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        struct stat status;
        if (fstatat(folder_fd, names.items[i], &status, AT_SYMLINK_NOFOLLOW) != 0) {
            result = error_system(error, CSN_TREE_READ, "looking at %s in the program tree", names.items[i]);
            break;
        }
        add_status(hash, names.items[i], &status);
        if (S_ISDIR(status.st_mode)) {
            int child_fd = openat(folder_fd, names.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            result = child_fd < 0 ? error_system(error, CSN_TREE_READ, "opening %s in the program tree", names.items[i])
                                  : add_folder(hash, child_fd, depth + 1, error);
        }
    }
    strings_free(&names);
    file_drop(&folder_fd);
    return result;
}

/* A file or folder of the server; one that is not there counts as such. */
static int add_path(struct sha256 *hash, int root_fd, const char *path, struct error *error)
{
    struct stat status;
    if (root_lstat(root_fd, path, &status) != 0) {
        add_bytes(hash, "absent", 6);
        return 0;
    }
    add_status(hash, path, &status);
    if (!S_ISDIR(status.st_mode)) {
        return 0;
    }
    int fd = root_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
    return fd < 0 ? -1 : add_folder(hash, fd, 0, error);
}

static int add_control(struct sha256 *hash, const struct target *target, struct error *error)
{
    if (target->installation.cluster == NULL) {
        return 0;
    }
    char path[4096];
    struct buffer content = {0};
    snprintf(path, sizeof path, "%s/global/pg_control", target->installation.cluster);
    int result = root_read(target->root_fd, path, CONTROL_LIMIT_BYTES, &content, error);
    if (result == 0) {
        add_bytes(hash, buffer_text(&content), content.size);
    }
    buffer_free(&content);
    return result;
}

int target_fingerprint(const struct target *target, uint8_t digest[SHA256_SIZE], struct error *error)
{
    struct sha256 hash;
    char *version = NULL;
    const struct installation *installation = &target->installation;
    sha256_begin(&hash);
    int result = target_read_version(target->root_fd, target->profile, installation->program_root, &version, error);
    if (result == 0) {
        add_bytes(&hash, version, strlen(version));
        result = add_path(&hash, target->root_fd, installation->program_root, error);
    }
    for (size_t i = 0; result == 0 && i < target->profile->configuration.count; i++) {
        result = add_path(&hash, target->root_fd, target->profile->configuration.items[i], error);
    }
    if (result == 0) {
        result = add_control(&hash, target, error);
    }
    sha256_end(&hash, digest);
    free(version);
    return result;
}
