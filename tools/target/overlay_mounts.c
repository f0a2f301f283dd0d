#include "target/overlay.h"

#include <stdlib.h>
#include <string.h>

#include "lib/mountinfo.h"
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
    strings_sort(sorted);
    return 0;
}

static int take(const struct mountinfo_line *mount, const char *path, struct strings *places, struct error *error)
{
    size_t length = strcmp(path, "/") == 0 ? 0 : strlen(path);
    if (strncmp(mount->point, path, length) != 0 || mount->point[length] != '/' || mount->point[length + 1] == '\0') {
        return 0;
    }
    const char *place = mount->point + length + 1;
    return is_left_out(mount->type, place) || strings_has(places, place) ? 0 : strings_add(places, place, error);
}

int overlay_find_mounts(const char *path, struct strings *places, struct error *error)
{
    struct mountinfo mounts = {0};
    char *real = realpath(path, NULL);
    int result = real == NULL ? error_system(error, CSN_TARGET_NAMESPACE, "finding the folder %s", path)
                              : mountinfo_read(&mounts, error);
    for (size_t i = 0; result == 0 && i < mounts.count; i++) {
        result = take(&mounts.lines[i], real, places, error);
    }
    if (result == 0) {
        strings_sort(places);
    }
    free(real);
    mountinfo_free(&mounts);
    return result;
}
