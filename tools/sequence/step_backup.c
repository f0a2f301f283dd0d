/*
 * step_backup.c - everything of the application, and the boot areas of its disk, into the repository.
 */
#include "sequence/steps.h"

#include <stdlib.h>
#include <string.h>

#include "lib/root.h"
#include "lib/version.h"
#include "repository/repository.h"
#include "sequence/boot_areas.h"

#define SOURCES_LIMIT 64

static int record_snapshot(struct run *run, const struct repository_backup_summary *summary, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "id", summary->id);
    yyjson_mut_obj_add_str(document, fields, "repository", run->repository_path);
    yyjson_mut_obj_add_uint(document, fields, "entries", summary->entries);
    yyjson_mut_obj_add_uint(document, fields, "files", summary->files);
    yyjson_mut_obj_add_uint(document, fields, "bytes", summary->bytes);
    yyjson_mut_obj_add_uint(document, fields, "bytes_read", summary->bytes_read);
    yyjson_mut_obj_add_uint(document, fields, "bytes_stored", summary->bytes_stored);
    yyjson_mut_obj_add_uint(document, fields, "chunks", summary->chunks);
    yyjson_mut_obj_add_uint(document, fields, "chunks_new", summary->chunks_new);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "snapshot", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static int back_up(struct run *run, struct repository *repository, const struct repository_source *sources,
                   size_t count, struct buffer *detail, struct error *error)
{
    const struct installation *server = &run->target.installation;
    const struct repository_tag tags[] = {
        {"run", run->evidence.run},
        {"application", server->profile->name},
        {"version", server->version},
        {"machine-id", server->machine_id},
    };
    struct repository_backup_options options = {
        .host = server->host_name,
        .label = run->job.name,
        .tags = tags,
        .tag_count = sizeof tags / sizeof tags[0],
    };
    struct repository_backup_summary summary = {0};
    int result = repository_backup(repository, sources, count, &options, &run->console->progress, &summary, error);
    if (result == 0 && summary.changed.count > 0) {
        result = error_set(error, CSN_REPOSITORY_CHANGED, "%zu files changed while they were read, the first is %s",
                           summary.changed.count, summary.changed.items[0]);
    }
    if (result == 0) {
        snprintf(run->snapshot, sizeof run->snapshot, "%s", summary.id);
        char read[CONSOLE_TEXT_SIZE];
        char stored[CONSOLE_TEXT_SIZE];
        console_bytes(read, summary.bytes);
        console_bytes(stored, summary.bytes_stored);
        buffer_format(detail, "snapshot %.12s: %llu files, %s, %s stored", summary.id,
                      (unsigned long long)summary.files, read, stored);
        result = record_snapshot(run, &summary, error);
    }
    repository_backup_summary_free(&summary);
    return result;
}

int step_backup(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct strings paths = {0};
    struct repository_source sources[SOURCES_LIMIT];
    size_t count = 0;
    struct boot_areas areas = {.folder_fd = -1};
    struct repository *repository = NULL;
    int result = -1;
    if (run->repository_path == NULL) {
        error_set(error, CSN_JOB_KEY_MISSING, "the job names no place for the backup: [backup] disk");
        goto out;
    }
    if (run_paths(run, &paths, error) != 0 || boot_areas_collect(&areas, run, error) != 0) {
        goto out;
    }
    if (paths.count + 1 > SOURCES_LIMIT) {
        error_set(error, CSN_TARGET_PROFILE, "the application has more than %d separate paths", SOURCES_LIMIT - 1);
        goto out;
    }
    for (size_t i = 0; i < paths.count; i++) {
        sources[count++] = (struct repository_source){site->place.root_fd, paths.items[i], paths.items[i]};
    }
    if (areas.folder_fd >= 0) {
        sources[count++] = (struct repository_source){areas.folder_fd, ".", BOOT_AREAS_NAME};
    }
    repository = run_open_repository(run, REPOSITORY_WRITE, error);
    result = repository == NULL ? -1 : back_up(run, repository, sources, count, detail, error);
    if (result == 0 && repository_damaged(repository)->count > 0) {
        buffer_format(detail, "; %zu files of the repository are damaged and were left out, the first is %s",
                      repository_damaged(repository)->count, repository_damaged(repository)->items[0]);
    }
    if (result != 0 && error != NULL && error->code == CSN_REPOSITORY_FULL) {
        error_wrap(error, "the backup in %s", run->repository_path);
    }
out:
    repository_close(repository);
    boot_areas_free(&areas);
    strings_free(&paths);
    return result;
}
