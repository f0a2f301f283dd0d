/*
 * run.h - everything one run holds open: job, packages, server, disks, journal, evidence; opened step by step and closed
 * whatever happened.
 *
 * What the steps do with it is in step_*.c; the order, and what follows a failure, in runner.c.
 */
#ifndef CAISSON_SEQUENCE_RUN_H
#define CAISSON_SEQUENCE_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "assess/assess.h"
#include "console/console.h"
#include "database/cluster.h"
#include "database/inventory.h"
#include "journal/journal.h"
#include "lib/error.h"
#include "package/package.h"
#include "repository/repository.h"
#include "sequence/deed.h"
#include "sequence/evidence.h"
#include "sequence/job.h"
#include "target/identify.h"
#include "target/protect.h"

#define SCRATCH_PREFIX "caisson-scratch-" /* names of folders on the backup disk that are swept by the next run */
#define RUN_LOCKS 3

/* The server that is acted on: the real one, or the rehearsal's overlay of it. The steps know no difference. */
struct site {
    const char *root_path; /* on this machine */
    struct deed_place place;
    bool rehearsed; /* the overlay */
};

struct run {
    struct job job;
    struct console *console;
    FILE *records;           /* each record of the journal goes there, too; NULL: nowhere. Not owned */
    const char *trust_path;  /* folder or file of trust anchors */
    struct protect *protect; /* of the booted image, whose disks are write-protected; NULL elsewhere. Not owned */

    int locks[RUN_LOCKS]; /* of folders that no other run may use meanwhile */
    size_t lock_count;
    char *base;          /* folder of the evidence: the job's, or the backup disk's */
    bool stick_writable; /* made so for this run */
    struct evidence evidence;
    struct journal journal;

    struct package_trust trust;
    struct package *packages; /* as the job lists them */
    size_t package_count;
    const struct package **hops; /* the path from the version found to the goal; count below */
    size_t hop_count;

    struct profiles profiles;
    struct target target;
    bool target_is_open;
    bool stick_attached;    /* the journal is written to the stick */
    bool server_writable;   /* mounted for writing, protection lifted, journal attached */
    struct cluster cluster; /* data_path NULL: the application has no cluster */

    char *backup_path; /* where the backup disk is mounted, or the folder of this machine */
    bool backup_mounted;
    char *repository_path;
    struct age_identity key; /* of the server: reads what it has put into an encrypted repository */
    bool has_key;
    bool key_is_new;    /* and not on the server yet */
    char *scratch_path; /* of this run; NULL: memory */

    struct site site; /* the real one */
    struct assessment assessment;
    int64_t assessed_sec;         /* when, 0: not yet */
    struct buffer fingerprint;    /* of the server when it was assessed */
    uint64_t attachments_missing; /* rows without a file, then */
    int64_t rollback_ms;          /* as rehearsed; -1: not yet */
    char snapshot[65];            /* of step backup; "" before */
};

/* What a run is given from outside. Everything stays the caller's. */
struct run_options {
    const char *command; /* what is asked for, as job_check takes it; NULL: what the job says */
    struct console *console;
    const char *trust_path;  /* of trust anchors; NULL, and always in the image: /etc/caisson/trust */
    struct protect *protect; /* started once for the whole program, in the image; else NULL */
    FILE *records;           /* each record of the journal goes there, too; NULL: nowhere */
    bool stick_alone; /* the job's path is the stick's folder: no job is read, the run that is taken up has its own */
};

/* Reads the job at path; makes the folder of the evidence writable (run->base). Call
 * run_close in each case. Then either run_create or run_adopt. CSN_BUSY if another run has the folder; run_open_backup and
 * run_open_target say the same of the backup's folder and of a server in a folder. */
int run_prepare(struct run *run, const struct run_options *options, const char *job_path, struct error *error)
    MUST_CHECK;

/* No other run may use this folder until run_close. CSN_BUSY if one does; a folder that is locked already is fine. */
int run_lock(struct run *run, const char *folder, struct error *error) MUST_CHECK;

/* A new run: its folder, its journal with the record "run". */
int run_create(struct run *run, struct error *error) MUST_CHECK;

/* An earlier run goes on: its journal is taken over (emptied), its job replaces the one read. from_server: it was found on the
 * server, where anybody may have written it: CSN_JOB_VALUE if its job opens a disk or folder for writing that the one read does
 * not. Nothing is written: the copies of
 * the journal are brought together and attached by run_make_writable, or by run_attach_stick alone. */
int run_adopt(struct run *run, struct journal *journal, bool from_server, struct error *error) MUST_CHECK;
int run_attach_stick(struct run *run, struct error *error) MUST_CHECK;

/* True, and said, if the copy of the journal in that folder is damaged and the one at hand, the other's, has all that it lost. */
bool run_passes_over(const struct run *run, int dir_fd, const char *copy, const char *other);

/* The job's repository; for writing it is made where there is none. The server is open. NULL: as repository_open; and
 * CSN_REPOSITORY_RECIPIENTS. run_keep_key: once the server is writable, its key stays on it. */
struct repository *run_open_repository(struct run *run, enum repository_mode mode, struct error *error) MUST_CHECK;
int run_keep_key(struct run *run, struct error *error) MUST_CHECK;

/* Trust anchors and packages: opened, every byte verified. Doing it twice is fine. run_record_packages: "package" for each. */
int run_open_packages(struct run *run, struct error *error) MUST_CHECK;
/* The same where only the profiles in them may be needed to find the server: without them what was done is still undone. */
void run_try_packages(struct run *run);
void run_close_packages(struct run *run);
int run_record_packages(struct run *run, struct error *error) MUST_CHECK;

/* The path of packages from this version to the job's goal. */
int run_find_path(struct run *run, const char *version, struct error *error) MUST_CHECK;

/* Profiles, server, cluster. run_record_server: "server". run_is_its_server: the open one has the identity of that record (so has a
 * clone of it, and it itself when it is put back as it was before the run), or holds something that only this run can have left: it
 * was copied to another disk meanwhile, say. run_left_nothing: a run that changed its server left a folder with its journal there
 * before, and the server shows neither that nor a folder beside what is exchanged, and no fence but perhaps another run's. */
int run_open_target(struct run *run, struct error *error) MUST_CHECK;
int run_record_server(struct run *run, struct error *error) MUST_CHECK;
bool run_is_its_server(const struct run *run);
bool run_left_nothing(const struct run *run);

/* The backup disk is mounted for writing, and the scratch folder made on it where it can carry overlays. Doing it twice is
 * fine. */
int run_open_backup(struct run *run, struct error *error) MUST_CHECK;
/* CSN_JOB_VALUE if the backup disk is one of the server's, as far as they are known: the job's own, and those that are mounted.
 * run_open_backup asks it, too. */
int run_check_backup_apart(const struct run *run, struct error *error) MUST_CHECK;
int run_open_scratch(struct run *run, struct error *error) MUST_CHECK;

/* CSN_TARGET_DISK_MISSING if something that the application needs lies on a disk that the job does not name: that stays protected,
 * whatever lies on it. */
int run_check_disks_named(const struct run *run, struct error *error) MUST_CHECK;

/* The server's disks for writing (protection lifted, file systems' journals replayed, our journal's copies brought together and
 * attached), and back. Doing it twice is fine. CSN_JOURNAL_NONE if, with nothing hidden any more, the run left nothing there. */
int run_make_writable(struct run *run, struct error *error) MUST_CHECK;
int run_make_read_only(struct run *run, struct error *error) MUST_CHECK;

/* Leaves the server read-only and unmounted; run_open_target may follow. */
int run_close_target(struct run *run, struct error *error) MUST_CHECK;

/* Leaves the server and the backup disk unmounted, the stick read-only, every disk write-protected again, all freed. What
 * cannot be given back stays writable. The first error is reported. */
int run_close(struct run *run, struct error *error) MUST_CHECK;

/* "/opt/app" -> "/opt/.caisson-RUN/app": where the new version stands before the switch and the old one after it. The caller
 * frees it; NULL with CSN_MEMORY. */
char *run_staged_path(const struct run *run, const char *path, struct error *error) MUST_CHECK;

/* ".caisson-RUN": the name of the folder beside that holds it. */
#define STAGED_FOLDER_SIZE (EVIDENCE_RUN_SIZE + 16)
void run_staged_folder(const struct run *run, char name[STAGED_FOLDER_SIZE]);

/* All paths of the application on the server, none inside another, those that are not there left out: what is backed
 * up, proven and compared. Links that lead to them are among them, and their own places without a link in them. */
int run_paths(const struct run *run, struct strings *paths, struct error *error) MUST_CHECK;

#endif
