/*
 * stored.h - one file of the repository's disk as a run of plain bytes: written once from front to end under a temporary
 * name, made real at once, read at any place.
 *
 * This is the stage between what the formats say and what lies on the disk: where the folder is sealed, each file is one
 * age v1 file, and nothing above knows of it but by its name.
 */
#ifndef CAISSON_REPOSITORY_STORED_H
#define CAISSON_REPOSITORY_STORED_H

#include <stddef.h>
#include <stdint.h>

#include "age/reader.h"
#include "age/writer.h"
#include "lib/error.h"

#define STORED_TEMPORARY_SUFFIX ".tmp"
#define STORED_NAME_SIZE 48

/* Who may read what is written, and what reads what is there. */
struct stored_seal {
    const struct age_recipient *recipients;
    size_t recipient_count;
    struct age_keys keys;
};

struct stored_folder {
    int fd;
    const struct stored_seal *seal; /* NULL: files lie there as they are */
};

struct stored_writer {
    const struct stored_folder *folder; /* borrowed */
    int fd;                             /* -1: none open */
    char temporary[STORED_NAME_SIZE];
    uint64_t size_bytes; /* on the disk so far */
    struct behind *disk; /* kept from file to file, as what follows */
    struct age_writer *cipher;
};

/* Makes a new temporary file in the folder; the writer was {.fd = -1} before its first one. A full disk is
 * CSN_REPOSITORY_FULL here and below; the temporary file is then removed by stored_abandon. */
int stored_create(struct stored_writer *writer, const struct stored_folder *folder, struct error *error) MUST_CHECK;
int stored_append(struct stored_writer *writer, const void *data, size_t size_bytes, struct error *error) MUST_CHECK;

/* fsync, rename to name in the folder (name may be "part/name"; that part is made), fsync of the folder that holds it. */
int stored_commit(struct stored_writer *writer, const char *name, struct error *error) MUST_CHECK;

/* Removes the temporary file. After a commit, or a second time: nothing. */
void stored_abandon(struct stored_writer *writer);

/* The same, and frees what is kept from file to file. */
void stored_end(struct stored_writer *writer);

struct stored_reader {
    int fd;              /* -1: none open */
    uint64_t size_bytes; /* plain */
    struct age_reader *cipher;
};

/* CSN_REPOSITORY_DAMAGED if there is no such file or it is no regular or no whole one, CSN_AGE_NO_IDENTITY if none of the
 * keys opens it, CSN_IO if it cannot be opened. */
int stored_open(struct stored_reader *reader, const struct stored_folder *folder, const char *name, struct error *error)
    MUST_CHECK;

/* The same for one that is damaged, to save what can be had of it: its end need not hold, and its size is a guess. */
int stored_open_damaged(struct stored_reader *reader, const struct stored_folder *folder, const char *name,
                        struct error *error) MUST_CHECK;

/* True if the error says that what the file held cannot be had from this disk with these keys (CSN_REPOSITORY_DAMAGED,
 * CSN_AGE_NO_IDENTITY, CSN_IO); others, as CSN_MEMORY, say nothing of the file. */
bool stored_is_lost(const struct error *error);

/* All of this file will be read soon: the kernel may begin to. */
void stored_expect(const struct stored_folder *folder, const char *name);

/* Exactly these bytes: CSN_REPOSITORY_DAMAGED if the file ends before, or what lies there was changed; CSN_IO. name is for
 * messages. */
int stored_read(const struct stored_reader *reader, const char *name, uint64_t offset, void *data, size_t size_bytes,
                struct error *error) MUST_CHECK;
void stored_close(struct stored_reader *reader);

#endif
