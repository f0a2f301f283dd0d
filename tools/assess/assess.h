/*
 * assess.h - look before anything is touched: one table of checks over a server, the packages and the disks.
 *
 * Reads only. A finding is a blocker (stops the run), a warning (must be accepted by its name in the job) or a remark. The
 * three-way look at the program tree is made here once and used by the stage step. README.md lists the checks.
 */
#ifndef CAISSON_ASSESS_ASSESS_H
#define CAISSON_ASSESS_ASSESS_H

#include <stdbool.h>
#include <stdint.h>

#include <yyjson.h>

#include "assess/user_roles.h"
#include "database/cluster.h"
#include "database/inventory.h"
#include "database/query.h"
#include "database/sizes.h"
#include "lib/error.h"
#include "lib/ini.h"
#include "lib/progress.h"
#include "lib/strings.h"
#include "package/package.h"
#include "target/identify.h"
#include "target/view.h"
#include "tree/merge.h"

enum finding_severity { FINDING_REMARK, FINDING_WARNING, FINDING_BLOCKER };

struct finding {
    const char *check; /* name of the check, as [accept] warnings names it: "unknown-executables" */
    enum finding_severity severity;
    enum error_code code; /* CSN_NONE for a remark without one */
    char *what;           /* one sentence: what and where */
    bool accepted;        /* a warning that the job accepts */
};

/* A line of a role map. Borrowed from the packages and the job. */
struct assessment_line {
    const struct package *package; /* NULL: the job's own line */
    const char *from;
    const char *to;
};

/* A role in use and what becomes of it. */
struct assessment_role {
    char *role;
    uint64_t users;
    char *becomes;                 /* NULL: no line maps it; "-": gone on purpose */
    struct assessment_line *lines; /* by which it becomes that, one a hop; the job's own is the only one */
    size_t line_count;
};

/* What is looked at. Everything stays the caller's. */
struct assess_subject {
    const struct target *target;
    const struct package *const *hops; /* at least one */
    size_t hop_count;
    const struct cluster *cluster; /* NULL: the application has none */
    const struct query_target
        *database; /* of the running database, in the view; its database field is set. NULL: none */
    const char *
        not_recovered; /* why a cluster that was not shut down in order did not recover on a copy; NULL: it did, or was */
    bool recover;      /* the job lets one be upgraded that was not */
    bool in_place_if_needed;     /* the job lets the cluster be upgraded in place where there is no room for a clone; */
    bool in_place_always;        /* and here in each case */
    const char *backup_path;     /* where the repository will be; NULL: none */
    const char *scratch_path;    /* NULL: memory */
    uint64_t boot_bytes;         /* of the boot areas, which are copied to the backup disk first */
    const char *evidence_path;   /* where journal and report are written; NULL: not asked */
    const struct strings *paths; /* all that is backed up, real paths and the links to them; NULL: not asked */
    const struct strings *accepted;                         /* names of warnings */
    const char *(*answer)(void *context, const char *path); /* "site", "vendor" or NULL for a conflict */
    const struct ini *job;                                  /* its own lines for roles: [roles] OLD = NEW; NULL: none */
    /* Runs a package's check on the version that is there; why it does not hold is appended. NULL: nothing can be asked, which is
     * a finding of another check's. */
    int (*ask)(void *context, const struct package *package, const struct package_check *check, bool *holds,
               struct buffer *why, struct error *error);
    void *context;
    const struct progress *progress;
};

struct assessment {
    struct finding *findings; /* in the order of the table of checks */
    size_t finding_count;
    struct assessment_role *roles;
    size_t role_count;
    struct inventory inventory;         /* of the database before anything; empty without one */
    struct sizes sizes;                 /* of the application's database; tables NULL: it has none */
    struct tree_manifest vendor_before; /* empty where the version's manifest is in no package */
    struct tree_manifest site;          /* with digests */
    struct tree_manifest vendor_after;
    struct tree_merge merge; /* points into the three */
    bool merge_made;
    uint64_t program_bytes; /* of the program tree as it is */
    uint64_t cluster_bytes; /* allocated, tablespaces included */
    bool in_place;          /* the cluster is to be upgraded where it lies */
    uint64_t attachment_bytes;
    uint64_t attachment_files;
    uint64_t attachments_missing; /* rows whose file is not there */
    uint64_t attachments_unknown; /* files that no row knows */
};

/* Runs every check of the table; a check that cannot be made is a blocker, not an error. -1 only when the machine fails. */
int assess_make(const struct assess_subject *subject, struct assessment *assessment, struct error *error) MUST_CHECK;
void assess_free(struct assessment *assessment);

/* 0 if there are findings of this name; else CSN_JOB_VALUE, naming all. */
int assess_check_name(const char *name, struct error *error) MUST_CHECK;

/* 0 if nothing stops the upgrade; else CSN_ASSESS_CONFLICT, _ROLE, _SPACE, _REQUIREMENT (if that is all there is of
 * blockers), CSN_ASSESS_BLOCKED or CSN_ASSESS_WARNING, naming the findings. */
int assess_judge(const struct assessment *assessment, struct error *error) MUST_CHECK;

/* The assessment as a journal record's object (findings, roles, counts, site changes by path, bounded lists with totals). */
yyjson_mut_val *assess_to_json(const struct assessment *assessment, yyjson_mut_doc *document);

/* Adds what a switch exchanges by name: the program tree, the cluster with its folders elsewhere, the configuration outside of them. */
int assess_switched_paths(const struct target *target, const struct cluster *cluster, struct strings *paths,
                          struct error *error) MUST_CHECK;

/* Adds the roles in use, as the profile's query tells them (it must have one), with what becomes of each. */
int assess_read_roles(const struct assess_subject *subject, struct assessment *assessment, struct error *error)
    MUST_CHECK;

/* CSN_SEQUENCE_VERIFY if after the upgrade a role has fewer users than any that becomes it had, or one is in use that none becomes and
 * no line of the maps leads to. before: the roles of the record "assessment". Of subject only the maps are needed. */
int assess_check_roles(const struct assess_subject *subject, yyjson_val *before, const struct assessment *after,
                       struct error *error) MUST_CHECK;

/* Adds to each role of an object that user_roles_read has filled what becomes of it (nothing where no line says). Of subject only the
 * maps are needed. */
void assess_map_user_roles(const struct assess_subject *subject, yyjson_mut_doc *document, yyjson_mut_val *object);

/* CSN_SEQUENCE_VERIFY if a user has not the roles that the maps make of his own before, or others; *differences says how many in each
 * case but that of CSN_MEMORY. Both as user_roles.h writes them. Of subject only the maps are needed. */
int assess_check_user_roles(const struct assess_subject *subject, yyjson_val *before, yyjson_val *after,
                            struct user_roles_differences *differences, struct error *error) MUST_CHECK;

/* Attachments against rows both ways, streaming; used again by verify. query: the profile's; root_fd: of the server or view. */
struct assess_attachments {
    uint64_t files, bytes, rows, missing, unknown;
    struct strings missing_examples; /* at most 100 */
    struct strings unknown_examples;
};
int assess_count_attachments(int root_fd, const struct profile *profile, const struct query_target *database,
                             const struct progress *progress, struct assess_attachments *counts, struct error *error)
    MUST_CHECK;
void assess_attachments_free(struct assess_attachments *counts);

#endif
