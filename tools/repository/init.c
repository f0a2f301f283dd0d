#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/internal.h"

/* What may lie in a folder that becomes a repository: what file systems put into an empty one, and what an init that
 * was cut off has left. */
static bool is_no_hindrance(const char *name)
{
    static const char *const names[] = {
        ".",          "..",         "lost+found", "System Volume Information", "$RECYCLE.BIN", REPOSITORY_LOCK,
        "README.txt", "restore.sh",
    };
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return length > strlen(STORED_TEMPORARY_SUFFIX) &&
           strcmp(name + length - strlen(STORED_TEMPORARY_SUFFIX), STORED_TEMPORARY_SUFFIX) == 0;
}

/* 1 if nothing is in it but that; folder names an empty folder is allowed by. */
static int is_empty(int folder_fd, const char *path, bool inside, struct error *error)
{
    int fd = openat(folder_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    if (directory == NULL) {
        error_system(error, CSN_IO, "reading the folder %s", path);
        file_drop(&fd);
        return -1;
    }
    int empty = 1;
    struct dirent *entry;
    while (empty == 1 && (entry = readdir(directory)) != NULL) {
        bool ours = !inside &&
                    (strcmp(entry->d_name, REPOSITORY_PACKS) == 0 || strcmp(entry->d_name, REPOSITORY_SNAPSHOTS) == 0);
        if (ours) {
            empty = is_empty(fd, entry->d_name, true, error);
        } else if (!is_no_hindrance(entry->d_name)) {
            empty = 0;
        }
    }
    closedir(directory);
    return empty;
}

static int make_folder(int folder_fd, const char *name, struct error *error)
{
    if (mkdirat(folder_fd, name, 0700) != 0 && errno != EEXIST) {
        return error_system(error, errno == ENOSPC ? CSN_REPOSITORY_FULL : CSN_IO, "making the folder %s", name);
    }
    return 0;
}

int repository_init(const char *path, struct error *error)
{
    int result = -1;
    int folder_fd = -1;
    int lock_fd = -1;
    if (mkdir(path, 0700) == 0) {
        if (file_sync_parent(AT_FDCWD, path, error) != 0) {
            return -1;
        }
    } else if (errno != EEXIST) {
        return error_system(error, errno == ENOENT ? CSN_NOT_FOUND : CSN_IO, "making the folder %s", path);
    }
    folder_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0) {
        error_system(error, errno == ENOTDIR ? CSN_REPOSITORY_EXISTS : CSN_IO, "opening the folder %s", path);
        goto out;
    }
    int empty = is_empty(folder_fd, ".", false, error);
    if (empty < 0) {
        goto out;
    }
    if (empty == 0) {
        error_set(error, CSN_REPOSITORY_EXISTS, "%s is not empty", path);
        goto out;
    }
    if (make_folder(folder_fd, REPOSITORY_PACKS, error) != 0 ||
        make_folder(folder_fd, REPOSITORY_SNAPSHOTS, error) != 0) {
        goto out;
    }
    lock_fd = openat(folder_fd, REPOSITORY_LOCK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd < 0) {
        error_system(error, errno == ENOSPC ? CSN_REPOSITORY_FULL : CSN_IO, "making the lock of %s", path);
        goto out;
    }
    result = config_write(folder_fd, error);
out:
    file_drop(&lock_fd);
    file_drop(&folder_fd);
    return result;
}
