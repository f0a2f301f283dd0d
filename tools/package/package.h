/*
 * package.h - the offline package, opened: whose it is, what it says, whether it holds, and its parts.
 *
 * Order of use: package_trust_load, package_open (reads and checks index and signature, nothing else), package_verify
 * (every byte), then the rest. A read of a member hashes it again: a stick can change between two reads, and what does
 * not match is refused before it is handed out. Errors are CSN_PACKAGE_* unless the machine fails (CSN_IO, CSN_MEMORY).
 * Not here: building (package_build.h), what a migration or check means on a server (sequence/).
 */
#ifndef CAISSON_PACKAGE_PACKAGE_H
#define CAISSON_PACKAGE_PACKAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/ini.h"
#include "lib/progress.h"
#include "lib/sha256.h"
#include "lib/strings.h"
#include "package/package_trust.h"
#include "target/profile.h"
#include "tree/manifest.h"

#define PACKAGE_MEMBER_NAME_SIZE 96 /* with the NUL; the tar header has room for 100 */

struct package_member {
    char name[PACKAGE_MEMBER_NAME_SIZE];
    uint8_t sha256[SHA256_SIZE];
    uint64_t size_bytes;
    uint64_t offset; /* of the content in the file */
};

enum package_migration_kind { PACKAGE_MIGRATION_SQL, PACKAGE_MIGRATION_PROGRAM };

/* Strings are owned by the package; NULL where the key is not there. Keys and defaults: README.md. */
struct package_migration {
    const char *name;  /* "10-update" */
    const char *title; /* never NULL: the name if there is none */
    enum package_migration_kind kind;
    const char *file;           /* a member; this or command */
    const char *command;        /* a line for the server's /bin/sh -c, in the new tree's folder */
    const char *user;           /* NULL: the profile's */
    struct strings environment; /* NAME=value */
    bool transaction;           /* sql */
    const char *only_if;        /* one statement: the migration is left out unless it gives t; NULL: it always runs */
    int timeout_sec;
};

enum package_check_kind { PACKAGE_CHECK_HTTP, PACKAGE_CHECK_SQL, PACKAGE_CHECK_COMMAND };
enum package_check_when { PACKAGE_CHECK_ASSESS, PACKAGE_CHECK_STAGE, PACKAGE_CHECK_VERIFY };

struct package_check {
    const char *name;
    const char *title; /* never NULL */
    enum package_check_kind kind;
    enum package_check_when when;
    const char *path;      /* http */
    int status;            /* http: status; command: exit code */
    const char *match;     /* POSIX extended expression, checked to compile; NULL: any */
    const char *match_not; /* NULL: none */
    const char *query;     /* sql; this or file */
    const char *equals;    /* sql; NULL: any value */
    const char *command;   /* command; this or file */
    const char *file;      /* a member */
    const char *user;      /* command and meanwhile; NULL: the profile's */
    const char *meanwhile; /* a line for the server's shell, run while it is waited; NULL: none */
    int wait_sec;          /* asked again and again until it holds, so long at most; 0: asked once */
    int timeout_sec;
};

struct package_role {
    const char *from; /* role before */
    const char *to;   /* role after; "-": gone on purpose */
};

struct package_interface {
    const char *name;
    const char *removed; /* text to look for in the site's own files */
    const char *instead; /* for people; may be NULL */
};

struct package_requirements {
    uint64_t memory_mb; /* 0: none */
    uint64_t disk_mb;
    unsigned postgresql; /* lowest major version; 0: none */
    struct strings commands;
    struct strings os; /* ID-VERSION_ID; empty: any */
};

/* What the database itself says of its version. */
struct package_schema {
    const char *query;     /* one statement; its first value. NULL: the package does not ask */
    struct strings before; /* what it may be before this package */
    const char *after;     /* what it is afterwards */
};

struct package {
    const char *name, *application, *title, *version;
    struct strings from;       /* version patterns: package_version_fits */
    const char *owner, *group; /* of the new tree's files, names on the server; NULL: root */
    struct package_requirements requirements;
    struct package_schema schema;
    struct package_migration *migrations; /* in the order they run */
    size_t migrations_count;
    struct package_check *checks; /* in the order of the index */
    size_t checks_count;
    struct package_role *roles;
    size_t roles_count;
    struct package_interface *interfaces;
    size_t interfaces_count;
    struct package_member *members; /* in the order of the file; without index and signature */
    size_t members_count;

    struct package_signer signer;
    uint8_t index_sha256[SHA256_SIZE]; /* the package's identity: everything else follows from the index */
    uint64_t size_bytes;               /* of the whole file */
    bool verified;                     /* package_verify has held on this very descriptor */
    uint64_t tree_bytes, tree_items;   /* of the new tree; known once verified */

    char *path;     /* for messages */
    int fd;         /* private */
    struct ini ini; /* private: owns the strings */
};

/* Opens the file and checks index and signature against trust; path is relative to dir_fd (AT_FDCWD). Nothing behind
 * chain.pem is read. CSN_PACKAGE_OPEN: not a package, or its length is not what the index says;
 * CSN_PACKAGE_SIGNATURE_MISSING/_BAD; CSN_PACKAGE_CONTENT: signed, but the index is not understood. On success end
 * with package_close; on failure there is nothing to close. */
int package_open(struct package *package, int dir_fd, const char *path, const struct package_trust *trust,
                 struct error *error) MUST_CHECK;
void package_close(struct package *package); /* a zeroed one is fine */

/* Reads every byte: each member against its hash, all padding, the end (CSN_PACKAGE_DAMAGED names the member). Then the manifests
 * and the profile and, without writing anything, the whole payload against the new one, so that a package that would be refused while it is
 * unpacked is refused here (CSN_PACKAGE_UNSAFE, CSN_PACKAGE_CONTENT). Sets package->verified. */
int package_verify(struct package *package, const struct progress *progress, struct error *error) MUST_CHECK;

/* 0, or CSN_PACKAGE_APPLICATION / CSN_PACKAGE_VERSION with both sides in the message. */
int package_check_application(const struct package *package, const char *application, struct error *error) MUST_CHECK;
int package_check_version(const struct package *package, const char *version, struct error *error) MUST_CHECK;

/* NULL if there is no such member. */
const struct package_member *package_member_find(const struct package *package, const char *name);

/* Appends the member's content, hash checked before it is handed out. At most limit_bytes (CSN_PACKAGE_CONTENT). */
int package_member_read(const struct package *package, const char *name, size_t limit_bytes, struct buffer *content,
                        struct error *error) MUST_CHECK;

/* Reads the profile that the package brings; *profile is empty (name NULL) where it brings none, and after an error.
 * CSN_PACKAGE_CONTENT: it cannot be understood, or is another application's. Free with profile_free. */
int package_profile_read(const struct package *package, struct profile *profile, struct error *error) MUST_CHECK;

/* Writes the member as a new file dir_fd/file_name with this mode: made without a link followed, hashed on the way, fsynced.
 * On failure the file is not there. CSN_IO where something of that name is there already; CSN_INTERNAL before
 * package_verify has held. */
int package_member_extract(const struct package *package, const char *name, int dir_fd, const char *file_name,
                           mode_t mode, struct error *error) MUST_CHECK;

/* Reads the manifest of the new tree (version NULL), or of the vendor's old tree of exactly this version; *manifest starts as {0}.
 * The new one has been checked for all that a tree may not have. CSN_PACKAGE_VERSION where there is none of that version:
 * package_has_manifest asks. Free with tree_manifest_free. */
int package_manifest_read(const struct package *package, const char *version, struct tree_manifest *manifest,
                          struct error *error) MUST_CHECK;
bool package_has_manifest(const struct package *package, const char *version);

/* "notes/<role>.<language>.md" if the package has it, else NULL. role: administrator, operator, user; language: en, zh. */
const char *package_note(const struct package *package, const char *role, const char *language);

/* The role map's line for a role, its own or that of "*" ("* = *": it keeps its name); NULL: the map has none. */
const struct package_role *package_role(const struct package *package, const char *role);

/* Unpacks the new tree into dest, a path below root_fd (its parent folder must be there, dest itself must not). All the refusals of
 * README.md hold; sizes are bounded by the manifest. Files get owner:group; where one is -1, that of this
 * process. Works in "<dest>.unpacking", which is emptied first if an earlier call was cut off; dest appears by one
 * rename after syncfs and after the payload's hash has held. On failure dest is not there, ".unpacking" neither as far as it
 * could be removed. CSN_INTERNAL before package_verify has held; CSN_PACKAGE_UNSAFE, _CONTENT, _DAMAGED, CSN_TREE_WRITE, CSN_NO_SPACE. */
int package_unpack_tree(const struct package *package, int root_fd, const char *dest, uid_t owner, gid_t group,
                        const struct progress *progress, struct error *error) MUST_CHECK;

/* The shortest chain of packages for application that leads from one version to another (to NULL: the highest version that can
 * be reached; none can: an error). path has room for count pointers; *path_count is 0 if from and to are the same. Of two
 * equal hops the first one given is taken. CSN_PACKAGE_VERSION says which hop is missing. */
int package_path_find(const struct package *const packages[], size_t count, const char *application, const char *from,
                      const char *to, const struct package *path[], size_t *path_count, struct error *error) MUST_CHECK;

#endif
