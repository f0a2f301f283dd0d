#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tree/internal.h"
#include "tree/manifest.h"

int tree_digest_with(int fd, const char *name, void *buffer, size_t buffer_bytes, uint8_t digest[SHA256_SIZE],
                     uint64_t *read_bytes, struct error *error)
{
    struct sha256 hash;
    ssize_t got;
    sha256_begin(&hash);
    do {
        got = read(fd, buffer, buffer_bytes);
        if (got > 0) {
            sha256_add(&hash, buffer, (size_t)got);
            *read_bytes += (uint64_t)got;
        }
    } while (got > 0 || (got < 0 && errno == EINTR));
    sha256_end(&hash, digest);
    return got < 0 ? error_system(error, CSN_TREE_READ, "reading %s", name) : 0;
}

int tree_digest_fd(int fd, const char *name, uint8_t digest[SHA256_SIZE], uint64_t *read_bytes, struct error *error)
{
    struct stat status;
    size_t buffer_bytes = TREE_READ_BYTES;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size < TREE_READ_BYTES) {
        buffer_bytes = (size_t)status.st_size + 1;
    }
    void *buffer = malloc(buffer_bytes);
    if (buffer == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for reading %s", name);
    }
    uint64_t bytes = 0;
    int result = tree_digest_with(fd, name, buffer, buffer_bytes, digest, &bytes, error);
    if (read_bytes != NULL) {
        *read_bytes += bytes;
    }
    free(buffer);
    return result;
}
