#include "repository/backup_read.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"

/* A file that changes while it is read is read again this often before it is recorded as it came. */
#define ATTEMPTS 3

static bool same_time(const struct timespec *time, int64_t sec, uint32_t nsec)
{
    return time->tv_sec == sec && (uint32_t)time->tv_nsec == nsec;
}

static bool is_as_seen(const struct stat *status, const struct tree_entry *tree)
{
    return S_ISREG(status->st_mode) && status->st_ino == tree->ino && (uint64_t)status->st_size == tree->size_bytes &&
           same_time(&status->st_mtim, tree->mtime_sec, tree->mtime_nsec) &&
           same_time(&status->st_ctim, tree->ctime_sec, tree->ctime_nsec);
}

/* Reading must not leave a trace where that can be had: O_NOATIME is for the owner and root only. */
static int open_quietly(int dir_fd, const char *name)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags | O_NOATIME);
    return fd < 0 && errno == EPERM ? openat(dir_fd, name, flags) : fd;
}

static uint64_t bytes_of(const struct snapshot_entry *entry)
{
    uint64_t size = 0;
    for (size_t i = 0; i < entry->piece_count; i++) {
        size += entry->pieces[i].size_bytes;
    }
    return size;
}

/* Reads the file once, into the entry that was begun. SAME: it stayed all the time as it was listed; CHANGED: it did not, the
 * pieces are what came; GONE: it is no file any more. */
static enum backup_reading read_once(struct backup_file *file, struct backup_queue *queue, int fd, struct error *error)
{
    struct snapshot_entry *entry = backup_queue_entry(queue);
    struct tree_entry *tree = &entry->tree;
    struct stat before;
    struct stat after;
    if (fstat(fd, &before) != 0) {
        error_system(error, CSN_TREE_READ, "looking at /%s", tree->path);
        return READ_FAILED;
    }
    if (!S_ISREG(before.st_mode)) {
        return READ_GONE;
    }
    entry->sparse = (uint64_t)before.st_blocks * 512 < (uint64_t)before.st_size;
    if (backup_file_read(file, queue, fd, tree->path, (uint64_t)before.st_size, entry->sparse, error) != 0) {
        return READ_FAILED;
    }
    if (fstat(fd, &after) != 0) {
        error_system(error, CSN_TREE_READ, "looking at /%s", tree->path);
        return READ_FAILED;
    }
    uint64_t size = bytes_of(entry);
    bool same = is_as_seen(&before, tree) && is_as_seen(&after, tree) && size == tree->size_bytes;
    tree->size_bytes = size;
    if (!same) { /* the content is this file's, which may be another than the one that was listed */
        tree->dev = after.st_dev;
        tree->ino = after.st_ino;
        tree->nlink = after.st_nlink;
    }
    return same ? READ_SAME : READ_CHANGED;
}

/* Opens the file and reads it once, into an entry that is begun for it unless it is GONE. */
static enum backup_reading open_and_read(struct backup_file *file, struct backup_queue *queue,
                                         const struct tree_visit *visit, const struct snapshot_entry *entry,
                                         struct error *error)
{
    int fd = open_quietly(visit->dir_fd, visit->name);
    if (fd < 0) {
        /* ELOOP: a link lies there now; ENXIO: a socket, or a device without a driver */
        if (errno == ENOENT || errno == ELOOP || errno == ENXIO || errno == ENODEV) {
            return READ_GONE;
        }
        error_system(error, errno == EACCES || errno == EPERM ? CSN_PRIVILEGE : CSN_TREE_READ, "opening /%s",
                     entry->tree.path);
        return READ_FAILED;
    }
    file->before_bytes = file->read_bytes;
    enum backup_reading reading = READ_FAILED;
    if (backup_queue_begin(queue, entry, error) == 0) {
        reading = read_once(file, queue, fd, error);
        if (reading == READ_GONE && backup_queue_end(queue, false, error) != 0) {
            reading = READ_FAILED;
        }
    }
    file_drop(&fd);
    return reading;
}

/* Lists it anew. 0; 1: there is no such file any more; -1. */
static int list_again(const struct tree_visit *visit, struct tree_entry *fresh, struct error *error)
{
    struct error trouble = {.code = CSN_NONE};
    tree_entry_free(fresh);
    if (tree_entry_read(fresh, visit->dir_fd, visit->name, "", true, &trouble) != 0) {
        return trouble.code == CSN_NOT_FOUND ? 1 : error_set(error, trouble.code, "%s", trouble.message);
    }
    return fresh->type == TREE_FILE ? 0 : 1;
}

enum backup_reading backup_read(struct backup_file *file, struct backup_queue *queue, const struct tree_visit *visit,
                                const struct snapshot_entry *entry, struct error *error)
{
    struct snapshot_entry listed = *entry;
    struct tree_entry fresh = {0};
    enum backup_reading reading = open_and_read(file, queue, visit, &listed, error);
    for (int attempt = 1; reading == READ_CHANGED && attempt < ATTEMPTS; attempt++) {
        int again = backup_queue_end(queue, false, error) != 0 ? -1 : list_again(visit, &fresh, error);
        if (again != 0) {
            reading = again < 0 ? READ_FAILED : READ_GONE;
            break;
        }
        listed.tree = fresh;
        listed.tree.path = entry->tree.path;
        reading = open_and_read(file, queue, visit, &listed, error);
    }
    tree_entry_free(&fresh);
    return reading;
}
