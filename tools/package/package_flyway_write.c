#include "package/package_flyway.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SCRIPTS_MAX 9999 /* that run: their migrations are 50-0001 to 50-9999 */
#define TABLE_SIZE 160

/* A version's numbers, so that 1.10 comes behind 1.9. */
#define PARTS(version) "string_to_array(regexp_replace(" version ", '([.]0+)+$', ''), '.')::numeric[]"
/* A row that still counts: neither undone nor deleted by a later one. */
#define COUNTS(table)                                                                                                  \
    "h.success AND h.type NOT IN ('SCHEMA', 'DELETE') AND left(h.type, 4) <> 'UNDO' AND NOT EXISTS (SELECT 1 "         \
    "FROM " table                                                                                                      \
    " u WHERE u.success AND u.installed_rank > h.installed_rank AND u.version IS NOT DISTINCT FROM h.version "         \
    "AND (h.version IS NOT NULL OR u.description = h.description) "                                                    \
    "AND (u.type = 'DELETE' OR left(u.type, 4) = 'UNDO'))"

struct writing {
    const struct flyway_folder *folder;
    const struct ini *ini;
    const char *name;
    char table[TABLE_SIZE]; /* "public"."flyway_schema_history" */
    struct strings before;  /* parts of versions */
    const char *after;
    struct buffer *index;
    int (*take)(void *context, const char *member, struct buffer *content, struct error *error);
    void *context;
    struct error *error;
};

static void add_literal(struct buffer *sql, const char *text)
{
    buffer_string(sql, "'");
    for (const char *at = text; *at != '\0'; at++) {
        buffer_append(sql, at, 1);
        if (*at == '\'') {
            buffer_append(sql, at, 1);
        }
    }
    buffer_string(sql, "'");
}

/* 1.2 as '{1,2}'::numeric[] */
static void add_parts(struct buffer *sql, const char *parts)
{
    buffer_string(sql, "'{");
    for (const char *at = parts; *at != '\0'; at++) {
        buffer_append(sql, *at == '.' ? "," : at, 1);
    }
    buffer_string(sql, "}'::numeric[]");
}

/* --- [flyway] ------------------------------------------------------------------------------------------------------ */

static const char *find_name(const struct writing *writing, const char *key, const char *otherwise)
{
    const char *value = ini_get(writing->ini, "flyway", key);
    value = value == NULL ? otherwise : value;
    size_t length = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$");
    if (length == strlen(value) && length <= 63) {
        return value;
    }
    error_set(writing->error, CSN_PACKAGE_INPUT,
              "%s: \"%s\" in [flyway] is \"%s\", expected is a name of letters, digits, _ and $", writing->name, key,
              value);
    return NULL;
}

static int read_before(struct writing *writing)
{
    struct strings given = {0};
    struct buffer parts = {0};
    int result = ini_list(writing->ini, "flyway", "before", &given, writing->error);
    if (result == 0 && given.count == 0) {
        result = error_set(writing->error, CSN_PACKAGE_INPUT,
                           "%s: --flyway is given, and [flyway] has no \"before\": which versions the schema may have",
                           writing->name);
    }
    for (size_t i = 0; result == 0 && i < given.count; i++) {
        const char *version = given.items[i];
        buffer_clear(&parts);
        if (!flyway_version_parts(version, strlen(version), &parts)) {
            result = error_set(writing->error, CSN_PACKAGE_INPUT,
                               "%s: \"before\" in [flyway] has \"%s\", expected are versions like 1.2", writing->name,
                               version);
        } else if (flyway_parts_compare(parts.data, writing->after) > 0) {
            result = error_set(writing->error, CSN_PACKAGE_INPUT,
                               "%s: \"before\" in [flyway] has \"%s\", and the highest script is for %s only",
                               writing->name, version, writing->after);
        } else {
            result = strings_add(&writing->before, parts.data, writing->error);
        }
    }
    strings_free(&given);
    buffer_free(&parts);
    return result;
}

static int read_keys(struct writing *writing)
{
    const char *schema = find_name(writing, "schema", "public");
    const char *table = schema == NULL ? NULL : find_name(writing, "table", "flyway_schema_history");
    if (table == NULL) {
        return -1;
    }
    if (ini_get(writing->ini, "schema", "query") != NULL) {
        return error_set(writing->error, CSN_PACKAGE_INPUT, "%s: with --flyway pack itself writes [schema]",
                         writing->name);
    }
    snprintf(writing->table, sizeof writing->table, "\"%s\".\"%s\"", schema, table);
    for (size_t i = 0; i < writing->folder->count && writing->folder->scripts[i].version != NULL; i++) {
        writing->after = writing->folder->scripts[i].parts;
    }
    return read_before(writing);
}

/* --- migrations ---------------------------------------------------------------------------------------------------- */

/* Above the lowest version that a server may have; whether above that of the very server is asked there. */
static bool is_carried(const struct writing *writing, const struct flyway_script *script)
{
    for (size_t i = 0; script->version != NULL && i < writing->before.count; i++) {
        if (flyway_parts_compare(script->parts, writing->before.items[i]) > 0) {
            return true;
        }
    }
    return script->version == NULL;
}

static void add_condition(const struct writing *writing, const struct flyway_script *script, struct buffer *sql)
{
    const char *table = writing->table;
    if (script->version != NULL) {
        buffer_format(
            sql, "SELECT NOT EXISTS (SELECT 1 FROM %s h WHERE " COUNTS("%s") " AND " PARTS("h.version") " >= ", table,
            table);
        add_parts(sql, script->parts);
        buffer_string(sql, ")");
        return;
    }
    buffer_format(
        sql,
        "SELECT (SELECT h.checksum FROM %s h WHERE " COUNTS("%s") " AND h.version IS NULL AND h.description = ", table,
        table);
    add_literal(sql, script->description);
    buffer_format(sql, " ORDER BY h.installed_rank DESC LIMIT 1) IS DISTINCT FROM %" PRId32, script->checksum);
}

/* The script's lines keep their numbers: what stands in front goes on its first line. */
static int write_script(const struct writing *writing, const struct flyway_script *script, const char *member)
{
    struct buffer sql = {0};
    const char *schema = ini_get(writing->ini, "flyway", "schema");
    buffer_string(&sql, "SELECT set_config('caisson.begun', extract(epoch FROM clock_timestamp())::text, false), "
                        "set_config('caisson.installed_by', current_user::text, false)");
    if (schema != NULL) {
        buffer_format(&sql, ", set_config('search_path', '\"%s\", ' || current_setting('search_path'), false)", schema);
    }
    buffer_string(&sql, "; ");
    buffer_append(&sql, buffer_text(&script->text), script->text.size);
    buffer_format(&sql,
                  "\n;\nINSERT INTO %s (installed_rank, version, description, type, script, checksum, installed_by, "
                  "execution_time, success)\nSELECT coalesce(max(installed_rank), 0) + 1, ",
                  writing->table);
    if (script->version == NULL) {
        buffer_string(&sql, "NULL");
    } else {
        add_literal(&sql, script->version);
    }
    buffer_string(&sql, ", ");
    add_literal(&sql, script->description);
    buffer_string(&sql, ", 'SQL', ");
    add_literal(&sql, script->path);
    buffer_format(&sql,
                  ", %" PRId32 ", coalesce(nullif(current_setting('caisson.installed_by', true), ''), current_user), "
                  "coalesce((extract(epoch FROM clock_timestamp()) - nullif(current_setting('caisson.begun', true), "
                  "'')::numeric) * 1000, 0)::integer, true FROM %s;\n",
                  script->checksum, writing->table);
    return writing->take(writing->context, member, &sql, writing->error);
}

static int write_migration(const struct writing *writing, const struct flyway_script *script, size_t number)
{
    char member[64];
    struct buffer *index = writing->index;
    snprintf(member, sizeof member, "migrations/50-%04zu.sql", number);
    buffer_format(index,
                  "\n[migration 50-%04zu]\ntitle = %s\nkind = sql\nfile = %s\ntransaction = %s\nonly-if = ", number,
                  script->path, member, script->transaction ? "yes" : "no");
    add_condition(writing, script, index);
    const char *timeout = ini_get(writing->ini, "flyway", "timeout-minutes");
    buffer_format(index, "\n%s%s%s", timeout == NULL ? "" : "timeout-minutes = ", timeout == NULL ? "" : timeout,
                  timeout == NULL ? "" : "\n");
    return write_script(writing, script, member);
}

/* --- [schema] and checks ------------------------------------------------------------------------------------------- */

static void write_schema(const struct writing *writing)
{
    const char *table = writing->table;
    buffer_format(
        writing->index,
        "\n[schema]\nquery = SELECT coalesce((SELECT 'failed at ' || h.script FROM %s h WHERE NOT h.success ORDER "
        "BY h.installed_rank LIMIT 1), (SELECT array_to_string(max(" PARTS(
            "h.version") "), '.') FROM %s h WHERE " COUNTS("%s") "), 'none')\nbefore = ",
        table, table, table);
    for (size_t i = 0; i < writing->before.count; i++) {
        buffer_format(writing->index, "%s%s", i == 0 ? "" : ", ", writing->before.items[i]);
    }
    buffer_format(writing->index, "\nafter = %s\n", writing->after);
}

static void add_wanted(const struct writing *writing, struct buffer *sql)
{
    buffer_string(sql, "WITH wanted (parts, description, script, checksum) AS (VALUES\n");
    for (size_t i = 0; i < writing->folder->count; i++) {
        const struct flyway_script *script = &writing->folder->scripts[i];
        buffer_string(sql, i == 0 ? "\t(" : ",\n\t(");
        if (script->version == NULL) {
            buffer_string(sql, "NULL");
        } else {
            add_parts(sql, script->parts);
        }
        buffer_string(sql, ", ");
        add_literal(sql, script->description);
        buffer_string(sql, ", ");
        add_literal(sql, script->path);
        buffer_format(sql, ", %" PRId32 ")", script->checksum);
    }
}

/* What Flyway's own validation would complain of; before the upgrade of what was applied so far, after it of everything. */
static int write_check(const struct writing *writing, bool after, const char *name, const char *title)
{
    const char *table = writing->table;
    struct buffer sql = {0};
    char member[64];
    snprintf(member, sizeof member, "checks/%s.sql", name);
    add_wanted(writing, &sql);
    buffer_format(
        &sql,
        "\n), history AS (\n\tSELECT h.*, " PARTS("h.version") " AS parts FROM %s h WHERE " COUNTS(
            "%s") "\n"
                  "), base AS (\n\tSELECT coalesce(max(parts), '{-1}') AS parts FROM history WHERE type IN "
                  "('BASELINE', "
                  "'SQL_BASELINE')\n), versioned AS (\n\tSELECT h.* FROM history h, base b WHERE h.version IS NOT NULL "
                  "AND "
                  "h.parts > b.parts\n), repeatable AS (\n\tSELECT DISTINCT ON (description) * FROM history WHERE "
                  "version IS "
                  "NULL ORDER BY description, installed_rank DESC\n), problems (problem) AS (\n"
                  "\tSELECT h.script || ' was applied, and the package''s folder has none of it' FROM versioned h\n"
                  "\t\tWHERE h.type = 'SQL' AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.parts = h.parts)\n"
                  "\tUNION ALL SELECT h.script || ' was applied, and the package''s folder has none of it' FROM "
                  "repeatable h\n"
                  "\t\tWHERE h.type = 'SQL' AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.parts IS NULL AND "
                  "w.description = "
                  "h.description)\n"
                  "\tUNION ALL SELECT w.script || ' is not as it was applied: checksum ' || w.checksum || ', in the "
                  "database ' "
                  "|| coalesce(h.checksum::text, 'none') || ' (' || h.description || ')' FROM wanted w JOIN versioned "
                  "h ON "
                  "h.parts = w.parts\n\t\tWHERE h.checksum IS DISTINCT FROM w.checksum OR h.description <> "
                  "w.description OR "
                  "h.type <> 'SQL'\n"
                  "\tUNION ALL SELECT w.script || ' was never applied' FROM wanted w, base b\n"
                  "\t\tWHERE w.parts > b.parts AND NOT EXISTS (SELECT 1 FROM versioned h WHERE h.parts = w.parts)",
        table, table);
    buffer_string(
        &sql, after ? "\n\tUNION ALL SELECT w.script || ' was not applied' FROM wanted w WHERE w.parts IS NULL AND NOT "
                      "EXISTS (SELECT 1 FROM repeatable h\n\t\tWHERE h.description = w.description AND h.checksum = "
                      "w.checksum)"
                    : " AND w.parts < (SELECT max(parts) FROM versioned)");
    buffer_string(&sql, "\n)\nSELECT coalesce((SELECT problem FROM problems LIMIT 1), 'holds')\n");
    buffer_format(writing->index, "\n[check %s]\ntitle = %s\nkind = sql\nwhen = %s\nfile = %s\nequals = holds\n", name,
                  title, after ? "stage" : "assess", member);
    return writing->take(writing->context, member, &sql, writing->error);
}

int flyway_write(const struct flyway_folder *folder, const struct ini *ini, const char *name, struct buffer *index,
                 int (*take)(void *context, const char *member, struct buffer *content, struct error *error),
                 void *context, struct error *error)
{
    struct writing writing = {
        .folder = folder, .ini = ini, .name = name, .index = index, .take = take, .context = context, .error = error};
    size_t number = 0;
    int result = read_keys(&writing);
    if (result == 0) {
        write_schema(&writing);
    }
    for (size_t i = 0; result == 0 && i < folder->count; i++) {
        if (!is_carried(&writing, &folder->scripts[i])) {
            continue;
        }
        result = ++number > SCRIPTS_MAX
                     ? error_set(error, CSN_PACKAGE_INPUT, "more than %d of Flyway's scripts would run", SCRIPTS_MAX)
                     : write_migration(&writing, &folder->scripts[i], number);
    }
    if (result == 0) {
        result = write_check(&writing, false, "flyway-history", "Flyway's history is that of the package's scripts");
    }
    if (result == 0) {
        result = write_check(&writing, true, "flyway-result", "Flyway has nothing left to do");
    }
    strings_free(&writing.before);
    return result != 0 ? -1 : buffer_check(index, error);
}
