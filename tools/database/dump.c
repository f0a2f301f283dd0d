#include "database/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "database/dump_program.h"
#include "database/query_connect.h"
#include "lib/file.h"
#include "lib/process.h"

#define IDLE_MS 500
#define LOCK_WAIT_SEC 300 /* for a table that somebody has locked for himself */
#define END_SEC 10        /* for a program that is told to stop, and tells the server */
#define WORDS_LIMIT (64u << 10)

/* --- what there is --- */

static int take_database(void *context, const struct query_row *row, struct error *error)
{
    struct dump_server *server = context;
    bool open = strcmp(row->values[1], "t") == 0;
    return strings_add(open ? &server->databases : &server->closed, row->values[0], error);
}

static int list(struct query_session *session, struct dump_server *server, struct error *error)
{
    /* Names are the bytes with which a session is opened, in whatever encoding they were given. -2: left half dropped. */
    return query_execute(session, "SET client_encoding = 'SQL_ASCII'", 0, NULL, error) != 0
               ? -1
               : query_run(session,
                           "SELECT datname, datallowconn AND datconnlimit <> -2 FROM pg_catalog.pg_database "
                           "ORDER BY datname",
                           NULL, 0, NULL, take_database, server, error);
}

static int ask(struct query_session *session, struct dump_server *server, struct error *error)
{
    struct buffer passwords = {0};
    struct buffer identifier = {0};
    struct error ignored;
    int result =
        query_value(session, "SELECT has_table_privilege('pg_catalog.pg_authid', 'SELECT')", NULL, &passwords, error);
    server->has_passwords = strcmp(buffer_text(&passwords), "t") == 0;
    if (result == 0 && query_value(session, "SELECT system_identifier FROM pg_catalog.pg_control_system()", NULL,
                                   &identifier, &ignored) == 0) {
        snprintf(server->system_identifier, sizeof server->system_identifier, "%s", buffer_text(&identifier));
    }
    buffer_free(&passwords);
    buffer_free(&identifier);
    return result;
}

int dump_examine(const struct query_target *target, const char *name, struct dump_server *server, struct error *error)
{
    struct query_session *session = NULL;
    int ours = PQlibVersion() / 10000;
    *server = (struct dump_server){.version = 0};
    if (query_open(target, 0, &session, error) != 0) {
        return -1;
    }
    server->version = query_server_version(session) / 10000;
    int result =
        server->version > ours
            ? error_set(error, CSN_DATABASE_DUMP,
                        "the server at %s is PostgreSQL %d, and the pg_dump in Caisson is of %d and reads no newer "
                        "one: take the whole cluster (without --logical), or dump it with a pg_dump of %d",
                        target->host, server->version, ours, server->version)
            : 0;
    if (result == 0 && (ask(session, server, error) != 0 || (name != NULL ? strings_add(&server->databases, name, error)
                                                                          : list(session, server, error)) != 0)) {
        result = -1;
    }
    query_close(session);
    return result;
}

void dump_server_free(struct dump_server *server)
{
    strings_free(&server->databases);
    strings_free(&server->closed);
}

void dump_program_version(char *text, size_t size_bytes)
{
    snprintf(text, size_bytes, "%d.%d", PQlibVersion() / 10000, PQlibVersion() % 10000);
}

/* --- a program at work --- */

struct dump {
    const char *program;
    char *database; /* NULL: what is of no database */
    pid_t pid;      /* 0: it has ended */
    int output_fd;
    int words_fd;
    struct buffer words;
    const struct progress *progress;
    struct progress_state state;
};

static int write_connection(const struct query_target *target, const char *database, struct error *error)
{
    struct query_target with = *target;
    struct buffer text = {0};
    with.database = database == NULL ? target->database : database;
    int fd = memfd_create("connection", MFD_CLOEXEC);
    if (fd < 0) {
        return error_system(error, CSN_PROCESS, "preparing to start pg_dump");
    }
    (void)buffer_reserve(&text, 32768); /* so that it does not move, and leave a password behind */
    query_conninfo(&with, &text);
    if (buffer_check(&text, error) != 0 || file_write_fd(fd, "the connection", text.data, text.size, error) != 0) {
        file_drop(&fd);
    } else if (lseek(fd, 0, SEEK_SET) != 0) {
        error_system(error, CSN_PROCESS, "preparing to start pg_dump");
        file_drop(&fd);
    }
    if (text.data != NULL) {
        explicit_bzero(text.data, text.size);
    }
    buffer_free(&text);
    return fd;
}

/* Other threads run: nothing here but system calls. */
static void run_child(const char *const argv[], pid_t parent, int input_fd, int output_fd, int words_fd)
{
    static const char *const environment[] = {"LC_ALL=C", "HOME=/nonexistent", NULL};
    if (dup2(input_fd, 0) >= 0 && dup2(output_fd, 1) >= 0 && dup2(words_fd, 2) >= 0 &&
        prctl(PR_SET_PDEATHSIG, SIGTERM) == 0 && getppid() == parent) {
        execve("/proc/self/exe", (char *const *)argv, (char *const *)environment);
    }
    static const char words[] = "error: this program cannot start itself by /proc/self/exe";
    (void)!write(2, words, sizeof words - 1);
    _exit(127);
}

static int start(struct dump *dump, const char *const argv[], int input_fd, struct error *error)
{
    int output[2] = {-1, -1};
    int words[2] = {-1, -1};
    pid_t parent = getpid();
    pid_t pid = -1;
    if (pipe2(output, O_CLOEXEC) == 0 && pipe2(words, O_CLOEXEC) == 0) {
        (void)fcntl(output[0], F_SETPIPE_SZ, 1 << 20);
        pid = fork();
    }
    if (pid == 0) {
        run_child(argv, parent, input_fd, output[1], words[1]);
    }
    if (pid < 0) {
        error_system(error, CSN_PROCESS, "starting %s", dump->program);
        file_drop(&output[0]);
        file_drop(&words[0]);
    }
    file_drop(&output[1]);
    file_drop(&words[1]);
    dump->pid = pid < 0 ? 0 : pid;
    dump->output_fd = output[0];
    dump->words_fd = words[0];
    return pid < 0 ? -1 : 0;
}

int dump_open(const struct query_target *target, const char *database, bool with_passwords, struct dump **dump,
              struct error *error)
{
    char wait[40];
    struct buffer through = {0};
    snprintf(wait, sizeof wait, "--lock-wait-timeout=%d", LOCK_WAIT_SEC * 1000);
    buffer_string(&through, "--database=dbname=");
    query_conninfo_value(target->database, &through);
    const char *const of_database[] = {
        "caisson", "pg_dump", DUMP_CONNECTION_OPTION, "--no-password", "--format=custom", "--compress=none",
        wait,      NULL};
    const char *const of_roles[] = {
        "caisson", "pg_dumpall",     DUMP_CONNECTION_OPTION, "--no-password",
        wait,      "--globals-only", buffer_text(&through),  with_passwords ? NULL : "--no-role-passwords",
        NULL};
    const char *const *argv = database == NULL ? of_roles : of_database;
    struct dump *made = calloc(1, sizeof *made);
    int input_fd = -1;
    *dump = NULL;
    if (made == NULL || (database != NULL && (made->database = strdup(database)) == NULL)) {
        error_set(error, CSN_MEMORY, "no memory to dump a database");
        goto out;
    }
    made->program = argv[1];
    made->output_fd = -1;
    made->words_fd = -1;
    made->state.doing = "dumping the live database";
    if (buffer_check(&through, error) == 0 && (input_fd = write_connection(target, database, error)) >= 0 &&
        start(made, argv, input_fd, error) == 0) {
        *dump = made;
    }
out:
    file_drop(&input_fd);
    buffer_free(&through);
    if (*dump == NULL) {
        dump_close(made);
        return -1;
    }
    return 0;
}

void dump_watch(struct dump *dump, const struct progress *progress, const struct progress_state *state)
{
    dump->progress = progress;
    dump->state = *state;
}

/* The first error, or where it says none all. What it says is in English: it has no translations. */
static void first_error(const char *words, char *text, size_t size)
{
    const char *first = strstr(words, "error: ");
    query_words(first == NULL ? words : first + 7, text, size);
}

static const char *meaning(const char *words)
{
    static const char *const known[][2] = {
        {"permission denied", "the role may not read all of it"},
        {"row-level security", "a policy would hide rows from the role"},
        {"lock timeout", "somebody holds a lock on it"},
        {"could not connect", "the connection to the server is lost"},
        {"connection", "the connection to the server is lost"},
        {"does not exist", "it went while it was dumped"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strstr(words, known[i][0]) != NULL) {
            return known[i][1];
        }
    }
    return NULL;
}

static int failed(const struct dump *dump, int status, struct error *error)
{
    char ended[60];
    char words[600];
    const char *plain = meaning(buffer_text(&dump->words));
    first_error(buffer_text(&dump->words), words, sizeof words);
    snprintf(ended, sizeof ended, status > 128 ? "was killed by signal %d" : "ended with code %d",
             status > 128 ? status - 128 : status);
    return error_set(error, CSN_DATABASE_DUMP, "%s%.120s: %s%s%s %s%s%s",
                     dump->database == NULL ? "the roles" : "the database ",
                     dump->database == NULL ? "" : dump->database, plain == NULL ? "" : plain,
                     plain == NULL ? "" : "; ", dump->program, ended, words[0] == '\0' ? "" : ": ", words);
}

static int finish(struct dump *dump, struct error *error)
{
    int status = 0;
    pid_t pid = dump->pid;
    int words_fd = dump->words_fd;
    dump->pid = 0;
    dump->words_fd = -1;
    if (process_collect(pid, words_fd, dump->program, 0, &dump->words, &status, error) != 0) {
        return -1;
    }
    return status == 0 ? 0 : failed(dump, status, error);
}

/* The begin is what matters, and all must be taken, or the program waits. */
static void take_words(struct dump *dump)
{
    char part[4096];
    ssize_t got = read(dump->words_fd, part, sizeof part);
    if (got > 0 && dump->words.size < WORDS_LIMIT) {
        buffer_append(&dump->words, part, (size_t)got);
    }
    if (got == 0) {
        file_drop(&dump->words_fd);
    }
}

ssize_t dump_read(void *context, uint8_t *into, size_t size_bytes, struct error *error)
{
    struct dump *dump = context;
    size_t have = 0;
    while (have < size_bytes && dump->output_fd >= 0) {
        struct pollfd fds[2] = {{.fd = dump->output_fd, .events = POLLIN}, {.fd = dump->words_fd, .events = POLLIN}};
        int ready = poll(fds, 2, IDLE_MS);
        progress_tell(dump->progress, &dump->state);
        if (ready <= 0) {
            continue;
        }
        if (fds[1].revents != 0) {
            take_words(dump);
        }
        if (fds[0].revents == 0) {
            continue;
        }
        ssize_t got = read(dump->output_fd, into + have, size_bytes - have);
        if (got < 0 && errno != EINTR) {
            return error_system(error, CSN_PROCESS, "reading what %s writes", dump->program);
        }
        if (got == 0) {
            file_drop(&dump->output_fd);
        }
        have += got > 0 ? (size_t)got : 0;
        dump->state.done_bytes += got > 0 ? (uint64_t)got : 0;
    }
    return dump->output_fd < 0 && dump->pid != 0 && finish(dump, error) != 0 ? -1 : (ssize_t)have;
}

uint64_t dump_bytes(const struct dump *dump)
{
    return dump->state.done_bytes;
}

const char *dump_remarks(const struct dump *dump)
{
    return buffer_text(&dump->words);
}

void dump_close(struct dump *dump)
{
    if (dump == NULL) {
        return;
    }
    file_drop(&dump->output_fd);
    if (dump->pid > 0) {
        int status = 0;
        struct error ignored;
        (void)kill(dump->pid, SIGTERM);
        if (process_collect(dump->pid, dump->words_fd, dump->program, END_SEC, NULL, &status, &ignored) == 0) {
            dump->pid = 0;
        }
    }
    buffer_free(&dump->words);
    free(dump->database);
    free(dump);
}
