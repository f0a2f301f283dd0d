#include "database/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "database/server_config.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/root.h"
#include "lib/text.h"

#define START_TIMEOUT_SEC 300
#define STOP_TIMEOUT_SEC 300

struct database_server {
    struct view *view;
    struct view_program *program;
    char *data_path;
    char *host; /* its socket folder as we reach it */
    char *user;
    int port;
};

static void free_server(struct database_server *server)
{
    free(server->data_path);
    free(server->host);
    free(server->user);
    free(server);
}

struct query_target database_server_target(const struct database_server *server, const char *database)
{
    return (struct query_target){
        .host = server->host, .port = server->port, .user = server->user, .database = database};
}

int database_server_log(const struct database_server *server, struct buffer *log, struct error *error)
{
    return view_program_log(server->program, log, error);
}

/* An error with the last lines of the server's log behind it. */
static int error_with_log(const struct database_server *server, enum error_code code, const char *what,
                          struct error *error)
{
    struct buffer log = {0};
    char said[900];
    if (view_program_log(server->program, &log, NULL) != 0) {
        buffer_clear(&log);
    }
    size_t from = log.size > 700 ? log.size - 700 : 0;
    const char *line = from == 0 ? NULL : memchr(log.data + from, '\n', log.size - from);
    from = line == NULL ? from : (size_t)(line + 1 - log.data);
    text_one_line(buffer_text(&log) + from, log.size - from, said, sizeof said);
    error_set(error, code, "%s; its last lines: %s", what, said);
    buffer_free(&log);
    return -1;
}

/* The first of names that the server lets in. */
static int find_superuser(struct database_server *server, const struct strings *names, struct error *error)
{
    struct error first = {0};
    for (size_t i = 0; i < names->count; i++) {
        struct query_session *session = NULL;
        struct error now;
        free(server->user);
        server->user = strdup(names->items[i]);
        if (server->user == NULL) {
            return error_set(error, CSN_MEMORY, "no memory to start a database");
        }
        struct query_target target = database_server_target(server, "template1");
        if (query_open(&target, 0, &session, &now) == 0) {
            query_close(session);
            return 0;
        }
        if (i == 0) {
            first = now;
        }
    }
    if (error != NULL) {
        *error = first;
        error->code = CSN_DATABASE_START;
    }
    return -1;
}

static int wait_ready(struct database_server *server, int timeout_sec, const struct strings *names, struct error *error)
{
    int64_t end_ms = clock_monotonic_ms() + (int64_t)timeout_sec * 1000;
    struct query_target target = database_server_target(server, "template1");
    target.user = names->items[0];
    while (query_ping(&target) != 0) {
        if (!view_program_runs(server->program)) {
            return error_with_log(server, CSN_DATABASE_START, "the server's PostgreSQL ended while starting", error);
        }
        if (clock_monotonic_ms() >= end_ms) {
            char what[80];
            snprintf(what, sizeof what, "the server's PostgreSQL is not ready after %d seconds", timeout_sec);
            return error_with_log(server, CSN_DATABASE_START, what, error);
        }
        poll(NULL, 0, 100);
    }
    return find_superuser(server, names, error);
}

/* One that a power cut has left names a process that may be somebody else's in the view, and then PostgreSQL does not start. Whoever
 * starts a server here knows that nobody works on these files. */
static int remove_stale_pid(struct view *view, const struct cluster *cluster, struct error *error)
{
    if (!cluster->has_pid_file) {
        return 0;
    }
    int fd = root_open(view_root_fd(view), cluster->data_path, O_RDONLY | O_DIRECTORY, 0, error);
    int result = fd < 0 ? -1
                 : unlinkat(fd, "postmaster.pid", 0) == 0 || errno == ENOENT
                     ? 0
                     : error_system(error, CSN_DATABASE_START, "removing the stale postmaster.pid of a copy of %s",
                                    cluster->data_path);
    file_drop(&fd);
    return result;
}

int database_server_start(struct view *view, const struct database_settings *settings, struct database_server **server,
                          struct error *error)
{
    struct strings names = {0};
    struct strings arguments = {0};
    struct buffer host = {0};
    char user[24];
    int result = -1;
    *server = NULL;
    if (cluster_require_binaries(settings->cluster, error) != 0) {
        return -1;
    }
    struct database_server *made = calloc(1, sizeof *made);
    buffer_format(&host, "%s%s", view_root_path(view), SERVER_FOLDER);
    if (made == NULL || (made->data_path = strdup(settings->cluster->data_path)) == NULL ||
        (made->host = buffer_take(&host)) == NULL) {
        error_set(error, CSN_MEMORY, "no memory to start a database");
        goto out;
    }
    made->view = view;
    if (remove_stale_pid(view, settings->cluster, error) != 0 ||
        server_superusers(view, settings, &names, error) != 0 ||
        server_prepare(view, settings, &names, &arguments, &made->port, error) != 0) {
        goto out;
    }
    snprintf(user, sizeof user, "%u", (unsigned)settings->cluster->uid);
    struct view_command command = {.argv = (const char *const *)arguments.items, .user = user, .folder = "/"};
    if (view_start(view, &command, 0, &made->program, error) != 0) {
        if (error != NULL && error->code == CSN_PROCESS) {
            error->code = CSN_DATABASE_START;
        }
        goto out;
    }
    int timeout_sec = settings->start_timeout_sec > 0 ? settings->start_timeout_sec : START_TIMEOUT_SEC;
    if (wait_ready(made, timeout_sec, &names, error) != 0) {
        goto out;
    }
    *server = made;
    made = NULL;
    result = 0;
out:
    if (made != NULL) {
        if (database_server_stop(made, 10, NULL) != 0) {
            result = -1; /* the first error is the one to tell */
        }
    }
    strings_free(&names);
    strings_free(&arguments);
    buffer_free(&host);
    return result;
}

static int check_stopped(const struct database_server *server, struct error *error)
{
    struct cluster_control control;
    if (cluster_read_control(view_root_fd(server->view), server->data_path, &control, error) != 0) {
        return -1;
    }
    if (control.state != CLUSTER_SHUT_DOWN) {
        char what[120];
        snprintf(what, sizeof what, "the server's PostgreSQL has stopped and is \"%s\", not \"shut down\"",
                 cluster_state_text(control.state));
        return error_with_log(server, CSN_DATABASE_UNCLEAN, what, error);
    }
    return 0;
}

int database_server_stop(struct database_server *server, int timeout_sec, struct error *error)
{
    bool ended = true;
    int result = 0;
    if (server == NULL) {
        return 0;
    }
    if (server->program != NULL) {
        result = view_program_signal(server->program, SIGINT, error); /* "fast": sessions end, a checkpoint is made */
        if (result == 0) {
            result = view_program_wait(server->program, timeout_sec > 0 ? timeout_sec : STOP_TIMEOUT_SEC, &ended, NULL,
                                       error);
        }
        if (result == 0 && !ended) {
            result = error_with_log(server, CSN_DATABASE_UNCLEAN, "the server's PostgreSQL did not stop and was killed",
                                    error);
        } else if (result == 0) {
            result = check_stopped(server, error);
        }
        if (view_stop(server->program, 0, result == 0 ? error : NULL) != 0) {
            result = -1;
        }
    }
    free_server(server);
    return result;
}
