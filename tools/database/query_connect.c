#include "database/query_connect.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/strings.h"
#include "lib/text.h"

#define CONNECT_TIMEOUT_SEC 30
#define OLDEST_VERSION 100000
#define TOO_NEW_VERSION 190000

/* Lets a migration run as long as its own limit says, whatever the server sets for its users. */
static const char session_options[] =
    "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

/* --- words --- */

void query_words(const char *words, char *text, size_t size)
{
    size_t used = 0;
    for (const char *at = words; *at != '\0' && used + 1 < size; at++) {
        bool blank = *at == '\n' || *at == '\r' || *at == '\t';
        if (blank && (used == 0 || text[used - 1] == ' ')) {
            continue;
        }
        text[used++] = blank ? ' ' : *at;
    }
    while (used > 0 && text[used - 1] == ' ') {
        used--;
    }
    text[used] = '\0';
}

/* Classes of SQLSTATE: PostgreSQL's documentation, appendix A. */
enum error_code query_refusal(const char *state, const char **plain)
{
    static const struct {
        const char *state;
        enum error_code code;
        const char *plain;
    } refusals[] = {
        {"28P01", CSN_DATABASE_LOGIN, "the password is wrong, or there is no such role"},
        {"28000", CSN_DATABASE_LOGIN,
         "it lets this role not in from here, or not without a certificate of ours or TLS"},
        {"3D000", CSN_DATABASE_LOGIN, "there is no such database"},
        {"42501", CSN_DATABASE_LOGIN, "the role has not the rights"},
        {"42704", CSN_DATABASE_LOGIN, "there is no such role"},
        {"53300", CSN_DATABASE_LOGIN, "all its connections are taken"},
        {"55000", CSN_DATABASE_LOGIN, "the database accepts no connections now"},
        {"57P03", CSN_DATABASE_UNREACHABLE, "it is starting, shutting down or recovering: try again in a while"},
        {"0A000", CSN_DATABASE_RELATIVE, "it does not speak this version of the protocol"},
        {"08P01", CSN_DATABASE_RELATIVE, "it does not understand how we greet it"},
    };
    for (size_t i = 0; state != NULL && i < sizeof refusals / sizeof refusals[0]; i++) {
        if (strcmp(state, refusals[i].state) == 0) {
            *plain = refusals[i].plain;
            return refusals[i].code;
        }
    }
    *plain = NULL;
    return CSN_DATABASE_LOGIN;
}

/* What libpq itself says, in words that are its own and in English (it is built without translations). */
static enum error_code meaning(const char *words, const char **plain)
{
    static const struct {
        const char *part;
        enum error_code code;
        const char *plain;
    } known[] = {
        {"SSL", CSN_DATABASE_TLS, NULL},
        {"certificate", CSN_DATABASE_TLS, NULL},
        {"private key", CSN_DATABASE_TLS, NULL},
        {"channel binding", CSN_DATABASE_TLS, NULL},
        {"SASL authentication mechanisms", CSN_DATABASE_RELATIVE, "it wants a login that PostgreSQL does not know"},
        {"authentication method", CSN_DATABASE_RELATIVE, "it wants a login that PostgreSQL does not know"},
        {"expected authentication request", CSN_DATABASE_RELATIVE, "what answers there is no PostgreSQL server"},
        {"invalid response", CSN_DATABASE_RELATIVE, "what answers there is no PostgreSQL server"},
        {"no password supplied", CSN_DATABASE_LOGIN, "it asks for a password, and none is given"},
        {"authentication", CSN_DATABASE_LOGIN, NULL},
        {"SCRAM", CSN_DATABASE_LOGIN, NULL},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strstr(words, known[i].part) != NULL) {
            *plain = known[i].plain;
            return known[i].code;
        }
    }
    *plain = NULL;
    return CSN_DATABASE_UNREACHABLE;
}

/* Verbose errors read "FATAL:  28P01: words" and, on lines of their own, "LOCATION:  ...": takes the state out of the first. Where
 * the words begin is returned. */
static const char *take_state(char *words, char state[6])
{
    char *location = strstr(words, "\nLOCATION:");
    char *level = strstr(words, ":  "); /* whatever language the level's name is in */
    if (location != NULL) {
        *location = '\0';
    }
    state[0] = '\0';
    for (; level != NULL; level = strstr(level + 1, ":  ")) {
        size_t length = strspn(level + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (length == 5 && level[8] == ':' && level[9] == ' ') {
            memcpy(state, level + 3, 5);
            state[5] = '\0';
            return level + 10;
        }
    }
    return words;
}

static void refuse(const PGconn *connection, const struct query_target *target, struct error *error)
{
    char words[2000];
    char text[800];
    char state[6];
    const char *plain = NULL;
    snprintf(words, sizeof words, "%s", PQerrorMessage(connection));
    const char *said = take_state(words, state);
    enum error_code code = state[0] != '\0' ? query_refusal(state, &plain) : meaning(words, &plain);
    if (target->replication &&
        (strcmp(state, "42501") == 0 || strcmp(state, "28000") == 0 || strcmp(state, "53300") == 0)) {
        code = CSN_DATABASE_REPLICATION; /* a session of another kind may well be had */
    }
    query_words(said, text, sizeof text);
    (void)error_set(error, code, "the database %s at %s, port %d, as %s: %s%s%s%s%s%s", target->database, target->host,
                    target->port, target->user, plain == NULL ? "" : plain, plain == NULL ? "" : "; its words: ", text,
                    state[0] == '\0' ? "" : " (SQLSTATE ", state, state[0] == '\0' ? "" : ")");
}

/* --- connecting --- */

struct parameters {
    const char *names[24];
    const char *values[24];
    char port[16];
};

static void fill_parameters(struct parameters *list, const struct query_target *target)
{
    static const struct query_tls none = {.mode = "disable"};
    const struct query_tls *tls = target->tls == NULL ? &none : target->tls;
    size_t count = 0;
    snprintf(list->port, sizeof list->port, "%d", target->port);
    const char *const all[][2] = {
        {"host", target->host},
        {"port", list->port},
        {"user", target->user},
        {"password", target->password},
        {"dbname", target->database},
        {"replication", target->replication ? "true" : NULL},
        {"client_encoding", target->replication ? NULL : "UTF8"},
        {"options", target->replication ? NULL : session_options},
        {"application_name", "caisson"},
        {"passfile", "/nonexistent"},
        {"connect_timeout", "5"}, /* of a ping; query_connect has its own */
        /* A network that is gone is noticed within two minutes; a server that is busy answers these probes. */
        {"keepalives_idle", "30"},
        {"keepalives_interval", "10"},
        {"keepalives_count", "9"},
        {"sslmode", tls->mode},
        {"sslrootcert", tls->root_certificate},
        {"sslcert", tls->certificate},
        {"sslkey", tls->key},
        {"sslpassword", tls->key_password},
        {"sslcrl", tls->revocation_list},
        {"sslcertmode", tls->certificate == NULL ? "disable" : "allow"},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i][1] != NULL) {
            list->names[count] = all[i][0];
            list->values[count] = all[i][1];
            count++;
        }
    }
    list->names[count] = NULL;
    list->values[count] = NULL;
}

void query_conninfo_value(const char *value, struct buffer *text)
{
    buffer_string(text, "'");
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '\'' || *at == '\\') {
            buffer_string(text, "\\");
        }
        buffer_append(text, at, 1);
    }
    buffer_string(text, "'");
}

void query_conninfo(const struct query_target *target, struct buffer *text)
{
    static const char *const ours[] = {"client_encoding", "connect_timeout", NULL};
    struct parameters parameters = {0};
    fill_parameters(&parameters, target);
    buffer_format(text, "connect_timeout=%d", CONNECT_TIMEOUT_SEC);
    for (size_t i = 0; parameters.names[i] != NULL; i++) {
        if (!text_is_one_of(parameters.names[i], ours)) {
            buffer_format(text, " %s=", parameters.names[i]);
            query_conninfo_value(parameters.values[i], text);
        }
    }
}

/* 0: connected or refused, as PQstatus says; -1: the time is over. */
static int wait_connected(PGconn *connection, int64_t end_ms)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        struct pollfd poll_fd = {.fd = PQsocket(connection),
                                 .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        int64_t left_ms = end_ms - clock_monotonic_ms();
        if (left_ms <= 0) {
            return -1;
        }
        if (poll(&poll_fd, 1, left_ms > 60000 ? 60000 : (int)left_ms) > 0) {
            status = PQconnectPoll(connection);
        }
    }
    return 0;
}

/* One answer, within the time there is; NULL: none came. */
static PGresult *ask(PGconn *connection, const char *sql, int64_t end_ms)
{
    if (PQsendQuery(connection, sql) == 0) {
        return NULL;
    }
    PGresult *last = NULL;
    for (;;) {
        while (PQisBusy(connection) != 0) {
            struct pollfd poll_fd = {.fd = PQsocket(connection), .events = POLLIN};
            int64_t left_ms = end_ms - clock_monotonic_ms();
            if (left_ms <= 0 ||
                (poll(&poll_fd, 1, left_ms > 60000 ? 60000 : (int)left_ms) > 0 && PQconsumeInput(connection) == 0)) {
                PQclear(last);
                return NULL;
            }
        }
        PGresult *answer = PQgetResult(connection);
        if (answer == NULL) {
            return last;
        }
        PQclear(last);
        last = answer;
    }
}

/* A relative speaks the protocol, and is something else: found before anything is asked of it that it might do otherwise. A replication
 * session has no version() to ask. */
static int check_server(PGconn *connection, const struct query_target *target, int64_t end_ms, struct error *error)
{
    int version = PQserverVersion(connection);
    if (version < OLDEST_VERSION || version >= TOO_NEW_VERSION) {
        const char *said = PQparameterStatus(connection, "server_version");
        return error_set(
            error, CSN_DATABASE_RELATIVE,
            "the server at %s, port %d, says that it is version %.60s: not one of 10 to 18, or not PostgreSQL",
            target->host, target->port, said == NULL ? "(nothing)" : said);
    }
    if (target->replication) {
        return 0;
    }
    PGresult *answer = ask(connection, "SELECT pg_catalog.version()", end_ms);
    bool good = PQresultStatus(answer) == PGRES_TUPLES_OK && PQntuples(answer) == 1;
    const char *said = good ? PQgetvalue(answer, 0, 0) : PQerrorMessage(connection);
    int result = 0;
    if (answer == NULL) {
        result = error_set(error, CSN_DATABASE_UNREACHABLE, "the server at %s, port %d, let us in and does not answer",
                           target->host, target->port);
    } else if (!good || strncmp(said, "PostgreSQL ", 11) != 0) {
        char words[200];
        query_words(said, words, sizeof words);
        result = error_set(error, CSN_DATABASE_RELATIVE, "the server at %s, port %d, says that it is \"%s\"",
                           target->host, target->port, words);
    }
    PQclear(answer);
    if (result == 0 && version >= 170000) { /* older ones do not know it, and refuse it among the options */
        PQclear(ask(connection, "SET transaction_timeout = 0", end_ms));
    }
    return result;
}

/* Of all that libpq reads from the environment a part cannot be overruled by parameters. */
static void forget_environment(void)
{
    static const char *const names[] = {"PGHOSTADDR",
                                        "PGSERVICE",
                                        "PGSERVICEFILE",
                                        "PGSYSCONFDIR",
                                        "PGREQUIREAUTH",
                                        "PGCHANNELBINDING",
                                        "PGSSLCRL",
                                        "PGSSLCRLDIR",
                                        "PGSSLROOTCERT",
                                        "PGSSLCERT",
                                        "PGSSLKEY",
                                        "PGSSLNEGOTIATION",
                                        "PGSSLMINPROTOCOLVERSION",
                                        "PGSSLMAXPROTOCOLVERSION",
                                        "PGSSLSNI",
                                        "PGREQUIRESSL",
                                        "PGPASSWORD",
                                        "PGOPTIONS",
                                        "PGTARGETSESSIONATTRS",
                                        "PGLOADBALANCEHOSTS",
                                        "PGDATESTYLE",
                                        "PGTZ",
                                        "PGGEQO",
                                        "PGREQUIREPEER",
                                        "PGGSSENCMODE",
                                        "PGGSSDELEGATION",
                                        "PGKRBSRVNAME",
                                        "PGGSSLIB",
                                        "PGCLIENTENCODING"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (getenv(names[i]) != NULL) {
            (void)unsetenv(names[i]);
        }
    }
}

PGconn *query_connect(const struct query_target *target, int timeout_sec, struct error *error)
{
    struct parameters parameters = {0};
    int seconds = timeout_sec > 0 ? timeout_sec : CONNECT_TIMEOUT_SEC;
    int64_t end_ms = clock_monotonic_ms() + (int64_t)seconds * 1000;
    forget_environment();
    fill_parameters(&parameters, target);
    PGconn *connection = PQconnectStartParams(parameters.names, parameters.values, 0);
    if (connection == NULL) {
        error_set(error, CSN_MEMORY, "no memory for a database session");
        return NULL;
    }
    (void)PQsetErrorVerbosity(connection, PQERRORS_VERBOSE); /* for the SQLSTATE of a refusal */
    if (PQstatus(connection) != CONNECTION_BAD && wait_connected(connection, end_ms) != 0) {
        error_set(error, CSN_DATABASE_UNREACHABLE, "the database %s at %s, port %d: no answer within %d seconds",
                  target->database, target->host, target->port, seconds);
        goto failed;
    }
    if (PQstatus(connection) != CONNECTION_OK) {
        refuse(connection, target, error);
        goto failed;
    }
    (void)PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
    if (check_server(connection, target, end_ms, error) == 0) {
        return connection;
    }
failed:
    PQfinish(connection);
    return NULL;
}

int query_ping(const struct query_target *target)
{
    struct parameters parameters = {0};
    forget_environment();
    fill_parameters(&parameters, target);
    return PQpingParams(parameters.names, parameters.values, 0) == PQPING_OK ? 0 : 1;
}

void query_cancel(PGconn *connection, int timeout_sec)
{
    int64_t end_ms = clock_monotonic_ms() + (int64_t)timeout_sec * 1000;
    PGcancelConn *cancel = PQcancelCreate(connection);
    if (cancel != NULL && PQcancelStart(cancel) == 1) {
        PostgresPollingStatusType status = PGRES_POLLING_WRITING;
        while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
            struct pollfd poll_fd = {.fd = PQcancelSocket(cancel),
                                     .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT};
            int64_t left_ms = end_ms - clock_monotonic_ms();
            if (left_ms <= 0 || (poll(&poll_fd, 1, (int)left_ms) < 0 && errno != EINTR)) {
                break;
            }
            status = PQcancelPoll(cancel);
        }
    }
    PQcancelFinish(cancel);
}
