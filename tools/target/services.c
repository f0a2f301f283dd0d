/*
 * services.c - which units a fence must hold, and which files do it. README.md, "The fence", has the reasons.
 */
#include "target/services.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/installation.h"
#include "target/services_inside.h"

/* systemd sorts drop-ins of all folders by name and a later empty "ConditionPathExists=" would take ours back: so last. */
#define DROP_IN "zzz-caisson-fence.conf"

static const char drop_in_text[] =
    "# Caisson is at work on this server: until it releases or rolls back, this unit does not start.\n"
    "# Boot the Caisson stick and let it finish (caisson resume) or undo (caisson rollback).\n"
    "[Unit]\n"
    "ConditionPathExists=!" FENCE_FLAG "\n";

static const char flag_text[] =
    "Caisson is at work on this server. While this file is here, the application and its database do not start.\n"
    "Boot the Caisson stick and let it finish (caisson resume) or undo (caisson rollback): it removes this file.\n";

const char *const unit_folders[UNIT_FOLDERS] = {
    "/etc/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
};

static int memory_error(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory to plan the fence");
}

int fence_finding(struct fence *fence, struct error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = NULL;
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return memory_error(error);
    }
    int result = strings_has(&fence->findings, text) ? 0 : strings_add(&fence->findings, text, error);
    free(text);
    return result;
}

/* --- the way of starting services ------------------------------------------------------------------------------------ */

static int check_systemd(int root_fd, struct error *error)
{
    struct error none;
    char *init = root_real_path(root_fd, "/sbin/init", &none);
    bool there = root_exists(root_fd, "/lib/systemd/systemd") || root_exists(root_fd, "/usr/lib/systemd/systemd");
    int result = 0;
    if (init == NULL) {
        result = error_set(error, CSN_TARGET_SERVICES, "the server has no /sbin/init%s",
                           there ? ", though systemd is there" : "");
    } else {
        const char *slash = strrchr(init, '/');
        if (!there || strcmp(slash, "/systemd") != 0) {
            result = error_set(error, CSN_TARGET_SERVICES, "the server starts with %s, not with systemd", init);
        }
    }
    free(init);
    return result;
}

/* --- the units ------------------------------------------------------------------------------------------------------- */

int fence_unit(struct fence *fence, const char *unit, struct error *error)
{
    return strings_has(&fence->units, unit) ? 0 : strings_add(&fence->units, unit, error);
}

static bool unit_is_there(int root_fd, const char *unit)
{
    for (size_t i = 0; i < UNIT_FOLDERS; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", unit_folders[i], unit);
        if (root_exists(root_fd, path)) {
            return true;
        }
    }
    return false;
}

/* "app.service" is started by app.socket, app.timer and app.path too. */
static int add_siblings(struct fence *fence, int root_fd, const char *unit, struct error *error)
{
    static const char *const kinds[] = {"socket", "timer", "path"};
    const char *dot = strrchr(unit, '.');
    if (dot == NULL || strcmp(dot, ".service") != 0) {
        return 0;
    }
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof kinds / sizeof kinds[0]; i++) {
        char sibling[NAME_MAX + 1];
        snprintf(sibling, sizeof sibling, "%.*s.%s", (int)(dot - unit), unit, kinds[i]);
        if (unit_is_there(root_fd, sibling)) {
            result = fence_unit(fence, sibling, error);
        }
    }
    return result;
}

/* A unit that is a link to another one's file is an alias: older systemd only reads the drop-ins of the name it met. */
static int add_alias(struct fence *fence, int root_fd, const char *unit, struct error *error)
{
    for (size_t i = 0; i < UNIT_FOLDERS; i++) {
        char path[PATH_MAX];
        char link[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", unit_folders[i], unit);
        int fd = root_try_open(root_fd, path, O_PATH | O_NOFOLLOW, 0);
        ssize_t length = fd < 0 ? -1 : readlinkat(fd, "", link, sizeof link - 1);
        file_drop(&fd);
        if (length <= 0) {
            continue;
        }
        link[length] = '\0';
        const char *slash = strrchr(link, '/');
        const char *name = slash == NULL ? link : slash + 1;
        const char *dot = strrchr(name, '.');
        bool template = strstr(name, "@.") != NULL;
        if (dot != NULL && strcmp(dot, strrchr(unit, '.')) == 0 && !template) {
            return fence_unit(fence, name, error);
        }
    }
    return 0;
}

/* Debian starts each cluster by an instance of postgresql@.service that a generator adds at boot, named by its folder in
 * /etc/postgresql: of /etc/postgresql/15/main it is postgresql@15-main.service, wherever the data are. postgresql.service, which
 * people know, starts nothing by itself. */
static int add_debian_cluster(struct fence *fence, const struct target *target, struct error *error)
{
    const struct installation *installation = &target->installation;
    char *config = NULL;
    char unit[512];
    if (installation->cluster == NULL || !unit_is_there(target->root_fd, "postgresql@.service")) {
        return 0;
    }
    const char *version = installation->cluster_version;
    if (installation_debian_config(target->root_fd, installation->cluster, version, &config, error) != 0) {
        return -1;
    }
    /* "/etc/postgresql/15/main/postgresql.conf", else what the data folder is called. */
    if (config != NULL) {
        *strrchr(config, '/') = '\0';
    }
    snprintf(unit, sizeof unit, "postgresql@%s-%s.service", version,
             strrchr(config != NULL ? config : installation->cluster, '/') + 1);
    free(config);
    return fence_unit(fence, unit, error);
}

static int add_units(struct fence *fence, const struct target *target, const struct strings *more_units,
                     struct error *error)
{
    const struct strings none = {0};
    const struct strings *lists[] = {&target->profile->units, &target->profile->database_units,
                                     more_units == NULL ? &none : more_units};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (size_t k = 0; k < lists[i]->count; k++) {
            if (strchr(lists[i]->items[k], '/') != NULL || strchr(lists[i]->items[k], '.') == NULL) {
                return error_set(error, CSN_TARGET_SERVICES, "\"%s\" is not the name of a unit", lists[i]->items[k]);
            }
            if (fence_unit(fence, lists[i]->items[k], error) != 0) {
                return -1;
            }
        }
    }
    if (add_debian_cluster(fence, target, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < fence->units.count; i++) { /* grows while it runs */
        char unit[NAME_MAX + 1];
        snprintf(unit, sizeof unit, "%s", fence->units.items[i]);
        if (add_alias(fence, target->root_fd, unit, error) != 0 ||
            add_siblings(fence, target->root_fd, unit, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- the files ------------------------------------------------------------------------------------------------------- */

/* 1 and its status if path is a folder of the server, 0 if there is nothing. */
static int look_at_folder(int root_fd, const char *path, struct stat *status, struct error *error)
{
    int fd = root_try_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) {
        return root_exists(root_fd, path)
                   ? error_set(error, CSN_TARGET_SERVICES, "%s on the server is not a folder", path)
                   : 0;
    }
    int failed = fstat(fd, status);
    file_drop(&fd);
    return failed != 0 ? error_system(error, CSN_TARGET_SERVICES, "looking at %s", path) : 1;
}

/* Finds the deepest folder above path that is there: what undoing has to bring back to how it is now. */
static int plan_folders(struct fence_file *file, int root_fd, struct error *error)
{
    struct stat status = {0};
    int there = 0;
    file->parent = strdup(file->path);
    if (file->parent == NULL) {
        return memory_error(error);
    }
    while (there == 0) {
        char *slash = strrchr(file->parent, '/');
        slash[slash == file->parent ? 1 : 0] = '\0';
        there = look_at_folder(root_fd, file->parent, &status, error);
        if (there == 0) {
            free(file->made);
            file->made = strdup(file->parent);
            if (file->made == NULL) {
                return memory_error(error);
            }
        }
    }
    file->parent_time_sec = status.st_mtim.tv_sec;
    file->parent_time_nsec = status.st_mtim.tv_nsec;
    return there < 0 ? -1 : 0;
}

static int add_file(struct fence *fence, int root_fd, const char *path, const char *content, struct error *error)
{
    struct fence_file *grown = reallocarray(fence->items, fence->count + 1, sizeof *grown);
    if (grown == NULL) {
        return memory_error(error);
    }
    fence->items = grown;
    struct fence_file *file = &grown[fence->count++];
    *file = (struct fence_file){.path = strdup(path), .content = strdup(content)};
    if (file->path == NULL || file->content == NULL) {
        return memory_error(error);
    }
    return plan_folders(file, root_fd, error);
}

int services_fence(struct fence *fence, const struct target *target, const struct strings *more_units,
                   struct error *error)
{
    *fence = (struct fence){0};
    int result = check_systemd(target->root_fd, error);
    if (result == 0) {
        result = add_units(fence, target, more_units, error);
    }
    if (result == 0) {
        result = fence_scan(fence, target, error);
    }
    if (result == 0 && fence->units.count == 0) {
        result = fence_finding(fence, error, "the profile %s names no units: nothing is fenced", target->profile->name);
    }
    for (size_t i = 0; result == 0 && i < fence->units.count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "/etc/systemd/system/%s.d/%s", fence->units.items[i], DROP_IN);
        result = add_file(fence, target->root_fd, path, drop_in_text, error);
    }
    if (result == 0) {
        result = add_file(fence, target->root_fd, FENCE_FLAG, flag_text, error);
    }
    if (result != 0) {
        fence_free(fence);
    }
    return result;
}

void fence_free(struct fence *fence)
{
    for (size_t i = 0; i < fence->count; i++) {
        fence_file_free(&fence->items[i]);
    }
    free(fence->items);
    strings_free(&fence->units);
    strings_free(&fence->findings);
    *fence = (struct fence){0};
}
