#include "target/installation.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/expression.h"
#include "lib/file.h"
#include "lib/root.h"

#define SMALL_FILE_BYTES ((size_t)64 * 1024)
#define VERSION_FILE_BYTES ((size_t)4 * 1024 * 1024)
#define VERSION_GROUPS 10

static int memory_error(struct error *error)
{
    return error_set(error, CSN_MEMORY, "no memory to look for applications");
}

bool installation_is_root(int root_fd)
{
    return root_exists(root_fd, "/etc/os-release") || root_exists(root_fd, "/usr/lib/os-release") ||
           root_exists(root_fd, "/etc/fstab");
}

/* The first line of a small file, trimmed; "" where there is none. NULL without memory. */
static char *read_line(int root_fd, const char *path)
{
    struct buffer content = {0};
    char *line = NULL;
    if (root_read(root_fd, path, SMALL_FILE_BYTES, &content, NULL) != 0) {
        line = strdup("");
    } else {
        const char *text = buffer_text(&content);
        size_t length = strcspn(text, "\r\n");
        while (length > 0 && isspace((unsigned char)text[length - 1])) {
            length--;
        }
        line = strndup(text, length);
    }
    buffer_free(&content);
    return line;
}

/* KEY="value" of os-release(5), which is shell; the few escapes it allows do not occur in names. "" where not there. */
static char *os_release_value(int root_fd, const char *key)
{
    struct buffer content = {0};
    char *value = NULL;
    if (root_read(root_fd, "/etc/os-release", SMALL_FILE_BYTES, &content, NULL) != 0) {
        buffer_clear(&content);
        if (root_read(root_fd, "/usr/lib/os-release", SMALL_FILE_BYTES, &content, NULL) != 0) {
            buffer_clear(&content);
        }
    }
    char *rest = content.data;
    size_t length = strlen(key);
    for (char *line; value == NULL && (line = strsep(&rest, "\n")) != NULL;) {
        if (strncmp(line, key, length) == 0 && line[length] == '=') {
            char *begin = line + length + 1;
            begin += *begin == '"' || *begin == '\'' ? 1 : 0;
            value = strndup(begin, strcspn(begin, "\"'\r"));
        }
    }
    buffer_free(&content);
    return value != NULL ? value : strdup("");
}

void installation_free(struct installation *installation)
{
    char *const texts[] = {
        installation->program_root,   installation->version,
        installation->os_name,        installation->os_id,
        installation->machine_id,     installation->host_name,
        installation->cluster,        installation->cluster_version,
        installation->cluster_config, installation->cluster_hba,
        installation->disk,           installation->volume,
        installation->volume_options, installation->problem,
        installation->os_version,
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    *installation = (struct installation){0};
}

/* A file made on Windows begins with a byte-order mark and has CR before LF: a pattern need not know that. */
static void drop_windows(struct buffer *content)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t length = sizeof mark - 1;
    size_t from = content->size >= length && memcmp(content->data, mark, length) == 0 ? length : 0;
    size_t to = 0;
    for (; from < content->size; from++) {
        if (content->data[from] != '\r' || from + 1 == content->size || content->data[from + 1] != '\n') {
            content->data[to++] = content->data[from];
        }
    }
    if (content->size > 0) {
        content->data[to] = '\0';
        content->size = to;
    }
}

/* "5.0.4" of the groups "5", "0" and "4"; a group inside another says nothing new. */
static int join_groups(const char *text, const regmatch_t groups[VERSION_GROUPS], struct buffer *version)
{
    regoff_t end = -1;
    for (size_t i = 1; i < VERSION_GROUPS; i++) {
        if (groups[i].rm_so >= 0 && groups[i].rm_eo > groups[i].rm_so && groups[i].rm_so >= end) {
            buffer_format(version, "%s%.*s", version->size == 0 ? "" : ".", (int)(groups[i].rm_eo - groups[i].rm_so),
                          text + groups[i].rm_so);
            end = groups[i].rm_eo;
        }
    }
    return version->size > 0 ? 0 : -1;
}

/* What the groups of pattern tell in text; NULL with *error where it does not match. */
static char *match_version(const char *pattern, const char *text, const char *path, struct error *error)
{
    regex_t compiled;
    regmatch_t groups[VERSION_GROUPS];
    char reason[EXPRESSION_REASON_SIZE];
    struct buffer joined = {0};
    char *version = NULL;
    /* REG_NEWLINE: ^ and $ mean lines, and . stays on one. */
    if (expression_compile(&compiled, pattern, REG_NEWLINE, reason) != 0) {
        (void)error_set(error, CSN_TARGET_PROFILE, "version-pattern %s cannot be used: %s", pattern, reason);
        return NULL;
    }
    if (regexec(&compiled, text, VERSION_GROUPS, groups, 0) != 0 || join_groups(text, groups, &joined) != 0) {
        (void)error_set(error, CSN_TARGET_PROFILE, "%s has nothing that fits version-pattern %s", path, pattern);
    } else {
        version = buffer_take(&joined);
        if (version == NULL) {
            (void)memory_error(error);
        }
    }
    buffer_free(&joined);
    regfree(&compiled);
    return version;
}

int target_read_version(int root_fd, const struct profile *profile, const char *program_root, char **version,
                        struct error *error)
{
    struct buffer content = {0};
    char *path = NULL;
    *version = NULL;
    if (asprintf(&path, "%s/%s", strcmp(program_root, "/") == 0 ? "" : program_root, profile->version_file) < 0) {
        return memory_error(error);
    }
    struct error reading;
    if (root_read(root_fd, path, VERSION_FILE_BYTES, &content, &reading) != 0) {
        (void)error_set(error, reading.code == CSN_NOT_FOUND ? CSN_TARGET_PROFILE : reading.code, "%s",
                        reading.message);
        if (reading.code == CSN_NOT_FOUND) {
            (void)error_set(error, CSN_TARGET_PROFILE, "%s is not there", path);
        }
    } else {
        drop_windows(&content);
        *version = match_version(profile->version_pattern, buffer_text(&content), path, error);
    }
    buffer_free(&content);
    free(path);
    return *version == NULL ? -1 : 0;
}

static int set_problem(struct installation *installation, struct error *error, const char *format, ...)
    PRINTF_LIKE(3, 4);
static int set_problem(struct installation *installation, struct error *error, const char *format, ...)
{
    if (installation->problem != NULL) {
        return 0;
    }
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&installation->problem, format, arguments);
    va_end(arguments);
    if (length < 0) {
        installation->problem = NULL;
        return memory_error(error);
    }
    return 0;
}

/* Keeps the paths below which name is there (a cluster is a folder with PG_VERSION). */
static void keep_with(int root_fd, struct strings *paths, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < paths->count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", paths->items[i], name);
        if (root_exists(root_fd, path)) {
            char *item = paths->items[i];
            paths->items[i] = paths->items[kept];
            paths->items[kept++] = item;
        }
    }
    while (paths->count > kept) {
        free(paths->items[--paths->count]);
        paths->items[paths->count] = NULL;
    }
}

static int find_cluster(struct installation *installation, int root_fd, struct error *error)
{
    const char *pattern = installation->profile->database.cluster;
    struct strings paths = {0};
    int result = pattern_expand(root_fd, pattern, &paths, error);
    if (result == 0) {
        keep_with(root_fd, &paths, "PG_VERSION");
        if (paths.count == 1) {
            char version_path[4096];
            snprintf(version_path, sizeof version_path, "%s/PG_VERSION", paths.items[0]);
            installation->cluster = root_real_path(root_fd, paths.items[0], error);
            installation->cluster_version = read_line(root_fd, version_path);
            result = installation->cluster == NULL || installation->cluster_version == NULL ? -1 : 0;
        } else if (paths.count == 0) {
            result = set_problem(installation, error, "there is no database cluster at %s", pattern);
        } else {
            result = set_problem(installation, error,
                                 "%s fits several database clusters: %s and %s; name one in the profile", pattern,
                                 paths.items[0], paths.items[1]);
        }
    }
    strings_free(&paths);
    return result;
}

/* Where several files fit, the one of this cluster has its version and its name in its path, as Debian lays them out. */
static const char *of_cluster(const struct installation *installation, const struct strings *paths)
{
    const char *name = strrchr(installation->cluster, '/') + 1;
    const char *found = NULL;
    for (size_t i = 0; i < paths->count; i++) {
        char middle[512];
        snprintf(middle, sizeof middle, "/%s/%s/", installation->cluster_version, name);
        if (strstr(paths->items[i], middle) != NULL) {
            if (found != NULL) {
                return NULL;
            }
            found = paths->items[i];
        }
    }
    return found;
}

static int find_cluster_file(struct installation *installation, int root_fd, const char *pattern, char **file,
                             struct error *error)
{
    if (pattern == NULL || installation->cluster == NULL) {
        return 0;
    }
    struct strings paths = {0};
    int result = pattern_expand(root_fd, pattern, &paths, error);
    if (result == 0) {
        const char *path = paths.count == 1 ? paths.items[0] : of_cluster(installation, &paths);
        if (path != NULL) {
            *file = strdup(path);
            result = *file == NULL ? memory_error(error) : 0;
        } else {
            result = set_problem(installation, error, "%s %s for the cluster %s", pattern,
                                 paths.count == 0 ? "is not there" : "fits several files", installation->cluster);
        }
    }
    strings_free(&paths);
    return result;
}

static int fill_database(struct installation *installation, int root_fd, struct error *error)
{
    const struct profile_database *database = &installation->profile->database;
    if (strcmp(database->engine, "none") == 0) {
        return 0;
    }
    if (find_cluster(installation, root_fd, error) != 0 ||
        find_cluster_file(installation, root_fd, database->config, &installation->cluster_config, error) != 0 ||
        find_cluster_file(installation, root_fd, database->hba, &installation->cluster_hba, error) != 0) {
        return -1;
    }
    return 0;
}

static int fill_names(struct installation *installation, int root_fd, const char *place, const char *disk,
                      const char *volume_options, struct error *error)
{
    installation->os_name = os_release_value(root_fd, "PRETTY_NAME");
    installation->os_id = os_release_value(root_fd, "ID");
    installation->os_version = os_release_value(root_fd, "VERSION_ID");
    installation->machine_id = read_line(root_fd, "/etc/machine-id");
    installation->host_name = read_line(root_fd, "/etc/hostname");
    installation->disk = strdup(disk);
    installation->volume = strdup(place);
    installation->volume_options = strdup(volume_options);
    const char *const texts[] = {installation->os_name,    installation->os_version,    installation->os_id,
                                 installation->machine_id, installation->host_name,     installation->disk,
                                 installation->volume,     installation->volume_options};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (texts[i] == NULL) {
            return memory_error(error);
        }
    }
    return 0;
}

/* What one root is looked at for, handed down. */
struct look {
    struct survey *survey;
    int root_fd;
    const char *place;
    const char *disk;
    const char *volume_options;
    char *os_name;
    size_t first; /* of this root's installations in survey */
};

static int say_looked(struct look *look, const struct profile *profile, const char *why, struct error *error)
{
    struct buffer text = {0};
    buffer_format(&text, "%s%s%s%s: %s: %s", look->place, look->os_name[0] == '\0' ? "" : " (", look->os_name,
                  look->os_name[0] == '\0' ? "" : ")", profile->name, why);
    int result = buffer_check(&text, error);
    if (result == 0) {
        result = strings_add(&look->survey->looked, buffer_text(&text), error);
    }
    buffer_free(&text);
    return result;
}

static bool is_known(const struct look *look, const struct profile *profile, const char *program_root)
{
    for (size_t i = look->first; i < look->survey->count; i++) {
        const struct installation *other = &look->survey->items[i];
        if (other->profile == profile && strcmp(other->program_root, program_root) == 0) {
            return true;
        }
    }
    return false;
}

static int add_installation(struct look *look, const struct profile *profile, char **program_root, char **version,
                            struct error *error)
{
    struct survey *survey = look->survey;
    struct installation *grown = reallocarray(survey->items, survey->count + 1, sizeof *grown);
    if (grown == NULL) {
        return memory_error(error);
    }
    survey->items = grown;
    struct installation *installation = &grown[survey->count++];
    *installation = (struct installation){.profile = profile, .program_root = *program_root, .version = *version};
    *program_root = NULL;
    *version = NULL;
    if (fill_names(installation, look->root_fd, look->place, look->disk, look->volume_options, error) != 0) {
        return -1;
    }
    return fill_database(installation, look->root_fd, error);
}

/* One candidate for the program root. */
static int look_at(struct look *look, const struct profile *profile, const char *path, struct error *error)
{
    char *real = root_real_path(look->root_fd, path, error);
    char *version = NULL;
    struct error why;
    int result = 0;
    if (real == NULL) {
        return error->code == CSN_MEMORY ? -1 : say_looked(look, profile, error->message, error);
    }
    if (is_known(look, profile, real)) {
        goto out;
    }
    if (strcmp(real, "/") == 0) {
        result = say_looked(look, profile, "the program root may not be / itself", error);
    } else if (target_read_version(look->root_fd, profile, real, &version, &why) != 0) {
        result = say_looked(look, profile, why.message, error);
    } else {
        result = add_installation(look, profile, &real, &version, error);
    }
out:
    free(real);
    free(version);
    return result;
}

static int look_for(struct look *look, const struct profile *profile, struct error *error)
{
    struct strings paths = {0};
    struct buffer why = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < profile->roots.count; i++) {
        buffer_format(&why, "%s%s", i == 0 ? "" : ", ", profile->roots.items[i]);
        result = pattern_expand(look->root_fd, profile->roots.items[i], &paths, error);
    }
    for (size_t i = 0; result == 0 && i < paths.count; i++) {
        result = look_at(look, profile, paths.items[i], error);
    }
    if (result == 0 && paths.count == 0) {
        buffer_string(&why, profile->roots.count == 1 ? " is not there" : " are not there");
        result = buffer_check(&why, error) != 0 ? -1 : say_looked(look, profile, buffer_text(&why), error);
    }
    buffer_free(&why);
    strings_free(&paths);
    return result;
}

int installation_look(struct survey *survey, int root_fd, const char *place, const char *disk,
                      const char *volume_options, const struct target_options *options, struct error *error)
{
    struct look look = {.survey = survey,
                        .root_fd = root_fd,
                        .place = place,
                        .disk = disk == NULL ? "" : disk,
                        .volume_options = volume_options == NULL ? "" : volume_options,
                        .os_name = os_release_value(root_fd, "PRETTY_NAME"),
                        .first = survey->count};
    if (look.os_name == NULL) {
        return memory_error(error);
    }
    int result = 0;
    for (size_t i = 0; result == 0 && options->profiles != NULL && i < options->profiles->count; i++) {
        const struct profile *profile = &options->profiles->items[i];
        if (options->profile_name == NULL || strcmp(options->profile_name, profile->name) == 0) {
            result = look_for(&look, profile, error);
        }
    }
    free(look.os_name);
    return result;
}
