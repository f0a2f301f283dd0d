/*
 * step_prove.c - the backup counts when it has been restored and its database started: everything into a scratch root, the
 * trees and the boot areas compared byte for byte with the server, the tables row for row with what assess saw. Nothing is
 * left on the server.
 */
#include "sequence/steps.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/file.h"
#include "lib/root.h"
#include "repository/repository.h"
#include "sequence/boot_areas.h"
#include "sequence/media.h"
#include "sequence/room.h"
#include "tree/compare.h"

struct proving {
    struct run *run;
    const struct site *site;
    char *folder; /* scratch root */
    int folder_fd;
    struct strings paths;
    struct tree_compare_counts counts;
    int64_t restore_ms;
    uint64_t tables;
    uint64_t rows;
    uint64_t boot_areas;
};

static int restore(struct proving *proving, struct error *error)
{
    struct run *run = proving->run;
    int64_t begun_ms = clock_monotonic_ms();
    struct repository *repository = run_open_repository(run, REPOSITORY_READ, error);
    if (repository == NULL) {
        return -1;
    }
    struct strings paths = {0};
    struct repository_selection selection = {.paths = &paths, .root_fd = proving->folder_fd, .leave_unsynced = true};
    struct repository_restore_summary summary;
    int result = run->target.mounts.count == 0 ? 0 : strings_add(&paths, BOOT_AREAS_NAME, error);
    for (size_t i = 0; result == 0 && i < proving->paths.count; i++) {
        result = strings_add(&paths, proving->paths.items[i], error);
    }
    if (result == 0) {
        result = repository_restore(repository, run->snapshot, &selection, &run->console->progress, &summary, error);
    }
    strings_free(&paths);
    repository_close(repository);
    proving->restore_ms = clock_monotonic_ms() - begun_ms;
    return result;
}

static int on_difference(void *context, const struct tree_difference *difference, struct error *error)
{
    const char *path = context;
    return error_set(error, CSN_REPOSITORY_DIFFERS, "%s/%s is not the same after the restore", path, difference->path);
}

static int compare(struct proving *proving, struct error *error)
{
    struct tree_compare_options options = {0};
    for (size_t i = 0; i < proving->paths.count; i++) {
        struct tree_compare_counts counts;
        char *path = proving->paths.items[i];
        if (tree_compare(proving->site->place.root_fd, path, proving->folder_fd, path, &options, on_difference, path,
                         &proving->run->console->progress, &counts, error) != 0) {
            return -1;
        }
        proving->counts.both += counts.both;
        proving->counts.compared_bytes += counts.compared_bytes;
    }
    return boot_areas_compare(proving->run, proving->folder_fd, &proving->boot_areas, &proving->run->console->progress,
                              error);
}

/* The restored data at their real paths; the server itself lends only its programs, and the links that lead to the data. */
static int start(struct proving *proving, struct error *error)
{
    struct run *run = proving->run;
    struct room_binds binds = {0};
    struct room room = {0};
    struct error closing;
    int result = 0;
    for (size_t i = 0; result == 0 && i < proving->paths.count; i++) {
        const char *path = proving->paths.items[i];
        struct stat status;
        if (root_lstat(proving->folder_fd, path, &status) != 0 || !S_ISLNK(status.st_mode)) {
            result = room_bind(&binds, proving->folder, path, path, true, error);
        }
    }
    if (result == 0) {
        result = room_open(run, proving->site, &binds, DATABASE_PRIVATE, &room, error);
    }
    struct query_target target = room_database(&room, run);
    if (result == 0 && target.host != NULL) {
        struct inventory restored = {0};
        struct inventory_options options = {.progress = &run->console->progress};
        result = inventory_take(&target, &options, &restored, error);
        if (result == 0) {
            result = inventory_compare(&run->assessment.inventory, &restored, NULL, NULL, error);
        }
        for (size_t i = 0; i < restored.count; i++) {
            proving->tables += restored.items[i].kind == INVENTORY_TABLE;
            proving->rows += restored.items[i].kind == INVENTORY_TABLE ? restored.items[i].rows : 0;
        }
        inventory_free(&restored);
    }
    if (room_close(&room, result == 0 ? error : &closing) != 0) {
        result = -1;
    }
    room_binds_free(&binds);
    return result;
}

static int record_proof(const struct proving *proving, int64_t milliseconds, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "snapshot", proving->run->snapshot);
    yyjson_mut_obj_add_uint(document, fields, "trees_compared", proving->paths.count);
    yyjson_mut_obj_add_uint(document, fields, "entries", proving->counts.both);
    yyjson_mut_obj_add_uint(document, fields, "bytes", proving->counts.compared_bytes);
    yyjson_mut_obj_add_uint(document, fields, "boot_areas", proving->boot_areas);
    yyjson_mut_obj_add_uint(document, fields, "tables", proving->tables);
    yyjson_mut_obj_add_uint(document, fields, "rows", proving->rows);
    yyjson_mut_obj_add_sint(document, fields, "restore_ms", proving->restore_ms);
    yyjson_mut_obj_add_sint(document, fields, "ms", milliseconds);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&proving->run->journal, "proof", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static int open_folder(struct proving *proving, struct error *error)
{
    struct buffer path = {0};
    const char *scratch = proving->run->scratch_path;
    buffer_format(&path, "%s/caisson-proof-XXXXXX", scratch != NULL ? scratch : "/run");
    proving->folder = buffer_take(&path);
    if (proving->folder == NULL || mkdtemp(proving->folder) == NULL || chmod(proving->folder, 0755) != 0) {
        return error_system(error, CSN_IO, "making a folder for the proof");
    }
    proving->folder_fd = open(proving->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return proving->folder_fd < 0 ? error_system(error, CSN_IO, "opening %s", proving->folder) : 0;
}

int step_prove(struct run *run, struct site *site, struct buffer *detail, struct error *error)
{
    struct proving proving = {.run = run, .site = site, .folder_fd = -1};
    struct error removing;
    int64_t begun_ms = clock_monotonic_ms();
    int result = run_paths(run, &proving.paths, error);
    if (result == 0 && (open_folder(&proving, error) != 0 || restore(&proving, error) != 0 ||
                        compare(&proving, error) != 0 || start(&proving, error) != 0)) {
        result = -1;
    }
    if (result == 0) {
        result = record_proof(&proving, clock_monotonic_ms() - begun_ms, error);
        buffer_format(detail, "restored and compared %llu entries, %llu boot areas; %llu tables, %llu rows equal",
                      (unsigned long long)proving.counts.both, (unsigned long long)proving.boot_areas,
                      (unsigned long long)proving.tables, (unsigned long long)proving.rows);
    } else if (error != NULL && (error->code == CSN_REPOSITORY_DIFFERS || error->code == CSN_DATABASE_DIFFERS)) {
        error->code = CSN_SEQUENCE_PROOF;
    }
    file_drop(&proving.folder_fd);
    if (proving.folder != NULL &&
        media_remove(proving.folder, &run->console->progress, result == 0 ? error : &removing) != 0) {
        result = -1;
    }
    free(proving.folder);
    strings_free(&proving.paths);
    return result;
}
