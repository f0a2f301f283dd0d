/*
 * looking.h - what the checks share while an assessment is made. Private to tools/assess.
 */
#ifndef CAISSON_ASSESS_LOOKING_H
#define CAISSON_ASSESS_LOOKING_H

#include "assess/assess.h"

struct looking {
    const struct assess_subject *subject;
    struct assessment *assessment;
    const char *check; /* name of the one at work */
};

/* A check adds what it finds; -1 only when the machine fails (memory, a disk that cannot be read). */
typedef int check_function(struct looking *looking, struct error *error);

int look_add(struct looking *looking, enum finding_severity severity, enum error_code code, struct error *error,
             const char *format, ...) PRINTF_LIKE(5, 6) MUST_CHECK;

/* check_at_rest.c */
check_function check_at_rest;

/* check_paths.c */
check_function check_profile_paths;

/* check_server.c */
check_function check_file_systems;
check_function check_clock;
check_function check_requirements;
check_function check_fence;
check_function check_renames;

/* check_space.c */
check_function check_space;
check_function check_in_place; /* after it */

/* check_database.c */
check_function check_database;
check_function check_integrity;
check_function check_other_databases;
check_function check_replication;
check_function check_schema;
check_function check_package_checks;

/* check_sizes.c */
check_function check_sizes;

/* check_program.c */
check_function check_program;
check_function check_interfaces;

/* check_links.c */
check_function check_links;

/* check_roles.c */
check_function check_roles;

/* check_data.c */
check_function check_attachments;

#endif
