#include "database/inventory_internal.h"

/*
 * Each query gives (name, definition) of one sort of thing. No number that a copy by dump and restore would change (OIDs,
 * order of creation) goes in. to_jsonb reads columns that not every version from 10 on has.
 */
struct catalog_query {
    enum inventory_kind kind;
    const char *sql;
};

#define RIGHTS(list) "(SELECT string_agg(a::text, ' ' ORDER BY a::text COLLATE \"C\") FROM unnest(" list ") a)"
/* Those that PostgreSQL keeps for itself (pg_attver, from the releases of November 2026 on) say when a column was made. */
#define OPTIONS(list) "(SELECT string_agg(o, ' ' ORDER BY o COLLATE \"C\") FROM unnest(" list ") o WHERE o !~ '^pg_')"
#define OURS(schema) schema " !~ '^pg_(toast|temp)' AND " schema " NOT IN ('pg_catalog', 'information_schema')"

static const struct catalog_query server_queries[] = {
    {INVENTORY_ROLE, "SELECT rolname, concat_ws(' ', rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, "
                     "rolreplication, rolbypassrls, rolconnlimit, rolpassword, rolvaliduntil) FROM pg_authid"},
    {INVENTORY_ROLE, "SELECT format('%I in %I', m.rolname, g.rolname), string_agg((to_jsonb(x) - 'oid' - 'roleid' - "
                     "'member' - 'grantor')::text, ' ' ORDER BY (to_jsonb(x) - 'oid' - 'roleid' - 'member' - "
                     "'grantor')::text COLLATE \"C\") FROM pg_auth_members x JOIN pg_authid m ON m.oid = x.member "
                     "JOIN pg_authid g ON g.oid = x.roleid GROUP BY 1"},
    {INVENTORY_SETTING,
     "SELECT concat(r.rolname, '@', d.datname), " OPTIONS(
         "setconfig") " FROM pg_db_role_setting s "
                      "LEFT JOIN pg_roles r ON r.oid = setrole LEFT JOIN pg_database d ON d.oid = setdatabase"},
    {INVENTORY_DATABASE,
     "SELECT datname, concat_ws(' ', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), "
     "datcollate, datctype, to_jsonb(d) ->> 'datlocprovider', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> "
     "'daticulocale'), to_jsonb(d) ->> 'daticurules', datistemplate, datallowconn, datconnlimit, " RIGHTS(
         "datacl") ") FROM pg_database d"},
    {INVENTORY_OBJECT, "SELECT format('tablespace %I', spcname), concat_ws(' ', pg_get_userbyid(spcowner), " RIGHTS(
                           "spcacl") ", " OPTIONS("spcoptions") ") FROM pg_tablespace"},
    {INVENTORY_OBJECT,
     "SELECT format('subscription %I of %I', subname, datname), concat_ws(' ', subenabled, subconninfo, "
     "subpublications) FROM pg_subscription JOIN pg_database d ON d.oid = subdbid"},
};

static const struct catalog_query schema_queries[] = {
    {INVENTORY_OBJECT, "SELECT format('schema %I', nspname), concat_ws(' ', pg_get_userbyid(nspowner), " RIGHTS(
                           "nspacl") ") "
                                     "FROM pg_namespace WHERE " OURS("nspname")},
    {INVENTORY_OBJECT, "SELECT format('extension %I', extname), concat_ws(' ', extversion, extnamespace::regnamespace) "
                       "FROM pg_extension"},
    {INVENTORY_OBJECT,
     "SELECT format('%s %I.%I', CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN "
     "'view' "
     "WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'partitioned "
     "index' "
     "WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'composite type' ELSE 'relation' END, nspname, relname), "
     "concat_ws(' ', pg_get_userbyid(relowner), " RIGHTS("relacl") ", " OPTIONS(
         "reloptions") ", relpersistence, "
                       "relrowsecurity, relforcerowsecurity, relreplident, spcname, amname, "
                       "CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) WHEN relkind IN ('i', 'I') THEN "
                       "pg_get_indexdef(c.oid) "
                       "WHEN relkind = 'p' THEN pg_get_partkeydef(c.oid) END, pg_get_expr(relpartbound, c.oid), "
                       "(SELECT string_agg(inhparent::regclass::text, ' ' ORDER BY inhseqno) FROM pg_inherits WHERE "
                       "inhrelid = c.oid), "
                       "(SELECT concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, "
                       "seqcycle) "
                       "FROM pg_sequence WHERE seqrelid = c.oid)) "
                       "FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace LEFT JOIN pg_tablespace t ON t.oid "
                       "= reltablespace "
                       "LEFT JOIN pg_am a ON a.oid = relam WHERE relkind <> 't' AND relpersistence <> 't' AND " OURS(
                           "nspname")},
    {INVENTORY_OBJECT,
     "SELECT format('column %I.%I.%I', nspname, relname, attname), concat_ws(' ', row_number() OVER (PARTITION BY "
     "c.oid "
     "ORDER BY attnum), format_type(atttypid, atttypmod), attnotnull, collation_text, "
     "pg_get_expr(adbin, adrelid), to_jsonb(a) ->> 'attidentity', to_jsonb(a) ->> 'attgenerated', attstorage, "
     "" RIGHTS("attacl") ", " OPTIONS(
         "attoptions") ") "
                       "FROM (SELECT *, (SELECT format('%I.%I', cn.nspname, collname) FROM pg_collation co JOIN "
                       "pg_namespace cn ON "
                       "cn.oid = collnamespace WHERE co.oid = attcollation) AS collation_text FROM pg_attribute) a "
                       "JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace "
                       "LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum "
                       "WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND "
                       "relpersistence <> 't' AND "
                       "" OURS("nspname")},
    {INVENTORY_OBJECT,
     "SELECT format('constraint %I on %s', conname, CASE WHEN conrelid <> 0 THEN conrelid::regclass::text ELSE "
     "contypid::regtype::text END), concat_ws(' ', pg_get_constraintdef(c.oid), condeferrable, condeferred, "
     "convalidated) "
     "FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace WHERE (conrelid <> 0 OR contypid <> 0) AND "
     "" OURS("nspname")},
    {INVENTORY_OBJECT, "SELECT format('trigger %I on %s', tgname, tgrelid::regclass), concat_ws(' ', "
                       "pg_get_triggerdef(t.oid), tgenabled) FROM pg_trigger t WHERE NOT tgisinternal"},
    {INVENTORY_OBJECT, "SELECT format('rule %I on %s', rulename, ev_class::regclass), concat_ws(' ', "
                       "pg_get_ruledef(r.oid), ev_enabled) FROM pg_rewrite r WHERE r.oid >= 16384 AND rulename <> "
                       "'_RETURN'"},
    {INVENTORY_OBJECT,
     "SELECT format('function %I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), concat_ws(' ', "
     "pg_get_userbyid(proowner), " RIGHTS(
         "proacl") ", CASE WHEN EXISTS (SELECT FROM pg_aggregate WHERE aggfnoid = p.oid) "
                   "THEN (SELECT concat_ws(' ', aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggtranstype::regtype, "
                   "agginitval) FROM "
                   "pg_aggregate WHERE aggfnoid = p.oid) ELSE pg_get_functiondef(p.oid) END) "
                   "FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE " OURS("nspname")},
    {INVENTORY_OBJECT,
     "SELECT format('type %I.%I', nspname, typname), concat_ws(' ', pg_get_userbyid(typowner), typtype, " RIGHTS(
         "typacl") ", "
                   "(SELECT string_agg(quote_literal(enumlabel), ' ' ORDER BY enumsortorder) FROM pg_enum WHERE "
                   "enumtypid = t.oid), "
                   "CASE WHEN typtype = 'd' THEN concat_ws(' ', format_type(typbasetype, typtypmod), typnotnull, "
                   "typdefault) END, "
                   "(SELECT rngsubtype::regtype::text FROM pg_range WHERE rngtypid = t.oid)) "
                   "FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace WHERE typtype IN ('e', 'd', 'r') "
                   "AND " OURS("nspname")},
    {INVENTORY_OBJECT,
     "SELECT format('policy %I on %s', polname, polrelid::regclass), concat_ws(' ', polcmd, polpermissive, "
     "(SELECT string_agg(coalesce(rolname, 'public'), ' ' ORDER BY rolname::text COLLATE \"C\") FROM "
     "unnest(polroles) r LEFT JOIN pg_roles ON pg_roles.oid = r), pg_get_expr(polqual, polrelid), "
     "pg_get_expr(polwithcheck, polrelid)) FROM pg_policy"},
    {INVENTORY_OBJECT,
     "SELECT format('collation %I.%I', nspname, collname), concat_ws(' ', pg_get_userbyid(collowner), "
     "(to_jsonb(c) - 'oid' - 'collname' - 'collnamespace' - 'collowner' - 'collversion')::text) "
     "FROM pg_collation c JOIN pg_namespace n ON n.oid = collnamespace WHERE " OURS("nspname")},
    {INVENTORY_OBJECT, "SELECT format('statistics %I.%I', nspname, stxname), pg_get_statisticsobjdef(s.oid) FROM "
                       "pg_statistic_ext s JOIN pg_namespace n ON n.oid = stxnamespace"},
    {INVENTORY_OBJECT, "SELECT format('event trigger %I', evtname), concat_ws(' ', evtevent, evtfoid::regprocedure, "
                       "evtenabled, evttags) FROM pg_event_trigger"},
    {INVENTORY_OBJECT,
     "SELECT format('publication %I', pubname), concat_ws(' ', pg_get_userbyid(pubowner), (to_jsonb(p) - "
     "'oid' - 'pubowner')::text, (SELECT string_agg(prrelid::regclass::text, ' ' ORDER BY "
     "prrelid::regclass::text COLLATE \"C\") FROM pg_publication_rel WHERE prpubid = p.oid)) FROM "
     "pg_publication p"},
    {INVENTORY_OBJECT,
     "SELECT format('foreign server %I', srvname), concat_ws(' ', pg_get_userbyid(srvowner), fdwname, "
     "srvtype, srvversion, " RIGHTS("srvacl") ", " OPTIONS("srvoptions") ") FROM pg_foreign_server JOIN "
                                                                         "pg_foreign_data_wrapper f ON f.oid = srvfdw"},
    {INVENTORY_OBJECT, "SELECT format('default rights of %s in %s for %s', pg_get_userbyid(defaclrole), CASE WHEN "
                       "defaclnamespace <> 0 THEN defaclnamespace::regnamespace::text ELSE 'all schemas' END, "
                       "defaclobjtype), " RIGHTS("defaclacl") " FROM pg_default_acl"},
    {INVENTORY_OBJECT,
     "SELECT format('comment on %s', (pg_identify_object(classoid, objoid, objsubid)).identity || ' (' || "
     "(pg_identify_object(classoid, objoid, objsubid)).type || ')'), description FROM pg_description "
     "WHERE objoid >= 16384"},
};

struct taking {
    enum inventory_kind kind;
    const char *database;
    struct inventory *inventory;
};

static int take(void *context, const struct query_row *row, struct error *error)
{
    const struct taking *taking = context;
    const char *name = row->values[0] == NULL ? "(without a name)" : row->values[0];
    return inventory_add_definition(taking->inventory, taking->kind, taking->database, name,
                                    row->values[1] == NULL ? "" : row->values[1], error);
}

static int run(struct query_session *session, const struct catalog_query *queries, size_t count, const char *database,
               struct inventory *inventory, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct taking taking = {.kind = queries[i].kind, .database = database, .inventory = inventory};
        if (query_run(session, queries[i].sql, NULL, 0, NULL, take, &taking, error) != 0) {
            return error_wrap(error, "reading the catalogue of the database %s", database);
        }
    }
    return 0;
}

int inventory_take_server(struct query_session *session, struct inventory *inventory, struct error *error)
{
    return run(session, server_queries, sizeof server_queries / sizeof server_queries[0], "", inventory, error);
}

int inventory_take_schema(struct query_session *session, const char *database, struct inventory *inventory,
                          struct error *error)
{
    return run(session, schema_queries, sizeof schema_queries / sizeof schema_queries[0], database, inventory, error);
}
