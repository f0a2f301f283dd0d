/*
 * ini.h - strict INI files (jobs, profiles, package parts) through inih: an unknown section or key, or one given twice,
 * is an error with its line, before anything is done with any value.
 *
 * No inline comments (a value may hold ';', as SQL does), no multi-line values; CRLF and a UTF-8 BOM are fine. Where any key is
 * allowed (names of roles, paths) %XX in it stands for a byte, since '=' or ':' would end it and '#' begin a comment.
 */
#ifndef CAISSON_LIB_INI_H
#define CAISSON_LIB_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "lib/strings.h"

enum ini_kind {
    INI_TEXT,
    INI_LIST,   /* comma-separated; get it with ini_list */
    INI_NUMBER, /* unsigned decimal */
    INI_BOOL,   /* yes | no */
    INI_PATH,   /* absolute, no "..": a path on the server */
};

/* One allowed key. section may end in "*" ("check *": any section that starts so); key "*" allows any key. */
struct ini_rule {
    const char *section;
    const char *key;
    enum ini_kind kind;
    bool required;    /* in each section of that name that is there; for a plain section also that it is there */
    const char *help; /* one line; the docs and `--help` are made from it */
};

struct ini_entry {
    char *section;
    char *key;
    char *value;
    int line;
};

struct ini {
    char *name; /* of the file, for messages */
    struct ini_entry *entries;
    size_t count;
    size_t allocated; /* private */
};

/* Parses size_bytes at text and checks it against rules (terminated by a NULL section). */
int ini_parse(struct ini *ini, const char *name, const char *text, size_t size_bytes, const struct ini_rule *rules,
              struct error *error) MUST_CHECK;
void ini_free(struct ini *ini);

/* Appends text as such a key is written. */
void ini_append_key(struct buffer *line, const char *text);

/* The value, owned by ini; NULL where the key is not there. */
const char *ini_get(const struct ini *ini, const char *section, const char *key);
uint64_t ini_number(const struct ini *ini, const char *section, const char *key, uint64_t otherwise);
bool ini_bool(const struct ini *ini, const char *section, const char *key, bool otherwise);
int ini_list(const struct ini *ini, const char *section, const char *key, struct strings *list, struct error *error)
    MUST_CHECK;

#endif
