/*
 * user_roles.h - each user's roles, as the profile's query `user-roles` tells them: read, kept in the journal, compared after the upgrade with
 * what the role maps make of them.
 */
#ifndef CAISSON_ASSESS_USER_ROLES_H
#define CAISSON_ASSESS_USER_ROLES_H

#include <stdint.h>

#include <yyjson.h>

#include "database/query.h"
#include "lib/error.h"

#define USER_ROLES_TEXT_SIZE 200

/* Adds to the object: roles ([{role, users: [...]}]) and pairs (how many). Names that are not UTF-8 are written \xNN. query gives a row each:
 * user, role. CSN_TARGET_PROFILE: other columns; CSN_DATABASE_QUERY: more than 500,000 rows, or the server's refusal. */
int user_roles_read(const struct query_target *database, const char *query, yyjson_mut_doc *document,
                    yyjson_mut_val *object, struct error *error) MUST_CHECK;

/* What a role becomes; "-": nothing; NULL: no line says. */
typedef const char *user_roles_becomes(void *context, const char *role);

struct user_roles_differences {
    uint64_t compared; /* pairs that should be there */
    uint64_t missing;  /* of these, how many are not */
    uint64_t added;    /* pairs that nobody should have */
    char first_missing[USER_ROLES_TEXT_SIZE];
    char first_added[USER_ROLES_TEXT_SIZE];
};

/* Both as user_roles_read wrote them. 0 also where they differ. */
int user_roles_compare(yyjson_val *before, yyjson_val *after, user_roles_becomes *becomes, void *context,
                       struct user_roles_differences *differences, struct error *error) MUST_CHECK;

#endif
