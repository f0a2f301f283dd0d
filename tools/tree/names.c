#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tree/internal.h"

#define LISTING_BYTES 32768
#define KEPT_BYTES 1048576 /* a larger list is not kept for the next folder */

/* What getdents64(2) gives; musl and glibc disagree about a name for it. */
struct listed {
    uint64_t ino;
    int64_t offset;
    unsigned short size_bytes;
    unsigned char kind;
    char name[];
};

static int by_bytes(const void *a, const void *b, void *text)
{
    return strcmp((const char *)text + *(const size_t *)a, (const char *)text + *(const size_t *)b);
}

static int add(struct tree_names *names, const char *name, struct error *error)
{
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return 0;
    }
    if (names->count == names->allocated) {
        size_t allocated = names->allocated == 0 ? 64 : names->allocated * 2;
        size_t *offsets = realloc(names->offsets, allocated * sizeof *offsets);
        if (offsets == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for a folder of %zu names", allocated);
        }
        names->offsets = offsets;
        names->allocated = allocated;
    }
    names->offsets[names->count++] = names->text.size;
    buffer_append(&names->text, name, strlen(name) + 1);
    return buffer_check(&names->text, error);
}

int tree_names_list(struct tree_names *names, int folder_fd, const char *path, struct error *error)
{
    char listing[LISTING_BYTES] __attribute__((aligned(8)));
    buffer_clear(&names->text);
    names->count = 0;
    names->next = 0;
    for (;;) {
        long got = syscall(SYS_getdents64, folder_fd, listing, sizeof listing);
        if (got < 0 && errno == ENOENT) {
            got = 0; /* the folder was removed while it was open: nothing is in it */
        }
        if (got < 0) {
            return error_system(error, CSN_TREE_READ, "listing the folder %s", path);
        }
        if (got == 0) {
            break;
        }
        for (long at = 0; at < got;) {
            const struct listed *listed = (const struct listed *)(const void *)(listing + at);
            if (add(names, listed->name, error) != 0) {
                return -1;
            }
            at += listed->size_bytes;
        }
    }
    if (names->count > 1) {
        qsort_r(names->offsets, names->count, sizeof *names->offsets, by_bytes, names->text.data);
    }
    return 0;
}

const char *tree_names_next(struct tree_names *names)
{
    if (names->next < names->count) {
        return names->text.data + names->offsets[names->next++];
    }
    if (names->text.allocated > KEPT_BYTES) {
        tree_names_free(names);
    }
    return NULL;
}

void tree_names_free(struct tree_names *names)
{
    buffer_free(&names->text);
    free(names->offsets);
    *names = (struct tree_names){0};
}
