#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"
#include "lib/sha256.h"
#include "target/identify.h"

#define CONTROL_LIMIT_BYTES ((size_t)64 * 1024)
#define MARK_SIZE 16 /* of a SHA-256 */

/* A walk over everything: path is the name at hand. */
struct print {
    const struct target *target;
    const struct buffer *before; /* marks to compare with, or NULL */
    struct buffer marks;
    struct buffer *changed;
    struct buffer path;
};

/* The marks are in one order: where one differs from that of before, its thing is another or has changed. A name that is gone
 * shows in its folder, which comes before. */
static int add_mark(struct print *print, const char *path, const void *facts, size_t size_bytes, struct error *error)
{
    uint8_t digest[SHA256_SIZE];
    struct sha256 hash;
    size_t at = print->marks.size;
    sha256_begin(&hash);
    sha256_add(&hash, path, strlen(path) + 1);
    sha256_add(&hash, facts, size_bytes);
    sha256_end(&hash, digest);
    buffer_append(&print->marks, digest, MARK_SIZE);
    if (print->before != NULL && print->changed->size == 0 &&
        (print->before->size < at + MARK_SIZE || memcmp(print->before->data + at, digest, MARK_SIZE) != 0)) {
        buffer_string(print->changed, path);
    }
    return buffer_check(&print->marks, error);
}

static int add_status(struct print *print, const struct stat *status, struct error *error)
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
    return buffer_check(&print->path, error) != 0 ? -1 : add_mark(print, print->path.data, facts, sizeof facts, error);
}

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int list_names(int folder_fd, const char *path, struct strings *names, struct error *error)
{
    int listing_fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = listing_fd < 0 ? NULL : fdopendir(listing_fd);
    if (listing == NULL) {
        file_drop(&listing_fd);
        return error_system(error, CSN_TREE_READ, "listing %s", path);
    }
    int result = 0;
    errno = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(listing)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            result = strings_add(names, entry->d_name, error);
        }
    }
    if (result == 0 && errno != 0) {
        result = error_system(error, CSN_TREE_READ, "listing %s", path);
    }
    closedir(listing);
    if (names->count > 1) {
        qsort(names->items, names->count, sizeof names->items[0], by_text);
    }
    return result;
}

/* What lies in the folder that print->path names. Takes folder_fd over. Depth is bounded by PATH_MAX on any real system; 200 is far
 * above what applications have. NOLINTNEXTLINE(misc-no-recursion) */
static int add_folder(struct print *print, int folder_fd, int depth, struct error *error)
{
    struct strings names = {0};
    size_t length = print->path.size;
    int result = depth > 200 ? error_set(error, CSN_TREE_READ, "%s is more than 200 folders deep", print->path.data)
                             : list_names(folder_fd, print->path.data, &names, error);
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        struct stat status;
        buffer_format(&print->path, "/%s", names.items[i]);
        if (fstatat(folder_fd, names.items[i], &status, AT_SYMLINK_NOFOLLOW) != 0) {
            result = error_system(error, CSN_TREE_READ, "looking at %s", buffer_text(&print->path));
        } else {
            result = add_status(print, &status, error);
        }
        if (result == 0 && S_ISDIR(status.st_mode)) {
            int child_fd = openat(folder_fd, names.items[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            result = child_fd < 0 ? error_system(error, CSN_TREE_READ, "opening %s", print->path.data)
                                  : add_folder(print, child_fd, depth + 1, error);
        }
        if (!print->path.failed) {
            print->path.size = length;
            print->path.data[length] = '\0';
        }
    }
    strings_free(&names);
    file_drop(&folder_fd);
    return result;
}

/* A file or folder of the server; one that is not there counts as such. */
static int add_path(struct print *print, const char *path, struct error *error)
{
    int root_fd = print->target->root_fd;
    struct stat status;
    if (root_lstat(root_fd, path, &status) != 0) {
        return add_mark(print, path, "absent", 6, error);
    }
    buffer_clear(&print->path);
    buffer_string(&print->path, path);
    if (add_status(print, &status, error) != 0) {
        return -1;
    }
    if (!S_ISDIR(status.st_mode)) {
        return 0;
    }
    int fd = root_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
    return fd < 0 ? -1 : add_folder(print, fd, 0, error);
}

static int add_control(struct print *print, struct error *error)
{
    const char *cluster = print->target->installation.cluster;
    struct buffer content = {0};
    if (cluster == NULL) {
        return 0;
    }
    buffer_clear(&print->path);
    buffer_format(&print->path, "%s/global/pg_control", cluster);
    int result = buffer_check(&print->path, error);
    if (result == 0) {
        result = root_read(print->target->root_fd, print->path.data, CONTROL_LIMIT_BYTES, &content, error);
    }
    if (result == 0) {
        result = add_mark(print, print->path.data, buffer_text(&content), content.size, error);
    }
    buffer_free(&content);
    return result;
}

static int add_all(struct print *print, struct error *error)
{
    const struct target *target = print->target;
    const char *program = target->installation.program_root;
    char *version = NULL;
    int result = target_read_version(target->root_fd, target->profile, program, &version, error);
    if (result == 0) {
        result = add_path(print, program, error);
    }
    for (size_t i = 0; result == 0 && i < target->profile->configuration.count; i++) {
        result = add_path(print, target->profile->configuration.items[i], error);
    }
    if (result == 0) {
        result = add_control(print, error);
    }
    if (result == 0) {
        result = add_mark(print, program, version, strlen(version), error); /* it may stand in a file elsewhere */
    }
    free(version);
    buffer_free(&print->path);
    return result;
}

int target_fingerprint(const struct target *target, struct buffer *marks, struct error *error)
{
    struct print print = {.target = target};
    int result = add_all(&print, error);
    if (result == 0) {
        buffer_append(marks, print.marks.data, print.marks.size);
        result = buffer_check(marks, error);
    }
    buffer_free(&print.marks);
    return result;
}

int target_compare_fingerprint(const struct target *target, const struct buffer *marks, struct buffer *changed,
                               struct error *error)
{
    struct print print = {.target = target, .before = marks, .changed = changed};
    int result = add_all(&print, error);
    if (result == 0 && changed->size == 0 && print.marks.size != marks->size) {
        buffer_string(changed, target->installation.program_root);
    }
    buffer_free(&print.marks);
    return result == 0 ? buffer_check(changed, error) : -1;
}
