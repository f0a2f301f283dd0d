/*
 * collect_run.c - whose run on which server with which packages, and the versions before and after.
 */
#include "report/collect.h"

#include <string.h>

static void add_packages(struct collect *collect)
{
    yyjson_mut_val *list = NULL;
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "package")) {
            list = list != NULL ? list : collect_list(collect, collect->root, "packages");
            yyjson_mut_val *item = collect_item(collect, list);
            collect_copy(collect, item, record, "name", "application", "title", "version", "from", "size_bytes",
                         "index_sha256", "signer", "issuer", "dates_hold", NULL);
            collect_seq(collect, item, "record", record);
        }
    }
}

/* What a release record, the migrations or the only package say of the version that was brought: no guess beyond that. */
static yyjson_val *find_new_version(const struct collect *collect, const char **version)
{
    static const char *const sources[][2] = {{"released", "version"}, {"migration", "package"}};
    for (size_t i = 0; i < 2; i++) {
        yyjson_val *record = collect_last(collect, sources[i][0]);
        *version = journal_get(record, sources[i][1]);
        if ((*version)[0] != '\0') {
            return record;
        }
    }
    yyjson_val *only = collect_last(collect, "package");
    *version = journal_get(only, "version");
    for (size_t i = 0; i < collect->journal->count; i++) {
        yyjson_val *record = journal_record(collect->journal, i);
        if (journal_is(record, "package") && record != only && strcmp(journal_get(record, "version"), *version) != 0) {
            return NULL;
        }
    }
    return (*version)[0] == '\0' ? NULL : only;
}

static void add_versions(struct collect *collect)
{
    yyjson_val *server = collect_last(collect, "server");
    if (journal_get(server, "version")[0] == '\0') {
        return;
    }
    yyjson_mut_val *versions = collect_object(collect, collect->root, "versions");
    collect_text(collect, versions, "before", journal_get(server, "version"));
    collect_seq(collect, versions, "before_record", server);
    const char *version = "";
    yyjson_val *source = find_new_version(collect, &version);
    if (source != NULL) {
        collect_text(collect, versions, "wanted", version);
        collect_seq(collect, versions, "wanted_record", source);
    }
}

void collect_run(struct collect *collect)
{
    yyjson_val *run = collect->journal->count == 0 ? NULL : journal_record(collect->journal, 0);
    if (run != NULL) {
        yyjson_val *last = journal_record(collect->journal, collect->journal->count - 1);
        yyjson_mut_val *object = collect_object(collect, collect->root, "run");
        collect_copy(collect, object, run, "run", "tool", "job_name", "job_sha256", "approved_by", "language", "image",
                     "job", NULL);
        collect_text(collect, object, "begun", journal_get(run, "time"));
        collect_text(collect, object, "last_record_time", journal_get(last, "time"));
        collect_seq(collect, object, "record", run);
    }
    yyjson_val *server = collect_last(collect, "server");
    if (server != NULL) {
        yyjson_mut_val *object = collect_object(collect, collect->root, "server");
        collect_copy(collect, object, server, "host", "machine_id", "os", "application", "title", "profile", "version",
                     "program_root", "cluster", "cluster_version", "volume", "disks", NULL);
        collect_seq(collect, object, "record", server);
    }
    add_packages(collect);
    add_versions(collect);
}
