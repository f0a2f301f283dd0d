#include "database/base_backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "database/backup_manifest.h"
#include "database/base_backup_tar.h"
#include "database/query_copy.h"
#include "lib/strings.h"

#define MANIFEST_LIMIT ((size_t)1 << 30)
#define MANIFEST_FILE "backup_manifest"

struct copying {
    struct query_session *session;
    base_backup_take *take;
    void *context;
    const struct progress *progress;
    struct base_backup_summary *summary;
    uint64_t total_bytes; /* as the server estimates them */
    struct manifest_files files;
    struct buffer control;
    struct buffer manifest;
    struct tree_entry like; /* owner and times of what came last, for the manifest's own file */
    /* The stream. From 15 on one stream has all archives, each message with its kind in front. */
    bool tagged;
    bool in_archive; /* tagged: no head has come since */
    char kind;       /* tagged: of the head that ended the archive before: 'n', 'm'; 0: none */
    char head[4096]; /* its content: name and location, each with a NUL */
    const char *item;
    const struct base_backup_tar *tar;
    uint64_t before_bytes;
};

static void tell(const struct copying *copying, const char *doing)
{
    struct progress_state state = {
        .doing = doing,
        .item = copying->item,
        .done_bytes = copying->before_bytes + (copying->tar == NULL ? 0 : copying->tar->bytes),
        .total_bytes = copying->total_bytes,
    };
    progress_tell(copying->progress, &state);
}

static int on_idle(void *context, struct error *error)
{
    const struct copying *copying = context;
    (void)error;
    tell(copying, copying->tar == NULL ? "waiting for the database server's checkpoint" : "copying the live database");
    return 0;
}

/* --- the stream --- */

/* The next bytes of the archive at hand. */
static int more(void *context, const uint8_t **data, size_t *size_bytes, struct error *error)
{
    struct copying *copying = context;
    while (copying->in_archive) {
        int got = query_copy_read(copying->session, data, size_bytes, on_idle, copying, error);
        if (got <= 0) {
            copying->in_archive = false;
            copying->kind = 0;
            return got;
        }
        tell(copying, "copying the live database");
        if (!copying->tagged) {
            return 1;
        }
        char kind = (char)(*size_bytes == 0 ? 0 : (*data)[0]);
        if (kind == 'd') {
            (*data)++;
            (*size_bytes)--;
            if (*size_bytes == 0) {
                continue;
            }
            return 1;
        }
        if (kind == 'n' || kind == 'm') {
            size_t size = *size_bytes - 1 < sizeof copying->head - 2 ? *size_bytes - 1 : sizeof copying->head - 2;
            memset(copying->head, 0, sizeof copying->head);
            memcpy(copying->head, *data + 1, size);
            copying->kind = kind;
            copying->in_archive = false;
        } else if (kind != 'p') {
            return error_set(error, CSN_DATABASE_QUERY, "the server's base backup has a message of kind %d", kind);
        }
    }
    return 0;
}

static int next_part(struct copying *copying, enum query_part wanted, query_row_function *take, void *context,
                     struct error *error)
{
    enum query_part part = QUERY_PART_END;
    if (query_copy_next(copying->session, &part, take, context, on_idle, copying, error) != 0) {
        return -1;
    }
    return part == wanted ? 0
                          : error_set(error, CSN_DATABASE_QUERY,
                                      "the server answers a base backup otherwise than PostgreSQL does");
}

/* Remembers whose the files are, and hands them on. */
static int take_entry(void *context, uint32_t oid, const struct tree_entry *entry, base_backup_read *read,
                      void *read_context, struct error *error)
{
    struct copying *copying = context;
    copying->like = *entry;
    copying->item = entry->path;
    return copying->take(copying->context, oid, entry, read, read_context, error);
}

static int read_archive(struct copying *copying, uint32_t oid, struct error *error)
{
    struct base_backup_tar tar = {
        .oid = oid,
        .more = more,
        .more_context = copying,
        .take = take_entry,
        .take_context = copying,
        .files = copying->summary->has_manifest ? &copying->files : NULL,
        .control = &copying->control,
    };
    copying->in_archive = true;
    copying->tar = &tar;
    int result = base_backup_tar_read(&tar, error);
    copying->tar = NULL;
    copying->item = NULL;
    copying->before_bytes += tar.bytes;
    copying->summary->files += tar.file_count;
    copying->summary->bytes += tar.bytes;
    return result;
}

static int read_manifest(struct copying *copying, struct error *error)
{
    const uint8_t *data = NULL;
    size_t size = 0;
    int got;
    copying->in_archive = true;
    while ((got = more(copying, &data, &size, error)) > 0) {
        if (copying->manifest.size + size > MANIFEST_LIMIT) {
            return error_set(error, CSN_DATABASE_QUERY, "the server's backup manifest is larger than a gibibyte");
        }
        buffer_append(&copying->manifest, data, size);
    }
    return got < 0 ? -1 : buffer_check(&copying->manifest, error);
}

/* 10 to 14: a stream for each archive, in the order in which the server has listed them, the data folder's last. */
static int read_streams(struct copying *copying, const struct strings *oids, struct error *error)
{
    for (size_t i = 0; i < oids->count; i++) {
        if (next_part(copying, QUERY_PART_STREAM, NULL, NULL, error) != 0 ||
            read_archive(copying, (uint32_t)strtoul(oids->items[i], NULL, 10), error) != 0) {
            return -1;
        }
    }
    return !copying->summary->has_manifest                                 ? 0
           : next_part(copying, QUERY_PART_STREAM, NULL, NULL, error) != 0 ? -1
                                                                           : read_manifest(copying, error);
}

/* From 15 on: "base.tar" and "OID.tar", as they come. */
static int read_stream(struct copying *copying, struct error *error)
{
    const uint8_t *data = NULL;
    size_t size = 0;
    if (next_part(copying, QUERY_PART_STREAM, NULL, NULL, error) != 0) {
        return -1;
    }
    copying->in_archive = true;
    int got = more(copying, &data, &size, error); /* up to the first head */
    if (got > 0) {
        return error_set(error, CSN_DATABASE_QUERY, "the server's base backup begins without an archive");
    }
    while (got == 0 && copying->kind != 0) {
        bool archive = copying->kind == 'n';
        uint32_t oid = (uint32_t)strtoul(copying->head, NULL, 10); /* 0 for "base.tar" */
        got = archive ? read_archive(copying, oid, error) : read_manifest(copying, error);
    }
    return got;
}

/* --- the command --- */

static int take_start(void *context, const struct query_row *row, struct error *error)
{
    struct base_backup_summary *summary = context;
    (void)error;
    if (row->column_count >= 2 && row->values[0] != NULL && row->values[1] != NULL) {
        snprintf(summary->start_lsn, sizeof summary->start_lsn, "%s", row->values[0]);
        summary->timeline = (uint32_t)strtoul(row->values[1], NULL, 10);
    }
    return 0;
}

static int take_end(void *context, const struct query_row *row, struct error *error)
{
    struct base_backup_summary *summary = context;
    (void)error;
    if (row->column_count >= 1 && row->values[0] != NULL) {
        snprintf(summary->end_lsn, sizeof summary->end_lsn, "%s", row->values[0]);
    }
    return 0;
}

struct listing {
    struct copying *copying;
    struct strings oids; /* "0": the data folder */
};

/* spcoid, spclocation, size in KiB; the data folder's are NULL */
static int take_tablespace(void *context, const struct query_row *row, struct error *error)
{
    struct listing *listing = context;
    struct base_backup_summary *summary = listing->copying->summary;
    if (row->column_count < 3) {
        return error_set(error, CSN_DATABASE_QUERY, "the server lists its tablespaces otherwise than PostgreSQL does");
    }
    listing->copying->total_bytes += row->values[2] == NULL ? 0 : strtoull(row->values[2], NULL, 10) * 1024;
    if (row->values[0] != NULL) {
        size_t count = summary->tablespace_count;
        struct base_backup_tablespace *grown = realloc(summary->tablespaces, (count + 1) * sizeof *grown);
        if (grown == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu tablespaces", count + 1);
        }
        summary->tablespaces = grown;
        grown[count] =
            (struct base_backup_tablespace){.oid = (uint32_t)strtoul(row->values[0], NULL, 10),
                                            .location = strdup(row->values[1] == NULL ? "" : row->values[1])};
        summary->tablespace_count += grown[count].location != NULL;
        if (grown[count].location == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for %zu tablespaces", count + 1);
        }
    }
    return strings_add(&listing->oids, row->values[0] == NULL ? "0" : row->values[0], error);
}

/* Holds the WAL from now on until the session ends. A server may have none to give; then what it has kept must do. */
static int reserve_wal(struct copying *copying, struct error *error)
{
    char command[120];
    struct error why = {0};
    enum query_part part = QUERY_PART_ROWS;
    snprintf(command, sizeof command, "CREATE_REPLICATION_SLOT caisson_%ld_%" PRIx64 " TEMPORARY PHYSICAL RESERVE_WAL",
             (long)getpid(), (uint64_t)(uintptr_t)copying & 0xffffff);
    int result = query_copy_send(copying->session, command, error);
    while (result == 0 && part != QUERY_PART_END) {
        if (query_copy_next(copying->session, &part, NULL, NULL, on_idle, copying, &why) == 0) {
            continue;
        }
        if (why.code == CSN_DATABASE_UNREACHABLE) {
            return error_set(error, why.code, "%s", why.message);
        }
        copying->summary->has_slot = false;
        part = QUERY_PART_ROWS;
    }
    return result;
}

static void make_command(const struct copying *copying, const char *label, struct buffer *command)
{
    int version = copying->summary->version;
    bool options = version >= 15;
    buffer_string(command, options ? "BASE_BACKUP (LABEL " : "BASE_BACKUP LABEL ");
    buffer_string(command, "'");
    for (const char *at = label; *at != '\0'; at++) { /* the replication protocol's scanner knows no other escape */
        buffer_append(command, *at == '\'' ? "''" : at, *at == '\'' ? 2 : 1);
    }
    buffer_string(command, "'");
    buffer_string(command, options ? ", PROGRESS, CHECKPOINT 'fast', WAL, WAIT false, TABLESPACE_MAP, MANIFEST 'yes', "
                                     "MANIFEST_CHECKSUMS 'SHA256')"
                                   : " PROGRESS FAST WAL NOWAIT TABLESPACE_MAP");
    if (!options && version >= 13) {
        buffer_string(command, " MANIFEST 'yes' MANIFEST_CHECKSUMS 'SHA256'");
    }
}

struct rest {
    const char *data;
    size_t size_bytes;
};

static ssize_t read_rest(void *context, uint8_t *into, size_t size_bytes, struct error *error)
{
    struct rest *rest = context;
    size_t size = rest->size_bytes < size_bytes ? rest->size_bytes : size_bytes;
    (void)error;
    memcpy(into, rest->data, size);
    rest->data += size;
    rest->size_bytes -= size;
    return (ssize_t)size;
}

/* It lies in the data folder, as pg_basebackup leaves it: pg_verifybackup reads it there. */
static int keep_manifest(struct copying *copying, struct error *error)
{
    struct tree_entry entry = copying->like;
    struct rest rest = {.data = copying->manifest.data, .size_bytes = copying->manifest.size};
    entry.path = (char *)(uintptr_t)MANIFEST_FILE;
    entry.type = TREE_FILE;
    entry.mode = 0600;
    entry.link_target = NULL;
    entry.size_bytes = copying->manifest.size;
    entry.known = TREE_ASPECT_TYPE | TREE_ASPECT_MODE | TREE_ASPECT_OWNER | TREE_ASPECT_MTIME | TREE_ASPECT_CONTENT;
    return copying->take(copying->context, 0, &entry, read_rest, &rest, error);
}

static int check_what_came(struct copying *copying, struct error *error)
{
    struct base_backup_summary *summary = copying->summary;
    uint64_t identifier = 0;
    if (buffer_check(&copying->control, error) != 0 ||
        cluster_parse_control(copying->control.data, copying->control.size, &summary->control, error) != 0) {
        return -1;
    }
    if (!summary->has_manifest) {
        return 0;
    }
    if (backup_manifest_check(copying->manifest.data, copying->manifest.size, &copying->files, &identifier, error) !=
        0) {
        return -1;
    }
    return identifier != 0 && identifier != summary->control.system_identifier
               ? error_set(error, CSN_DATABASE_DIFFERS,
                           "the server's manifest is another cluster's than its pg_control")
               : keep_manifest(copying, error);
}

static int copy(struct copying *copying, const char *label, struct error *error)
{
    struct listing listing = {.copying = copying};
    struct buffer command = {0};
    enum query_part part = QUERY_PART_ROWS;
    make_command(copying, label, &command);
    int result = buffer_check(&command, error) != 0 ? -1 : query_copy_send(copying->session, command.data, error);
    if (result == 0 && (next_part(copying, QUERY_PART_ROWS, take_start, copying->summary, error) != 0 ||
                        next_part(copying, QUERY_PART_ROWS, take_tablespace, &listing, error) != 0)) {
        result = -1;
    }
    if (result == 0) {
        result = copying->tagged ? read_stream(copying, error) : read_streams(copying, &listing.oids, error);
    }
    if (result == 0) {
        result = next_part(copying, QUERY_PART_ROWS, take_end, copying->summary, error);
    }
    while (result == 0 && part != QUERY_PART_END) {
        result = query_copy_next(copying->session, &part, NULL, NULL, on_idle, copying, error);
    }
    strings_free(&listing.oids);
    buffer_free(&command);
    return result;
}

int base_backup(const struct query_target *target, const char *label, base_backup_take *take, void *context,
                const struct progress *progress, struct base_backup_summary *summary, struct error *error)
{
    struct copying copying = {.take = take, .context = context, .progress = progress, .summary = summary};
    struct query_target replication = *target;
    replication.replication = true;
    *summary = (struct base_backup_summary){.has_slot = true};
    int result = query_open(&replication, 0, &copying.session, error);
    if (result == 0) {
        summary->version = query_server_version(copying.session) / 10000;
        summary->has_manifest = summary->version >= 13;
        copying.tagged = summary->version >= 15;
        result = reserve_wal(&copying, error);
    }
    if (result == 0 && (copy(&copying, label, error) != 0 || check_what_came(&copying, error) != 0)) {
        result = -1;
    }
    query_close(copying.session);
    manifest_files_free(&copying.files);
    buffer_free(&copying.control);
    buffer_free(&copying.manifest);
    return result;
}

void base_backup_summary_free(struct base_backup_summary *summary)
{
    for (size_t i = 0; i < summary->tablespace_count; i++) {
        free(summary->tablespaces[i].location);
    }
    free(summary->tablespaces);
    *summary = (struct base_backup_summary){0};
}
