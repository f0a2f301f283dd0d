#include "database/inventory.h"

#include <stdlib.h>
#include <string.h>

#include "database/inventory_internal.h"
#include "lib/buffer.h"
#include "lib/strings.h"

#define LIST_TIMEOUT_SEC 600 /* the sizes of tables that somebody has locked are waited for */

/* All that changes how a value is written as text. An empty search_path makes every name a full one. */
static const char *const text_settings[] = {
    "SET search_path = ''",       "SET extra_float_digits = 3",
    "SET DateStyle = 'ISO, YMD'", "SET IntervalStyle = 'postgres'",
    "SET TimeZone = 'UTC'",       "SET bytea_output = 'hex'",
    "SET xmlbinary = 'base64'",   "SET lc_monetary = 'C'",
    "SET lc_numeric = 'C'",       "SET quote_all_identifiers = off",
    "SET row_security = off",
};
static const char begin_sql[] = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/* Tables with rows of their own (leaves of partitions among them), and sequences; large objects are a table too. */
static const char list_sql[] =
    "SELECT format('%I.%I', nspname, relname), relkind, pg_relation_size(c.oid) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
    "WHERE (relkind IN ('r', 'S') OR (relkind = 'm' AND relispopulated)) AND relpersistence <> 't' "
    "AND ((nspname !~ '^pg_(toast|temp)' AND nspname NOT IN ('pg_catalog', 'information_schema')) "
    "OR c.oid = 'pg_largeobject'::regclass) ORDER BY 1";

struct relation {
    char *name;
    bool is_sequence;
    uint64_t size_bytes;
};

struct taking {
    const char *database;
    const struct inventory_options *options;
    struct inventory *inventory;
    struct relation *relations;
    size_t count;
    size_t allocated;
    const struct relation *now;
    struct progress_state state;
};

static int take_relation(void *context, const struct query_row *row, struct error *error)
{
    struct taking *taking = context;
    if (taking->count == taking->allocated) {
        size_t wanted = taking->allocated == 0 ? 256 : taking->allocated * 2;
        struct relation *grown = realloc(taking->relations, wanted * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for a list of %zu tables", wanted);
        }
        taking->relations = grown;
        taking->allocated = wanted;
    }
    struct relation relation = {.name = strdup(row->values[0]),
                                .is_sequence = row->values[1][0] == 'S',
                                .size_bytes = row->values[2] == NULL ? 0 : strtoull(row->values[2], NULL, 10)};
    if (relation.name == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a list of tables");
    }
    taking->relations[taking->count++] = relation;
    taking->state.total_bytes += relation.size_bytes;
    return 0;
}

static int take_sums(void *context, const struct query_row *row, struct error *error)
{
    struct taking *taking = context;
    enum inventory_kind kind = taking->now->is_sequence ? INVENTORY_SEQUENCE : INVENTORY_TABLE;
    return inventory_add(taking->inventory, kind, taking->database, taking->now->name,
                         strtoull(row->values[0], NULL, 10), row->values[1], error);
}

/*
 * Sums do not depend on the order of rows, and two equal rows do not cancel out, as they would with XOR. Each half of the
 * MD5 is 64 bits, added up without overflow (sum(bigint) is numeric). OFFSET 0 keeps the MD5 from being computed twice.
 */
static int read_relation(struct query_session *session, struct taking *taking, struct buffer *sql, struct error *error)
{
    const struct query_limits limits = {.timeout_sec = taking->options->table_timeout_sec, .rows = 1};
    buffer_clear(sql);
    if (taking->now->is_sequence) {
        buffer_format(sql, "SELECT 0, last_value || ',' || is_called FROM %s", taking->now->name);
    } else {
        buffer_format(sql,
                      "SELECT count(*), coalesce(sum(('x' || substr(h, 1, 16))::bit(64)::bigint), 0) || ',' || "
                      "coalesce(sum(('x' || substr(h, 17, 16))::bit(64)::bigint), 0) "
                      "FROM (SELECT md5((r.*)::text) AS h FROM ONLY %s AS r OFFSET 0) AS hashes",
                      taking->now->name);
    }
    if (buffer_check(sql, error) != 0) {
        return -1;
    }
    if (query_run(session, sql->data, NULL, 0, &limits, take_sums, taking, error) != 0) {
        return error_wrap(error, "reading %s of the database %s", taking->now->name, taking->database);
    }
    return 0;
}

/* A table that takes too long is no error: it is said that it was not counted. */
static int count_relation(struct query_session *session, struct taking *taking, struct buffer *sql, struct error *error)
{
    const struct query_limits limits = {.timeout_sec = taking->options->table_timeout_sec, .rows = 1};
    struct error why = {0};
    buffer_clear(sql);
    buffer_format(sql, "SELECT count(*), '' FROM ONLY %s", taking->now->name);
    if (taking->now->is_sequence || buffer_check(sql, error) != 0) {
        return taking->now->is_sequence ? 0 : -1;
    }
    if (query_run(session, sql->data, NULL, 0, &limits, take_sums, taking, &why) == 0) {
        return 0;
    }
    return why.code == CSN_TIMEOUT ? inventory_add(taking->inventory, INVENTORY_TABLE, taking->database,
                                                   taking->now->name, 0, INVENTORY_NOT_COUNTED, error)
                                   : error_set(error, why.code, "counting the rows of %s of the database %s: %s",
                                               taking->now->name, taking->database, why.message);
}

static int take_database(const struct query_target *server, const char *database,
                         const struct inventory_options *options, struct inventory *inventory, struct error *error)
{
    struct taking taking = {.database = database, .options = options, .inventory = inventory};
    struct query_target target = *server;
    struct query_session *session = NULL;
    const struct query_limits listing = {.timeout_sec = LIST_TIMEOUT_SEC};
    struct buffer sql = {0};
    int result = -1;
    target.database = database;
    taking.state.doing = "reading tables";
    if (query_open(&target, 0, &session, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof text_settings / sizeof text_settings[0]; i++) {
        if (query_execute(session, text_settings[i], 60, NULL, error) != 0) {
            goto out;
        }
    }
    /* Counts are each of their own: a transaction would not outlive the first that takes too long. */
    if ((!options->rows_only && (query_execute(session, begin_sql, 60, NULL, error) != 0 ||
                                 inventory_take_schema(session, database, inventory, error) != 0)) ||
        query_run(session, list_sql, NULL, 0, &listing, take_relation, &taking, error) != 0) {
        goto out;
    }
    taking.state.total_items = taking.count;
    for (size_t i = 0; i < taking.count; i++) {
        taking.now = &taking.relations[i];
        taking.state.item = taking.now->name;
        progress_tell(options->progress, &taking.state);
        if ((options->rows_only ? count_relation(session, &taking, &sql, error)
                                : read_relation(session, &taking, &sql, error)) != 0) {
            goto out;
        }
        taking.state.done_bytes += taking.now->size_bytes;
        taking.state.done_items++;
    }
    result = options->rows_only ? 0 : query_execute(session, "COMMIT", 60, NULL, error);
out:
    for (size_t i = 0; i < taking.count; i++) {
        free(taking.relations[i].name);
    }
    free(taking.relations);
    buffer_free(&sql);
    query_close(session);
    return result;
}

static int take_name(void *context, const struct query_row *row, struct error *error)
{
    return strings_add(context, row->values[0], error);
}

int inventory_take(const struct query_target *target, const struct inventory_options *options,
                   struct inventory *inventory, struct error *error)
{
    static const struct inventory_options none = {0};
    struct query_session *session = NULL;
    struct strings databases = {0};
    int result = -1;
    *inventory = (struct inventory){0};
    options = options == NULL ? &none : options;
    if (query_open(target, 0, &session, error) != 0 ||
        query_execute(session, "SET TimeZone = 'UTC'", 60, NULL, error) != 0 ||
        (!options->rows_only && inventory_take_server(session, inventory, error) != 0)) {
        goto out;
    }
    if (options->database != NULL) {
        if (strings_add(&databases, options->database, error) != 0) {
            goto out;
        }
    } else if (query_run(session, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname", NULL, 0, NULL,
                         take_name, &databases, error) != 0) {
        goto out;
    }
    for (size_t i = 0; i < databases.count; i++) {
        if (take_database(target, databases.items[i], options, inventory, error) != 0) {
            goto out;
        }
    }
    inventory_sort(inventory);
    result = 0;
out:
    query_close(session);
    strings_free(&databases);
    if (result != 0) {
        inventory_free(inventory);
    }
    return result;
}
