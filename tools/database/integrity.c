#include "database/integrity.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/strings.h"

#define ITS_SCHEMA "caisson_integrity"

/* Indexes first: where one is damaged its table may still be whole. Those of other sessions' temporary tables cannot be read. */
static const char objects_sql[] =
    "SELECT c.relkind::text, c.oid::text, format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid)::text "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_am a ON a.oid = c.relam "
    "WHERE c.relpersistence <> 't' AND ((c.relkind = 'i' AND a.amname = 'btree' AND i.indisready AND i.indisvalid) "
    "OR (c.relkind IN ('r', 't', 'm') AND coalesce(a.amname, 'heap') = 'heap')) ORDER BY c.relkind = 'i' DESC, c.oid";

struct object {
    bool is_index;
    char *oid;
    char *name;
    uint64_t size_bytes;
};

struct checking {
    const char *database;
    struct object *objects;
    size_t count;
    size_t allocated;
    integrity_found *found;
    void *context;
    struct integrity_counts *counts;
    struct buffer what; /* of the object at hand */
};

static int take_object(void *context, const struct query_row *row, struct error *error)
{
    struct checking *checking = context;
    if (checking->count == checking->allocated) {
        size_t wanted = checking->allocated == 0 ? 256 : checking->allocated * 2;
        struct object *grown = realloc(checking->objects, wanted * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu tables", wanted);
        }
        checking->objects = grown;
        checking->allocated = wanted;
    }
    struct object *object = &checking->objects[checking->count];
    *object = (struct object){
        .is_index = row->values[0][0] == 'i',
        .oid = strdup(row->values[1]),
        .name = strdup(row->values[2]),
        .size_bytes = row->values[3] == NULL ? 0 : strtoull(row->values[3], NULL, 10),
    };
    checking->count++;
    return object->oid == NULL || object->name == NULL ? error_set(error, CSN_MEMORY, "no memory for a table") : 0;
}

/* verify_heapam's rows: block, offset, attribute, message. The first ones tell enough. */
static int take_fault(void *context, const struct query_row *row, struct error *error)
{
    struct checking *checking = context;
    (void)error;
    if (checking->what.size < 400 && row->column_count >= 4 && row->values[3] != NULL) {
        buffer_format(&checking->what, "%sblock %s: %s", checking->what.size == 0 ? "" : "; ",
                      row->values[0] == NULL ? "?" : row->values[0], row->values[3]);
    }
    return 0;
}

/* The server's words for what cannot be read or does not fit: class XX, "internal error", of which 001 and 002 are corrupted data. */
static bool is_damage(const struct error *why)
{
    return why->code == CSN_DATABASE_QUERY && strstr(why->message, "(SQLSTATE XX") != NULL;
}

static int look_at(struct query_session *session, struct checking *checking, const struct object *object,
                   int timeout_sec, struct error *error)
{
    struct query_limits limits = {.timeout_sec = timeout_sec};
    struct error why = {.code = CSN_NONE};
    char sql[200];
    char name[300];
    snprintf(sql, sizeof sql,
             object->is_index ? "SELECT " ITS_SCHEMA ".bt_index_check(%s::regclass)"
                              : "SELECT * FROM " ITS_SCHEMA ".verify_heapam(%s::regclass)",
             object->oid);
    buffer_clear(&checking->what);
    if (query_execute(session, "SAVEPOINT object", 60, NULL, error) != 0) {
        return -1;
    }
    int result = query_run(session, sql, NULL, 0, &limits, object->is_index ? NULL : take_fault, checking, &why);
    if (result != 0 && !is_damage(&why)) {
        return error_set(error, why.code, "looking at %s of the database %s: %s", object->name, checking->database,
                         why.message);
    }
    if (query_execute(session, "ROLLBACK TO SAVEPOINT object", 60, NULL, error) != 0 ||
        query_execute(session, "RELEASE SAVEPOINT object", 60, NULL, error) != 0) { /* else they nest */
        return -1;
    }
    checking->counts->indexes += object->is_index ? 1 : 0;
    checking->counts->tables += object->is_index ? 0 : 1;
    if (result == 0 && checking->what.size == 0) {
        return 0;
    }
    checking->counts->damaged++;
    snprintf(name, sizeof name, "%s %s", object->is_index ? "index" : "table", object->name);
    return checking->found == NULL ? 0
                                   : checking->found(checking->context, checking->database, name,
                                                     result != 0 ? why.message : buffer_text(&checking->what), error);
}

/* 1: the server has no amcheck for it. */
static int make_extension(struct query_session *session, bool *has_heap, struct error *error)
{
    struct buffer value = {0};
    int result = query_value(
        session, "SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck' AND installed_version IS NULL",
        NULL, &value, error);
    bool available = result == 0 && strcmp(buffer_text(&value), "1") == 0;
    buffer_clear(&value);
    if (result == 0 && !available) {
        /* or it is there already, in a schema of the site's: then that one is moved, until the end of the transaction */
        result =
            query_value(session, "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", NULL, &value, error);
        bool installed = result == 0 && strcmp(buffer_text(&value), "1") == 0;
        if (result != 0 || !installed) {
            buffer_free(&value);
            return result != 0 ? -1 : 1;
        }
    }
    if (result == 0) {
        result = query_execute(session, "CREATE SCHEMA " ITS_SCHEMA, 60, NULL, error) != 0 ||
                         query_execute(session,
                                       available ? "CREATE EXTENSION amcheck SCHEMA " ITS_SCHEMA
                                                 : "ALTER EXTENSION amcheck SET SCHEMA " ITS_SCHEMA,
                                       60, NULL, error) != 0
                     ? -1
                     : 0;
    }
    buffer_clear(&value);
    if (result == 0) {
        result = query_value(session,
                             "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
                             "WHERE p.proname = 'verify_heapam' AND n.nspname = '" ITS_SCHEMA "'",
                             NULL, &value, error);
        *has_heap = result == 0 && strcmp(buffer_text(&value), "0") != 0;
    }
    buffer_free(&value);
    return result;
}

static int check_database(const struct query_target *server, const char *database, int timeout_sec,
                          struct checking *checking, const struct progress *progress, struct error *error)
{
    struct query_target target = *server;
    struct query_session *session = NULL;
    struct progress_state state = {.doing = "checking tables and indexes"};
    bool has_heap = false;
    target.database = database;
    checking->database = database;
    int result = query_open(&target, 0, &session, error) != 0 || query_execute(session, "BEGIN", 60, NULL, error) != 0
                     ? -1
                     : make_extension(session, &has_heap, error);
    checking->counts->databases++;
    if (result == 1) {
        checking->counts->without++;
        query_close(session);
        return 0;
    }
    if (result == 0) {
        result = query_run(session, objects_sql, NULL, 0, NULL, take_object, checking, error);
    }
    for (size_t i = 0; i < checking->count; i++) {
        state.total_bytes += checking->objects[i].size_bytes;
    }
    state.total_items = checking->count;
    checking->counts->without_tables += has_heap ? 0 : 1;
    for (size_t i = 0; result == 0 && i < checking->count; i++) {
        const struct object *object = &checking->objects[i];
        state.item = object->name;
        progress_tell(progress, &state);
        result = object->is_index || has_heap ? look_at(session, checking, object, timeout_sec, error) : 0;
        state.done_bytes += object->size_bytes;
        state.done_items++;
    }
    if (result == 0) {
        result = query_execute(session, "ROLLBACK", 60, NULL, error);
    }
    query_close(session);
    for (size_t i = 0; i < checking->count; i++) {
        free(checking->objects[i].oid);
        free(checking->objects[i].name);
    }
    checking->count = 0;
    return result;
}

static int take_name(void *context, const struct query_row *row, struct error *error)
{
    return strings_add(context, row->values[0], error);
}

int integrity_check(const struct query_target *target, int object_timeout_sec, integrity_found *found, void *context,
                    const struct progress *progress, struct integrity_counts *counts, struct error *error)
{
    struct checking checking = {.found = found, .context = context, .counts = counts};
    struct strings databases = {0};
    struct query_session *session = NULL;
    *counts = (struct integrity_counts){0};
    int result = query_open(target, 0, &session, error) != 0
                     ? -1
                     : query_run(session, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname", NULL,
                                 0, NULL, take_name, &databases, error);
    query_close(session);
    for (size_t i = 0; result == 0 && i < databases.count; i++) {
        result = check_database(target, databases.items[i], object_timeout_sec, &checking, progress, error);
    }
    strings_free(&databases);
    free(checking.objects);
    buffer_free(&checking.what);
    return result;
}
