#include "sequence/carry.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/json.h"
#include "lib/root.h"
#include "tree/copy.h"
#include "tree/remove.h"

#define LISTED 1000 /* of each kind in the record; the counts are whole */

struct carrying {
    struct run *run;
    const struct site *site;
    const char *staged;
    yyjson_mut_doc *document;
    yyjson_mut_val *fields;
    char *folder; /* copied as a whole last: what follows inside it is done */
};

static void list(struct carrying *carrying, const char *key, const char *path, const char *answer)
{
    yyjson_mut_val *array = yyjson_mut_obj_get(carrying->fields, key);
    if (array == NULL) {
        array = yyjson_mut_obj_add_arr(carrying->document, carrying->fields, key);
    }
    if (yyjson_mut_arr_size(array) < LISTED) {
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(carrying->document, array);
        json_add_bytes(carrying->document, item, "path", path, strlen(path));
        if (answer != NULL) {
            yyjson_mut_obj_add_str(carrying->document, item, "answer", answer);
        }
    }
}

static char *below(const char *folder, const char *path, struct error *error)
{
    struct buffer joined = {0};
    buffer_format(&joined, "%s/%s", folder, path);
    char *text = buffer_take(&joined);
    if (text == NULL) {
        error_set(error, CSN_MEMORY, "no memory for a path");
    }
    return text;
}

/* The site's file (or link, or whole folder) replaces what stands at its place in the new tree. */
static int copy_item(struct carrying *carrying, const char *path, bool is_folder, struct error *error)
{
    int root_fd = carrying->site->place.root_fd;
    char *from = below(carrying->run->target.installation.program_root, path, error);
    char *to = below(carrying->staged, path, error);
    char *parent = to == NULL ? NULL : strndup(to, (size_t)(strrchr(to, '/') - to));
    int result = from == NULL || parent == NULL ? -1 : 0;
    struct stat status;
    if (result == 0 && is_folder && root_lstat(root_fd, to, &status) == 0 && S_ISDIR(status.st_mode)) {
        goto out; /* its content comes item by item */
    }
    struct tree_copy_options options = {.leave_unsynced = true};
    if (result == 0 &&
        (tree_remove(root_fd, to, NULL, error) != 0 || root_make_dirs(root_fd, parent, 0755, error) != 0 ||
         tree_copy(root_fd, from, root_fd, to, &options, NULL, NULL, error) != 0)) {
        result = error_wrap(error, "carrying %s over into the new version", path);
    }
    if (result == 0 && is_folder) {
        free(carrying->folder);
        carrying->folder = strdup(path);
    }
out:
    free(from);
    free(to);
    free(parent);
    return result;
}

/* Only owner and mode were the site's: they are put on the new version's file. */
static int copy_attributes(struct carrying *carrying, const struct tree_merge_item *item, struct error *error)
{
    char *to = below(carrying->staged, item->path, error);
    const char *name = NULL;
    int parent_fd = to == NULL ? -1 : root_open_parent(carrying->site->place.root_fd, to, &name, error);
    int result = parent_fd < 0 ? -1 : 0;
    if (result == 0 && (fchownat(parent_fd, name, item->site->uid, item->site->gid, AT_SYMLINK_NOFOLLOW) != 0 ||
                        (item->site->type != TREE_LINK && fchmodat(parent_fd, name, item->site->mode, 0) != 0))) {
        result = error_system(error, CSN_TREE_ATTRIBUTE, "carrying owner and mode of %s over", item->path);
    }
    file_drop(&parent_fd);
    free(to);
    return result;
}

static int remove_item(struct carrying *carrying, const char *path, struct error *error)
{
    char *to = below(carrying->staged, path, error);
    int result = to == NULL ? -1 : tree_remove(carrying->site->place.root_fd, to, NULL, error);
    free(to);
    return result;
}

static int carry_item(struct carrying *carrying, const struct tree_merge_item *item, bool kept_only,
                      struct error *error)
{
    bool is_folder = item->site != NULL && item->site->type == TREE_FOLDER;
    if (carrying->folder != NULL && path_is_inside(item->path, carrying->folder)) {
        return 0;
    }
    if (item->content == TREE_CHANGE_KEPT) {
        list(carrying, "kept", item->path, NULL);
        return item->site == NULL ? 0 : copy_item(carrying, item->path, is_folder, error);
    }
    if (kept_only) {
        return 0;
    }
    const char *answer = job_answer(&carrying->run->job, item->path);
    switch (item->content) {
    case TREE_CHANGE_SITE_CHANGED:
        list(carrying, "site_changed", item->path, NULL);
        return copy_item(carrying, item->path, is_folder, error);
    case TREE_CHANGE_SITE_REMOVED:
        list(carrying, "site_removed", item->path, NULL);
        return remove_item(carrying, item->path, error);
    case TREE_CHANGE_CONFLICT:
        list(carrying, "conflicts", item->path, answer == NULL ? "none" : answer);
        if (answer == NULL) {
            return error_set(error, CSN_ASSESS_CONFLICT,
                             "%s was changed by the site and by the vendor, and the job has no answer", item->path);
        }
        if (strcmp(answer, "site") != 0) {
            return 0;
        }
        return item->site == NULL ? remove_item(carrying, item->path, error)
                                  : copy_item(carrying, item->path, is_folder, error);
    case TREE_CHANGE_FOREIGN: list(carrying, "foreign", item->path, NULL); return 0;
    case TREE_CHANGE_UNKNOWN: list(carrying, "unknown", item->path, NULL); return 0;
    default: break;
    }
    if (item->attributes == TREE_CHANGE_SITE_CHANGED && item->site != NULL && item->after != NULL) {
        list(carrying, "site_attributes", item->path, NULL);
        return copy_attributes(carrying, item, error);
    }
    return 0;
}

int carry_over(struct run *run, const struct site *site, const char *staged, bool kept_only, struct error *error)
{
    struct carrying carrying = {.run = run, .site = site, .staged = staged, .document = yyjson_mut_doc_new(NULL)};
    carrying.fields = yyjson_mut_obj(carrying.document);
    int result = carrying.document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record") : 0;
    const struct tree_merge *merge = &run->assessment.merge;
    for (size_t i = 0; result == 0 && i < merge->count; i++) {
        result = carry_item(&carrying, &merge->items[i], kept_only, error);
    }
    if (result == 0 && !kept_only) {
        for (int i = 0; i < TREE_CHANGE_COUNT; i++) {
            if (merge->content_counts[i] > 0) {
                struct buffer key = {0};
                buffer_format(&key, "count_%s", tree_change_name((enum tree_change)i));
                yyjson_mut_obj_add(carrying.fields, yyjson_mut_strcpy(carrying.document, buffer_text(&key)),
                                   yyjson_mut_uint(carrying.document, merge->content_counts[i]));
                buffer_free(&key);
            }
        }
        result = journal_append(site->place.journal, "merge", carrying.fields, error);
    }
    free(carrying.folder);
    yyjson_mut_doc_free(carrying.document);
    return result;
}
