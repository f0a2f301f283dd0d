#include "package/package_flyway.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "lib/file.h"
#include "lib/text.h"
#include "tree/manifest.h"

#define VERSION_MAX 50 /* what the history table's columns hold */
#define DESCRIPTION_MAX 200
#define SCRIPT_MAX 1000

/* --- versions ------------------------------------------------------------------------------------------------------ */

bool flyway_version_parts(const char *version, size_t length, struct buffer *parts)
{
    size_t begin = parts->size;
    size_t kept = begin; /* up to the last part that is not 0 */
    for (size_t at = 0; at <= length;) {
        size_t digits = 0;
        while (at + digits < length && isdigit((unsigned char)version[at + digits])) {
            digits++;
        }
        if (digits == 0 || (at + digits < length && version[at + digits] != '.' && version[at + digits] != '_')) {
            return false;
        }
        size_t zeros = strspn(version + at, "0");
        zeros = zeros < digits ? zeros : digits - 1;
        buffer_format(parts, "%s%.*s", parts->size > begin ? "." : "", (int)(digits - zeros), version + at + zeros);
        kept = version[at + zeros] != '0' || at == 0 ? parts->size : kept;
        at += digits + 1;
    }
    if (parts->failed) {
        return false;
    }
    parts->size = kept;
    parts->data[kept] = '\0';
    return true;
}

int flyway_parts_compare(const char *one, const char *other)
{
    while (*one != '\0' && *other != '\0') {
        size_t length = strcspn(one, ".");
        size_t other_length = strcspn(other, ".");
        int order = length != other_length ? (length < other_length ? -1 : 1) : memcmp(one, other, length);
        if (order != 0) {
            return order;
        }
        one += length + (one[length] == '.');
        other += other_length + (other[other_length] == '.');
    }
    return (*one != '\0') - (*other != '\0');
}

/* --- names --------------------------------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Becomes part of an INI line and of an SQL literal, whatever the server's setting for backslashes is. */
static bool is_plain(const char *path)
{
    for (const char *at = path; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f || *at == '\\') {
            return false;
        }
    }
    return utf8_is_valid(path, strlen(path)) && path[0] != ' ' && strlen(path) <= SCRIPT_MAX;
}

/* "V1_2__add_lang.sql" or "R__views.sql", name begins behind the letter. */
static int read_name(struct flyway_script *script, const char *name, const char **why)
{
    bool repeatable = name[-1] == 'R';
    const char *separator = strstr(name, "__");
    struct buffer parts = {0};
    *why = NULL;
    if (separator == NULL || separator[2] == '.' || (repeatable && separator != name)) {
        *why = "its name is not of the form V1.2__description.sql or R__description.sql";
    } else if (!repeatable && !flyway_version_parts(name, (size_t)(separator - name), &parts)) {
        *why = "the version in its name is not of numbers with . or _ between";
    } else if (separator - name > VERSION_MAX || strlen(separator + 2) > DESCRIPTION_MAX + strlen(".sql")) {
        *why = "its name is longer than the history table takes";
    } else {
        script->description = strndup(separator + 2, strlen(separator + 2) - strlen(".sql"));
        script->version = repeatable ? NULL : strndup(name, (size_t)(separator - name));
        script->parts = repeatable ? NULL : buffer_take(&parts);
    }
    buffer_free(&parts);
    if (*why != NULL) {
        return 0;
    }
    if (script->description == NULL || (!repeatable && (script->version == NULL || script->parts == NULL))) {
        return -1;
    }
    for (char *at = script->description; *at != '\0'; at++) {
        *at = *at == '_' ? ' ' : *at;
    }
    for (char *at = script->version; at != NULL && *at != '\0'; at++) {
        *at = *at == '_' ? '.' : *at;
    }
    return 0;
}

static struct flyway_script *add_script(struct flyway_folder *folder, const char *path)
{
    if (folder->count == folder->allocated) {
        size_t wanted = folder->allocated == 0 ? 64 : folder->allocated * 2;
        struct flyway_script *grown = realloc(folder->scripts, wanted * sizeof *grown);
        if (grown == NULL) {
            return NULL;
        }
        folder->scripts = grown;
        folder->allocated = wanted;
    }
    struct flyway_script *script = &folder->scripts[folder->count];
    *script = (struct flyway_script){.path = strdup(path)};
    if (script->path == NULL) {
        return NULL;
    }
    folder->count++;
    return script;
}

/* --- the folder ---------------------------------------------------------------------------------------------------- */

struct reader {
    struct flyway_folder *folder;
    const char *path;
    struct strings *notes;
    struct error *error;
};

static int leave_out(const struct reader *reader, const char *path, const char *why)
{
    struct buffer note = {0};
    buffer_format(&note, "%s/%s: %s", reader->path, path, why);
    int result = buffer_check(&note, reader->error) != 0 ? -1 : strings_add(reader->notes, note.data, reader->error);
    buffer_free(&note);
    return result;
}

static int refuse(const struct reader *reader, const char *path, const char *why)
{
    return error_set(reader->error, CSN_PACKAGE_INPUT, "%s/%s: %s", reader->path, path, why);
}

static int take_script(const struct reader *reader, const char *path)
{
    const char *why = NULL;
    struct flyway_script *script = is_plain(path) ? add_script(reader->folder, path) : NULL;
    if (!is_plain(path)) {
        return refuse(reader, path, "its name has a control character or \\, begins with a blank or is too long");
    }
    if (script == NULL || read_name(script, base_name(script->path) + 1, &why) != 0) {
        return error_set(reader->error, CSN_MEMORY, "no memory to read %s", reader->path);
    }
    return why == NULL ? 0 : refuse(reader, path, why);
}

static int take_entry(const struct reader *reader, const struct tree_entry *entry)
{
    const char *name = base_name(entry->path);
    if (entry->type == TREE_FOLDER || ends_with(name, ".sql.conf")) {
        return 0; /* a .conf is read with its script */
    }
    if (!ends_with(name, ".sql")) {
        return leave_out(reader, entry->path, "left out, it is no SQL script");
    }
    if (entry->type != TREE_FILE) {
        return refuse(reader, entry->path, "it is no plain file");
    }
    bool number = isdigit((unsigned char)name[1]);
    if (name[0] == 'U' && number) {
        return leave_out(reader, entry->path, "left out, an undo script: the way back is Caisson's own");
    }
    if (name[0] == 'B' && number) {
        return leave_out(reader, entry->path, "left out, a baseline script: those are for databases that are empty");
    }
    if ((name[0] == 'V' && number) || strncmp(name, "R__", 3) == 0) {
        return take_script(reader, entry->path);
    }
    return refuse(reader, entry->path,
                  "it is no migration by its name (V1.2__description.sql, R__description.sql); callbacks are not run "
                  "here, and it does nothing if it is mistyped");
}

static int compare_scripts(const void *one, const void *other)
{
    const struct flyway_script *a = one;
    const struct flyway_script *b = other;
    if (a->version == NULL || b->version == NULL) {
        return a->version == b->version ? strcmp(a->description, b->description) : a->version == NULL ? 1 : -1;
    }
    return flyway_parts_compare(a->parts, b->parts);
}

static int check_order(const struct reader *reader)
{
    const struct flyway_folder *folder = reader->folder;
    for (size_t i = 1; i < folder->count; i++) {
        if (compare_scripts(&folder->scripts[i - 1], &folder->scripts[i]) == 0) {
            return error_set(reader->error, CSN_PACKAGE_INPUT, "%s: %s and %s are of the same %s", reader->path,
                             folder->scripts[i - 1].path, folder->scripts[i].path,
                             folder->scripts[i].version == NULL ? "description" : "version");
        }
    }
    return folder->count > 0 && folder->scripts[0].version != NULL
               ? 0
               : error_set(reader->error, CSN_PACKAGE_INPUT, "%s: there is no script V…__….sql in it", reader->path);
}

int flyway_folder_read(struct flyway_folder *folder, const char *path, const struct ini *ini, struct strings *notes,
                       struct error *error)
{
    const struct reader reader = {.folder = folder, .path = path, .notes = notes, .error = error};
    const struct tree_scan_options options = {0};
    struct tree_manifest files = {0};
    *folder = (struct flyway_folder){0};
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? error_system(error, CSN_PACKAGE_INPUT, "opening the folder of Flyway's scripts %s", path)
                        : tree_manifest_scan(&files, fd, ".", &options, NULL, error);
    for (size_t i = 0; result == 0 && i < files.count; i++) {
        result = take_entry(&reader, &files.entries[i]);
    }
    if (result == 0 && folder->count > 0) {
        qsort(folder->scripts, folder->count, sizeof *folder->scripts, compare_scripts);
    }
    if (result == 0) {
        result = check_order(&reader);
    }
    for (size_t i = 0; result == 0 && i < folder->count; i++) {
        result = flyway_script_read(&folder->scripts[i], fd, path, ini, error);
    }
    tree_manifest_free(&files);
    file_drop(&fd);
    return result;
}

void flyway_folder_free(struct flyway_folder *folder)
{
    for (size_t i = 0; i < folder->count; i++) {
        free(folder->scripts[i].path);
        free(folder->scripts[i].version);
        free(folder->scripts[i].parts);
        free(folder->scripts[i].description);
        buffer_free(&folder->scripts[i].text);
    }
    free(folder->scripts);
    *folder = (struct flyway_folder){0};
}
