/*
 * package_flyway.h - a folder of Flyway's SQL migrations becomes migrations of a package. Private to tools/package.
 *
 * Each script is recorded in the history table as Flyway itself records it, so that Flyway, started by the application afterwards,
 * finds nothing to do and nothing to complain of. README.md says which of Flyway's rules hold here. Not here: running
 * any of it; for a server these are SQL migrations and checks like all others.
 */
#ifndef CAISSON_PACKAGE_PACKAGE_FLYWAY_H
#define CAISSON_PACKAGE_PACKAGE_FLYWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/ini.h"
#include "lib/strings.h"

struct flyway_script {
    char *path;         /* below the folder, "V1_2__add_lang.sql": the history's script */
    char *version;      /* "1.2", as the history has it; NULL: repeatable */
    char *parts;        /* the version as it compares: no leading zeros, no parts of 0 at the end; NULL: repeatable */
    char *description;  /* "add lang" */
    struct buffer text; /* placeholders filled in, no byte order mark */
    int32_t checksum;   /* Flyway's */
    bool transaction;   /* it runs in one */
};

/* Versioned ones first, by version, then repeatable ones by description. */
struct flyway_folder {
    struct flyway_script *scripts;
    size_t count;
    size_t allocated; /* private */
};

/* Reads the folder at path; ini has [flyway-placeholders]. What is left out and why is added to notes. CSN_PACKAGE_INPUT names
 * file and line of what cannot be taken. Free with flyway_folder_free in each case. */
int flyway_folder_read(struct flyway_folder *folder, const char *path, const struct ini *ini, struct strings *notes,
                       struct error *error) MUST_CHECK;
void flyway_folder_free(struct flyway_folder *folder);

/* Reads the text of script->path, which lies in the folder folder_fd: text, checksum and transaction. */
int flyway_script_read(struct flyway_script *script, int folder_fd, const char *folder_path, const struct ini *ini,
                       struct error *error) MUST_CHECK;

/* Flyway's checksum: CRC-32 of the lines without their ends, and without a byte order mark. */
int32_t flyway_checksum(const char *text, size_t size_bytes);

/* The version as it compares, appended ("1.02.0": "1.2"; "0": "0"); false if it is none. Both ways of parting are understood. */
bool flyway_version_parts(const char *version, size_t length, struct buffer *parts);
int flyway_parts_compare(const char *one, const char *other);

/* Appends to index what the folder means for a package, with the keys of [flyway] in ini, and hands each file to take, which owns
 * *content then. name is for messages. */
int flyway_write(const struct flyway_folder *folder, const struct ini *ini, const char *name, struct buffer *index,
                 int (*take)(void *context, const char *member, struct buffer *content, struct error *error),
                 void *context, struct error *error) MUST_CHECK;

#endif
