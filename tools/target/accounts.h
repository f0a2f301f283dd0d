/*
 * accounts.h - users and groups of a server, from its own /etc/passwd and /etc/group, never from ours.
 *
 * NSS, LDAP and the like are not asked: the accounts that services run under are local ones.
 */
#ifndef CAISSON_TARGET_ACCOUNTS_H
#define CAISSON_TARGET_ACCOUNTS_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/error.h"

#define ACCOUNT_GROUPS_MAX 64

struct account {
    char name[64];
    uid_t uid;
    gid_t gid;
    gid_t groups[ACCOUNT_GROUPS_MAX]; /* supplementary ones, gid included first */
    size_t group_count;
    char home[256]; /* "/" where none is given */
};

/* By name; "1000" is taken as a number where no user is called so. CSN_TARGET_PROFILE where there is no such user. */
int account_find(int root_fd, const char *name, struct account *account, struct error *error) MUST_CHECK;

/* By number; a number without a name is fine: name is then its digits, gid as given, no further groups. */
int account_find_uid(int root_fd, uid_t uid, gid_t gid, struct account *account, struct error *error) MUST_CHECK;

/* The number of a group, by name or digits. */
int account_find_group(int root_fd, const char *name, gid_t *gid, struct error *error) MUST_CHECK;

#endif
