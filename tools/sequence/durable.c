#include "sequence/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/root.h"

/* A path that is not there, nor its folder, was not written either. */
static int sync_once(int fd, const char *path, dev_t *done, size_t *done_count, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_system(error, CSN_IO, "asking about the file system of %s", path);
    }
    for (size_t i = 0; i < *done_count; i++) {
        if (done[i] == status.st_dev) {
            return 0;
        }
    }
    done[(*done_count)++] = status.st_dev;
    return syncfs(fd) == 0 ? 0
                           : error_system(error, errno == ENOSPC || errno == EDQUOT ? CSN_NO_SPACE : CSN_IO,
                                          "writing out the file system of %s", path);
}

int durable_sync(int root_fd, const struct strings *paths, struct error *error)
{
    dev_t *done = calloc(2 * paths->count + 1, sizeof *done);
    size_t done_count = 0;
    if (done == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the file systems to write out");
    }
    int fd = root_open(root_fd, "/", O_RDONLY | O_DIRECTORY, 0, error);
    int result = fd < 0 ? -1 : sync_once(fd, "/", done, &done_count, error);
    file_drop(&fd);
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        const char *name = NULL;
        /* Itself, too: a link may lead to another file system than the one it lies on. */
        fd = root_try_open(root_fd, paths->items[i], O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
        if (fd >= 0) {
            result = sync_once(fd, paths->items[i], done, &done_count, error);
        }
        file_drop(&fd);
        if (result != 0) {
            break;
        }
        struct error why = {0};
        fd = root_open_parent(root_fd, paths->items[i], &name, &why);
        if (fd >= 0) {
            result = sync_once(fd, paths->items[i], done, &done_count, error);
        } else if (why.code != CSN_NOT_FOUND) {
            result = -1;
            if (error != NULL) {
                *error = why;
            }
        }
        file_drop(&fd);
    }
    free(done);
    return result;
}

int durable_sync_site(const struct run *run, const struct site *site, struct error *error)
{
    struct strings paths = {0};
    const struct strings *configuration = &run->target.profile->configuration;
    int result = strings_add(&paths, run->target.installation.program_root, error);
    if (result == 0 && run->cluster.data_path != NULL) {
        result = strings_add(&paths, run->cluster.data_path, error);
    }
    for (size_t i = 0; result == 0 && i < run->cluster.folder_count; i++) {
        result = strings_add(&paths, run->cluster.folders[i].target, error);
    }
    for (size_t i = 0; result == 0 && i < configuration->count; i++) {
        result = strings_add(&paths, configuration->items[i], error);
    }
    if (result == 0) {
        result = durable_sync(site->place.root_fd, &paths, error);
    }
    strings_free(&paths);
    return result;
}
