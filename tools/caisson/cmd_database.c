/*
 * cmd_database.c - `caisson database backup`: the cluster of a running PostgreSQL server into a repository.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caisson/commands.h"
#include "caisson/keys.h"
#include "caisson/tags.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/own_key.h"
#include "sequence/live_backup.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, true, "DIR", "the repository (`caisson repository init DIR` makes one)"},
    {"host", OPTION_TEXT, true, "HOST", "the database server's name or address, or the folder of its socket"},
    {"port", OPTION_NUMBER, false, "N", "its port (5432)"},
    {"user", OPTION_TEXT, true, "ROLE", "a role with the attribute REPLICATION, or a superuser"},
    {"password-file", OPTION_TEXT, false, "FILE", "the first line is its password"},
    {"tls", OPTION_TEXT, false, "MODE",
     "verify-full (default: encrypted, and it is the host named), verify-ca (and its certificate leads to the root), "
     "require (encrypted, by whomsoever), none"},
    {"root-certificate", OPTION_TEXT, false, "FILE", "PEM: what the server's certificate must lead to"},
    {"revocation-list", OPTION_TEXT, false, "FILE", "PEM: certificates that count no more"},
    {"client-certificate", OPTION_TEXT, false, "FILE", "PEM: ours, where the server wants one"},
    {"client-key", OPTION_TEXT, false, "FILE", "PEM or DER: its key, mode 0600"},
    {"client-key-password-file", OPTION_TEXT, false, "FILE", "the first line opens that key"},
    {"label", OPTION_TEXT, false, "TEXT", "a few words that come with the snapshot"},
    {"tag", OPTION_LIST, false, "KEY=VALUE", "a tag, to find the snapshot by"},
    WATCHING_RULE,
    KEYS_RULES,
    {"key", OPTION_TEXT, false, "FILE",
     "this machine's own key for an encrypted repository, made if it is not there (default: " OWN_KEY_FILE ")"},
    {"json", OPTION_FLAG, false, NULL, "the summary as JSON on stdout"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "database",
    .operands = "backup",
    .summary =
        "Backs the whole cluster of a running PostgreSQL server (10 to 18) up into a new snapshot, over the "
        "replication protocol, with the WAL that makes it whole; each file is compared with the server's own "
        "manifest (13 and newer). People may work meanwhile. In the snapshot it is the folder " LIVE_BACKUP_NAME ".",
    .operands_min = 1,
    .operands_max = 1,
};

struct connection {
    struct query_target target;
    struct query_tls tls;
    char *password;
    char *key_password;
};

static int read_line(const char *path, char **line, struct error *error)
{
    return path == NULL ? 0 : keys_read_passphrase(path, line, error);
}

static void wipe(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
    }
    free(text);
}

static void connection_free(struct connection *connection)
{
    wipe(connection->password);
    wipe(connection->key_password);
}

static int take_connection(struct connection *connection, const struct options *options, struct error *error)
{
    static const char *const modes[] = {"verify-full", "verify-ca", "require", "none", NULL};
    const char *mode = options_text(options, "tls");
    const char *host = options_text(options, "host");
    uint64_t port = options_number(options, "port", 5432);
    *connection = (struct connection){.password = NULL};
    if (port == 0 || port > 65535) {
        return error_set(error, CSN_USAGE, "--port takes 1 to 65535");
    }
    if (mode != NULL && !text_is_one_of(mode, modes)) {
        return error_set(error, CSN_USAGE, "--tls takes verify-full, verify-ca, require or none, not \"%s\"", mode);
    }
    mode = mode != NULL ? mode : host[0] == '/' ? "none" : "verify-full";
    bool verifies = strncmp(mode, "verify-", 7) == 0;
    if (verifies && options_text(options, "root-certificate") == NULL) {
        return error_set(
            error, CSN_USAGE,
            "--tls %s needs --root-certificate FILE; --tls require encrypts without asking who the server is", mode);
    }
    if ((options_text(options, "client-certificate") == NULL) != (options_text(options, "client-key") == NULL)) {
        return error_set(error, CSN_USAGE, "--client-certificate and --client-key belong together");
    }
    if (read_line(options_text(options, "password-file"), &connection->password, error) != 0 ||
        read_line(options_text(options, "client-key-password-file"), &connection->key_password, error) != 0) {
        return -1;
    }
    connection->tls = (struct query_tls){
        .mode = mode,
        .root_certificate = options_text(options, "root-certificate"),
        .certificate = options_text(options, "client-certificate"),
        .key = options_text(options, "client-key"),
        .key_password = connection->key_password,
        .revocation_list = options_text(options, "revocation-list"),
    };
    connection->target = (struct query_target){
        .host = host,
        .port = (int)port,
        .user = options_text(options, "user"),
        .password = connection->password,
        .database = "postgres",
        .tls = strcmp(mode, "none") == 0 ? NULL : &connection->tls,
    };
    return 0;
}

static void print_summary(const struct base_backup_summary *database, const struct repository_backup_summary *summary,
                          bool json)
{
    if (json) {
        printf("{\"snapshot\":\"%s\",\"postgresql\":%d,\"system_identifier\":\"%" PRIu64 "\",\"timeline\":%u,"
               "\"start_lsn\":\"%s\",\"end_lsn\":\"%s\",\"files\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"bytes_stored\":%" PRIu64 ",\"manifest_checked\":%s,\"page_checksums\":%s}\n",
               summary->id, database->version, database->control.system_identifier, database->timeline,
               database->start_lsn, database->end_lsn, summary->files, summary->bytes, summary->bytes_stored,
               database->has_manifest ? "true" : "false", database->control.checksums != 0 ? "true" : "false");
        return;
    }
    char bytes[CONSOLE_TEXT_SIZE];
    char stored[CONSOLE_TEXT_SIZE];
    console_bytes(bytes, summary->bytes);
    console_bytes(stored, summary->bytes_stored);
    screen_line(stdout, "snapshot %s", summary->id);
    screen_line(stdout, "PostgreSQL %d, cluster %" PRIu64 ", WAL %s to %s: %" PRIu64 " files, %s; %s stored",
                database->version, database->control.system_identifier, database->start_lsn, database->end_lsn,
                summary->files, bytes, stored);
    screen_line(stdout, "checked: %s; %s",
                database->has_manifest ? "each file against the server's manifest"
                                       : "nothing against a manifest, which this version does not have",
                database->control.checksums != 0 ? "pages by the server, which has checksums"
                                                 : "no pages, as the cluster has no checksums");
}

static int back_up(const struct options *options, struct repository *repository, const struct query_target *target,
                   const struct repository_tag *tags, struct error *error)
{
    struct console console;
    struct base_backup_summary database = {0};
    struct repository_backup_summary summary = {0};
    const struct repository_backup_options backup = {
        .host = target->host,
        .label = options_text(options, "label"),
        .tags = tags,
        .tag_count = options_list(options, "tag")->count,
    };
    watching_open(&console, options);
    int result = live_backup(target, repository, &backup, &console.progress, &database, &summary, error);
    console_finish_line(&console);
    if (result == 0) {
        print_summary(&database, &summary, options_flag(options, "json"));
    }
    base_backup_summary_free(&database);
    repository_backup_summary_free(&summary);
    return result;
}

static int run(const struct options *options, struct error *error)
{
    struct connection connection;
    struct keys keys = {0};
    struct repository *repository = NULL;
    struct repository_tag *tags = NULL;
    int result = take_connection(&connection, options, error);
    if (result == 0) {
        result = tags_take(options, &tags, error);
    }
    if (result == 0 && (keys_take(&keys, options, error) != 0 || keys_take_own(&keys, options, -1, error) != 0 ||
                        (repository = repository_open(options_text(options, "repository"), REPOSITORY_WRITE,
                                                      &keys.given, error)) == NULL)) {
        result = -1;
    }
    keys_free(&keys);
    if (result == 0) {
        result = back_up(options, repository, &connection.target, tags, error);
    }
    repository_close(repository);
    free(tags);
    connection_free(&connection);
    return result;
}

int cmd_database(int argc, char **argv)
{
    struct options options;
    struct error error;
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed != 0) {
        exit_code = parsed > 0 ? EXIT_DONE : command_fail(&error);
    } else if (strcmp(options.operands.items[0], "backup") != 0) {
        error_set(&error, CSN_USAGE, "`caisson database` knows backup, not \"%s\"", options.operands.items[0]);
        exit_code = command_fail(&error);
    } else if (run(&options, &error) != 0) {
        exit_code = command_fail(&error);
    }
    options_free(&options);
    return exit_code;
}
