#include "sequence/job.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "age/key.h"
#include "assess/assess.h"
#include "lib/file.h"
#include "lib/sha256.h"
#include "lib/text.h"
#include "target/disk.h"

#define JOB_LIMIT ((size_t)1 << 20)

const struct ini_rule job_rules[] = {
    {"job", "name", INI_TEXT, true, "what this job is called in reports"},
    {"job", "command", INI_TEXT, false, "run (all steps), assess, identify, or rollback; default run"},
    {"job", "approved-by", INI_TEXT, false, "who approved it; stands in the report"},
    {"job", "language", INI_TEXT, false, "en or zh; default en"},
    {"job", "after", INI_TEXT, false, "power-off, reboot or console; default power-off"},
    {"server", "disks", INI_LIST, false,
     "disks of the server that may be written: serial:, uuid:, label: or another name, see below"},
    {"server", "root-folder", INI_PATH, false, "instead of disks: the server's root, already mounted here"},
    {"server", "profile", INI_TEXT, false, "name of the application's profile; default: whichever fits"},
    {"server", "program-root", INI_PATH, false, "which installation is meant, where there are several"},
    {"backup", "disk", INI_TEXT, false, "the disk or partition for the repository: label:, uuid:, serial:"},
    {"backup", "folder", INI_TEXT, false,
     "the repository's folder on it; default caisson. Without disk, a folder of this machine: /PATH"},
    {"backup", "recipients", INI_LIST, false,
     "age1..., who may read the repository: it is encrypted to them, and to nobody else"},
    {"package", "files", INI_LIST, false, "package files, relative to the job"},
    {"package", "version", INI_TEXT, false, "the version wanted; default: what the packages lead to"},
    {"database", "recover", INI_BOOL, false,
     "yes: a cluster that was not shut down in order may be upgraded: its copy recovers, the old one stays as it is"},
    {"database", "in-place", INI_TEXT, false,
     "no, if-needed (there is no room for a second database) or yes: it is upgraded where it lies, and comes back from "
     "the "
     "backup; default no"},
    {"rehearsal", "scratch", INI_TEXT, false,
     "memory or backup: where proof and rehearsal write; default backup, if that is ext4, XFS or btrfs"},
    {"rehearsal", "force", INI_BOOL, false,
     "yes: upgrade although that failed or went back too slowly, not if going back failed; needs approved-by"},
    {"assessment", "valid-hours", INI_NUMBER, false, "older than this before stage, it is made once more; default 12"},
    {"budget", "rollback-minutes", INI_NUMBER, false, "a rehearsed rollback over it stops the run; default 120"},
    {"release", "keep-days", INI_NUMBER, false,
     "how long the old version is to be kept beside the new, in folders `.caisson-RUN`; default 30"},
    {"accept", "warnings", INI_LIST, false, "names of warnings that somebody has accepted"},
    {"answers", "*", INI_TEXT, false, "PATH = site or vendor: whose file wins a conflict"},
    {"roles", "*", INI_TEXT, false,
     "OLD = NEW, or - for gone; asked before the packages' maps. * = *: all others keep their name"},
    {0},
};

static int check_word(const struct job *job, const char *section, const char *key, const char *value, const char *words,
                      struct error *error)
{
    struct strings allowed = {0};
    int result = strings_split(&allowed, words, " ", error);
    if (result == 0 && !strings_has(&allowed, value)) {
        result = error_set(error, CSN_JOB_VALUE, "%s: \"%s\" in [%s] is \"%s\", expected is one of: %s", job->ini.name,
                           key, section, value, words);
    }
    strings_free(&allowed);
    return result;
}

static const char *text_or(const struct job *job, const char *section, const char *key, const char *otherwise)
{
    const char *value = ini_get(&job->ini, section, key);
    return value == NULL ? otherwise : value;
}

static int check_answers(const struct job *job, struct error *error)
{
    for (size_t i = 0; i < job->ini.count; i++) {
        const struct ini_entry *entry = &job->ini.entries[i];
        if (strcmp(entry->section, "answers") == 0 &&
            check_word(job, "answers", entry->key, entry->value, "site vendor", error) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Far more than anybody means, and no product of them with milliseconds overflows. */
static int check_numbers(const struct job *job, struct error *error)
{
    static const struct {
        const char *section;
        const char *key;
        uint64_t most;
    } limits[] = {
        {"assessment", "valid-hours", 8760},
        {"budget", "rollback-minutes", 100000},
        {"release", "keep-days", 36500},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (ini_number(&job->ini, limits[i].section, limits[i].key, 0) > limits[i].most) {
            return error_set(error, CSN_JOB_VALUE, "%s: \"%s\" in [%s] is \"%s\", expected is at most %llu",
                             job->ini.name, limits[i].key, limits[i].section,
                             ini_get(&job->ini, limits[i].section, limits[i].key), (unsigned long long)limits[i].most);
        }
    }
    return 0;
}

static int check_accepted(const struct job *job, struct error *error)
{
    for (size_t i = 0; i < job->accepted.count; i++) {
        if (assess_check_name(job->accepted.items[i], error) != 0) {
            return error_wrap(error, "%s: \"warnings\" in [accept]", job->ini.name);
        }
    }
    return 0;
}

/* A job may be read again after a boot: it must mean the same disks then. */
static int check_disks(const struct job *job, struct error *error)
{
    for (size_t i = 0; i < job->server_disks.count; i++) {
        if (disk_check_name(job->server_disks.items[i], error) != 0) {
            return error_wrap(error, "%s: \"disks\" in [server]", job->ini.name);
        }
    }
    return job->backup_disk == NULL || disk_check_name(job->backup_disk, error) == 0
               ? 0
               : error_wrap(error, "%s: \"disk\" in [backup]", job->ini.name);
}

bool job_has_backup(const struct job *job)
{
    return job->backup_disk != NULL || job->backup_folder[0] == '/';
}

/* What a command cannot do without. Install needs its backup for the way back after the release: what people did by then goes
 * there first. */
static const struct {
    const char *command;
    bool server, packages, backup;
} needs[] = {
    {"run", true, true, true},        {"install", true, true, true},  {"assess", true, true, false},
    {"rollback", true, false, false}, {"resume", true, false, false},
};

int job_check(const struct job *job, const char *command, struct error *error)
{
    const char *asked = command == NULL ? job->command : command;
    const char *missing = NULL;
    bool in_place = strcmp(job->in_place, "no") != 0;
    if (in_place && strcmp(asked, "install") == 0) {
        return error_set(error, CSN_JOB_VALUE,
                         "%s: \"in-place\" in [database] is \"%s\", expected is no with the command \"install\", which "
                         "proves no backup to bring the database back from",
                         job->ini.name, job->in_place);
    }
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        if (strcmp(needs[i].command, asked) != 0) {
            continue;
        }
        if (needs[i].server && job->server_disks.count == 0 && job->root_folder == NULL) {
            missing = "[server] disks";
        } else if (needs[i].packages && job->package_files.count == 0) {
            missing = "[package] files";
        } else if (needs[i].backup && !job_has_backup(job)) {
            missing = "[backup] disk";
        } else if (needs[i].packages && in_place && !job_has_backup(job)) {
            missing = "[backup] disk (because of [database] in-place)";
        } else if (job->force_rehearsal && job->approved_by == NULL) {
            missing = "[job] approved-by (because the rehearsal is forced)";
        }
    }
    return missing == NULL ? 0
                           : error_set(error, CSN_JOB_KEY_MISSING, "%s: the command \"%s\" needs %s", job->ini.name,
                                       asked, missing);
}

/* On the backup disk, or on this machine: nowhere else. */
static int check_folder(const struct job *job, struct error *error)
{
    struct strings parts = {0};
    int result = strings_split(&parts, job->backup_folder, "/", error);
    if (result == 0 && strings_has(&parts, "..")) {
        result = error_set(error, CSN_JOB_VALUE, "%s: \"folder\" in [backup] is \"%s\", expected is a path without ..",
                           job->ini.name, job->backup_folder);
    }
    strings_free(&parts);
    return result;
}

static int check_recipients(const struct job *job, struct error *error)
{
    for (size_t i = 0; i < job->recipients.count; i++) {
        struct age_recipient recipient;
        if (age_recipient_parse(&recipient, job->recipients.items[i], error) != 0) {
            if (error != NULL) {
                error->code = CSN_JOB_VALUE;
            }
            return error_wrap(error, "%s: \"recipients\" in [backup]", job->ini.name);
        }
    }
    return 0;
}

static int fill(struct job *job, struct error *error)
{
    const struct ini *ini = &job->ini;
    job->name = ini_get(ini, "job", "name");
    job->command = text_or(job, "job", "command", "run");
    job->approved_by = ini_get(ini, "job", "approved-by");
    job->language = text_or(job, "job", "language", "en");
    job->after = text_or(job, "job", "after", "power-off");
    job->root_folder = ini_get(ini, "server", "root-folder");
    job->profile = ini_get(ini, "server", "profile");
    job->program_root = ini_get(ini, "server", "program-root");
    job->backup_disk = ini_get(ini, "backup", "disk");
    job->backup_folder = text_or(job, "backup", "folder", "caisson");
    job->goal_version = ini_get(ini, "package", "version");
    job->recover_database = ini_bool(ini, "database", "recover", false);
    job->in_place = text_or(job, "database", "in-place", "no");
    const char *scratch = text_or(job, "rehearsal", "scratch", "backup");
    job->scratch_in_memory = strcmp(scratch, "memory") == 0;
    job->force_rehearsal = ini_bool(ini, "rehearsal", "force", false);
    job->valid_hours = ini_number(ini, "assessment", "valid-hours", 12);
    job->rollback_minutes = ini_number(ini, "budget", "rollback-minutes", 120);
    job->keep_days = ini_number(ini, "release", "keep-days", 30);
    if (ini_list(ini, "server", "disks", &job->server_disks, error) != 0 ||
        ini_list(ini, "package", "files", &job->package_files, error) != 0 ||
        ini_list(ini, "backup", "recipients", &job->recipients, error) != 0 ||
        ini_list(ini, "accept", "warnings", &job->accepted, error) != 0) {
        return -1;
    }
    if (check_word(job, "job", "command", job->command, "run assess identify rollback", error) != 0 ||
        check_word(job, "job", "language", job->language, "en zh", error) != 0 ||
        check_word(job, "job", "after", job->after, "power-off reboot console", error) != 0 ||
        check_word(job, "rehearsal", "scratch", scratch, "memory backup", error) != 0 ||
        check_word(job, "database", "in-place", job->in_place, "no if-needed yes", error) != 0 ||
        check_answers(job, error) != 0 || check_numbers(job, error) != 0 || check_folder(job, error) != 0 ||
        check_disks(job, error) != 0 || check_recipients(job, error) != 0 || check_accepted(job, error) != 0) {
        return -1;
    }
    if (job->root_folder != NULL && job->server_disks.count > 0) {
        return error_set(error, CSN_JOB_VALUE,
                         "%s: [server] has both \"disks\" and \"root-folder\", expected is one of them", job->ini.name);
    }
    return 0;
}

/* The text goes into the journal and the report, which are UTF-8; a file saved as GBK would stand there as something else. */
static int check_encoding(const char *name, const char *text, struct error *error)
{
    size_t number = 1;
    for (const char *line = text; *line != '\0'; number++) {
        size_t length = strcspn(line, "\n");
        if (!utf8_is_valid(line, length)) {
            return error_set(error, CSN_JOB_SYNTAX,
                             "%s line %zu is not UTF-8 (saved as GBK?); save the file again, encoded as UTF-8", name,
                             number);
        }
        line += length;
        line += *line != '\0';
    }
    return 0;
}

int job_parse(struct job *job, const char *name, const char *text, const char *folder, struct error *error)
{
    *job = (struct job){0};
    if (check_encoding(name, text, error) != 0) {
        return -1;
    }
    job->text = strdup(text);
    job->folder = strdup(folder);
    if (job->text == NULL || job->folder == NULL) {
        job_free(job);
        return error_set(error, CSN_MEMORY, "no memory for the job");
    }
    uint8_t digest[SHA256_SIZE];
    sha256_of(text, strlen(text), digest);
    hex_encode(digest, sizeof digest, job->digest);
    if (ini_parse(&job->ini, name, text, strlen(text), job_rules, error) != 0 || fill(job, error) != 0) {
        job_free(job);
        return -1;
    }
    return 0;
}

int job_none(struct job *job, const char *folder, struct error *error)
{
    *job = (struct job){.folder = strdup(folder)};
    return job->folder == NULL ? error_set(error, CSN_MEMORY, "no memory for the job") : 0;
}

int job_read(struct job *job, const char *path, const char *command, struct error *error)
{
    struct buffer content = {0};
    *job = (struct job){0};
    int result = file_read(AT_FDCWD, path, JOB_LIMIT, &content, error);
    if (result != 0 && error != NULL && error->code == CSN_NOT_FOUND) {
        error_set(error, CSN_JOB_MISSING, "there is no job at %s", path);
    }
    struct stat status;
    if (result != 0 && stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        error_set(error, CSN_JOB_MISSING, "%s is a folder: name the job in it", path);
    }
    if (result == 0 && memchr(buffer_text(&content), '\0', content.size) != NULL) {
        result = error_set(error, CSN_JOB_SYNTAX, "%s holds a NUL byte: it is not a text file", path);
    }
    if (result == 0) {
        const char *slash = strrchr(path, '/');
        char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
        result = folder == NULL ? error_set(error, CSN_MEMORY, "no memory for the job")
                                : job_parse(job, slash == NULL ? path : slash + 1, content.data, folder, error);
        free(folder);
        if (result == 0 && job_check(job, command, error) != 0) {
            job_free(job);
            result = -1;
        }
    }
    buffer_free(&content);
    return result;
}

void job_free(struct job *job)
{
    ini_free(&job->ini);
    free(job->text);
    free(job->folder);
    strings_free(&job->server_disks);
    strings_free(&job->package_files);
    strings_free(&job->recipients);
    strings_free(&job->accepted);
    *job = (struct job){0};
}

const char *job_answer(const struct job *job, const char *path)
{
    return ini_get(&job->ini, "answers", path);
}
