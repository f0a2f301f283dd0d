#include "sequence/deed_inside.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buffer.h"
#include "lib/file.h"
#include "lib/root.h"
#include "lib/strings.h"
#include "tree/exchange.h"
#include "tree/remove.h"

/* Sets the time of the folder that holds path; a folder that is gone (it was ours) has none. */
static int set_folder_time(int root_fd, const char *path, struct timespec time, struct error *error)
{
    char *parent = deed_parent_of(path);
    if (parent == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time};
    int result = 0;
    int fd = root_try_open(root_fd, parent, O_RDONLY | O_DIRECTORY, 0);
    struct stat now = {0};
    /* One that cannot be changed (chattr +i) was not. */
    bool is_right =
        fd >= 0 && fstat(fd, &now) == 0 && now.st_mtim.tv_sec == time.tv_sec && now.st_mtim.tv_nsec == time.tv_nsec;
    if (fd >= 0 && ((!is_right && futimens(fd, times) != 0) || fsync(fd) != 0)) {
        result = error_system(error, CSN_IO, "putting back the time of %s", parent);
    }
    file_drop(&fd);
    free(parent);
    return result;
}

/* The folder gets the time that the intent recorded, unless somebody has worked in it since the release. */
static int restore_folder_time(const struct deed_place *place, const char *path, int64_t sec, int64_t nsec,
                               struct error *error)
{
    struct timespec now = {0};
    struct error ignored;
    if (deed_folder_time(place->root_fd, path, &now, &ignored) != 0 || now.tv_sec > deed_released_sec(place->journal)) {
        return 0;
    }
    return set_folder_time(place->root_fd, path, (struct timespec){(time_t)sec, (long)nsec}, error);
}

static int undo_rename(const struct deed_place *place, yyjson_val *record, struct error *error)
{
    const char *path = journal_get(record, "path");
    const char *other = journal_get(record, "other");
    if (deed_is_exchange(record) &&
        deed_inode_at(place->root_fd, path) == (uint64_t)journal_get_number(record, "inode")) {
        return 0; /* the old version is at its place, whatever became of the new one: an earlier state was put back, say */
    }
    int state = deed_rename_state(place, record, error);
    if (state <= 0) {
        return state;
    }
    /* A file that was taken away since leaves nothing to exchange with. */
    return deed_is_exchange(record) && deed_inode_at(place->root_fd, path) != 0
               ? tree_exchange(place->root_fd, path, other, error)
               : tree_move(place->root_fd, other, path, error);
}

static int undo_fence(const struct deed_place *place, yyjson_val *record, struct error *error)
{
    struct fence_file file = {0};
    if (!fence_file_from_json(&file, record)) {
        return error_set(error, CSN_SEQUENCE_ROLLBACK_FAILED,
                         "record %lld of the journal does not say which file of the fence",
                         (long long)journal_get_number(record, "seq"));
    }
    int result = fence_undo_one(place->root_fd, &file, error);
    fence_file_free(&file);
    return result;
}

/* What the folders of a deed's names have as their times once it is undone. */
struct times {
    struct timespec folder;
    struct timespec other; /* of a rename's second name */
};

static struct timespec time_in(yyjson_val *record, const char *sec_key, const char *nsec_key)
{
    return (struct timespec){(time_t)journal_get_number(record, sec_key), (long)journal_get_number(record, nsec_key)};
}

static void read_times(yyjson_val *record, struct times *times)
{
    times->folder = time_in(record, "folder_time_sec", "folder_time_nsec");
    times->other = time_in(record, "other_folder_time_sec", "other_folder_time_nsec");
}

static int record_undoing(const struct deed_place *place, int64_t seq, const struct times *times, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", place->step);
    yyjson_mut_obj_add_sint(document, fields, "of", seq);
    yyjson_mut_obj_add_sint(document, fields, "folder_time_sec", times->folder.tv_sec);
    yyjson_mut_obj_add_sint(document, fields, "folder_time_nsec", times->folder.tv_nsec);
    yyjson_mut_obj_add_sint(document, fields, "other_folder_time_sec", times->other.tv_sec);
    yyjson_mut_obj_add_sint(document, fields, "other_folder_time_nsec", times->other.tv_nsec);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(place->journal, "undoing", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* The record "undoing" of an intent; NULL if there is none. */
static yyjson_val *find_undoing(const struct journal *journal, int64_t seq)
{
    for (size_t i = (size_t)seq; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        if (journal_is(record, "undoing") && journal_get_number(record, "of") == seq) {
            return record;
        }
    }
    return NULL;
}

/* The times that the folders get when a deed in them has been undone: of a rename the recorded ones; of a create those that they
 * have now, so that restore_times can tell what others did. Where somebody has worked in a folder since the release, the time is
 * his and stays. Undoing changes the times itself: so after a release they are in the journal first, for a cut in the midst of
 * it. */
static int times_after(const struct deed_place *place, yyjson_val *record, struct times *times, struct error *error)
{
    const char *other = journal_get(record, "other");
    int64_t seq = journal_get_number(record, "seq");
    int64_t released = deed_released_sec(place->journal);
    yyjson_val *undoing = find_undoing(place->journal, seq);
    struct times now = {0};
    if (undoing != NULL) {
        read_times(undoing, times);
        return 0;
    }
    struct error gone;
    if (deed_folder_time(place->root_fd, journal_get(record, "path"), &now.folder, error) != 0) {
        return -1;
    }
    /* The folder beside may be gone: what it held was put back by hand, say. It has no time then. */
    if (other[0] != '\0') {
        (void)!deed_folder_time(place->root_fd, other, &now.other, &gone);
    }
    read_times(record, times);
    if (now.folder.tv_sec > released || other[0] == '\0') {
        times->folder = now.folder;
    }
    if (now.other.tv_sec > released) {
        times->other = now.other;
    }
    return released == INT64_MAX ? 0 : record_undoing(place, seq, times, error);
}

static int undo_create(const struct deed_place *place, yyjson_val *record, const struct progress *progress,
                       struct error *error)
{
    const char *path = journal_get(record, "path");
    struct timespec there;
    struct error ignored;
    struct times times;
    if (deed_folder_time(place->root_fd, path, &there, &ignored) != 0) {
        return 0; /* the folder itself is gone */
    }
    if (times_after(place, record, &times, error) != 0 || tree_remove(place->root_fd, path, progress, error) != 0) {
        return -1;
    }
    return set_folder_time(place->root_fd, path, times.folder, error);
}

/* The folders' times are put back at once: a folder may lie in a tree that was exchanged before, so that only now, with all later
 * renames undone, the names mean what they meant when the times were recorded. */
static int undo_rename_and_times(const struct deed_place *place, yyjson_val *record, struct error *error)
{
    struct times times;
    if (times_after(place, record, &times, error) != 0 || undo_rename(place, record, error) != 0) {
        return -1;
    }
    return set_folder_time(place->root_fd, journal_get(record, "other"), times.other, error) != 0
               ? -1
               : set_folder_time(place->root_fd, journal_get(record, "path"), times.folder, error);
}

static int undo_one(const struct deed_place *place, yyjson_val *record, const struct progress *progress,
                    struct error *error)
{
    const char *deed = journal_get(record, "deed");
    int64_t seq = journal_get_number(record, "seq");
    bool missing = strcmp(deed, "fence") == 0 && deed_has_record_of(place->journal, "done", seq) &&
                   !root_exists(place->root_fd, journal_get(record, "path"));
    int result;
    if (strcmp(deed, "fence") == 0) {
        result = undo_fence(place, record, error);
    } else if (strcmp(deed, "create") == 0) {
        result = undo_create(place, record, progress, error);
    } else {
        result = undo_rename_and_times(place, record, error);
    }
    return result == 0 ? deed_record_of(place, "undone", seq, missing, error) : -1;
}

/* The folder that a create or a file of the fence was the first to change, and its time before; NULL: a rename, or no memory. The
 * caller's. */
static char *changed_folder(yyjson_val *record, struct timespec *time)
{
    struct fence_file file = {0};
    char *folder = NULL;
    if (strcmp(journal_get(record, "deed"), "create") == 0) {
        *time = time_in(record, "folder_time_sec", "folder_time_nsec");
        folder = deed_parent_of(journal_get(record, "path"));
    } else if (strcmp(journal_get(record, "deed"), "fence") == 0 && fence_file_from_json(&file, record)) {
        *time = (struct timespec){(time_t)file.parent_time_sec, (long)file.parent_time_nsec};
        folder = strdup(file.parent);
        fence_file_free(&file);
    }
    return folder;
}

/* Once all is undone: each folder as it was before the first deed in it; what later ones found there may have been our own
 * doing. Those of renames were put back with them. */
static int restore_times(const struct deed_place *place, struct error *error)
{
    struct strings done = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < place->journal->count; i++) {
        yyjson_val *record = journal_record(place->journal, i);
        struct timespec time = {0};
        char *folder = journal_is(record, "intent") ? changed_folder(record, &time) : NULL;
        if (folder != NULL && !strings_has(&done, folder)) {
            struct buffer inside = {0};
            buffer_format(&inside, "%s/.", strcmp(folder, "/") == 0 ? "" : folder);
            result = strings_add(&done, folder, error) != 0 || buffer_check(&inside, error) != 0
                         ? -1
                         : restore_folder_time(place, inside.data, time.tv_sec, time.tv_nsec, error);
            buffer_free(&inside);
        }
        free(folder);
    }
    strings_free(&done);
    return result;
}

enum which { RENAMES, FENCE, CREATED, OF_STEP };

static bool is_meant(yyjson_val *record, enum which which, const char *step)
{
    const char *deed = journal_get(record, "deed");
    switch (which) {
    case RENAMES: return deed_is_rename(record);
    case FENCE: return strcmp(deed, "fence") == 0;
    case CREATED: return strcmp(deed, "create") == 0;
    case OF_STEP: return strcmp(journal_get(record, "step"), step) == 0;
    }
    return false;
}

static int undo(const struct deed_place *place, enum which which, const char *step, const struct progress *progress,
                struct error *error)
{
    for (size_t i = place->journal->count; i > 0; i--) {
        yyjson_val *record = journal_record(place->journal, i - 1);
        if (journal_is(record, "intent") && is_meant(record, which, step) &&
            !deed_has_record_of(place->journal, "undone", (int64_t)i) &&
            undo_one(place, record, progress, error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Where the thing stands now that a record names `path`: later renames may have given a folder above it another name. seq is
 * that record's. The caller's; NULL without memory. */
static char *name_now(const struct deed_place *place, int64_t seq, const char *path, struct error *error)
{
    struct buffer now = {0};
    buffer_string(&now, path);
    for (size_t i = (size_t)seq; i < place->journal->count && !now.failed; i++) {
        yyjson_val *record = journal_record(place->journal, i);
        const char *names[] = {journal_get(record, "path"), journal_get(record, "other")};
        if (!deed_is_rename(record) || deed_has_record_of(place->journal, "undone", (int64_t)i + 1)) {
            continue;
        }
        for (int k = 0; k < 2; k++) {
            if (path_is_inside(now.data, names[k])) {
                struct buffer renamed = {0};
                buffer_format(&renamed, "%s%s", names[1 - k], now.data + strlen(names[k]));
                buffer_free(&now);
                now = renamed;
                break;
            }
        }
    }
    char *name = buffer_take(&now);
    if (name == NULL) {
        (void)error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    return name;
}

static int check_rename(const struct deed_place *place, yyjson_val *record, struct error *error)
{
    int64_t seq = journal_get_number(record, "seq");
    char *path = name_now(place, seq, journal_get(record, "path"), error);
    char *other = path == NULL ? NULL : name_now(place, seq, journal_get(record, "other"), error);
    struct timespec ignored;
    int result = other == NULL ? -1 : 0;
    if (result == 0 && deed_is_exchange(record)) {
        uint64_t kept = deed_inode_at(place->root_fd, other);
        if (kept == 0) {
            result = error_set(error, CSN_SEQUENCE_TERM, "%s, the old version of %s, is gone", other, path);
        } else if (kept != (uint64_t)journal_get_number(record, "inode")) {
            result =
                error_set(error, CSN_SEQUENCE_TERM, "%s is not the old version of %s that was kept there", other, path);
        } else {
            result = deed_folder_time(place->root_fd, path, &ignored, error);
        }
    } else if (result == 0 && deed_inode_at(place->root_fd, path) != 0) {
        result = error_set(error, CSN_SEQUENCE_NO_WAY_BACK, "%s is in the way of %s", path, other);
    }
    free(path);
    free(other);
    return result;
}

int deed_check_undo(const struct deed_place *place, struct error *error)
{
    for (size_t i = place->journal->count; i > 0; i--) {
        yyjson_val *record = journal_record(place->journal, i - 1);
        if (deed_is_rename(record) && !deed_has_record_of(place->journal, "undone", (int64_t)i) &&
            check_rename(place, record, error) != 0) {
            return -1;
        }
    }
    return 0;
}

int deed_undo_renames(const struct deed_place *place, struct error *error)
{
    return undo(place, RENAMES, NULL, NULL, error);
}

int deed_undo_fence(const struct deed_place *place, struct error *error)
{
    return undo(place, FENCE, NULL, NULL, error);
}

static bool holds_nothing(int root_fd, const char *folder)
{
    int fd = root_try_open(root_fd, folder, O_RDONLY | O_DIRECTORY, 0);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);
    bool nothing = entries != NULL;
    const struct dirent *entry;
    if (entries == NULL) {
        file_drop(&fd);
        return false;
    }
    while (nothing && (entry = readdir(entries)) != NULL) {
        nothing = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    }
    closedir(entries);
    return nothing;
}

int deed_drop(const struct deed_place *place, const char *path, const struct progress *progress, struct error *error)
{
    char *folder = deed_parent_of(path);
    int64_t seq = deed_find_open_intent(place, "create", path);
    int result = folder == NULL ? error_set(error, CSN_MEMORY, "no memory for the path %s", path) : 0;
    if (result == 0 && seq != 0) {
        result = undo_one(place, journal_record(place->journal, (size_t)seq - 1), progress, error);
    }
    seq = result == 0 ? deed_find_open_intent(place, "create", folder) : 0;
    if (seq != 0 && holds_nothing(place->root_fd, folder)) {
        result = undo_one(place, journal_record(place->journal, (size_t)seq - 1), progress, error);
    }
    free(folder);
    return result;
}

int deed_undo_step(const struct deed_place *place, const char *step, struct error *error)
{
    return undo(place, OF_STEP, step, NULL, error);
}

/* What a create made may by now hold the old version: never remove it while it does. */
static int check_old_is_back(const struct deed_place *place, yyjson_val *record, struct error *error)
{
    const char *path = journal_get(record, "path");
    const char *other = journal_get(record, "other");
    if (!deed_has_record_of(place->journal, "undone", journal_get_number(record, "seq"))) {
        return error_set(error, CSN_SEQUENCE_ROLLBACK_FAILED, "%s is not the old version yet, so nothing is removed",
                         path);
    }
    /* The disk is asked, too, about what is to be removed itself. For things inside exchanged folders (attachments) the path of the
     * record may mean another place by now. */
    if (deed_find_open_intent(place, "create", other) != 0 &&
        deed_inode_at(place->root_fd, other) == (uint64_t)journal_get_number(record, "inode")) {
        return error_set(error, CSN_SEQUENCE_ROLLBACK_FAILED,
                         "%s still holds the old version of %s, so nothing is removed", other, path);
    }
    return 0;
}

int deed_undo_created(const struct deed_place *place, const struct progress *progress, struct error *error)
{
    for (size_t i = 0; i < place->journal->count; i++) {
        yyjson_val *record = journal_record(place->journal, i);
        if (deed_is_rename(record) && check_old_is_back(place, record, error) != 0) {
            return -1;
        }
    }
    return undo(place, CREATED, NULL, progress, error) != 0 ? -1 : restore_times(place, error);
}
