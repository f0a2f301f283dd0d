/*
 * room.h - the application of a site in a closed room: a view with the site's own paths bound where the application
 * expects them, its database started, and, when asked, the application itself.
 */
#ifndef CAISSON_SEQUENCE_ROOM_H
#define CAISSON_SEQUENCE_ROOM_H

#include "database/cluster.h"
#include "database/query.h"
#include "database/server.h"
#include "sequence/run.h"
#include "target/view.h"

#define ROOM_BINDS 64
#define ROOM_PROGRAMS 16

struct room {
    struct view *view;
    struct cluster cluster;         /* as it lies in the room; data_path NULL: none */
    struct database_server *server; /* NULL: not started */
    struct view_program *programs[ROOM_PROGRAMS];
    size_t program_count;
};

/* What is bound over the site's paths; fill it with room_bind. */
struct room_binds {
    struct view_bind items[ROOM_BINDS];
    char *owned[2 * ROOM_BINDS]; /* the strings of items */
    size_t count;
    size_t owned_count;
};

/* What stands at `source` below the folder root_path of this machine appears at `target` in the room. Links on the way are
 * followed below root_path only. CSN_NOT_FOUND where nothing is. */
int room_bind(struct room_binds *binds, const char *root_path, const char *source, const char *target, bool writable,
              struct error *error) MUST_CHECK;

/* The site's own cluster, with its folders elsewhere: what is written to it stays. */
int room_bind_cluster(const struct run *run, const struct site *site, struct room_binds *binds, struct error *error)
    MUST_CHECK;
void room_binds_free(struct room_binds *binds);

/* Opens the room on the site and starts the database in it (if the application has one). Nothing of it reaches the site but
 * through the binds. On failure nothing is left. */
int room_open(const struct run *run, const struct site *site, const struct room_binds *binds, enum database_mode mode,
              struct room *room, struct error *error) MUST_CHECK;

/* Where the application's own database is reached; NULL host: there is none. */
struct query_target room_database(const struct room *room, const struct run *run);

/* Starts the profile's programs and waits until each is ready; then every health check must hold. */
int room_start_application(struct room *room, const struct run *run, struct error *error) MUST_CHECK;

/* Stops programs and database in order, takes the room away. The first error is reported; a zeroed room is fine. */
int room_close(struct room *room, struct error *error) MUST_CHECK;

/* Records what programs wrote in the room outside of the binds (and lost), as "written-elsewhere", without /var/log, /tmp and
 * their like. */
int room_record_writes(const struct room *room, const struct site *site, struct error *error) MUST_CHECK;

#endif
