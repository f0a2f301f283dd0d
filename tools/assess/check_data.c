#include "assess/looking.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "assess/attachment_rows.h"
#include "lib/file.h"
#include "lib/root.h"
#include "target/installation.h"
#include "tree/path.h"
#include "tree/walk.h"

#define EXAMPLES 100

/* One that is walked; all go ahead side by side, with the rows. */
struct folder {
    const char *path; /* no link on the way, none inside another */
    struct tree_walker *walker;
    const char *head; /* the file at hand, below path; NULL: there are no more */
    bool is_named;    /* the rows at hand are meant below this one */
};

struct counting {
    int root_fd;
    struct assess_attachments *counts;
    const struct progress *progress;
    struct strings tops; /* the folders' paths */
    struct folder *folders;
    struct buffer path; /* of the rows at hand */
    bool have_rows;     /* some are */
    bool is_named;      /* they are meant below whichever folder has their file */
    bool asked;         /* where nobody asked for rows, no file is unknown */
};

/* --- both ways ----------------------------------------------------------------------------------------------------- */

/* An example is below the folder, as rows mostly are; where there are several, the folder is said. */
static int add_example(const struct counting *counting, struct strings *examples, const struct folder *folder,
                       const char *path, struct error *error)
{
    struct buffer text = {0};
    if (examples->count >= EXAMPLES) {
        return 0;
    }
    if (folder != NULL && counting->tops.count > 1) {
        buffer_format(&text, "%s/", folder->path);
    }
    buffer_string(&text, path[0] == '\0' ? "." : path);
    int result = buffer_check(&text, error) != 0 ? -1 : strings_add(examples, buffer_text(&text), error);
    buffer_free(&text);
    return result;
}

static int next_file(const struct counting *counting, struct folder *folder, struct error *error)
{
    struct tree_visit visit;
    int got;
    do {
        got = tree_walker_next(folder->walker, &visit, error);
    } while (got > 0 && (visit.event != TREE_ENTER || visit.entry->type != TREE_FILE));
    folder->head = got > 0 ? visit.entry->path : NULL;
    if (got > 0) {
        counting->counts->files++;
        counting->counts->bytes += visit.entry->size_bytes;
        struct progress_state state = {
            .doing = "counting attachments", .item = folder->head, .done_items = counting->counts->files};
        progress_tell(counting->progress, &state);
    }
    return got < 0 ? -1 : 0;
}

static int pass_unknown(const struct counting *counting, struct folder *folder, struct error *error)
{
    if (counting->asked) {
        counting->counts->unknown++;
        if (add_example(counting, &counting->counts->unknown_examples, folder, folder->head, error) != 0) {
            return -1;
        }
    }
    return next_file(counting, folder, error);
}

/* Files that come before this path, in all folders (NULL: all that are left): no row is meant for them. */
static int pass_files(const struct counting *counting, const char *path, struct error *error)
{
    for (size_t i = 0; i < counting->tops.count; i++) {
        struct folder *folder = &counting->folders[i];
        while (folder->head != NULL && (path == NULL || tree_path_compare(folder->head, path) < 0)) {
            if (pass_unknown(counting, folder, error) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* What the walk did not come by: a link that leads to a file, or a file behind a link to a folder. */
static bool is_reached(const struct counting *counting, const struct folder *folder, const char *path)
{
    struct buffer whole = {0};
    struct stat status;
    if (!tree_path_is_sound(path)) {
        return false;
    }
    buffer_format(&whole, "%s/%s", folder->path, path);
    int fd = whole.failed ? -1 : root_try_open(counting->root_fd, buffer_text(&whole), O_PATH, 0);
    bool is_file = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    file_drop(&fd);
    buffer_free(&whole);
    return is_file;
}

static int add_missing(const struct counting *counting, const struct folder *folder, struct error *error)
{
    counting->counts->missing++;
    return add_example(counting, &counting->counts->missing_examples, folder, buffer_text(&counting->path), error);
}

static bool is_reached_anywhere(const struct counting *counting, const char *path)
{
    for (size_t i = 0; i < counting->tops.count; i++) {
        if (is_reached(counting, &counting->folders[i], path)) {
            return true;
        }
    }
    return false;
}

/* All rows of one path are known, and no folder has gone past it: are their files there? */
static int settle_rows(struct counting *counting, struct error *error)
{
    const char *path = buffer_text(&counting->path);
    bool is_there = false;
    for (size_t i = 0; i < counting->tops.count; i++) {
        struct folder *folder = &counting->folders[i];
        bool is_known = counting->is_named || folder->is_named;
        bool is_matched = folder->head != NULL && strcmp(folder->head, path) == 0;
        if (is_matched &&
            (is_known ? next_file(counting, folder, error) : pass_unknown(counting, folder, error)) != 0) {
            return -1;
        }
        is_there = is_there || is_matched;
        if (folder->is_named && !is_matched && !is_reached(counting, folder, path) &&
            add_missing(counting, folder, error) != 0) {
            return -1;
        }
        folder->is_named = false;
    }
    if (counting->is_named && !is_there && !is_reached_anywhere(counting, path) &&
        add_missing(counting, NULL, error) != 0) {
        return -1;
    }
    counting->is_named = false;
    return 0;
}

static int finish_rows(struct counting *counting, struct error *error)
{
    if (!counting->have_rows) {
        return 0;
    }
    return pass_files(counting, buffer_text(&counting->path), error) != 0 ? -1 : settle_rows(counting, error);
}

static int take_row(void *context, const char *path, size_t folder, struct error *error)
{
    struct counting *counting = context;
    int order = counting->have_rows ? tree_path_compare(buffer_text(&counting->path), path) : -1;
    if (order > 0) {
        return error_set(error, CSN_DATABASE_QUERY,
                         "the database gave the path %s behind %s: it does not sort by bytes", path,
                         buffer_text(&counting->path));
    }
    if (order < 0) {
        if (finish_rows(counting, error) != 0) {
            return -1;
        }
        buffer_clear(&counting->path);
        buffer_string(&counting->path, path);
        counting->have_rows = true;
    }
    bool *is_named = folder == 0 ? &counting->is_named : &counting->folders[folder - 1].is_named;
    counting->counts->rows += !*is_named;
    counting->counts->duplicates += *is_named;
    *is_named = true;
    return buffer_check(&counting->path, error);
}

/* --- the folders --------------------------------------------------------------------------------------------------- */

/* By what absolute rows may begin with: the profile's own names of the folders, and where these lead. Both lists are parallel. */
static int find_folders(struct counting *counting, const struct strings *paths, struct strings *names,
                        struct strings *reals, struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        struct strings links = {0};
        char *real = NULL;
        char *name = strdup(paths->items[i]);
        for (size_t end = name == NULL ? 0 : strlen(name); end > 0 && name[end - 1] == '/'; end--) {
            name[end - 1] = '\0';
        }
        result = name == NULL ? error_set(error, CSN_MEMORY, "no memory for the path %s", paths->items[i])
                              : root_trace(counting->root_fd, paths->items[i], &links, &real, error);
        if (result == 0 && real != NULL &&
            (path_add_outer(&counting->tops, real, error) != 0 || strings_add(names, name, error) != 0 ||
             strings_add(reals, real, error) != 0 || strings_add(names, real, error) != 0 ||
             strings_add(reals, real, error) != 0)) {
            result = -1;
        }
        strings_free(&links);
        free(name);
        free(real);
    }
    return result;
}

static int by_length(const void *a, const void *b)
{
    size_t left = strlen(((const struct attachment_place *)a)->path);
    size_t right = strlen(((const struct attachment_place *)b)->path);
    return left > right ? -1 : left < right;
}

/* The longest first: a folder inside another one, or a link there to one. */
static void fill_places(const struct counting *counting, const struct strings *names, const struct strings *reals,
                        struct attachment_place *places)
{
    for (size_t i = 0; i < names->count; i++) {
        size_t top = 0;
        while (!path_is_inside(reals->items[i], counting->tops.items[top])) {
            top++;
        }
        const char *inner = reals->items[i] + strlen(counting->tops.items[top]);
        places[i] = (struct attachment_place){names->items[i], top + 1, inner + strspn(inner, "/")};
    }
    if (names->count > 1) {
        qsort(places, names->count, sizeof *places, by_length);
    }
}

static int open_folders(struct counting *counting, struct error *error)
{
    static const struct tree_walk_options options = {0};
    for (size_t i = 0; i < counting->tops.count; i++) {
        struct folder *folder = &counting->folders[i];
        folder->path = counting->tops.items[i];
        folder->walker = tree_walker_open(counting->root_fd, folder->path, &options, error);
        if (folder->walker == NULL || next_file(counting, folder, error) != 0) {
            return -1;
        }
    }
    return 0;
}

int assess_count_attachments(int root_fd, const struct profile *profile, const struct query_target *database,
                             const struct progress *progress, struct assess_attachments *counts, struct error *error)
{
    struct counting counting = {.root_fd = root_fd, .counts = counts, .progress = progress};
    struct strings names = {0};
    struct strings reals = {0};
    struct attachment_place *places = NULL;
    *counts = (struct assess_attachments){0};
    if (profile->attachments.count == 0) {
        return 0;
    }
    counting.asked = database != NULL && database->host != NULL && profile->query_attachments != NULL;
    int result = find_folders(&counting, &profile->attachments, &names, &reals, error);
    if (result == 0) {
        counting.folders = calloc(counting.tops.count + 1, sizeof *counting.folders);
        places = calloc(names.count + 1, sizeof *places);
        result = counting.folders == NULL || places == NULL
                     ? error_set(error, CSN_MEMORY, "no memory for %zu folders of attachments", names.count)
                     : open_folders(&counting, error);
    }
    if (result == 0 && counting.asked) {
        struct progress_state state = {.doing = "counting attachments", .item = "the database sorts its rows"};
        progress_tell(progress, &state);
        fill_places(&counting, &names, &reals, places);
        if (attachment_rows_read(database, profile->query_attachments, places, names.count, take_row, &counting,
                                 error) != 0) {
            result = error_wrap(error, "[queries] attachments of the profile");
        }
    }
    if (result == 0 && (finish_rows(&counting, error) != 0 || pass_files(&counting, NULL, error) != 0)) {
        result = -1;
    }
    for (size_t i = 0; counting.folders != NULL && i < counting.tops.count; i++) {
        tree_walker_close(counting.folders[i].walker);
    }
    free(counting.folders);
    free(places);
    buffer_free(&counting.path);
    strings_free(&counting.tops);
    strings_free(&names);
    strings_free(&reals);
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
    assessment->attachment_rows = counts.rows;
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
