#include "sequence/deed_inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/file.h"
#include "lib/json.h"
#include "lib/root.h"
#include "tree/exchange.h"
#include "tree/remove.h"

char *deed_parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

int deed_folder_time(int root_fd, const char *path, struct timespec *time, struct error *error)
{
    char *parent = deed_parent_of(path);
    struct stat status;
    int result = 0;
    if (parent == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    if (root_lstat(root_fd, parent, &status) != 0) {
        result = error_system(error, CSN_NOT_FOUND, "looking at the folder %s", parent);
    } else {
        *time = status.st_mtim;
    }
    free(parent);
    return result;
}

int64_t deed_released_sec(const struct journal *journal)
{
    for (size_t i = journal->count; i > 0; i--) {
        yyjson_val *record = journal_record(journal, i - 1);
        struct tm utc = {0};
        if (journal_is(record, "released") &&
            strptime(journal_get(record, "time"), "%Y-%m-%dT%H:%M:%S", &utc) != NULL) {
            return (int64_t)timegm(&utc);
        }
    }
    return INT64_MAX;
}

/* What a deed's intent says; the strings point into the journal's memory or the caller's. */
struct intent {
    const char *deed; /* create | exchange | move */
    const char *path;
    const char *other;    /* exchange, move: the second path */
    uint64_t inode;       /* exchange, move: what stood at path before, */
    uint64_t other_inode; /* and at other; 0: nothing */
};

static int record_intent(const struct deed_place *place, const struct intent *intent, int64_t *seq, struct error *error)
{
    struct timespec time;
    struct timespec other_time = {0};
    if (deed_folder_time(place->root_fd, intent->path, &time, error) != 0 ||
        (intent->other != NULL && deed_folder_time(place->root_fd, intent->other, &other_time, error) != 0)) {
        return -1;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", place->step);
    yyjson_mut_obj_add_str(document, fields, "deed", intent->deed);
    yyjson_mut_obj_add_str(document, fields, "path", intent->path);
    yyjson_mut_obj_add_sint(document, fields, "folder_time_sec", time.tv_sec);
    yyjson_mut_obj_add_sint(document, fields, "folder_time_nsec", time.tv_nsec);
    if (intent->other != NULL) {
        yyjson_mut_obj_add_str(document, fields, "other", intent->other);
        yyjson_mut_obj_add_sint(document, fields, "other_folder_time_sec", other_time.tv_sec);
        yyjson_mut_obj_add_sint(document, fields, "other_folder_time_nsec", other_time.tv_nsec);
        yyjson_mut_obj_add_uint(document, fields, "inode", intent->inode);
        yyjson_mut_obj_add_uint(document, fields, "other_inode", intent->other_inode);
    }
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(place->journal, "intent", fields, error);
    yyjson_mut_doc_free(document);
    *seq = (int64_t)place->journal->count;
    return result;
}

int deed_record_of(const struct deed_place *place, const char *kind, int64_t seq, bool missing, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", place->step);
    yyjson_mut_obj_add_sint(document, fields, "of", seq);
    if (missing) {
        yyjson_mut_obj_add_bool(document, fields, "missing", true);
    }
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(place->journal, kind, fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

bool deed_has_record_of(const struct journal *journal, const char *kind, int64_t seq)
{
    for (size_t i = (size_t)seq; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        if (journal_is(record, kind) && journal_get_number(record, "of") == seq) {
            return true;
        }
    }
    return false;
}

uint64_t deed_inode_at(int root_fd, const char *path)
{
    struct stat status;
    return root_lstat(root_fd, path, &status) == 0 ? (uint64_t)status.st_ino : 0;
}

bool deed_is_exchange(yyjson_val *record)
{
    return strcmp(journal_get(record, "deed"), "exchange") == 0;
}

bool deed_is_rename(yyjson_val *record)
{
    return journal_is(record, "intent") &&
           (deed_is_exchange(record) || strcmp(journal_get(record, "deed"), "move") == 0);
}

/* --- doing --------------------------------------------------------------------------------------------------------- */

int64_t deed_find_open_intent(const struct deed_place *place, const char *deed, const char *path)
{
    for (size_t i = place->journal->count; i > 0; i--) {
        yyjson_val *record = journal_record(place->journal, i - 1);
        if (journal_is(record, "intent") && strcmp(journal_get(record, "deed"), deed) == 0 &&
            strcmp(journal_get(record, "path"), path) == 0) {
            return deed_has_record_of(place->journal, "undone", (int64_t)i) ? 0 : (int64_t)i;
        }
    }
    return 0;
}

int deed_create_begin(const struct deed_place *place, const char *path, int64_t *seq, struct error *error)
{
    *seq = deed_find_open_intent(place, "create", path);
    if (*seq != 0) {
        return tree_remove(place->root_fd, path, NULL, error);
    }
    if (root_exists(place->root_fd, path)) {
        return error_set(error, CSN_TREE_WRITE, "%s is already there and is not of this run", path);
    }
    return record_intent(place, &(struct intent){.deed = "create", .path = path}, seq, error);
}

int deed_create_end(const struct deed_place *place, int64_t seq, struct error *error)
{
    return deed_record_of(place, "done", seq, false, error);
}

static int make_folder(const struct deed_place *place, const char *path, struct error *error)
{
    int64_t seq = deed_find_open_intent(place, "create", path);
    if (seq != 0 && deed_has_record_of(place->journal, "done", seq)) {
        return 0;
    }
    return deed_create_begin(place, path, &seq, error) != 0 || root_make_dirs(place->root_fd, path, 0700, error) != 0
               ? -1
               : deed_create_end(place, seq, error);
}

int deed_folder_of(const struct deed_place *place, const char *path, struct error *error)
{
    char *parent = deed_parent_of(path);
    int result = parent == NULL ? error_set(error, CSN_MEMORY, "no memory for the path %s", path)
                                : make_folder(place, parent, error);
    free(parent);
    return result;
}

/* The fence's own module says how a file of it is made and removed, and its record holds all that takes. */
static int record_fence(const struct deed_place *place, const struct fence_file *file, int64_t *seq,
                        struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", place->step);
    yyjson_mut_obj_add_str(document, fields, "deed", "fence");
    int result = document == NULL || !fence_file_to_json(document, fields, file)
                     ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                     : journal_append(place->journal, "intent", fields, error);
    yyjson_mut_doc_free(document);
    *seq = (int64_t)place->journal->count;
    return result;
}

int deed_fence(const struct deed_place *place, const struct fence_file *file, struct error *error)
{
    int64_t seq = deed_find_open_intent(place, "fence", file->path);
    if (seq == 0 && record_fence(place, file, &seq, error) != 0) {
        return -1;
    }
    if (fence_apply_one(place->root_fd, file, error) != 0) {
        return -1;
    }
    return deed_has_record_of(place->journal, "done", seq) ? 0 : deed_record_of(place, "done", seq, false, error);
}

int deed_rename_state(const struct deed_place *place, yyjson_val *record, struct error *error)
{
    const char *path = journal_get(record, "path");
    const char *other = journal_get(record, "other");
    uint64_t inode = (uint64_t)journal_get_number(record, "inode");
    uint64_t other_inode = (uint64_t)journal_get_number(record, "other_inode");
    uint64_t now = deed_inode_at(place->root_fd, path);
    uint64_t other_now = deed_inode_at(place->root_fd, other);
    if (now == inode && other_now == other_inode) {
        return 0;
    }
    if (now == other_inode && other_now == inode) {
        return 1;
    }
    /* After the release people work with what stands in the new version's place, and an editor or a copy leaves another inode
     * there. The old version, which nobody works with, tells of an exchange; the place itself of attachments that moved. */
    if (deed_released_sec(place->journal) != INT64_MAX) {
        if (deed_is_exchange(record) && (now == inode || other_now == inode)) {
            return other_now == inode;
        }
        if (!deed_is_exchange(record) && (now == 0 || other_now == 0)) {
            return other_now != 0; /* or they are gone altogether */
        }
    }
    return error_set(error, CSN_SEQUENCE_ROLLBACK_FAILED, "%s and %s are neither as before nor as after their %s", path,
                     other, deed_is_exchange(record) ? "exchange" : "move");
}

/* move is the same with nothing (inode 0) at the other place. What has its "done" is not asked of the disk again: a later
 * exchange of a folder above gives both paths another meaning. */
static int rename_both(const struct deed_place *place, const char *deed, const char *path, const char *other,
                       struct error *error)
{
    bool exchange = strcmp(deed, "exchange") == 0;
    int64_t seq = deed_find_open_intent(place, deed, path);
    int state = 0;
    if (seq != 0 && deed_has_record_of(place->journal, "done", seq)) {
        return 0;
    }
    if (seq != 0) {
        state = deed_rename_state(place, journal_record(place->journal, (size_t)seq - 1), error);
    } else {
        struct intent intent = {deed, path, other, deed_inode_at(place->root_fd, path),
                                deed_inode_at(place->root_fd, other)};
        if (intent.inode == 0 || (intent.other_inode != 0) != exchange) {
            return error_set(error, CSN_TREE_RENAME,
                             "%s cannot be exchanged with %s: one of them is missing or in the way", path, other);
        }
        state = record_intent(place, &intent, &seq, error);
    }
    if (state < 0) {
        return -1;
    }
    if (state == 0) {
        int result = exchange ? tree_exchange(place->root_fd, path, other, error)
                              : tree_move(place->root_fd, path, other, error);
        if (result != 0) {
            return -1;
        }
    }
    return deed_record_of(place, "done", seq, false, error);
}

int deed_exchange(const struct deed_place *place, const char *path, const char *other, struct error *error)
{
    return rename_both(place, "exchange", path, other, error);
}

int deed_move(const struct deed_place *place, const char *from, const char *to, struct error *error)
{
    return rename_both(place, "move", from, to, error);
}
