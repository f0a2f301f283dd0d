/*
 * connection.h - the options by which a command is told the way to a PostgreSQL server.
 */
#ifndef CAISSON_CAISSON_CONNECTION_H
#define CAISSON_CAISSON_CONNECTION_H

#include "database/query.h"
#include "lib/error.h"
#include "lib/options.h"

#define CONNECTION_RULES                                                                                               \
    {"host", OPTION_TEXT, false, "HOST", "the database server's name or address, or the folder of its socket"},        \
        {"port", OPTION_NUMBER, false, "N", "its port (5432)"},                                                        \
        {"user", OPTION_TEXT, false, "ROLE",                                                                           \
         "backup: a role with the attribute REPLICATION, with --logical one that may read all; else a superuser "      \
         "(prove: postgres)"},                                                                                         \
        {"password-file", OPTION_TEXT, false, "FILE", "the first line is its password"},                               \
        {"tls", OPTION_TEXT, false, "MODE",                                                                            \
         "verify-full (default: encrypted, and it is the host named), verify-ca (and its certificate leads to the "    \
         "root), require (encrypted, by whomsoever), none"},                                                           \
        {"root-certificate", OPTION_TEXT, false, "FILE", "PEM: what the server's certificate must lead to"},           \
        {"revocation-list", OPTION_TEXT, false, "FILE", "PEM: certificates that count no more"},                       \
        {"client-certificate", OPTION_TEXT, false, "FILE", "PEM: ours, where the server wants one"},                   \
        {"client-key", OPTION_TEXT, false, "FILE", "PEM or DER: its key, mode 0600"},                                  \
    {                                                                                                                  \
        "client-key-password-file", OPTION_TEXT, false, "FILE", "the first line opens that key"                        \
    }

/* Begins as {0}. */
struct connection {
    struct query_target target; /* of the database postgres */
    struct query_tls tls;
    char *password;
    char *key_password;
};

/* Points into the options. CSN_USAGE, CSN_NOT_FOUND, ... Call connection_free in each case: it wipes. */
int connection_take(struct connection *connection, const struct options *options, struct error *error) MUST_CHECK;
void connection_free(struct connection *connection);

#endif
