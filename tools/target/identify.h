/*
 * identify.h - which application lies on which disk: one server, opened for reading, with all that later steps ask of it.
 *
 * A server is a disk (its file systems are mounted by mount.h) or simply a folder (tests, and running servers: no mounts,
 * no protection). Nothing is written to it by anything here except where target_make_writable says so.
 */
#ifndef CAISSON_TARGET_IDENTIFY_H
#define CAISSON_TARGET_IDENTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/strings.h"
#include "target/disk.h"
#include "target/mount.h"
#include "target/mount_places.h"
#include "target/profile.h"

struct target_options {
    const char *disk;         /* as in disks_find; NULL: all disks */
    const char *root_folder;  /* instead of disks: a folder on this machine */
    const char *program_root; /* [server] root: which installation, where there are two; NULL: the only one */
    const char *profile_name; /* only this application; NULL: any */
    const struct profiles *profiles;
    const struct disk_places *places; /* NULL: this machine's */
    bool writable_later;              /* an image:FILE is attached so that it can become writable */
};

/* One installation. Strings are owned; "" where not known, never NULL (but cluster...: NULL without a database). */
struct installation {
    const struct profile *profile; /* inside options->profiles */
    char *program_root;
    char *version;
    char *os_name;    /* PRETTY_NAME of os-release */
    char *os_id;      /* ID of os-release: "debian" */
    char *os_version; /* VERSION_ID of os-release: "12"; "" where it has none */
    char *machine_id;
    char *host_name;
    char *cluster;         /* the data folder; globs resolved */
    char *cluster_version; /* PG_VERSION: "15" */
    char *cluster_config;  /* NULL: inside the cluster */
    char *cluster_hba;     /* NULL: inside the cluster */
    char *disk;            /* kernel name; "" for a folder */
    char *volume;          /* "/dev/sda2"; for a folder its path */
    char *volume_options;  /* "subvol=@" or "" */
    char *problem;         /* why it cannot be worked with although it is there ("several clusters ..."); NULL: none */
    bool incomplete;       /* and what it lacks may lie on a file system that is not mounted here: see problem */
};

/* What was seen on the way: for identify's output and for CSN_TARGET_NONE's message. */
struct survey {
    struct disks disks;
    struct installation *items;
    size_t count;
    struct strings findings;  /* plain sentences */
    struct strings looked;    /* "/dev/sda2 (Debian GNU/Linux 12): mediawiki: /opt/mediawiki is not there" */
    struct error mount_error; /* the first file system that could not be looked at, or code 0 */
    struct disk_image image;  /* of an image:FILE */
};

struct target {
    struct installation installation;
    const struct profile *profile; /* installation.profile, with its paths as they lie on this server (target.c) */
    struct profile *placed;        /* private: the same, owned */
    struct survey survey;          /* disks stay valid as long as the target */
    struct target_mounts mounts;   /* count 0 for a folder */
    struct mount_places places;    /* where the server mounts something, as it was when the target was opened */
    char *root_path;               /* on this machine */
    int root_fd;                   /* a folder opened for reading; another one after target_make_writable/_read_only */
};

/* Looks on every disk (or the one named, or the folder) for every profile. Finding none or many is no error here. */
int survey_make(struct survey *survey, const struct target_options *options, struct error *error) MUST_CHECK;
void survey_free(struct survey *survey);

/* The one installation that fits options: CSN_TARGET_NONE with what was looked for where, CSN_TARGET_SEVERAL with all,
 * CSN_TARGET_PROFILE or _UNSEEN with its problem. If a file system could not be looked at and nothing was found, that error. */
const struct installation *survey_choose(const struct survey *survey, const struct target_options *options,
                                         struct error *error) MUST_CHECK;

/* Survey, choice, and that server mounted for reading. options->profiles must outlive the target. */
int target_open(struct target *target, const struct target_options *options, struct error *error) MUST_CHECK;
int target_close(struct target *target, struct error *error) MUST_CHECK;

/* Tells what the application needs: these paths, without links in them. A place that holds one of them or lies below one, and where
 * nothing is mounted, gets its needed_by; a file system that does neither stands aside from now on and is never written to. */
int target_need(struct target *target, const struct strings *paths, struct error *error) MUST_CHECK;

/* CSN_TARGET_MOUNT if something that the application needs would be written to where a file system is not mounted. */
int target_check_seen(const struct target *target, struct error *error) MUST_CHECK;

/* mount_make_writable/_read_only with root_fd opened again (close every descriptor below the root before; they change
 * the mounts). For a folder nothing happens. After an error root_fd may be -1: then only target_close is left. */
int target_make_writable(struct target *target, struct error *error) MUST_CHECK;
int target_make_read_only(struct target *target, struct error *error) MUST_CHECK;

/* Kernel names of the disks that hold what the application needs: those whose protection a writing step lifts. with_aside: of all
 * that the server mounts. */
int target_disks(const struct target *target, bool with_aside, struct strings *names, struct error *error) MUST_CHECK;

/* CSN_TARGET_DIRTY, naming the file systems, if one was not unmounted cleanly. */
int target_check_clean(const struct target *target, struct error *error) MUST_CHECK;

/* Reads program root's version again (after a switch). The string is the caller's; CSN_TARGET_PROFILE if there is none. */
int target_read_version(int root_fd, const struct profile *profile, const char *program_root, char **version,
                        struct error *error) MUST_CHECK;

/* A mark for each thing that changes when the server was used or changed: version, every name, mode, owner, size and time of the
 * program tree and the configuration, and pg_control. Content is not read: this takes a second, not minutes. Appended to
 * *marks. */
int target_fingerprint(const struct target *target, struct buffer *marks, struct error *error) MUST_CHECK;

/* The same again: appends the path of the first thing that is not as marks say to *changed; nothing if all is. */
int target_compare_fingerprint(const struct target *target, const struct buffer *marks, struct buffer *changed,
                               struct error *error) MUST_CHECK;

#endif
