#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "tree/internal.h"

#define KEPT_OPEN 24 /* at most two ladders of this and a few files: far below the usual limit of 1024 */

int tree_open_quietly(int dir_fd, const char *name, int flags)
{
    int fd;
    int extra = O_NOATIME;
    do {
        fd = openat(dir_fd, name, flags | extra | O_NOFOLLOW | O_CLOEXEC);
        /* O_NOATIME is for the owner and root only. */
        if (fd < 0 && errno == EPERM && extra != 0) {
            extra = 0;
            errno = EINTR;
        }
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int push(struct tree_ladder *ladder, int fd, const struct stat *status, struct error *error)
{
    if (ladder->count == ladder->allocated) {
        size_t allocated = ladder->allocated == 0 ? 32 : ladder->allocated * 2;
        struct tree_rung *rungs = realloc(ladder->rungs, allocated * sizeof *rungs);
        if (rungs == NULL) {
            close(fd);
            return error_set(error, CSN_MEMORY, "no memory for %zu folders inside one another", allocated);
        }
        ladder->rungs = rungs;
        ladder->allocated = allocated;
    }
    ladder->rungs[ladder->count++] = (struct tree_rung){.fd = fd, .dev = status->st_dev, .ino = status->st_ino};
    if (ladder->count > KEPT_OPEN + 1) {
        file_drop(&ladder->rungs[ladder->count - KEPT_OPEN - 1].fd);
    }
    return 0;
}

int tree_ladder_start(struct tree_ladder *ladder, int start_fd, struct error *error)
{
    struct stat status;
    *ladder = (struct tree_ladder){0};
    if (fstat(start_fd, &status) != 0) {
        error_system(error, CSN_TREE_READ, "reading the starting folder");
        close(start_fd);
        return -1;
    }
    return push(ladder, start_fd, &status, error);
}

int tree_ladder_fd(const struct tree_ladder *ladder)
{
    return ladder->rungs[ladder->count - 1].fd;
}

int tree_ladder_enter(struct tree_ladder *ladder, const char *name, const char *path, const struct tree_entry *expected,
                      struct error *error)
{
    int fd = tree_open_quietly(tree_ladder_fd(ladder), name, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        if (errno == ENOENT || errno == ELOOP || errno == ENOTDIR) {
            return 1;
        }
        return error_system(error, CSN_TREE_READ, "opening the folder %s", path);
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        error_system(error, CSN_TREE_READ, "reading the folder %s", path);
        close(fd);
        return -1;
    }
    if (expected != NULL && (status.st_dev != expected->dev || status.st_ino != expected->ino)) {
        close(fd);
        return 1;
    }
    return push(ladder, fd, &status, error);
}

int tree_ladder_leave(struct tree_ladder *ladder, const char *path, struct error *error)
{
    struct tree_rung *leaving = &ladder->rungs[--ladder->count];
    struct tree_rung *above = leaving - 1;
    int result = 0;
    if (above->fd < 0) {
        struct stat status;
        int fd = tree_open_quietly(leaving->fd, "..", O_RDONLY | O_DIRECTORY);
        if (fd < 0 || fstat(fd, &status) != 0) {
            result = error_system(error, CSN_TREE_READ, "going back up from the folder %s", path);
        } else if (status.st_dev != above->dev || status.st_ino != above->ino) {
            result = error_set(error, CSN_TREE_READ, "the folder %s was moved while its tree was being read", path);
        }
        if (result != 0) {
            file_drop(&fd);
        }
        above->fd = fd;
    }
    file_drop(&leaving->fd);
    return result;
}

void tree_ladder_free(struct tree_ladder *ladder)
{
    for (size_t i = 0; i < ladder->count; i++) {
        file_drop(&ladder->rungs[i].fd);
    }
    free(ladder->rungs);
    *ladder = (struct tree_ladder){0};
}
