#include "sequence/run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "caisson/version.h"
#include "lib/clock.h"
#include "lib/file.h"
#include "lib/root.h"
#include "sequence/media.h"

#define BACKUP_MOUNT "/run/caisson/backup"
#define PROFILES_FOLDER "/etc/caisson/profiles"
#define TRUST_FOLDER "/etc/caisson/trust"
#define PACKAGES_LIMIT 64

static char *join(const char *folder, const char *name, struct error *error)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s", folder, name);
    char *joined = buffer_take(&path);
    if (joined == NULL) {
        error_set(error, CSN_MEMORY, "no memory for the path %s/%s", folder, name);
    }
    return joined;
}

char *run_staged_path(const struct run *run, const char *path, struct error *error)
{
    struct buffer staged = {0};
    buffer_format(&staged, "%s.caisson-%s", path, run->evidence.run);
    char *joined = buffer_take(&staged);
    if (joined == NULL) {
        error_set(error, CSN_MEMORY, "no memory for the path %s", path);
    }
    return joined;
}

/* --- beginning ----------------------------------------------------------------------------------------------------- */

static void show_record(void *context, const struct journal *journal, yyjson_val *record)
{
    struct run *run = context;
    (void)journal;
    const char *kind = journal_get(record, "kind");
    if (strcmp(kind, "intent") == 0) {
        const char *other = journal_get(record, "other");
        console_say(run->console, "  journal %lld: %s %s%s%s", (long long)journal_get_number(record, "seq"),
                    journal_get(record, "deed"), journal_get(record, "path"), other[0] == '\0' ? "" : " with ", other);
    } else if (strcmp(kind, "undone") == 0) {
        console_say(run->console, "  journal %lld: undone %lld", (long long)journal_get_number(record, "seq"),
                    (long long)journal_get_number(record, "of"));
    }
}

static int record_run(struct run *run, struct error *error)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_int(document, fields, "format", 1);
    yyjson_mut_obj_add_str(document, fields, "run", run->evidence.run);
    yyjson_mut_obj_add_str(document, fields, "tool", "caisson " CAISSON_VERSION);
    yyjson_mut_obj_add_str(document, fields, "job_name", run->job.name);
    yyjson_mut_obj_add_str(document, fields, "job_sha256", run->job.digest);
    yyjson_mut_obj_add_str(document, fields, "job", run->job.text);
    yyjson_mut_obj_add_str(document, fields, "job_folder", run->job.folder);
    yyjson_mut_obj_add_str(document, fields, "language", run->job.language);
    yyjson_mut_obj_add_bool(document, fields, "image", run->image);
    if (run->job.approved_by != NULL) {
        yyjson_mut_obj_add_str(document, fields, "approved_by", run->job.approved_by);
    }
    int result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "run", fields, error);
    yyjson_mut_doc_free(document);
    return result;
}

static void run_init(struct run *run, const struct run_options *options)
{
    *run = (struct run){.console = options->console, .trust_path = options->trust_path, .rollback_ms = -1};
    run->evidence.dir_fd = -1;
    run->site.place.root_fd = -1;
    run->target.root_fd = -1;
    run->image = protect_is_image();
    if (run->image || run->trust_path == NULL) {
        run->trust_path = TRUST_FOLDER;
    }
    journal_init(&run->journal);
    run->journal.watch = show_record;
    run->journal.watch_context = run;
}

/* Protection comes first of all; then the folder where the evidence goes. */
static int open_base(struct run *run, const char *wanted, struct error *error)
{
    if (mount_namespace(error) != 0) {
        return -1;
    }
    if (run->image && protect_start(&run->protect, NULL, error) != 0) {
        return -1;
    }
    if (evidence_is_volatile(wanted) && run->image && run->job.backup_disk != NULL) {
        if (run_open_backup(run, error) != 0) {
            return -1;
        }
        wanted = run->backup_path;
    }
    run->base = strdup(wanted);
    if (run->base == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the run");
    }
    return evidence_make_writable(run->base, run->image ? &run->protect : NULL, error);
}

int run_prepare(struct run *run, const struct run_options *options, const char *job_path, struct error *error)
{
    run_init(run, options);
    return job_read(&run->job, job_path, error) != 0 ? -1 : open_base(run, run->job.folder, error);
}

int run_attach_stick(struct run *run, struct error *error)
{
    if (run->stick_attached) {
        return 0;
    }
    run->stick_attached = journal_attach(&run->journal, run->evidence.dir_fd, JOURNAL_FILE, "stick", error) == 0;
    return run->stick_attached ? 0 : -1;
}

int run_create(struct run *run, struct error *error)
{
    if (evidence_create(&run->evidence, run->base, error) != 0 || run_attach_stick(run, error) != 0) {
        return -1;
    }
    return record_run(run, error);
}

int run_adopt(struct run *run, struct journal *journal, struct error *error)
{
    yyjson_val *first = journal->count == 0 ? NULL : journal_record(journal, 0);
    if (!journal_is(first, "run")) {
        return error_set(error, CSN_JOURNAL_BROKEN, "the journal does not begin with the record of its run");
    }
    struct job job;
    if (job_parse(&job, "the job in the journal", journal_get(first, "job"), run->job.folder, error) != 0) {
        return -1;
    }
    job_free(&run->job);
    run->job = job;
    journal->watch = run->journal.watch;
    journal->watch_context = run;
    run->journal = *journal;
    journal_init(journal);
    return evidence_open(&run->evidence, run->base, journal_get(journal_record(&run->journal, 0), "run"), error);
}

/* --- packages ------------------------------------------------------------------------------------------------------ */

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

int run_open_packages(struct run *run, struct error *error)
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
        char *path =
            files->items[i][0] == '/' ? strdup(files->items[i]) : join(run->job.folder, files->items[i], error);
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

/* --- the server ---------------------------------------------------------------------------------------------------- */

/* A profile of the stick comes before the package's, that before the image's. */
static int load_profiles(struct run *run, struct error *error)
{
    char *folder = join(run->job.folder, "profiles", error);
    int result = folder == NULL ? -1 : profiles_add_folder(&run->profiles, folder, error);
    free(folder);
    for (size_t i = 0; result == 0 && i < run->package_count; i++) {
        struct buffer text = {0};
        struct profile profile = {0};
        if (package_member_find(&run->packages[i], "application.profile") != NULL) {
            result = package_member_read(&run->packages[i], "application.profile", 1 << 20, &text, error);
            if (result == 0) {
                result = profile_parse(&profile, "application.profile", buffer_text(&text), text.size, error);
            }
            if (result == 0) {
                result = profiles_add(&run->profiles, &profile, error);
            }
        }
        buffer_free(&text);
    }
    return result == 0 ? profiles_add_folder(&run->profiles, PROFILES_FOLDER, error) : -1;
}

int run_record_server(struct run *run, struct error *error)
{
    const struct installation *found = &run->target.installation;
    struct strings disks = {0};
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "machine_id", found->machine_id);
    yyjson_mut_obj_add_str(document, fields, "host", found->host_name);
    yyjson_mut_obj_add_str(document, fields, "os", found->os_name);
    yyjson_mut_obj_add_str(document, fields, "application", found->profile->name);
    yyjson_mut_obj_add_str(document, fields, "title", found->profile->title);
    yyjson_mut_obj_add_str(document, fields, "profile", found->profile->source);
    yyjson_mut_obj_add_str(document, fields, "version", found->version);
    yyjson_mut_obj_add_str(document, fields, "program_root", found->program_root);
    if (found->cluster != NULL) {
        yyjson_mut_obj_add_str(document, fields, "cluster", found->cluster);
        yyjson_mut_obj_add_str(document, fields, "cluster_version", found->cluster_version);
    }
    yyjson_mut_obj_add_str(document, fields, "volume", found->volume);
    int result = target_disks(&run->target, &disks, error);
    yyjson_mut_val *list = yyjson_mut_obj_add_arr(document, fields, "disks");
    for (size_t i = 0; i < disks.count; i++) {
        yyjson_mut_arr_add_str(document, list, disks.items[i]);
    }
    if (result == 0) {
        result = document == NULL ? error_set(error, CSN_MEMORY, "no memory for a journal record")
                                  : journal_append(&run->journal, "server", fields, error);
    }
    yyjson_mut_doc_free(document);
    strings_free(&disks);
    return result;
}

static void refresh_site(struct run *run)
{
    run->site = (struct site){
        .root_path = run->target.root_path,
        .place = {.root_fd = run->target.root_fd, .journal = &run->journal, .step = run->site.place.step}};
}

int run_open_target(struct run *run, struct error *error)
{
    if (load_profiles(run, error) != 0) {
        return -1;
    }
    struct target_options options = {
        .disk = run->job.server_disks.count > 0 ? run->job.server_disks.items[0] : NULL,
        .root_folder = run->job.root_folder,
        .program_root = run->job.program_root,
        .profile_name = run->job.profile,
        .profiles = &run->profiles,
        .writable_later = true,
    };
    if (target_open(&run->target, &options, error) != 0) {
        return -1;
    }
    run->target_is_open = true;
    refresh_site(run);
    const struct installation *found = &run->target.installation;
    if (found->cluster != NULL && cluster_examine(run->target.root_fd, found->cluster,
                                                  run->target.profile->database.binaries, &run->cluster, error) != 0) {
        return -1;
    }
    return 0;
}

/* --- disks --------------------------------------------------------------------------------------------------------- */

int run_open_backup(struct run *run, struct error *error)
{
    if (run->backup_path != NULL) {
        return 0;
    }
    const struct job *job = &run->job;
    if (job->backup_disk != NULL) {
        run->backup_path = strdup(BACKUP_MOUNT);
        if (run->backup_path == NULL) {
            return error_set(error, CSN_MEMORY, "no memory for the run");
        }
        if (media_mount(job->backup_disk, BACKUP_MOUNT, run->image ? &run->protect : NULL, error) != 0) {
            return -1;
        }
        run->backup_mounted = true;
        run->repository_path = join(run->backup_path, job->backup_folder, error);
    } else if (job->backup_folder[0] == '/') {
        run->backup_path = strdup(job->backup_folder);
        run->repository_path = join(job->backup_folder, "repository", error);
        if (run->backup_path != NULL && file_make_dirs(AT_FDCWD, run->backup_path, 0700, error) != 0) {
            return -1;
        }
    } else {
        return 0; /* a job that needs no backup */
    }
    return run->backup_path == NULL || run->repository_path == NULL
               ? error_set(error, CSN_MEMORY, "no memory for the run")
               : 0;
}

/* Where overlays are written: beside the repository if its file system can carry them, else memory. */
int run_open_scratch(struct run *run, struct error *error)
{
    if (run->scratch_path != NULL || run->job.scratch_in_memory || run->backup_path == NULL ||
        !media_carries_overlays(run->backup_path)) {
        return 0;
    }
    struct buffer path = {0};
    buffer_format(&path, "%s/caisson-scratch-%s", run->backup_path, run->evidence.run);
    run->scratch_path = buffer_take(&path);
    return run->scratch_path == NULL ? error_set(error, CSN_MEMORY, "no memory for the run")
                                     : file_make_dirs(AT_FDCWD, run->scratch_path, 0700, error);
}

static int protect_server(struct run *run, bool lift, struct error *error)
{
    const struct target *target = &run->target;
    for (size_t i = 0; run->image && i < target->mounts.count; i++) {
        for (size_t k = 0; k < target->survey.disks.count; k++) {
            const struct disk *disk = &target->survey.disks.items[k];
            if (strcmp(disk->name, target->mounts.items[i].disk) != 0) {
                continue;
            }
            if ((lift ? protect_lift(&run->protect, disk, error) : protect_restore(&run->protect, disk, error)) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* A disk that the job does not name stays protected, whatever lies on it. */
static int check_disks_named(const struct run *run, struct error *error)
{
    for (size_t i = 0; i < run->target.mounts.count; i++) {
        bool named = false;
        for (size_t k = 0; !named && k < run->job.server_disks.count; k++) {
            struct error none;
            const struct disk *disk =
                disks_find(&run->target.survey.disks, run->job.server_disks.items[k], NULL, &none);
            named = disk != NULL && strcmp(disk->name, run->target.mounts.items[i].disk) == 0;
        }
        if (!named) {
            return error_set(error, CSN_TARGET_DISK_MISSING,
                             "the server's %s lies on %s, which [server] disks does not name",
                             run->target.mounts.items[i].place, run->target.mounts.items[i].disk);
        }
    }
    return 0;
}

/* The server's copy of the journal may be ahead of the stick's by the record that was being written when the power went; then
 * both go on from the longer one. */
static int bring_together(struct run *run, int folder_fd, struct error *error)
{
    struct journal there;
    struct error reading = {0};
    journal_init(&there);
    int result = journal_read(&there, folder_fd, JOURNAL_FILE, &reading);
    if (result == 0 && run->stick_attached && there.lines.size > run->journal.lines.size) {
        result =
            error_set(error, CSN_JOURNAL_FORK, "the server's copy of the journal has more records than this run made");
    } else if (result == 0) {
        result = journal_merge(&run->journal, &there, error);
    } else if (reading.code == CSN_NOT_FOUND) {
        result = 0;
    } else if (error != NULL) {
        *error = reading;
    }
    journal_free(&there);
    return result;
}

int run_make_writable(struct run *run, struct error *error)
{
    if (run->server_writable) {
        return 0;
    }
    if (check_disks_named(run, error) != 0 || protect_server(run, true, error) != 0 ||
        target_make_writable(&run->target, error) != 0) {
        return -1;
    }
    refresh_site(run);
    run->server_writable = true;
    int folder_fd = evidence_open_server(run->target.root_fd, run->evidence.run, true, error);
    int result = -1;
    if (folder_fd >= 0 && bring_together(run, folder_fd, error) == 0 && run_attach_stick(run, error) == 0) {
        result = journal_attach(&run->journal, folder_fd, JOURNAL_FILE, "server", error);
    }
    file_drop(&folder_fd);
    return result;
}

int run_make_read_only(struct run *run, struct error *error)
{
    if (!run->server_writable) {
        return 0;
    }
    run->server_writable = false;
    int result = journal_detach(&run->journal, "server", error);
    if (target_make_read_only(&run->target, result == 0 ? error : NULL) != 0) {
        result = -1;
    }
    refresh_site(run);
    if (protect_server(run, false, result == 0 ? error : NULL) != 0) {
        result = -1;
    }
    return result;
}

/* --- ending -------------------------------------------------------------------------------------------------------- */

static void note_first(int failed, int *result, struct error *error, const struct error *now)
{
    if (failed != 0 && *result == 0) {
        *result = -1;
        if (error != NULL) {
            *error = *now;
        }
    }
}

int run_close_target(struct run *run, struct error *error)
{
    struct error now = {0};
    int result = 0;
    if (!run->target_is_open) {
        return 0;
    }
    run->target_is_open = false;
    note_first(run_make_read_only(run, &now), &result, error, &now);
    note_first(target_close(&run->target, &now), &result, error, &now);
    cluster_free(&run->cluster);
    profiles_free(&run->profiles);
    run->cluster = (struct cluster){0};
    run->profiles = (struct profiles){0};
    return result;
}

int run_close(struct run *run, struct error *error)
{
    struct error now = {0};
    int result = 0;
    note_first(run_close_target(run, &now), &result, error, &now);
    if (run->scratch_path != NULL) {
        note_first(media_remove(run->scratch_path, &run->console->progress, &now), &result, error, &now);
    }
    journal_free(&run->journal);
    evidence_close(&run->evidence);
    if (run->backup_mounted) {
        note_first(media_unmount(run->backup_path, &now), &result, error, &now);
    }
    for (size_t i = 0; i < run->package_count; i++) {
        package_close(&run->packages[i]);
    }
    package_trust_free(&run->trust);
    free(run->packages);
    free(run->hops);
    assess_free(&run->assessment);
    protect_free(&run->protect);
    job_free(&run->job);
    free(run->base);
    free(run->backup_path);
    free(run->repository_path);
    free(run->scratch_path);
    run_init(run, &(struct run_options){.console = run->console, .trust_path = run->trust_path});
    return result;
}

/* --- paths --------------------------------------------------------------------------------------------------------- */

static int add_path(const struct run *run, struct strings *paths, const char *path, struct error *error)
{
    if (!root_exists(run->target.root_fd, path)) {
        return 0;
    }
    for (size_t i = 0; i < paths->count; i++) {
        if (path_is_inside(path, paths->items[i])) {
            return 0;
        }
    }
    for (size_t i = 0; i < paths->count;) {
        if (!path_is_inside(paths->items[i], path)) {
            i++;
            continue;
        }
        free(paths->items[i]);
        memmove(&paths->items[i], &paths->items[i + 1], (paths->count - i) * sizeof paths->items[0]);
        paths->count--;
    }
    return strings_add(paths, path, error);
}

static int add_paths(const struct run *run, struct strings *paths, const struct strings *more, struct error *error)
{
    for (size_t i = 0; i < more->count; i++) {
        if (add_path(run, paths, more->items[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The folder of the cluster's configuration, where it lies outside (Debian: /etc/postgresql/15/main). */
static int add_config_folder(const struct run *run, struct strings *paths, struct error *error)
{
    const char *config = run->cluster.config_file;
    const char *slash = config == NULL ? NULL : strrchr(config, '/');
    if (slash == NULL || slash == config) {
        return 0;
    }
    char *folder = strndup(config, (size_t)(slash - config));
    int result =
        folder == NULL ? error_set(error, CSN_MEMORY, "no memory for a path") : add_path(run, paths, folder, error);
    free(folder);
    return result;
}

int run_paths(const struct run *run, struct strings *paths, struct error *error)
{
    const struct profile *profile = run->target.profile;
    if (add_path(run, paths, run->target.installation.program_root, error) != 0 ||
        add_paths(run, paths, &profile->configuration, error) != 0 ||
        add_paths(run, paths, &profile->attachments, error) != 0) {
        return -1;
    }
    if (run->cluster.data_path == NULL) {
        return 0;
    }
    if (add_path(run, paths, run->cluster.data_path, error) != 0 || add_config_folder(run, paths, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < run->cluster.folder_count; i++) {
        if (add_path(run, paths, run->cluster.folders[i].target, error) != 0) {
            return -1;
        }
    }
    return 0;
}
