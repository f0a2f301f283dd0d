#include <stdlib.h>
#include <string.h>

#include "lib/expression.h"
#include "package/package_reading.h"

#define TIMEOUT_SEC_MAX ((uint64_t)7 * 24 * 3600)
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Which keys go with which kind; `kind`, `title` and the timeouts go with all. */
struct kind_keys {
    const char *kind;
    const char *keys; /* blank before and after each */
};

static const struct kind_keys migration_kinds[] = {
    [PACKAGE_MIGRATION_SQL] = {"sql", " kind title timeout-minutes only-if file transaction "},
    [PACKAGE_MIGRATION_PROGRAM] = {"program", " kind title timeout-minutes only-if file command user environment "},
};

static const struct kind_keys check_kinds[] = {
    [PACKAGE_CHECK_HTTP] = {"http", " kind title timeout-sec when path status match match-not "},
    [PACKAGE_CHECK_SQL] =
        {"sql", " kind title timeout-sec when wait-minutes meanwhile user query file equals match match-not "},
    [PACKAGE_CHECK_COMMAND] =
        {"command", " kind title timeout-sec when wait-minutes meanwhile command file user status match match-not "},
};

static const char *const check_times[] = {
    [PACKAGE_CHECK_ASSESS] = "assess",
    [PACKAGE_CHECK_STAGE] = "stage",
    [PACKAGE_CHECK_VERIFY] = "verify",
};

/* Printable ASCII without blanks: it becomes part of a request line. */
static bool is_http_path(const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        if (*at <= ' ' || *at > '~') {
            return false;
        }
    }
    return text[0] == '/';
}

static int find_kind(const struct reading *reading, const char *section, const struct kind_keys *kinds, size_t count,
                     const char *expected, int *kind)
{
    const char *value = ini_get(reading->ini, section, "kind");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i].kind, value) == 0) {
            *kind = (int)i;
            return 0;
        }
    }
    return reading_wrong(reading, section, "kind", expected);
}

/* The kind, and that no key of another kind is there. */
static int read_kind(const struct reading *reading, const char *section, const struct kind_keys *kinds, size_t count,
                     const char *expected, int *kind)
{
    if (find_kind(reading, section, kinds, count, expected, kind) != 0) {
        return -1;
    }
    for (size_t i = 0; i < reading->ini->count; i++) {
        const struct ini_entry *entry = &reading->ini->entries[i];
        char wanted[64];
        if (strcmp(entry->section, section) != 0 || strlen(entry->key) > sizeof wanted - 3) {
            continue;
        }
        wanted[0] = ' ';
        strcpy(wanted + 1, entry->key);
        strcat(wanted, " ");
        if (strstr(kinds[*kind].keys, wanted) == NULL) {
            return error_set(reading->error, reading->code, "%s line %d: \"%s\" does not go with kind = %s",
                             reading->ini->name, entry->line, entry->key, kinds[*kind].kind);
        }
    }
    return 0;
}

/* One and only one of the two keys. */
static int need_one_of(const struct reading *reading, const char *section, const char *one, const char *other)
{
    bool has_one = ini_get(reading->ini, section, one) != NULL;
    if (has_one == (ini_get(reading->ini, section, other) != NULL)) {
        return error_set(reading->error, reading->code, "%s: [%s] needs one of \"%s\" and \"%s\", and not both",
                         reading->ini->name, section, one, other);
    }
    return 0;
}

/* "migrations/10-x.sql" or "migrations/10-x" for [migration 10-x], so that each file has one section. */
static int check_file(const struct reading *reading, const char *section, const char *folder, const char *name,
                      bool sql)
{
    const char *file = ini_get(reading->ini, section, "file");
    char expected[PACKAGE_MEMBER_NAME_SIZE + 16];
    snprintf(expected, sizeof expected, "%s/%s%s", folder, name, sql ? ".sql" : "");
    return file == NULL || strcmp(file, expected) == 0 ? 0 : reading_wrong(reading, section, "file", expected);
}

static int read_timeout(const struct reading *reading, const char *section, const char *key, uint64_t unit_sec,
                        uint64_t otherwise, int *timeout_sec)
{
    uint64_t number = ini_number(reading->ini, section, key, otherwise);
    if (number == 0 || number > TIMEOUT_SEC_MAX / unit_sec) {
        return reading_wrong(reading, section, key, "more than 0 and at most a week");
    }
    *timeout_sec = (int)(number * unit_sec);
    return 0;
}

static int check_environment(const struct reading *reading, const char *section, const struct strings *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *item = list->items[i];
        size_t length = strspn(item, LOWER_AND_DIGITS UPPER "_");
        if (length == 0 || item[length] != '=' || (item[0] >= '0' && item[0] <= '9')) {
            return reading_wrong(reading, section, "environment", "a list of NAME=value");
        }
    }
    return 0;
}

static int read_migration(const struct reading *reading, const char *section, struct package_migration *migration)
{
    const struct ini *ini = reading->ini;
    migration->name = reading_section_name(reading, section, "migration ");
    if (strspn(migration->name, "0123456789") != 2 || migration->name[2] != '-' || migration->name[3] == '\0') {
        return error_set(reading->error, reading->code, "%s: the name in [%s] does not begin with two digits and -",
                         ini->name, section);
    }
    int kind = 0;
    if (read_kind(reading, section, migration_kinds, COUNT(migration_kinds), "sql or program", &kind) != 0 ||
        need_one_of(reading, section, "file", "command") != 0 ||
        check_file(reading, section, "migrations", migration->name, kind == PACKAGE_MIGRATION_SQL) != 0 ||
        reading_check_account(reading, section, "user") != 0 ||
        read_timeout(reading, section, "timeout-minutes", 60, 60, &migration->timeout_sec) != 0 ||
        ini_list(ini, section, "environment", &migration->environment, reading->error) != 0 ||
        check_environment(reading, section, &migration->environment) != 0) {
        return -1;
    }
    migration->kind = (enum package_migration_kind)kind;
    migration->title = ini_get(ini, section, "title");
    migration->title = migration->title == NULL ? migration->name : migration->title;
    migration->file = ini_get(ini, section, "file");
    migration->command = ini_get(ini, section, "command");
    migration->user = ini_get(ini, section, "user");
    migration->transaction = ini_bool(ini, section, "transaction", true);
    migration->only_if = ini_get(ini, section, "only-if");
    return 0;
}

static int check_expression(const struct reading *reading, const char *section, const char *key)
{
    const char *value = ini_get(reading->ini, section, key);
    regex_t expression;
    char reason[EXPRESSION_REASON_SIZE];
    if (value == NULL) {
        return 0;
    }
    if (expression_compile(&expression, value, REG_NOSUB, reason) != 0) {
        (void)reading_wrong(reading, section, key, "a POSIX extended expression");
        return error_wrap(reading->error, "%s", reason);
    }
    regfree(&expression);
    return 0;
}

static int read_check_time(const struct reading *reading, const char *section, struct package_check *check)
{
    const char *value = ini_get(reading->ini, section, "when");
    check->when = PACKAGE_CHECK_VERIFY;
    for (size_t i = 0; value != NULL && i < COUNT(check_times); i++) {
        if (strcmp(value, check_times[i]) == 0) {
            check->when = (enum package_check_when)i;
            value = NULL;
        }
    }
    if (value != NULL) {
        return reading_wrong(reading, section, "when", "assess, stage or verify");
    }
    if (check->kind == PACKAGE_CHECK_HTTP && check->when != PACKAGE_CHECK_VERIFY) {
        return reading_wrong(reading, section, "when", "verify: only then does the application answer");
    }
    return 0;
}

static int read_check_what(const struct reading *reading, const char *section, struct package_check *check)
{
    const struct ini *ini = reading->ini;
    check->path = ini_get(ini, section, "path");
    check->query = ini_get(ini, section, "query");
    check->equals = ini_get(ini, section, "equals");
    check->command = ini_get(ini, section, "command");
    check->file = ini_get(ini, section, "file");
    check->user = ini_get(ini, section, "user");
    check->match = ini_get(ini, section, "match");
    check->match_not = ini_get(ini, section, "match-not");
    uint64_t status = ini_number(ini, section, "status", check->kind == PACKAGE_CHECK_HTTP ? 200 : 0);
    if (status > (check->kind == PACKAGE_CHECK_HTTP ? 599U : 255U)) {
        return reading_wrong(reading, section, "status", "an HTTP status, or an exit code");
    }
    check->status = (int)status;
    switch (check->kind) {
    case PACKAGE_CHECK_HTTP:
        return check->path != NULL && is_http_path(check->path)
                   ? 0
                   : reading_wrong(reading, section, "path",
                                   "a path that begins with /, in printable ASCII without blanks");
    case PACKAGE_CHECK_SQL: return need_one_of(reading, section, "query", "file");
    case PACKAGE_CHECK_COMMAND: return need_one_of(reading, section, "command", "file");
    }
    return 0;
}

/* Before the upgrade nothing runs that could bring about what is waited for. */
static int read_check_wait(const struct reading *reading, const char *section, struct package_check *check)
{
    check->meanwhile = ini_get(reading->ini, section, "meanwhile");
    if (ini_get(reading->ini, section, "wait-minutes") == NULL) {
        return check->meanwhile == NULL
                   ? 0
                   : error_set(reading->error, reading->code, "%s: [%s] has \"meanwhile\", but no \"wait-minutes\"",
                               reading->ini->name, section);
    }
    if (check->when == PACKAGE_CHECK_ASSESS) {
        return reading_wrong(reading, section, "wait-minutes", "only with when = stage or verify");
    }
    return read_timeout(reading, section, "wait-minutes", 60, 0, &check->wait_sec);
}

static int read_check(const struct reading *reading, const char *section, struct package_check *check)
{
    check->name = reading_section_name(reading, section, "check ");
    check->title = ini_get(reading->ini, section, "title");
    check->title = check->title == NULL ? check->name : check->title;
    int kind = 0;
    if (read_kind(reading, section, check_kinds, COUNT(check_kinds), "http, sql or command", &kind) != 0) {
        return -1;
    }
    check->kind = (enum package_check_kind)kind;
    if (read_check_time(reading, section, check) != 0 || read_check_what(reading, section, check) != 0 ||
        check_file(reading, section, "checks", check->name, check->kind == PACKAGE_CHECK_SQL) != 0 ||
        reading_check_account(reading, section, "user") != 0 || check_expression(reading, section, "match") != 0 ||
        check_expression(reading, section, "match-not") != 0 || read_check_wait(reading, section, check) != 0) {
        return -1;
    }
    return read_timeout(reading, section, "timeout-sec", 1, 60, &check->timeout_sec);
}

static int compare_migrations(const void *one, const void *other)
{
    const struct package_migration *a = one;
    const struct package_migration *b = other;
    return strcmp(a->name, b->name);
}

int reading_migrations(const struct reading *reading)
{
    struct package *package = reading->package;
    struct strings sections = {0};
    int result = reading_find_sections(reading, "migration ", &sections);
    if (result == 0) {
        package->migrations = reading_allocate(reading, sections.count, sizeof *package->migrations);
        result = package->migrations == NULL ? -1 : 0;
    }
    for (size_t i = 0; result == 0 && i < sections.count; i++) {
        /* Counted first: what a half-read one holds is freed with the rest. */
        struct package_migration *migration = &package->migrations[package->migrations_count++];
        result = read_migration(reading, sections.items[i], migration);
    }
    if (result == 0) {
        qsort(package->migrations, package->migrations_count, sizeof *package->migrations, compare_migrations);
    }
    strings_free(&sections);
    return result;
}

int reading_checks(const struct reading *reading)
{
    struct package *package = reading->package;
    struct strings sections = {0};
    int result = reading_find_sections(reading, "check ", &sections);
    if (result == 0) {
        package->checks = reading_allocate(reading, sections.count, sizeof *package->checks);
        result = package->checks == NULL ? -1 : 0;
    }
    for (size_t i = 0; result == 0 && i < sections.count; i++) {
        result = read_check(reading, sections.items[i], &package->checks[package->checks_count++]);
    }
    strings_free(&sections);
    return result;
}
