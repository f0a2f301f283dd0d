#include "sequence/live_backup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database/query_copy.h"
#include "lib/buffer.h"
#include "lib/strings.h"

#define DATA "postgresql/data"
#define TABLESPACES "postgresql/tablespaces"

struct taking {
    struct repository_intake *intake;
    bool has_top; /* the folders above are in it */
};

static int add(struct taking *taking, const struct tree_entry *like, const char *path, struct error *error)
{
    struct tree_entry folder = *like;
    folder.path = (char *)(uintptr_t)path;
    folder.type = TREE_FOLDER;
    folder.mode = 0700;
    folder.size_bytes = 0;
    folder.link_target = NULL;
    return repository_intake_add(taking->intake, &folder, NULL, NULL, error);
}

static int take(void *context, uint32_t oid, const struct tree_entry *entry, base_backup_read *read, void *read_context,
                struct error *error)
{
    struct taking *taking = context;
    struct tree_entry recorded = *entry;
    struct buffer path = {0};
    if (!taking->has_top) {
        taking->has_top = true;
        if (add(taking, entry, LIVE_BACKUP_NAME + 1, error) != 0 || add(taking, entry, TABLESPACES, error) != 0) {
            return -1;
        }
    }
    if (oid == 0) {
        buffer_string(&path, DATA);
    } else {
        buffer_format(&path, TABLESPACES "/%u", oid);
    }
    if (entry->path[0] != '\0') {
        buffer_format(&path, "/%s", entry->path);
    }
    recorded.path = path.data;
    int result = buffer_check(&path, error) != 0
                     ? -1
                     : repository_intake_add(taking->intake, &recorded, read, read_context, error);
    buffer_free(&path);
    return result;
}

/* What is known only when all has come has no place in the head of a snapshot: so a first session asks. */
struct identity {
    char system_identifier[24];
    char timeline[16];
};

static int take_identity(void *context, const struct query_row *row, struct error *error)
{
    struct identity *identity = context;
    if (row->column_count < 2 || row->values[0] == NULL || row->values[1] == NULL) {
        return error_set(error, CSN_DATABASE_QUERY, "the server does not say which cluster it is");
    }
    snprintf(identity->system_identifier, sizeof identity->system_identifier, "%s", row->values[0]);
    snprintf(identity->timeline, sizeof identity->timeline, "%s", row->values[1]);
    return 0;
}

static int identify(const struct query_target *target, struct identity *identity, int *version, struct error *error)
{
    struct query_target replication = *target;
    struct query_session *session = NULL;
    replication.replication = true;
    int result = query_open(&replication, 0, &session, error) != 0
                     ? -1
                     : query_copy_ask(session, "IDENTIFY_SYSTEM", take_identity, identity, error);
    *version = session == NULL ? 0 : query_server_version(session) / 10000;
    query_close(session);
    return result;
}

static int run(const struct query_target *target, struct taking *taking, const struct identity *identity,
               const char *label, const struct progress *progress, struct base_backup_summary *database,
               struct repository_backup_summary *summary, struct error *error)
{
    char identifier[24];
    if (base_backup(target, label, take, taking, progress, database, error) != 0) {
        return -1;
    }
    snprintf(identifier, sizeof identifier, "%" PRIu64, database->control.system_identifier);
    return strcmp(identifier, identity->system_identifier) == 0
               ? repository_intake_commit(taking->intake, summary, error)
               : error_set(error, CSN_DATABASE_DIFFERS, "another cluster answered at %s between two sessions",
                           target->host);
}

int live_backup(const struct query_target *target, struct repository *repository,
                const struct repository_backup_options *options, const struct progress *progress,
                struct base_backup_summary *database, struct repository_backup_summary *summary, struct error *error)
{
    struct taking taking = {.intake = NULL};
    struct identity identity = {.system_identifier = ""};
    struct repository_backup_options with = *options;
    struct strings names = {0};
    char major[8];
    int version = 0;
    *database = (struct base_backup_summary){0};
    *summary = (struct repository_backup_summary){0};
    struct repository_tag *tags = calloc(options->tag_count + 4, sizeof *tags);
    if (tags == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for a snapshot");
    }
    int result = identify(target, &identity, &version, error);
    snprintf(major, sizeof major, "%d", version);
    if (options->tag_count > 0) {
        memcpy(tags, options->tags, options->tag_count * sizeof *tags);
    }
    tags[options->tag_count] = (struct repository_tag){"postgresql", major};
    tags[options->tag_count + 1] = (struct repository_tag){"system-identifier", identity.system_identifier};
    tags[options->tag_count + 2] = (struct repository_tag){"timeline", identity.timeline};
    tags[options->tag_count + 3] = (struct repository_tag){LIVE_BACKUP_TAG, LIVE_BACKUP_TAG_BASE};
    with.tags = tags;
    with.tag_count = options->tag_count + 4;
    if (result == 0 && (strings_add(&names, LIVE_BACKUP_NAME, error) != 0 ||
                        (taking.intake = repository_intake_new(repository, &names, &with, error)) == NULL ||
                        run(target, &taking, &identity, options->label == NULL ? "caisson" : options->label, progress,
                            database, summary, error) != 0)) {
        result = -1;
    }
    repository_intake_free(taking.intake);
    strings_free(&names);
    free(tags);
    return result;
}
