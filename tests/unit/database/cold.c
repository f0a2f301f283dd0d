#include "database/cold.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/file.h"
#include "lib/process.h"
#include "target/accounts.h"
#include "target/room.h"

static struct error error;

#define ASSERT_DONE(call)                                                                                              \
    do {                                                                                                               \
        if ((call) != 0) {                                                                                             \
            fail_msg("%s: %s", #call, error.message);                                                                  \
        }                                                                                                              \
    } while (0)

int cold_root(const struct cold *cold)
{
    int fd = open(cold->server, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void own(const struct cold *cold, const char *name)
{
    char path[4096];
    struct account account;
    int fd = cold_root(cold);
    ASSERT_DONE(account_find(fd, "postgres", &account, &error));
    snprintf(path, sizeof path, "%s/%s", cold->server, name);
    assert_int_equal(chown(path, account.uid, account.gid), 0);
    close(fd);
}

static void open_view(struct cold *cold, bool writable)
{
    char source[4096];
    snprintf(source, sizeof source, "%s/var/lib/postgresql", cold->server);
    const struct view_bind binds[] = {room_usr, {.source = source, .target = "/var/lib/postgresql", .writable = true}};
    struct view_layout layout = {.root_path = cold->server, .binds = binds, .bind_count = writable ? 2 : 1};
    ASSERT_DONE(view_open(&layout, &cold->view, &error));
}

void cold_open(struct cold *cold, bool writable)
{
    open_view(cold, writable);
    cluster_free(&cold->cluster);
    ASSERT_DONE(cluster_examine(view_root_fd(cold->view), COLD_DATA, NULL, &cold->cluster, &error));
}

void cold_close(struct cold *cold)
{
    ASSERT_DONE(view_close(cold->view, &error));
    cold->view = NULL;
}

struct database_server *cold_start(struct cold *cold, enum database_mode mode)
{
    struct database_settings settings = {.cluster = &cold->cluster, .mode = mode, .start_timeout_sec = 60};
    struct database_server *server = NULL;
    ASSERT_DONE(database_server_start(cold->view, &settings, &server, &error));
    return server;
}

void cold_stop(struct database_server *server)
{
    ASSERT_DONE(database_server_stop(server, 60, &error));
}

void cold_run(struct database_server *server, const char *database, const char *const *statements)
{
    struct query_session *session = NULL;
    struct query_target target = database_server_target(server, database);
    ASSERT_DONE(query_open(&target, 0, &session, &error));
    for (; *statements != NULL; statements++) {
        if (query_execute(session, *statements, 60, NULL, &error) != 0) {
            fail_msg("%s: %s", *statements, error.message);
        }
    }
    query_close(session);
}

char *cold_value(struct database_server *server, const char *database, const char *sql)
{
    struct query_session *session = NULL;
    struct query_target target = database_server_target(server, database);
    struct buffer value = {0};
    ASSERT_DONE(query_open(&target, 0, &session, &error));
    ASSERT_DONE(query_value(session, sql, NULL, &value, &error));
    query_close(session);
    char *text = buffer_take(&value);
    assert_non_null(text);
    return text;
}

void cold_change(struct cold *cold, const char *sql)
{
    const char *const statements[] = {sql, NULL};
    cold_open(cold, true);
    struct database_server *server = cold_start(cold, DATABASE_PRIVATE);
    cold_run(server, "wiki", statements);
    cold_stop(server);
    cold_close(cold);
}

static void fill(struct cold *cold)
{
    static const char *const make[] = {
        "CREATE ROLE wikiuser LOGIN PASSWORD 'secret'",
        "CREATE DATABASE wiki OWNER wikiuser TEMPLATE template0",
        NULL,
    };
    static const char *const tables[] = {
        "CREATE SCHEMA mediawiki AUTHORIZATION wikiuser",
        "CREATE TABLE mediawiki.page (id serial PRIMARY KEY, title text NOT NULL, body text, weight float8, at "
        "timestamptz)",
        "INSERT INTO mediawiki.page (title, body, weight, at) SELECT 'Page ' || n, repeat(md5(n::text), 100), n / 3.0, "
        "timestamptz '2024-02-29 12:00:00+08' + n * interval '1 hour' FROM generate_series(1, 1000) n",
        "CREATE TABLE mediawiki.\"user\" (name text, groups text[], photo bytea)",
        "INSERT INTO mediawiki.\"user\" VALUES ('Anna', '{sysop,bureaucrat}', '\\x00ff'), ('B\"o', NULL, NULL), "
        "('B\"o', NULL, NULL)",
        "CREATE TABLE public.empty ()",
        "CREATE VIEW mediawiki.titles AS SELECT title FROM mediawiki.page",
        "CREATE INDEX page_title ON mediawiki.page (title)",
        "CREATE SEQUENCE mediawiki.counter START 7",
        NULL,
    };
    cold_open(cold, true);
    struct database_server *server = cold_start(cold, DATABASE_PRIVATE);
    cold_run(server, "postgres", make);
    cold_run(server, "wiki", tables);
    cold_stop(server);
    cold_close(cold);
}

void cold_make(struct cold *cold)
{
    char initdb[4200];
    *cold = (struct cold){.server = room_server()};
    room_make(cold->server, "var/lib/postgresql");
    own(cold, "var/lib/postgresql");
    open_view(cold, true);
    snprintf(initdb, sizeof initdb, "%s/initdb", room_postgres_binaries());
    const char *const argv[] = {initdb,
                                "-D",
                                COLD_DATA,
                                "--no-sync",
                                "--encoding=UTF8",
                                "--locale=C",
                                "-k",
                                "--auth-local=peer",
                                "--auth-host=scram-sha-256",
                                NULL};
    struct view_command command = {.argv = argv, .user = "postgres", .timeout_sec = 120};
    struct buffer output = {0};
    int status = -1;
    ASSERT_DONE(view_run(cold->view, &command, &output, &status, &error));
    if (status != 0) {
        fail_msg("initdb: %s", buffer_text(&output));
    }
    buffer_free(&output);
    cold_close(cold);
    fill(cold);
}

void cold_copy(const struct cold *cold, struct cold *copy)
{
    char from[4096];
    char to[4096];
    int status = -1;
    *copy = (struct cold){.server = room_server()};
    snprintf(from, sizeof from, "%s/var/lib/postgresql", cold->server);
    snprintf(to, sizeof to, "%s/var/lib/postgresql", copy->server);
    const char *const argv[] = {"cp", "-a", from, to, NULL};
    ASSERT_DONE(process_run(argv, NULL, 60, NULL, &status, &error));
    assert_int_equal(status, 0);
}

void cold_remove(struct cold *cold)
{
    cluster_free(&cold->cluster);
    room_remove(cold->server);
    *cold = (struct cold){0};
}
