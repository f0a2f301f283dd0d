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
#include "tree/path.h"
#include "tree/remove.h"

#define LISTED 1000 /* of each kind in the record; the counts are whole */

struct carrying {
    struct run *run;
    const struct site *site;
    int staged_fd; /* the new tree; no path of it leads out: a link of the site's may point at what it was a folder of */
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
    int staged_fd = carrying->staged_fd;
    char *from = below(carrying->run->target.installation.program_root, path, error);
    const char *slash = strrchr(path, '/');
    char *parent = strndup(path, slash == NULL ? 0 : (size_t)(slash - path));
    int result = from == NULL || parent == NULL ? -1 : 0;
    struct stat status;
    if (result == 0 && is_folder && root_lstat(staged_fd, path, &status) == 0 && S_ISDIR(status.st_mode)) {
        goto out; /* its content comes item by item */
    }
    struct tree_copy_options options = {.leave_unsynced = true};
    if (result == 0 && (tree_remove(staged_fd, path, NULL, error) != 0 ||
                        (parent[0] != '\0' && root_make_dirs(staged_fd, parent, 0755, error) != 0) ||
                        tree_copy(root_fd, from, staged_fd, path, &options, NULL, NULL, error) != 0)) {
        result = error_wrap(error, "carrying %s over into the new version", path);
    }
    if (result == 0 && is_folder) {
        free(carrying->folder);
        carrying->folder = strdup(path);
    }
out:
    free(from);
    free(parent);
    return result;
}

/* Gives what stands at path in the new tree attributes of an entry of the site's: those in aspects. Nothing where it does not
 * stand there, or only over a link. */
static int apply_to(struct carrying *carrying, const char *path, const struct tree_entry *from, unsigned aspects,
                    struct error *error)
{
    const char *name = NULL;
    int parent_fd = tree_path_open_parent(carrying->staged_fd, path, &name);
    struct tree_entry now = {0};
    struct error reading = {0};
    int result = parent_fd < 0 ? 0 : tree_entry_read(&now, parent_fd, name, path, true, &reading);
    if (parent_fd < 0 || (result != 0 && reading.code == CSN_NOT_FOUND)) {
        file_drop(&parent_fd);
        return 0;
    }
    if (result != 0) {
        file_drop(&parent_fd);
        return error_set(error, reading.code, "%s", reading.message);
    }
    /* Setting an owner takes set-user-id away and an ACL changes the mode: the mode is always set, after both. */
    struct tree_entry wanted = now;
    wanted.known &= TREE_ASPECT_TYPE | TREE_ASPECT_OWNER | TREE_ASPECT_XATTRS | TREE_ASPECT_MODE;
    if ((aspects & TREE_ASPECT_MODE) != 0) {
        wanted.mode = from->mode;
    }
    if ((aspects & TREE_ASPECT_OWNER) != 0) {
        wanted.uid = from->uid;
        wanted.gid = from->gid;
    }
    if ((aspects & TREE_ASPECT_XATTRS) != 0) {
        wanted.xattrs = from->xattrs;
        wanted.xattr_count = from->xattr_count;
    }
    if (tree_entry_apply(parent_fd, name, &wanted, NULL, error) != 0) {
        result = error_wrap(error, "carrying owner, mode and attributes of %s over", path);
    }
    tree_entry_free(&now);
    file_drop(&parent_fd);
    return result;
}

/* The application makes the content anew, but may not be able to make the folder. */
static int make_folder(struct carrying *carrying, const struct tree_merge_item *item, struct error *error)
{
    return root_make_dirs(carrying->staged_fd, item->path, 0755, error) != 0
               ? -1
               : apply_to(carrying, item->path, item->site, TREE_ASPECT_MODE | TREE_ASPECT_OWNER | TREE_ASPECT_XATTRS,
                          error);
}

/* Where a folder of the vendor's is a link of the site's, nothing below it is the new tree's to remove. */
static int remove_item(struct carrying *carrying, const char *path, struct error *error)
{
    const char *name = NULL;
    int parent_fd = tree_path_open_parent(carrying->staged_fd, path, &name);
    int result = parent_fd < 0 ? 0 : tree_remove(parent_fd, name, NULL, error);
    file_drop(&parent_fd);
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
    if (item->content == TREE_CHANGE_GENERATED) {
        return is_folder && item->after == NULL ? make_folder(carrying, item, error) : 0;
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
        return apply_to(carrying, item->path, item->site, TREE_ASPECT_MODE, error);
    }
    return 0;
}

/* --- owners and other attributes ----------------------------------------------------------------------------------- */

/* The entry of the site's tree for path, or of the deepest folder above it that is there; *is_same: it is path's own, of the same
 * type. */
static const struct tree_entry *find_site(const struct tree_manifest *tree, const struct tree_entry *entry,
                                          bool *is_same, struct error *error)
{
    const struct tree_entry *found = tree_manifest_find(tree, entry->path);
    *is_same = found != NULL && found->type == entry->type;
    if (*is_same) {
        return found;
    }
    char *path = strdup(entry->path);
    if (path == NULL) {
        error_set(error, CSN_MEMORY, "no memory for a path");
        return NULL;
    }
    do {
        char *slash = strrchr(path, '/');
        *(slash == NULL ? path : slash) = '\0';
        found = tree_manifest_find(tree, path);
    } while (path[0] != '\0' && (found == NULL || found->type != TREE_FOLDER));
    free(path);
    if (found == NULL) {
        error_set(error, CSN_INTERNAL, "the program tree was looked at without its top folder");
    }
    return found;
}

/* Whom SELinux lets at it, a new file takes from the folder it comes into. */
static struct tree_xattr *find_label(const struct tree_entry *folder)
{
    for (size_t i = 0; i < folder->xattr_count; i++) {
        if (strcmp(folder->xattrs[i].name, "security.selinux") == 0) {
            return &folder->xattrs[i];
        }
    }
    return NULL;
}

/* Vendors' packages know neither owners nor attributes. A path whose owner is not that of the tree's top keeps it (a folder that
 * the application writes to), and what is new in it has the same; all that were set on a path are on the new one, too. */
static int carry_attributes_of(struct carrying *carrying, const struct tree_entry *entry, const struct tree_entry *top,
                               struct error *error)
{
    bool is_same = false;
    const struct tree_entry *site = find_site(&carrying->run->assessment.site, entry, &is_same, error);
    if (site == NULL) {
        return -1;
    }
    if (!is_same && tree_manifest_find(&carrying->run->assessment.site, entry->path) != NULL) {
        return 0; /* of another type: what stands there now is the site's, with its own, or the vendor's alone */
    }
    struct tree_entry wanted = *site;
    bool is_top = entry->path[0] == '\0';
    unsigned aspects = site->uid != top->uid || site->gid != top->gid ? TREE_ASPECT_OWNER : 0;
    if (!is_same) {
        wanted.xattrs = find_label(site);
        wanted.xattr_count = wanted.xattrs == NULL ? 0 : 1;
    }
    aspects |= wanted.xattr_count > 0 ? TREE_ASPECT_XATTRS : 0;
    if (is_top) {
        /* The merge leaves the top out. A site that closed it to others wants it closed. */
        const struct tree_entry *before = tree_manifest_find(&carrying->run->assessment.vendor_before, "");
        aspects |= before == NULL || before->mode != site->mode ? TREE_ASPECT_MODE : 0;
    }
    if (aspects == 0) {
        return 0;
    }
    if (!is_top && is_same && (aspects & TREE_ASPECT_OWNER) != 0) {
        list(carrying, "site_attributes", entry->path, NULL);
    }
    return apply_to(carrying, entry->path, &wanted, aspects, error);
}

static int carry_attributes(struct carrying *carrying, const struct package *package, struct error *error)
{
    struct tree_manifest tree = {0};
    const struct tree_entry *top = tree_manifest_find(&carrying->run->assessment.site, "");
    int result = top == NULL ? error_set(error, CSN_INTERNAL, "the program tree was looked at without its top folder")
                             : package_manifest_read(package, NULL, &tree, error);
    for (size_t i = 0; result == 0 && i < tree.count; i++) {
        result = carry_attributes_of(carrying, &tree.entries[i], top, error);
    }
    tree_manifest_free(&tree);
    return result;
}

static int carry_items(struct carrying *carrying, bool kept_only, struct error *error)
{
    const struct tree_merge *merge = &carrying->run->assessment.merge;
    for (size_t i = 0; i < merge->count; i++) {
        if (carry_item(carrying, &merge->items[i], kept_only, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int record_merge(struct carrying *carrying, struct error *error)
{
    const struct tree_merge *merge = &carrying->run->assessment.merge;
    for (int i = 0; i < TREE_CHANGE_COUNT; i++) {
        if (merge->content_counts[i] > 0) {
            struct buffer key = {0};
            buffer_format(&key, "count_%s", tree_change_name((enum tree_change)i));
            yyjson_mut_obj_add(carrying->fields, yyjson_mut_strcpy(carrying->document, buffer_text(&key)),
                               yyjson_mut_uint(carrying->document, merge->content_counts[i]));
            buffer_free(&key);
        }
    }
    return journal_append(carrying->site->place.journal, "merge", carrying->fields, error);
}

int carry_over(struct run *run, const struct site *site, size_t hop, const char *staged, struct error *error)
{
    struct carrying carrying = {
        .run = run,
        .site = site,
        .staged_fd = root_open(site->place.root_fd, staged, O_RDONLY | O_DIRECTORY, 0, error),
        .document = yyjson_mut_doc_new(NULL),
    };
    bool last = hop + 1 == run->hop_count;
    carrying.fields = yyjson_mut_obj(carrying.document);
    int result = carrying.staged_fd < 0 ? -1 : 0;
    if (result == 0 && carrying.document == NULL) {
        result = error_set(error, CSN_MEMORY, "no memory for a journal record");
    }
    if (result == 0 &&
        (carry_items(&carrying, !last, error) != 0 || carry_attributes(&carrying, run->hops[hop], error) != 0 ||
         (last && record_merge(&carrying, error) != 0))) {
        result = -1;
    }
    free(carrying.folder);
    yyjson_mut_doc_free(carrying.document);
    file_drop(&carrying.staged_fd);
    return result;
}
