#include "lib/ini.h"
#include "lib/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* packages/inih is built with the same two settings. */
#define INI_HANDLER_LINENO 1
#define INI_CALL_HANDLER_ON_NEW_SECTION 0
#include <ini.h>

struct reading {
    struct ini *ini;
    const struct ini_rule *rules;
    struct error *error;
    bool failed;
};

static bool section_fits(const char *pattern, const char *section)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*') {
        return strncmp(pattern, section, length - 1) == 0;
    }
    return strcmp(pattern, section) == 0;
}

static const struct ini_rule *find_rule(const struct ini_rule *rules, const char *section, const char *key)
{
    for (const struct ini_rule *rule = rules; rule->section != NULL; rule++) {
        if (section_fits(rule->section, section) && (strcmp(rule->key, "*") == 0 || strcmp(rule->key, key) == 0)) {
            return rule;
        }
    }
    return NULL;
}

static bool find_section(const struct ini_rule *rules, const char *section)
{
    while (rules->section != NULL && !section_fits(rules->section, section)) {
        rules++;
    }
    return rules->section != NULL;
}

static const char *wrong_value(enum ini_kind kind, const char *value)
{
    switch (kind) {
    case INI_NUMBER: {
        char *end = NULL;
        errno = 0;
        (void)strtoull(value, &end, 10);
        return value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 ? "a whole number" : NULL;
    }
    case INI_BOOL: return strcmp(value, "yes") != 0 && strcmp(value, "no") != 0 ? "yes or no" : NULL;
    case INI_PATH: {
        size_t length = strlen(value);
        bool climbs = strstr(value, "/../") != NULL || (length >= 3 && strcmp(value + length - 3, "/..") == 0);
        return value[0] != '/' || climbs ? "an absolute path without .." : NULL;
    }
    case INI_TEXT:
    case INI_LIST: return value[0] == '\0' ? "something behind the =" : NULL;
    }
    return NULL;
}

static int check_entry(struct reading *reading, const struct ini_rule *rule, const char *section, const char *key,
                       const char *value, int line)
{
    const char *name = reading->ini->name;
    if (rule == NULL) {
        return error_set(reading->error, CSN_JOB_UNKNOWN_KEY, "%s line %d: there is no key \"%s\" in [%s]", name, line,
                         key, section);
    }
    for (size_t i = 0; i < reading->ini->count; i++) {
        const struct ini_entry *entry = &reading->ini->entries[i];
        if (strcmp(entry->section, section) == 0 && strcmp(entry->key, key) == 0) {
            return error_set(reading->error, CSN_JOB_REPEATED_KEY,
                             "%s line %d: \"%s\" in [%s] was already given in line %d", name, line, key, section,
                             entry->line);
        }
    }
    const char *expected = wrong_value(rule->kind, value);
    if (expected != NULL) {
        return error_set(reading->error, CSN_JOB_VALUE, "%s line %d: \"%s\" in [%s] is \"%s\", expected is %s", name,
                         line, key, section, value, expected);
    }
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static void decode_key(char *key)
{
    char *to = key;
    for (const char *from = key; *from != '\0'; from++) {
        int high = from[0] == '%' ? hex_digit(from[1]) : -1;
        int low = high < 0 ? -1 : hex_digit(from[2]);
        bool is_byte = low >= 0 && high * 16 + low != 0;
        *to++ = is_byte ? (char)(high * 16 + low) : *from;
        from += is_byte ? 2 : 0;
    }
    *to = '\0';
}

void ini_append_key(struct buffer *line, const char *text)
{
    bool whole = utf8_is_valid(text, strlen(text));
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        bool is_blank_edge = byte == ' ' && (at == text || at[1] == '\0');
        bool is_first = at == text && strchr("#;[", byte) != NULL;
        if (byte < ' ' || byte == 0x7f || (byte >= 0x80 && !whole) || strchr("=:%", byte) != NULL || is_blank_edge ||
            is_first) {
            buffer_format(line, "%%%02X", byte);
        } else {
            buffer_append(line, at, 1);
        }
    }
}

static int add_entry(struct reading *reading, const char *section, const char *key, const char *value, int line)
{
    struct ini *ini = reading->ini;
    if (ini->count == ini->allocated) {
        size_t wanted = ini->allocated == 0 ? 32 : ini->allocated * 2;
        struct ini_entry *grown = realloc(ini->entries, wanted * sizeof *grown);
        if (grown == NULL) {
            return error_set(reading->error, CSN_MEMORY, "no memory to read %s", ini->name);
        }
        ini->entries = grown;
        ini->allocated = wanted;
    }
    struct ini_entry *entry = &ini->entries[ini->count++];
    *entry = (struct ini_entry){strdup(section), strdup(key), strdup(value), line};
    if (entry->section == NULL || entry->key == NULL || entry->value == NULL) {
        return error_set(reading->error, CSN_MEMORY, "no memory to read %s", ini->name);
    }
    return 0;
}

/* inih's convention: 1 is good, 0 stops. */
static int on_entry(void *user, const char *section, const char *key, const char *value, int line)
{
    struct reading *reading = user;
    const struct ini_rule *rule = find_rule(reading->rules, section, key);
    char *name = strdup(key);
    if (name != NULL && rule != NULL && strcmp(rule->key, "*") == 0) {
        decode_key(name);
    }
    if (name == NULL) {
        (void)error_set(reading->error, CSN_MEMORY, "no memory to read %s", reading->ini->name);
        reading->failed = true;
    } else if (check_entry(reading, rule, section, name, value == NULL ? "" : value, line) != 0 ||
               add_entry(reading, section, name, value == NULL ? "" : value, line) != 0) {
        reading->failed = true;
    }
    free(name);
    return reading->failed ? 0 : 1;
}

/* inih tells of no section that has no key: a mistyped one would go unseen. Lines are cut as it cuts them. */
static int check_sections(const struct ini *ini, const char *text, const struct ini_rule *rules, struct error *error)
{
    int line = 1;
    text += strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (const char *at = text; *at != '\0'; line++) {
        const char *start = at + strspn(at, " \t");
        size_t length = start[0] == '[' ? strcspn(start + 1, "]\n") : 0;
        at += strcspn(at, "\n");
        at += *at != '\0';
        if (start[0] != '[' || start[1 + length] != ']') {
            continue;
        }
        char *section = strndup(start + 1, length);
        bool known = section != NULL && find_section(rules, section);
        int result = section == NULL ? error_set(error, CSN_MEMORY, "no memory to read %s", ini->name)
                     : known         ? 0
                             : error_set(error, CSN_JOB_UNKNOWN_KEY, "%s line %d: there is no section [%s]", ini->name,
                                         line, section);
        free(section);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

static bool section_is_there(const struct ini *ini, const char *section)
{
    for (size_t i = 0; i < ini->count; i++) {
        if (strcmp(ini->entries[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

static int check_required(const struct ini *ini, const struct ini_rule *rules, struct error *error)
{
    for (const struct ini_rule *rule = rules; rule->section != NULL; rule++) {
        if (!rule->required) {
            continue;
        }
        bool pattern = strchr(rule->section, '*') != NULL;
        if (!pattern && ini_get(ini, rule->section, rule->key) == NULL) {
            return error_set(error, CSN_JOB_KEY_MISSING, "%s: [%s] needs the key \"%s\" (%s)%s", ini->name,
                             rule->section, rule->key, rule->help,
                             section_is_there(ini, rule->section) ? "" : "; the section is not there");
        }
        for (size_t i = 0; pattern && i < ini->count; i++) {
            const char *section = ini->entries[i].section;
            if (section_fits(rule->section, section) && ini_get(ini, section, rule->key) == NULL) {
                return error_set(error, CSN_JOB_KEY_MISSING, "%s: [%s] needs the key \"%s\" (%s)", ini->name, section,
                                 rule->key, rule->help);
            }
        }
    }
    return 0;
}

int ini_parse(struct ini *ini, const char *name, const char *text, size_t size_bytes, const struct ini_rule *rules,
              struct error *error)
{
    *ini = (struct ini){0};
    if (memchr(text, '\0', size_bytes) != NULL) {
        return error_set(error, CSN_JOB_SYNTAX, "%s holds a NUL byte: it is not a text file", name);
    }
    char *copy = strndup(text, size_bytes);
    ini->name = strdup(name);
    if (copy == NULL || ini->name == NULL) {
        free(copy);
        ini_free(ini);
        return error_set(error, CSN_MEMORY, "no memory to read %s", name);
    }
    struct reading reading = {ini, rules, error, false};
    int line = ini_parse_string(copy, on_entry, &reading);
    int result = 0;
    if (reading.failed) {
        result = -1;
    } else if (line != 0) {
        result = error_set(error, CSN_JOB_SYNTAX, "%s line %d: neither [section] nor key = value", name, line);
    } else if (check_sections(ini, copy, rules, error) != 0 || check_required(ini, rules, error) != 0) {
        result = -1;
    }
    free(copy);
    if (result != 0) {
        ini_free(ini);
    }
    return result;
}

void ini_free(struct ini *ini)
{
    for (size_t i = 0; i < ini->count; i++) {
        free(ini->entries[i].section);
        free(ini->entries[i].key);
        free(ini->entries[i].value);
    }
    free(ini->entries);
    free(ini->name);
    *ini = (struct ini){0};
}

const char *ini_get(const struct ini *ini, const char *section, const char *key)
{
    for (size_t i = 0; i < ini->count; i++) {
        if (strcmp(ini->entries[i].section, section) == 0 && strcmp(ini->entries[i].key, key) == 0) {
            return ini->entries[i].value;
        }
    }
    return NULL;
}

uint64_t ini_number(const struct ini *ini, const char *section, const char *key, uint64_t otherwise)
{
    const char *value = ini_get(ini, section, key);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

bool ini_bool(const struct ini *ini, const char *section, const char *key, bool otherwise)
{
    const char *value = ini_get(ini, section, key);
    return value == NULL ? otherwise : strcmp(value, "yes") == 0;
}

int ini_list(const struct ini *ini, const char *section, const char *key, struct strings *list, struct error *error)
{
    const char *value = ini_get(ini, section, key);
    return value == NULL ? 0 : strings_split(list, value, ",", error);
}
