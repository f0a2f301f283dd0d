#include "sequence/attachments.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/root.h"
#include "repository/repository.h"
#include "sequence/listed.h"
#include "tree/compare.h"
#include "tree/exchange.h"
#include "tree/path.h"
#include "tree/remove.h"

#define STAGING_NAME ".caisson-back"
#define LIST_NAME "attachments.mtree"

struct bringing {
    struct run *run;
    int root_fd;
    struct repository *repository;
    const char *before;     /* snapshot */
    struct strings tops;    /* the attachments' folders, as recorded */
    struct strings back;    /* without the leading '/': what comes back; of a folder that is gone, the folder alone */
    struct strings folders; /* likewise: whose attributes come back: they differ, or a name in them is replaced */
    struct strings added;   /* the first LISTED_TOLD */
    uint64_t added_count;
    size_t at; /* in folders, which are in order, as the snapshot is */
};

/* --- what to do ---------------------------------------------------------------------------------------------------- */

static int on_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    struct bringing *bringing = context;
    const char *path = difference->path;
    size_t count = bringing->back.count;
    if (count > 0 && path_is_inside(path, bringing->back.items[count - 1])) {
        return 0; /* comes with its folder */
    }
    if (difference->a == NULL) {
        bringing->added_count++;
        return bringing->added_count <= LISTED_TOLD ? strings_add(&bringing->added, path, error) : 0;
    }
    bool folders = difference->a->type == TREE_FOLDER && difference->b != NULL && difference->b->type == TREE_FOLDER;
    return strings_add(folders ? &bringing->folders : &bringing->back, path, error);
}

static int by_order(const void *a, const void *b)
{
    return tree_path_compare(*(char *const *)a, *(char *const *)b);
}

/* Replacing a name changes the time of its folder, and so does the staging folder in the tops. */
static int add_parents(struct bringing *bringing, struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < bringing->back.count; i++) {
        const char *slash = strrchr(bringing->back.items[i], '/');
        char *folder =
            slash == NULL ? NULL : strndup(bringing->back.items[i], (size_t)(slash - bringing->back.items[i]));
        if (folder != NULL && !(bringing->folders.count > 0 &&
                                strcmp(bringing->folders.items[bringing->folders.count - 1], folder) == 0)) {
            result = strings_add(&bringing->folders, folder, error);
        }
        free(folder);
    }
    for (size_t i = 0; result == 0 && bringing->back.count > 0 && i < bringing->tops.count; i++) {
        result = strings_add(&bringing->folders, bringing->tops.items[i] + 1, error);
    }
    if (result == 0 && bringing->folders.count > 0) {
        qsort(bringing->folders.items, bringing->folders.count, sizeof *bringing->folders.items, by_order);
    }
    return result;
}

/* --- doing it ------------------------------------------------------------------------------------------------------ */

/* On the file system of the attachments: in their folder, which may be a mount point, or beside it where it is gone. */
static int staging_of(const struct bringing *bringing, const char *top, struct buffer *staging, struct error *error)
{
    int fd = root_try_open(bringing->root_fd, top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    size_t length = fd >= 0 ? strlen(top) : (size_t)(strrchr(top, '/') - top);
    file_drop(&fd);
    buffer_clear(staging);
    buffer_format(staging, "%.*s/" STAGING_NAME, (int)length, top);
    return buffer_check(staging, error);
}

static int put_in_place(const struct bringing *bringing, const char *staging, const struct strings *paths,
                        struct error *error)
{
    struct buffer from = {0};
    struct buffer to = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        buffer_clear(&from);
        buffer_clear(&to);
        buffer_format(&from, "%s/%s", staging, paths->items[i]);
        buffer_format(&to, "/%s", paths->items[i]);
        if (buffer_check(&from, error) != 0 || buffer_check(&to, error) != 0) {
            result = -1;
        } else if (root_exists(bringing->root_fd, to.data)) {
            result = tree_exchange(bringing->root_fd, from.data, to.data, error);
        } else {
            result = tree_move(bringing->root_fd, from.data, to.data, error);
        }
    }
    buffer_free(&from);
    buffer_free(&to);
    return result;
}

/* What lies in one folder of attachments: restored aside, put into place name by name, and what stood there (it is in the
 * backup of the work) removed. */
static int bring_back_below(struct bringing *bringing, const char *top, struct error *error)
{
    const struct progress *progress = &bringing->run->console->progress;
    struct strings paths = {0};
    struct buffer staging = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < bringing->back.count; i++) {
        if (path_is_inside(bringing->back.items[i], top + 1)) {
            result = strings_add(&paths, bringing->back.items[i], error);
        }
    }
    if (result == 0 && paths.count > 0) {
        struct repository_restore_summary summary;
        result = staging_of(bringing, top, &staging, error);
        struct repository_selection selection = {
            .paths = &paths, .root_fd = bringing->root_fd, .place = buffer_text(&staging)};
        if (result == 0 &&
            (tree_remove(bringing->root_fd, staging.data, progress, error) != 0 ||
             root_make_dirs(bringing->root_fd, staging.data, 0700, error) != 0 ||
             repository_restore(bringing->repository, bringing->before, &selection, progress, &summary, error) != 0 ||
             put_in_place(bringing, staging.data, &paths, error) != 0 ||
             tree_remove(bringing->root_fd, staging.data, progress, error) != 0)) {
            result = -1;
        }
    }
    strings_free(&paths);
    buffer_free(&staging);
    return result;
}

/* Each folder of the list gets the attributes that it had. */
static int on_entry(void *context, const struct repository_entry *visited, struct error *error)
{
    const struct tree_entry *entry = visited->tree;
    struct bringing *bringing = context;
    const struct strings *folders = &bringing->folders;
    while (bringing->at < folders->count && tree_path_compare(folders->items[bringing->at], entry->path) < 0) {
        bringing->at++;
    }
    if (entry->type != TREE_FOLDER || bringing->at == folders->count ||
        strcmp(folders->items[bringing->at], entry->path) != 0) {
        return 0;
    }
    int fd = root_open(bringing->root_fd, entry->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, error);
    int result = fd < 0 ? -1 : tree_entry_apply_fd(fd, entry, NULL, error);
    file_drop(&fd);
    return result;
}

static int record(const struct bringing *bringing, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    bool lost = bringing->before == NULL;
    if (!lost) {
        yyjson_mut_obj_add_str(document, fields, "snapshot", bringing->before);
    }
    yyjson_mut_obj_add_uint(document, fields, lost ? "lost" : "restored", bringing->back.count);
    listed_add_paths(document, fields, lost ? "lost_paths" : "restored_paths", &bringing->back);
    yyjson_mut_obj_add_uint(document, fields, "added", bringing->added_count);
    listed_add_paths(document, fields, "added_paths", &bringing->added);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&bringing->run->journal,
                                                   lost ? "attachments-lost" : "attachments-back", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* As the snapshot records them: what a link of the profile leads to, where it is. */
static int find_tops(struct bringing *bringing, struct error *error)
{
    return listed_tops(bringing->root_fd, &bringing->run->target.profile->attachments, &bringing->tops, error);
}

static void tell(const struct bringing *bringing)
{
    struct console *console = bringing->run->console;
    const struct strings *back = &bringing->back;
    if (back->count > 0 && bringing->before != NULL) {
        console_say(console, "  %zu attachments that were changed or removed since are as they were", back->count);
    } else if (back->count > 0) {
        console_say(console,
                    "  %zu attachments were changed or removed since and stay so, there was no backup:", back->count);
        listed_show(console, back);
    }
    if (bringing->added_count > 0) {
        console_say(console, "  %llu attachments that were added since stay where they are",
                    (unsigned long long)bringing->added_count);
    }
}

static void bringing_free(struct bringing *bringing)
{
    repository_close(bringing->repository);
    strings_free(&bringing->tops);
    strings_free(&bringing->back);
    strings_free(&bringing->folders);
    strings_free(&bringing->added);
}

int attachments_bring_back(struct run *run, const char *before, const char *since, struct error *error)
{
    struct bringing bringing = {.run = run, .root_fd = run->site.place.root_fd, .before = before};
    int result = find_tops(&bringing, error);
    if (result == 0) {
        bringing.repository = run_open_repository(run, REPOSITORY_READ, error);
        result = bringing.repository == NULL ? -1 : 0;
    }
    if (result == 0 &&
        (repository_diff(bringing.repository, before, since, &bringing.tops, on_difference, &bringing, error) != 0 ||
         add_parents(&bringing, error) != 0)) {
        result = -1;
    }
    for (size_t i = 0; result == 0 && i < bringing.tops.count; i++) {
        result = bring_back_below(&bringing, bringing.tops.items[i], error);
    }
    if (result == 0 && bringing.folders.count > 0) {
        result = repository_iterate(bringing.repository, before, NULL, on_entry, &bringing, error);
    }
    if (result == 0) {
        result = record(&bringing, error);
        tell(&bringing);
    }
    bringing_free(&bringing);
    return result;
}

/* --- where nothing was kept ---------------------------------------------------------------------------------------- */

int attachments_list(struct run *run, struct error *error)
{
    struct bringing bringing = {.run = run, .root_fd = run->site.place.root_fd};
    int result = find_tops(&bringing, error) != 0 ? -1 : listed_write(run, LIST_NAME, &bringing.tops, false, error);
    bringing_free(&bringing);
    return result;
}

int attachments_name_lost(struct run *run, struct error *error)
{
    struct bringing bringing = {.run = run, .root_fd = run->site.place.root_fd};
    struct tree_manifest before = {0};
    struct tree_manifest now = {0};
    struct tree_compare_counts counts;
    const struct tree_compare_options options = {.ignore_folder_mtime = true};
    struct error unread = {0};
    int result = -1;
    if (listed_read(run, LIST_NAME, &before, &unread) != 0) {
        console_say(run->console, "  attachments that were changed or removed since stay so; which, nobody knows: %s",
                    unread.message);
        result = journal_note(&run->journal, error, "attachments-lost", "unknown", unread.message, NULL);
    } else if (find_tops(&bringing, error) == 0 && listed_scan(run, &bringing.tops, false, &now, error) == 0 &&
               tree_compare_manifests(&before, &now, &options, on_difference, &bringing, &counts, error) == 0) {
        result = 0;
        for (size_t i = 0; result == 0 && i < bringing.folders.count; i++) {
            result = strings_add(&bringing.back, bringing.folders.items[i], error);
        }
        if (result == 0) {
            result = record(&bringing, error);
            tell(&bringing);
        }
    }
    tree_manifest_free(&before);
    tree_manifest_free(&now);
    bringing_free(&bringing);
    return result;
}

bool attachments_are_lost(const struct journal *journal)
{
    yyjson_val *lost = journal_last(journal, "attachments-lost");
    return journal_get_number(lost, "lost") > 0 || journal_get(lost, "unknown")[0] != '\0';
}

bool attachments_were_added(const struct journal *journal)
{
    return journal_get_number(journal_last(journal, "attachments-back"), "added") > 0 ||
           journal_get_number(journal_last(journal, "attachments-lost"), "added") > 0;
}
