/*
 * repair.h - what the parts of a repair share. For repair.c and repair_snapshot.c.
 */
#ifndef CAISSON_REPOSITORY_REPAIR_H
#define CAISSON_REPOSITORY_REPAIR_H

#include "repository/internal.h"

#define REPOSITORY_DAMAGED "damaged"

struct repair {
    struct repository *repository;
    void (*done)(void *context, const char *file, const char *what);
    void *context;
    const struct progress *progress;
    struct repository_repair_summary *summary;
};

/* Moves folder/name into damaged/, durably, and tells of it: what, and where it is. */
int repair_set_aside(struct repair *repair, const struct stored_folder *folder, const char *folder_name,
                     const char *name, const char *what, struct error *error) MUST_CHECK;

/* Writes what can be had of the snapshot in this file into a new one and sets the old one aside. */
int repair_snapshot(struct repair *repair, const uint8_t id[SHA256_SIZE], struct error *error) MUST_CHECK;

#endif
