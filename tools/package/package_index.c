#include "package/package_index.h"

#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "package/package_member.h"
#include "package/package_reading.h"
#include "package/package_version.h"

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
    {"schema", "query", INI_TEXT, false, "SQL that gives the version of the database's schema"},
    {"schema", "before", INI_LIST, false, "what it may be before"},
    {"schema", "after", INI_TEXT, false, "what it is afterwards"},
    {"migration *", "kind", INI_TEXT, true, "sql or program"},
    {"migration *", "file", INI_TEXT, false, "a member below migrations/"},
    {"migration *", "command", INI_TEXT, false, "a line for the server's shell"},
    {"migration *", "title", INI_TEXT, false, "what it does, for people"},
    {"migration *", "user", INI_TEXT, false, "the account it runs as"},
    {"migration *", "environment", INI_LIST, false, "NAME=value"},
    {"migration *", "transaction", INI_BOOL, false, "sql: yes unless it cannot run in one"},
    {"migration *", "only-if", INI_TEXT, false, "SQL: it runs only where this gives t"},
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
    {"check *", "wait-minutes", INI_NUMBER, false, "asked again and again so long until it holds"},
    {"check *", "meanwhile", INI_TEXT, false, "a line for the server's shell, run while it is waited"},
    {"check *", "timeout-sec", INI_NUMBER, false, "60 if not given"},
    {"flyway", "before", INI_LIST, false, "versions of the schema that it may have before"},
    {"flyway", "schema", INI_TEXT, false, "where the history table is; public if not given"},
    {"flyway", "table", INI_TEXT, false, "the history table; flyway_schema_history if not given"},
    {"flyway", "timeout-minutes", INI_NUMBER, false, "of each script; 60 if not given"},
    {"flyway-placeholders", "*", INI_TEXT, false, "NAME = what stands for ${NAME}"},
    {"roles", "*", INI_TEXT, false, "OLD = NEW, or - for a role that is gone; * = * for all that have no line"},
    {"interface *", "removed", INI_TEXT, true, "text that the new version no longer has"},
    {"interface *", "instead", INI_TEXT, false, "what to use now, for people"},
    {"members", "*", INI_TEXT, false, "written by pack: NAME = SHA-256 SIZE"},
    {NULL, NULL, INI_TEXT, false, NULL},
};

int reading_wrong(const struct reading *reading, const char *section, const char *key, const char *expected)
{
    const char *value = ini_get(reading->ini, section, key);
    return error_set(reading->error, reading->code, "%s: \"%s\" in [%s] is \"%s\", expected is %s", reading->ini->name,
                     key, section, value == NULL ? "" : value, expected);
}

bool reading_is_of(const char *text, const char *allowed)
{
    return text[0] != '\0' && text[strspn(text, allowed)] == '\0';
}

bool reading_is_name(const char *text)
{
    return reading_is_of(text, LOWER_AND_DIGITS "-") && text[0] != '-' && strlen(text) <= SECTION_NAME_MAX;
}

static bool is_account(const char *text)
{
    return reading_is_of(text, LOWER_AND_DIGITS UPPER "_.-") && text[0] != '-' && strlen(text) <= 64;
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

int reading_find_sections(const struct reading *reading, const char *prefix, struct strings *sections)
{
    for (size_t i = 0; i < reading->ini->count; i++) {
        const char *section = reading->ini->entries[i].section;
        if (strncmp(section, prefix, strlen(prefix)) != 0 || strings_has(sections, section)) {
            continue;
        }
        if (!reading_is_name(section + strlen(prefix))) {
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

const char *reading_section_name(const struct reading *reading, const char *section, const char *prefix)
{
    for (size_t i = 0; i < reading->ini->count; i++) {
        if (strcmp(reading->ini->entries[i].section, section) == 0) {
            return reading->ini->entries[i].section + strlen(prefix);
        }
    }
    return section;
}

int reading_check_account(const struct reading *reading, const char *section, const char *key)
{
    const char *value = ini_get(reading->ini, section, key);
    return value == NULL || is_account(value) ? 0 : reading_wrong(reading, section, key, "the name of an account");
}

void *reading_allocate(const struct reading *reading, size_t count, size_t size_bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, size_bytes);
    if (memory == NULL) {
        error_set(reading->error, CSN_MEMORY, "no memory to read %s", reading->ini->name);
    }
    return memory;
}

static int read_interfaces(const struct reading *reading)
{
    struct package *package = reading->package;
    struct strings sections = {0};
    int result = reading_find_sections(reading, "interface ", &sections);
    if (result == 0) {
        package->interfaces = reading_allocate(reading, sections.count, sizeof *package->interfaces);
        result = package->interfaces == NULL ? -1 : 0;
    }
    for (size_t i = 0; result == 0 && i < sections.count; i++) {
        const char *section = sections.items[i];
        package->interfaces[package->interfaces_count++] = (struct package_interface){
            .name = reading_section_name(reading, section, "interface "),
            .removed = ini_get(reading->ini, section, "removed"),
            .instead = ini_get(reading->ini, section, "instead"),
        };
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
    package->roles = reading_allocate(reading, count_keys(reading->ini, "roles"), sizeof *package->roles);
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
        return reading_wrong(reading, "package", "format", "1, the only one this release of Caisson knows");
    }
    if (!reading_is_name(package->name)) {
        return reading_wrong(reading, "package", "name", "1 to 31 of a-z, 0-9 and -");
    }
    if (!reading_is_name(package->application)) {
        return reading_wrong(reading, "package", "application", "1 to 31 of a-z, 0-9 and -");
    }
    if (!package_version_is_valid(package->version)) {
        return reading_wrong(reading, "package", "version", "a version: letters, digits and . _ + ~ -");
    }
    if (ini_list(ini, "package", "from", &package->from, reading->error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < package->from.count; i++) {
        if (!package_pattern_is_valid(package->from.items[i])) {
            return reading_wrong(reading, "package", "from", "a list of versions like 1.39.17 or 1.39.*");
        }
    }
    if (package->from.count == 0) {
        return reading_wrong(reading, "package", "from", "a list of versions like 1.39.17 or 1.39.*");
    }
    return reading_check_account(reading, "tree", "owner") != 0 ? -1 : reading_check_account(reading, "tree", "group");
}

static int read_requirements(const struct reading *reading)
{
    struct package_requirements *requirements = &reading->package->requirements;
    const struct ini *ini = reading->ini;
    requirements->memory_mb = ini_number(ini, "requirements", "memory-mb", 0);
    requirements->disk_mb = ini_number(ini, "requirements", "disk-mb", 0);
    uint64_t postgresql = ini_number(ini, "requirements", "postgresql", 0);
    if (requirements->memory_mb > UINT32_MAX) {
        return reading_wrong(reading, "requirements", "memory-mb", "a number of megabytes");
    }
    if (requirements->disk_mb > UINT32_MAX) {
        return reading_wrong(reading, "requirements", "disk-mb", "a number of megabytes");
    }
    if (postgresql > 999) {
        return reading_wrong(reading, "requirements", "postgresql", "a major version like 13");
    }
    requirements->postgresql = (unsigned)postgresql;
    if (ini_list(ini, "requirements", "commands", &requirements->commands, reading->error) != 0 ||
        ini_list(ini, "requirements", "os", &requirements->os, reading->error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < requirements->commands.count; i++) {
        const char *command = requirements->commands.items[i];
        if (strpbrk(command, " \t") != NULL || (command[0] != '/' && strchr(command, '/') != NULL)) {
            return reading_wrong(reading, "requirements", "commands", "a list of names or absolute paths");
        }
    }
    return 0;
}

static int read_schema(const struct reading *reading)
{
    struct package_schema *schema = &reading->package->schema;
    const struct ini *ini = reading->ini;
    schema->query = ini_get(ini, "schema", "query");
    schema->after = ini_get(ini, "schema", "after");
    if (ini_list(ini, "schema", "before", &schema->before, reading->error) != 0) {
        return -1;
    }
    return (schema->query != NULL) == (schema->after != NULL) && (schema->query != NULL) == (schema->before.count > 0)
               ? 0
               : error_set(reading->error, reading->code, "%s: [schema] needs query, before and after, or is left out",
                           ini->name);
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
        read_schema(&reading) != 0 || reading_migrations(&reading) != 0 || reading_checks(&reading) != 0 ||
        read_interfaces(&reading) != 0 || read_roles(&reading) != 0) {
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
    strings_free(&package->schema.before);
    ini_free(&package->ini);
}
