/*
 * fence.c - makes and removes one file of the fence, so that after removing it the server is as it was, times included.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/services.h"

#define FENCE_FILE_BYTES ((size_t)64 * 1024)
#define SELINUX "security.selinux"

enum state { STATE_ABSENT, STATE_OURS, STATE_OTHER };

static int read_state(int root_fd, const struct fence_file *file, enum state *state, struct error *error)
{
    struct buffer content = {0};
    struct error reading;
    int result = 0;
    struct stat status;
    if (root_lstat(root_fd, file->path, &status) != 0) {
        *state = STATE_ABSENT;
    } else if (!S_ISREG(status.st_mode)) {
        *state = STATE_OTHER;
    } else if (root_read(root_fd, file->path, FENCE_FILE_BYTES, &content, &reading) != 0) {
        result = error_set(error, reading.code, "%s", reading.message);
    } else {
        bool same =
            content.size == strlen(file->content) && memcmp(buffer_text(&content), file->content, content.size) == 0;
        *state = same ? STATE_OURS : STATE_OTHER;
    }
    buffer_free(&content);
    return result;
}

/* On a server with SELinux a file without a label may not be read by systemd: new ones get that of the folder above, which
 * is right for unit files. Without SELinux there is none to copy. */
static void copy_label(int from_fd, int to_fd)
{
    char label[512];
    ssize_t length = fgetxattr(from_fd, SELINUX, label, sizeof label);
    if (length > 0) {
        (void)!fsetxattr(to_fd, SELINUX, label, (size_t)length, 0);
    }
}

static void label_new(int root_fd, const struct fence_file *file)
{
    int from_fd = root_try_open(root_fd, file->parent, O_RDONLY | O_DIRECTORY, 0);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", file->path);
    while (from_fd >= 0 && strlen(path) > 1 && strcmp(path, file->parent) != 0) {
        int to_fd = root_try_open(root_fd, path, O_RDONLY | O_NOFOLLOW, 0);
        if (to_fd >= 0) {
            copy_label(from_fd, to_fd);
        }
        file_drop(&to_fd);
        *strrchr(path, '/') = '\0';
    }
    file_drop(&from_fd);
}

int fence_apply_one(int root_fd, const struct fence_file *file, struct error *error)
{
    enum state state = STATE_ABSENT;
    if (read_state(root_fd, file, &state, error) != 0) {
        return -1;
    }
    if (state == STATE_OTHER) {
        return error_set(error, CSN_TARGET_SERVICES, "%s on the server is there already and is not Caisson's",
                         file->path);
    }
    if (state == STATE_ABSENT) {
        char folder[PATH_MAX];
        snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(file->path, '/') - file->path), file->path);
        if (root_make_dirs(root_fd, folder, 0755, error) != 0 ||
            root_replace(root_fd, file->path, file->content, strlen(file->content), 0644, error) != 0) {
            return -1;
        }
        label_new(root_fd, file);
    }
    /* Made by this call or by one that was cut off: durable in any case. */
    const char *name = NULL;
    int folder_fd = root_open_parent(root_fd, file->path, &name, error);
    int result = folder_fd < 0 ? -1 : 0;
    if (result == 0 && fsync(folder_fd) != 0) {
        result = error_system(error, CSN_IO, "making %s durable", file->path);
    }
    file_drop(&folder_fd);
    return result;
}

/* Half-written copies that a cut left beside the file: "NAME.PID.tmp". */
static void remove_halves(int folder_fd, const char *name)
{
    int listing_fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = listing_fd < 0 ? NULL : fdopendir(listing_fd);
    if (listing == NULL) {
        file_drop(&listing_fd);
        return;
    }
    size_t length = strlen(name);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        size_t whole = strlen(entry->d_name);
        if (strncmp(entry->d_name, name, length) == 0 && entry->d_name[length] == '.' && whole > length + 5 &&
            strcmp(entry->d_name + whole - 4, ".tmp") == 0) {
            (void)!unlinkat(folder_fd, entry->d_name, 0);
        }
    }
    closedir(listing);
}

static int remove_file(int root_fd, const struct fence_file *file, enum state state, struct error *error)
{
    const char *name = NULL;
    struct error opening;
    int folder_fd = root_open_parent(root_fd, file->path, &name, &opening);
    if (folder_fd < 0) {
        return opening.code == CSN_NOT_FOUND ? 0 : error_set(error, opening.code, "%s", opening.message);
    }
    int result = 0;
    if (state == STATE_OURS && unlinkat(folder_fd, name, 0) != 0 && errno != ENOENT) {
        result = error_system(error, CSN_IO, "removing %s on the server", file->path);
    }
    remove_halves(folder_fd, name);
    if (result == 0 && fsync(folder_fd) != 0) {
        result = error_system(error, CSN_IO, "making durable that %s is gone", file->path);
    }
    file_drop(&folder_fd);
    return result;
}

/* From the file's own folder up to the topmost one that was made. One that somebody else uses meanwhile stays. */
static int remove_folders(int root_fd, const struct fence_file *file, struct error *error)
{
    if (file->made == NULL) {
        return 0;
    }
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", file->path);
    for (char *slash; (slash = strrchr(path, '/')) != NULL && slash != path;) {
        *slash = '\0';
        if (!path_is_inside(path, file->made)) {
            break;
        }
        const char *name = NULL;
        struct error opening;
        int parent_fd = root_open_parent(root_fd, path, &name, &opening);
        if (parent_fd < 0) {
            continue; /* gone with a folder above it */
        }
        int failed = unlinkat(parent_fd, name, AT_REMOVEDIR);
        int saved = errno;
        if (failed == 0) {
            failed = fsync(parent_fd);
            saved = errno;
        }
        file_drop(&parent_fd);
        if (failed != 0 && (saved == ENOTEMPTY || saved == EEXIST)) {
            break;
        }
        if (failed != 0 && saved != ENOENT) {
            errno = saved;
            return error_system(error, CSN_IO, "removing the folder %s on the server", path);
        }
    }
    return 0;
}

static int restore_time(int root_fd, const struct fence_file *file, struct error *error)
{
    const struct timespec times[2] = {
        {.tv_nsec = UTIME_OMIT},
        {.tv_sec = (time_t)file->parent_time_sec, .tv_nsec = (long)file->parent_time_nsec},
    };
    int fd = root_try_open(root_fd, file->parent, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return 0; /* somebody took the folder away: it has no time to put back */
    }
    if (fd < 0) {
        return error_system(error, CSN_IO, "opening %s on the server", file->parent);
    }
    int result = 0;
    struct stat now = {0};
    /* One that cannot be changed (chattr +i) was not. */
    bool is_right =
        fstat(fd, &now) == 0 && now.st_mtim.tv_sec == times[1].tv_sec && now.st_mtim.tv_nsec == times[1].tv_nsec;
    if ((!is_right && futimens(fd, times) != 0) || fsync(fd) != 0) {
        result = error_system(error, CSN_IO, "putting back the time of %s on the server", file->parent);
    }
    file_drop(&fd);
    return result;
}

int fence_undo_one(int root_fd, const struct fence_file *file, struct error *error)
{
    enum state state = STATE_ABSENT;
    if (read_state(root_fd, file, &state, error) != 0) {
        return -1;
    }
    if (state == STATE_OTHER) {
        return error_set(error, CSN_TARGET_SERVICES, "%s on the server was changed since Caisson made it; it stays",
                         file->path);
    }
    if (remove_file(root_fd, file, state, error) != 0 || remove_folders(root_fd, file, error) != 0) {
        return -1;
    }
    return restore_time(root_fd, file, error);
}

bool fence_is_up(int root_fd)
{
    return root_exists(root_fd, FENCE_FLAG);
}

bool fence_file_to_json(yyjson_mut_doc *document, yyjson_mut_val *object, const struct fence_file *file)
{
    return yyjson_mut_obj_add_strcpy(document, object, "path", file->path) &&
           yyjson_mut_obj_add_strcpy(document, object, "content", file->content) &&
           (file->made == NULL || yyjson_mut_obj_add_strcpy(document, object, "made", file->made)) &&
           yyjson_mut_obj_add_strcpy(document, object, "parent", file->parent) &&
           yyjson_mut_obj_add_int(document, object, "parent_time_sec", file->parent_time_sec) &&
           yyjson_mut_obj_add_int(document, object, "parent_time_nsec", file->parent_time_nsec);
}

bool fence_file_from_json(struct fence_file *file, yyjson_val *object)
{
    *file = (struct fence_file){0};
    const char *path = yyjson_get_str(yyjson_obj_get(object, "path"));
    const char *content = yyjson_get_str(yyjson_obj_get(object, "content"));
    const char *made = yyjson_get_str(yyjson_obj_get(object, "made"));
    const char *parent = yyjson_get_str(yyjson_obj_get(object, "parent"));
    yyjson_val *seconds = yyjson_obj_get(object, "parent_time_sec");
    yyjson_val *nanoseconds = yyjson_obj_get(object, "parent_time_nsec");
    if (path == NULL || path[0] != '/' || content == NULL || parent == NULL || !yyjson_is_int(seconds) ||
        !yyjson_is_int(nanoseconds)) {
        return false;
    }
    *file = (struct fence_file){
        .path = strdup(path),
        .content = strdup(content),
        .made = made == NULL ? NULL : strdup(made),
        .parent = strdup(parent),
        .parent_time_sec = yyjson_get_sint(seconds),
        .parent_time_nsec = yyjson_get_sint(nanoseconds),
    };
    if (file->path == NULL || file->content == NULL || file->parent == NULL || (made != NULL && file->made == NULL)) {
        fence_file_free(file);
        return false;
    }
    return true;
}

void fence_file_free(struct fence_file *file)
{
    free(file->path);
    free(file->content);
    free(file->made);
    free(file->parent);
    *file = (struct fence_file){0};
}
