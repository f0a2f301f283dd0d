/*
 * profile_read.c - from the checked INI to a struct profile; what the table of keys cannot say is checked here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/expression.h"
#include "target/profile.h"

/* Copies values out of an INI; the first failure makes all further copies do nothing. */
#define DAY_SEC 86400

struct copier {
    const struct ini *ini;
    struct error *error;
    bool failed;
};

static char *copy_text(struct copier *copier, const char *text)
{
    if (copier->failed || text == NULL) {
        return NULL;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        copier->failed = true;
        (void)error_set(copier->error, CSN_MEMORY, "no memory to read %s", copier->ini->name);
    }
    return copy;
}

static char *copy_key(struct copier *copier, const char *section, const char *key)
{
    return copy_text(copier, ini_get(copier->ini, section, key));
}

static void refuse(struct copier *copier, const char *section, const char *key, const char *value, const char *expected)
{
    if (!copier->failed) {
        copier->failed = true;
        (void)error_set(copier->error, CSN_JOB_VALUE, "%s: \"%s\" in [%s] is \"%s\", expected is %s", copier->ini->name,
                        key, section, value, expected);
    }
}

static uint64_t copy_number(struct copier *copier, const char *section, const char *key, uint64_t otherwise,
                            uint64_t least, uint64_t most)
{
    uint64_t number = ini_number(copier->ini, section, key, otherwise);
    if (number < least || number > most) {
        char expected[64];
        snprintf(expected, sizeof expected, "%llu to %llu", (unsigned long long)least, (unsigned long long)most);
        refuse(copier, section, key, ini_get(copier->ini, section, key), expected);
    }
    return number;
}

static bool climbs(const char *path)
{
    for (const char *at = path; at != NULL; at = strchr(at, '/')) {
        at += *at == '/' ? 1 : 0;
        if (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\0')) {
            return true;
        }
    }
    return false;
}

static void copy_list(struct copier *copier, const char *section, const char *key, bool absolute, struct strings *list)
{
    if (copier->failed) {
        return;
    }
    if (ini_list(copier->ini, section, key, list, copier->error) != 0) {
        copier->failed = true;
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        if ((list->items[i][0] == '/') != absolute || climbs(list->items[i])) {
            refuse(copier, section, key, list->items[i],
                   absolute ? "absolute paths without .." : "paths below the program root, without / in front and ..");
        }
    }
}

/* Words apart by blanks; "..." keeps blanks together and may stand inside a word. */
static void copy_words(struct copier *copier, const char *section, const char *key, struct strings *list)
{
    const char *value = ini_get(copier->ini, section, key);
    struct buffer word = {0};
    while (!copier->failed && value != NULL) {
        value += strspn(value, " \t");
        if (*value == '\0') {
            break;
        }
        buffer_clear(&word);
        bool quoted = false;
        for (; *value != '\0' && (quoted || (*value != ' ' && *value != '\t')); value++) {
            if (*value == '"') {
                quoted = !quoted;
            } else {
                buffer_append(&word, value, 1);
            }
        }
        if (quoted) {
            refuse(copier, section, key, ini_get(copier->ini, section, key), "a closing \" for each opening one");
        } else if (buffer_check(&word, copier->error) != 0 ||
                   strings_add(list, buffer_text(&word), copier->error) != 0) {
            copier->failed = true;
        }
    }
    buffer_free(&word);
}

static void check_pattern(struct copier *copier, const char *section, const char *key, const char *pattern,
                          size_t groups_min)
{
    if (copier->failed || pattern == NULL) {
        return;
    }
    regex_t compiled;
    char reason[EXPRESSION_REASON_SIZE];
    if (expression_compile(&compiled, pattern, 0, reason) != 0) {
        refuse(copier, section, key, pattern, "a POSIX extended regular expression");
        (void)error_wrap(copier->error, "%s", reason);
        return;
    }
    if (compiled.re_nsub < groups_min) {
        refuse(copier, section, key, pattern, "a regular expression with a group, (...), around the version");
    }
    regfree(&compiled);
}

static void check_url(struct copier *copier, const char *section, const char *key, const char *url)
{
    if (!copier->failed && url != NULL && strncmp(url, "http://", 7) != 0) {
        refuse(copier, section, key, url, "an address that starts with http:// (the check never leaves the server)");
    }
}

static void copy_program(struct copier *copier, struct profile *profile)
{
    profile->name = copy_key(copier, "profile", "name");
    profile->title = copy_key(copier, "profile", "title");
    if (profile->title == NULL) {
        profile->title = copy_text(copier, profile->name);
    }
    if (!copier->failed && strspn(profile->name, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(profile->name)) {
        refuse(copier, "profile", "name", profile->name, "lower-case letters, digits, - and . only");
    }
    bool root = ini_get(copier->ini, "program", "root") != NULL;
    bool search = ini_get(copier->ini, "program", "search") != NULL;
    if (!copier->failed && root == search) {
        copier->failed = true;
        (void)error_set(copier->error, CSN_JOB_KEY_MISSING,
                        "%s: [program] needs either \"root\" or \"search\", and has %s", copier->ini->name,
                        root ? "both" : "neither");
    }
    copy_list(copier, "program", root ? "root" : "search", true, &profile->roots);
    profile->version_file = copy_key(copier, "program", "version-file");
    if (!copier->failed && (profile->version_file[0] == '/' || climbs(profile->version_file))) {
        refuse(copier, "program", "version-file", profile->version_file, "a path below the program root");
    }
    profile->version_pattern = copy_key(copier, "program", "version-pattern");
    check_pattern(copier, "program", "version-pattern", profile->version_pattern, 1);
    copy_list(copier, "configuration", "paths", true, &profile->configuration);
    copy_list(copier, "attachments", "paths", true, &profile->attachments);
    copy_list(copier, "keep", "paths", false, &profile->keep);
    copy_list(copier, "generated", "paths", false, &profile->generated);
}

static void copy_database(struct copier *copier, struct profile_database *database)
{
    database->engine = copy_key(copier, "database", "engine");
    database->cluster = copy_key(copier, "database", "cluster");
    database->config = copy_key(copier, "database", "config");
    database->hba = copy_key(copier, "database", "hba");
    database->binaries = copy_key(copier, "database", "binaries");
    database->name = copy_key(copier, "database", "name");
    database->user = copy_key(copier, "database", "user");
    database->schema = copy_key(copier, "database", "schema");
    if (copier->failed || strcmp(database->engine, "none") == 0) {
        return;
    }
    if (strcmp(database->engine, "postgresql-cluster") != 0) {
        refuse(copier, "database", "engine", database->engine, "postgresql-cluster or none");
    } else if (database->cluster == NULL || database->name == NULL) {
        copier->failed = true;
        (void)error_set(copier->error, CSN_JOB_KEY_MISSING,
                        "%s: [database] with engine postgresql-cluster needs \"%s\"", copier->ini->name,
                        database->cluster == NULL ? "cluster" : "name");
    }
}

static bool is_unit_name(const char *unit)
{
    static const char *const kinds[] = {".service", ".socket", ".timer", ".path", ".target"};
    const char *dot = strrchr(unit, '.');
    for (size_t i = 0; dot != NULL && dot != unit && i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(dot, kinds[i]) == 0) {
            return strchr(unit, '/') == NULL;
        }
    }
    return false;
}

static void copy_units(struct copier *copier, const char *key, struct strings *units)
{
    if (copier->failed) {
        return;
    }
    if (ini_list(copier->ini, "services", key, units, copier->error) != 0) {
        copier->failed = true;
        return;
    }
    for (size_t i = 0; i < units->count; i++) {
        if (!is_unit_name(units->items[i])) {
            refuse(copier, "services", key, units->items[i],
                   "full unit names: NAME.service, .socket, .timer, .path or .target");
        }
    }
}

static void copy_start(struct copier *copier, const char *section, struct profile_start *start)
{
    start->name = copy_text(copier, section + strlen("start "));
    copy_words(copier, section, "command", &start->command);
    if (!copier->failed && (start->command.count == 0 || start->command.items[0][0] != '/')) {
        refuse(copier, section, "command", ini_get(copier->ini, section, "command"),
               "a program by its absolute path first");
    }
    start->user = copy_key(copier, section, "user");
    start->folder = copy_key(copier, section, "folder");
    copy_words(copier, section, "environment", &start->environment);
    for (size_t i = 0; i < start->environment.count; i++) {
        const char *equals = strchr(start->environment.items[i], '=');
        if (equals == NULL || equals == start->environment.items[i]) {
            refuse(copier, section, "environment", start->environment.items[i], "NAME=VALUE");
        }
    }
    start->ready_url = copy_key(copier, section, "ready-url");
    check_url(copier, section, "ready-url", start->ready_url);
    start->ready_delay_sec = copy_number(copier, section, "ready-delay-sec", 1, 0, DAY_SEC);
    start->ready_timeout_sec = copy_number(copier, section, "ready-timeout-sec", 120, 1, DAY_SEC);
}

static void copy_health(struct copier *copier, const char *section, struct profile_health *health)
{
    health->name = copy_text(copier, strcmp(section, "health") == 0 ? "" : section + strlen("health "));
    health->url = copy_key(copier, section, "url");
    check_url(copier, section, "url", health->url);
    health->status = copy_number(copier, section, "status", 200, 100, 599);
    health->match = copy_key(copier, section, "match");
    check_pattern(copier, section, "match", health->match, 0);
    health->timeout_sec = copy_number(copier, section, "timeout-sec", 60, 1, DAY_SEC);
}

/* An array with room for one more zeroed element behind count, or NULL. */
static void *grow(struct copier *copier, void *items, size_t count, size_t item_size)
{
    char *grown = copier->failed ? NULL : reallocarray(items, count + 1, item_size);
    if (grown == NULL) {
        if (!copier->failed) {
            copier->failed = true;
            (void)error_set(copier->error, CSN_MEMORY, "no memory to read %s", copier->ini->name);
        }
        return NULL;
    }
    memset(grown + count * item_size, 0, item_size);
    return grown;
}

static void copy_orphans(struct copier *copier, const char *section, struct profile_orphans *orphans)
{
    orphans->name = copy_text(copier, section + strlen("orphans "));
    orphans->sql = copy_key(copier, section, "query");
    orphans->title = copy_key(copier, section, "title");
    if (orphans->title == NULL) {
        orphans->title = copy_text(copier, orphans->name);
    }
}

static void copy_section(struct copier *copier, const char *section, struct profile *profile)
{
    if (strncmp(section, "start ", 6) == 0) {
        struct profile_start *grown = grow(copier, profile->starts, profile->start_count, sizeof *grown);
        if (grown != NULL) {
            profile->starts = grown;
            copy_start(copier, section, &grown[profile->start_count++]);
        }
    } else if (strcmp(section, "health") == 0 || strncmp(section, "health ", 7) == 0) {
        struct profile_health *grown = grow(copier, profile->healths, profile->health_count, sizeof *grown);
        if (grown != NULL) {
            profile->healths = grown;
            copy_health(copier, section, &grown[profile->health_count++]);
        }
    } else if (strncmp(section, "orphans ", 8) == 0) {
        struct profile_orphans *grown = grow(copier, profile->orphans, profile->orphan_count, sizeof *grown);
        if (grown != NULL) {
            profile->orphans = grown;
            copy_orphans(copier, section, &grown[profile->orphan_count++]);
        }
    }
}

static void copy_metric(struct copier *copier, const struct ini_entry *entry, struct profile *profile)
{
    struct profile_query *grown = grow(copier, profile->metrics, profile->metric_count, sizeof *grown);
    if (grown != NULL) {
        profile->metrics = grown;
        grown[profile->metric_count].name = copy_text(copier, entry->key);
        grown[profile->metric_count++].sql = copy_text(copier, entry->value);
    }
}

static bool seen_before(const struct ini *ini, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(ini->entries[i].section, ini->entries[index].section) == 0) {
            return true;
        }
    }
    return false;
}

static void copy_all(struct copier *copier, struct profile *profile)
{
    const struct ini *ini = copier->ini;
    profile->source = copy_text(copier, ini->name);
    copy_program(copier, profile);
    copy_database(copier, &profile->database);
    copy_units(copier, "units", &profile->units);
    copy_units(copier, "database-units", &profile->database_units);
    profile->query_roles = copy_key(copier, "queries", "roles");
    profile->query_user_roles = copy_key(copier, "queries", "user-roles");
    profile->query_attachments = copy_key(copier, "queries", "attachments");
    for (size_t i = 0; i < ini->count; i++) {
        if (strcmp(ini->entries[i].section, "metrics") == 0) {
            copy_metric(copier, &ini->entries[i], profile);
        } else if (!seen_before(ini, i)) {
            copy_section(copier, ini->entries[i].section, profile);
        }
    }
    if (!copier->failed && profile->query_attachments != NULL && profile->attachments.count == 0) {
        copier->failed = true;
        (void)error_set(copier->error, CSN_JOB_KEY_MISSING, "%s: [queries] attachments needs [attachments] paths",
                        ini->name);
    }
}

int profile_parse(struct profile *profile, const char *name, const char *text, size_t size_bytes, struct error *error)
{
    *profile = (struct profile){0};
    struct ini ini = {0};
    if (ini_parse(&ini, name, text, size_bytes, profile_rules(), error) != 0) {
        return -1;
    }
    struct copier copier = {&ini, error, false};
    copy_all(&copier, profile);
    profile->text = copier.failed ? NULL : strndup(text, size_bytes);
    if (!copier.failed && profile->text == NULL) {
        copier.failed = true;
        (void)error_set(error, CSN_MEMORY, "no memory to read %s", name);
    }
    ini_free(&ini);
    if (copier.failed) {
        profile_free(profile);
        return -1;
    }
    return 0;
}
