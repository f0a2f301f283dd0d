#include "repository/backup_check.h"

#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "tree/path.h"

static int compare_sources(const void *a, const void *b)
{
    const struct repository_source *first = *(const struct repository_source *const *)a;
    const struct repository_source *second = *(const struct repository_source *const *)b;
    return tree_path_compare(first->name + 1, second->name + 1);
}

int backup_sort_sources(const struct repository_source **sorted, const struct repository_source *sources, size_t count,
                        struct strings *names, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = sources[i].name;
        sorted[i] = &sources[i];
        if (name[0] != '/' || !tree_path_is_sound(name + 1)) {
            error_set(error, CSN_USAGE, "%s is not an absolute path without \".\" and \"..\" in it", name);
            return -1;
        }
    }
    qsort(sorted, count, sizeof *sorted, compare_sources);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && path_is_inside(sorted[i]->name, sorted[i - 1]->name)) {
            error_set(error, CSN_USAGE, "%s lies in %s: name only the outer one", sorted[i]->name, sorted[i - 1]->name);
            return -1;
        }
        if (strings_add(names, sorted[i]->name, error) != 0) {
            return -1;
        }
    }
    return 0;
}

int backup_check_text(const char *what, const char *text, struct error *error)
{
    return utf8_is_valid(text, strlen(text)) ? 0 : error_set(error, CSN_USAGE, "the %s is not UTF-8 text", what);
}

/* What could never match would leave out nothing, and nobody would know. */
static int check_exclude(const char *pattern, struct error *error)
{
    size_t prefix = pattern[0] == '/' ? 1 : strncmp(pattern, "**/", 3) == 0 ? 3 : 0;
    size_t length = strlen(pattern + prefix);
    char *path = strndup(pattern + prefix, length > 0 && pattern[prefix + length - 1] == '/' ? length - 1 : length);
    if (path == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for an exclude");
    }
    bool good = prefix > 0 && path[0] != '\0' && tree_path_is_sound(path);
    free(path);
    return good
               ? 0
               : error_set(error, CSN_USAGE,
                           "the exclude \"%s\" fits nothing: it is a whole path from / on, or **/ and a name", pattern);
}

int backup_check_options(const struct repository_backup_options *options, struct error *error)
{
    if (options->label != NULL && backup_check_text("label", options->label, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < options->tag_count; i++) {
        if (backup_check_text("tag", options->tags[i].key, error) != 0 ||
            backup_check_text("tag", options->tags[i].value, error) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; options->excludes != NULL && i < options->excludes->count; i++) {
        if (check_exclude(options->excludes->items[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}
