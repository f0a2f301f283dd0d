/*
 * profile.h - how one application lies on a server, read from NAME.profile (strict INI; every key is in profile.md).
 *
 * A profile knows nothing of one server: paths may hold globs (* ? [..]) that identify.h resolves there. All strings are
 * owned by the profile; a key that is not given is NULL, an empty list or the default that profile.md names.
 */
#ifndef CAISSON_TARGET_PROFILE_H
#define CAISSON_TARGET_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"
#include "lib/ini.h"
#include "lib/strings.h"

/* One [start NAME]: how the application itself is started in a closed room to look whether it works. */
struct profile_start {
    char *name;
    struct strings command;     /* argv; argv[0] is a path on the server */
    char *user;                 /* by name, from the server's /etc/passwd; NULL: root */
    char *folder;               /* working folder on the server; NULL: the program root */
    struct strings environment; /* NAME=VALUE */
    char *ready_url;            /* it is up when this answers; NULL: after ready_delay_sec */
    uint64_t ready_delay_sec;
    uint64_t ready_timeout_sec;
};

/* One [health NAME] (or plain [health]): what must answer when all [start]s run. */
struct profile_health {
    char *name; /* "" for the plain one */
    char *url;
    uint64_t status;
    char *match; /* extended regular expression the body must match; NULL: any */
    uint64_t timeout_sec;
};

/* One query; the database module runs it. */
struct profile_query {
    char *name;
    char *sql;
};

/* One [orphans NAME]: rows that should belong to something that is gone. */
struct profile_orphans {
    char *name;
    char *title; /* for people; name where the profile has none */
    char *sql;   /* a row each */
};

struct profile_database {
    char *engine;   /* "postgresql-cluster" or "none" */
    char *cluster;  /* the data folder; may hold globs */
    char *config;   /* the main configuration file, where it is outside the cluster; may hold globs */
    char *hba;      /* pg_hba.conf, where it is outside; may hold globs */
    char *binaries; /* folder of postgres; NULL: looked for by the cluster's version */
    char *name;     /* the database */
    char *user;     /* superuser; NULL: the name of the cluster's owner */
    char *schema;   /* NULL: public */
};

struct profile {
    char *name;
    char *title;
    char *source;                 /* the file it was read from */
    char *text;                   /* of that file */
    struct strings roots;         /* candidate program roots, globs allowed */
    char *version_file;           /* below the program root */
    char *version_pattern;        /* extended regular expression; its groups, joined by dots, are the version */
    struct strings configuration; /* absolute paths, files or folders */
    struct strings attachments;   /* absolute paths, folders */
    struct strings keep;          /* patterns below the program root (tree/path.h): the site's own */
    struct strings generated;     /* likewise: what the application makes by itself */
    struct profile_database database;
    struct strings units;          /* the application's systemd units */
    struct strings database_units; /* the database's */
    struct profile_start *starts;
    size_t start_count;
    struct profile_health *healths;
    size_t health_count;
    char *query_roles;             /* rows (role, users) */
    char *query_user_roles;        /* rows (user, role) */
    char *query_attachments;       /* rows (path below one of the attachments folders) */
    struct profile_query *metrics; /* one number each */
    size_t metric_count;
    struct profile_orphans *orphans;
    size_t orphan_count;
};

/* Parses text; name is for messages and becomes `source`. Errors are those of ini_parse, or CSN_TARGET_PROFILE where the
 * keys contradict each other or a pattern is not a regular expression. *profile is empty after an error. */
int profile_parse(struct profile *profile, const char *name, const char *text, size_t size_bytes, struct error *error)
    MUST_CHECK;
int profile_load(struct profile *profile, const char *path, struct error *error) MUST_CHECK;
void profile_free(struct profile *profile);

/* The table behind the format, ended by a NULL section; profile.md's table is made from it. */
const struct ini_rule *profile_rules(void);

/* A list of profiles by name, each name once: what comes first wins. */
struct profiles {
    struct profile *items;
    size_t count;
};

/* Adds file (an error if it cannot be read). Adds every *.profile of folder in the order of names; a folder that is not
 * there adds nothing; a broken profile is an error, so that a typing mistake never makes a server unknown. */
int profiles_add_file(struct profiles *profiles, const char *path, struct error *error) MUST_CHECK;
int profiles_add_folder(struct profiles *profiles, const char *folder, struct error *error) MUST_CHECK;
/* Takes over *profile (it is empty after), unless one of its name is there: then that is kept and this freed. */
int profiles_add(struct profiles *profiles, struct profile *profile, struct error *error) MUST_CHECK;
const struct profile *profiles_find(const struct profiles *profiles, const char *name); /* NULL: none */
void profiles_free(struct profiles *profiles);

#endif
