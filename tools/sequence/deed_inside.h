/*
 * deed_inside.h - what doing (deed.c) and undoing (deed_undo.c) share: a deed's records, and what the disk says of it.
 */
#ifndef CAISSON_SEQUENCE_DEED_INSIDE_H
#define CAISSON_SEQUENCE_DEED_INSIDE_H

#include <stdint.h>
#include <time.h>
#include <yyjson.h>

#include "sequence/deed.h"

/* The path's parent folder as the server knows it, "/" for what lies in the root; and that folder's time. The caller's. */
char *deed_parent_of(const char *path);
int deed_folder_time(int root_fd, const char *path, struct timespec *time, struct error *error) MUST_CHECK;

/* Seconds since 1970 of the journal's last record "released"; INT64_MAX while there is none: until then nobody but us changes
 * the server. */
int64_t deed_released_sec(const struct journal *journal);

bool deed_is_exchange(yyjson_val *record);
bool deed_is_rename(yyjson_val *record); /* exchange or move */

/* Adds the record kind ("done") of the intent seq; missing: what is undone had been made, and was not there any more. */
int deed_record_of(const struct deed_place *place, const char *kind, int64_t seq, bool missing, struct error *error)
    MUST_CHECK;
/* True if a record of this kind ("undone") belongs to the intent seq. */
bool deed_has_record_of(const struct journal *journal, const char *kind, int64_t seq);
/* The open intent of this run for the same deed and path, when the step is done again after a cut; 0 if none. */
int64_t deed_find_open_intent(const struct deed_place *place, const char *deed, const char *path);

uint64_t deed_inode_at(int root_fd, const char *path); /* 0: nothing is there */
/* 0: as it was before the rename; 1: it has happened; -1: neither, which only a person can explain. */
int deed_rename_state(const struct deed_place *place, yyjson_val *record, struct error *error) MUST_CHECK;

#endif
