#include "tree/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "tree/internal.h"
#include "tree/links.h"
#include "tree/path.h"
#include "tree/walk.h"

struct comparer {
    const struct tree_compare_options *options;
    int (*differ)(void *context, const struct tree_difference *difference, struct error *error);
    void *context;
    const struct progress *progress;
    struct tree_compare_counts *counts;
    struct tree_links links_a;
    struct tree_links links_b;
    char *buffer; /* two halves of TREE_READ_BYTES */
};

bool tree_compare_is_equal(const struct tree_compare_counts *counts)
{
    return counts->differing == 0 && counts->only_a == 0 && counts->only_b == 0;
}

/* Counts a path and tells the caller if it differs in something that counts. */
static int judge(struct comparer *comparer, const struct tree_entry *a, const struct tree_entry *b, unsigned aspects,
                 struct error *error)
{
    unsigned ignored = comparer->options->ignored;
    if (comparer->options->ignore_folder_mtime && a != NULL && a->type == TREE_FOLDER) {
        ignored |= TREE_ASPECT_MTIME;
    }
    aspects &= ~ignored;
    if (a == NULL) {
        aspects = TREE_ASPECT_ONLY_B;
        comparer->counts->only_b++;
    } else if (b == NULL) {
        aspects = TREE_ASPECT_ONLY_A;
        comparer->counts->only_a++;
    } else {
        comparer->counts->both++;
        comparer->counts->differing += aspects != 0 ? 1 : 0;
    }
    if (aspects == 0 || comparer->differ == NULL) {
        return 0;
    }
    const struct tree_difference difference = {
        .path = a != NULL   ? a->path
                : b != NULL ? b->path
                            : "",
        .aspects = aspects,
        .a = a,
        .b = b,
    };
    return comparer->differ(comparer->context, &difference, error);
}

/* Fills the buffer unless the file ends before. The bytes or -1. */
static ssize_t read_fully(int fd, char *buffer, const char *name, struct error *error)
{
    size_t have = 0;
    while (have < TREE_READ_BYTES) {
        ssize_t got = read(fd, buffer + have, TREE_READ_BYTES - have);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return error_system(error, CSN_TREE_READ, "reading %s", name);
        }
        have += got > 0 ? (size_t)got : 0;
    }
    return (ssize_t)have;
}

/* 0: the same bytes; 1: not; -1. */
static int compare_bytes(struct comparer *comparer, int fd_a, int fd_b, const char *name, struct error *error)
{
    char *other = comparer->buffer + TREE_READ_BYTES;
    for (;;) {
        ssize_t got_a = read_fully(fd_a, comparer->buffer, name, error);
        ssize_t got_b = got_a < 0 ? -1 : read_fully(fd_b, other, name, error);
        if (got_b < 0) {
            return -1;
        }
        comparer->counts->compared_bytes += (uint64_t)got_a;
        if (got_a != got_b || memcmp(comparer->buffer, other, (size_t)got_a) != 0) {
            return 1;
        }
        if (got_a < TREE_READ_BYTES) {
            return 0;
        }
    }
}

static int compare_files(struct comparer *comparer, const struct tree_visit *a, const struct tree_visit *b,
                         unsigned *aspects, struct error *error)
{
    int result = -1;
    int fd_b = -1;
    int fd_a = tree_entry_open(a->dir_fd, a->name, a->entry, error);
    if (fd_a < 0) {
        return -1;
    }
    fd_b = tree_entry_open(b->dir_fd, b->name, b->entry, error);
    if (fd_b < 0) {
        goto out;
    }
    result = compare_bytes(comparer, fd_a, fd_b, a->entry->path, error);
    if (result < 0) {
        goto out;
    }
    *aspects |= result > 0 ? TREE_ASPECT_CONTENT : 0U;
    result = tree_entry_still(fd_a, a->entry, error);
    if (result == 0) {
        result = tree_entry_still(fd_b, b->entry, error);
    }
out:
    file_drop(&fd_a);
    file_drop(&fd_b);
    return result;
}

/* Do both belong to files that were seen first under the same name? *is_known: their content was compared then. */
static int compare_links(struct comparer *comparer, const struct tree_entry *a, const struct tree_entry *b,
                         unsigned *aspects, bool *is_known, struct error *error)
{
    const char *first_a = NULL;
    const char *first_b = NULL;
    if (a->nlink > 1 && tree_links_seen(&comparer->links_a, a->dev, a->ino, a->path, &first_a, error) != 0) {
        return -1;
    }
    if (b->nlink > 1 && tree_links_seen(&comparer->links_b, b->dev, b->ino, b->path, &first_b, error) != 0) {
        return -1;
    }
    if (first_a == NULL && first_b == NULL) {
        return 0;
    }
    if (first_a == NULL || first_b == NULL || strcmp(first_a, first_b) != 0) {
        *aspects |= TREE_ASPECT_HARDLINKS;
    } else {
        *is_known = true;
    }
    return 0;
}

static int compare_both(struct comparer *comparer, const struct tree_visit *a, const struct tree_visit *b,
                        struct error *error)
{
    unsigned aspects = tree_entry_compare(a->entry, b->entry);
    bool is_known = false;
    if (a->entry->type != TREE_FOLDER && b->entry->type != TREE_FOLDER &&
        compare_links(comparer, a->entry, b->entry, &aspects, &is_known, error) != 0) {
        return -1;
    }
    bool is_file = a->entry->type == TREE_FILE && b->entry->type == TREE_FILE;
    bool may_differ = (aspects & TREE_ASPECT_CONTENT) == 0 && a->entry->size_bytes > 0 && !is_known;
    if (is_known && tree_links_marked(&comparer->links_a, a->entry->dev, a->entry->ino) != 0) {
        aspects |= TREE_ASPECT_CONTENT;
    }
    if (is_file && may_differ && (comparer->options->ignored & TREE_ASPECT_CONTENT) == 0 &&
        compare_files(comparer, a, b, &aspects, error) != 0) {
        return -1;
    }
    if ((aspects & TREE_ASPECT_CONTENT) != 0 && a->entry->nlink > 1) {
        tree_links_mark(&comparer->links_a, a->entry->dev, a->entry->ino, 1);
    }
    const struct progress_state state = {
        .doing = "comparing files",
        .item = a->entry->path,
        .done_bytes = comparer->counts->compared_bytes,
        .total_bytes = comparer->options->total_bytes,
        .done_items = comparer->counts->both + 1,
    };
    progress_tell(comparer->progress, &state);
    return judge(comparer, a->entry, b->entry, aspects, error);
}

/* A name that is on one side only is remembered too: another name of its file may come later on both. */
static int compare_one(struct comparer *comparer, struct tree_links *links, const struct tree_entry *entry, bool is_a,
                       struct error *error)
{
    const char *first = NULL;
    if (entry->type != TREE_FOLDER && entry->nlink > 1 &&
        tree_links_seen(links, entry->dev, entry->ino, entry->path, &first, error) != 0) {
        return -1;
    }
    return judge(comparer, is_a ? entry : NULL, is_a ? NULL : entry, 0, error);
}

static int compare_walks(struct comparer *comparer, struct tree_walker *walker_a, struct tree_walker *walker_b,
                         struct error *error)
{
    struct tree_visit a;
    struct tree_visit b;
    int more_a = tree_walker_next(walker_a, &a, error);
    int more_b = more_a < 0 ? -1 : tree_walker_next(walker_b, &b, error);
    while (more_a >= 0 && more_b >= 0 && more_a + more_b > 0) {
        int order = more_a == 0 ? 1 : more_b == 0 ? -1 : tree_path_compare(a.entry->path, b.entry->path);
        int result = order == 0  ? compare_both(comparer, &a, &b, error)
                     : order < 0 ? compare_one(comparer, &comparer->links_a, a.entry, true, error)
                                 : compare_one(comparer, &comparer->links_b, b.entry, false, error);
        if (result != 0) {
            return -1;
        }
        if (order <= 0) {
            more_a = tree_walker_next(walker_a, &a, error);
        }
        if (order >= 0 && more_a >= 0) {
            more_b = tree_walker_next(walker_b, &b, error);
        }
    }
    return more_a < 0 || more_b < 0 ? -1 : 0;
}

int tree_compare(int root_a_fd, const char *path_a, int root_b_fd, const char *path_b,
                 const struct tree_compare_options *options,
                 int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                 void *context, const struct progress *progress, struct tree_compare_counts *counts,
                 struct error *error)
{
    struct comparer comparer = {
        .options = options, .differ = differ, .context = context, .progress = progress, .counts = counts};
    const struct tree_walk_options walk = {
        .one_file_system = options->one_file_system,
        .want_xattrs = (options->ignored & TREE_ASPECT_XATTRS) == 0,
        .excludes = options->excludes,
    };
    int result = -1;
    struct tree_walker *walker_a = NULL;
    struct tree_walker *walker_b = NULL;
    *counts = (struct tree_compare_counts){0};
    comparer.buffer = malloc((size_t)2 * TREE_READ_BYTES);
    if (comparer.buffer == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for comparing %s with %s", path_a, path_b);
    }
    walker_a = tree_walker_open(root_a_fd, path_a, &walk, error);
    walker_b = walker_a == NULL ? NULL : tree_walker_open(root_b_fd, path_b, &walk, error);
    if (walker_b != NULL) {
        result = compare_walks(&comparer, walker_a, walker_b, error);
    }
    tree_walker_close(walker_a);
    tree_walker_close(walker_b);
    tree_links_free(&comparer.links_a);
    tree_links_free(&comparer.links_b);
    free(comparer.buffer);
    return result;
}

int tree_compare_manifests(const struct tree_manifest *a, const struct tree_manifest *b,
                           const struct tree_compare_options *options,
                           int (*differ)(void *context, const struct tree_difference *difference, struct error *error),
                           void *context, struct tree_compare_counts *counts, struct error *error)
{
    struct comparer comparer = {.options = options, .differ = differ, .context = context, .counts = counts};
    *counts = (struct tree_compare_counts){0};
    for (size_t i = 0, j = 0; i < a->count || j < b->count;) {
        int order = i == a->count ? 1 : j == b->count ? -1 : tree_path_compare(a->entries[i].path, b->entries[j].path);
        const struct tree_entry *one = order <= 0 ? &a->entries[i++] : NULL;
        const struct tree_entry *other = order >= 0 ? &b->entries[j++] : NULL;
        const char *path = one != NULL ? one->path : other != NULL ? other->path : "";
        if (tree_path_matches(options->excludes, path)) {
            continue;
        }
        unsigned aspects = one != NULL && other != NULL ? tree_entry_compare(one, other) : 0;
        if (judge(&comparer, one, other, aspects, error) != 0) {
            return -1;
        }
    }
    return 0;
}
