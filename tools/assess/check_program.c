#include "assess/looking.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/ini.h"
#include "lib/root.h"
#include "target/installation.h"
#include "tree/walk.h"

#define NAMED 20
#define PIECE_BYTES ((size_t)1 << 20)

/* Where a path of the profile lies inside the program tree; NULL: outside. */
static const char *inside(const struct assess_subject *subject, const char *path)
{
    const char *root = subject->target->installation.program_root;
    size_t length = strlen(root);
    return path_is_inside(path, root) && path[length] == '/' ? path + length + 1 : NULL;
}

static int read_vendor(struct looking *looking, bool *known, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const char *version = subject->target->installation.version;
    *known = package_has_manifest(subject->hops[0], version);
    if (*known && package_manifest_read(subject->hops[0], version, &looking->assessment->vendor_before, error) != 0) {
        return -1;
    }
    return package_manifest_read(subject->hops[subject->hop_count - 1], NULL, &looking->assessment->vendor_after,
                                 error);
}

/* One path as a pattern: what means something in one stands for itself. */
static int add_pattern(struct strings *patterns, const char *path, struct error *error)
{
    struct buffer pattern = {0};
    for (const char *at = path; *at != '\0'; at++) {
        buffer_format(&pattern, "%s%c", strchr("*?[\\", *at) != NULL ? "\\" : "", *at);
    }
    int result = buffer_check(&pattern, error);
    if (result == 0 && !strings_has(patterns, pattern.data)) {
        result = strings_add(patterns, pattern.data, error);
    }
    buffer_free(&pattern);
    return result;
}

/* The links in the program tree over which the profile's paths are reached: the application finds its data by them. */
static int keep_links(const struct assess_subject *subject, const struct strings *paths, struct strings *keep,
                      struct error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < paths->count; i++) {
        struct strings links = {0};
        char *real = NULL;
        result = root_trace(subject->target->root_fd, paths->items[i], &links, &real, error);
        for (size_t k = 0; result == 0 && k < links.count; k++) {
            const char *link = inside(subject, links.items[k]);
            result = link == NULL ? 0 : add_pattern(keep, link, error);
        }
        strings_free(&links);
        free(real);
    }
    return result;
}

/* Configuration inside the tree is the site's, as the profile's own patterns are; attachments there are not looked at. */
static int collect_patterns(const struct assess_subject *subject, struct strings *keep, struct strings *excludes,
                            struct error *error)
{
    const struct profile *profile = subject->target->profile;
    const struct profile *written = subject->target->installation.profile;
    for (size_t i = 0; i < profile->keep.count; i++) {
        if (strings_add(keep, profile->keep.items[i], error) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < profile->configuration.count; i++) {
        const char *path = inside(subject, profile->configuration.items[i]);
        if (path != NULL && add_pattern(keep, path, error) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < profile->attachments.count; i++) {
        const char *path = inside(subject, profile->attachments.items[i]);
        /* Kept, too: what a vendor ships in that folder is no change of the site's. */
        if (path != NULL && (add_pattern(excludes, path, error) != 0 || add_pattern(keep, path, error) != 0)) {
            return -1;
        }
    }
    return keep_links(subject, &written->configuration, keep, error) != 0
               ? -1
               : keep_links(subject, &written->attachments, keep, error);
}

/* --- what the look says -------------------------------------------------------------------------------------------- */

/* "a, b, c and 17 more" of the items that want() picks. */
static size_t name_items(const struct tree_merge *merge, bool (*want)(const struct tree_merge_item *),
                         struct buffer *names)
{
    size_t count = 0;
    for (size_t i = 0; i < merge->count; i++) {
        if (want(&merge->items[i]) && count++ < NAMED) {
            buffer_format(names, "%s%s", count == 1 ? "" : ", ", merge->items[i].path);
        }
    }
    if (count > NAMED) {
        buffer_format(names, " and %zu more", count - NAMED);
    }
    return count;
}

static bool is_unknown_executable(const struct tree_merge_item *item)
{
    bool unknown =
        item->content == TREE_CHANGE_FOREIGN || (item->content == TREE_CHANGE_UNKNOWN && item->after == NULL);
    return unknown && item->is_executable;
}

static bool is_foreign(const struct tree_merge_item *item)
{
    return item->content == TREE_CHANGE_FOREIGN && !item->is_executable;
}

static bool is_site_changed(const struct tree_merge_item *item)
{
    return item->content == TREE_CHANGE_SITE_CHANGED;
}

static int report_group(struct looking *looking, bool (*want)(const struct tree_merge_item *),
                        enum finding_severity severity, const char *check, const char *format, struct error *error)
{
    struct buffer names = {0};
    const char *own = looking->check;
    size_t count = name_items(&looking->assessment->merge, want, &names);
    looking->check = check;
    int result = count == 0 ? 0
                            : look_add(looking, severity, severity == FINDING_WARNING ? CSN_ASSESS_WARNING : CSN_NONE,
                                       error, "%zu %s: %s", count, format, buffer_text(&names));
    looking->check = own;
    buffer_free(&names);
    return result;
}

/* Names the folders, not all that is in them. */
static bool is_replaced(const struct tree_merge_item *item)
{
    bool is_folder = item->after != NULL && item->after->type == TREE_FOLDER;
    return is_folder && item->site != NULL && item->site->type != TREE_FOLDER && item->content != TREE_CHANGE_KEPT;
}

static int report_replaced(struct looking *looking, struct error *error)
{
    struct buffer names = {0};
    const char *own = looking->check;
    size_t changes = looking->assessment->merge.covered_changes;
    size_t count = name_items(&looking->assessment->merge, is_replaced, &names);
    looking->check = "replaced-folders";
    int result =
        count == 0 || changes == 0
            ? 0
            : look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
                       "%zu folders of the vendor's are links or files on the server, and stay so: %zu changes of "
                       "the new version in them do not get there: %s",
                       count, changes, buffer_text(&names));
    looking->check = own;
    buffer_free(&names);
    return result;
}

static int report_conflicts(struct looking *looking, struct error *error)
{
    const struct tree_merge *merge = &looking->assessment->merge;
    const struct assess_subject *subject = looking->subject;
    for (size_t i = 0; i < merge->count; i++) {
        if (merge->items[i].content != TREE_CHANGE_CONFLICT ||
            (subject->answer != NULL && subject->answer(subject->context, merge->items[i].path) != NULL)) {
            continue;
        }
        struct buffer key = {0};
        ini_append_key(&key, merge->items[i].path);
        int result =
            look_add(looking, FINDING_BLOCKER, CSN_ASSESS_CONFLICT, error,
                     "%s was changed by the site and by the vendor; answer in the job: [answers] %s = site or vendor",
                     merge->items[i].path, buffer_text(&key));
        buffer_free(&key);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

int check_program(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    struct assessment *assessment = looking->assessment;
    struct strings keep = {0};
    struct strings excludes = {0};
    bool known = false;
    int result = subject->hop_count == 0 ? 0 : collect_patterns(subject, &keep, &excludes, error);
    if (result != 0 || subject->hop_count == 0) {
        goto out;
    }
    struct tree_scan_options options = {.want_digests = true, .want_xattrs = true, .excludes = &excludes};
    result = read_vendor(looking, &known, error);
    if (result == 0) {
        result = tree_manifest_scan(&assessment->site, subject->target->root_fd,
                                    subject->target->installation.program_root, &options, subject->progress, error);
    }
    if (result == 0) {
        result = tree_merge_look(&assessment->merge, known ? &assessment->vendor_before : NULL, &assessment->site,
                                 &assessment->vendor_after, &keep, &subject->target->profile->generated, error);
        assessment->merge_made = result == 0;
    }
    if (result != 0) {
        goto out;
    }
    assessment->program_bytes = tree_manifest_size_bytes(&assessment->site) + assessment->site.count * 1024;
    if (!known) {
        looking->check = "vendor-manifest";
        result = look_add(
            looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
            "no package knows the vendor's files of version %s: what the site has changed there cannot be told",
            subject->target->installation.version);
        looking->check = "program";
    }
    if (result == 0 &&
        (report_conflicts(looking, error) != 0 || report_replaced(looking, error) != 0 ||
         report_group(looking, is_unknown_executable, FINDING_WARNING, "unknown-executables",
                      "executable files in the program tree are nobody's, perhaps an intruder's", error) != 0 ||
         report_group(looking, is_site_changed, FINDING_REMARK, "site-changes",
                      "files changed by the site are carried over", error) != 0 ||
         report_group(looking, is_foreign, FINDING_REMARK, "foreign-files",
                      "files are nobody's and stay in the old tree", error) != 0)) {
        result = -1;
    }
out:
    strings_free(&keep);
    strings_free(&excludes);
    return result;
}

/* --- removed interfaces -------------------------------------------------------------------------------------------- */

/* Whether an open file holds text; piece by piece, so that its size does not matter. */
static int file_holds(int fd, const char *path, const char *text, bool *holds, struct error *error)
{
    size_t length = strlen(text);
    size_t kept = 0; /* the end of the piece before: text may lie across */
    char *piece = malloc(length + PIECE_BYTES);
    ssize_t got = piece == NULL || lseek(fd, 0, SEEK_SET) < 0 ? -1 : 1;
    *holds = false;
    while (got > 0 && !*holds) {
        got = read(fd, piece + kept, PIECE_BYTES);
        size_t size = kept + (got > 0 ? (size_t)got : 0);
        *holds = got > 0 && memmem(piece, size, text, length) != NULL;
        kept = size < length ? size : length - 1;
        memmove(piece, piece + size - kept, kept);
    }
    free(piece);
    return piece == NULL ? error_set(error, CSN_MEMORY, "no memory to read %s", path)
           : got < 0     ? error_system(error, CSN_TREE_READ, "reading %s", path)
                         : 0;
}

static int look_in_open(struct looking *looking, int fd, const char *path, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    int result = 0;
    for (size_t hop = 0; result == 0 && hop < subject->hop_count; hop++) {
        const struct package *package = subject->hops[hop];
        for (size_t i = 0; result == 0 && i < package->interfaces_count; i++) {
            const struct package_interface *interface = &package->interfaces[i];
            bool used = false;
            result = file_holds(fd, path, interface->removed, &used, error);
            if (result == 0 && used) {
                result = look_add(looking, FINDING_WARNING, CSN_ASSESS_WARNING, error,
                                  "%s still uses \"%s\", which %s no longer has%s%s", path, interface->removed,
                                  package->title, interface->instead == NULL ? "" : "; use instead: ",
                                  interface->instead == NULL ? "" : interface->instead);
            }
        }
    }
    return result;
}

struct searching {
    struct looking *looking;
    const char *path; /* of the walk's start */
};

static int look_in_entry(void *context, const struct tree_visit *visit, struct error *error)
{
    const struct searching *searching = context;
    struct buffer path = {0};
    if (visit->event != TREE_ENTER || visit->entry->type != TREE_FILE) {
        return 0;
    }
    buffer_format(&path, "%s%s%s", searching->path, visit->entry->path[0] == '\0' ? "" : "/", visit->entry->path);
    int fd = openat(visit->dir_fd, visit->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    int result = buffer_check(&path, error) != 0 ? -1
                 : fd < 0                        ? error_system(error, CSN_TREE_READ, "opening %s", buffer_text(&path))
                                                 : look_in_open(searching->looking, fd, buffer_text(&path), error);
    file_drop(&fd);
    buffer_free(&path);
    return result;
}

/* A file, or all files of a folder; what is not there is another check's. Links inside are not followed. */
static int look_below(struct looking *looking, const char *path, struct error *error)
{
    const int root_fd = looking->subject->target->root_fd;
    struct searching searching = {looking, path};
    struct tree_walk_options options = {0};
    return root_exists(root_fd, path) ? tree_walk(root_fd, path, &options, look_in_entry, &searching, error) : 0;
}

/* The same over the links of the way. */
static int look_at_end(struct looking *looking, const char *path, struct error *error)
{
    struct strings links = {0};
    char *real = NULL;
    int result = root_trace(looking->subject->target->root_fd, path, &links, &real, error);
    if (result == 0 && real != NULL) {
        result = look_below(looking, real, error);
    }
    strings_free(&links);
    free(real);
    return result;
}

int check_interfaces(struct looking *looking, struct error *error)
{
    const struct assess_subject *subject = looking->subject;
    const struct tree_merge *merge = &looking->assessment->merge;
    const struct strings *configuration = &subject->target->profile->configuration;
    int result = 0;
    for (size_t i = 0; result == 0 && i < configuration->count; i++) {
        result = look_at_end(looking, configuration->items[i], error);
    }
    for (size_t i = 0; result == 0 && looking->assessment->merge_made && i < merge->count; i++) {
        const struct tree_merge_item *item = &merge->items[i];
        bool own = item->content == TREE_CHANGE_SITE_CHANGED || item->content == TREE_CHANGE_KEPT ||
                   item->content == TREE_CHANGE_CONFLICT;
        if (own && item->site != NULL && item->site->type == TREE_FILE) {
            struct buffer path = {0};
            buffer_format(&path, "%s/%s", subject->target->installation.program_root, item->path);
            result = buffer_check(&path, error) != 0 ? -1 : look_below(looking, buffer_text(&path), error);
            buffer_free(&path);
        }
    }
    return result;
}
