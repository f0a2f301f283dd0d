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
