#include "sequence/configuration.h"

#include "sequence/listed.h"
#include "tree/compare.h"

#define LIST_NAME "configuration.mtree"

static int find_tops(const struct run *run, struct strings *tops, struct error *error)
{
    const struct installation *server = &run->target.installation;
    const struct strings *configuration = &run->target.profile->configuration;
    const char *const own[] = {server->cluster_config, server->cluster_hba};
    struct strings paths = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < configuration->count; i++) {
        result = strings_add(&paths, configuration->items[i], error);
    }
    for (size_t i = 0; result == 0 && i < sizeof own / sizeof own[0]; i++) {
        result = own[i] == NULL ? 0 : strings_add(&paths, own[i], error);
    }
    if (result == 0) {
        result = listed_tops(run->site.place.root_fd, &paths, tops, error);
    }
    strings_free(&paths);
    return result;
}

int configuration_list(const struct run *run, struct error *error)
{
    struct strings tops = {0};
    int result = find_tops(run, &tops, error) != 0 ? -1 : listed_write(run, LIST_NAME, &tops, true, error);
    strings_free(&tops);
    return result;
}

static int on_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    return strings_add(context, difference->path, error);
}

static int record(struct run *run, const struct strings *changed, const char *unknown, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    if (unknown != NULL) {
        yyjson_mut_obj_add_str(document, fields, "unknown", unknown);
    } else {
        yyjson_mut_obj_add_uint(document, fields, "changed", changed->count);
        listed_add_paths(document, fields, "changed_paths", changed);
    }
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "configuration-since", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static void tell(struct console *console, const struct strings *changed, const char *unknown)
{
    if (unknown != NULL) {
        console_say(console, "  configuration that was edited since stays so; which, nobody knows: %s", unknown);
    } else if (changed->count > 0) {
        console_say(console, "  %zu files of the configuration were edited since and stay so:", changed->count);
        listed_show(console, changed);
    }
}

int configuration_name_changed(struct run *run, struct error *error)
{
    const struct tree_compare_options options = {.ignore_folder_mtime = true};
    struct tree_manifest before = {0};
    struct tree_manifest now = {0};
    struct tree_compare_counts counts;
    struct strings tops = {0};
    struct strings changed = {0};
    struct error unread = {0};
    bool known = listed_read(run, LIST_NAME, &before, &unread) == 0 && find_tops(run, &tops, &unread) == 0 &&
                 listed_scan(run, &tops, true, &now, &unread) == 0 &&
                 tree_compare_manifests(&before, &now, &options, on_difference, &changed, &counts, &unread) == 0;
    const char *unknown =
        known ? NULL : unread.message; /* the old version is back: what cannot be read does not undo that */
    int result = record(run, &changed, unknown, error);
    tell(run->console, &changed, unknown);
    tree_manifest_free(&before);
    tree_manifest_free(&now);
    strings_free(&changed);
    strings_free(&tops);
    return result;
}

bool configuration_is_changed(const struct journal *journal)
{
    yyjson_val *since = journal_last(journal, "configuration-since");
    return journal_get_number(since, "changed") > 0 || journal_get(since, "unknown")[0] != '\0';
}
