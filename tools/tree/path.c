#include "tree/path.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NAME_LIMIT 255
#define STEP_LIMIT 3000 /* bytes of a path given to the kernel at once: safely below PATH_MAX */

int tree_path_compare(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    if (*a == *b) {
        return 0;
    }
    /* The end of a path and the end of a part come before any byte of a name. */
    int weight_a = *a == '\0' ? -2 : *a == '/' ? -1 : (unsigned char)*a;
    int weight_b = *b == '\0' ? -2 : *b == '/' ? -1 : (unsigned char)*b;
    return weight_a < weight_b ? -1 : 1;
}

bool tree_path_is_sound(const char *path)
{
    if (path[0] == '\0') {
        return true;
    }
    for (const char *part = path;; part++) {
        size_t length = strcspn(part, "/");
        bool is_dots = part[0] == '.' && (length == 1 || (length == 2 && part[1] == '.'));
        if (length == 0 || length > NAME_LIMIT || is_dots) {
            return false;
        }
        part += length;
        if (*part == '\0') {
            return true;
        }
    }
}

/* Does the pattern match the path as it stands, from one of its parts on if at_any_depth? */
static bool matches_whole(const char *pattern, const char *path, bool at_any_depth)
{
    if (fnmatch(pattern, path, FNM_PATHNAME) == 0) {
        return true;
    }
    const char *slash = at_any_depth ? strchr(path, '/') : NULL;
    for (; slash != NULL; slash = strchr(slash + 1, '/')) {
        if (fnmatch(pattern, slash + 1, FNM_PATHNAME) == 0) {
            return true;
        }
    }
    return false;
}

static bool pattern_matches(const char *given, char *path)
{
    char pattern[4096];
    given += strspn(given, "/");
    bool at_any_depth = strncmp(given, "**/", 3) == 0;
    given += at_any_depth ? 3 : 0;
    size_t length = strlen(given);
    while (length > 0 && given[length - 1] == '/') {
        length--;
    }
    if (length == 0 || length >= sizeof pattern) {
        return false;
    }
    memcpy(pattern, given, length);
    pattern[length] = '\0';
    if (matches_whole(pattern, path, at_any_depth)) {
        return true;
    }
    /* A folder above that matches covers the path. */
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool is_match = matches_whole(pattern, path, at_any_depth);
        *slash = '/';
        if (is_match) {
            return true;
        }
    }
    return false;
}

bool tree_path_matches(const struct strings *patterns, const char *path)
{
    if (patterns == NULL || patterns->count == 0 || path[0] == '\0') {
        return false;
    }
    char small[4096];
    size_t size_bytes = strlen(path) + 1;
    char *copy = size_bytes <= sizeof small ? small : malloc(size_bytes);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, path, size_bytes);
    bool is_match = false;
    for (size_t i = 0; i < patterns->count && !is_match; i++) {
        is_match = pattern_matches(patterns->items[i], copy);
    }
    if (copy != small) {
        free(copy);
    }
    return is_match;
}

static int open_step(int dir_fd, const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(unsigned)flags | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;
    do {
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);
    } while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    return (int)fd;
}

int tree_path_open(int start_fd, const char *path, int flags)
{
    char step[STEP_LIMIT + 1];
    int dir_fd = start_fd;
    while (strlen(path) > STEP_LIMIT) {
        size_t length = STEP_LIMIT;
        while (length > 0 && path[length] != '/') {
            length--;
        }
        int next_fd = -1;
        if (length == 0) {
            errno = ENAMETOOLONG;
        } else {
            memcpy(step, path, length);
            step[length] = '\0';
            next_fd = open_step(dir_fd, step, O_PATH | O_DIRECTORY);
        }
        int saved = errno;
        if (dir_fd != start_fd) {
            close(dir_fd);
        }
        errno = saved;
        if (next_fd < 0) {
            return -1;
        }
        dir_fd = next_fd;
        path += length + 1;
    }
    int fd = open_step(dir_fd, path[0] == '\0' ? "." : path, flags);
    int saved = errno;
    if (dir_fd != start_fd) {
        close(dir_fd);
    }
    errno = saved;
    return fd;
}

int tree_path_open_parent(int start_fd, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        *name = path[0] == '\0' ? "." : path;
        return tree_path_open(start_fd, "", O_PATH | O_DIRECTORY);
    }
    *name = slash + 1;
    char *parent = strndup(path, (size_t)(slash - path));
    if (parent == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int fd = tree_path_open(start_fd, parent, O_PATH | O_DIRECTORY);
    int saved = errno;
    free(parent);
    errno = saved;
    return fd;
}
