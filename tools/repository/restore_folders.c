#include "repository/restore_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "tree/path.h"

#define KEPT_OPEN 24 /* those above are opened again on the way back */

struct restore_folder {
    size_t path_length; /* of its path in folders->path */
    size_t name_offset;
    int fd; /* -1: closed to save descriptors */
    bool has_entry;
    struct tree_entry entry;
};

int restore_refused(struct error *error, const char *doing, const char *path)
{
    enum error_code code = errno == ENOSPC || errno == EDQUOT                            ? CSN_NO_SPACE
                           : errno == ENAMETOOLONG || errno == EILSEQ || errno == EINVAL ? CSN_REPOSITORY_NAME
                                                                                         : CSN_TREE_WRITE;
    return error_system(error, code, "%s /%s", doing, path);
}

static int lowest_fd(struct restore_folders *folders, struct error *error)
{
    if (folders->count == 0) {
        return folders->start_fd;
    }
    struct restore_folder *folder = &folders->folders[folders->count - 1];
    if (folder->fd < 0) {
        folder->fd = tree_path_open(folders->start_fd, folders->path.data, O_RDONLY | O_DIRECTORY);
        if (folder->fd < 0) {
            return error_system(error, CSN_TREE_WRITE, "opening the folder %s again", folders->path.data);
        }
    }
    return folder->fd;
}

/* Out of the lowest folder; its attributes come now, when nothing more changes its time. */
static int leave(struct restore_folders *folders, struct error *error)
{
    struct restore_folder *folder = &folders->folders[folders->count - 1];
    char *name = strdup(folders->path.data + folder->name_offset);
    int result = name == NULL ? error_set(error, CSN_MEMORY, "no memory for restoring a folder") : 0;
    file_drop(&folder->fd);
    folders->count--;
    folders->path.size = folders->count == 0 ? 0 : folders->folders[folders->count - 1].path_length;
    folders->path.data[folders->path.size] = '\0';
    if (result == 0 && folder->has_entry) {
        int fd = lowest_fd(folders, error);
        result = fd < 0 ? -1 : tree_entry_apply(fd, name, &folder->entry, folders->tolerated, error);
    }
    tree_entry_free(&folder->entry);
    free(name);
    return result;
}

static int push(struct restore_folders *folders, const char *name, size_t name_length, int fd,
                const struct tree_entry *entry, struct error *error)
{
    if (folders->count == folders->allocated) {
        size_t more = folders->allocated == 0 ? 32 : 2 * folders->allocated;
        struct restore_folder *grown = realloc(folders->folders, more * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu folders inside one another", more);
        }
        folders->folders = grown;
        folders->allocated = more;
    }
    struct restore_folder *folder = &folders->folders[folders->count];
    *folder = (struct restore_folder){.fd = -1, .has_entry = entry != NULL};
    if (entry != NULL && tree_entry_copy(&folder->entry, entry, error) != 0) {
        return -1;
    }
    if (folders->path.size > 0) {
        buffer_append(&folders->path, "/", 1);
    }
    folder->name_offset = folders->path.size;
    buffer_append(&folders->path, name, name_length);
    folder->path_length = folders->path.size;
    folder->fd = fd;
    folders->count++;
    if (folders->count > KEPT_OPEN) {
        file_drop(&folders->folders[folders->count - KEPT_OPEN - 1].fd);
    }
    return buffer_check(&folders->path, error);
}

/* Makes the folder `name` of the lowest one, or takes the one that is there, and goes in. */
static int go_in(struct restore_folders *folders, const char *name, size_t name_length, const struct tree_entry *entry,
                 struct error *error)
{
    char part[256];
    if (name_length >= sizeof part) {
        return error_set(error, CSN_TREE_WRITE, "a name of %zu bytes", name_length);
    }
    memcpy(part, name, name_length);
    part[name_length] = '\0';
    int above = lowest_fd(folders, error);
    if (above < 0) {
        return -1;
    }
    /* Without an entry of its own nobody knows how it was: open to all for reading, as roots of file systems are. */
    if (mkdirat(above, part, entry != NULL ? 0700 : 0755) != 0 && errno != EEXIST) {
        return restore_refused(error, "making the folder", part);
    }
    int fd = openat(above, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
        return error_set(error, CSN_REPOSITORY_TARGET, "%s is there and is no folder", part);
    }
    if (fd < 0) {
        return restore_refused(error, "opening the folder", part);
    }
    if (push(folders, part, name_length, fd, entry, error) != 0) {
        if (folders->count == 0 || folders->folders[folders->count - 1].fd != fd) {
            close(fd);
        }
        return -1;
    }
    return 0;
}

int restore_folders_hold(struct restore_folders *folders, const char *path, const char **name, struct error *error)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);
    *name = slash == NULL ? path : slash + 1;
    while (folders->count > 0) {
        size_t have = folders->path.size;
        if (have <= length && memcmp(folders->path.data, path, have) == 0 && (have == length || path[have] == '/')) {
            break;
        }
        if (leave(folders, error) != 0) {
            return -1;
        }
    }
    size_t at = folders->path.size == 0 ? 0 : folders->path.size + 1;
    while (at < length) {
        size_t part = strcspn(path + at, "/");
        if (go_in(folders, path + at, part, NULL, error) != 0) {
            return error_wrap(error, "/%s", path);
        }
        at += part + 1;
    }
    return lowest_fd(folders, error);
}

int restore_folders_enter(struct restore_folders *folders, const char *path, const struct tree_entry *entry,
                          struct error *error)
{
    const char *name = NULL;
    if (path[0] == '\0') {
        folders->has_start = true;
        return tree_entry_copy(&folders->start, entry, error);
    }
    if (restore_folders_hold(folders, path, &name, error) < 0) {
        return -1;
    }
    return go_in(folders, name, strlen(name), entry, error) == 0 ? 0 : error_wrap(error, "/%s", path);
}

int restore_folders_leave_all(struct restore_folders *folders, struct error *error)
{
    while (folders->count > 0) {
        if (leave(folders, error) != 0) {
            return -1;
        }
    }
    if (!folders->has_start) {
        return 0;
    }
    return tree_entry_apply(folders->start_fd, ".", &folders->start, folders->tolerated, error);
}

void restore_folders_free(struct restore_folders *folders)
{
    for (size_t i = 0; i < folders->count; i++) {
        file_drop(&folders->folders[i].fd);
        tree_entry_free(&folders->folders[i].entry);
    }
    free(folders->folders);
    tree_entry_free(&folders->start);
    buffer_free(&folders->path);
    *folders = (struct restore_folders){.start_fd = -1};
}
