/*
 * restore_fit.h - what of a snapshot the file system that is restored to cannot hold: names, kinds of files, sizes. For restore.c and
 * restore_plan.c.
 *
 * FAT, exFAT and NTFS refuse names that Linux has. Of the common file systems it is known which; one of which it is not (FUSE does not
 * say what is behind it) can only be asked by making one such name, link or pipe, which
 * goes again at once.
 */
#ifndef CAISSON_REPOSITORY_RESTORE_FIT_H
#define CAISSON_REPOSITORY_RESTORE_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buffer.h"
#include "lib/error.h"
#include "repository/snapshot.h"

enum fit_names {
    FIT_ALL,     /* any that a snapshot has */
    FIT_CHARS,   /* refuses some characters, and what is not UTF-8 */
    FIT_WINDOWS, /* and names of devices, as CON */
    FIT_ASK,     /* as FIT_WINDOWS, or not */
};

/* What an entry is, besides files and folders. */
enum fit_kind { FIT_LINK, FIT_HARDLINK, FIT_FIFO, FIT_SOCKET, FIT_DEVICE, FIT_KINDS };

struct fit_rules {
    enum fit_names names;
    bool folds_case;    /* "A" and "a" are one name */
    bool plain_only;    /* files and folders; no links of either kind, pipes, sockets, devices */
    uint64_t file_size; /* the largest */
};

/* By the file system's type and its own options, as mountinfo has them. */
struct fit_rules fit_rules_of(const char *type, const char *options);

/* Begins as {.fd = -1}. */
struct restore_fit {
    struct fit_rules rules;
    char type[64];
    size_t name_size;      /* the longest, in bytes */
    int fd;                /* borrowed */
    bool asked[FIT_KINDS]; /* of which kinds it is known */
    bool refused[FIT_KINDS];
    struct buffer skipped; /* a folder that does not fit; "": none */
    struct buffer checked; /* a folder of which all parts fit */
    uint64_t *seen;        /* hashes of places in one case, if names are folded */
    size_t seen_count;
    size_t seen_room;
};

/* Looks at the file system of the folder fd. */
int restore_fit_open(struct restore_fit *fit, int fd, struct error *error) MUST_CHECK;
void restore_fit_close(struct restore_fit *fit);

/* True if all fits: nothing has to be looked through. */
bool restore_fit_is_all(const struct restore_fit *fit);

/* To be called with each entry in the order of the snapshot. *why: NULL, it fits; or the reason that it does not, a short phrase. */
int restore_fit_check(struct restore_fit *fit, const struct snapshot_entry *entry, const char *place, const char **why,
                      struct error *error) MUST_CHECK;

#endif
