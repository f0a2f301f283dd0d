#include "lib/strings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_part(struct strings *list, const char *text, size_t length, struct error *error)
{
    if (list->count + 2 > list->allocated) {
        size_t wanted = list->allocated == 0 ? 8 : list->allocated * 2;
        char **grown = realloc(list->items, wanted * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for a list of %zu", wanted);
        }
        list->items = grown;
        list->allocated = wanted;
    }
    char *copy = strndup(text, length);
    if (copy == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a text of %zu bytes", length);
    }
    list->items[list->count++] = copy;
    list->items[list->count] = NULL;
    return 0;
}

int strings_add(struct strings *list, const char *text, struct error *error)
{
    return add_part(list, text, strlen(text), error);
}

int strings_split(struct strings *list, const char *text, const char *separators, struct error *error)
{
    while (*text != '\0') {
        size_t length = strcspn(text, separators);
        size_t start = strspn(text, " \t\r\n");
        size_t end = length;
        while (end > start && strchr(" \t\r\n", text[end - 1]) != NULL) {
            end--;
        }
        if (end > start && add_part(list, text + start, end - start, error) != 0) {
            return -1;
        }
        text += length;
        text += *text != '\0';
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strings_sort(struct strings *list)
{
    if (list->count > 1) { /* an empty one has no items to point to */
        qsort(list->items, list->count, sizeof *list->items, compare);
    }
}

bool strings_has(const struct strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

void strings_free(struct strings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i]);
    }
    free(list->items);
    *list = (struct strings){0};
}

bool text_is_one_of(const char *text, const char *const list[])
{
    for (size_t i = 0; list[i] != NULL; i++) {
        if (strcmp(text, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool path_is_inside(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    if (length == 1 && folder[0] == '/') {
        return path[0] == '/';
    }
    return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

char *path_beside(const char *path, const char *folder, struct error *error)
{
    const char *slash = strrchr(path, '/');
    char *beside = NULL;
    if (asprintf(&beside, "%.*s/%s%s", (int)(slash - path), path, folder, slash) < 0) {
        error_set(error, CSN_MEMORY, "no memory for the path %s", path);
        return NULL;
    }
    return beside;
}

int path_add_outer(struct strings *paths, const char *path, struct error *error)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (path_is_inside(path, paths->items[i])) {
            return 0;
        }
    }
    for (size_t i = 0; i < paths->count;) {
        if (!path_is_inside(paths->items[i], path)) {
            i++;
            continue;
        }
        free(paths->items[i]);
        memmove(&paths->items[i], &paths->items[i + 1], (paths->count - i) * sizeof paths->items[0]);
        paths->count--;
    }
    return strings_add(paths, path, error);
}
