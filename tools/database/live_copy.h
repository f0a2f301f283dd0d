/*
 * live_copy.h - a database of a running server, copied beside itself, exchanged by name, and back: for a server whose files are not ours.
 *
 * The copy is migrated and the old one stays as it is, under another name and closed to everybody. Going over, and back, is two renames in one
 * transaction, whatever the size. Nobody's session is ended unless the caller says so. The server's catalogue says how far it came:
 * after a cut live_copy_examine tells.
 */
#ifndef CAISSON_DATABASE_LIVE_COPY_H
#define CAISSON_DATABASE_LIVE_COPY_H

#include <stdbool.h>

#include "database/query.h"
#include "lib/error.h"
#include "lib/progress.h"

#define LIVE_COPY_NAME_SIZE 64 /* PostgreSQL's own limit, with the NUL */

/* The names. */
struct live_copy {
    char database[LIVE_COPY_NAME_SIZE];
    char making[LIVE_COPY_NAME_SIZE]; /* the new one until it has its rights and settings, too */
    char copy[LIVE_COPY_NAME_SIZE];   /* the new one before the exchange */
    char old[LIVE_COPY_NAME_SIZE];    /* the old one after it */
};

enum live_copy_state {
    LIVE_COPY_NONE,     /* the database alone, and open */
    LIVE_COPY_BEGUN,    /* it is closed, or an unfinished copy stands beside: live_copy_drop makes NONE of that */
    LIVE_COPY_STAGED,   /* it, and the copy beside */
    LIVE_COPY_SWITCHED, /* the copy has its name, and the old one stands beside */
    LIVE_COPY_OTHER,    /* none of these: a person has to look */
};

/* From the database's name and the run's; CSN_DATABASE_QUERY: too long for the server. */
int live_copy_name(struct live_copy *names, const char *database, const char *run, struct error *error) MUST_CHECK;

/* target is a superuser's, in any other database of the server (postgres); so everywhere below. */
int live_copy_examine(const struct query_target *target, const struct live_copy *names, enum live_copy_state *state,
                      struct error *error) MUST_CHECK;

/* Nobody gets into the database any more, and those that are in have wait_sec to leave; with end_sessions they are ended then.
 * CSN_DATABASE_SESSIONS names those that stayed. After any failure it is open again, or the message says that it is not. Doing it twice is
 * fine. */
int live_copy_close(const struct query_target *target, const char *database, int wait_sec, bool end_sessions,
                    const struct progress *progress, struct error *error) MUST_CHECK;
int live_copy_open(const struct query_target *target, const char *database, struct error *error) MUST_CHECK;
/* After a failure: *error gets a word more if it stays closed. */
void live_copy_open_again(const struct query_target *target, const char *database, struct error *error);

/* The copy, with owner, rights, settings and limits of the original, which must be closed. It has its name only once it has all of these; what a
 * cut has left is removed first. CSN_NO_SPACE, CSN_DATABASE_QUERY, ... */
int live_copy_make(const struct query_target *target, const struct live_copy *names, const struct progress *progress,
                   struct error *error) MUST_CHECK;

/* The copy gets the database's name, the old one its own, in one transaction; the new one is opened. CSN_DATABASE_SESSIONS if somebody is in
 * either, or the original has been opened since (what was written in it would be lost); then nothing has changed. */
int live_copy_switch(const struct query_target *target, const struct live_copy *names, struct error *error) MUST_CHECK;

/* The same backwards: the database is again what it was, and open; the new one stands beside, closed, as the copy. */
int live_copy_back(const struct query_target *target, const struct live_copy *names, struct error *error) MUST_CHECK;

/* Removes the copy, finished or not, and opens the database; with old instead the old one. What is not there is fine. */
int live_copy_drop(const struct query_target *target, const struct live_copy *names, bool old, struct error *error)
    MUST_CHECK;

#endif
