#include "caisson/database_prove.h"

#include <inttypes.h>
#include <stdio.h>

#include "caisson/keys.h"
#include "caisson/watching.h"
#include "console/console.h"
#include "lib/screen.h"
#include "sequence/live_backup.h"
#include "sequence/live_prove.h"

static int tell_damaged(void *context, const char *database, const char *object, const char *what, struct error *error)
{
    struct console *console = context;
    (void)error;
    console_finish_line(console);
    screen_line(stderr, "damaged: database %s, %s: %s", database, object, what);
    return 0;
}

static void print_proof(const char *id, const struct live_proof *proof, bool json)
{
    const struct integrity_counts *integrity = &proof->integrity;
    if (json) {
        printf("{\"snapshot\":\"%s\",\"postgresql\":%d,\"files\":%" PRIu64 ",\"bytes\":%" PRIu64
               ",\"start_ms\":%" PRId64 ",\"databases\":%" PRIu64 ",\"tables\":%" PRIu64 ",\"rows\":%" PRIu64
               ",\"indexes_checked\":%" PRIu64 ",\"tables_checked\":%" PRIu64 ",\"damaged\":%" PRIu64 "}\n",
               id, proof->version, proof->files, proof->bytes, proof->start_ms, proof->databases, proof->tables,
               proof->rows, integrity->indexes, integrity->tables, integrity->damaged);
        return;
    }
    char bytes[CONSOLE_TEXT_SIZE];
    console_bytes(bytes, proof->bytes);
    screen_line(stdout,
                "snapshot %.16s: %" PRIu64 " files with %s restored; PostgreSQL %d started on them after %.1f s", id,
                proof->files, bytes, proof->version, (double)proof->start_ms / 1000);
    screen_line(stdout, "read: %" PRIu64 " databases, %" PRIu64 " tables, %" PRIu64 " rows", proof->databases,
                proof->tables, proof->rows);
    screen_line(stdout, "amcheck: %" PRIu64 " indexes, %" PRIu64 " tables, %" PRIu64 " damaged%s", integrity->indexes,
                integrity->tables, integrity->damaged,
                integrity->without > 0          ? "; not everywhere, this PostgreSQL has no amcheck"
                : integrity->without_tables > 0 ? "; tables only from PostgreSQL 14 on"
                                                : "");
}

static int prove(const struct options *options, struct repository *repository, struct error *error)
{
    const struct repository_tag base_backup = {LIVE_BACKUP_TAG, LIVE_BACKUP_TAG_BASE};
    const char *snapshot = options_text(options, "snapshot");
    const char *programs = options_text(options, "programs");
    const char *scratch = options_text(options, "scratch");
    char id[REPOSITORY_ID_SIZE];
    struct live_proof proof;
    struct console console;
    if (repository_find(repository, snapshot == NULL ? "latest" : snapshot, &base_backup, id, error) != 0) {
        return -1;
    }
    watching_open(&console, options);
    const struct live_prove_options proving = {.programs = programs == NULL ? "/" : programs,
                                               .scratch = scratch == NULL ? "/var/tmp" : scratch,
                                               .superuser = options_text(options, "user"),
                                               .found = tell_damaged,
                                               .context = &console,
                                               .progress = &console.progress};
    int result = live_prove(repository, id, &proving, &proof, error);
    console_finish_line(&console);
    if (result != 0) {
        return -1;
    }
    print_proof(id, &proof, options_flag(options, "json"));
    return proof.integrity.damaged == 0
               ? 0
               : error_set(error, CSN_DATABASE_DAMAGED,
                           "%" PRIu64 " indexes and tables of the backup are damaged, named above",
                           proof.integrity.damaged);
}

int database_prove(const struct options *options, struct error *error)
{
    if (options_text(options, "repository") == NULL) {
        return error_set(error, CSN_USAGE, "`caisson database prove` needs --repository DIR");
    }
    struct repository *repository = keys_open_repository(options, REPOSITORY_READ, error);
    int result = repository == NULL ? -1 : prove(options, repository, error);
    repository_close(repository);
    return result;
}
