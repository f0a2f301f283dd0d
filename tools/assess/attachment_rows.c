#include "assess/attachment_rows.h"

#include <stdlib.h>
#include <string.h>

#include "database/split.h"
#include "lib/buffer.h"
#include "lib/sha256.h"

/* The profile's query as a table with a column of ours; the newline ends a comment that may be its last. */
static void append_table(struct buffer *sql, const struct split_statement *query)
{
    buffer_string(sql, "(");
    buffer_append(sql, query->text, query->size_bytes);
    buffer_string(sql, "\n) AS caisson_rows (caisson_path)");
}

/* Bytes as PostgreSQL's encode(..., 'escape') writes them: ASCII alone, whatever the database's encoding is. */
static void append_escaped(struct buffer *to, const char *bytes)
{
    for (const char *at = bytes; *at != '\0'; at++) {
        if (*at == '\\') {
            buffer_string(to, "\\\\");
        } else if ((unsigned char)*at >= 0x80) {
            buffer_format(to, "\\%03o", (unsigned)(unsigned char)*at);
        } else {
            buffer_append(to, at, 1);
        }
    }
}

/* For each place WHEN the row begins with it THEN, in the one column, its path there; in the other, the folder. */
static void append_cases(struct buffer *sql, const struct attachment_place *places, size_t count, bool want_folder)
{
    struct buffer prefix = {0};
    struct buffer inner = {0};
    for (size_t i = 0; i < count; i++) {
        buffer_clear(&prefix);
        buffer_clear(&inner);
        append_escaped(&prefix, places[i].path);
        buffer_string(&prefix, "/");
        append_escaped(&inner, places[i].inner);
        buffer_string(&inner, places[i].inner[0] == '\0' ? "" : "/");
        buffer_format(sql, " WHEN left(e, %zu) = ", prefix.size);
        query_append_literal(sql, buffer_text(&prefix));
        buffer_string(sql, " THEN ");
        if (want_folder) {
            buffer_format(sql, "%zu", places[i].folder);
        } else {
            query_append_literal(sql, buffer_text(&inner));
            buffer_format(sql, " || substr(e, %zu)", prefix.size + 1);
        }
    }
    sql->failed = sql->failed || prefix.failed || inner.failed;
    buffer_free(&prefix);
    buffer_free(&inner);
}

/* From the inside out: the path's bytes, escaped; without "//", "/./" and a leading "./"; below which folder; sorted with NUL, which is
 * in no path, in place of '/': then the order of bytes is that of a walk. OFFSET 0 keeps a level from being merged into the one
 * above and computed there several times. A bytea that holds a NUL can be no path, and gets an end that no file has. */
static int make_query(const struct split_statement *query, bool is_bytes, const struct attachment_place *places,
                      size_t place_count, struct buffer *sql, struct error *error)
{
    buffer_string(sql, "SELECT encode(k, 'hex'), f FROM (SELECT decode(replace(r, '/', E'\\\\000'), 'escape') AS k, f "
                       "FROM (SELECT CASE");
    append_cases(sql, places, place_count, false);
    buffer_string(sql, " WHEN left(e, 1) = '/' THEN substr(e, 2) ELSE e END AS r, CASE");
    append_cases(sql, places, place_count, true);
    buffer_string(sql, " WHEN true THEN 0 END AS f FROM (SELECT CASE WHEN left(e, 2) = './' THEN substr(e, 3) ELSE e "
                       "END AS e FROM (SELECT CASE WHEN strpos(e, '//') + strpos(e, '/./') > 0 "
                       "THEN regexp_replace(e, '/([.]?/)+', '/', 'g') ELSE e END AS e FROM (SELECT ");
    buffer_string(sql, is_bytes ? "encode(caisson_path, 'escape') || CASE WHEN position(decode('00', 'hex') IN "
                                  "caisson_path) > 0 THEN '/..' ELSE '' END"
                                : "encode(convert_to(caisson_path::text, CASE getdatabaseencoding() WHEN 'SQL_ASCII' "
                                  "THEN 'SQL_ASCII' ELSE 'UTF8' END), 'escape')");
    buffer_string(sql, " AS e FROM ");
    append_table(sql, query);
    buffer_string(sql, " OFFSET 0) AS escaped WHERE e <> '' OFFSET 0) AS single OFFSET 0) AS formed OFFSET 0) AS "
                       "placed ORDER BY k OFFSET 0) AS sorted");
    return buffer_check(sql, error);
}

/* Is the query's first column bytea? LIMIT 0: nothing of the query is run, but the server has understood it, as a part of ours. */
static int ask_type(struct query_session *session, const struct split_statement *query, bool *is_bytes,
                    struct error *error)
{
    struct buffer sql = {0};
    struct buffer value = {0};
    buffer_string(&sql, "SELECT pg_typeof((SELECT caisson_path FROM ");
    append_table(&sql, query);
    buffer_string(&sql, " LIMIT 0)) = 'bytea'::regtype");
    int result = buffer_check(&sql, error);
    if (result == 0 && query_value(session, buffer_text(&sql), NULL, &value, error) != 0) {
        result = error_wrap(error, "the query is taken as SELECT ... FROM (query)");
    }
    *is_bytes = strcmp(buffer_text(&value), "t") == 0;
    buffer_free(&sql);
    buffer_free(&value);
    return result;
}

static int take_only(const char *query, struct split_statement *statement, struct error *error)
{
    struct split split;
    struct split_statement more;
    int line;
    split_begin(&split, query, strlen(query));
    bool is_one = split_next(&split, statement) && !split_next(&split, &more);
    const char *problem = split_problem(&split, &line);
    return is_one && problem == NULL
               ? 0
               : error_set(error, CSN_TARGET_PROFILE, "the query must be one SELECT, and is not%s%s: %.300s",
                           problem == NULL ? "" : ", for ", problem == NULL ? "" : problem, query);
}

struct reading {
    attachment_row_function *take;
    void *context;
    struct buffer path;
};

static int take_row(void *context, const struct query_row *row, struct error *error)
{
    struct reading *reading = context;
    size_t size_bytes = row->sizes[0] / 2;
    buffer_clear(&reading->path);
    char *path = buffer_reserve(&reading->path, size_bytes + 1);
    if (path == NULL) {
        return buffer_check(&reading->path, error);
    }
    if (!hex_decode(row->values[0], (uint8_t *)path, size_bytes)) {
        return error_set(error, CSN_INTERNAL, "the database's hex digits are none");
    }
    for (size_t i = 0; i < size_bytes; i++) {
        path[i] = path[i] == '\0' ? '/' : path[i];
    }
    path[size_bytes] = '\0';
    return reading->take(reading->context, path, strtoul(row->values[1], NULL, 10), error);
}

int attachment_rows_read(const struct query_target *database, const char *query, const struct attachment_place *places,
                         size_t place_count, attachment_row_function *take, void *context, struct error *error)
{
    struct reading reading = {.take = take, .context = context};
    struct query_session *session = NULL;
    struct split_statement statement;
    struct buffer sql = {0};
    bool is_bytes = false;
    int result = take_only(query, &statement, error);
    if (result == 0) {
        result = query_open(database, 0, &session, error);
    }
    if (result == 0) {
        result = query_execute(session, "SET default_transaction_read_only = on", 60, NULL, error);
    }
    if (result == 0) {
        result = ask_type(session, &statement, &is_bytes, error);
    }
    if (result == 0) {
        result = make_query(&statement, is_bytes, places, place_count, &sql, error);
    }
    if (result == 0) {
        result = query_run(session, buffer_text(&sql), NULL, 0, NULL, take_row, &reading, error);
    }
    query_close(session);
    buffer_free(&sql);
    buffer_free(&reading.path);
    return result;
}
