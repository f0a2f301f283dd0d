/*
 * stored.h - one file of the repository's disk as a run of plain bytes: written once from front to end under a temporary
 * name, made real at once, read at any place.
 *
 * This is the stage between what the formats say and what lies on the disk: bytes are stored as they are today; a
 * cipher goes in here, and nothing above knows of it.
 */
#ifndef CAISSON_REPOSITORY_STORED_H
#define CAISSON_REPOSITORY_STORED_H

#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define STORED_TEMPORARY_SUFFIX ".tmp"
#define STORED_NAME_SIZE 48

struct stored_writer {
    int folder_fd; /* borrowed */
    int fd;        /* -1: none open */
    char temporary[STORED_NAME_SIZE];
    uint64_t size_bytes; /* plain bytes appended so far */
    uint64_t flushed_bytes;
};

/* Makes a new temporary file in the folder. A full disk is CSN_REPOSITORY_FULL here and below; the temporary file is then
 * removed by stored_abandon. */
int stored_create(struct stored_writer *writer, int folder_fd, struct error *error) MUST_CHECK;
int stored_append(struct stored_writer *writer, const void *data, size_t size_bytes, struct error *error) MUST_CHECK;

/* fsync, rename to name in the folder (name may be "part/name"; that part is made), fsync of the folder that holds it. */
int stored_commit(struct stored_writer *writer, const char *name, struct error *error) MUST_CHECK;

/* Removes the temporary file. After a commit, or a second time: nothing. */
void stored_abandon(struct stored_writer *writer);

struct stored_reader {
    int fd; /* -1: none open */
    uint64_t size_bytes;
};

/* CSN_REPOSITORY_DAMAGED if there is no such file or it is no regular one, CSN_IO if it cannot be opened. */
int stored_open(struct stored_reader *reader, int folder_fd, const char *name, struct error *error) MUST_CHECK;

/* Exactly these bytes: CSN_REPOSITORY_DAMAGED if the file ends before, CSN_IO. name is for messages. */
int stored_read(const struct stored_reader *reader, const char *name, uint64_t offset, void *data, size_t size_bytes,
                struct error *error) MUST_CHECK;
void stored_close(struct stored_reader *reader);

#endif
