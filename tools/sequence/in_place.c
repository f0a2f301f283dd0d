#include "sequence/in_place.h"

#include <fcntl.h>
#include <string.h>

#include "lib/file.h"
#include "lib/json.h"
#include "repository/repository.h"
#include "sequence/deed_inside.h"

#define DEED "in-place"

/* --- the deed ------------------------------------------------------------------------------------------------------ */

yyjson_val *in_place_intent(const struct journal *journal)
{
    for (size_t i = journal->count; i > 0; i--) {
        yyjson_val *record = journal_record(journal, i - 1);
        if (journal_is(record, "intent") && strcmp(journal_get(record, "deed"), DEED) == 0) {
            return deed_has_record_of(journal, "undone", (int64_t)i) ? NULL : record;
        }
    }
    return NULL;
}

/* As long as the proof took for restoring everything, by the share of the cluster. */
static int64_t estimate_ms(yyjson_val *proof, uint64_t bytes)
{
    double all = (double)journal_get_number(proof, "bytes");
    return all < 1 ? 0 : (int64_t)((double)journal_get_number(proof, "restore_ms") * ((double)bytes / all));
}

static int record_intent(const struct run *run, const struct site *site, int64_t milliseconds, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "step", site->place.step);
    yyjson_mut_obj_add_str(document, fields, "deed", DEED);
    yyjson_mut_obj_add_str(document, fields, "path", run->cluster.data_path);
    yyjson_mut_val *paths = yyjson_mut_obj_add_arr(document, fields, "paths");
    yyjson_mut_arr_add_str(document, paths, run->cluster.data_path);
    for (size_t i = 0; i < run->cluster.folder_count; i++) {
        yyjson_mut_arr_add_str(document, paths, run->cluster.folders[i].target);
    }
    yyjson_mut_obj_add_str(document, fields, "snapshot", run->snapshot);
    yyjson_mut_obj_add_uint(document, fields, "bytes", run->assessment.cluster_bytes);
    yyjson_mut_obj_add_sint(document, fields, "estimate_ms", milliseconds);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(site->place.journal, "intent", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

/* As clone_make asks of one that is cloned. */
static int check_clean(const struct run *run, struct error *error)
{
    return run->job.recover_database && cluster_is_recoverable(&run->cluster)
               ? 0
               : cluster_require_clean(&run->cluster, error);
}

static int on_changed(void *context, const struct tree_difference *difference, struct error *error)
{
    (void)context;
    return error_set(error, CSN_SEQUENCE_STALE, "/%s is not as it was backed up: it could not be brought back so",
                     difference->path);
}

/* What is there now is what will come back, byte for byte. */
static int check_is_backed_up(struct run *run, const struct site *site, struct error *error)
{
    struct strings paths = {0};
    const struct repository_selection selection = {.paths = &paths, .root_fd = site->place.root_fd};
    const struct tree_compare_options options = {0};
    struct tree_compare_counts counts;
    struct repository *repository = NULL;
    int result = strings_add(&paths, run->cluster.data_path, error);
    for (size_t i = 0; result == 0 && i < run->cluster.folder_count; i++) {
        result = strings_add(&paths, run->cluster.folders[i].target, error);
    }
    if (result == 0) {
        repository = run_open_repository(run, REPOSITORY_READ, error);
        result = repository == NULL ? -1
                                    : repository_compare(repository, run->snapshot, &selection, &options, on_changed,
                                                         NULL, &run->console->progress, &counts, error);
    }
    repository_close(repository);
    strings_free(&paths);
    return result;
}

int in_place_begin(struct run *run, struct site *site, struct error *error)
{
    yyjson_val *proof = journal_last(&run->journal, "proof");
    char bytes[CONSOLE_TEXT_SIZE];
    char duration[CONSOLE_TEXT_SIZE];
    if (run->snapshot[0] == '\0' || strcmp(journal_get(proof, "snapshot"), run->snapshot) != 0) {
        return error_set(error, CSN_SEQUENCE_PROOF,
                         "%s is to be upgraded in place, and this run has no proven backup that would bring it back",
                         run->cluster.data_path);
    }
    if (check_clean(run, error) != 0 || check_is_backed_up(run, site, error) != 0) {
        return -1;
    }
    int64_t milliseconds = estimate_ms(proof, run->assessment.cluster_bytes);
    console_bytes(bytes, run->assessment.cluster_bytes);
    console_duration(duration, milliseconds);
    console_say(run->console, "  the database is upgraded in place; going back restores up to %s, by the proof in %s",
                bytes, duration);
    return record_intent(run, site, milliseconds, error);
}

int in_place_end(const struct site *site, struct error *error)
{
    yyjson_val *intent = in_place_intent(site->place.journal);
    return intent == NULL ? 0 : deed_record_of(&site->place, "done", journal_get_number(intent, "seq"), false, error);
}

/* --- the backup ---------------------------------------------------------------------------------------------------- */

int in_place_add_paths(const struct journal *journal, struct strings *paths, struct error *error)
{
    yyjson_val *intent = in_place_intent(journal);
    size_t i;
    size_t count;
    yyjson_val *path;
    yyjson_arr_foreach(yyjson_obj_get(intent, "paths"), i, count, path)
    {
        if (!yyjson_is_str(path)) {
            return error_set(error, CSN_JOURNAL_BROKEN, "a path of a deed is no text");
        }
        if (strings_add(paths, yyjson_get_str(path), error) != 0) {
            return -1;
        }
    }
    return intent == NULL || count > 0 ? 0 : error_set(error, CSN_JOURNAL_BROKEN, "a deed names no path");
}

static int see(void *context, const struct repository_entry *entry, struct error *error)
{
    (void)context;
    (void)entry;
    (void)error;
    return 0;
}

int in_place_reach(struct run *run, const struct site *site, struct error *error)
{
    yyjson_val *intent = in_place_intent(site->place.journal);
    struct repository *repository = NULL;
    struct strings paths = {0};
    struct error why = {0};
    if (intent == NULL) {
        return 0;
    }
    int result = run_open_backup(run, &why);
    if (result == 0) {
        repository = run_open_repository(run, REPOSITORY_READ, &why);
        result = repository == NULL ? -1 : in_place_add_paths(site->place.journal, &paths, &why);
    }
    if (result == 0) {
        result = repository_iterate(repository, journal_get(intent, "snapshot"), &paths, see, NULL, &why);
    }
    repository_close(repository);
    strings_free(&paths);
    return result == 0 ? 0
                       : error_set(error, CSN_SEQUENCE_BACKUP_AWAY, "%s comes back from the snapshot %.12s: %s",
                                   journal_get(intent, "path"), journal_get(intent, "snapshot"), why.message);
}

int in_place_check(struct run *run, const struct site *site, struct error *error)
{
    yyjson_val *intent = in_place_intent(site->place.journal);
    struct repository_export_summary summary;
    struct repository *repository = NULL;
    struct strings paths = {0};
    struct error why = {0};
    if (intent == NULL) {
        return 0;
    }
    console_say(run->console, "  the backup that brings the database back is read through");
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int result = fd < 0 ? error_system(&why, CSN_IO, "opening /dev/null")
                        : in_place_add_paths(site->place.journal, &paths, &why);
    if (result == 0) {
        repository = run_open_repository(run, REPOSITORY_READ, &why);
        result = repository == NULL ? -1
                                    : repository_export(repository, journal_get(intent, "snapshot"), &paths, fd,
                                                        &run->console->progress, &summary, &why);
    }
    repository_close(repository);
    strings_free(&paths);
    file_drop(&fd);
    return result == 0 ? 0
                       : error_set(error, CSN_SEQUENCE_NO_WAY_BACK, "%s would come back from the snapshot %.12s: %s",
                                   journal_get(intent, "path"), journal_get(intent, "snapshot"), why.message);
}
