#include "sequence/evidence.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/file.h"
#include "lib/mountinfo.h"
#include "lib/root.h"
#include "lib/strings.h"

bool evidence_is_volatile(const char *folder)
{
    struct statfs status;
    if (statfs(folder, &status) != 0) {
        return false;
    }
    return (unsigned long)status.f_type == TMPFS_MAGIC || (unsigned long)status.f_type == RAMFS_MAGIC;
}

static int lift_disk_of(dev_t device, struct protect *protect, struct error *error)
{
    struct disks disks = {0};
    if (disks_list(&disks, NULL, error) != 0) {
        return -1;
    }
    const struct disk *disk = disks_by_device(&disks, device, NULL);
    int result = disk == NULL ? 0 : protect_lift(protect, disk, error);
    disks_free(&disks);
    return result;
}

/* Mounts what holds folder anew where it is mounted: of several places the one that the folder is reached through. */
static int remount(const char *folder, unsigned long flags)
{
    struct mountinfo mounts;
    struct error unused;
    int result = -1;
    int fd = open(folder, O_PATH | O_CLOEXEC);
    if (mountinfo_read(&mounts, &unused) == 0) {
        const struct mountinfo_line *line = mountinfo_of(&mounts, fd);
        errno = ENOENT;
        result = line == NULL ? -1
                              : mount(NULL, line->point, NULL,
                                      MS_REMOUNT | MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC | flags, NULL);
    }
    mountinfo_free(&mounts);
    file_drop(&fd);
    return result;
}

int evidence_make_writable(const char *folder, struct protect *protect, bool *changed, struct error *error)
{
    struct statvfs how;
    struct stat status;
    *changed = false;
    if (statvfs(folder, &how) != 0 || stat(folder, &status) != 0) {
        return error_system(error, CSN_NOT_FOUND, "looking at %s", folder);
    }
    if ((how.f_flag & ST_RDONLY) == 0) {
        return 0;
    }
    if (protect == NULL) {
        return error_set(error, CSN_JOURNAL_WRITE, "%s, where the journal goes, is mounted read-only", folder);
    }
    if (lift_disk_of(status.st_dev, protect, error) != 0) {
        return -1;
    }
    if (remount(folder, 0) != 0) {
        return error_system(error, CSN_JOURNAL_WRITE, "the stick (%s) cannot be made writable", folder);
    }
    *changed = true;
    return 0;
}

int evidence_make_read_only(const char *folder, struct error *error)
{
    struct stat status = {0};
    int result = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || syncfs(fd) != 0) {
        result = error_system(error, CSN_IO, "writing out the stick (%s)", folder);
    }
    file_drop(&fd);
    if (result == 0 && remount(folder, MS_RDONLY) != 0) {
        result = error_system(error, CSN_IO, "the stick (%s) stays writable", folder);
    }
    return result;
}

static int open_folder(struct evidence *evidence, const char *base, struct error *error)
{
    struct buffer path = {0};
    buffer_format(&path, "%s/%s/%s", base, EVIDENCE_STICK, evidence->run);
    evidence->path = buffer_take(&path);
    if (evidence->path == NULL) {
        return error_set(error, CSN_MEMORY, "no memory for the folder of the run");
    }
    if (file_make_dirs(AT_FDCWD, evidence->path, 0700, error) != 0) {
        if (error != NULL && error->code != CSN_MEMORY) {
            error->code = CSN_JOURNAL_WRITE; /* a full or a failing stick: what it means is the same */
        }
        return error_wrap(error, "the folder of this run");
    }
    evidence->dir_fd = open(evidence->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return evidence->dir_fd < 0 ? error_system(error, CSN_JOURNAL_WRITE, "opening %s", evidence->path) : 0;
}

int evidence_create(struct evidence *evidence, const char *base, struct error *error)
{
    *evidence = (struct evidence){.dir_fd = -1};
    struct timespec now;
    struct tm utc;
    uint16_t random = 0;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        random = (uint16_t)now.tv_nsec;
    }
    size_t length = strftime(evidence->run, sizeof evidence->run, "%Y%m%dT%H%M%S", &utc);
    snprintf(evidence->run + length, sizeof evidence->run - length, ".%03ldZ-%04x", now.tv_nsec / 1000000, random);
    return open_folder(evidence, base, error);
}

int evidence_open(struct evidence *evidence, const char *base, const char *run, struct error *error)
{
    *evidence = (struct evidence){.dir_fd = -1};
    if (run[0] == '\0' || run[0] == '.' || strchr(run, '/') != NULL || strlen(run) >= sizeof evidence->run) {
        return error_set(error, CSN_JOURNAL_BROKEN, "the journal names its run \"%s\"", run);
    }
    snprintf(evidence->run, sizeof evidence->run, "%s", run);
    return open_folder(evidence, base, error);
}

void evidence_close(struct evidence *evidence)
{
    file_drop(&evidence->dir_fd);
    free(evidence->path);
    *evidence = (struct evidence){.dir_fd = -1};
}

/* Where our own folder is not there yet it is made: the one that it lies in keeps its time, as nothing else changes in it. */
static int make_server_folder(int root_fd, const char *path, struct error *error)
{
    struct stat before;
    int parent_fd =
        root_exists(root_fd, "/var/lib/caisson") ? -1 : root_try_open(root_fd, "/var/lib", O_RDONLY | O_DIRECTORY, 0);
    bool known = parent_fd >= 0 && fstat(parent_fd, &before) == 0;
    int result = root_make_dirs(root_fd, path, 0700, error);
    if (result == 0 && known) {
        const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, before.st_mtim};
        (void)!futimens(parent_fd, times);
    }
    file_drop(&parent_fd);
    return result;
}

int evidence_open_server(int root_fd, const char *run, bool make, struct error *error)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", EVIDENCE_SERVER, run);
    if (make && make_server_folder(root_fd, path, error) != 0) {
        return error_wrap(error, "the folder of this run on the server");
    }
    return root_open(root_fd, path, O_RDONLY | O_DIRECTORY, 0, error);
}

bool evidence_on_server(int root_fd, const char *run)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", EVIDENCE_SERVER, run);
    return root_exists(root_fd, path);
}

bool evidence_is_released(const struct journal *journal)
{
    bool released = false;
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        if (journal_is(record, "released")) {
            released = true;
        } else if (journal_is(record, "rollback-begin") || journal_is(record, "rollback-asked")) {
            released = false;
        }
    }
    return released;
}

enum run_state evidence_state(const struct journal *journal)
{
    if (journal->count == 0) {
        return RUN_NONE;
    }
    enum run_state state = RUN_UNFINISHED;
    bool released = false;
    for (size_t i = 0; i < journal->count; i++) {
        yyjson_val *record = journal_record(journal, i);
        if (journal_is(record, "released")) {
            released = true;
        } else if (journal_is(record, "rollback-begin") || journal_is(record, "rollback-asked")) {
            released = false;
            state = RUN_UNFINISHED; /* also of a run that had ended */
        } else if (journal_is(record, "run-end")) {
            state = released ? RUN_RELEASED : RUN_ENDED;
        }
    }
    return state;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)b, *(char *const *)a); /* names begin with the time */
}

static int list_runs(int runs_fd, struct strings *names, struct error *error)
{
    int fd = openat(runs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        file_drop(&fd);
        return error_system(error, CSN_IO, "listing the runs");
    }
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] != '.') {
            result = strings_add(names, entry->d_name, error);
        }
    }
    closedir(folder);
    if (names->count > 1) {
        qsort(names->items, names->count, sizeof names->items[0], compare_names);
    }
    return result;
}

static const char *run_of(const struct journal *journal)
{
    return journal->count == 0 ? "" : journal_get(journal_record(journal, 0), "run");
}

int evidence_compare(const struct journal *a, const struct journal *b)
{
    int64_t number = journal_get_number(journal_last(a, "server"), "number");
    int64_t other = journal_get_number(journal_last(b, "server"), "number");
    return number != other ? (number < other ? -1 : 1) : strcmp(run_of(a), run_of(b));
}

/* The journal in the folder of that name; none (count 0) where there is none, or only a copy that somebody made. */
static int read_run(int runs_fd, const char *name, struct journal *journal, struct error *error)
{
    struct error reading = {0};
    int run_fd = openat(runs_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = run_fd < 0 ? 0 : journal_read(journal, run_fd, JOURNAL_FILE, &reading);
    file_drop(&run_fd);
    if (result != 0 && reading.code != CSN_NOT_FOUND) {
        *error = reading;
        return error_wrap(error, "run %s", name);
    }
    if (result != 0 || strcmp(run_of(journal), name) != 0) {
        journal_free(journal);
    }
    return 0;
}

int evidence_find(int runs_fd, unsigned states, const struct strings *skipped, struct journal *journal, bool *found,
                  struct error *error)
{
    struct strings names = {0};
    struct error why = {0};
    const char *unknown = NULL; /* the newest run by name that cannot be read */
    int result = runs_fd < 0 ? 0 : list_runs(runs_fd, &names, error);
    *found = false;
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        struct journal there;
        struct error reading = {0};
        journal_init(&there);
        if (skipped != NULL && strings_has(skipped, names.items[i])) {
            continue;
        }
        if (read_run(runs_fd, names.items[i], &there, &reading) != 0) {
            why = unknown == NULL ? reading : why;
            unknown = unknown == NULL ? names.items[i] : unknown;
        } else if ((evidence_state(&there) & states) != 0 && (!*found || evidence_compare(&there, journal) > 0)) {
            journal_free(journal);
            *journal = there;
            journal_init(&there);
            *found = true;
        }
        journal_free(&there);
    }
    if (unknown != NULL && (!*found || strcmp(unknown, run_of(journal)) > 0)) {
        journal_free(journal);
        *found = false;
        *error = why; /* its state is unknown: never guess past it */
        result = -1;
    }
    strings_free(&names);
    return result;
}
