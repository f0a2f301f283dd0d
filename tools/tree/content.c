#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/internal.h"

#define PIECE_BYTES ((size_t)16 << 20)
#define BUFFER_BYTES ((size_t)256 << 10)

struct content {
    int from_fd;
    int to_fd;
    const char *name;
    char *buffer; /* made when it is needed first */
    bool is_kernel_copy_refused;
    struct tree_copied *copied;
};

/* One piece by reading and writing: the bytes, 0 at the end of the source, -1. */
static ssize_t copy_by_hand(struct content *content, off_t at, size_t size_bytes, struct error *error)
{
    if (content->buffer == NULL && (content->buffer = malloc(BUFFER_BYTES)) == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for copying %s", content->name);
    }
    ssize_t got;
    do {
        got = pread(content->from_fd, content->buffer, size_bytes < BUFFER_BYTES ? size_bytes : BUFFER_BYTES, at);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return error_system(error, CSN_TREE_READ, "reading %s", content->name);
    }
    for (ssize_t done = 0; done < got;) {
        ssize_t put = pwrite(content->to_fd, content->buffer + done, (size_t)(got - done), at + done);
        if (put <= 0 && errno != EINTR) {
            return error_system(error, tree_error_code(CSN_TREE_WRITE), "writing the copy of %s", content->name);
        }
        done += put > 0 ? put : 0;
    }
    return got;
}

static ssize_t copy_piece(struct content *content, off_t at, size_t size_bytes, struct error *error)
{
    if (!content->is_kernel_copy_refused) {
        loff_t from_at = at;
        loff_t to_at = at;
        ssize_t got = copy_file_range(content->from_fd, &from_at, content->to_fd, &to_at, size_bytes, 0);
        if (got > 0) {
            return got;
        }
        if (got < 0 && (errno == ENOSPC || errno == EDQUOT)) {
            return error_system(error, CSN_NO_SPACE, "writing the copy of %s", content->name);
        }
        /* Not between these file systems, or an error that reading and writing tell apart. Some file systems
         * answer 0 for what they cannot copy this way. */
        content->is_kernel_copy_refused = true;
    }
    return copy_by_hand(content, at, size_bytes, error);
}

static int copy_range(struct content *content, off_t from, off_t to, struct error *error)
{
    while (from < to) {
        size_t left = (size_t)(to - from);
        ssize_t got = copy_piece(content, from, left < PIECE_BYTES ? left : PIECE_BYTES, error);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            return 0; /* the source became shorter: tree_entry_still tells */
        }
        from += got;
        atomic_fetch_add(&content->copied->copied_bytes, (uint64_t)got);
    }
    return 0;
}

/* Data only; what lies between stays a hole. */
static int copy_sparse(struct content *content, off_t size_bytes, struct error *error)
{
    for (off_t at = 0; at < size_bytes;) {
        off_t data = lseek(content->from_fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO) {
            return 0;
        }
        off_t hole = data < 0 ? -1 : lseek(content->from_fd, data, SEEK_HOLE);
        if (data < 0 || hole < 0) { /* this file system does not tell: all of it is data */
            data = at;
            hole = size_bytes;
        }
        if (copy_range(content, data, hole < size_bytes ? hole : size_bytes, error) != 0) {
            return -1;
        }
        at = hole;
    }
    return 0;
}

int tree_copy_content(int from_fd, int to_fd, const char *name, struct tree_copied *copied, struct error *error)
{
    struct stat status;
    if (fstat(from_fd, &status) != 0) {
        return error_system(error, CSN_TREE_READ, "reading %s", name);
    }
    if (status.st_size == 0) {
        return 0;
    }
    if (ioctl(to_fd, FICLONE, from_fd) == 0) {
        atomic_fetch_add(&copied->shared_bytes, (uint64_t)status.st_size);
        return 0;
    }
    struct content content = {.from_fd = from_fd, .to_fd = to_fd, .name = name, .copied = copied};
    bool may_have_holes = status.st_blocks < (status.st_size + 511) / 512;
    int result =
        may_have_holes ? copy_sparse(&content, status.st_size, error) : copy_range(&content, 0, status.st_size, error);
    /* Also makes room for a hole at the end. */
    if (result == 0 && may_have_holes && ftruncate(to_fd, status.st_size) != 0) {
        result = error_system(error, tree_error_code(CSN_TREE_WRITE), "writing the copy of %s", name);
    }
    free(content.buffer);
    return result;
}
