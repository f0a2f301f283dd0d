#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/installation.h"

static int by_text(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The names in a folder that fit, sorted. A folder that cannot be read holds none. */
static int matching_names(int root_fd, const char *folder, const char *pattern, struct strings *names,
                          struct error *error)
{
    int fd = root_try_open(root_fd, folder, O_RDONLY | O_DIRECTORY, 0);
    DIR *listing = fd < 0 ? NULL : fdopendir(fd);
    if (listing == NULL) {
        file_drop(&fd);
        return 0;
    }
    int result = 0;
    for (const struct dirent *entry; result == 0 && (entry = readdir(listing)) != NULL;) {
        if (fnmatch(pattern, entry->d_name, FNM_PERIOD) == 0 && strstr(entry->d_name, ".caisson") == NULL) {
            result = strings_add(names, entry->d_name, error);
        }
    }
    closedir(listing);
    if (names->count > 1) {
        qsort(names->items, names->count, sizeof names->items[0], by_text);
    }
    return result;
}

/* path is what is resolved so far; rest is the pattern from its next slash on. */
static int expand(int root_fd, struct buffer *path, const char *rest, struct strings *paths, struct error *error)
{
    rest += strspn(rest, "/");
    size_t length = strcspn(rest, "/");
    if (length == 0) {
        return root_exists(root_fd, buffer_text(path)) ? strings_add(paths, buffer_text(path), error) : 0;
    }
    char part[NAME_MAX + 1];
    if (length > NAME_MAX) {
        return 0;
    }
    snprintf(part, sizeof part, "%.*s", (int)length, rest);
    size_t before = path->size;
    int result = 0;
    struct strings names = {0};
    if (strpbrk(part, "*?[") == NULL) {
        result = strings_add(&names, part, error);
    } else {
        result = matching_names(root_fd, before == 0 ? "/" : buffer_text(path), part, &names, error);
    }
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        buffer_format(path, "/%s", names.items[i]);
        result = buffer_check(path, error);
        if (result == 0) {
            result = expand(root_fd, path, rest + length, paths, error);
        }
        path->size = before;
        path->data[before] = '\0';
    }
    strings_free(&names);
    return result;
}

int pattern_expand(int root_fd, const char *pattern, struct strings *paths, struct error *error)
{
    struct buffer path = {0};
    int result = expand(root_fd, &path, pattern, paths, error);
    buffer_free(&path);
    return result;
}

static int descriptor_path(int fd, char path[PATH_MAX], struct error *error)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) {
        return error_system(error, CSN_IO, "reading %s", link);
    }
    path[length] = '\0';
    return 0;
}

char *root_real_path(int root_fd, const char *path, struct error *error)
{
    char base[PATH_MAX];
    char whole[PATH_MAX];
    char *real = NULL;
    int fd = root_open(root_fd, path, O_PATH, 0, error);
    if (fd < 0 || descriptor_path(root_fd, base, error) != 0 || descriptor_path(fd, whole, error) != 0) {
        goto out;
    }
    size_t length = strcmp(base, "/") == 0 ? 0 : strlen(base);
    if (strncmp(base, whole, length) != 0 || (whole[length] != '/' && whole[length] != '\0')) {
        (void)error_set(error, CSN_IO, "%s is not below %s", whole, base);
        goto out;
    }
    real = strdup(whole[length] == '\0' ? "/" : whole + length);
    if (real == NULL) {
        (void)error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
out:
    file_drop(&fd);
    return real;
}

#define LINKS_LIMIT 40 /* as the kernel has it */

/* One part more of the path; what a link leads to is put before the rest. */
static int trace_part(int root_fd, struct buffer *done, struct buffer *rest, struct strings *links, struct error *error)
{
    char target[PATH_MAX];
    struct buffer following = {0};
    const char *part = rest->data + strspn(rest->data, "/");
    size_t length = strcspn(part, "/");
    size_t before = done->size;
    buffer_string(&following, part + length);
    if (length == 2 && strncmp(part, "..", 2) == 0) {
        const char *slash = done->size == 0 ? NULL : strrchr(done->data, '/');
        done->size = slash == NULL ? 0 : (size_t)(slash - done->data);
    } else if (length > 0 && !(length == 1 && part[0] == '.')) {
        buffer_format(done, "/%.*s", (int)length, part);
        int fd = root_try_open(root_fd, buffer_text(done), O_PATH | O_NOFOLLOW, 0);
        ssize_t size = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target - 1);
        file_drop(&fd);
        if (size > 0 && strings_add(links, buffer_text(done), error) != 0) {
            buffer_free(&following);
            return -1;
        }
        if (size > 0) {
            target[size] = '\0';
            done->size = target[0] == '/' ? 0 : before;
            struct buffer whole = {0};
            buffer_format(&whole, "%s/%s", target, buffer_text(&following));
            buffer_free(&following);
            following = whole;
        }
    }
    if (done->data != NULL) {
        done->data[done->size] = '\0';
    }
    buffer_free(rest);
    *rest = following;
    return buffer_check(done, error) != 0 ? -1 : buffer_check(rest, error);
}

/* *done: path without links, whether something is there or not; "" for the root. *ends is false where links lead in a circle. */
static int trace(int root_fd, const char *path, struct buffer *done, struct strings *links, bool *ends,
                 struct error *error)
{
    struct buffer rest = {0};
    size_t known = links->count;
    buffer_string(&rest, path);
    int result = buffer_check(&rest, error);
    while (result == 0 && rest.data != NULL && rest.data[strspn(rest.data, "/")] != '\0' &&
           links->count - known <= LINKS_LIMIT) {
        result = trace_part(root_fd, done, &rest, links, error);
    }
    *ends = links->count - known <= LINKS_LIMIT;
    buffer_free(&rest);
    return result;
}

int root_trace(int root_fd, const char *path, struct strings *links, char **real, struct error *error)
{
    struct buffer done = {0};
    bool ends = false;
    int result = trace(root_fd, path, &done, links, &ends, error);
    *real = NULL;
    if (result == 0 && ends && root_exists(root_fd, done.size == 0 ? "/" : done.data)) {
        *real = strdup(done.size == 0 ? "/" : done.data);
        result = *real == NULL ? error_set(error, CSN_MEMORY, "no memory for the path %s", path) : 0;
    }
    buffer_free(&done);
    return result;
}

char *root_destination(int root_fd, const char *path, struct error *error)
{
    struct buffer done = {0};
    struct strings links = {0};
    bool ends = false;
    char *destination = NULL;
    if (trace(root_fd, path, &done, &links, &ends, error) == 0) {
        destination = strdup(!ends ? path : done.size == 0 ? "/" : done.data);
        if (destination == NULL) {
            (void)error_set(error, CSN_MEMORY, "no memory for the path %s", path);
        }
    }
    strings_free(&links);
    buffer_free(&done);
    return destination;
}
