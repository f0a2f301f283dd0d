/* A real cluster as other systems and vendors lay it out: programs, data and configuration elsewhere; encodings that are not UTF-8. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/cold.h"
#include "database/inventory.h"
#include "database/migrate.h"
#include "lib/process.h"
#include "target/room.h"

static struct error error;
static struct cold cold;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

static int major(void)
{
    return (int)strtol(strstr(room_postgres_binaries(), "postgresql/") + strlen("postgresql/"), NULL, 10);
}

static void assert_value(struct database_server *server, const char *database, const char *sql, const char *expected)
{
    char *value = cold_value(server, database, sql);
    assert_string_equal(value, expected);
    free(value);
}

static void shell(const struct cold *server, const char *format, ...)
{
    char script[4096];
    struct buffer output = {0};
    int status = -1;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(script, sizeof script, format, arguments);
    va_end(arguments);
    const char *const argv[] = {"env", "-C", server->server, "sh", "-ec", script, NULL};
    ASSERT_DONE(process_run(argv, NULL, 60, &output, &status, &error));
    if (status != 0) {
        fail_msg("%s: %s", script, buffer_text(&output));
    }
    buffer_free(&output);
}

/* A view of the server in which PostgreSQL's programs are in another folder than Debian's, and its data at data_path. Each folder of /usr is
 * bound by itself, so that there can be others beside. */
static void open_elsewhere(struct cold *server, const char *programs, const char *data_path)
{
    static char sources[64][512];
    static char targets[64][512];
    struct view_bind binds[64];
    size_t count = 0;
    DIR *usr = opendir(room_usr.source);
    assert_non_null(usr);
    for (struct dirent *entry = readdir(usr); entry != NULL; entry = readdir(usr)) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            assert_true(count < 60);
            snprintf(sources[count], sizeof sources[0], "%s/%s", room_usr.source, entry->d_name);
            snprintf(targets[count], sizeof targets[0], "/usr/%s", entry->d_name);
            binds[count] = (struct view_bind){.source = sources[count], .target = targets[count]};
            count++;
        }
    }
    closedir(usr);
    snprintf(sources[count], sizeof sources[0], "%s/home", server->server); /* nothing is in it */
    snprintf(targets[count], sizeof targets[0], "%s", room_postgres_binaries());
    binds[count] = (struct view_bind){.source = sources[count], .target = targets[count]};
    count++;
    /* With what lies beside the programs, as PostgreSQL looks for it. */
    snprintf(sources[count], sizeof sources[0], "%s/lib/postgresql/%d", room_usr.source, major());
    snprintf(targets[count], sizeof targets[0], "%.*s", (int)(strlen(programs) - strlen("/bin")), programs);
    binds[count] = (struct view_bind){.source = sources[count], .target = targets[count]};
    count++;
    struct view_layout layout = {.root_path = server->server, .binds = binds, .bind_count = count};
    ASSERT_DONE(view_open(&layout, &server->view, &error));
    cluster_free(&server->cluster);
    ASSERT_DONE(cluster_examine(view_root_fd(server->view), data_path, NULL, &server->cluster, &error));
    assert_non_null(server->cluster.binaries);
    assert_string_equal(server->cluster.binaries, programs);
}

static void assert_works(struct cold *server)
{
    static const enum database_mode modes[] = {DATABASE_PRIVATE, DATABASE_APPLICATION};
    for (size_t i = 0; i < 2; i++) {
        struct database_server *started = cold_start(server, modes[i]);
        assert_value(started, "wiki", "SELECT count(*) FROM mediawiki.page", "1000");
        cold_stop(started);
    }
}

static void test_red_hat(void **state)
{
    (void)state;
    struct cold server;
    char programs[64];
    char data[64];
    char config[128];
    cold_copy(&cold, &server);
    snprintf(programs, sizeof programs, "/usr/pgsql-%d/bin", major());
    snprintf(data, sizeof data, "/var/lib/pgsql/%d/data", major());
    snprintf(config, sizeof config, "%s/postgresql.conf", data);
    shell(&server, "mkdir -p .%s; rmdir .%s; mv ." COLD_DATA " .%s", data, data, data);
    open_elsewhere(&server, programs, data);
    assert_string_equal(server.cluster.config_file, config);
    assert_works(&server);
    cold_close(&server);
    cold_remove(&server);
}

/* Below /opt, one or two folders deep, as vendors, EnterpriseDB and Postgres Pro do. */
static void test_below_opt(void **state)
{
    (void)state;
    char folders[4][64] = {"/opt/acme/bin", "/opt/acme/pgsql/bin"};
    struct cold server;
    cold_copy(&cold, &server);
    shell(&server,
          "mkdir -p opt/acme/share opt/acme/pgsql opt/.hidden/bin opt/acme/.old/bin; ln -s /opt/acme opt/link; echo no "
          ">opt/file; "
          "mv ." COLD_DATA " opt/acme-data; mv opt/acme-data/pg_wal srv/wal; ln -s /srv/wal opt/acme-data/pg_wal");
    snprintf(folders[2], sizeof folders[2], "/opt/PostgreSQL/%d/bin", major());
    snprintf(folders[3], sizeof folders[3], "/opt/pgpro/std-%d/bin", major());
    for (size_t i = 0; i < 4; i++) {
        open_elsewhere(&server, folders[i], "/opt/acme-data");
        if (i == 0) {
            assert_works(&server);
        }
        cold_close(&server);
    }
    cold_remove(&server);
}

/* Its own place for postgresql.conf, which includes others: by relative and absolute names, a folder of them, one that is not there; what
 * ALTER SYSTEM has set comes last. */
static void test_configuration_elsewhere(void **state)
{
    (void)state;
    struct cold server;
    cold_copy(&cold, &server);
    shell(&server,
          "mkdir -p etc/acme/conf.d srv/conf; cp ." COLD_DATA "/pg_hba.conf etc/acme/hba.conf\n"
          "mv ." COLD_DATA "/postgresql.conf etc/acme/db.conf; chmod -R a+rX etc/acme\n"
          "cat >>etc/acme/db.conf <<-END\n"
          "data_directory = '" COLD_DATA "'\ninclude 'more.conf'\ninclude_if_exists 'none.conf'\n"
          "include_dir 'conf.d'\ninclude '/srv/conf/last.conf'\nEND\n"
          "printf \"hba_file = '/etc/acme/hba.conf'\\nport = 5440\\nwork_mem = '1MB'\\n\" >etc/acme/more.conf\n"
          "echo \"work_mem = '2MB'\" >etc/acme/conf.d/10.conf; echo \"work_mem = '3MB'\" >etc/acme/conf.d/20.conf\n"
          "echo 'max_connections = 33' >srv/conf/last.conf\n"
          "echo \"max_locks_per_transaction = '77'\" >>." COLD_DATA "/postgresql.auto.conf");
    cold_open(&server, false);
    assert_null(server.cluster.config_file);
    struct database_settings settings = {
        .cluster = &server.cluster, .config_file = "/etc/acme/db.conf", .start_timeout_sec = 60};
    static const enum database_mode modes[] = {DATABASE_PRIVATE, DATABASE_APPLICATION};
    for (size_t i = 0; i < 2; i++) {
        struct database_server *started = NULL;
        settings.mode = modes[i];
        ASSERT_DONE(database_server_start(server.view, &settings, &started, &error));
        assert_value(started, "wiki", "SHOW work_mem", "3MB");
        assert_value(started, "wiki", "SHOW max_connections", "33");
        assert_value(started, "wiki", "SHOW max_locks_per_transaction", "77");
        assert_value(started, "wiki", "SHOW port", modes[i] == DATABASE_PRIVATE ? "5432" : "5440");
        assert_value(started, "wiki", "SELECT count(*) FROM mediawiki.page", "1000");
        cold_stop(started);
    }
    cold_close(&server);
    /* And in the data folder, with one beside it. */
    shell(&server, "cat etc/acme/db.conf >." COLD_DATA
                   "/postgresql.conf; cp -r etc/acme/more.conf etc/acme/conf.d ." COLD_DATA "/");
    cold_open(&server, false);
    assert_string_equal(server.cluster.config_file, COLD_DATA "/postgresql.conf");
    struct database_server *started = cold_start(&server, DATABASE_APPLICATION);
    assert_value(started, "wiki", "SHOW work_mem", "3MB");
    assert_value(started, "wiki", "SHOW port", "5440");
    cold_stop(started);
    cold_close(&server);
    cold_remove(&server);
}

static int take(struct database_server *server, struct inventory *inventory)
{
    struct query_target target = database_server_target(server, "postgres");
    return inventory_take(&target, NULL, inventory, &error);
}

static void assert_table(const struct inventory *inventory, const char *database, const char *name, uint64_t rows)
{
    const struct inventory_item *item = inventory_find(inventory, INVENTORY_TABLE, database, name);
    if (item == NULL || item->rows != rows) {
        fail_msg("%s in %s: %s", name, database, item == NULL ? "not there" : "other rows");
    }
}

static int migrate(struct database_server *server, const char *database, const char *text)
{
    struct query_target target = database_server_target(server, database);
    struct migration_sql migration = {.name = "1.sql", .text = text, .size_bytes = strlen(text), .timeout_sec = 60};
    return migrate_sql(&target, &migration, NULL, &error);
}

/* Databases in encodings of their own, with names and rows in these; with the locales that go with them where the root has them. */
static void test_encodings(void **state)
{
    (void)state;
    struct cold server;
    struct inventory before;
    struct inventory after;
    bool has_locales = strcmp(room_postgres_root(), "/") != 0;
    char chinese[200];
    char german[200];
    snprintf(chinese, sizeof chinese,
             "CREATE DATABASE chinese TEMPLATE template0 ENCODING 'EUC_CN' LC_COLLATE '%s' LC_CTYPE '%s'",
             has_locales ? "zh_CN.gb2312" : "C", has_locales ? "zh_CN.gb2312" : "C");
    snprintf(german, sizeof german,
             "CREATE DATABASE german TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE '%s' LC_CTYPE '%s'",
             has_locales ? "de_DE.iso88591" : "C", has_locales ? "de_DE.iso88591" : "C");
    const char *const make[] = {
        chinese, german, "CREATE DATABASE bytes TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
        major() >= 15 ? "CREATE DATABASE icu TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE "
                        "'zh-u-co-pinyin' LOCALE 'C'"
                      : "CREATE DATABASE icu TEMPLATE template0",
        NULL};
    static const char *const fill_chinese[] = {
        "CREATE TABLE \"页\" AS SELECT n AS id, '标题' || n AS title FROM generate_series(1, 50) n",
        "CREATE INDEX ON \"页\" (title)", NULL};
    static const char *const fill_german[] = {
        "CREATE TABLE \"Bücher\" AS SELECT n AS id, 'Größe ' || n AS title FROM generate_series(1, 50) n", NULL};
    static const char *const fill_bytes[] = {"CREATE TABLE mixed (a text)",
                                             "INSERT INTO mixed VALUES (E'h\\344fen'), (E'\\xce\\xc4'), ('文')",
                                             "CREATE TABLE \"h\344fen\" (a text)", NULL};
    static const char *const fill_icu[] = {"CREATE COLLATION pinyin (provider = icu, locale = 'zh-u-co-pinyin')",
                                           "CREATE TABLE page (title text COLLATE pinyin)",
                                           "INSERT INTO page VALUES ('中'), ('啊'), ('北')",
                                           "CREATE INDEX page_title ON page (title)", NULL};
    cold_copy(&cold, &server);
    cold_open(&server, true);
    struct database_server *started = cold_start(&server, DATABASE_PRIVATE);
    cold_run(started, "postgres", make);
    cold_run(started, "chinese", fill_chinese);
    cold_run(started, "german", fill_german);
    cold_run(started, "bytes", fill_bytes);
    cold_run(started, "icu", fill_icu);
    ASSERT_DONE(take(started, &before));
    cold_stop(started);
    cold_close(&server);
    assert_table(&before, "chinese", "public.\"页\"", 50);
    assert_table(&before, "german", "public.\"Bücher\"", 50);
    assert_table(&before, "bytes", "public.mixed", 3);
    assert_table(&before, "bytes", "public.\"h\344fen\"", 0);
    assert_table(&before, "icu", "public.page", 3);
    assert_non_null(inventory_find(&before, INVENTORY_OBJECT, "icu", "collation public.pinyin"));

    /* A physical copy is the same; what SQL in UTF-8 does in each is seen in that one. */
    cold_open(&server, false);
    started = cold_start(&server, DATABASE_PRIVATE);
    ASSERT_DONE(take(started, &after));
    ASSERT_DONE(inventory_compare(&before, &after, NULL, NULL, &error));
    inventory_free(&after);
    ASSERT_DONE(migrate(started, "chinese", "UPDATE \"页\" SET title = '首页' WHERE id = 7"));
    assert_value(started, "chinese", "SELECT title FROM \"页\" WHERE id = 7", "首页");
    assert_value(started, "chinese", "SELECT octet_length(title) FROM \"页\" WHERE id = 7", "4");
    ASSERT_DONE(migrate(started, "german", "UPDATE \"Bücher\" SET title = 'Maß' WHERE id = 7"));
    assert_value(started, "german", "SELECT octet_length(title) FROM \"Bücher\" WHERE id = 7", "3");
    assert_int_equal(migrate(started, "german", "DELETE FROM \"Bücher\";\nINSERT INTO \"Bücher\" VALUES (1, '页')"),
                     -1);
    assert_int_equal(error.code, CSN_DATABASE_MIGRATION);
    assert_non_null(strstr(error.message, "line 2"));
    assert_non_null(strstr(error.message, "22P05"));
    assert_value(started, "german", "SELECT count(*) FROM \"Bücher\"", "50");
    assert_value(started, "icu", "SELECT string_agg(title, '' ORDER BY title) FROM page", "啊北中");
    ASSERT_DONE(take(started, &after));
    assert_int_equal(inventory_compare(&before, &after, NULL, NULL, &error), -1);
    assert_non_null(strstr(error.message, "and there are 1 more differences"));
    inventory_free(&after);
    cold_stop(started);
    cold_close(&server);
    inventory_free(&before);
    cold_remove(&server);
}

static int set_up(void **state)
{
    (void)state;
    cold_make(&cold);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cold_remove(&cold);
    return room_count_named("caisson-room", NULL);
}

int main(int argc, char **argv)
{
    (void)argc;
    room_need_root(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_red_hat),
        cmocka_unit_test(test_below_opt),
        cmocka_unit_test(test_configuration_elsewhere),
        cmocka_unit_test(test_encodings),
    };
    return cmocka_run_group_tests_name("layouts", tests, set_up, tear_down);
}
