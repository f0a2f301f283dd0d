#include "target/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "target/overlay_internal.h"
#include "tree/remove.h"

#define EXFAT_MAGIC 0x2011bab0L
#define NTFS3_MAGIC 0x7366746eL

struct layer {
    char *mount; /* relative to the root; "" for the root itself */
    int upper_fd;
    bool mounted;
};

struct overlay {
    struct layer *layers;
    size_t count;
    char *at_path;
    char *scratch; /* the folder made below scratch_path; NULL: a tmpfs, mounted at at_path below layer 0 */
    bool tmpfs_mounted;
    bool keep_upper;
};

static int no_memory(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory for an overlay");
}

bool overlay_can_rename(void)
{
    struct buffer map = {0};
    unsigned inside = 1;
    unsigned outside = 1;
    unsigned long long length = 0;
    bool initial = file_read(AT_FDCWD, "/proc/self/uid_map", 65536, &map, NULL) == 0 &&
                   sscanf(buffer_text(&map), "%u %u %llu", &inside, &outside, &length) == 3 && inside == 0 &&
                   outside == 0 && length == UINT32_MAX;
    buffer_free(&map);
    return initial;
}

/* FAT and the like compare names in a way of their own, which overlayfs refuses. Nothing runs from there (the EFI system
 * partition), so it is shown as it is. */
static bool cannot_be_lower(int fd)
{
    struct statfs status;
    return fstatfs(fd, &status) == 0 &&
           (status.f_type == MSDOS_SUPER_MAGIC || status.f_type == EXFAT_MAGIC || status.f_type == NTFS3_MAGIC);
}

/* The merged folder shows the attributes of its upper one, so that one is made to look like the server's. */
static int copy_attributes(int from_fd, int to_fd, const char *name, struct error *error)
{
    struct stat status;
    char names[4096];
    char value[4096];
    if (fstat(from_fd, &status) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "asking about %s", name);
    }
    if (fchown(to_fd, status.st_uid, status.st_gid) != 0 || fchmod(to_fd, status.st_mode & 07777) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "giving the overlay of %s its owner and mode", name);
    }
    ssize_t size = flistxattr(from_fd, names, sizeof names);
    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t length = fgetxattr(from_fd, names + at, value, sizeof value);
        bool ours = strncmp(names + at, "trusted.overlay.", 16) == 0 || strncmp(names + at, "user.overlay.", 13) == 0;
        if (length >= 0 && !ours && fsetxattr(to_fd, names + at, value, (size_t)length, 0) != 0 &&
            errno != EOPNOTSUPP && errno != EPERM) {
            return error_system(error, CSN_TARGET_NAMESPACE, "giving the overlay of %s its %s", name, names + at);
        }
    }
    struct timespec times[2] = {status.st_atim, status.st_mtim};
    if (futimens(to_fd, times) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "giving the overlay of %s its time", name);
    }
    return 0;
}

static int make_folder(int base_fd, const char *kind, size_t index, struct error *error)
{
    char name[32];
    snprintf(name, sizeof name, "%s-%zu", kind, index);
    if (mkdirat(base_fd, name, 0700) != 0) {
        return error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_TARGET_NAMESPACE,
                            "making the scratch folder %s", name);
    }
    int fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : error_system(error, CSN_TARGET_NAMESPACE, "opening the scratch folder %s", name);
}

/* The mount point of a layer inside what is merged so far, found without following any link. */
static int open_point(const struct overlay *overlay, const struct layer *layer, struct error *error)
{
    struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS};
    int at_fd = open(overlay->at_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at_fd < 0 || layer->mount[0] == '\0') {
        return at_fd >= 0 ? at_fd : error_system(error, CSN_TARGET_NAMESPACE, "opening %s", overlay->at_path);
    }
    int fd = (int)syscall(SYS_openat2, at_fd, layer->mount, &how, sizeof how);
    if (fd < 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "opening the mount point /%s of the server", layer->mount);
    }
    file_drop(&at_fd);
    return fd;
}

static int mount_read_only(int lower_fd, int point_fd, const char *name, struct error *error)
{
    char source[40];
    char target[40];
    snprintf(source, sizeof source, "/proc/self/fd/%d", lower_fd);
    snprintf(target, sizeof target, "/proc/self/fd/%d", point_fd);
    if (mount(source, target, NULL, MS_BIND, NULL) != 0 ||
        mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NODEV, NULL) != 0) {
        return error_system(error, CSN_TARGET_NAMESPACE, "showing /%s of the server read-only", name);
    }
    return 0;
}

/* Without xino a folder's number may change when the kernel forgets it, and a renamed one is no longer recognised. It is not
 * for every overlay: the numbers get 64 bits, for which an old program of 32 has no room, and overlays on it lose theirs. */
static int mount_merged(const struct layer *layer, int lower_fd, int work_fd, int point_fd, bool stable_inodes,
                        struct error *error)
{
    char options[256];
    char target[40];
    /* Descriptors instead of paths: a path could hold ',' or ':'. In a user namespace the kernel keeps its notes in
     * user.* attributes and then follows no renamed folder. */
    int length =
        snprintf(options, sizeof options,
                 "lowerdir=/proc/self/fd/%d,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,index=off,%s", lower_fd,
                 layer->upper_fd, work_fd, overlay_can_rename() ? "redirect_dir=on,metacopy=on" : "userxattr");
    snprintf(options + length, sizeof options - (size_t)length, "%s", stable_inodes ? ",xino=on" : "");
    snprintf(target, sizeof target, "/proc/self/fd/%d", point_fd);
    int result = mount("caisson", target, "overlay", MS_NODEV, options);
    if (result != 0 && stable_inodes && errno == EINVAL) {
        options[length] = '\0'; /* a kernel that does not know it */
        result = mount("caisson", target, "overlay", MS_NODEV, options);
    }
    if (result != 0) {
        return error_system(error, errno == ENOSPC ? CSN_NO_SPACE : CSN_TARGET_NAMESPACE,
                            "laying an overlay over /%s of the server", layer->mount);
    }
    return 0;
}

static int open_layer(struct overlay *overlay, const struct overlay_layout *layout, int base_fd, size_t index,
                      struct error *error)
{
    struct layer *layer = &overlay->layers[index];
    struct buffer path = {0};
    int work_fd = -1;
    int point_fd = -1;
    int lower_fd = -1;
    int result = -1;
    buffer_format(&path, "%s/%s", layout->root_path, layer->mount);
    if (buffer_check(&path, error) != 0) {
        goto out;
    }
    lower_fd = open(path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lower_fd < 0) {
        error_system(error, CSN_TARGET_NAMESPACE, "opening %s", path.data);
        goto out;
    }
    point_fd = open_point(overlay, layer, error);
    if (point_fd < 0) {
        goto out;
    }
    if (index > 0 && cannot_be_lower(lower_fd)) {
        result = mount_read_only(lower_fd, point_fd, layer->mount, error);
    } else {
        layer->upper_fd = make_folder(base_fd, "upper", index, error);
        work_fd = layer->upper_fd < 0 ? -1 : make_folder(base_fd, "work", index, error);
        if (work_fd < 0 || copy_attributes(lower_fd, layer->upper_fd, path.data, error) != 0) {
            goto out;
        }
        result = mount_merged(layer, lower_fd, work_fd, point_fd, layout->stable_inodes, error);
    }
    layer->mounted = result == 0;
out:
    file_drop(&work_fd);
    file_drop(&point_fd);
    file_drop(&lower_fd);
    buffer_free(&path);
    return result;
}

/* The root first, then the mounts, parents before what lies in them. */
static int list_layers(struct overlay *overlay, const struct strings *mounts, struct error *error)
{
    struct strings sorted = {0};
    int result = overlay_sort_mounts(mounts, &sorted, error);
    overlay->layers = calloc(sorted.count + 1, sizeof *overlay->layers);
    if (overlay->layers == NULL) {
        strings_free(&sorted);
        return result == 0 ? no_memory(error) : -1;
    }
    for (size_t i = 0; i <= sorted.count && result == 0; i++) {
        struct layer *layer = &overlay->layers[overlay->count];
        *layer = (struct layer){.mount = strdup(i == 0 ? "" : sorted.items[i - 1]), .upper_fd = -1};
        if (layer->mount == NULL) {
            result = no_memory(error);
        } else {
            overlay->count++;
        }
    }
    strings_free(&sorted);
    return result;
}

/* Where the upper folders go: a new folder in the scratch place, or a tmpfs that layer 0 will hide. */
static int open_scratch(struct overlay *overlay, const struct overlay_layout *layout, struct error *error)
{
    if (layout->scratch_path == NULL) {
        if (mount("caisson-scratch", layout->at_path, "tmpfs", MS_NODEV, "mode=0700") != 0) {
            return error_system(error, CSN_TARGET_NAMESPACE, "mounting a tmpfs at %s", layout->at_path);
        }
        overlay->tmpfs_mounted = true;
    } else {
        struct buffer name = {0};
        buffer_format(&name, "%s/overlay-XXXXXX", layout->scratch_path);
        if (buffer_check(&name, error) != 0 || mkdtemp(name.data) == NULL) {
            int result = error_system(error, CSN_TARGET_NAMESPACE, "making a folder in the scratch place %s",
                                      layout->scratch_path);
            buffer_free(&name);
            return result;
        }
        overlay->scratch = buffer_take(&name);
    }
    const char *base = overlay->scratch == NULL ? layout->at_path : overlay->scratch;
    int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : error_system(error, CSN_TARGET_NAMESPACE, "opening the scratch place %s", base);
}

int overlay_open(const struct overlay_layout *layout, struct overlay **overlay, struct error *error)
{
    struct strings found = {0};
    const struct strings *mounts = layout->mounts;
    int base_fd = -1;
    int result = -1;
    struct overlay *made = calloc(1, sizeof *made);
    *overlay = NULL;
    if (made == NULL || (made->at_path = strdup(layout->at_path)) == NULL) {
        no_memory(error);
        goto out;
    }
    if (mounts == NULL) {
        mounts = &found;
        if (overlay_find_mounts(layout->root_path, &found, error) != 0) {
            goto out;
        }
    }
    if (list_layers(made, mounts, error) != 0) {
        goto out;
    }
    base_fd = open_scratch(made, layout, error);
    if (base_fd < 0) {
        goto out;
    }
    for (size_t i = 0; i < made->count; i++) {
        if (open_layer(made, layout, base_fd, i, error) != 0) {
            goto out;
        }
    }
    made->keep_upper = layout->keep_upper;
    *overlay = made;
    made = NULL;
    result = 0;
out:
    file_drop(&base_fd);
    strings_free(&found);
    if (made != NULL && overlay_close(made, NULL) != 0) {
        result = -1; /* the first error is the one to tell */
    }
    return result;
}

static int unmount(const char *path, struct error *error)
{
    if (umount2(path, UMOUNT_NOFOLLOW) == 0) {
        return 0;
    }
    int result = error_system(error, CSN_TARGET_NAMESPACE, "taking away the mount at %s", path);
    if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) != 0) {
        error_wrap(error, "it stays mounted");
    }
    return result;
}

static int remove_scratch(const char *scratch, struct error *error)
{
    const char *name = strrchr(scratch, '/') + 1;
    char *parent = strndup(scratch, (size_t)(name - scratch));
    int fd = parent == NULL ? -1 : open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? error_system(error, CSN_TARGET_NAMESPACE, "opening the folder of %s", scratch)
                        : tree_remove(fd, name, NULL, error);
    file_drop(&fd);
    free(parent);
    return result;
}

int overlay_close(struct overlay *overlay, struct error *error)
{
    struct error ignored;
    int result = 0;
    if (overlay == NULL) {
        return 0;
    }
    for (size_t i = 0; i < overlay->count; i++) {
        file_drop(&overlay->layers[i].upper_fd); /* they would keep the tmpfs busy */
    }
    for (size_t i = overlay->count; i-- > 0;) {
        struct layer *layer = &overlay->layers[i];
        struct buffer path = {0};
        buffer_format(&path, "%s%s%s", overlay->at_path, layer->mount[0] == '\0' ? "" : "/", layer->mount);
        if (layer->mounted && unmount(buffer_text(&path), result == 0 ? error : &ignored) != 0) {
            result = -1;
        }
        buffer_free(&path);
        free(layer->mount);
    }
    if (overlay->tmpfs_mounted && unmount(overlay->at_path, result == 0 ? error : &ignored) != 0) {
        result = -1;
    }
    if (overlay->scratch != NULL && !overlay->keep_upper &&
        remove_scratch(overlay->scratch, result == 0 ? error : &ignored) != 0) {
        result = -1;
    }
    free(overlay->layers);
    free(overlay->scratch);
    free(overlay->at_path);
    free(overlay);
    return result;
}

size_t overlay_count(const struct overlay *overlay)
{
    return overlay->count;
}

const char *overlay_mount(const struct overlay *overlay, size_t index)
{
    return overlay->layers[index].mount;
}

int overlay_upper_fd(const struct overlay *overlay, size_t index)
{
    return overlay->layers[index].upper_fd;
}

const char *overlay_scratch(const struct overlay *overlay)
{
    return overlay->scratch;
}
