#include "sequence/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/version.h"
#include "sequence/media.h"

#define BACKUP_MOUNT "/run/caisson/backup"
#define TRUST_FOLDER "/etc/caisson/trust"
#define LOCK_ATTEMPTS 30 /* of 100 ms */

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

/* --- beginning ----------------------------------------------------------------------------------------------------- */

/* The line just written, for a machine. */
static void print_last_line(const struct run *run, const struct journal *journal)
{
    size_t length = journal->lines.size - 1; /* without the newline */
    const char *before = memrchr(journal->lines.data, '\n', length);
    const char *line = before == NULL ? journal->lines.data : before + 1;
    fwrite(line, 1, (size_t)(journal->lines.data + journal->lines.size - line), run->records);
    fflush(run->records);
}

static void show_record(void *context, const struct journal *journal, yyjson_val *record)
{
    struct run *run = context;
    if (run->records != NULL) {
        print_last_line(run, journal);
    }
    const char *kind = journal_get(record, "kind");
    if (strcmp(kind, "intent") == 0) {
        const char *other = journal_get(record, "other");
        console_say(run->console, "  journal %lld: %s %s%s%s", (long long)journal_get_number(record, "seq"),
                    journal_get(record, "deed"), journal_get(record, "path"), other[0] == '\0' ? "" : " with ", other);
    } else if (strcmp(kind, "undone") == 0) {
        bool missing = yyjson_get_bool(yyjson_obj_get(record, "missing"));
        console_say(run->console, "  journal %lld: undone %lld%s", (long long)journal_get_number(record, "seq"),
                    (long long)journal_get_number(record, "of"),
                    missing ? "; what it made was not there any more" : "");
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
    yyjson_mut_obj_add_bool(document, fields, "image", run->protect != NULL);
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
    *run = (struct run){
        .console = options->console, .trust_path = options->trust_path, .records = options->records, .rollback_ms = -1};
    run->evidence.dir_fd = -1;
    run->site.place.root_fd = -1;
    run->target.root_fd = -1;
    run->protect = options->protect;
    if (run->protect != NULL || run->trust_path == NULL) {
        run->trust_path = TRUST_FOLDER;
    }
    journal_init(&run->journal);
    run->journal.watch = show_record;
    run->journal.watch_context = run;
}

/* A run that was killed may take a moment to be gone altogether, with what it had started. Where a file system knows no locks,
 * there are none. */
static bool is_taken(int fd)
{
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK || i == LOCK_ATTEMPTS) {
            return errno == EWOULDBLOCK;
        }
        nanosleep(&(struct timespec){.tv_nsec = 100L * 1000 * 1000}, NULL);
    }
    return false;
}

int run_lock(struct run *run, const char *folder, struct error *error)
{
    struct stat status;
    struct stat held;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        file_drop(&fd);
        return error_system(error, CSN_NOT_FOUND, "opening %s", folder);
    }
    for (size_t i = 0; i < run->lock_count; i++) {
        if (fstat(run->locks[i], &held) == 0 && held.st_dev == status.st_dev && held.st_ino == status.st_ino) {
            file_drop(&fd);
            return 0; /* one folder for two things */
        }
    }
    if (run->lock_count == RUN_LOCKS || is_taken(fd)) {
        file_drop(&fd);
        return error_set(error, run->lock_count == RUN_LOCKS ? CSN_INTERNAL : CSN_BUSY, "%s", folder);
    }
    run->locks[run->lock_count++] = fd;
    return 0;
}

static void unlock_all(struct run *run)
{
    while (run->lock_count > 0) {
        file_drop(&run->locks[--run->lock_count]);
    }
}

/* A job by network keeps its journal on the backup disk, which is opened before anything else: so the server is looked at first,
 * for reading, to know its disks. If it cannot be found, the steps will say so; the job's own names still count. */
static int look_for_its_disks(struct run *run, struct error *error)
{
    struct error why;
    int result = 0;
    if (run_open_target(run, &why) != 0 && !run->target_is_open) {
        run_try_packages(run); /* the profile may be in one of them */
        (void)!run_open_target(run, &why);
    }
    if (run->target_is_open) {
        result = run_check_backup_apart(run, error);
        if (run_close_target(run, result == 0 ? error : &why) != 0) {
            result = -1;
        }
    }
    return result;
}

/* The folder where the evidence goes. */
static int open_base(struct run *run, const char *wanted, struct error *error)
{
    if (mount_namespace(error) != 0) {
        return -1;
    }
    if (evidence_is_volatile(wanted) && run->protect != NULL && run->job.backup_disk != NULL) {
        if (look_for_its_disks(run, error) != 0 || run_open_backup(run, error) != 0) {
            return -1;
        }
        wanted = run->backup_path;
    }
    run->base = strdup(wanted);
    if (run->base == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the run");
    }
    return run_lock(run, run->base, error) != 0
               ? -1
               : evidence_make_writable(run->base, run->protect, &run->stick_writable, error);
}

int run_prepare(struct run *run, const struct run_options *options, const char *job_path, struct error *error)
{
    run_init(run, options);
    int result = options->stick_alone ? job_none(&run->job, job_path, error)
                                      : job_read(&run->job, job_path, options->command, error);
    return result != 0 ? -1 : open_base(run, run->job.folder, error);
}

int run_attach_stick(struct run *run, struct error *error)
{
    if (run->stick_attached) {
        return 0;
    }
    if (journal_attach(&run->journal, run->evidence.dir_fd, JOURNAL_FILE, "stick", error) != 0) {
        return error_wrap(error, "%s", run->evidence.path);
    }
    run->stick_attached = true;
    return 0;
}

int run_create(struct run *run, struct error *error)
{
    if (evidence_create(&run->evidence, run->base, error) != 0 || run_attach_stick(run, error) != 0) {
        return -1;
    }
    return record_run(run, error) != 0 ? error_wrap(error, "%s", run->evidence.path) : 0;
}

bool run_passes_over(const struct run *run, int dir_fd, const char *copy, const char *other)
{
    if (!journal_covers(&run->journal, dir_fd, JOURNAL_FILE)) {
        return false;
    }
    console_say(run->console,
                "the %s's copy of the journal is damaged; the %s's is whole and goes on, the damaged one is kept "
                "as " JOURNAL_FILE ".damaged",
                copy, other);
    return true;
}

/* A journal found on the server: the stick's copy may be the longer one. */
static int merge_stick(struct run *run, struct error *error)
{
    struct journal there;
    struct error reading = {0};
    journal_init(&there);
    int result = journal_read(&there, run->evidence.dir_fd, JOURNAL_FILE, &reading);
    if (result == 0) {
        result = journal_merge(&run->journal, &there, error);
    } else if (reading.code == CSN_NOT_FOUND || run_passes_over(run, run->evidence.dir_fd, "stick", "server")) {
        result = 0;
    } else if (error != NULL) {
        *error = reading;
    }
    journal_free(&there);
    return result;
}

/* True if both names mean one disk of this machine. */
static bool same_disk(const struct disks *disks, const char *name, const char *other)
{
    struct error ignored;
    const struct disk *disk = disks_find(disks, name, NULL, &ignored);
    return disk != NULL && disk == disks_find(disks, other, NULL, &ignored);
}

static bool names_disk(const struct job *job, const struct disks *disks, const char *name)
{
    bool named =
        job->backup_disk != NULL && (strcmp(job->backup_disk, name) == 0 || same_disk(disks, job->backup_disk, name));
    for (size_t i = 0; i < job->server_disks.count; i++) {
        named = named || strcmp(job->server_disks.items[i], name) == 0 ||
                same_disk(disks, job->server_disks.items[i], name);
    }
    return named;
}

/* What its job opens for writing, this job must open, too. */
static int check_opens_no_more(const struct job *own, const struct job *its, struct error *error)
{
    struct disks disks = {0};
    const char *more = NULL;
    if (disks_list(&disks, NULL, error) != 0) {
        return -1;
    }
    for (size_t i = 0; more == NULL && i < its->server_disks.count; i++) {
        more = names_disk(own, &disks, its->server_disks.items[i]) ? NULL : its->server_disks.items[i];
    }
    if (more == NULL && its->backup_disk != NULL && !names_disk(own, &disks, its->backup_disk)) {
        more = its->backup_disk;
    }
    disks_free(&disks);
    if (more == NULL && its->root_folder != NULL &&
        (own->root_folder == NULL || strcmp(own->root_folder, its->root_folder) != 0)) {
        more = its->root_folder;
    }
    if (more == NULL && its->backup_folder[0] == '/' && strcmp(own->backup_folder, its->backup_folder) != 0) {
        more = its->backup_folder;
    }
    return more == NULL
               ? 0
               : error_set(error, CSN_JOB_VALUE,
                           "the journal on the server is of a job that writes to %s, which this job does not name "
                           "in [server] or [backup]; expected is that it does, if that is meant",
                           more);
}

int run_adopt(struct run *run, struct journal *journal, bool from_server, struct error *error)
{
    yyjson_val *first = journal->count == 0 ? NULL : journal_record(journal, 0);
    if (!journal_is(first, "run")) {
        return error_set(error, CSN_JOURNAL_BROKEN, "the journal does not begin with the record of its run");
    }
    struct job job;
    if (job_parse(&job, "the job in the journal", journal_get(first, "job"), run->job.folder, error) != 0) {
        return -1;
    }
    if (from_server && check_opens_no_more(&run->job, &job, error) != 0) {
        job_free(&job);
        return -1;
    }
    job_free(&run->job);
    run->job = job;
    journal->watch = run->journal.watch;
    journal->watch_context = run;
    run->journal = *journal;
    journal_init(journal);
    if (evidence_open(&run->evidence, run->base, journal_get(journal_record(&run->journal, 0), "run"), error) != 0) {
        return -1;
    }
    return merge_stick(run, error);
}

/* --- disks --------------------------------------------------------------------------------------------------------- */

int run_check_backup_apart(const struct run *run, struct error *error)
{
    struct disks disks = {0};
    struct strings names = {0};
    int result = run->job.backup_disk == NULL ? 0 : disks_list(&disks, NULL, error);
    for (size_t i = 0; result == 0 && i < run->job.server_disks.count; i++) {
        struct error missing;
        const struct disk *disk = disks_find(&disks, run->job.server_disks.items[i], NULL, &missing);
        result = disk == NULL ? 0 : strings_add(&names, disk->name, error);
    }
    if (result == 0 && run->job.backup_disk != NULL &&
        ((run->target_is_open && target_disks(&run->target, false, &names, error) != 0) ||
         media_check_apart(run->job.backup_disk, &disks, &names, error) != 0)) {
        result = -1;
    }
    strings_free(&names);
    disks_free(&disks);
    return result;
}

static int open_backup(struct run *run, struct error *error)
{
    const struct job *job = &run->job;
    bool disk = job->backup_disk != NULL;
    run->backup_path = strdup(disk ? BACKUP_MOUNT : job->backup_folder);
    if (run->backup_path == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the run");
    }
    run->repository_path = join(run->backup_path, disk ? job->backup_folder : "repository", error);
    if (run->repository_path == NULL) {
        return -1;
    }
    if (disk) {
        if (run_check_backup_apart(run, error) != 0 ||
            media_mount(job->backup_disk, BACKUP_MOUNT, run->protect, error) != 0) {
            return -1;
        }
        run->backup_mounted = true;
    } else if (file_make_dirs(AT_FDCWD, run->backup_path, 0700, error) != 0) {
        return -1;
    }
    return run_lock(run, run->backup_path, error);
}

int run_open_backup(struct run *run, struct error *error)
{
    if (run->backup_path != NULL || !job_has_backup(&run->job)) {
        return 0; /* open, or a job that needs none */
    }
    if (open_backup(run, error) == 0) {
        return 0;
    }
    /* The next call tries again. */
    struct error ignored;
    if (run->backup_mounted) {
        (void)!media_unmount(run->backup_path, &ignored);
        run->backup_mounted = false;
    }
    free(run->backup_path);
    free(run->repository_path);
    run->backup_path = NULL;
    run->repository_path = NULL;
    return -1;
}

/* What a run that was cut off left there, also this one; it can be many gigabytes. */
static int sweep_scratch(struct run *run, struct error *error)
{
    struct strings removed = {0};
    int result = media_sweep(run->backup_path, SCRATCH_PREFIX, &run->console->progress, &removed, error);
    for (size_t i = 0; i < removed.count; i++) {
        console_say(run->console, "  removed %s/%s, left by a run that was cut off", run->backup_path,
                    removed.items[i]);
    }
    strings_free(&removed);
    return result;
}

/* Where overlays are written: beside the repository if its file system can carry them, else memory. */
int run_open_scratch(struct run *run, struct error *error)
{
    if (run->scratch_path != NULL || run->backup_path == NULL) {
        return 0;
    }
    if (sweep_scratch(run, error) != 0) {
        return -1;
    }
    if (run->job.scratch_in_memory || !media_carries_overlays(run->backup_path)) {
        return 0;
    }
    struct buffer path = {0};
    buffer_format(&path, "%s/" SCRATCH_PREFIX "%s", run->backup_path, run->evidence.run);
    run->scratch_path = buffer_take(&path);
    return run->scratch_path == NULL ? error_set(error, CSN_MEMORY, "no memory for the run")
                                     : file_make_dirs(AT_FDCWD, run->scratch_path, 0700, error);
}

/* --- ending -------------------------------------------------------------------------------------------------------- */

/* True if it failed. */
static bool note_first(int failed, int *result, struct error *error, const struct error *now)
{
    if (failed != 0 && *result == 0) {
        *result = -1;
        if (error != NULL) {
            *error = *now;
        }
    }
    return failed != 0;
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
    bool held = note_first(run_close_target(run, &now), &result, error, &now);
    if (run->scratch_path != NULL) {
        note_first(media_remove(run->scratch_path, &run->console->progress, &now), &result, error, &now);
    }
    journal_free(&run->journal);
    evidence_close(&run->evidence);
    unlock_all(run);
    if (run->backup_mounted) {
        held |= note_first(media_unmount(run->backup_path, &now), &result, error, &now);
    }
    if (run->stick_writable) {
        held |= note_first(evidence_make_read_only(run->base, &now), &result, error, &now);
    }
    /* A disk that is still mounted for writing is not protected: what waits to be written would be lost. */
    if (run->protect != NULL && !held) {
        note_first(protect_restore_all(run->protect, &now), &result, error, &now);
    }
    run_close_packages(run);
    assess_free(&run->assessment);
    buffer_free(&run->fingerprint);
    job_free(&run->job);
    free(run->base);
    free(run->backup_path);
    free(run->repository_path);
    free(run->scratch_path);
    age_identity_wipe(&run->key);
    run_init(run, &(struct run_options){.console = run->console,
                                        .trust_path = run->trust_path,
                                        .protect = run->protect,
                                        .records = run->records});
    return result;
}
