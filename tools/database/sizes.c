#include "database/sizes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buffer.h"
#include "lib/clock.h"
#include "lib/json.h"

#define TIMEOUT_SEC 60
#define CONNECTIONS_LISTED 1000
#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

/*
 * What the rows of a table need: their number (counted at the last VACUUM or ANALYZE and since, else that of pg_class) by their width
 * (pg_stats; with line pointer and header, rounded up to 8 bytes), as many to a page as its fillfactor lets. What its file has more is
 * bloat. Not known where columns have no statistics. Padding between columns is not counted, so a little is said too much.
 */
static const char tables_sql[] =
    "WITH widths AS (SELECT schemaname, tablename, count(*) AS known, sum((1 - null_frac) * avg_width) AS width "
    "FROM pg_stats WHERE NOT inherited GROUP BY 1, 2), "
    "sized AS (SELECT c.oid, nspname, relname, reltuples, coalesce(pg_relation_size(c.oid), 0) AS heap, "
    "coalesce(pg_table_size(c.oid), 0) AS whole, coalesce(pg_indexes_size(c.oid), 0) AS indexes, "
    "coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0) AS toast, "
    "pg_stat_get_live_tuples(c.oid) AS live, pg_stat_get_dead_tuples(c.oid) AS dead, "
    "coalesce(pg_stat_get_last_analyze_time(c.oid), pg_stat_get_last_autoanalyze_time(c.oid), "
    "pg_stat_get_last_vacuum_time(c.oid), pg_stat_get_last_autovacuum_time(c.oid)) IS NOT NULL AS counted, "
    "coalesce((SELECT option_value::integer FROM pg_options_to_table(reloptions) "
    "WHERE option_name = 'fillfactor'), 100) AS fill, "
    "(SELECT count(*) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped) AS columns "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
    "WHERE relkind IN ('r', 'm') AND relpersistence <> 't' AND nspname !~ '^pg_(toast|temp)' "
    "AND nspname NOT IN ('pg_catalog', 'information_schema')), "
    "needed AS (SELECT sized.*, CASE WHEN heap = 0 THEN 0 WHEN counted THEN live::float8 WHEN reltuples > 0 THEN "
    "reltuples::float8 "
    "END AS rows, CASE WHEN known >= columns THEN 4 + 8 * ceil((24 + width) / 8) END AS row_bytes, "
    "current_setting('block_size')::integer AS block "
    "FROM sized LEFT JOIN widths ON schemaname = nspname AND tablename = relname) "
    "SELECT oid, format('%I.%I', nspname, relname), whole - toast, indexes, toast, "
    "CASE WHEN heap = 0 OR counted OR live + dead > 0 THEN dead END, "
    "CASE WHEN rows = 0 THEN heap WHEN rows + row_bytes IS NOT NULL THEN greatest(0, heap - block * ceil(rows / "
    "greatest(1, floor((block - 24) * fill / 100.0 / row_bytes))))::bigint END, "
    "count(*) OVER (), sum(whole - toast) OVER (), sum(indexes) OVER (), sum(toast) OVER () "
    "FROM needed ORDER BY whole + indexes DESC, 2 LIMIT " TEXT(SIZES_TABLES);

static const char extension_sql[] = "SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace n "
                                    "ON n.oid = extnamespace WHERE extname = 'pgstattuple'";

/* What a role may not see of the sessions of others is NULL: they count all the same. */
static const char connections_sql[] =
    "SELECT coalesce(state, ''), coalesce(application_name, ''), "
    "CASE WHEN state IS NULL THEN '' ELSE coalesce(host(client_addr), 'local') END, count(*) "
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND coalesce(backend_type, 'client backend') = 'client backend' "
    "GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT " TEXT(CONNECTIONS_LISTED);

static uint64_t number_of(const char *text)
{
    return text == NULL ? 0 : strtoull(text, NULL, 10);
}

static int64_t known_of(const char *text)
{
    return text == NULL ? -1 : strtoll(text, NULL, 10);
}

static int take_table(void *context, const struct query_row *row, struct error *error)
{
    struct sizes *sizes = context;
    struct sizes_table *table = &sizes->tables[sizes->count];
    const char *const *values = row->values;
    if (sizes->count >= SIZES_TABLES) {
        return 0;
    }
    *table = (struct sizes_table){
        .oid = strdup(values[0]),
        .name = strdup(values[1]),
        .table_bytes = number_of(values[2]),
        .index_bytes = number_of(values[3]),
        .toast_bytes = number_of(values[4]),
        .dead_rows = known_of(values[5]),
        .bloat_bytes = known_of(values[6]),
    };
    sizes->count++;
    sizes->table_count = number_of(values[7]);
    sizes->table_bytes = number_of(values[8]);
    sizes->index_bytes = number_of(values[9]);
    sizes->toast_bytes = number_of(values[10]);
    return table->oid == NULL || table->name == NULL ? error_set(error, CSN_MEMORY, "no memory for a table") : 0;
}

static int take_connection(void *context, const struct query_row *row, struct error *error)
{
    struct sizes *sizes = context;
    struct sizes_connection *connection = &sizes->connections[sizes->connection_count];
    if (sizes->connection_count >= CONNECTIONS_LISTED) {
        return 0;
    }
    *connection = (struct sizes_connection){
        .state = strdup(row->values[0]),
        .application = strdup(row->values[1]),
        .client = strdup(row->values[2]),
        .count = number_of(row->values[3]),
    };
    sizes->connection_count++;
    return connection->state == NULL || connection->application == NULL || connection->client == NULL
               ? error_set(error, CSN_MEMORY, "no memory for the connections")
               : 0;
}

static int take_database(void *context, const struct query_row *row, struct error *error)
{
    struct sizes *sizes = context;
    (void)error;
    sizes->database_bytes = number_of(row->values[0]);
    return 0;
}

static int take_schema(void *context, const struct query_row *row, struct error *error)
{
    buffer_string(context, row->values[0]);
    return buffer_check(context, error);
}

static int take_measure(void *context, const struct query_row *row, struct error *error)
{
    struct sizes_table *table = context;
    (void)error;
    table->dead_rows = known_of(row->values[0]);
    table->bloat_bytes = known_of(row->values[1]);
    table->measured = true;
    return 0;
}

/* The largest tables first, as far as the time goes. What fails (its rights, say) leaves the rest to the statistics. */
static int measure(struct query_session *session, const struct sizes_options *options, int timeout_sec,
                   struct sizes *sizes, struct error *error)
{
    const struct query_limits limits = {.timeout_sec = timeout_sec};
    int64_t end_ms = clock_monotonic_ms() + (int64_t)timeout_sec * 1000;
    struct progress_state state = {.doing = "measuring tables", .total_items = sizes->count};
    struct buffer schema = {0};
    struct buffer sql = {0};
    int result = query_run(session, extension_sql, NULL, 0, &limits, take_schema, &schema, error);
    for (size_t i = 0; result == 0 && schema.size > 0 && i < sizes->count; i++) {
        struct sizes_table *table = &sizes->tables[i];
        int64_t left_ms = end_ms - clock_monotonic_ms();
        if (left_ms <= 0) {
            break;
        }
        struct query_limits rest = {.timeout_sec = (int)(left_ms / 1000) + 1, .rows = 1};
        state.item = table->name;
        state.done_items = i;
        progress_tell(options->progress, &state);
        buffer_clear(&sql);
        buffer_format(
            &sql,
            "SELECT dead_tuple_count, dead_tuple_len + approx_free_space FROM %s.pgstattuple_approx(%s::regclass)",
            buffer_text(&schema), table->oid);
        result = buffer_check(&sql, error);
        if (result == 0 && query_run(session, sql.data, NULL, 0, &rest, take_measure, table, error) != 0) {
            break;
        }
        sizes->measured += table->measured;
    }
    buffer_free(&schema);
    buffer_free(&sql);
    return result;
}

static int take_all(const struct query_target *target, const struct sizes_options *options, struct sizes *sizes,
                    struct error *error)
{
    static const char *const settings[] = {"SET search_path = ''", "SET default_transaction_read_only = on"};
    int timeout_sec = options->timeout_sec == 0 ? TIMEOUT_SEC : options->timeout_sec;
    const struct query_limits limits = {.timeout_sec = timeout_sec};
    struct query_session *session = NULL;
    int result = query_open(target, 0, &session, error);
    for (size_t i = 0; result == 0 && i < sizeof settings / sizeof settings[0]; i++) {
        result = query_execute(session, settings[i], timeout_sec, NULL, error);
    }
    if (result == 0 && (query_run(session, "SELECT pg_database_size(current_database())", NULL, 0, &limits,
                                  take_database, sizes, error) != 0 ||
                        query_run(session, tables_sql, NULL, 0, &limits, take_table, sizes, error) != 0 ||
                        measure(session, options, timeout_sec, sizes, error) != 0)) {
        result = -1;
    }
    if (result == 0 && options->live) {
        result = query_run(session, connections_sql, NULL, 0, &limits, take_connection, sizes, error);
    }
    query_close(session);
    return result;
}

int sizes_take(const struct query_target *target, const struct sizes_options *options, struct sizes *sizes,
               struct error *error)
{
    struct progress_state state = {.doing = "sizes of the tables"};
    *sizes = (struct sizes){.live = options->live};
    sizes->tables = calloc(SIZES_TABLES, sizeof *sizes->tables);
    sizes->connections = calloc(CONNECTIONS_LISTED, sizeof *sizes->connections);
    sizes->database = strdup(target->database);
    if (sizes->tables == NULL || sizes->connections == NULL || sizes->database == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the sizes of tables");
    }
    progress_tell(options->progress, &state);
    if (take_all(target, options, sizes, &sizes->unknown) == 0) {
        sizes->unknown = (struct error){.code = CSN_NONE}; /* pgstattuple's */
        return 0;
    }
    return sizes->unknown.code == CSN_MEMORY ? error_set(error, CSN_MEMORY, "%s", sizes->unknown.message) : 0;
}

void sizes_free(struct sizes *sizes)
{
    for (size_t i = 0; i < sizes->count; i++) {
        free(sizes->tables[i].oid);
        free(sizes->tables[i].name);
    }
    for (size_t i = 0; i < sizes->connection_count; i++) {
        free(sizes->connections[i].state);
        free(sizes->connections[i].application);
        free(sizes->connections[i].client);
    }
    free(sizes->database);
    free(sizes->tables);
    free(sizes->connections);
    *sizes = (struct sizes){.count = 0};
}

/* --- as JSON ------------------------------------------------------------------------------------------------------- */

static void add_table(const struct sizes_table *table, yyjson_mut_doc *document, yyjson_mut_val *list)
{
    yyjson_mut_val *item = yyjson_mut_arr_add_obj(document, list);
    json_add_bytes(document, item, "name", table->name, strlen(table->name));
    yyjson_mut_obj_add_uint(document, item, "table_bytes", table->table_bytes);
    yyjson_mut_obj_add_uint(document, item, "index_bytes", table->index_bytes);
    yyjson_mut_obj_add_uint(document, item, "toast_bytes", table->toast_bytes);
    if (table->dead_rows >= 0) {
        yyjson_mut_obj_add_sint(document, item, "dead_rows", table->dead_rows);
    }
    if (table->bloat_bytes >= 0) {
        yyjson_mut_obj_add_sint(document, item, "bloat_bytes", table->bloat_bytes);
        yyjson_mut_obj_add_str(document, item, "bloat_by", table->measured ? "pgstattuple" : "estimate");
    }
}

static void add_connections(const struct sizes *sizes, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "connections");
    for (size_t i = 0; i < sizes->connection_count; i++) {
        const struct sizes_connection *connection = &sizes->connections[i];
        yyjson_mut_val *item = yyjson_mut_arr_add_obj(document, list);
        yyjson_mut_obj_add_uint(document, item, "count", connection->count);
        json_add_bytes(document, item, "state", connection->state, strlen(connection->state));
        json_add_bytes(document, item, "application", connection->application, strlen(connection->application));
        json_add_bytes(document, item, "client", connection->client, strlen(connection->client));
    }
}

static int64_t add_known(int64_t sum, int64_t number)
{
    return number < 0 ? sum : number + (sum < 0 ? 0 : sum);
}

void sizes_to_json(const struct sizes *sizes, yyjson_mut_doc *document, yyjson_mut_val *object)
{
    json_add_bytes(document, object, "database", sizes->database, strlen(sizes->database));
    yyjson_mut_obj_add_str(document, object, "server", sizes->live ? "live" : "cold");
    if (sizes->unknown.code != CSN_NONE) {
        json_add_bytes(document, object, "unknown", sizes->unknown.message, strlen(sizes->unknown.message));
        return;
    }
    int64_t dead_rows = -1; /* -1: of no table known */
    int64_t bloat_bytes = -1;
    size_t bloat_unknown = (size_t)sizes->table_count - sizes->count;
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, object, "items");
    for (size_t i = 0; i < sizes->count; i++) {
        const struct sizes_table *table = &sizes->tables[i];
        add_table(table, document, list);
        dead_rows = add_known(dead_rows, table->dead_rows);
        bloat_bytes = add_known(bloat_bytes, table->bloat_bytes);
        bloat_unknown += table->bloat_bytes < 0;
    }
    yyjson_mut_obj_add_uint(document, object, "database_bytes", sizes->database_bytes);
    yyjson_mut_obj_add_uint(document, object, "tables", sizes->table_count);
    yyjson_mut_obj_add_uint(document, object, "table_bytes", sizes->table_bytes);
    yyjson_mut_obj_add_uint(document, object, "index_bytes", sizes->index_bytes);
    yyjson_mut_obj_add_uint(document, object, "toast_bytes", sizes->toast_bytes);
    if (dead_rows >= 0) {
        yyjson_mut_obj_add_sint(document, object, "dead_rows", dead_rows);
    }
    if (bloat_bytes >= 0) {
        yyjson_mut_obj_add_sint(document, object, "bloat_bytes", bloat_bytes);
    }
    yyjson_mut_obj_add_uint(document, object, "bloat_unknown", bloat_unknown);
    yyjson_mut_obj_add_uint(document, object, "bloat_measured", sizes->measured);
    if (sizes->live) {
        add_connections(sizes, document, object);
    }
}
