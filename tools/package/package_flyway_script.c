#include "package/package_flyway.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "lib/file.h"
#include "lib/text.h"
#include "package/package_sql.h"

#define SCRIPT_LIMIT ((size_t)256 << 20)
#define CONF_LIMIT ((size_t)64 << 10)
#define PLACEHOLDERS "flyway-placeholders"

/* What a script may say of itself, in a file beside it or in a comment. */
struct settings {
    enum package_sql_transaction wanted;
    bool replaces; /* placeholders */
};

int32_t flyway_checksum(const char *text, size_t size_bytes)
{
    const char *end = text + size_bytes;
    uLong checksum = crc32(0, NULL, 0);
    while (text < end) {
        size_t length = 0;
        while (text + length < end && text[length] != '\n' && text[length] != '\r') {
            length++;
        }
        checksum = crc32_z(checksum, (const Bytef *)text, length);
        text += length + 1;
    }
    return (int32_t)(uint32_t)checksum;
}

static bool says_yes(const char *value, bool *yes)
{
    *yes = strcasecmp(value, "true") == 0;
    return *yes || strcasecmp(value, "false") == 0;
}

static int set(struct settings *settings, const char *where, int line, const char *key, const char *value,
               struct error *error)
{
    bool yes = false;
    if (strcasecmp(key, "executeInTransaction") == 0 && says_yes(value, &yes)) {
        settings->wanted = yes ? PACKAGE_SQL_IN_ONE : PACKAGE_SQL_NONE;
    } else if (strcasecmp(key, "placeholderReplacement") == 0 && says_yes(value, &yes)) {
        settings->replaces = yes;
    } else if (strcasecmp(key, "encoding") != 0 || strcasecmp(value, "UTF-8") != 0) {
        return error_set(error, CSN_PACKAGE_INPUT, "%s, line %d: the setting %s = %s of a script is not known here",
                         where, line, key, value);
    }
    return 0;
}

/* "key = value" or "key: value" up to the line's end, with blanks around; false if it is no such thing. */
static bool read_setting(const char *text, const char *end, char key[64], char value[64])
{
    size_t length = 0;
    while (text < end && (*text == ' ' || *text == '\t')) {
        text++;
    }
    while (text + length < end && isalpha((unsigned char)text[length])) {
        length++;
    }
    if (length == 0 || length >= 64) {
        return false;
    }
    snprintf(key, 64, "%.*s", (int)length, text);
    text += length;
    while (text < end && (*text == ' ' || *text == '\t')) {
        text++;
    }
    if (text == end || (*text != '=' && *text != ':')) {
        return false;
    }
    text++;
    while (text < end && isspace((unsigned char)*text)) {
        text++;
    }
    while (end > text && isspace((unsigned char)end[-1])) {
        end--;
    }
    snprintf(value, 64, "%.*s", end - text < 64 ? (int)(end - text) : 63, text);
    return true;
}

/* Each line of text that says a setting. In a script these are the comments "-- flyway:key=value". */
static int read_settings(struct settings *settings, const char *where, const char *text, bool in_comments,
                         struct error *error)
{
    int line = 1;
    for (const char *at = text; *at != '\0'; line++) {
        const char *begin = at + strspn(at, " \t");
        const char *end = at + strcspn(at, "\n");
        char key[64];
        char value[64];
        at = *end == '\0' ? end : end + 1;
        if (in_comments) {
            const char *word = strncmp(begin, "--", 2) == 0 ? begin + 2 + strspn(begin + 2, " \t") : begin;
            begin = word > begin && strncmp(word, "flyway:", 7) == 0 ? word + 7 : end;
        } else if (*begin == '#') {
            begin = end;
        }
        bool given = read_setting(begin, end, key, value);
        if (!given && !in_comments && begin + strspn(begin, " \t\r") < end) {
            return error_set(error, CSN_PACKAGE_INPUT, "%s, line %d: expected is key=value", where, line);
        }
        if (given && set(settings, where, line, key, value, error) != 0) {
            return -1;
        }
    }
    return 0;
}

static int read_conf(struct settings *settings, const struct flyway_script *script, int folder_fd, const char *where,
                     struct error *error)
{
    struct buffer name = {0};
    struct buffer path = {0};
    struct buffer content = {0};
    struct error reading = {0};
    buffer_format(&name, "%s.conf", script->path);
    buffer_format(&path, "%s.conf", where);
    int result = buffer_check(&name, error) != 0 ? -1 : buffer_check(&path, error);
    if (result == 0 && file_read(folder_fd, name.data, CONF_LIMIT, &content, &reading) == 0) {
        result = read_settings(settings, path.data, buffer_text(&content), false, error);
    } else if (result == 0 && reading.code != CSN_NOT_FOUND) {
        result = error_set(error, reading.code, "%s", reading.message);
    }
    buffer_free(&content);
    buffer_free(&path);
    buffer_free(&name);
    return result;
}

static const char *find_placeholder(const struct ini *ini, const char *name, size_t length)
{
    for (size_t i = 0; i < ini->count; i++) {
        const struct ini_entry *entry = &ini->entries[i];
        if (strcmp(entry->section, PLACEHOLDERS) == 0 && strlen(entry->key) == length &&
            strncasecmp(entry->key, name, length) == 0) {
            return entry->value;
        }
    }
    return NULL;
}

static int fill_in(const struct buffer *from, const struct ini *ini, const char *where, struct buffer *to,
                   struct error *error)
{
    int line = 1;
    const char *at = buffer_text(from);
    for (const char *mark = strstr(at, "${"); mark != NULL; mark = strstr(at, "${")) {
        for (const char *c = at; c < mark; c++) {
            line += *c == '\n';
        }
        const char *close = strchr(mark, '}');
        size_t length = close == NULL ? strcspn(mark + 2, "\r\n") : (size_t)(close - mark) - 2;
        const char *value = close == NULL ? NULL : find_placeholder(ini, mark + 2, length);
        if (value == NULL) {
            return error_set(error, CSN_PACKAGE_INPUT,
                             "%s, line %d: [" PLACEHOLDERS "] says nothing of the placeholder ${%.*s%s", where, line,
                             length < 60 ? (int)length : 60, mark + 2, close == NULL ? ", which is never closed" : "}");
        }
        buffer_append(to, at, (size_t)(mark - at));
        buffer_string(to, value);
        at = close + 1;
    }
    buffer_string(to, at);
    return buffer_check(to, error);
}

static int read_text(struct flyway_script *script, const struct buffer *raw, const struct ini *ini,
                     const struct settings *settings, const char *where, struct error *error)
{
    int result = 0;
    if (settings->replaces) {
        result = fill_in(raw, ini, where, &script->text, error);
    } else {
        buffer_append(&script->text, buffer_text(raw), raw->size);
        result = buffer_check(&script->text, error);
    }
    /* A repeatable script's is that of what is run: another value for a placeholder runs it again. */
    const struct buffer *summed = script->version == NULL ? &script->text : raw;
    script->checksum = flyway_checksum(buffer_text(summed), summed->size);
    return result != 0 ? -1
                       : package_sql_check(where, buffer_text(&script->text), script->text.size, settings->wanted,
                                           &script->transaction, error);
}

int flyway_script_read(struct flyway_script *script, int folder_fd, const char *folder_path, const struct ini *ini,
                       struct error *error)
{
    struct settings settings = {.wanted = PACKAGE_SQL_EITHER, .replaces = true};
    struct buffer where = {0};
    struct buffer file = {0};
    buffer_format(&where, "%s/%s", folder_path, script->path);
    int result = buffer_check(&where, error) != 0 ? -1 : file_read(folder_fd, script->path, SCRIPT_LIMIT, &file, error);
    struct buffer raw = file;
    if (result == 0 && file.size >= 3 && memcmp(file.data, "\xef\xbb\xbf", 3) == 0) {
        raw.data += 3;
        raw.size -= 3;
    }
    if (result == 0 && !utf8_is_valid(buffer_text(&raw), raw.size)) {
        result = error_set(error, CSN_PACKAGE_INPUT, "%s is not UTF-8, or has a NUL byte", where.data);
    }
    if (result == 0 && read_conf(&settings, script, folder_fd, where.data, error) == 0 &&
        read_settings(&settings, where.data, buffer_text(&raw), true, error) == 0) {
        result = read_text(script, &raw, ini, &settings, where.data, error);
    } else {
        result = -1;
    }
    buffer_free(&file);
    buffer_free(&where);
    return result;
}
