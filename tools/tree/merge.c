#include "tree/merge.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tree/path.h"

#define SUBSTANCE (TREE_ASPECT_TYPE | TREE_ASPECT_CONTENT | TREE_ASPECT_TARGET | TREE_ASPECT_DEVICE)
#define ATTRIBUTES (TREE_ASPECT_MODE | TREE_ASPECT_OWNER)

static bool same(const struct tree_entry *a, const struct tree_entry *b, unsigned aspects)
{
    return (tree_entry_compare(a, b) & aspects) == 0;
}

/* All three are there: who changed what of `aspects`? */
static enum tree_change judge_three(const struct tree_entry *before, const struct tree_entry *site,
                                    const struct tree_entry *after, unsigned aspects)
{
    bool site_kept = same(before, site, aspects);
    bool vendor_kept = same(before, after, aspects);
    if (site_kept) {
        return vendor_kept ? TREE_CHANGE_NONE : TREE_CHANGE_VENDOR_CHANGED;
    }
    if (vendor_kept) {
        return TREE_CHANGE_SITE_CHANGED;
    }
    return same(site, after, aspects) ? TREE_CHANGE_BOTH_SAME : TREE_CHANGE_CONFLICT;
}

static enum tree_change judge_content(const struct tree_merge_item *item)
{
    const struct tree_entry *before = item->before;
    const struct tree_entry *site = item->site;
    const struct tree_entry *after = item->after;
    if (before != NULL) {
        if (site != NULL && after != NULL) {
            return judge_three(before, site, after, SUBSTANCE);
        }
        if (site != NULL) {
            return same(before, site, SUBSTANCE) ? TREE_CHANGE_VENDOR_REMOVED : TREE_CHANGE_CONFLICT;
        }
        if (after != NULL) {
            return same(before, after, SUBSTANCE) ? TREE_CHANGE_SITE_REMOVED : TREE_CHANGE_CONFLICT;
        }
        return TREE_CHANGE_BOTH_SAME;
    }
    if (site != NULL && after != NULL) {
        return same(site, after, SUBSTANCE) ? TREE_CHANGE_BOTH_SAME : TREE_CHANGE_CONFLICT;
    }
    return site != NULL ? TREE_CHANGE_FOREIGN : TREE_CHANGE_VENDOR_ADDED;
}

static enum tree_change judge_attributes(const struct tree_merge_item *item)
{
    if (item->before == NULL || item->site == NULL || item->after == NULL || item->before->type != item->site->type ||
        item->site->type != item->after->type) {
        return TREE_CHANGE_NONE;
    }
    return judge_three(item->before, item->site, item->after, ATTRIBUTES);
}

/* Without the old manifest nobody can tell whose a difference is. */
static void judge_unknown(struct tree_merge_item *item)
{
    bool is_pair = item->site != NULL && item->after != NULL;
    item->content = is_pair && same(item->site, item->after, SUBSTANCE) ? TREE_CHANGE_BOTH_SAME : TREE_CHANGE_UNKNOWN;
    if (is_pair && item->site->type == item->after->type) {
        item->attributes = same(item->site, item->after, ATTRIBUTES) ? TREE_CHANGE_BOTH_SAME : TREE_CHANGE_UNKNOWN;
    }
}

static int check_digest(const struct tree_entry *entry, const char *whose, struct error *error)
{
    if (entry != NULL && entry->type == TREE_FILE && !entry->has_digest) {
        return error_set(error, CSN_TREE_MANIFEST, "%s manifest has no SHA-256 of \"%s\"", whose, entry->path);
    }
    return 0;
}

/* A folder that the site replaced hides what the vendor has in it. Which of the two is to be is asked of the folder alone. */
static bool hides(const struct tree_merge_item *item)
{
    bool is_folder = (item->before != NULL && item->before->type == TREE_FOLDER) ||
                     (item->after != NULL && item->after->type == TREE_FOLDER);
    return is_folder && item->site != NULL && item->site->type != TREE_FOLDER;
}

static bool is_below(const char *path, const struct tree_merge_item *folder)
{
    size_t length = folder == NULL ? 0 : strlen(folder->path);
    return folder != NULL && strncmp(path, folder->path, length) == 0 && path[length] == '/';
}

static void cover(struct tree_merge *merge, struct tree_merge_item *item)
{
    item->content = TREE_CHANGE_COVERED;
    item->attributes = TREE_CHANGE_NONE;
    merge->content_counts[item->content]++;
    merge->attribute_counts[item->attributes]++;
    merge->covered_changes +=
        item->before != NULL && item->after != NULL && same(item->before, item->after, SUBSTANCE) ? 0 : 1;
}

static int judge_item(struct tree_merge *merge, struct tree_merge_item *item, bool has_before,
                      const struct strings *keep, const struct strings *generated, struct error *error)
{
    item->is_executable =
        item->site != NULL && item->site->type == TREE_FILE && tree_is_executable(item->path, item->site->mode);
    if (tree_path_matches(keep, item->path)) {
        item->content = TREE_CHANGE_KEPT;
        item->attributes = TREE_CHANGE_NONE;
    } else if (tree_path_matches(generated, item->path)) {
        item->content = TREE_CHANGE_GENERATED;
        item->attributes = TREE_CHANGE_NONE;
    } else {
        if (check_digest(item->before, "the vendor's old", error) != 0 ||
            check_digest(item->site, "the server's", error) != 0 ||
            check_digest(item->after, "the vendor's new", error) != 0) {
            return -1;
        }
        if (has_before) {
            item->content = judge_content(item);
            item->attributes = judge_attributes(item);
        } else {
            judge_unknown(item);
        }
    }
    merge->content_counts[item->content]++;
    merge->attribute_counts[item->attributes]++;
    bool is_nobodys =
        item->content == TREE_CHANGE_FOREIGN || (item->content == TREE_CHANGE_UNKNOWN && item->after == NULL);
    merge->foreign_executables += is_nobodys && item->is_executable ? 1 : 0;
    return 0;
}

/* The next entry of a manifest, the start itself left out. */
static const struct tree_entry *peek(const struct tree_manifest *manifest, size_t *at)
{
    if (manifest == NULL) {
        return NULL;
    }
    if (*at < manifest->count && manifest->entries[*at].path[0] == '\0') {
        (*at)++;
    }
    return *at < manifest->count ? &manifest->entries[*at] : NULL;
}

static const char *lowest(const char *path, const struct tree_entry *entry)
{
    if (entry == NULL) {
        return path;
    }
    return path == NULL || tree_path_compare(entry->path, path) < 0 ? entry->path : path;
}

static const struct tree_entry *take(const struct tree_entry *entry, const char *path, size_t *at)
{
    if (entry == NULL || strcmp(entry->path, path) != 0) {
        return NULL;
    }
    (*at)++;
    return entry;
}

int tree_merge_look(struct tree_merge *merge, const struct tree_manifest *before, const struct tree_manifest *site,
                    const struct tree_manifest *after, const struct strings *keep, const struct strings *generated,
                    struct error *error)
{
    *merge = (struct tree_merge){0};
    size_t at_before = 0;
    size_t at_site = 0;
    size_t at_after = 0;
    const struct tree_merge_item *hiding = NULL;
    size_t most = (before == NULL ? 0 : before->count) + site->count + after->count;
    merge->items = calloc(most + 1, sizeof *merge->items);
    if (merge->items == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for comparing %zu paths", most);
    }
    for (;;) {
        const struct tree_entry *old_entry = peek(before, &at_before);
        const struct tree_entry *site_entry = peek(site, &at_site);
        const struct tree_entry *new_entry = peek(after, &at_after);
        const char *path = lowest(lowest(lowest(NULL, old_entry), site_entry), new_entry);
        if (path == NULL) {
            return 0;
        }
        struct tree_merge_item *item = &merge->items[merge->count++];
        item->path = path;
        item->before = take(old_entry, path, &at_before);
        item->site = take(site_entry, path, &at_site);
        item->after = take(new_entry, path, &at_after);
        if (is_below(path, hiding)) {
            cover(merge, item);
            continue;
        }
        hiding = hides(item) ? item : hiding;
        if (judge_item(merge, item, before != NULL, keep, generated, error) != 0) {
            tree_merge_free(merge);
            return -1;
        }
    }
}

void tree_merge_free(struct tree_merge *merge)
{
    free(merge->items);
    *merge = (struct tree_merge){0};
}

const char *tree_change_name(enum tree_change change)
{
    static const char *const names[TREE_CHANGE_COUNT] = {
        [TREE_CHANGE_NONE] = "unchanged",
        [TREE_CHANGE_VENDOR_CHANGED] = "vendor-changed",
        [TREE_CHANGE_VENDOR_ADDED] = "vendor-added",
        [TREE_CHANGE_VENDOR_REMOVED] = "vendor-removed",
        [TREE_CHANGE_SITE_CHANGED] = "site-changed",
        [TREE_CHANGE_SITE_REMOVED] = "site-removed",
        [TREE_CHANGE_BOTH_SAME] = "both-same",
        [TREE_CHANGE_CONFLICT] = "conflict",
        [TREE_CHANGE_FOREIGN] = "foreign",
        [TREE_CHANGE_UNKNOWN] = "unknown",
        [TREE_CHANGE_KEPT] = "kept",
        [TREE_CHANGE_GENERATED] = "generated",
        [TREE_CHANGE_COVERED] = "covered",
    };
    return (int)change >= 0 && change < TREE_CHANGE_COUNT ? names[change] : "unknown";
}

bool tree_is_executable(const char *path, unsigned mode)
{
    static const char *const endings[] = {"php", "phtml", "phar", "inc",  "jsp", "jspx", "jspf",    "jar",
                                          "war", "class", "sh",   "bash", "pl",  "pm",   "py",      "rb",
                                          "cgi", "fcgi",  "so",   "exe",  "asp", "aspx", "htaccess"};
    if ((mode & 0111) != 0) {
        return true;
    }
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash == NULL ? path : slash, '.');
    if (dot == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot + 1, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}
