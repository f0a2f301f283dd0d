#include "target/overlay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "target/overlay_internal.h"

/* What the kernel makes up, and what a running server keeps in memory: no part of what lies on its disks. */
static const char *const kernel_types[] = {
    "proc",     "sysfs",   "devtmpfs",   "devpts",     "cgroup", "cgroup2",   "mqueue", "hugetlbfs",
    "debugfs",  "tracefs", "securityfs", "bpf",        "pstore", "efivarfs",  "autofs", "binfmt_misc",
    "configfs", "fusectl", "nsfs",       "rpc_pipefs", "ramfs",  "selinuxfs",
};

static const char *const memory_places[] = {"run", "tmp", "dev", "proc", "sys"};

static bool is_left_out(const char *type, const char *place)
{
    for (size_t i = 0; i < sizeof kernel_types / sizeof kernel_types[0]; i++) {
        if (strcmp(type, kernel_types[i]) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof memory_places / sizeof memory_places[0]; i++) {
        if (path_is_inside(place, memory_places[i])) {
            return true;
        }
    }
    return false;
}

/* mountinfo writes blanks, tabs, newlines and backslashes of a path as \ooo. */
static void decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] != '\0' && from[3] != '\0') {
            *to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int overlay_sort_mounts(const struct strings *mounts, struct strings *sorted, struct error *error)
{
    for (size_t i = 0; i < mounts->count; i++) {
        const char *place = mounts->items[i] + strspn(mounts->items[i], "/");
        size_t length = strlen(place);
        while (length > 0 && place[length - 1] == '/') {
            length--;
        }
        char *copy = strndup(place, length);
        if (copy == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the mount point %s", place);
        }
        int result = length == 0 || strings_has(sorted, copy) ? 0 : strings_add(sorted, copy, error);
        free(copy);
        if (result != 0) {
            return -1;
        }
    }
    if (sorted->count > 1) {
        qsort(sorted->items, sorted->count, sizeof *sorted->items, compare);
    }
    return 0;
}

/* A line is: ID PARENT DEVICE ROOT POINT OPTIONS [TAGS …] - TYPE SOURCE OPTIONS */
char *overlay_mount_point(char *line, char **type)
{
    char *point = NULL;
    char *rest = line;
    for (int field = 0; field < 5 && rest != NULL; field++) {
        point = strsep(&rest, " ");
    }
    char *separator = rest == NULL ? NULL : strstr(rest, " - ");
    if (point == NULL || separator == NULL) {
        return NULL;
    }
    *type = separator + 3;
    (*type)[strcspn(*type, " ")] = '\0';
    decode(point);
    return point;
}

static int take_line(char *line, const char *path, struct strings *mounts, struct error *error)
{
    char *type = NULL;
    char *point = overlay_mount_point(line, &type);
    if (point == NULL) {
        return 0;
    }
    size_t length = strcmp(path, "/") == 0 ? 0 : strlen(path);
    if (strncmp(point, path, length) != 0 || point[length] != '/' || point[length + 1] == '\0') {
        return 0;
    }
    const char *place = point + length + 1;
    if (is_left_out(type, place) || strings_has(mounts, place)) {
        return 0;
    }
    return strings_add(mounts, place, error);
}

int overlay_find_mounts(const char *path, struct strings *mounts, struct error *error)
{
    struct buffer content = {0};
    char *real = realpath(path, NULL);
    int result = -1;
    if (real == NULL) {
        error_system(error, CSN_TARGET_NAMESPACE, "finding the folder %s", path);
        goto out;
    }
    if (file_read(AT_FDCWD, "/proc/self/mountinfo", (size_t)16 << 20, &content, error) != 0) {
        goto out;
    }
    char *text = content.data;
    for (char *line = strsep(&text, "\n"); line != NULL; line = strsep(&text, "\n")) {
        if (take_line(line, real, mounts, error) != 0) {
            goto out;
        }
    }
    if (mounts->count > 1) {
        qsort(mounts->items, mounts->count, sizeof *mounts->items, compare);
    }
    result = 0;
out:
    free(real);
    buffer_free(&content);
    return result;
}
