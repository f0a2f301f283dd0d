#include "assess/looking.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/root.h"
#include "tree/walk.h"

#define EXAMPLES 100

/* --- attachments --------------------------------------------------------------------------------------------------- */

struct counting {
    int root_fd;
    const char *folder; /* the first attachments folder: what rows are relative to */
    struct assess_attachments *counts;
    uint64_t matched;
    const struct progress *progress;
    char **rows; /* sorted, to look files up in */
    size_t row_count, row_room;
};

static int compare_rows(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int take_row(void *context, const struct query_row *row, struct error *error)
{
    struct counting *counting = context;
    if (row->values[0] == NULL || row->values[0][0] == '\0') {
        return 0;
    }
    if (counting->row_count == counting->row_room) {
        size_t room = counting->row_room == 0 ? 1024 : counting->row_room * 2;
        char **grown = realloc(counting->rows, room * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu attachments", room);
        }
        counting->rows = grown;
        counting->row_room = room;
    }
    const char *path = row->values[0] + strspn(row->values[0], "/");
    counting->rows[counting->row_count] = strdup(path);
    return counting->rows[counting->row_count++] == NULL ? error_set(error, CSN_MEMORY, "no memory for the attachments")
                                                         : 0;
}

static int see_file(void *context, const struct tree_visit *visit, struct error *error)
{
    struct counting *counting = context;
    if (visit->event != TREE_ENTER || visit->entry->type != TREE_FILE) {
        return 0;
    }
    struct assess_attachments *counts = counting->counts;
    counts->files++;
    counts->bytes += visit->entry->size_bytes;
    struct progress_state state = {
        .doing = "counting attachments", .item = visit->entry->path, .done_items = counts->files};
    progress_tell(counting->progress, &state);
    const char *path = visit->entry->path;
    if (counting->rows != NULL &&
        bsearch(&path, counting->rows, counting->row_count, sizeof counting->rows[0], compare_rows) == NULL) {
        counts->unknown++;
        if (counts->unknown_examples.count < EXAMPLES) {
            return strings_add(&counts->unknown_examples, path, error);
        }
    }
    return 0;
}

static int look_rows(struct counting *counting, struct error *error)
{
    struct assess_attachments *counts = counting->counts;
    for (size_t i = 0; i < counting->row_count; i++) {
        struct buffer path = {0};
        struct stat status;
        if (i > 0 && strcmp(counting->rows[i], counting->rows[i - 1]) == 0) {
            continue;
        }
        counts->rows++;
        buffer_format(&path, "%s/%s", counting->folder, counting->rows[i]);
        bool there = root_lstat(counting->root_fd, buffer_text(&path), &status) == 0;
        buffer_free(&path);
        if (!there) {
            counts->missing++;
            if (counts->missing_examples.count < EXAMPLES &&
                strings_add(&counts->missing_examples, counting->rows[i], error) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int assess_count_attachments(int root_fd, const struct profile *profile, const struct query_target *database,
                             const struct progress *progress, struct assess_attachments *counts, struct error *error)
{
    struct counting counting = {.root_fd = root_fd, .counts = counts, .progress = progress};
    struct query_session *session = NULL;
    *counts = (struct assess_attachments){0};
    int result = 0;
    if (profile->attachments.count == 0) {
        return 0;
    }
    counting.folder = profile->attachments.items[0];
    if (database != NULL && database->host != NULL && profile->query_attachments != NULL) {
        result = query_open(database, 0, &session, error);
        if (result == 0) {
            result = query_run(session, profile->query_attachments, NULL, 0, NULL, take_row, &counting, error);
        }
        query_close(session);
        if (counting.row_count > 1) {
            qsort(counting.rows, counting.row_count, sizeof counting.rows[0], compare_rows);
        }
        if (result == 0) {
            result = look_rows(&counting, error);
        }
    }
    struct tree_walk_options options = {0};
    for (size_t i = 0; result == 0 && i < profile->attachments.count; i++) {
        if (root_exists(root_fd, profile->attachments.items[i])) {
            result = tree_walk(root_fd, profile->attachments.items[i], &options, see_file, &counting, error);
        }
    }
    for (size_t i = 0; i < counting.row_count; i++) {
        free(counting.rows[i]);
    }
    free(counting.rows);
    return result;
}

void assess_attachments_free(struct assess_attachments *counts)
{
    strings_free(&counts->missing_examples);
    strings_free(&counts->unknown_examples);
}

int check_attachments(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct assessment *assessment = looking->assessment;
    struct assess_attachments counts;
    struct error why = {0};
    int result = 0;
    if (assess_count_attachments(subject->target->root_fd, subject->target->profile, subject->database,
                                 subject->progress, &counts, &why) != 0) {
        result = look_add(looking, FINDING_BLOCKER, why.code, error, "%s", why.message);
    }
    assessment->attachment_files = counts.files;
    assessment->attachment_bytes = counts.bytes;
    assessment->attachments_missing = counts.missing;
    assessment->attachments_unknown = counts.unknown;
    if (result == 0 && counts.missing > 0) {
        looking->check = "attachments-missing";
        result = look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
                          "%llu of %llu rows have no file, the first is %s", (unsigned long long)counts.missing,
                          (unsigned long long)counts.rows, counts.missing_examples.items[0]);
    }
    if (result == 0 && counts.unknown > 0) {
        looking->check = "attachments-unknown";
        result = look_add(looking, FINDING_REMARK, CSN_NONE, error,
                          "%llu of %llu files belong to no row, the first is %s", (unsigned long long)counts.unknown,
                          (unsigned long long)counts.files, counts.unknown_examples.items[0]);
    }
    assess_attachments_free(&counts);
    return result;
}
