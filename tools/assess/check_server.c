#include "assess/looking.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/root.h"
#include "lib/text.h"
#include "target/installation.h"
#include "target/services.h"

#define MEBIBYTE ((uint64_t)1 << 20)
#define ATTRIBUTE_IMMUTABLE 0x10 /* statx(2); musl has no names for them */
#define ATTRIBUTE_APPEND 0x20
#define ATTRIBUTE_MOUNT_ROOT 0x2000
#define EARLIEST_SEC 1735689600 /* 2025-01-01: no package of ours is older */

/* What fstab or a unit mounts there, and we did not: a network's, a bind, one that is broken. Inside of what is exchanged by name it
 * is the check "renames" that says so. */
static int check_seen(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct mount_places *places = &subject->target->places;
    struct strings switched = {0};
    int result = places->count == 0 ? 0 : assess_switched_paths(subject->target, subject->cluster, &switched, error);
    for (size_t i = 0; result == 0 && i < places->count; i++) {
        const struct mount_place *place = &places->items[i];
        bool inside = false;
        for (size_t k = 0; k < switched.count; k++) {
            inside = inside ||
                     (strcmp(place->path, switched.items[k]) != 0 && path_is_inside(place->path, switched.items[k]));
        }
        if (place->needed_by != NULL && !inside) {
            result =
                look_add(looking, FINDING_BLOCKER, CSN_ASSESS_BLOCKED, error,
                         "%s at %s, which is not mounted here, and %s needs it: what lies there can be neither "
                         "backed up nor upgraded; let fstab mount it from a disk of the server's by UUID= or LABEL=",
                         place->what, place->path, place->needed_by);
        }
    }
    strings_free(&switched);
    return result;
}

/* Nothing of the application lies on it, and no program of the server's that we start. */
static bool stands_aside(const struct looking *looking, const struct target_mount *mount)
{
    const struct cluster *cluster = looking->subject->cluster;
    const char *binaries = cluster == NULL ? NULL : cluster->binaries;
    return mount->aside && !path_is_inside(mount->place, "/usr") && !path_is_inside("/usr", mount->place) &&
           (binaries == NULL || !path_is_inside(binaries, mount->place));
}

static int check_one_system(struct looking *looking, const struct target_mount *mount, struct error *error)
{
    const bool aside = stands_aside(looking, mount);
    const enum finding_severity severity = aside ? FINDING_WARNING : FINDING_BLOCKER;
    const char *why = aside ? "; nothing of the application lies there, and it stays as it is" : "";
    if (mount->needs_recovery &&
        look_add(looking, severity, CSN_TARGET_DIRTY, error, "%s (%s, %s) was not unmounted cleanly%s", mount->device,
                 mount->type, mount->place, why) != 0) {
        return -1;
    }
    return !mount->has_errors ? 0
                              : look_add(looking, severity, CSN_TARGET_ERRORS, error,
                                         "%s (%s, %s) is marked as having errors: fsck has to be run on it%s",
                                         mount->device, mount->type, mount->place, why);
}

int check_file_systems(struct looking *looking, struct error *error)
{
    const struct target *target = looking->subject->target;
    for (size_t i = 0; i < target->mounts.count; i++) {
        if (check_one_system(looking, &target->mounts.items[i], error) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < target->mounts.findings.count; i++) {
        if (look_add(looking, FINDING_REMARK, CSN_NONE, error, "%s", target->mounts.findings.items[i]) != 0) {
            return -1;
        }
    }
    return check_seen(looking, error);
}

int check_clock(struct looking *looking, struct error *error)
{
    char now[CLOCK_TEXT_SIZE];
    clock_text(now);
    return clock_unix_sec() >= EARLIEST_SEC
               ? 0
               : look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
                          "the machine's clock says %s; times in journal and report will be wrong", now);
}

/* The journal is UTF-8, and what it cannot name exactly could not be undone. */
static int check_name(struct looking *looking, const char *path, struct error *error)
{
    return utf8_is_valid(path, strlen(path)) ? 0
                                             : look_add(looking, FINDING_BLOCKER, CSN_ASSESS_BLOCKED, error,
                                                        "the path %s is not UTF-8 and cannot be journaled", path);
}

/* A folder that chattr has closed takes no new name and gives none away, from nobody. */
static int check_open(struct looking *looking, const char *path, struct error *error)
{
    struct statx status = {0};
    int fd = root_try_open(looking->subject->target->root_fd, path, O_PATH, 0);
    bool closed = fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &status) == 0 &&
                  (status.stx_attributes & (ATTRIBUTE_IMMUTABLE | ATTRIBUTE_APPEND)) != 0;
    file_drop(&fd);
    return !closed ? 0
                   : look_add(looking, FINDING_BLOCKER, CSN_ASSESS_BLOCKED, error,
                              "%s is set immutable or append-only: nothing can be renamed in it; take that away first: "
                              "chattr -i -a %s",
                              path, path);
}

int check_fence(struct looking *looking, struct error *error)
{
    struct fence fence = {0};
    struct error why = {0};
    int result = 0;
    if (services_fence(&fence, looking->subject->target, NULL, &why) != 0) {
        result = why.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", why.message)
                                        : look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    for (size_t i = 0; result == 0 && i < fence.count; i++) {
        result = check_name(looking, fence.items[i].path, error) != 0
                     ? -1
                     : check_open(looking, fence.items[i].parent, error);
    }
    for (size_t i = 0; result == 0 && i < fence.findings.count; i++) {
        result = look_add(looking, FINDING_WARNING, CSN_TARGET_SERVICES, error, "%s", fence.findings.items[i]);
    }
    fence_free(&fence);
    return result;
}

/* --- what the packages ask ----------------------------------------------------------------------------------------- */

static bool command_is_there(int root_fd, const char *command)
{
    static const char *const folders[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                          "/usr/bin",        "/sbin",          "/bin"};
    char path[512];
    if (command[0] == '/') {
        return root_exists(root_fd, command);
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folders[i], command);
        if (root_exists(root_fd, path)) {
            return true;
        }
    }
    return false;
}

static int check_one(struct looking *looking, const struct package *package, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct package_requirements *wanted = &package->requirements;
    const enum error_code code = CSN_ASSESS_REQUIREMENT;
    struct sysinfo machine;
    char os[128];
    const struct installation *server = &subject->target->installation;
    snprintf(os, sizeof os, "%s%s%s", server->os_id, server->os_version[0] == '\0' ? "" : "-", server->os_version);
    if (sysinfo(&machine) == 0 && wanted->memory_mb > 0) {
        uint64_t memory_mb = (uint64_t)machine.totalram * machine.mem_unit / MEBIBYTE;
        /* The kernel keeps some for itself: a machine sold with 4096 MB shows less. */
        if (memory_mb + memory_mb / 10 < wanted->memory_mb &&
            look_add(looking, FINDING_BLOCKER, code, error, "%s asks for %llu MB of memory, the machine has %llu",
                     package->title, (unsigned long long)wanted->memory_mb, (unsigned long long)memory_mb) != 0) {
            return -1;
        }
    }
    if (wanted->postgresql > 0 && subject->cluster != NULL && subject->cluster->version < (int)wanted->postgresql &&
        look_add(looking, FINDING_BLOCKER, code, error, "%s asks for PostgreSQL %u, the server has %d", package->title,
                 wanted->postgresql, subject->cluster->version) != 0) {
        return -1;
    }
    for (size_t i = 0; i < wanted->commands.count; i++) {
        if (!command_is_there(subject->target->root_fd, wanted->commands.items[i]) &&
            look_add(looking, FINDING_BLOCKER, code, error, "%s asks for the program %s, which is not on the server",
                     package->title, wanted->commands.items[i]) != 0) {
            return -1;
        }
    }
    if (wanted->os.count > 0 && !strings_has(&wanted->os, os) &&
        look_add(looking, FINDING_BLOCKER, code, error, "%s is not made for %s", package->title, os) != 0) {
        return -1;
    }
    return 0;
}

int check_requirements(struct looking *looking, struct error *error)
{
    for (size_t i = 0; i < looking->subject->hop_count; i++) {
        if (check_one(looking, looking->subject->hops[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* --- renames ------------------------------------------------------------------------------------------------------- */

static bool exchanges_names(unsigned long type)
{
    switch (type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case OVERLAYFS_SUPER_MAGIC: return true;
    default: return false;
    }
}

/* The new one is made beside the old one: both names must be in one file system that can exchange them. */
static int check_path(struct looking *looking, const char *path, struct error *error)
{
    const struct target *target = looking->subject->target;
    struct statfs status;
    struct statx mounted = {0};
    struct stat own;
    struct stat above;
    char parent[4096];
    const char *slash = strrchr(path, '/');
    snprintf(parent, sizeof parent, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    int fd = root_open(target->root_fd, path, O_PATH, 0, error);
    if (fd < 0) {
        return -1;
    }
    int result = 0;
    if (fstat(fd, &own) == 0 && root_lstat(target->root_fd, parent, &above) == 0 &&
        statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &mounted) == 0 &&
        (own.st_dev != above.st_dev || (mounted.stx_attributes & ATTRIBUTE_MOUNT_ROOT) != 0)) {
        result = look_add(looking, FINDING_BLOCKER, CSN_TREE_RENAME, error,
                          "%s is a file system of its own: nothing can be exchanged with it by name", path);
    } else if (fstatfs(fd, &status) == 0 && !exchanges_names((unsigned long)status.f_type)) {
        result =
            look_add(looking, FINDING_BLOCKER, CSN_TREE_RENAME, error,
                     "the file system of %s (type 0x%lx) cannot exchange names", path, (unsigned long)status.f_type);
    }
    file_drop(&fd);
    return result != 0 || check_open(looking, parent, error) != 0 || check_open(looking, path, error) != 0 ? -1 : 0;
}

static int add_switched(const struct target *target, struct strings *paths, const char *path, struct error *error)
{
    struct error none;
    char *real = root_real_path(target->root_fd, path, &none);
    int result = 0;
    for (size_t i = 0; real != NULL && i < paths->count; i++) {
        if (path_is_inside(real, paths->items[i])) {
            goto out; /* goes along */
        }
    }
    result = real == NULL ? 0 : strings_add(paths, real, error);
out:
    free(real);
    return result;
}

int assess_switched_paths(const struct target *target, const struct cluster *cluster, struct strings *paths,
                          struct error *error)
{
    const struct strings *configuration = &target->profile->configuration;
    int result = strings_add(paths, target->installation.program_root, error);
    if (result == 0 && cluster != NULL) {
        result = strings_add(paths, cluster->data_path, error);
    }
    for (size_t i = 0; result == 0 && cluster != NULL && i < cluster->folder_count; i++) {
        result = strings_add(paths, cluster->folders[i].target, error);
    }
    for (size_t i = 0; result == 0 && i < configuration->count; i++) {
        result = add_switched(target, paths, configuration->items[i], error);
    }
    return result;
}

/* What is mounted inside would go along under the other name, or be missed in the new version. */
static int check_whole(struct looking *looking, const char *path, struct error *error)
{
    const struct mount_place *place = mount_places_below(&looking->subject->target->places, path);
    return place == NULL ? 0
                         : look_add(looking, FINDING_BLOCKER, CSN_TREE_RENAME, error,
                                    "%s at %s, inside of %s, which is exchanged by name; mount it elsewhere and put a "
                                    "link in its place",
                                    place->what, place->path, path);
}

/* Attachments inside the program tree go over to the new one by name. */
static int check_moved(struct looking *looking, struct error *error)
{
    const struct target *target = looking->subject->target;
    const char *program_root = target->installation.program_root;
    const struct strings *paths = &target->profile->attachments;
    struct stat status;
    int result = 0;
    if (mount_places_below(&target->places, program_root) != NULL) {
        return 0; /* is said already */
    }
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        if (path_is_inside(paths->items[i], program_root) &&
            root_lstat(target->root_fd, paths->items[i], &status) == 0 && !S_ISLNK(status.st_mode)) {
            result = check_path(looking, paths->items[i], error);
        }
    }
    return result;
}

int check_renames(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct strings paths = {0};
    int result = assess_switched_paths(subject->target, subject->cluster, &paths, error);
    for (size_t i = 0; result == 0 && i < paths.count; i++) {
        const char *path = paths.items[i];
        result = check_name(looking, path, error) != 0 || check_path(looking, path, error) != 0
                     ? -1
                     : check_whole(looking, path, error);
    }
    strings_free(&paths);
    return result == 0 ? check_moved(looking, error) : -1;
}
