/* The way to a real server on loopback: TLS, passwords, certificates, and what is said when it does not let us in. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "database/dump.h"
#include "database/live.h"
#include "database/query_connect.h"

static struct live live;

static int set_up(void **state)
{
    (void)state;
    live_make(&live);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    live_remove(&live);
    return 0;
}

/* Connects and asks for one number; the error where it does not. */
static enum error_code try(const struct query_target *target, struct error *error)
{
    struct query_session *session = NULL;
    struct buffer value = {0};
    *error = (struct error){0};
    if (query_open(target, 20, &session, error) == 0 &&
        query_value(session, "SELECT 6 * 7", NULL, &value, error) == 0) {
        assert_string_equal(buffer_text(&value), "42");
    }
    query_close(session);
    buffer_free(&value);
    return error->code;
}

static void assert_refused(const struct query_target *target, enum error_code code, const char *words)
{
    struct error error;
    enum error_code got = try(target, &error);
    if (got != code || strstr(error.message, words) == NULL) {
        fail_msg("expected %s and \"%s\", got: %s %s", error_entry(code)->code, words, error_entry(got)->code,
                 error.message);
    }
    assert_null(strstr(error.message, "secret"));
    assert_null(strstr(error.message, "hunter9"));
}

static void assert_in(const struct query_target *target)
{
    struct error error;
    if (try(target, &error) != CSN_NONE) {
        fail_msg("%s", error.message);
    }
}

static void test_in_by_every_good_way(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    assert_in(&target);
    target.host = "127.0.0.1"; /* an address of the certificate */
    assert_in(&target);
    tls.mode = "verify-ca";
    assert_in(&target);
    tls = (struct query_tls){.mode = "require"};
    assert_in(&target);
    target = live_target(&live, &tls, "wiki");
    tls.revocation_list = live_file(&live, "none-revoked.crl");
    assert_in(&target);
}

/* Both versions, and that SCRAM is bound to the channel: the server says which mechanism was used. */
static void test_versions_and_binding(void **state)
{
    (void)state;
    static const char *const versions[] = {"TLSv1.2", "TLSv1.3"};
    static const char *const certificates[] = {"server", "ec"};
    for (size_t i = 0; i < 4; i++) {
        char sql[200];
        struct query_tls tls;
        struct query_target target = live_target(&live, &tls, "wiki");
        snprintf(sql, sizeof sql, "ALTER SYSTEM SET ssl_max_protocol_version = '%s'", versions[i % 2]);
        live_sql(&live, "postgres", sql);
        snprintf(sql, sizeof sql, "ALTER SYSTEM SET ssl_cert_file = '%s/keys/%s.pem'", live.folder,
                 certificates[i / 2]);
        live_sql(&live, "postgres", sql);
        snprintf(sql, sizeof sql, "ALTER SYSTEM SET ssl_key_file = '%s/keys/%s.key'", live.folder, certificates[i / 2]);
        live_sql(&live, "postgres", sql);
        live_sql(&live, "postgres", "SELECT pg_reload_conf(), pg_sleep(0.5)");
        struct error error;
        PGconn *connection = query_connect(&target, 20, &error);
        if (connection == NULL) {
            fail_msg("%s", error.message);
        }
        assert_string_equal(PQsslAttribute(connection, "library"), "mbedTLS");
        assert_string_equal(PQsslAttribute(connection, "protocol"), versions[i % 2]);
        assert_true(PQconnectionUsedPassword(connection));
        PGresult *answer = PQexec(connection, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
        assert_string_equal(PQgetvalue(answer, 0, 0), versions[i % 2]);
        PQclear(answer);
        PQfinish(connection);
        char text[600]; /* libpq's own way, to demand what query_connect only prefers */
        snprintf(text, sizeof text,
                 "host=localhost port=%d user=owner password=secret dbname=wiki sslmode=verify-full sslrootcert=%s "
                 "channel_binding=require",
                 live.port, live_file(&live, "ca.pem"));
        PGconn *bound = PQconnectdb(text);
        if (PQstatus(bound) != CONNECTION_OK) {
            fail_msg("%s", PQerrorMessage(bound));
        }
        PQfinish(bound);
    }
    live_sql(&live, "postgres", "ALTER SYSTEM RESET ALL");
    live_sql(&live, "postgres", "SELECT pg_reload_conf(), pg_sleep(0.5)");
}

static void serve_with(const char *name)
{
    char sql[300];
    snprintf(sql, sizeof sql, "ALTER SYSTEM SET ssl_cert_file = '%s/keys/%s.pem'", live.folder, name);
    live_sql(&live, "postgres", sql);
    snprintf(sql, sizeof sql, "ALTER SYSTEM SET ssl_key_file = '%s/keys/%s.key'", live.folder, name);
    live_sql(&live, "postgres", sql);
    live_sql(&live, "postgres", "SELECT pg_reload_conf(), pg_sleep(0.5)");
}

static void test_servers_that_are_not_who_they_should_be(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    tls.root_certificate = live_file(&live, "other-ca.pem");
    assert_refused(&target, CSN_DATABASE_TLS, "does not lead to one of the given roots");
    tls.mode = "verify-ca";
    assert_refused(&target, CSN_DATABASE_TLS, "does not lead to one of the given roots");
    tls.mode = "verify-full";
    tls.root_certificate = live_file(&live, "nothing.pem");
    assert_refused(&target, CSN_DATABASE_TLS, "nothing.pem\" does not exist");
    tls.root_certificate = live_file(&live, "ca.key");
    assert_refused(&target, CSN_DATABASE_TLS, "could not read root certificate file");
    target = live_target(&live, &tls, "wiki");
    tls.revocation_list = live_file(&live, "server-revoked.crl");
    assert_refused(&target, CSN_DATABASE_TLS, "it is revoked");
    tls.revocation_list = live_file(&live, "other.crl"); /* one that says nothing of this authority's certificates */
    assert_refused(&target, CSN_DATABASE_TLS, "no good revocation list of its issuer");
    tls.revocation_list = live_file(&live, "nothing.crl");
    assert_refused(&target, CSN_DATABASE_TLS, "could not read certificate revocation list");
    serve_with("wild");
    target = live_target(&live, &tls, "wiki");
    assert_refused(&target, CSN_DATABASE_TLS, "does not match host name \"localhost\"");
    tls.mode = "verify-ca"; /* who it is by name is not asked then */
    assert_in(&target);
    serve_with("old");
    target = live_target(&live, &tls, "wiki");
    assert_refused(&target, CSN_DATABASE_TLS, "it has expired");
    serve_with("plain"); /* no alternative names: the common name counts */
    target = live_target(&live, &tls, "wiki");
    assert_in(&target);
    serve_with("server");
}

static void test_no_way_in_the_clear(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    target.tls = NULL;
    assert_refused(&target, CSN_DATABASE_LOGIN, "no encryption");
    live_sql(&live, "postgres", "ALTER SYSTEM SET ssl = off");
    live_sql(&live, "postgres", "SELECT pg_reload_conf(), pg_sleep(0.5)");
    target = live_target(&live, &tls, "wiki");
    assert_refused(&target, CSN_DATABASE_TLS, "does not support SSL");
    live_sql(&live, "postgres", "ALTER SYSTEM RESET ssl");
    live_sql(&live, "postgres", "SELECT pg_reload_conf(), pg_sleep(0.5)");
    assert_in(&target);
}

static void test_certificates_of_ours(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "closed");
    assert_refused(&target, CSN_DATABASE_LOGIN, "valid client certificate");
    tls.certificate = live_file(&live, "client.pem");
    tls.key = live_file(&live, "client.key");
    assert_in(&target);
    tls.key = live_file(&live, "client-locked.key");
    tls.key_password = "hunter9";
    assert_in(&target);
    tls.key_password = "wrong";
    assert_refused(&target, CSN_DATABASE_TLS, "could not load private key file");
    tls.key_password = NULL;
    assert_refused(&target, CSN_DATABASE_TLS, "could not load private key file");
    tls.key = live_file(&live, "stranger.key");
    assert_refused(&target, CSN_DATABASE_TLS, "certificate does not match private key");
    tls.key = live_file(&live, "open.key");
    assert_refused(&target, CSN_DATABASE_TLS, "may be read by others");
    tls.key = live_file(&live, "nothing.key");
    assert_refused(&target, CSN_DATABASE_TLS, "no private key file");
    tls.certificate = live_file(&live, "stranger.pem");
    tls.key = live_file(&live, "stranger.key");
    assert_refused(&target, CSN_DATABASE_TLS, "does not know who signed our certificate");
}

static void test_logins_that_fail(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    target.password = "wrong";
    assert_refused(&target, CSN_DATABASE_LOGIN, "the password is wrong, or there is no such role");
    target.password = NULL;
    assert_refused(&target, CSN_DATABASE_LOGIN, "it asks for a password, and none is given");
    target = live_target(&live, &tls, "missing");
    assert_refused(&target, CSN_DATABASE_LOGIN, "there is no such database");
    target = live_target(&live, &tls, "postgres");
    target.user = "plain";
    target.replication = true;
    struct error error;
    struct query_session *session = NULL;
    assert_int_equal(query_open(&target, 10, &session, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_REPLICATION);
    assert_non_null(strstr(error.message, "it lets this role not in from here"));
    live_sql(&live, "postgres", "ALTER DATABASE wiki CONNECTION LIMIT 0");
    target = live_target(&live, &tls, "wiki");
    target.user = "plain";
    assert_refused(&target, CSN_DATABASE_LOGIN, "all its connections are taken");
    live_sql(&live, "postgres", "ALTER DATABASE wiki CONNECTION LIMIT -1");
}

static void test_nobody_answers(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    target.port = 1;
    assert_refused(&target, CSN_DATABASE_UNREACHABLE, "refused");
    target.host = "no-such-host.invalid";
    assert_refused(&target, CSN_DATABASE_UNREACHABLE, "could not translate host name");
}

/* --- what answers and is no PostgreSQL: a scripted one, as none of them can be installed here --- */

struct scripted {
    int fd;
    const char *answers[4]; /* after each of our messages */
    size_t sizes[4];
    pthread_t thread;
};

static void *answer(void *context)
{
    struct scripted *scripted = context;
    char bytes[2048];
    int fd = accept(scripted->fd, NULL, NULL);
    for (size_t i = 0; fd >= 0 && i < 4 && scripted->answers[i] != NULL; i++) {
        if (read(fd, bytes, sizeof bytes) <= 0 || write(fd, scripted->answers[i], scripted->sizes[i]) < 0) {
            break;
        }
    }
    while (fd >= 0 && read(fd, bytes, sizeof bytes) > 0) {
    }
    close(fd);
    return NULL;
}

static int scripted_start(struct scripted *scripted)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    scripted->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(scripted->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(scripted->fd, 1), 0);
    assert_int_equal(getsockname(scripted->fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(pthread_create(&scripted->thread, NULL, answer, scripted), 0);
    return ntohs(address.sin_port);
}

static void scripted_end(struct scripted *scripted)
{
    shutdown(scripted->fd, SHUT_RDWR);
    pthread_join(scripted->thread, NULL);
    close(scripted->fd);
}

#define READY "R\0\0\0\x08\0\0\0\0"
#define IDLE "Z\0\0\0\x05I"

static void assert_relative(const char *first, size_t first_size, const char *second, size_t second_size,
                            const char *words)
{
    struct scripted scripted = {.answers = {first, second}, .sizes = {first_size, second_size}};
    int port = scripted_start(&scripted);
    struct query_target target = {
        .host = "127.0.0.1", .port = port, .user = "u", .database = "d", .password = "secret"};
    assert_refused(&target, CSN_DATABASE_RELATIVE, words);
    scripted_end(&scripted);
}

static void test_relatives_are_named(void **state)
{
    (void)state;
    static const char old[] = READY "S\0\0\0\x19server_version\0009.2.4\0" IDLE; /* openGauss says 9.2.4 */
    static const char young[] = READY "S\0\0\0\x18server_version\00012.1\0" IDLE;
    static const char kingbase[] = "T\0\0\0\x20\0\1version\0\0\0\0\0\0\0\0\0\0\x19\377\377\377\377\377\377\0\0"
                                   "D\0\0\0\x18\0\1\0\0\0\x0eKingbaseES V8R"
                                   "C\0\0\0\x0dSELECT 1\0" IDLE;
    static const char sha256[] =
        "R\0\0\0\x14\0\0\0\x0asha256-own\0\0"; /* openGauss: a login of its own under SASL's number */
    static const char web[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_relative(old, sizeof old - 1, NULL, 0, "says that it is version 9.2.4");
    assert_relative(young, sizeof young - 1, kingbase, sizeof kingbase - 1, "KingbaseES V8R");
    assert_relative(sha256, sizeof sha256 - 1, NULL, 0, "it wants a login that PostgreSQL does not know");
    assert_relative(web, sizeof web - 1, NULL, 0, "what answers there is no PostgreSQL server");
}

static void test_no_dump_of_a_newer_server(void **state)
{
    (void)state;
    static const char newer[] = READY "S\0\0\0\x18server_version\00018.1\0" IDLE;
    static const char version[] = "T\0\0\0\x20\0\1version\0\0\0\0\0\0\0\0\0\0\x19\377\377\377\377\377\377\0\0"
                                  "D\0\0\0\x19\0\1\0\0\0\x0fPostgreSQL 18.1"
                                  "C\0\0\0\x0dSELECT 1\0" IDLE;
    static const char set[] = "C\0\0\0\x08SET\0" IDLE;
    struct scripted scripted = {.answers = {newer, version, set},
                                .sizes = {sizeof newer - 1, sizeof version - 1, sizeof set - 1}};
    int port = scripted_start(&scripted);
    struct query_target target = {.host = "127.0.0.1", .port = port, .user = "u", .database = "d"};
    struct dump_server server;
    struct error error;
    assert_int_equal(dump_examine(&target, NULL, &server, &error), -1);
    if (error.code != CSN_DATABASE_DUMP ||
        strstr(error.message, "is PostgreSQL 18, and the pg_dump in Caisson is of 17") == NULL) {
        fail_msg("%s", error.message);
    }
    dump_server_free(&server);
    scripted_end(&scripted);
}

/* Takes the connection and never says a word. */
static void test_silence_ends(void **state)
{
    (void)state;
    struct scripted scripted = {.answers = {NULL}};
    int port = scripted_start(&scripted);
    struct query_target target = {.host = "127.0.0.1", .port = port, .user = "u", .database = "d"};
    struct query_session *session = NULL;
    struct error error;
    assert_int_equal(query_open(&target, 2, &session, &error), -1);
    assert_int_equal(error.code, CSN_DATABASE_UNREACHABLE);
    assert_non_null(strstr(error.message, "no answer within 2 seconds"));
    scripted_end(&scripted);
}

static void test_large_answers_and_cancelling_over_tls(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    struct query_session *session = NULL;
    struct buffer value = {0};
    struct error error;
    struct query_limits limits = {.timeout_sec = 2};
    assert_int_equal(query_open(&target, 20, &session, &error), 0);
    assert_int_equal(query_value(session, "SELECT repeat('0123456789', 3000000)", NULL, &value, &error), 0);
    assert_int_equal(value.size, 30000000);
    buffer_clear(&value);
    assert_int_equal(query_value(session, "SELECT pg_sleep(600)::text", &limits, &value, &error), -1);
    assert_int_equal(error.code, CSN_TIMEOUT);
    assert_int_equal(
        query_value(
            session,
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()",
            NULL, &value, &error),
        0);
    assert_string_equal(buffer_text(&value), "0"); /* the server stopped, too */
    buffer_free(&value);
    query_close(session);
}

/* Each parameter reaches a program by its connection string as it is, and none is turned into another. */
static void test_connection_strings_hold(void **state)
{
    (void)state;
    static const char odd[] = " it's \\ sslmode='disable' \t";
    const struct query_tls tls = {.mode = "verify-full",
                                  .root_certificate = "/r'oot",
                                  .certificate = odd,
                                  .key = "/k",
                                  .key_password = odd,
                                  .revocation_list = "/l"};
    const struct query_target target = {
        .host = "localhost", .port = 7, .user = odd, .password = odd, .database = odd, .tls = &tls};
    static const char *const wanted[][2] = {{"host", "localhost"},
                                            {"port", "7"},
                                            {"user", odd},
                                            {"password", odd},
                                            {"dbname", odd},
                                            {"sslmode", "verify-full"},
                                            {"sslrootcert", "/r'oot"},
                                            {"sslcert", odd},
                                            {"sslkey", "/k"},
                                            {"sslpassword", odd},
                                            {"sslcrl", "/l"},
                                            {"connect_timeout", "30"},
                                            {"application_name", "caisson"},
                                            {"client_encoding", NULL},
                                            {"replication", NULL},
                                            {"channel_binding", NULL}};
    struct buffer text = {0};
    query_conninfo(&target, &text);
    PQconninfoOption *options = PQconninfoParse(buffer_text(&text), NULL);
    assert_non_null(options);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        const PQconninfoOption *option = options;
        while (option->keyword != NULL && strcmp(option->keyword, wanted[i][0]) != 0) {
            option++;
        }
        assert_non_null(option->keyword);
        if (wanted[i][1] == NULL) {
            assert_null(option->val);
        } else {
            assert_string_equal(option->val, wanted[i][1]);
        }
    }
    PQconninfoFree(options);
    buffer_free(&text);
}

static void test_takes_nothing_from_the_environment(void **state)
{
    (void)state;
    struct query_tls tls;
    struct query_target target = live_target(&live, &tls, "wiki");
    assert_int_equal(setenv("PGHOSTADDR", "192.0.2.1", 1), 0);
    assert_int_equal(setenv("PGSSLCRL", "/nonexistent", 1), 0);
    assert_int_equal(setenv("PGSSLMODE", "disable", 1), 0);
    assert_int_equal(setenv("PGUSER", "nobody", 1), 0);
    assert_int_equal(setenv("PGGSSENCMODE", "require", 1), 0);
    assert_int_equal(setenv("PGREQUIREPEER", "nobody", 1), 0);
    assert_in(&target);
    unsetenv("PGSSLMODE");
    unsetenv("PGUSER");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_by_every_good_way),
        cmocka_unit_test(test_versions_and_binding),
        cmocka_unit_test(test_servers_that_are_not_who_they_should_be),
        cmocka_unit_test(test_no_way_in_the_clear),
        cmocka_unit_test(test_certificates_of_ours),
        cmocka_unit_test(test_logins_that_fail),
        cmocka_unit_test(test_nobody_answers),
        cmocka_unit_test(test_relatives_are_named),
        cmocka_unit_test(test_no_dump_of_a_newer_server),
        cmocka_unit_test(test_silence_ends),
        cmocka_unit_test(test_large_answers_and_cancelling_over_tls),
        cmocka_unit_test(test_connection_strings_hold),
        cmocka_unit_test(test_takes_nothing_from_the_environment),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
