#include "target/mount_places.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/installation.h"
#include "target/mount_fstab.h"
#include "target/services_inside.h"

#define UNIT_BYTES ((size_t)64 * 1024)
#define ATTRIBUTE_MOUNT_ROOT 0x2000 /* statx(2); musl has no name for it */

static bool lasts(const char *place, const char *type)
{
    static const char *const passing[] = {
        "swap",     "tmpfs",    "ramfs",   "devtmpfs",    "proc",      "sysfs",      "devpts", "cgroup",
        "cgroup2",  "debugfs",  "tracefs", "mqueue",      "hugetlbfs", "bpf",        "pstore", "securityfs",
        "efivarfs", "configfs", "fusectl", "binfmt_misc", "nfsd",      "rpc_pipefs",
    };
    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        if (strcmp(passing[i], type) == 0) {
            return false;
        }
    }
    return place[0] == '/' && strcmp(place, "/") != 0;
}

static bool is_mounted(int root_fd, const char *path)
{
    struct statx status = {0};
    int fd = root_try_open(root_fd, path, O_PATH, 0);
    bool mounted = fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
                   (status.stx_attributes & ATTRIBUTE_MOUNT_ROOT) != 0;
    file_drop(&fd);
    return mounted;
}

static int add_place(struct mount_places *places, int root_fd, const char *path, struct error *error,
                     const char *format, ...) PRINTF_LIKE(5, 6);
static int add_place(struct mount_places *places, int root_fd, const char *path, struct error *error,
                     const char *format, ...)
{
    va_list arguments;
    struct mount_place *grown = reallocarray(places->items, places->count + 1, sizeof *grown);
    if (grown == NULL) {
        return error_set(error, CSN_MEMORY, "no memory to look where the server mounts something");
    }
    places->items = grown;
    struct mount_place *place = &grown[places->count++];
    *place = (struct mount_place){.path = root_destination(root_fd, path, error)};
    va_start(arguments, format);
    int length = vasprintf(&place->what, format, arguments);
    va_end(arguments);
    if (length < 0) {
        place->what = NULL;
        return error_set(error, CSN_MEMORY, "no memory to look where the server mounts something");
    }
    place->mounted = place->path != NULL && is_mounted(root_fd, place->path);
    return place->path == NULL ? -1 : 0;
}

static int read_fstab(struct mount_places *places, int root_fd, struct error *error)
{
    struct fstab fstab;
    int result = fstab_read(&fstab, root_fd, error);
    for (size_t i = 0; result == 0 && i < fstab.count; i++) {
        const struct fstab_line *line = &fstab.items[i];
        if (lasts(line->place, line->type)) {
            result = add_place(places, root_fd, line->place, error, "/etc/fstab mounts %s", line->field);
        }
    }
    fstab_free(&fstab);
    return result;
}

/* The value of a line "KEY=value"; NULL if it is another line. */
static const char *unit_value(const char *line, const char *key)
{
    size_t length = strlen(key);
    if (strncmp(line, key, length) != 0) {
        return NULL;
    }
    line += length + strspn(line + length, " \t");
    return line[0] == '=' ? line + 1 + strspn(line + 1, " \t") : NULL;
}

/* systemd.mount(5). A unit that is masked is empty and mounts nothing. */
static int read_unit(struct mount_places *places, int root_fd, const char *path, const char *name, struct error *error)
{
    struct buffer text = {0};
    const char *what = "";
    const char *where = "";
    const char *type = "";
    if (root_read(root_fd, path, UNIT_BYTES, &text, NULL) != 0) {
        buffer_free(&text);
        return 0;
    }
    char *rest = text.data;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        size_t length = strlen(line);
        while (length > 0 && strchr(" \t\r", line[length - 1]) != NULL) {
            line[--length] = '\0';
        }
        line += strspn(line, " \t");
        const char *value = unit_value(line, "Where");
        where = value != NULL ? value : where;
        value = unit_value(line, "What");
        what = value != NULL ? value : what;
        value = unit_value(line, "Type");
        type = value != NULL ? value : type;
    }
    int result = lasts(where, type) ? add_place(places, root_fd, where, error, "the unit %s mounts %s", name, what) : 0;
    buffer_free(&text);
    return result;
}

/* Whether a unit is enabled does not matter: a service that needs its place starts it. Of one name the first folder's counts. */
static int read_units(struct mount_places *places, int root_fd, struct error *error)
{
    struct strings names = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < UNIT_FOLDERS; i++) {
        char pattern[128];
        struct strings paths = {0};
        snprintf(pattern, sizeof pattern, "%s/*.mount", unit_folders[i]);
        result = pattern_expand(root_fd, pattern, &paths, error);
        for (size_t k = 0; result == 0 && k < paths.count; k++) {
            const char *name = strrchr(paths.items[k], '/') + 1;
            if (!strings_has(&names, name)) {
                result = strings_add(&names, name, error) != 0
                             ? -1
                             : read_unit(places, root_fd, paths.items[k], name, error);
            }
        }
        strings_free(&paths);
    }
    strings_free(&names);
    return result;
}

static bool is_filled(int root_fd, const char *path)
{
    struct strings names = {0};
    char pattern[PATH_MAX + 2];
    snprintf(pattern, sizeof pattern, "%s/*", path);
    bool filled = pattern_expand(root_fd, pattern, &names, NULL) == 0 && names.count > 0;
    strings_free(&names);
    return filled;
}

int mount_places_read(struct mount_places *places, int root_fd, bool copied, struct error *error)
{
    *places = (struct mount_places){0};
    if (read_fstab(places, root_fd, error) != 0 || read_units(places, root_fd, error) != 0) {
        mount_places_free(places);
        return -1;
    }
    for (size_t i = 0; copied && i < places->count; i++) {
        places->items[i].mounted = places->items[i].mounted || is_filled(root_fd, places->items[i].path);
    }
    return 0;
}

void mount_places_free(struct mount_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        free(places->items[i].path);
        free(places->items[i].what);
        free(places->items[i].needed_by);
    }
    free(places->items);
    *places = (struct mount_places){0};
}

bool mount_places_hide(const struct mount_places *places, const struct mount_place *place, const char *path)
{
    if (place->mounted || !path_is_inside(path, place->path)) {
        return false;
    }
    for (size_t i = 0; i < places->count; i++) {
        const struct mount_place *other = &places->items[i];
        if (other->mounted && path_is_inside(path, other->path) && path_is_inside(other->path, place->path)) {
            return false; /* something else is mounted on the way, or the same */
        }
    }
    return true;
}

const struct mount_place *mount_places_below(const struct mount_places *places, const char *path)
{
    for (size_t i = 0; i < places->count; i++) {
        const char *place = places->items[i].path;
        if (strcmp(place, path) != 0 && path_is_inside(place, path)) {
            return &places->items[i];
        }
    }
    return NULL;
}
