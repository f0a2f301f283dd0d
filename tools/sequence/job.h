/*
 * job.h - what to do on this server, as the engineer wrote it (INI; job.md lists every key, made from the same table).
 *
 * Only read and checked here; nothing is looked up on a disk.
 */
#ifndef CAISSON_SEQUENCE_JOB_H
#define CAISSON_SEQUENCE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/ini.h"
#include "lib/strings.h"

struct job {
    struct ini ini;
    char *text;                  /* the file as it was read: goes into the journal */
    char *folder;                /* where it lies; the paths of packages are relative to it */
    char digest[65];             /* SHA-256 of text, hex */
    const char *name;            /* the rest points into ini */
    const char *command;         /* run | identify | assess */
    const char *approved_by;     /* may be NULL */
    const char *language;        /* en | zh */
    const char *after;           /* power-off | reboot | console */
    struct strings server_disks; /* disks of the server that may be written */
    const char *root_folder;     /* [server] root-folder: a server's root that is already mounted; else NULL */
    const char *profile;         /* name of the profile; NULL: any */
    const char *program_root;    /* which installation, where there are several; NULL: the only one */
    const char *backup_disk;     /* NULL with backup_folder absolute: a folder of this machine */
    const char *backup_folder;   /* on that disk */
    struct strings recipients;   /* of the repository, age's; none: it may be plain */
    struct strings package_files;
    const char *goal_version; /* NULL: what the last package brings */
    bool recover_database;    /* one that was not shut down in order */
    const char *in_place;     /* no | if-needed | yes: the database is upgraded where it lies */
    bool scratch_in_memory;
    bool force_rehearsal;      /* go on although the rehearsal failed */
    uint64_t valid_hours;      /* of an assessment */
    uint64_t rollback_minutes; /* budget */
    uint64_t keep_days;        /* the old version's term */
    struct strings accepted;   /* names of warnings */
};

extern const struct ini_rule job_rules[];

/* No job, where only its folder counts: that of a stick whose runs have jobs of their own. */
int job_none(struct job *job, const char *folder, struct error *error) MUST_CHECK;

/* Reads the file at path, and job_check. CSN_JOB_MISSING where there is none. */
int job_read(struct job *job, const char *path, const char *command, struct error *error) MUST_CHECK;

/* The same from text (a journal's copy, which was once enough for what was asked); folder as above. */
int job_parse(struct job *job, const char *name, const char *text, const char *folder, struct error *error) MUST_CHECK;
void job_free(struct job *job);

/* CSN_JOB_KEY_MISSING where the job lacks what this command needs: run, install, assess, identify, rollback, resume; NULL: the job's
 * own. CSN_JOB_VALUE where it asks for what this command cannot do. */
int job_check(const struct job *job, const char *command, struct error *error) MUST_CHECK;

/* True if it names a place for the backup. */
bool job_has_backup(const struct job *job);

/* The answer to a conflict at this path of the program tree: "site", "vendor" or NULL. */
const char *job_answer(const struct job *job, const char *path);

#endif
