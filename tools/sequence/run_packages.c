/*
 * run_packages.c - the trust anchors and packages of a run, and the path through them.
 */
#include "sequence/run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define PACKAGES_LIMIT 64

/* A path of the job: its own folder is where relative ones begin. */
static char *job_path(const struct run *run, const char *name, struct error *error)
{
    struct buffer path = {0};
    buffer_format(&path, "%s%s%s", name[0] == '/' ? "" : run->job.folder, name[0] == '/' ? "" : "/", name);
    char *joined = buffer_take(&path);
    if (joined == NULL) {
        error_set(error, CSN_MEMORY, "no memory for the path %s", name);
    }
    return joined;
}

static int record_package(struct run *run, const struct package *package, struct error *error)
{
    char digest[SHA256_HEX_SIZE];
    hex_encode(package->index_sha256, SHA256_SIZE, digest);
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "name", package->name);
    yyjson_mut_obj_add_str(document, fields, "application", package->application);
    yyjson_mut_obj_add_str(document, fields, "title", package->title);
    yyjson_mut_obj_add_str(document, fields, "version", package->version);
    yyjson_mut_val *from = yyjson_mut_obj_add_arr(document, fields, "from");
    for (size_t i = 0; i < package->from.count; i++) {
        yyjson_mut_arr_add_str(document, from, package->from.items[i]);
    }
    yyjson_mut_obj_add_str(document, fields, "index_sha256", digest);
    yyjson_mut_obj_add_uint(document, fields, "size_bytes", package->size_bytes);
    yyjson_mut_obj_add_str(document, fields, "signer", package->signer.subject);
    yyjson_mut_obj_add_str(document, fields, "issuer", package->signer.issuer);
    yyjson_mut_obj_add_bool(document, fields, "dates_hold", package->signer.dates_hold);
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "package", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

void run_close_packages(struct run *run)
{
    for (size_t i = 0; i < run->package_count; i++) {
        package_close(&run->packages[i]);
    }
    package_trust_free(&run->trust);
    free(run->packages);
    free(run->hops);
    run->trust = (struct package_trust){0};
    run->packages = NULL;
    run->package_count = 0;
    run->hops = NULL;
    run->hop_count = 0;
}

static int open_all(struct run *run, struct error *error)
{
    if (package_trust_load(&run->trust, run->trust_path, error) != 0) {
        return -1;
    }
    const struct strings *files = &run->job.package_files;
    run->packages = calloc(files->count, sizeof *run->packages);
    run->hops = calloc(files->count, sizeof(const struct package *));
    if (run->packages == NULL || run->hops == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the packages");
    }
    for (size_t i = 0; i < files->count; i++) {
        char *path = job_path(run, files->items[i], error);
        struct package *package = &run->packages[i];
        int result = path == NULL ? -1 : package_open(package, AT_FDCWD, path, &run->trust, error);
        free(path);
        if (result != 0) {
            return -1;
        }
        run->package_count++;
        if (package_verify(package, &run->console->progress, error) != 0) {
            return -1;
        }
    }
    return 0;
}

int run_open_packages(struct run *run, struct error *error)
{
    if (run->packages != NULL) {
        return 0;
    }
    int result = open_all(run, error);
    if (result != 0) {
        run_close_packages(run);
    }
    return result;
}

void run_try_packages(struct run *run)
{
    struct error why = {0};
    if (run->job.package_files.count > 0 && run_open_packages(run, &why) != 0) {
        console_say(run->console, "  the packages cannot be asked for profiles: %s", why.message);
    }
}

int run_record_packages(struct run *run, struct error *error)
{
    for (size_t i = 0; i < run->package_count; i++) {
        if (record_package(run, &run->packages[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

int run_find_path(struct run *run, const char *version, struct error *error)
{
    const struct package *packages[PACKAGES_LIMIT];
    if (run->package_count > PACKAGES_LIMIT) {
        return error_set(error, CSN_JOB_VALUE, "the job lists %zu packages, more than %d", run->package_count,
                         PACKAGES_LIMIT);
    }
    for (size_t i = 0; i < run->package_count; i++) {
        packages[i] = &run->packages[i];
    }
    const char *application = run->target.profile->name;
    if (run->package_count == 1 && package_check_application(packages[0], application, error) != 0) {
        return -1;
    }
    if (package_path_find(packages, run->package_count, application, version, run->job.goal_version, run->hops,
                          &run->hop_count, error) != 0) {
        return -1;
    }
    return run->hop_count > 0
               ? 0
               : error_set(error, CSN_PACKAGE_VERSION, "the server already has %s %s", application, version);
}
