/*
 * cmd_database.c - a running PostgreSQL server: its cluster into a repository; one of its databases copied, exchanged, and back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "caisson/commands.h"
#include "caisson/connection.h"
#include "caisson/database_copy.h"
#include "caisson/database_dump.h"
#include "caisson/database_prove.h"
#include "caisson/database_sizes.h"
#include "caisson/keys.h"
#include "caisson/tags.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "lib/options.h"
#include "lib/screen.h"
#include "repository/own_key.h"
#include "sequence/live_backup.h"
#include "sequence/live_dump.h"

static const struct option_rule rules[] = {
    {"repository", OPTION_TEXT, false, "DIR",
     "backup, prove: the repository (`caisson repository init DIR` makes one)"},
    CONNECTION_RULES,
    DATABASE_COPY_RULES,
    DATABASE_PROVE_RULES,
    {"logical", OPTION_FLAG, false, NULL,
     "backup: by pg_dump, where the server gives no replication; needs no right but to read"},
    {"label", OPTION_TEXT, false, "TEXT", "backup: a few words that come with the snapshot"},
    {"tag", OPTION_LIST, false, "KEY=VALUE", "backup: a tag, to find the snapshot by"},
    WATCHING_RULE,
    KEYS_RULES,
    {"key", OPTION_TEXT, false, "FILE",
     "this machine's own key for an encrypted repository, made if it is not there (default: " OWN_KEY_FILE ")"},
    {"json", OPTION_FLAG, false, NULL, "the summary as JSON on stdout"},
    {.name = NULL},
};

static const struct option_usage usage = {
    .command = "database",
    .operands = "backup | prove | copy | switch | back | drop | sizes",
    .summary =
        "For a running PostgreSQL server (10 to 18). backup: the whole cluster into a new snapshot, over the "
        "replication protocol, with the WAL that "
        "makes it whole; each file is compared with the server's own manifest (13 and newer); people may work "
        "meanwhile; in the snapshot it is the "
        "folder " LIVE_BACKUP_NAME
        ". With --logical each database that accepts connections (or the one --name says) is dumped instead, in one "
        "transaction each, but not all of the same moment, and the roles and their settings: the folder " LIVE_DUMP_NAME
        ". prove: restores a snapshot of the cluster into a scratch folder, starts a PostgreSQL of "
        "its version on it, and reads every table. "
        "copy: closes the database NAME and copies it on its server, to be migrated there. switch: the copy gets its "
        "name, the old one stays beside, closed. back: the old one has its name again. drop: removes the copy and "
        "opens the database; with --old the old one. sizes: how large the tables of NAME are, their dead rows and "
        "bloat, and who is connected to it.",
    .operands_min = 1,
    .operands_max = 1,
};

static void print_summary(const struct base_backup_summary *database, const struct repository_backup_summary *summary,
                          bool json)
{
    if (json) {
        printf("{\"snapshot\":\"%s\",\"postgresql\":%d,\"system_identifier\":\"%" PRIu64 "\",\"timeline\":%u,"
               "\"start_lsn\":\"%s\",\"end_lsn\":\"%s\",\"files\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"bytes_stored\":%" PRIu64 ",\"manifest_checked\":%s,\"page_checksums\":%s}\n",
               summary->id, database->version, database->control.system_identifier, database->timeline,
               database->start_lsn, database->end_lsn, summary->files, summary->bytes, summary->bytes_stored,
               database->has_manifest ? "true" : "false",
               database->control.checksums != 0 && database->version >= 11 ? "true" : "false");
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
                database->control.checksums == 0 ? "no pages, as the cluster has no checksums"
                : database->version >= 11        ? "pages by the server, which has checksums"
                                                 : "no pages, as this version does not");
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
    if (options_flag(options, "logical")) {
        return database_dump(options, repository, target, &backup, &console, error);
    }
    int result = live_backup(target, repository, &backup, &console.progress, &database, &summary, error);
    console_finish_line(&console);
    if (result == 0) {
        print_summary(&database, &summary, options_flag(options, "json"));
    }
    base_backup_summary_free(&database);
    repository_backup_summary_free(&summary);
    return result;
}

static int run_backup(const struct options *options, struct error *error)
{
    struct connection connection = {.password = NULL};
    struct keys keys = {0};
    struct repository *repository = NULL;
    struct repository_tag *tags = NULL;
    if (options_text(options, "name") != NULL && !options_flag(options, "logical")) {
        return error_set(error, CSN_USAGE, "a base backup is of the whole cluster: --name goes with --logical only");
    }
    if (options_text(options, "repository") == NULL) {
        return error_set(error, CSN_USAGE, "`caisson database backup` needs --repository DIR");
    }
    int result = connection_take(&connection, options, error);
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

static int run(const struct options *options, struct error *error)
{
    const char *what = options->operands.items[0];
    return strcmp(what, "backup") == 0  ? run_backup(options, error)
           : strcmp(what, "prove") == 0 ? database_prove(options, error)
           : strcmp(what, "sizes") == 0 ? database_sizes(options, error)
           : database_copy_knows(what)
               ? database_copy(what, options, error)
               : error_set(error, CSN_USAGE,
                           "`caisson database` knows backup, prove, copy, switch, back, drop and sizes, not \"%s\"",
                           what);
}

int cmd_database(int argc, char **argv)
{
    struct options options;
    struct error error;
    int exit_code = EXIT_DONE;
    int parsed = options_parse(&options, &usage, rules, argc, argv, &error);
    if (parsed != 0) {
        exit_code = parsed > 0 ? EXIT_DONE : command_fail(&error);
    } else if (run(&options, &error) != 0) {
        exit_code = command_fail(&error);
    }
    options_free(&options);
    return exit_code;
}
