#include "package/package_index.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "package/package_member.h"
#include "package/package_version.h"

#define SECTION_NAME_MAX 31
#define TIMEOUT_SEC_MAX ((uint64_t)7 * 24 * 3600)

const struct ini_rule package_index_rules[] = {
    {"package", "format", INI_NUMBER, true, "1"},
    {"package", "name", INI_TEXT, true, "the package's name"},
    {"package", "application", INI_TEXT, true, "the profile's name it is for"},
    {"package", "title", INI_TEXT, true, "what it is, for people"},
    {"package", "version", INI_TEXT, true, "the version the server has afterwards"},
    {"package", "from", INI_LIST, true, "versions it upgrades, exact or a series like 1.39.*"},
    {"tree", "owner", INI_TEXT, false, "account on the server that owns the new tree's files"},
    {"tree", "group", INI_TEXT, false, "group on the server of the new tree's files"},
    {"requirements", "memory-mb", INI_NUMBER, false, "memory of the server"},
    {"requirements", "disk-mb", INI_NUMBER, false, "free space over what Caisson reckons"},
    {"requirements", "postgresql", INI_NUMBER, false, "lowest major version of PostgreSQL"},
    {"requirements", "commands", INI_LIST, false, "programs the server must have"},
    {"requirements", "os", INI_LIST, false, "ID-VERSION_ID of os-release"},
    {"migration *", "kind", INI_TEXT, true, "sql or program"},
    {"migration *", "file", INI_TEXT, false, "a member below migrations/"},
    {"migration *", "command", INI_TEXT, false, "a line for the server's shell"},
    {"migration *", "title", INI_TEXT, false, "what it does, for people"},
    {"migration *", "user", INI_TEXT, false, "the account it runs as"},
    {"migration *", "environment", INI_LIST, false, "NAME=value"},
    {"migration *", "transaction", INI_BOOL, false, "sql: yes unless it cannot run in one"},
    {"migration *", "timeout-minutes", INI_NUMBER, false, "60 if not given"},
    {"check *", "kind", INI_TEXT, true, "http, sql or command"},
    {"check *", "when", INI_TEXT, false, "assess, stage or verify"},
    {"check *", "title", INI_TEXT, false, "what it shows, for people"},
    {"check *", "path", INI_TEXT, false, "http: path and query below the profile's address"},
    {"check *", "status", INI_NUMBER, false, "http: 200 if not given; command: exit code"},
    {"check *", "match", INI_TEXT, false, "extended expression that must be found"},
    {"check *", "match-not", INI_TEXT, false, "extended expression that must not be found"},
    {"check *", "query", INI_TEXT, false, "sql: one statement"},
    {"check *", "file", INI_TEXT, false, "a member below checks/"},
    {"check *", "equals", INI_TEXT, false, "sql: the value of the first row's first column"},
    {"check *", "command", INI_TEXT, false, "a line for the server's shell"},
    {"check *", "user", INI_TEXT, false, "the account it runs as"},
    {"check *", "timeout-sec", INI_NUMBER, false, "60 if not given"},
    {"roles", "*", INI_TEXT, false, "OLD = NEW, or - for a role that is gone"},
    {"interface *", "removed", INI_TEXT, true, "text that the new version no longer has"},
    {"interface *", "instead", INI_TEXT, false, "what to use now, for people"},
    {"members", "*", INI_TEXT, false, "written by pack: NAME = SHA-256 SIZE"},
    {NULL, NULL, INI_TEXT, false, NULL},
};

/* Which keys go with which kind; `kind`, `title` and the timeouts go with all. */
struct kind_keys {
    const char *kind;
    const char *keys; /* blank before and after each */
};

static const struct kind_keys migration_kinds[] = {
    [PACKAGE_MIGRATION_SQL] = {"sql", " kind title timeout-minutes file transaction "},
    [PACKAGE_MIGRATION_PROGRAM] = {"program", " kind title timeout-minutes file command user environment "},
};

static const struct kind_keys check_kinds[] = {
    [PACKAGE_CHECK_HTTP] = {"http", " kind title timeout-sec when path status match match-not "},
    [PACKAGE_CHECK_SQL] = {"sql", " kind title timeout-sec when query file equals match match-not "},
    [PACKAGE_CHECK_COMMAND] = {"command", " kind title timeout-sec when command file user status match match-not "},
};

static const char *const check_times[] = {
    [PACKAGE_CHECK_ASSESS] = "assess",
    [PACKAGE_CHECK_STAGE] = "stage",
    [PACKAGE_CHECK_VERIFY] = "verify",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct reading {
    struct package *package;
    const struct ini *ini;
    enum error_code code;
    struct error *error;
};

static int wrong(const struct reading *reading, const char *section, const char *key, const char *expected)
{
    const char *value = ini_get(reading->ini, section, key);
    return error_set(reading->error, reading->code, "%s: \"%s\" in [%s] is \"%s\", expected is %s", reading->ini->name,
                     key, section, value == NULL ? "" : value, expected);
}

static bool all_of(const char *text, const char *allowed)
{
    return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool is_name(const char *text)
{
    return all_of(text, LOWER_AND_DIGITS "-") && text[0] != '-' && strlen(text) <= SECTION_NAME_MAX;
}

static bool is_account(const char *text)
{
    return all_of(text, LOWER_AND_DIGITS UPPER "_.-") && text[0] != '-' && strlen(text) <= 64;
}

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

static int check_text(const struct reading *reading, const char *text, size_t size_bytes)
{
    bool plain = utf8_is_valid(text, size_bytes);
    for (size_t i = 0; plain && i < size_bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        plain = (c >= ' ' && c != 0x7f) || c == '\n' || c == '\r' || c == '\t';
    }
    return plain
               ? 0
               : error_set(reading->error, reading->code,
                           "%s is not plain UTF-8 text (control characters, or another encoding)", reading->ini->name);
}

/* Sections that begin with prefix, each once, in order of appearance. */
static int find_sections(const struct reading *reading, const char *prefix, struct strings *sections)
{
    for (size_t i = 0; i < reading->ini->count; i++) {
        const char *section = reading->ini->entries[i].section;
        if (strncmp(section, prefix, strlen(prefix)) != 0 || strings_has(sections, section)) {
            continue;
        }
        if (!is_name(section + strlen(prefix))) {
            return error_set(reading->error, reading->code,
                             "%s line %d: the name in [%s] is not 1 to %d of a-z, 0-9 and -", reading->ini->name,
                             reading->ini->entries[i].line, section, SECTION_NAME_MAX);
        }
        if (strings_add(sections, section, reading->error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The section's name part, owned by the ini. */
static const char *section_name(const struct reading *reading, const char *section, const char *prefix)
{
    for (size_t i = 0; i < reading->ini->count; i++) {
        if (strcmp(reading->ini->entries[i].section, section) == 0) {
            return reading->ini->entries[i].section + strlen(prefix);
        }
    }
    return section;
}

static int read_word(const struct reading *reading, const char *section, const char *key, const struct kind_keys *kinds,
                     size_t count, int *kind)
{
    const char *value = ini_get(reading->ini, section, key);
    char known[64] = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i].kind, value) == 0) {
            *kind = (int)i;
            return 0;
        }
        strncat(known, i == 0 ? "" : ", ", sizeof known - strlen(known) - 1);
        strncat(known, kinds[i].kind, sizeof known - strlen(known) - 1);
    }
    char expected[96] = "one of ";
    strncat(expected, known, sizeof expected - strlen(expected) - 1);
    return wrong(reading, section, key, expected);
}

static int read_kind(const struct reading *reading, const char *section, const struct kind_keys *kinds, size_t count,
                     int *kind)
{
    if (read_word(reading, section, "kind", kinds, count, kind) != 0) {
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
    return file == NULL || strcmp(file, expected) == 0 ? 0 : wrong(reading, section, "file", expected);
}

static int check_account(const struct reading *reading, const char *section, const char *key)
{
    const char *value = ini_get(reading->ini, section, key);
    return value == NULL || is_account(value) ? 0 : wrong(reading, section, key, "the name of an account");
}

static int read_timeout(const struct reading *reading, const char *section, const char *key, uint64_t unit_sec,
                        uint64_t otherwise, int *timeout_sec)
{
    uint64_t number = ini_number(reading->ini, section, key, otherwise);
    if (number == 0 || number > TIMEOUT_SEC_MAX / unit_sec) {
        return wrong(reading, section, key, "more than 0 and at most a week");
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
            return wrong(reading, section, "environment", "a list of NAME=value");
        }
    }
    return 0;
}

static int read_migration(const struct reading *reading, const char *section, struct package_migration *migration)
{
    const struct ini *ini = reading->ini;
    migration->name = section_name(reading, section, "migration ");
    if (strspn(migration->name, "0123456789") != 2 || migration->name[2] != '-' || migration->name[3] == '\0') {
        return error_set(reading->error, reading->code, "%s: the name in [%s] does not begin with two digits and -",
                         ini->name, section);
    }
    int kind = 0;
    if (read_kind(reading, section, migration_kinds, COUNT(migration_kinds), &kind) != 0 ||
        need_one_of(reading, section, "file", "command") != 0 ||
        check_file(reading, section, "migrations", migration->name, kind == PACKAGE_MIGRATION_SQL) != 0 ||
        check_account(reading, section, "user") != 0 ||
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
    return 0;
}

static int check_expression(const struct reading *reading, const char *section, const char *key)
{
    const char *value = ini_get(reading->ini, section, key);
    regex_t expression;
    if (value == NULL) {
        return 0;
    }
    if (regcomp(&expression, value, REG_EXTENDED | REG_NOSUB) != 0) {
        return wrong(reading, section, key, "a POSIX extended expression");
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
        return wrong(reading, section, "when", "assess, stage or verify");
    }
    if (check->kind == PACKAGE_CHECK_HTTP && check->when != PACKAGE_CHECK_VERIFY) {
        return wrong(reading, section, "when", "verify: only then does the application answer");
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
        return wrong(reading, section, "status", "an HTTP status, or an exit code");
    }
    check->status = (int)status;
    switch (check->kind) {
    case PACKAGE_CHECK_HTTP:
        return check->path != NULL && is_http_path(check->path)
                   ? 0
                   : wrong(reading, section, "path", "a path that begins with /, in printable ASCII without blanks");
    case PACKAGE_CHECK_SQL: return need_one_of(reading, section, "query", "file");
    case PACKAGE_CHECK_COMMAND: return need_one_of(reading, section, "command", "file");
    }
    return 0;
}

static int read_check(const struct reading *reading, const char *section, struct package_check *check)
{
    check->name = section_name(reading, section, "check ");
    check->title = ini_get(reading->ini, section, "title");
    check->title = check->title == NULL ? check->name : check->title;
    int kind = 0;
    if (read_kind(reading, section, check_kinds, COUNT(check_kinds), &kind) != 0) {
        return -1;
    }
    check->kind = (enum package_check_kind)kind;
    if (read_check_time(reading, section, check) != 0 || read_check_what(reading, section, check) != 0 ||
        check_file(reading, section, "checks", check->name, check->kind == PACKAGE_CHECK_SQL) != 0 ||
        check_account(reading, section, "user") != 0 || check_expression(reading, section, "match") != 0 ||
        check_expression(reading, section, "match-not") != 0) {
        return -1;
    }
    return read_timeout(reading, section, "timeout-sec", 1, 60, &check->timeout_sec);
}

static int read_interface(const struct reading *reading, const char *section, struct package_interface *interface)
{
    interface->name = section_name(reading, section, "interface ");
    interface->removed = ini_get(reading->ini, section, "removed");
    interface->instead = ini_get(reading->ini, section, "instead");
    return 0;
}

static void *allocate(const struct reading *reading, size_t count, size_t size_bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, size_bytes);
    if (memory == NULL) {
        error_set(reading->error, CSN_MEMORY, "no memory to read %s", reading->ini->name);
    }
    return memory;
}

static int read_migrations(const struct reading *reading)
{
    struct package *package = reading->package;
    struct strings sections = {0};
    int result = find_sections(reading, "migration ", &sections);
    if (result == 0) {
        package->migrations = allocate(reading, sections.count, sizeof *package->migrations);
        result = package->migrations == NULL ? -1 : 0;
    }
    for (size_t i = 0; result == 0 && i < sections.count; i++) {
        /* Counted first: what a half-read one holds is freed with the rest. */
        struct package_migration *migration = &package->migrations[package->migrations_count++];
        result = read_migration(reading, sections.items[i], migration);
        if (result == 0 && i > 0 && strcmp(migration[-1].name, migration->name) >= 0) {
            result = error_set(reading->error, reading->code, "%s: [%s] stands behind a migration that runs after it",
                               reading->ini->name, sections.items[i]);
        }
    }
    strings_free(&sections);
    return result;
}

static int read_checks(const struct reading *reading)
{
    struct package *package = reading->package;
    struct strings sections = {0};
    int result = find_sections(reading, "check ", &sections);
    if (result == 0) {
        package->checks = allocate(reading, sections.count, sizeof *package->checks);
        result = package->checks == NULL ? -1 : 0;
    }
    for (size_t i = 0; result == 0 && i < sections.count; i++) {
        result = read_check(reading, sections.items[i], &package->checks[package->checks_count++]);
    }
    strings_free(&sections);
    return result;
}

static int read_interfaces(const struct reading *reading)
{
    struct package *package = reading->package;
    struct strings sections = {0};
    int result = find_sections(reading, "interface ", &sections);
    if (result == 0) {
        package->interfaces = allocate(reading, sections.count, sizeof *package->interfaces);
        result = package->interfaces == NULL ? -1 : 0;
    }
    for (size_t i = 0; result == 0 && i < sections.count; i++) {
        result = read_interface(reading, sections.items[i], &package->interfaces[package->interfaces_count++]);
    }
    strings_free(&sections);
    return result;
}

static size_t count_keys(const struct ini *ini, const char *section)
{
    size_t count = 0;
    for (size_t i = 0; i < ini->count; i++) {
        count += strcmp(ini->entries[i].section, section) == 0;
    }
    return count;
}

static int read_roles(const struct reading *reading)
{
    struct package *package = reading->package;
    package->roles = allocate(reading, count_keys(reading->ini, "roles"), sizeof *package->roles);
    for (size_t i = 0; package->roles != NULL && i < reading->ini->count; i++) {
        const struct ini_entry *entry = &reading->ini->entries[i];
        if (strcmp(entry->section, "roles") == 0) {
            package->roles[package->roles_count++] = (struct package_role){entry->key, entry->value};
        }
    }
    return package->roles == NULL ? -1 : 0;
}

static int read_header(const struct reading *reading)
{
    struct package *package = reading->package;
    const struct ini *ini = reading->ini;
    package->name = ini_get(ini, "package", "name");
    package->application = ini_get(ini, "package", "application");
    package->title = ini_get(ini, "package", "title");
    package->version = ini_get(ini, "package", "version");
    package->owner = ini_get(ini, "tree", "owner");
    package->group = ini_get(ini, "tree", "group");
    if (ini_number(ini, "package", "format", 0) != 1) {
        return wrong(reading, "package", "format", "1, the only one this release of Caisson knows");
    }
    if (!is_name(package->name)) {
        return wrong(reading, "package", "name", "1 to 31 of a-z, 0-9 and -");
    }
    if (!is_name(package->application)) {
        return wrong(reading, "package", "application", "1 to 31 of a-z, 0-9 and -");
    }
    if (!package_version_is_valid(package->version)) {
        return wrong(reading, "package", "version", "a version: letters, digits and . _ + ~ -");
    }
    if (ini_list(ini, "package", "from", &package->from, reading->error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < package->from.count; i++) {
        if (!package_pattern_is_valid(package->from.items[i])) {
            return wrong(reading, "package", "from", "a list of versions like 1.39.17 or 1.39.*");
        }
    }
    if (package->from.count == 0) {
        return wrong(reading, "package", "from", "a list of versions like 1.39.17 or 1.39.*");
    }
    return check_account(reading, "tree", "owner") != 0 ? -1 : check_account(reading, "tree", "group");
}

static int read_requirements(const struct reading *reading)
{
    struct package_requirements *requirements = &reading->package->requirements;
    const struct ini *ini = reading->ini;
    requirements->memory_mb = ini_number(ini, "requirements", "memory-mb", 0);
    requirements->disk_mb = ini_number(ini, "requirements", "disk-mb", 0);
    uint64_t postgresql = ini_number(ini, "requirements", "postgresql", 0);
    if (requirements->memory_mb > UINT32_MAX) {
        return wrong(reading, "requirements", "memory-mb", "a number of megabytes");
    }
    if (requirements->disk_mb > UINT32_MAX) {
        return wrong(reading, "requirements", "disk-mb", "a number of megabytes");
    }
    if (postgresql > 999) {
        return wrong(reading, "requirements", "postgresql", "a major version like 13");
    }
    requirements->postgresql = (unsigned)postgresql;
    if (ini_list(ini, "requirements", "commands", &requirements->commands, reading->error) != 0 ||
        ini_list(ini, "requirements", "os", &requirements->os, reading->error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < requirements->commands.count; i++) {
        const char *command = requirements->commands.items[i];
        if (strpbrk(command, " \t") != NULL || (command[0] != '/' && strchr(command, '/') != NULL)) {
            return wrong(reading, "requirements", "commands", "a list of names or absolute paths");
        }
    }
    return 0;
}

int package_index_parse(struct package *package, enum package_index_source source, const char *name, const char *text,
                        size_t size_bytes, struct error *error)
{
    struct reading reading = {
        .package = package,
        .ini = &package->ini,
        .code = source == PACKAGE_INDEX_INPUT ? CSN_PACKAGE_INPUT : CSN_PACKAGE_CONTENT,
        .error = error,
    };
    if (ini_parse(&package->ini, name, text, size_bytes, package_index_rules, error) != 0) {
        /* What is wrong with a job's line is the reader's to mend; what is wrong with a signed index is the vendor's. */
        if (source == PACKAGE_INDEX_SIGNED && error != NULL && error->code != CSN_MEMORY) {
            error->code = CSN_PACKAGE_CONTENT;
        }
        return -1;
    }
    if (check_text(&reading, text, size_bytes) != 0 || read_header(&reading) != 0 || read_requirements(&reading) != 0 ||
        read_migrations(&reading) != 0 || read_checks(&reading) != 0 || read_interfaces(&reading) != 0 ||
        read_roles(&reading) != 0) {
        return -1;
    }
    if (source == PACKAGE_INDEX_INPUT) {
        return count_keys(&package->ini, "members") == 0
                   ? 0
                   : error_set(error, CSN_PACKAGE_INPUT, "%s has the section [members], which pack writes by itself",
                               name);
    }
    return package_members_read(package, error);
}

void package_index_free(struct package *package)
{
    for (size_t i = 0; i < package->migrations_count; i++) {
        strings_free(&package->migrations[i].environment);
    }
    free(package->migrations);
    free(package->checks);
    free(package->roles);
    free(package->interfaces);
    free(package->members);
    strings_free(&package->from);
    strings_free(&package->requirements.commands);
    strings_free(&package->requirements.os);
    ini_free(&package->ini);
}
