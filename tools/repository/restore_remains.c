#include "repository/restore_remains.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "repository/restore_left_out.h"
#include "tree/path.h"

#define RESTORE_DAMAGED_SUFFIX ".damaged"
#define NAMES_TRIED 10000u

/* --- damage --- */

/* Not over what is there. NFS and some FUSE cannot do that in one: there nobody else makes names in the folder that is restored to. */
static int rename_new(int dir_fd, const char *from, const char *to)
{
    struct stat status;
    if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
        return -1;
    }
    if (fstatat(dir_fd, to, &status, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(dir_fd, from, dir_fd, to);
}

/* Bytes of a name that leave room for the suffix, whole characters of UTF-8. */
static size_t room_of(const char *name, const char *suffix)
{
    size_t length = strlen(name);
    size_t room = NAME_MAX - strlen(suffix);
    if (length <= room) {
        return length;
    }
    while (room > 0 && ((unsigned char)name[room] & 0xC0u) == 0x80u) {
        room--;
    }
    return room;
}

/* NAME.damaged; NAME.damaged-2 and so on where the snapshot has a file of that name, too. */
static int rename_damaged(int dir_fd, const char *name)
{
    for (unsigned number = 1; number < NAMES_TRIED; number++) {
        char suffix[40];
        char other[NAME_MAX + 1];
        snprintf(suffix, sizeof suffix, number == 1 ? RESTORE_DAMAGED_SUFFIX : RESTORE_DAMAGED_SUFFIX "-%u", number);
        snprintf(other, sizeof other, "%.*s%s", (int)room_of(name, suffix), name, suffix);
        if (rename_new(dir_fd, name, other) == 0) {
            return 0;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return -1;
}

/* A file with holes where content is lost must not be taken for the file: it gets another name, and its folder keeps its time. */
static int set_aside(int start_fd, const char *place, struct error *error)
{
    struct stat before;
    const char *name = NULL;
    int dir_fd = tree_path_open_parent(start_fd, place, &name);
    int result = dir_fd < 0 || fstat(dir_fd, &before) != 0 || rename_damaged(dir_fd, name) != 0
                     ? restore_refused(error, "setting aside", place)
                     : 0;
    if (result == 0) {
        const struct timespec times[] = {before.st_atim, before.st_mtim};
        result = utimensat(dir_fd, ".", times, 0) != 0 ? restore_refused(error, "setting aside", place) : 0;
    }
    file_drop(&dir_fd);
    return result;
}

/* Where the content of a further name of a file has come from, or NULL. */
static const char *place_of_first(const struct restore *restore, const char *first)
{
    for (size_t i = 0; i < restore->first_paths.count; i++) {
        if (strcmp(restore->first_paths.items[i], first) == 0) {
            return restore->first_places.items[i];
        }
    }
    return selected_place(&restore->selected, first);
}

static int set_damaged_aside(struct restore *restore, const struct repository_selection *selection, const char *place,
                             const char *what, struct error *error)
{
    if (set_aside(restore->selected.start_fd, place, error) != 0) {
        return -1;
    }
    restore->summary->damaged++;
    selection->damaged(selection->context, place, what);
    return 0;
}

/* The further names of damaged files. */
static int set_links_aside(struct restore *restore, const char *id, const struct repository_selection *selection,
                           struct error *error)
{
    const struct strings *places = restore_files_damaged(restore->files);
    const struct snapshot_entry *entry = NULL;
    struct selected again;
    int got = selected_open(&again, restore->repository, id, selection, error) != 0 ? -1 : 1;
    while (got == 1 && (got = selected_next(&again, &entry, error)) == 1) {
        const char *first = entry->hardlink == NULL ? NULL : place_of_first(restore, entry->hardlink);
        const char *place = selected_place(&again, entry->tree.path);
        if (first != NULL && place != NULL && strcmp(first, place) != 0 && strings_has(places, first) &&
            !restore_left_out_has(&restore->left_out, entry->tree.path)) {
            got =
                set_damaged_aside(restore, selection, place, "it is the same file as one that is not whole", error) == 0
                    ? 1
                    : -1;
        }
    }
    selected_close(&again);
    return got;
}

int restore_set_damaged_aside(struct restore *restore, const char *id, const struct repository_selection *selection,
                              struct error *error)
{
    const struct strings *places = restore_files_damaged(restore->files);
    const struct strings *whats = restore_files_damages(restore->files);
    for (size_t i = 0; i < places->count; i++) {
        if (set_damaged_aside(restore, selection, places->items[i], whats->items[i], error) != 0) {
            return -1;
        }
    }
    return places->count == 0 ? 0 : set_links_aside(restore, id, selection, error);
}

/* --- what was not finished --- */

/* The files of which one name is removed already, and others may be there. */
struct undone {
    dev_t dev;
    ino_t ino;
};

#define UNDONE_LIMIT 1024u /* more are not open at once */

/* Who is not root may have given the folder away already: its attributes may be those of the snapshot. */
static int unlink_in(int dir_fd, const char *name)
{
    struct stat status;
    if (unlinkat(dir_fd, name, 0) == 0) {
        return 0;
    }
    int why = errno;
    if (why != EACCES || fstat(dir_fd, &status) != 0 || fchmod(dir_fd, status.st_mode | 0300) != 0) {
        errno = why;
        return -1;
    }
    int result = unlinkat(dir_fd, name, 0);
    why = errno;
    (void)fchmod(dir_fd, status.st_mode & 07777);
    errno = why;
    return result;
}

static void remove_name(int start_fd, const char *place, struct undone *others, size_t *count)
{
    struct stat status;
    const char *name = NULL;
    int dir_fd = tree_path_open_parent(start_fd, place, &name);
    if (dir_fd >= 0 && fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && unlink_in(dir_fd, name) == 0 &&
        status.st_nlink > 1 && *count < UNDONE_LIMIT) {
        others[(*count)++] = (struct undone){status.st_dev, status.st_ino};
    }
    file_drop(&dir_fd);
}

static bool is_among(const struct undone *undone, size_t count, int start_fd, const char *place)
{
    struct stat status;
    const char *name = NULL;
    int dir_fd = tree_path_open_parent(start_fd, place, &name);
    bool there = dir_fd >= 0 && fstatat(dir_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    file_drop(&dir_fd);
    for (size_t i = 0; there && i < count; i++) {
        if (undone[i].dev == status.st_dev && undone[i].ino == status.st_ino) {
            return true;
        }
    }
    return false;
}

static void remove_links(const struct restore *restore, const struct undone *undone, size_t count, const char *id,
                         const struct repository_selection *selection)
{
    struct error unused;
    struct selected again;
    const struct snapshot_entry *entry = NULL;
    uint64_t left = restore->summary->entries + restore->summary->left_out; /* further it has not come */
    size_t none = UNDONE_LIMIT;
    if (selected_open(&again, restore->repository, id, selection, &unused) != 0) {
        return;
    }
    while (left-- > 0 && selected_next(&again, &entry, &unused) == 1) {
        const char *place = selected_place(&again, entry->tree.path);
        if (entry->hardlink != NULL && place != NULL && is_among(undone, count, again.start_fd, place)) {
            remove_name(again.start_fd, place, NULL, &none);
        }
    }
    selected_close(&again);
}

void restore_remove_undone(const struct restore *restore, const char *id, const struct repository_selection *selection)
{
    struct undone undone[UNDONE_LIMIT];
    size_t count = 0;
    const struct strings *lists[] = {restore_files_undone(restore->files), restore_files_damaged(restore->files)};
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        for (size_t i = 0; i < lists[k]->count; i++) {
            remove_name(restore->selected.start_fd, lists[k]->items[i], undone, &count);
        }
    }
    if (count > 0) {
        remove_links(restore, undone, count, id, selection);
    }
}

/* --- the marker --- */

int restore_mark_incomplete(const struct restore *restore, const char *id, const struct repository_selection *selection,
                            struct error *error)
{
    struct buffer text = {0};
    if (selection->marker == NULL) {
        return 0;
    }
    buffer_format(&text,
                  "This folder does not hold all of the snapshot\n%s:\n"
                  "a restore into it was begun and has not come to its end. Empty the folder and restore again.\n",
                  id);
    int result = buffer_check(&text, error);
    int start_fd = restore->selected.start_fd;
    int fd = result != 0 ? -1 : openat(start_fd, selection->marker, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (result == 0 && fd < 0) {
        result = restore_refused(error, "making", selection->marker);
    }
    if (result == 0) {
        result = file_write_fd(fd, selection->marker, text.data, text.size, error);
        /* Before anything else can be on the disk, whatever order the file system writes in. */
        if (result == 0 && (fsync(fd) != 0 || (fsync(start_fd) != 0 && errno != EINVAL))) {
            result = restore_refused(error, "making durable", selection->marker);
        }
        if (result != 0) {
            (void)unlinkat(start_fd, selection->marker, 0);
        }
    }
    file_drop(&fd);
    buffer_free(&text);
    return result;
}

/* The folder keeps the times that the snapshot gave it. */
int restore_unmark_incomplete(const struct restore *restore, const struct repository_selection *selection,
                              struct error *error)
{
    struct stat before;
    int start_fd = restore->selected.start_fd;
    if (selection->marker == NULL) {
        return 0;
    }
    if (fstat(start_fd, &before) != 0 || unlink_in(start_fd, selection->marker) != 0) {
        return error_system(error, CSN_TREE_WRITE, "all is restored, only %s is left: removing it", selection->marker);
    }
    const struct timespec times[] = {before.st_atim, before.st_mtim};
    (void)futimens(start_fd, times);
    (void)fsync(start_fd);
    return 0;
}
