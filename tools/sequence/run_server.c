/*
 * run_server.c - the server of a run: found and recorded, its disks opened for writing and closed again, its paths.
 */
#include "sequence/run.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/file.h"
#include "lib/root.h"
#include "lib/strings.h"
#include "lib/text.h"
#include "sequence/in_place.h"
#include "target/installation.h"
#include "target/services.h"

#define PROFILES_FOLDER "/etc/caisson/profiles"
#define ROOT_IDENTITY_SIZE 128

/* The profile with which a run that is taken up again began: the stick may have lost it since, with the package. */
static int load_recorded(struct run *run, struct error *error)
{
    yyjson_val *server = journal_last(&run->journal, "server");
    const char *text = server == NULL ? "" : journal_get(server, "profile_text");
    struct profile profile = {0};
    return text[0] == '\0' ? 0
           : profile_parse(&profile, journal_get(server, "profile"), text, strlen(text), error) != 0
               ? -1
               : profiles_add(&run->profiles, &profile, error);
}

/* The run's own profile comes before one of the stick, that before the package's, that before the image's. */
static int load_profiles(struct run *run, struct error *error)
{
    struct buffer folder = {0};
    buffer_format(&folder, "%s/profiles", run->job.folder);
    int result = buffer_check(&folder, error);
    if (result == 0) {
        result = load_recorded(run, error);
    }
    if (result == 0) {
        result = profiles_add_folder(&run->profiles, folder.data, error);
    }
    buffer_free(&folder);
    for (size_t i = 0; result == 0 && i < run->package_count; i++) {
        struct profile profile;
        result = package_profile_read(&run->packages[i], &profile, error);
        if (result == 0 && profile.name != NULL) {
            result = profiles_add(&run->profiles, &profile, error);
        }
    }
    return result == 0 ? profiles_add_folder(&run->profiles, PROFILES_FOLDER, error) : -1;
}

/* What tells this server's root from that of another with the same machine-id; "" where there is nothing. */
static void root_identity(const struct run *run, char *text, size_t size)
{
    const struct target *target = &run->target;
    struct stat status;
    text[0] = '\0';
    if (run->job.root_folder != NULL) {
        if (fstat(target->root_fd, &status) == 0) {
            snprintf(text, size, "inode:%llu", (unsigned long long)status.st_ino);
        }
        return;
    }
    for (size_t i = 0; i < target->survey.disks.count; i++) {
        const struct disk *disk = &target->survey.disks.items[i];
        for (size_t k = 0; k < disk->volume_count; k++) {
            if (strcmp(disk->volumes[k].path, target->installation.volume) == 0 && disk->volumes[k].uuid != NULL) {
                snprintf(text, size, "uuid:%s", disk->volumes[k].uuid);
            }
        }
    }
}

/* One more than the newest run that the server holds. */
static int next_number(const struct run *run, int64_t *number, struct error *error)
{
    struct journal newest;
    bool found = false;
    journal_init(&newest);
    int runs_fd = root_try_open(run->target.root_fd, EVIDENCE_SERVER, O_RDONLY | O_DIRECTORY, 0);
    int result = evidence_find(runs_fd, RUN_UNFINISHED | RUN_ENDED | RUN_RELEASED, NULL, &newest, &found, error);
    *number = 1 + journal_get_number(journal_last(&newest, "server"), "number");
    journal_free(&newest);
    file_drop(&runs_fd);
    return result;
}

int run_record_server(struct run *run, struct error *error)
{
    const struct installation *found = &run->target.installation;
    struct strings disks = {0};
    char identity[ROOT_IDENTITY_SIZE];
    int64_t number = 0;
    root_identity(run, identity, sizeof identity);
    if (next_number(run, &number, error) != 0) {
        return -1;
    }
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *fields = yyjson_mut_obj(document);
    yyjson_mut_obj_add_str(document, fields, "machine_id", found->machine_id);
    yyjson_mut_obj_add_str(document, fields, "root_identity", identity);
    yyjson_mut_obj_add_sint(document, fields, "number", number);
    yyjson_mut_obj_add_str(document, fields, "host", found->host_name);
    yyjson_mut_obj_add_str(document, fields, "os", found->os_name);
    yyjson_mut_obj_add_str(document, fields, "application", found->profile->name);
    yyjson_mut_obj_add_str(document, fields, "title", found->profile->title);
    yyjson_mut_obj_add_str(document, fields, "profile", found->profile->source);
    if (utf8_is_valid(found->profile->text, strlen(found->profile->text))) {
        yyjson_mut_obj_add_str(document, fields, "profile_text", found->profile->text);
    }
    yyjson_mut_obj_add_str(document, fields, "version", found->version);
    yyjson_mut_obj_add_str(document, fields, "program_root", found->program_root);
    if (found->cluster != NULL) {
        yyjson_mut_obj_add_str(document, fields, "cluster", found->cluster);
        yyjson_mut_obj_add_str(document, fields, "cluster_version", found->cluster_version);
    }
    yyjson_mut_obj_add_str(document, fields, "volume", found->volume);
    int result = target_disks(&run->target, false, &disks, error);
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

static size_t first_line(const struct journal *journal)
{
    return strcspn(journal->lines.data, "\n");
}

/* True if the server holds a journal that begins with the record of this very run. */
static bool holds_its_journal(const struct run *run)
{
    struct journal there;
    struct error ignored;
    bool same = false;
    journal_init(&there);
    int folder_fd = evidence_open_server(run->target.root_fd, run->evidence.run, false, &ignored);
    if (folder_fd >= 0) {
        (void)!journal_read(&there, folder_fd, JOURNAL_FILE, &ignored);
        same = there.count > 0 && run->journal.count > 0 && first_line(&there) == first_line(&run->journal) &&
               memcmp(there.lines.data, run->journal.lines.data, first_line(&there)) == 0;
    }
    file_drop(&folder_fd);
    journal_free(&there);
    return same;
}

/* True if a folder of this run stands beside something that it exchanged or was going to: its name is nobody else's. */
static bool holds_its_folder(const struct run *run)
{
    char folder[STAGED_FOLDER_SIZE];
    run_staged_folder(run, folder);
    for (size_t i = 0; i < run->journal.count; i++) {
        yyjson_val *record = journal_record(&run->journal, i);
        const char *path = journal_is(record, "intent") ? journal_get(record, "path") : "";
        const char *name = strstr(path, folder);
        size_t length = name == NULL ? 0 : (size_t)(name - path) + strlen(folder);
        char beside[4096];
        if (name != NULL && length < sizeof beside && snprintf(beside, length + 1, "%s", path) >= 0 &&
            root_exists(run->target.root_fd, beside)) {
            return true;
        }
    }
    return false;
}

/* True if there is a fence, and no other run that may have put it up. */
static bool holds_its_fence(const struct run *run)
{
    struct journal other;
    struct error ignored;
    bool found = false;
    journal_init(&other);
    if (!root_exists(run->target.root_fd, FENCE_FLAG)) {
        return false;
    }
    int runs_fd = root_try_open(run->target.root_fd, EVIDENCE_SERVER, O_RDONLY | O_DIRECTORY, 0);
    int result = evidence_find(runs_fd, RUN_UNFINISHED, NULL, &other, &found, &ignored);
    file_drop(&runs_fd);
    journal_free(&other);
    return result == 0 && !found;
}

bool run_is_its_server(const struct run *run)
{
    yyjson_val *server = journal_last(&run->journal, "server");
    char identity[ROOT_IDENTITY_SIZE];
    root_identity(run, identity, sizeof identity);
    return (server != NULL && strcmp(journal_get(server, "machine_id"), run->target.installation.machine_id) == 0 &&
            strcmp(journal_get(server, "root_identity"), identity) == 0) ||
           holds_its_journal(run) || holds_its_folder(run);
}

bool run_left_nothing(const struct run *run)
{
    return journal_last(&run->journal, "intent") != NULL &&
           !evidence_on_server(run->target.root_fd, run->evidence.run) && !holds_its_folder(run) &&
           !holds_its_fence(run);
}

static void refresh_site(struct run *run)
{
    run->site = (struct site){
        .root_path = run->target.root_path,
        .place = {.root_fd = run->target.root_fd, .journal = &run->journal, .step = run->site.place.step}};
}

/* A disk that the job names and that holds no application may still hold a part of it: the database's, say. */
static bool holds_none(enum error_code code)
{
    return code == CSN_TARGET_NONE || code == CSN_TARGET_MOUNT || code == CSN_TARGET_DIRTY;
}

/* Looks on each disk that the job names: one of them, and only one, must hold the application. */
static int open_named(struct run *run, struct target_options *options, struct error *error)
{
    const struct strings *names = &run->job.server_disks;
    const char *found = NULL;
    struct error first = {0}; /* why there is nothing, as far as it is known */
    struct error why = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < names->count; i++) {
        struct target other;
        options->disk = names->items[i];
        if (target_open(found == NULL ? &run->target : &other, options, &why) != 0) {
            result = holds_none(why.code) ? 0 : -1;
            first = first.code == CSN_NONE || first.code == CSN_TARGET_NONE ? why : first;
        } else if (found == NULL) {
            found = names->items[i];
        } else {
            struct error closing;
            result = error_set(&why, CSN_TARGET_SEVERAL, "there is an installation on %s and another on %s", found,
                               names->items[i]);
            (void)!target_close(&other, &closing);
        }
    }
    if (result == 0 && found != NULL) {
        return 0;
    }
    if (error != NULL) {
        *error = result != 0 ? why : first;
    }
    if (found != NULL) {
        (void)!target_close(&run->target, &first);
    }
    return -1;
}

static int open_found(struct run *run, struct error *error)
{
    struct target_options options = {
        .root_folder = run->job.root_folder,
        .program_root = run->job.program_root,
        .profile_name = run->job.profile,
        .profiles = &run->profiles,
        .writable_later = true,
    };
    return run->job.server_disks.count > 0 ? open_named(run, &options, error)
                                           : target_open(&run->target, &options, error);
}

/* Where each of these leads, whether it is there or not. */
static int add_destinations(const struct run *run, struct strings *paths, const struct strings *more,
                            struct error *error)
{
    for (size_t i = 0; i < more->count; i++) {
        char *path = root_destination(run->target.root_fd, more->items[i], error);
        int result = path == NULL ? -1 : strings_add(paths, path, error);
        free(path);
        if (result != 0) {
            return -1;
        }
    }
    return 0;
}

/* What the application and we ourselves need of the server, also where it cannot be seen. */
static int tell_needs(struct run *run, struct error *error)
{
    static char *const own[] = {(char *)"/etc/systemd/system", (char *)"/etc/caisson", (char *)EVIDENCE_SERVER};
    const struct strings ours = {.items = (char **)own, .count = sizeof own / sizeof own[0]};
    const struct profile *profile = run->target.profile;
    struct strings paths = {0};
    int result = run_paths(run, &paths, error);
    if (result == 0) {
        result = in_place_add_paths(&run->journal, &paths, error) != 0 ||
                         add_destinations(run, &paths, &profile->configuration, error) != 0 ||
                         add_destinations(run, &paths, &profile->attachments, error) != 0 ||
                         add_destinations(run, &paths, &ours, error) != 0
                     ? -1
                     : target_need(&run->target, &paths, error);
    }
    strings_free(&paths);
    return result;
}

/* Where the server itself mounts the backup disk, it is not the server's for us: it could not be mounted for writing meanwhile. */
static int leave_backup(struct run *run, struct error *error)
{
    struct target_mounts *mounts = &run->target.mounts;
    struct error none;
    const struct disk *disk = run->job.backup_disk == NULL || mounts->count == 0
                                  ? NULL
                                  : disks_find(&run->target.survey.disks, run->job.backup_disk, NULL, &none);
    for (size_t i = mounts->count; disk != NULL && i-- > 0;) {
        if (i < mounts->count && mounts->items[i].aside && strcmp(mounts->items[i].disk, disk->name) == 0 &&
            mount_leave(mounts, i, "it is the backup disk's", error) != 0) {
            return -1;
        }
    }
    return 0;
}

int run_open_target(struct run *run, struct error *error)
{
    if ((run->job.root_folder != NULL && run_lock(run, run->job.root_folder, error) != 0) ||
        load_profiles(run, error) != 0 || open_found(run, error) != 0) {
        profiles_free(&run->profiles);
        run->profiles = (struct profiles){0};
        return -1;
    }
    run->target_is_open = true;
    refresh_site(run);
    const struct installation *found = &run->target.installation;
    if (found->cluster != NULL && cluster_examine(run->target.root_fd, found->cluster,
                                                  run->target.profile->database.binaries, &run->cluster, error) != 0) {
        return -1;
    }
    return tell_needs(run, error) != 0 ? -1 : leave_backup(run, error);
}

static int protect_server(struct run *run, bool lift, struct error *error)
{
    const struct target *target = &run->target;
    for (size_t i = 0; run->protect != NULL && i < target->mounts.count; i++) {
        for (size_t k = 0; k < target->survey.disks.count; k++) {
            const struct disk *disk = &target->survey.disks.items[k];
            if (target->mounts.items[i].aside || strcmp(disk->name, target->mounts.items[i].disk) != 0) {
                continue;
            }
            if ((lift ? protect_lift(run->protect, disk, error) : protect_restore(run->protect, disk, error)) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

int run_check_disks_named(const struct run *run, struct error *error)
{
    for (size_t i = 0; i < run->target.mounts.count; i++) {
        bool named = run->target.mounts.items[i].aside;
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
    } else if (reading.code == CSN_NOT_FOUND || run_passes_over(run, folder_fd, "server", "stick")) {
        result = 0;
    } else if (error != NULL) {
        *error = reading;
    }
    journal_free(&there);
    return result;
}

/* No run begins with something mounted inside of what is exchanged by name. Where it came since, it must not go along while the old
 * version comes back. */
static int leave_inside(struct run *run, struct error *error)
{
    struct target_mounts *mounts = &run->target.mounts;
    const struct cluster *cluster = run->cluster.data_path == NULL ? NULL : &run->cluster;
    struct strings paths = {0};
    int result = assess_switched_paths(&run->target, cluster, &paths, error);
    for (size_t i = mounts->count; result == 0 && i-- > 0;) {
        for (size_t k = 0; result == 0 && k < paths.count && i < mounts->count; k++) {
            if (strcmp(mounts->items[i].place, paths.items[k]) != 0 &&
                path_is_inside(mounts->items[i].place, paths.items[k])) {
                result = mount_leave(mounts, i, "it lies inside of what comes back", error);
            }
        }
    }
    strings_free(&paths);
    return result;
}

/* Brings the copies of the journal together and attaches both. Undoing goes on where the server has no room for one. */
static int open_journal(struct run *run, struct error *error)
{
    struct error full;
    if (run_left_nothing(run)) {
        return error_set(error, CSN_JOURNAL_NONE, "run %s has changed its server, and this one holds no journal of it",
                         run->evidence.run);
    }
    int folder_fd = evidence_open_server(run->target.root_fd, run->evidence.run, true, &full);
    if (folder_fd < 0 && (full.code != CSN_NO_SPACE || !journal_may_lag(&run->journal, "server"))) {
        return error_set(error, full.code, "%s", full.message);
    }
    int result = folder_fd < 0 ? 0 : bring_together(run, folder_fd, error);
    if (result == 0) {
        result = run_attach_stick(run, error);
    }
    if (result == 0 && folder_fd >= 0) {
        result = journal_attach(&run->journal, folder_fd, JOURNAL_FILE, "server", error);
    }
    file_drop(&folder_fd);
    return result;
}

int run_make_writable(struct run *run, struct error *error)
{
    if (run->server_writable) {
        return 0;
    }
    if (target_check_seen(&run->target, error) != 0 || leave_inside(run, error) != 0 ||
        run_check_disks_named(run, error) != 0) {
        return -1;
    }
    if (protect_server(run, true, error) != 0 || target_make_writable(&run->target, error) != 0) {
        struct error ignored;
        refresh_site(run);
        (void)!protect_server(run, false, &ignored);
        return -1;
    }
    refresh_site(run);
    run->server_writable = true;
    if (open_journal(run, error) != 0 || run_keep_key(run, error) != 0) {
        struct error ignored;
        (void)!run_make_read_only(run, &ignored);
        return -1;
    }
    return 0;
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
    /* What could not be mounted anew is still written to: closing the run tries once more. */
    if (!run->target.mounts.writable && protect_server(run, false, result == 0 ? error : NULL) != 0) {
        result = -1;
    }
    return result;
}

/* --- paths --------------------------------------------------------------------------------------------------------- */

void run_staged_folder(const struct run *run, char name[STAGED_FOLDER_SIZE])
{
    snprintf(name, STAGED_FOLDER_SIZE, ".caisson-%s", run->evidence.run);
}

char *run_staged_path(const struct run *run, const char *path, struct error *error)
{
    char folder[STAGED_FOLDER_SIZE];
    run_staged_folder(run, folder);
    return path_beside(path, folder, error);
}

static int add_path(const struct run *run, struct strings *paths, const char *path, struct error *error)
{
    return root_exists(run->target.root_fd, path) ? path_add_outer(paths, path, error) : 0;
}

/* Links on the way count, too, each by itself, and the real place: without them a restored server would not find its own. */
static int add_traced(const struct run *run, struct strings *paths, const char *path, struct error *error)
{
    struct strings links = {0};
    char *real = NULL;
    int result = root_trace(run->target.root_fd, path, &links, &real, error);
    for (size_t i = 0; result == 0 && i < links.count; i++) {
        result = add_path(run, paths, links.items[i], error);
    }
    if (result == 0 && real != NULL) {
        result = add_path(run, paths, real, error);
    }
    strings_free(&links);
    free(real);
    return result;
}

static int add_paths(const struct run *run, struct strings *paths, const struct strings *more, struct error *error)
{
    for (size_t i = 0; i < more->count; i++) {
        if (add_traced(run, paths, more->items[i], error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What a pattern of the profile found on this server is known by its real path; the links that lead to it go along. */
static int add_found(const struct run *run, struct strings *paths, const char *pattern, const char *found,
                     struct error *error)
{
    struct strings names = {0};
    int result = pattern == NULL ? 0 : pattern_expand(run->target.root_fd, pattern, &names, error);
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        struct error none;
        char *real = root_real_path(run->target.root_fd, names.items[i], &none);
        if (real != NULL && strcmp(real, found) == 0) {
            result = add_traced(run, paths, names.items[i], error);
        }
        free(real);
    }
    strings_free(&names);
    return result;
}

/* A file of the cluster's configuration and the folder it lies in, where that is outside (Debian: /etc/postgresql/15/main). */
static int add_config(const struct run *run, struct strings *paths, const char *config, struct error *error)
{
    const char *slash = config == NULL ? NULL : strrchr(config, '/');
    if (slash == NULL || slash == config) {
        return 0;
    }
    char *folder = strndup(config, (size_t)(slash - config));
    int result =
        folder == NULL ? error_set(error, CSN_MEMORY, "no memory for a path") : add_traced(run, paths, folder, error);
    free(folder);
    return result == 0 ? add_traced(run, paths, config, error) : -1;
}

int run_paths(const struct run *run, struct strings *paths, struct error *error)
{
    const struct profile *profile = run->target.profile;
    const struct installation *found = &run->target.installation;
    if (add_path(run, paths, found->program_root, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < profile->roots.count; i++) {
        if (add_found(run, paths, profile->roots.items[i], found->program_root, error) != 0) {
            return -1;
        }
    }
    if (add_paths(run, paths, &profile->configuration, error) != 0 ||
        add_paths(run, paths, &profile->attachments, error) != 0) {
        return -1;
    }
    if (run->cluster.data_path == NULL) {
        return 0;
    }
    if (add_path(run, paths, run->cluster.data_path, error) != 0 ||
        add_found(run, paths, profile->database.cluster, run->cluster.data_path, error) != 0 ||
        add_config(run, paths, run->cluster.config_file, error) != 0 ||
        add_config(run, paths, found->cluster_config, error) != 0 ||
        add_config(run, paths, found->cluster_hba, error) != 0) {
        return -1;
    }
    for (size_t i = 0; i < run->cluster.folder_count; i++) {
        char link[4096];
        snprintf(link, sizeof link, "%s/%s", run->cluster.data_path, run->cluster.folders[i].link);
        if (add_traced(run, paths, link, error) != 0 ||
            add_path(run, paths, run->cluster.folders[i].target, error) != 0) {
            return -1;
        }
    }
    return 0;
}
